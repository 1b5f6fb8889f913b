//! What a training came to: scored, quantized, exported, written down and printed.

use std::path::Path;

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};
use trainer::data::Dataset;
use trainer::data::download::hexadecimal;
use trainer::evaluate::{self, Answers};
use trainer::fit::History;
use trainer::fit::selection::Selection;
use trainer::interval::{Estimate, Interval};
use trainer::network::FloatModel;
use trainer::number::{finite, rate};
use trainer::quantize::QuantizedModel;
use trainer::quantize::aware::Gain;
use trainer::run::{Accuracies, ExportMetrics, Int8Metrics, Metrics, PerSplit, RunConfig, RunDirectory};
use trainer::support::text::thousands;
use trainer::whole_file::write_whole;

use super::console::{Console, tell};
use super::output::warn;

/// What came out.
pub struct Results {
    /// In figures.
    pub metrics: Metrics,
    /// Why the model could not be written where the user wants it; the run is whole all the same.
    pub not_exported: Option<anyhow::Error>,
}

/// Writes the float weights and the history, quantizes by the configuration's calibration, scores both models, exports, and
/// says what came out.
pub fn finish(
    directory: &RunDirectory,
    model: &FloatModel,
    dataset: &Dataset,
    mut config: RunConfig,
    history: &History,
    gain: Option<Gain>,
    console: &Console,
) -> Result<Results> {
    // A run directory that cannot be written is no reason not to export: the errors wait.
    let kept = directory.write_weights(model).and_then(|()| directory.write_history(&history.epochs));
    let architecture = model.architecture();
    let quantized = QuantizedModel::new(model, &config.calibration)?;
    // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
    let draft = config.encode(&quantized)?;
    let float = on_each(dataset, |images| Ok(evaluate::float(model, images)?))?;
    let int8 = on_each(dataset, |images| Ok(evaluate::int8(&draft, images)?))?;
    config.accuracies = Accuracies {
        float_test: Some(float.test.score.accuracy as f32),
        int8_test: Some(int8.test.score.accuracy as f32),
    };
    let bytes = config.encode(&quantized)?;
    let exported = config.export.as_ref().map_or(Ok(()), |path| write_whole(path, &bytes));
    kept?;
    directory.write_config(&config)?;
    directory.write_manifest(dataset)?;
    directory.write_model(&bytes)?;

    let seconds_per_epoch = median(history.epochs.iter().map(|epoch| epoch.seconds).collect());
    let header = infer_core::Header::parse(&bytes)?;
    let images =
        PerSplit { train: dataset.train.len(), validation: dataset.validation.len(), test: dataset.test.len() };
    let selection = Selection::of(&history.epochs, history.best_epoch, images.validation);
    let metrics = Metrics {
        model: architecture.name.clone(),
        dataset: dataset.name.clone(),
        parameters: architecture.parameters(),
        seed: config.seed,
        images,
        epochs_run: history.epochs.len(),
        best_epoch: history.best_epoch,
        stopped_early: history.stopped_early,
        interrupted: history.interrupted,
        epochs_like_the_best: selection.map(|selection| selection.alike),
        seconds_per_epoch,
        images_per_second: seconds_per_epoch.and_then(|seconds| rate(dataset.train.len(), seconds)),
        float: scores(&float, images),
        int8: Int8Metrics {
            scores: scores(&int8, images),
            agreement_with_float: int8.test.agreement(&float.test),
            validation_before_fine_tuning: gain.map(|gain| gain.before.over(images.validation)),
        },
        export: ExportMetrics {
            path: config.export.clone().filter(|_| exported.is_ok()).unwrap_or_else(|| directory.model()),
            bytes: bytes.len(),
            sha256: hexadecimal(Sha256::new_with_prefix(&bytes)),
            flash_bytes: bytes.len(),
            arena_bytes: header.arena_len,
            macs: architecture.macs(),
        },
    };
    directory.write_metrics(&metrics)?;
    if let Err(error) = directory.write_frames(&dataset.test) {
        warn(&format!("WARNING: the model is written, but there are no test images for firmware: {error}"));
    }
    print(&metrics, directory, console);
    if let Some(selection) = selection.filter(Selection::is_chance) {
        warn(&format!("WARNING: {selection}."));
    }
    if let Some(page) = super::report::after_fit(directory, model, &config.calibration, &bytes, dataset) {
        tell!(console, "a page about it, for a browser: {}", page.display());
    }
    let not_exported = exported.err().map(|error| {
        let run = directory.path().display();
        anyhow!("{error}; the model is in {run} all the same: trainer export {run} --out FILE")
    });
    Ok(Results { metrics, not_exported })
}

fn on_each(dataset: &Dataset, score: impl Fn(&trainer::data::Images) -> Result<Answers>) -> Result<PerSplit<Answers>> {
    Ok(PerSplit { train: score(&dataset.train)?, validation: score(&dataset.validation)?, test: score(&dataset.test)? })
}

fn scores(answers: &PerSplit<Answers>, images: PerSplit<usize>) -> PerSplit<Estimate> {
    PerSplit {
        train: answers.train.score.over(images.train),
        validation: answers.validation.score.over(images.validation),
        test: answers.test.score.over(images.test),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().and_then(finite)
}

fn print(metrics: &Metrics, directory: &RunDirectory, console: &Console) {
    tell!(console, "\n            train             validation        test");
    tell!(console, "            loss    accuracy  loss    accuracy  loss    accuracy");
    for (name, scores) in [("float", &metrics.float), ("int8", &metrics.int8.scores)] {
        let cells = [scores.train, scores.validation, scores.test]
            .map(|score| format!("{:.4}  {:.4}  ", score.loss, score.accuracy));
        tell!(console, "{name:<10}  {}", cells.join("  ").trim_end());
        let images = metrics.images;
        let counts = [images.train, images.validation, images.test];
        let intervals = [scores.train, scores.validation, scores.test].into_iter().zip(counts);
        let intervals: Vec<String> = intervals
            .map(|(score, images)| Interval::of_few(score.accuracy, images))
            .map(|interval| interval.map_or_else(String::new, |interval| interval.to_string()))
            .collect();
        if intervals.iter().any(|interval| !interval.is_empty()) {
            // Below each accuracy, one column to the left of it.
            let cells: String = intervals.iter().map(|interval| format!("{:7}{interval:<11}", "")).collect();
            tell!(console, "{:<12}{}", "  95%", cells.trim_end());
        }
    }
    let export = &metrics.export;
    tell!(console, "\nint8 and float agree on {:.2}% of the test images", 100.0 * metrics.int8.agreement_with_float);
    tell!(
        console,
        "{}: {} bytes of flash,\n{} bytes of arena, {} multiply-accumulates",
        from_here(&export.path).display(),
        thousands(export.bytes),
        thousands(export.arena_bytes as usize),
        thousands(export.macs)
    );
    tell!(console, "everything about this run: {}", directory.path().display());
}

/// A path as short as it can be said in the current directory.
fn from_here(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
