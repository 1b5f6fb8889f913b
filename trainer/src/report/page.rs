//! One HTML page about a run, or about several beside each other: everything is in it, and nothing is fetched.
//!
//! The text is in `trainer/templates`; askama escapes whatever a user could have named, and the page's own policy
//! forbids scripts and connections.

use std::path::Path;

use askama::Template;

use super::against_page::{self, AgainstView};
use super::figures::{self, curves, network};
use super::file_links::FileLinks;
use super::files_page::{self, MistakeRow, SuspectRow};
use super::palette::{Color, declarations};
use super::target::{self, TargetView};
use super::{Figure, Findings, Kind, ReportError, RunRecord, answers, demo};
use crate::dataset::{fashion_mnist, garments};
use crate::network::architecture::shown;
use crate::run::{Metrics, PerSplit};
use crate::support::interval::Interval;
use crate::support::number::shown as decimals;
use crate::support::printable::in_one_line;
use crate::support::shell::quote_path;
use crate::support::text::thousands;
use crate::train::confusion::{Confused, Confusion};
use crate::train::recipe::Monitor;
use crate::train::score::Estimate;
use crate::train::selection::EpochSelection;

/// What every page begins with.
pub const BEGINNING: &str = "<!doctype html>";

/// Confusions that are listed.
const LISTED: usize = 8;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    light: String,
    dark: String,
    comparison: Option<Comparison>,
    runs: Vec<Section>,
}

/// Several runs beside each other.
struct Comparison {
    rows: Vec<Row>,
    curves: Option<FigureView>,
}

/// A run among others.
struct Row {
    name: String,
    anchor: String,
    model: String,
    dataset: String,
    recipe: String,
    float: String,
    int8: String,
    is_best: bool,
    intervals: [String; 2],
    is_interrupted: bool,
    flash: String,
    arena: String,
    macs: String,
    parameters: String,
    epochs: String,
    time: String,
}

