//! Compares samplers without training: replays searches over a table of trials that were all trained once.
//!
//! The table is a search of a small space to its end, which has every candidate of it. `benchmarks/search/README.md` has the commands:
//!
//! ```sh
//! cargo run --release -p thimble-tests --example compare_samplers -- runs/table 40 5
//! cargo run --release -p thimble-tests --example compare_samplers -- runs/table 40 5 4096
//! ```
//!
//! The second one allows a model file of 4,096 bytes, so that some candidates do not fit. For both samplers, with halving and without, it prints after how many epochs of training the searches ended, and the best validation accuracy
//! that they found: the median and the range of so many seeds.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use trainer::search::engine::{Engine, Report, Runner, Watcher};
use trainer::search::record::SearchRecord;
use trainer::search::state::{Journal, State, TrialState};
use trainer::search::{Halving, SamplerKind, TrialEvent, TrialRequest};

/// Reports what the table has of a candidate.
struct Table<'t> {
    trials: &'t [TrialState],
    reports: VecDeque<(usize, Report)>,
}

impl Runner for Table<'_> {
    fn start(&mut self, trial: usize, request: &TrialRequest) -> std::io::Result<()> {
        let missing = || std::io::Error::other("the table has not every candidate: train it to the end first");
        let found = self.trials.iter().find(|known| known.parameters == request.parameters).ok_or_else(missing)?;
        let (Some(accuracy), Some(requirements)) = (found.accuracy, found.requirements) else { return Err(missing()) };
        let epochs = found
            .curve
            .iter()
            .enumerate()
            .map(|(index, &validation_accuracy)| TrialEvent::Epoch { epoch: index + 1, validation_accuracy });
        let finished = TrialEvent::Finished { validation_accuracy: accuracy, requirements };
        self.reports.extend(epochs.chain([finished]).map(|event| (trial, Report::Event(event))));
        Ok(())
    }

    fn stop(&mut self, trial: usize) {
        self.reports.retain(|(running, _)| *running != trial);
    }

    fn next(&mut self, _: Duration) -> Option<(usize, Report)> {
        self.reports.pop_front()
    }
}

/// Sees nothing.
struct Nobody;

impl Watcher for Nobody {
    fn ended(&mut self, _: &State, _: usize) {}
}

/// The best accuracy that a search finds, and the epochs that it trains.
fn search(record: &SearchRecord, sampler: SamplerKind, halving: bool, trials: usize, seed: u64) -> (f64, usize) {
    let (settings, goals) = (&record.settings, record.goals());
    let home = tempfile::tempdir().expect("a directory for the state of a search");
    let mut journal = Journal::open(home.path()).expect("the state of a search");
    let engine = Engine {
        space: &record.space,
        facts: &settings.facts,
        goals: &goals,
        sampler,
        halving: halving.then(|| Halving::of(settings.epochs)),
        seed,
        epochs: settings.epochs,
        trials,
        deadline: None,
        workers: 1,
        smallest: None,
    };
    let mut table = Table { trials: &record.state.trials, reports: VecDeque::new() };
    engine.run(&mut journal, &mut table, &mut Nobody).unwrap_or_else(|error| panic!("{error}"));
    let trials = &journal.state().trials;
    let best = trials.iter().filter_map(|trial| trial.accuracy).fold(0.0, f64::max);
    (best, trials.iter().map(|trial| trial.curve.len()).sum())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (table, trials, seeds, model) = match &words[..] {
        [table, trials, seeds] => (table, trials, seeds, None),
        [table, trials, seeds, model] => (table, trials, seeds, Some(model)),
        _ => panic!("compare_samplers TABLE TRIALS SEEDS [BYTES]"),
    };
    let mut record = SearchRecord::read(Path::new(table)).unwrap_or_else(|error| panic!("{error}"));
    record.settings.limits.model =
        model.map(|bytes| bytes.parse::<usize>().unwrap_or_else(|error| panic!("{bytes}: {error}")));
    let numbers = [trials, seeds].map(|word| word.parse::<usize>().unwrap_or_else(|error| panic!("{word}: {error}")));
    let limits = &record.settings.limits;
    let fits = |trial: &&TrialState| trial.requirements.as_ref().is_some_and(|needed| limits.excess(needed) == 0.0);
    let mut fitting: Vec<f64> = record.state.trials.iter().filter(fits).filter_map(|trial| trial.accuracy).collect();
    fitting.sort_by(f64::total_cmp);
    let [median, best] = [fitting[fitting.len() / 2], fitting[fitting.len() - 1]];
    println!(
        "{} candidates, of which {} fit; their median has {median:.4}, the best {best:.4}",
        record.state.trials.len(),
        fitting.len()
    );
    println!("{:<8} {:<8} {:>7} {:>8} {:>8} {:>8}", "sampler", "halving", "epochs", "median", "worst", "best");
    for sampler in [SamplerKind::Random, SamplerKind::Tpe] {
        for halving in [false, true] {
            let found = (0..numbers[1] as u64).map(|seed| search(&record, sampler, halving, numbers[0], seed));
            let (mut accuracies, mut epochs): (Vec<f64>, Vec<usize>) = found.unzip();
            accuracies.sort_by(f64::total_cmp);
            epochs.sort_unstable();
            let middle = accuracies.len() / 2;
            println!(
                "{:<8} {:<8} {:>7} {:>8.4} {:>8.4} {:>8.4}",
                format!("{sampler:?}").to_lowercase(),
                if halving { "yes" } else { "no" },
                epochs[middle],
                accuracies[middle],
                accuracies[0],
                accuracies[accuracies.len() - 1]
            );
        }
    }
}
