//! What a search came to, printed and as a page.

use anyhow::{Context, Result};
use trainer::search::page;
use trainer::search::record::SearchRecord;
use trainer::support::number::shown;
use trainer::support::text::thousands;
use trainer::support::whole_file::replace_whole;

use super::console::{Console, console_line};

/// Trials of the front that are listed, at most.
const LISTED: usize = 20;

/// Prints the table of a search and writes its page.
pub fn print(record: &SearchRecord, console: &Console) -> Result<()> {
    console_line!(console, "");
    console_line!(console, "{}", record.summary());
    let front = record.front();
    if !front.is_empty() {
        console_line!(console, "");
        console_line!(console, "the Pareto front: no trial is better in one of these and worse in none");
        console_line!(console, "trial  accuracy      flash        RAM        ms  model file");
        for &number in front.iter().take(LISTED) {
            let trial = &record.state.trials[number];
            let Some(needed) = &trial.requirements else { continue };
            console_line!(
                console,
                "{number:>5}  {:>8}  {:>9}  {:>9}  {:>8.1}  {:>10}",
                shown(record.accuracy(trial), 4),
                thousands(needed.flash),
                thousands(needed.ram),
                needed.milliseconds,
                thousands(needed.model)
            );
        }
        if front.len() > LISTED {
            console_line!(console, "and {} more", front.len() - LISTED);
        }
        let best = record.state.trials.get(front[0]);
        if let Some(best) = best {
            console_line!(console, "");
            console_line!(console, "the most accurate: {}", record.values(best));
            console_line!(console, "its run: {}", record.run(best.number).display());
        }
    }
    let path = record.path.join(page::FILE);
    replace_whole(&path, page::page(record).context("the page of the search")?.as_bytes())?;
    console_line!(console, "a page about it, for a browser: {}", path.display());
    Ok(())
}