/// A run.
struct Section {
    name: String,
    anchor: String,
    heading: String,
    path: String,
    about: String,
    /// The link to the page that runs the model; empty where there is none.
    demo: String,
    /// What a reader has to know first, a paragraph each.
    notices: Vec<Notice>,
    key_figures: Vec<KeyFigure>,
    against: Option<AgainstView>,
    samples: Option<FigureView>,
    batch: Option<FigureView>,
    class_counts: Option<FigureView>,
    curves: Option<FigureView>,
    learning_rate: Option<FigureView>,
    confusion: Option<FigureView>,
    classes: Option<FigureView>,
    mistakes: Option<FigureView>,
    mistake_files: Vec<MistakeRow>,
    /// How sure the answers are.
    certainty: Vec<FigureView>,
    mislabeled: Option<FigureView>,
    suspects: Vec<SuspectRow>,
    /// Where no label is doubtful, or too many are.
    suspects_note: String,
    network: Option<FigureView>,
    filters: Option<FigureView>,
    quantization_error: Option<FigureView>,
    confusions: Vec<ConfusionRow>,
    rates: Vec<ClassRow>,
    test_images: String,
    layers: Vec<LayerRow>,
    total_parameters: String,
    total_macs: String,
    target: Option<TargetView>,
    scores: Vec<ScoreRow>,
    recipe: String,
    commands: Vec<(&'static str, String)>,
}

/// A paragraph, and the command that it is about.
struct Notice {
    text: String,
    command: String,
}

struct KeyFigure {
    name: &'static str,
    value: String,
    note: String,
}

struct FigureView {
    title: String,
    caption: String,
    svg: String,
    is_wide: bool,
}

struct ConfusionRow {
    truth: String,
    prediction: String,
    count: usize,
    share: String,
}

struct ClassRow {
    name: String,
    images: String,
    rates: [String; 3],
    /// Of precision and recall; empty where there are images enough.
    intervals: [String; 2],
}

struct LayerRow {
    number: usize,
    name: String,
    output: String,
    parameters: String,
    macs: String,
    decibels: String,
}

struct ScoreRow {
    name: &'static str,
    cells: Vec<ScoreCell>,
}

/// Loss and accuracy on a part of the data.
struct ScoreCell {
    loss: String,
    accuracy: String,
    /// Of the accuracy; empty where there are images enough.
    interval: String,
}

/// The page about these runs, each with its findings, as it is in the directory of the first.
///
/// # Errors
/// [`ReportError::TooManyRuns`], and those of the figures.
pub fn html(runs: &[(RunRecord, Findings)]) -> Result<String, ReportError> {
    let directory = runs.first().map_or(Path::new("."), |(run, _)| run.directory.path());
    html_in(directory, runs, None)
}

/// The page about these runs as it is in this directory, from which its links lead to files. With a run that the first is `against`, it
/// has what changed from that one.
///
/// # Errors
/// As [`html`], and [`ReportError::NothingInCommon`].
pub fn html_in(
    directory: &Path,
    runs: &[(RunRecord, Findings)],
    against: Option<&(RunRecord, Findings)>,
) -> Result<String, ReportError> {
    let mut sections = runs
        .iter()
        .enumerate()
        .map(|(index, (run, findings))| section(index, run, findings, directory))
        .collect::<Result<Vec<_>, _>>()?;
    if let (Some((run, findings)), Some(section), Some((other, others))) = (runs.first(), sections.first_mut(), against)
    {
        let links = FileLinks::new(directory, run.config.data_dir.as_deref());
        section.against = Some(against_page::view((run, findings), (other, others), &links)?);
    }
    let comparison = if runs.len() > 1 { Some(compare(runs)?) } else { None };
    let title = match runs {
        [(run, _)] => format!("{} on {}", run.config.model, run.config.dataset),
        _ => format!("{} runs compared", runs.len()),
    };
    let page =
        Page { title, light: declarations(Color::light), dark: declarations(Color::dark), comparison, runs: sections };
    Ok(page.render()?)
}

fn view(figure: Option<Figure>) -> Option<FigureView> {
    let figure = figure?;
    let (svg, is_wide) = (figure.inline(), figure.drawing.width() > super::drawing::WIDTH);
    Some(FigureView { title: figure.title, caption: figure.caption, svg, is_wide })
}

fn compare(runs: &[(RunRecord, Findings)]) -> Result<Comparison, ReportError> {
    let int8 = |run: &RunRecord| run.metrics.int8.scores.test.accuracy;
    let best = runs.iter().map(|(run, _)| int8(run)).fold(f64::NEG_INFINITY, f64::max);
    let row = |(index, (run, _)): (usize, &(RunRecord, Findings))| {
        let Metrics { export, epochs_run, .. } = &run.metrics;
        Row {
            name: run.name.clone(),
            anchor: anchor(index),
            model: run.config.model.clone(),
            dataset: run.config.dataset.clone(),
            recipe: run.config.recipe.name.clone(),
            float: format!("{:.4}", run.metrics.float.test.accuracy),
            int8: format!("{:.4}", int8(run)),
            is_best: int8(run) >= best,
            intervals: [int8(run), run.metrics.float.test.accuracy]
                .map(|accuracy| few(Some(accuracy), run.metrics.images.test)),
            is_interrupted: run.metrics.interrupted,
            flash: thousands(export.flash_bytes),
            arena: thousands(export.arena_bytes as usize),
            macs: thousands(export.macs),
            parameters: thousands(run.metrics.parameters),
            epochs: epochs_run.to_string(),
            time: duration(training_seconds(run)),
        }
    };
    let records: Vec<&RunRecord> = runs.iter().map(|(run, _)| run).collect();
    Ok(Comparison { rows: runs.iter().enumerate().map(row).collect(), curves: view(curves::draw(&records)?) })
}

fn section(index: usize, run: &RunRecord, findings: &Findings, directory: &Path) -> Result<Section, ReportError> {
    let figure = |kind| Ok::<_, ReportError>(view(figures::draw(kind, run, findings)?));
    let confusion = answers::confusion(&findings.answers, run.config.class_names.len());
    let (config, metrics) = (&run.config, &run.metrics);
    let images = metrics.images;
    let links = FileLinks::new(directory, config.data_dir.as_deref());
    let certainty = [Kind::Coverage, Kind::Reliability, Kind::PrecisionRecall].into_iter().map(figure);
    Ok(Section {
        name: run.name.clone(),
        anchor: anchor(index),
        heading: format!("{} on {}", config.model, config.dataset),
        path: in_one_line(&run.directory.path().display().to_string()).into_owned(),
        about: format!(
            "A network that distinguishes {} classes of {}, trained on {} images of {} with recipe {} and seed {}, {}, \
             tested on {} that chose nothing. Written by trainer {}.",
            config.class_names.len(),
            config.dataset,
            thousands(images.train),
            config.input,
            config.recipe.name,
            config.seed,
            match &metrics.cross_validation {
                Some(result) => format!("for the epochs found by {} folds", result.folds),
                None if is_last(run) => format!("validated on {} others", thousands(images.validation)),
                None => format!("chosen by {} others", thousands(images.validation)),
            },
            thousands(images.test),
            config.trainer
        ),
        demo: FileLinks::new(directory, Some(run.directory.path())).link(demo::FILE).href,
        notices: notices(run),
        key_figures: key_figures(run),
        against: None,
        samples: figure(Kind::Samples)?,
        batch: figure(Kind::Batch)?,
        class_counts: figure(Kind::ClassCounts)?,
        curves: figure(Kind::Curves)?,
        learning_rate: figure(Kind::LearningRate)?,
        confusion: figure(Kind::Confusion)?,
        classes: figure(Kind::Classes)?,
        mistakes: figure(Kind::Mistakes)?,
        mistake_files: files_page::mistakes(run, findings, &links),
        certainty: certainty.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
        mislabeled: figure(Kind::Mislabeled)?,
        suspects: files_page::suspects(run, findings, &links),
        suspects_note: files_page::suspects_note(findings),
        network: if network::is_worth_drawing(&run.architecture) { figure(Kind::Network)? } else { None },
        filters: figure(Kind::Filters)?,
        quantization_error: figure(Kind::QuantizationError)?,
        confusions: confusions(run, &confusion),
        rates: rates(run, &confusion),
        test_images: thousands(findings.answers.len()),
        layers: layers(run, findings),
        total_parameters: thousands(run.architecture.parameters()),
        total_macs: thousands(run.architecture.macs()),
        target: target::view(run),
        scores: scores(metrics),
        recipe: toml::to_string(&config.recipe).unwrap_or_default(),
        commands: commands(run),
    })
}

fn anchor(index: usize) -> String {
    format!("run-{}", index + 1)
}

fn training_seconds(run: &RunRecord) -> f64 {
    run.history.iter().map(|epoch| epoch.seconds).sum()
}

fn key_figures(run: &RunRecord) -> Vec<KeyFigure> {
    let Metrics { float, int8, export, parameters, epochs_run, best_epoch, images, .. } = &run.metrics;
    let interval = |accuracy| {
        let interval = Interval::of_few(accuracy, images.test);
        interval.map_or_else(String::new, |interval| format!("95% interval {interval}; "))
    };
    let key = |name, value, note| KeyFigure { name, value, note };
    let epochs = if *epochs_run == 1 { "1 epoch".to_owned() } else { format!("{epochs_run} epochs") };
    let mut figures = vec![
        key(
            "test accuracy, 8 bits",
            format!("{:.4}", int8.scores.test.accuracy),
            format!("{}loss {:.4}", interval(int8.scores.test.accuracy), int8.scores.test.loss),
        ),
        key(
            "test accuracy, float",
            format!("{:.4}", float.test.accuracy),
            format!("{}{:.2}% of the answers agree", interval(float.test.accuracy), 100.0 * int8.agreement_with_float),
        ),
    ];
    figures.extend(run.metrics.cross_validation.as_ref().map(|result| {
        let interval = result.score.accuracy_interval;
        let interval = interval.map_or_else(String::new, |interval| format!(", 95% interval {interval}"));
        let balanced = result.score.balanced_accuracy;
        let balanced = balanced.map_or_else(String::new, |balanced| format!("; balanced {balanced:.4}"));
        let (folds, images) = (result.folds, thousands(result.images));
        key(
            "accuracy, cross-validated",
            format!("{:.4}", result.score.accuracy),
            format!("cross-validated over {folds} folds of {images} images{interval}{balanced}"),
        )
    }));
    let by_class = int8.scores.test.balanced_accuracy.zip(int8.scores.test.worst_class.as_ref());
    figures.extend(by_class.map(|(balanced, worst)| {
        key(
            "balanced accuracy, 8 bits",
            format!("{balanced:.4}"),
            format!("mean recall of the classes; worst: {worst}"),
        )
    }));
    figures.extend([
        key("flash", thousands(export.flash_bytes), "bytes of model.bin".to_owned()),
        key("arena", thousands(export.arena_bytes as usize), "bytes of RAM, without the stack".to_owned()),
        key("multiply-accumulates", thousands(export.macs), "of one inference".to_owned()),
        key("parameters", thousands(*parameters), "weights and biases".to_owned()),
        key(
            "training",
            duration(training_seconds(run)),
            format!(
                "{epochs} of {:.1} s, {} kept",
                training_seconds(run) / run.history.len().max(1) as f64,
                if *best_epoch == 0 { "the start".to_owned() } else { format!("epoch {best_epoch}") }
            ),
        ),
    ]);
    figures
}

/// The interval of a share of so many images; empty where they are enough, or the share unknown.
fn few(share: Option<f64>, images: usize) -> String {
    let interval = share.and_then(|share| Interval::of_few(share, images));
    interval.map_or_else(String::new, |interval| interval.to_string())
}

/// Whether the last epoch is kept: no image chooses one.
fn is_last(run: &RunRecord) -> bool {
    run.config.recipe.monitor == Monitor::Last
}

/// What a reader has to know before anything else.
fn notices(run: &RunRecord) -> Vec<Notice> {
    let metrics = &run.metrics;
    let interrupted = metrics.interrupted.then(|| Notice {
        text: format!(
            "This run was interrupted after epoch {} of at most {}: it has the weights of its {} epoch until then, and its \
             figures are those of an incomplete training. To resume it:",
            metrics.epochs_run,
            run.config.recipe.epochs,
            if is_last(run) { "last" } else { "best" }
        ),
        command: format!("trainer fit --resume {}", quote_absolute(run.directory.path())),
    });
    let selection = EpochSelection::of(&run.history, metrics.best_epoch, metrics.images.validation);
    let chance = selection.filter(|selection| !is_last(run) && selection.is_chance());
    let chance = chance.map(|selection| Notice { text: format!("{selection}."), command: String::new() });
    interrupted.into_iter().chain(chance).collect()
}

/// The most frequent confusions.
fn confusions(run: &RunRecord, confusion: &Confusion) -> Vec<ConfusionRow> {
    let row = |Confused { truth, prediction, count }: Confused| ConfusionRow {
        truth: run.class_name(truth).to_owned(),
        prediction: run.class_name(prediction).to_owned(),
        count,
        share: format!("{:.1}%", 100.0 * count as f64 / confusion.images(truth) as f64),
    };
    confusion.mistakes().into_iter().take(LISTED).map(row).collect()
}

fn rates(run: &RunRecord, confusion: &Confusion) -> Vec<ClassRow> {
    let row = |(class, name): (usize, &String)| ClassRow {
        name: name.clone(),
        images: thousands(confusion.images(class)),
        rates: answers::rates(confusion, class)
            .map(|rate| rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.3}"))),
        intervals: [
            few(confusion.precision(class), confusion.given(class)),
            few(confusion.recall(class), confusion.images(class)),
        ],
    };
    run.config.class_names.iter().enumerate().map(row).collect()
}

fn layers(run: &RunRecord, findings: &Findings) -> Vec<LayerRow> {
    let layers = run.architecture.layers.iter().enumerate();
    layers
        .map(|(index, shaped)| {
            let error = findings.shown.quantization_error.iter().find(|error| error.layer == index);
            LayerRow {
                number: index,
                name: shaped.layer.to_string(),
                output: shown(shaped.output),
                parameters: thousands(shaped.parameters()),
                macs: thousands(shaped.macs()),
                decibels: error
                    .and_then(|error| error.decibels)
                    .map_or_else(String::new, |decibels| format!("{decibels:.1}")),
            }
        })
        .collect()
}

fn scores(metrics: &Metrics) -> Vec<ScoreRow> {
    let images = metrics.images;
    let cell = |(score, images): (&Estimate, usize)| ScoreCell {
        loss: decimals(Some(score.loss), 4),
        accuracy: decimals(Some(score.accuracy), 4),
        interval: few(Some(score.accuracy), images),
    };
    let row = |(name, scores): (&'static str, &PerSplit<Estimate>)| ScoreRow {
        name,
        cells: [(&scores.train, images.train), (&scores.validation, images.validation), (&scores.test, images.test)]
            .map(cell)
            .into(),
    };
    [("float", &metrics.float), ("8 bits", &metrics.int8.scores)].map(row).into_iter().collect()
}

/// What can be done with the run, from any directory: where it is, is given in full.
fn commands(run: &RunRecord) -> Vec<(&'static str, String)> {
    let (run_path, model) = (quote_absolute(run.directory.path()), quote_absolute(&run.directory.model()));
    // Other data sets than these two are found by no name.
    let data = match run.config.dataset.as_str() {
        fashion_mnist::NAME | garments::NAME => "",
        _ => " --data DIRECTORY",
    };
    let chip = run.config.target.as_ref().and_then(|target| target.chip.as_deref()).unwrap_or("nrf52840");
    let in_a_browser = match run.config.input.channels {
        1 => "Run the model in a browser: draw, open images, use the camera (demo.html)",
        _ => "Run the model in a browser: open images, use the camera (demo.html)",
    };
    vec![
        ("Test again, class by class, as the chip would", format!("trainer eval {model}{data}")),
        (in_a_browser, format!("trainer demo {model}")),
        ("Classify an image of your own", format!("trainer predict {model} image.png")),
        ("Write the model file again, with the same bytes", format!("trainer export {run_path} --out model.bin")),
        ("Write every figure to a file", format!("trainer plot {run_path} --format png")),
        (
            "Write a project for a chip, which cargo emulate runs without a board (docs/firmware.md)",
            format!("trainer firmware {chip} --model {model} --chip {chip}"),
        ),
        (
            "In a clone of Thimble: run it on an emulated Cortex-M4F, with the first test images (docs/firmware.md)",
            format!("cd firmware-example && THIMBLE_RUN={run_path} cargo run --release"),
        ),
    ]
}

/// A path in full, which is right from any directory, as a word of a shell's command line.
fn quote_absolute(path: &Path) -> String {
    quote_path(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..100 => format!("{whole} s"),
        100..6000 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::recipe::Recipe;

    #[test]
    fn times_are_given_in_units_that_fit_them() {
        let times = [0.34, 9.96, 59.6, 130.0, 7260.0].map(duration);
        assert_eq!(times, ["0.3 s", "10 s", "60 s", "2 min 10 s", "2 h 1 min"]);
    }

    #[test]
    fn the_recipe_on_the_page_is_one_that_fit_takes() {
        for name in ["tutorial", "strong", "folders"] {
            let recipe = Recipe::built_in(name).unwrap().for_network("tiny", false);
            assert_eq!(Recipe::from_toml(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        }
    }
}
