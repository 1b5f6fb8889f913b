//! `trainer search --final N`: the best candidates trained to the end, by `fit`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use trainer::export::layout::LayoutChoice;
use trainer::image::Resize;
use trainer::quantize::Method;
use trainer::run::RunDirectory;
use trainer::search::Candidate;
use trainer::search::record::SearchRecord;
use trainer::support::whole_file::replace_whole;
use trainer::train::recipe::Recipe;

use super::console::{Console, console_line};
use super::output::print_message;

/// The directory of these runs, in that of a search.
const FINAL: &str = "final";

/// Flags that a search has and `fit` has not: what the candidate was checked for, it keeps.
const OF_SEARCHES: [&str; 2] = ["--max-model=", "--max-time="];

/// Trains the best candidates of a search, `count` of them, each for so many epochs.
pub fn run(record: &SearchRecord, count: usize, epochs: Option<usize>, console: &Console) -> Result<()> {
    let best = record.front();
    if best.is_empty() {
        bail!("no trial has finished, so there is nothing to train to the end");
    }
    for (index, &number) in best.iter().take(count).enumerate() {
        let out = record.path.join(FINAL).join(format!("{number:05}"));
        console_line!(console, "");
        console_line!(
            console,
            "trial {number}, {} of {}: to the end, in {}",
            index + 1,
            count.min(best.len()),
            out.display()
        );
        if RunDirectory::open(&out).is_finished() {
            console_line!(console, "it is finished already");
            continue;
        }
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        if RunDirectory::is_at(&out) {
            command.arg("fit").arg("--resume").arg(&out);
        } else {
            begin(&mut command, record, number, epochs, &out)?;
        }
        if console.is_quiet() {
            command.arg("--quiet");
        }
        let status = command.status().context("beginning the training")?;
        if !status.success() {
            bail!(
                "the training of trial {number} failed ({status}); trainer search --resume {} --final {count} resumes it",
                record.path.display()
            );
        }
        if !RunDirectory::open(&out).is_finished() {
            print_message(&format!("to resume it: trainer search --resume {} --final {count}", record.path.display()));
            return Ok(());
        }
    }
    Ok(())
}

/// The command line of a new training.
fn begin(command: &mut Command, record: &SearchRecord, number: usize, epochs: Option<usize>, out: &Path) -> Result<()> {
    let trial = record.state.trials.get(number).ok_or_else(|| anyhow!("there is no trial {number}"))?;
    let candidate = Candidate::new(&record.space, &trial.parameters)?;
    let settings = &record.settings;
    let conversion = candidate.conversion()?;
    let input = conversion.map_or(settings.facts.input, |conversion| conversion.shape());
    // A recipe of its own, with as many epochs as the one that it is based on, or as its trial had.
    let images = settings.facts.training_images;
    let batch_size = candidate.recipe(1, images)?.batch_size;
    let base = Recipe { batch_size, ..record.space.base.clone().for_images(images) }.with_enough_epochs(images);
    let base = base.epochs * if settings.has_teacher { 2 } else { 1 };
    let epochs = epochs.unwrap_or(base.max(settings.epochs));
    let directory = record.path.join(FINAL);
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let [network, recipe] = ["network", "recipe"].map(|what| directory.join(format!("{number:05}-{what}.toml")));
    replace_whole(&network, candidate.network(input).as_bytes())?;
    replace_whole(&recipe, toml::to_string(&candidate.recipe(epochs, images)?)?.as_bytes())?;
    command
        .arg("fit")
        .arg("--model")
        .arg(std::path::absolute(&network)?)
        .arg("--recipe")
        .arg(std::path::absolute(&recipe)?);
    command.arg("--out").arg(out).arg("--seed").arg(trial.seed.to_string());
    if let Some(conversion) = conversion {
        let resize = match conversion.resize() {
            Resize::Fit => "fit",
            Resize::Crop => "crop",
            Resize::AsTheyAre | Resize::Stretch => "stretch",
        };
        command.arg("--input").arg(conversion.shape().to_string()).arg("--resize").arg(resize);
    }
    if let [method] = candidate.calibration() {
        let method = match method {
            Method::Range => "range",
            Method::Percentile => "percentile",
            Method::Error => "error",
        };
        command.arg("--calibration").arg(method);
    }
    let arguments = settings.arguments.iter().filter(|word| !OF_SEARCHES.iter().any(|flag| word.starts_with(flag)));
    match candidate.layout() {
        Some(layout) => {
            let layout = match layout {
                LayoutChoice::Compact => "compact",
                LayoutChoice::Fast => "fast",
                LayoutChoice::Vector => "vector",
                LayoutChoice::Auto => "auto",
            };
            command.args(arguments.filter(|word| !word.starts_with("--layout="))).arg("--layout").arg(layout);
        }
        None => _ = command.args(arguments),
    }
    Ok(())
}
