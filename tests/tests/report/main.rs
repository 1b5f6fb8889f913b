//! Figures and pages of runs of all kinds: what they must contain, and what no name of a user may do to them.

mod networks;
mod sections;

use std::fs;

use infer_core::Shape;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use thimble_tests::run_directory::Run;
use trainer::network::inputs::Source;
use trainer::network::layers::Add;
use trainer::network::{Architecture, Conv, Dense, Layer, MaxPool, Node, Padding};
use trainer::report::figures::{self, curves, network};
use trainer::report::{Figure, Findings, Kind, RunRecord, page};
use trainer::run::RunDirectory;

const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"></svg><img src=x onerror=alert(2)>",
    "tit & \u{1} 'tit'",
    "wren fill=\"#FFFFFF\"",
];

fn conv(channels: u16, kernel: u8) -> Node {
    Node::new(Layer::Conv(Conv::square(channels, kernel, Padding::Same, true)))
}

fn pool() -> Node {
    Node::new(Layer::MaxPool(MaxPool::default()))
}

fn dense(outputs: u16) -> Node {
    Node::new(Layer::Dense(Dense { outputs, relu: true }))
}

fn add() -> Node {
    Node::new(Layer::Add(Add { relu: true, relu6: false }))
}

/// Convolutions with a pool, without one, and a pool after a pool.
fn convolutions() -> Run<'static> {
    Run {
        input: Shape { height: 20, width: 30, channels: 3 },
        layers: vec![conv(12, 5), pool(), pool(), conv(6, 3), dense(20)],
        class_names: HOSTILE.map(str::to_owned).to_vec(),
        dataset: "</title><script>alert(3)</script>",
        epochs: 7,
        seed: 48,
    }
}

/// One epoch, two classes, no convolution.
fn smallest() -> Run<'static> {
    Run {
        input: Shape { height: 9, width: 7, channels: 1 },
        layers: Vec::new(),
        class_names: vec!["yes".to_owned(), "no".to_owned()],
        dataset: "answers",
        epochs: 1,
        seed: 50,
    }
}

fn written(run: &Run<'_>, name: &str) -> (TempDir, RunRecord, Findings) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    run.write(&path);
    let record = RunRecord::read(&path).unwrap();
    let findings = record.findings().unwrap();
    (home, record, findings)
}

fn figure(kind: Kind, record: &RunRecord, findings: &Findings) -> Figure {
    figures::draw(kind, record, findings).unwrap().unwrap_or_else(|| panic!("no {}", kind.name()))
}

#[test]
fn every_figure_of_every_kind_of_run_is_well_formed_and_becomes_a_png_of_its_size() {
    let many = Run { class_names: (0..30).map(|class| format!("class {class}")).collect(), ..convolutions() };
    let long = Run { epochs: 200, class_names: vec!["a very long name indeed ".repeat(9); 3], ..smallest() };
    for (name, run) in [("convolutions", convolutions()), ("smallest", smallest()), ("many", many), ("long", long)] {
        let (_home, record, findings) = written(&run, name);
        for kind in Kind::ALL {
            let Some(figure) = figures::draw(kind, &record, &findings).unwrap() else {
                assert_eq!(kind, Kind::Mislabeled, "{name}");
                continue;
            };
            let svg = figure.svg();
            assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
            // Turning it into pixels begins with a strict parser of XML.
            let png = figure.png().unwrap_or_else(|error| panic!("{name}, {}: {error}", kind.name()));
            let header = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap().info().size();
            let sides =
                [" width=\"", " height=\""].map(|side| svg.split(side).nth(1).unwrap().split('"').next().unwrap());
            let [width, height] = sides.map(|side| (2.0 * side.parse::<f64>().unwrap()).ceil() as u32);
            assert_eq!(header, (width, height), "{name}, {}", kind.name());
        }
    }
}

#[test]
fn figures_contain_what_they_are_about() {
    let (_home, record, findings) = written(&smallest(), "smallest");
    let svg = |kind| figure(kind, &record, &findings).svg();
    let count = |text: &str, part: &str| text.matches(part).count();

    // 20 training images, and a line with the class below each.
    let samples = svg(Kind::Samples);
    assert_eq!(
        (count(&samples, "<image "), count(&samples, ">yes</text>"), count(&samples, ">no</text>")),
        (20, 10, 10)
    );

    let wrong = findings.answers.iter().filter(|answer| !answer.is_right()).count();
    let mistakes = svg(Kind::Mistakes);
    assert!(wrong > 0, "random weights are wrong sometimes");
    assert_eq!((count(&mistakes, "<image "), count(&mistakes, ">is ")), (wrong, wrong));
    assert!(mistakes.contains('%'));

    let confusion = svg(Kind::Confusion);
    let counts = confusion.split(" of 8 (").map(|before| before.rsplit(": ").next().unwrap().parse().unwrap_or(0));
    assert_eq!(counts.sum::<usize>(), findings.answers.len());

    let curves = svg(Kind::Curves);
    for part in [">validation</text>", ">training</text>", ">epoch 1, kept</text>", ">loss</text>", ">accuracy</text>"]
    {
        assert!(curves.contains(part), "{part} is missing");
    }
    let classes = svg(Kind::Classes);
    for part in [">precision</text>", ">recall</text>", ">F1</text>", ">yes</text>", ">no</text>"] {
        assert!(classes.contains(part), "{part} is missing");
    }
    // Two units of 9x7 weights, and the bar of the legend.
    assert_eq!(count(&svg(Kind::Filters), "<image "), 3);
    assert!(svg(Kind::QuantizationError).contains(">0 dense 2</text>"));
}

#[test]
fn without_mistakes_there_is_no_figure_of_them_and_a_note_on_the_page() {
    let (_home, record, mut findings) = written(&smallest(), "smallest");
    findings.shown.mistakes.clear();
    findings.answers.iter_mut().for_each(|answer| answer.prediction = answer.truth);
    assert!(figures::draw(Kind::Mistakes, &record, &findings).unwrap().is_none());
    let html = page::html(&[(record, findings)]).unwrap();
    assert!(html.contains("right on all 16 test images") && !html.contains("Most frequent confusions"));
}

#[test]
fn the_kernels_of_a_color_network_are_colored() {
    let (_home, record, findings) = written(&convolutions(), "convolutions");
    let filters = figure(Kind::Filters, &record, &findings);
    assert!(filters.caption.starts_with("All 12 kernels of conv 5x5x12"), "{}", filters.caption);
    assert!(filters.caption.contains("red, green and blue"), "{}", filters.caption);
    assert_eq!(filters.svg().matches("<image ").count(), 12);
}

#[test]
fn curves_of_several_runs_have_a_color_and_a_name_each() {
    let home = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["one", "two", "three", "nested/one"].map(|name| home.path().join(name)).to_vec();
    for (path, seed) in paths.iter().zip(48..) {
        Run { seed, epochs: 5, ..smallest() }.write(path);
    }
    let runs = RunRecord::read_all(&paths).unwrap();
    let svg = curves::draw(&runs.iter().collect::<Vec<_>>()).unwrap().unwrap().svg();
    for name in ["two", "three", "nested/one"] {
        assert!(svg.contains(&format!("{name}</text>")), "{name} is missing");
    }
    let lines = |color: &str| svg.matches(&format!("stroke=\"{color}\"")).count();
    // A solid line in each of the two charts at the least.
    assert!(["#0072B2", "#D55E00", "#1F2328", "#3A9BD3"].iter().all(|color| lines(color) >= 3));

    let seven: Vec<&RunRecord> = runs.iter().cycle().take(7).collect();
    let error = curves::draw(&seven).err().unwrap().to_string();
    assert_eq!(error, "7 runs are too many to distinguish in one figure; name at most 6");
}

#[test]
fn what_users_name_is_inert_in_figures_and_on_the_page() {
    let (_home, record, findings) = written(&convolutions(), "<script>alert(4)</script>");
    let drawn = Kind::ALL.iter().filter_map(|&kind| figures::draw(kind, &record, &findings).unwrap());
    let mut texts: Vec<String> = drawn.map(|figure| figure.svg()).collect();
    texts.push(page::html(&[(record, findings)]).unwrap());
    for text in &texts {
        for forbidden in ["<script", "<img", "</title><script", "\u{1}", "\"></svg><"] {
            assert!(!text.contains(forbidden), "{forbidden:?} got through");
        }
    }
    let page = texts.last().unwrap();
    assert!(page.contains("&#60;script&#62;alert(3)") && page.contains("&lt;script&gt;alert(1)"));
    // A color in a name is a name; only attributes become variables.
    assert!(page.contains("wren fill=&quot;#FFFFFF&quot;"));
}

#[test]
fn the_page_needs_nothing_beside_it_and_has_light_and_dark() {
    let class_names = vec!["tit".to_owned(), "wren".to_owned(), "crow".to_owned()];
    let run = Run { class_names, dataset: "birds", ..convolutions() };
    let (_home, record, findings) = written(&run, "convolutions");
    let html = page::html(&[(record, findings)]).unwrap();
    for forbidden in ["http:", "https:", " src=", "url(", "@import", "<link rel=\"stylesheet"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for target in html.split("href=\"").skip(1) {
        assert!(target.starts_with("data:") || target.starts_with('#'), "{}", &target[..40]);
    }
    for part in [
        "name=\"viewport\"",
        "default-src 'none'",
        "@media (prefers-color-scheme:dark)",
        "--ink:#1F2328",
        "--ink:#E6EDF3",
        "fill=\"var(--ink)\"",
        "image-rendering:pixelated",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Every color of a figure is one that dark paper exchanges.
    for attribute in ["fill=\"#", "stroke=\"#"] {
        assert!(!html.contains(attribute), "{attribute}");
    }
    assert!(html.len() < 1_000_000, "{}", html.len());
}

#[test]
fn the_page_reports_what_was_trained_on_what_and_what_came_out() {
    let (home, record, findings) = written(&smallest(), "smallest");
    let accuracy = format!("{:.4}", record.metrics.int8.scores.test.accuracy);
    let html = page::html(&[(record, findings)]).unwrap();
    let model = home.path().join("smallest/model.bin");
    for part in [
        "<h1>odd on answers</h1>",
        "trained on 20 images of 9x7x1",
        "1 epoch of 1.5 s, epoch 1 kept",
        &accuracy,
        "<td>dense 2</td>",
        "learning_rate = 0.001",
        &format!("trainer eval {} --data DIRECTORY", model.display()),
        &format!("trainer firmware nrf52840 --model {} --chip nrf52840", model.display()),
        &format!("THIMBLE_RUN={} cargo run --release", home.path().join("smallest").display()),
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
    assert_eq!(html.matches("<figure").count(), 14);
}

#[test]
fn several_runs_are_compared_and_each_has_its_section() {
    let home = tempfile::tempdir().unwrap();
    let paths = ["one", "two"].map(|name| home.path().join(name));
    smallest().write(&paths[0]);
    convolutions().write(&paths[1]);
    let runs = RunRecord::read_all(&paths).unwrap();
    let runs: Vec<(RunRecord, Findings)> = runs
        .into_iter()
        .map(|run| {
            let findings = run.findings().unwrap();
            (run, findings)
        })
        .collect();
    let html = page::html(&runs).unwrap();
    assert!(html.contains("<h1>2 runs compared</h1>") && html.contains("<title>2 runs compared</title>"));
    assert_eq!(html.matches("<details class=\"run\">").count(), 2);
    assert_eq!(html.matches("<figure").count(), 29);
    assert!(html.contains("<a href=\"#run-2\">two</a>") && html.contains("<h2 id=\"run-2\">"));
}

#[test]
fn quantization_errors_are_measured_between_the_same_values_of_both_models() {
    let (_home, record, findings) = written(&convolutions(), "convolutions");
    assert!(
        record.config.calibration.iter().any(|layer| layer.channel_order.windows(2).any(|pair| pair[0] > pair[1])),
        "channels of the file are in another order, or this proves nothing"
    );
    let layers: Vec<usize> = findings.shown.quantization_error.iter().map(|error| error.layer).collect();
    // The convolution in front is one operation with the first pool.
    assert_eq!(layers, [1, 2, 3, 4, 5]);
    for error in &findings.shown.quantization_error {
        // 8 bits of a value spread evenly are worth 59 dB of a full range; values compared with others' are worth none.
        assert!(error.decibels.is_some_and(|decibels| (25.0..65.0).contains(&decibels)), "{error:?}");
    }
}

#[test]
fn broken_and_missing_files_are_named_with_what_to_do() {
    let (home, record, _findings) = written(&smallest(), "run");
    let path = home.path().join("run");
    let message = |file: &str, contents: Option<&str>| {
        let whole = fs::read(path.join(file)).unwrap();
        match contents {
            Some(contents) => fs::write(path.join(file), contents).unwrap(),
            None => fs::remove_file(path.join(file)).unwrap(),
        }
        let message = RunRecord::read(&path).and_then(|run| {
            let findings = run.findings()?;
            Kind::ALL.iter().try_for_each(|&kind| figures::draw(kind, &run, &findings).map(|_| ()))
        });
        fs::write(path.join(file), whole).unwrap();
        message.expect_err(file).to_string()
    };
    let answers = "image,truth,prediction,probability\n";
    let cases: [(&str, Option<&str>, &[&str]); 10] = [
        ("run.json", None, &["is not the directory of a run: it has no run.json"]),
        ("history.csv", None, &["history.csv", "No such file"]),
        ("history.csv", Some("epoch,train_loss\n1,much\n"), &["history.csv, line 2", "no number under train_loss"]),
        ("metrics.json", Some("{}"), &["metrics.json", "missing field", "is this the directory of a run?"]),
        ("answers.csv", None, &["answers.csv is missing", "trainer report --refresh"]),
        ("report.json", None, &["report.json is missing", "trainer report --refresh"]),
        ("answers.csv", Some(&format!("{answers}0,0,2,0.5\n")), &["answers.csv: line 2", "of 2 classes", "--refresh"]),
        ("answers.csv", Some(answers), &["report.json: a mistake is test image", "answers.csv has 0"]),
        ("report.json", Some("[]"), &["report.json: ", "--refresh"]),
        ("weights.safetensors", None, &["weights.safetensors: ", "No such file"]),
    ];
    for (file, contents, expected) in cases {
        let message = message(file, contents);
        for part in expected {
            assert!(message.contains(part), "{file}: {message:?} does not contain {part:?}");
        }
    }
    drop(record);
}

#[test]
fn figures_that_are_no_numbers_are_read_again_and_the_run_has_its_page() {
    let (home, record, findings) = written(&convolutions(), "run");
    let directory = RunDirectory::open(&home.path().join("run"));
    let (mut metrics, mut history) = (directory.read_metrics().unwrap(), directory.read_history().unwrap());
    // A stopped clock, and a network whose loss is no number or has no end on some images.
    (metrics.seconds_per_epoch, metrics.images_per_second) = (Some(0.0), None);
    (metrics.float.train.loss, metrics.int8.scores.test.loss) = (f64::INFINITY, f64::NAN);
    for epoch in &mut history {
        (epoch.seconds, epoch.images_per_second) = (0.0, None);
    }
    (history[0].train.loss, history[1].validation.loss) = (f64::NAN, f64::INFINITY);
    directory.write_metrics(&metrics).unwrap();
    directory.write_history(&history).unwrap();
    let text = fs::read_to_string(home.path().join("run/history.csv")).unwrap();
    assert!(!text.contains("NaN") && !text.contains("inf"), "other programs do not read these: {text}");

    let (read, again) = (directory.read_metrics().unwrap(), directory.read_history().unwrap());
    assert_eq!((read.seconds_per_epoch, read.images_per_second), (Some(0.0), None));
    assert!(read.float.train.loss.is_nan() && read.int8.scores.test.loss.is_nan());
    assert!(again[0].train.loss.is_nan() && again[1].validation.loss.is_nan());
    assert_eq!((again[0].images_per_second, again[0].validation.accuracy), (None, history[0].validation.accuracy));
    let read = RunRecord::read(&home.path().join("run")).unwrap();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Mislabeled) {
        assert!(figures::draw(kind, &read, &findings).unwrap().is_some(), "{}", kind.name());
    }
    page::html(&[(read, findings)]).unwrap();
    drop(record);
}

#[test]
fn what_older_trainers_wrote_of_a_clock_that_stood_still_is_read() {
    let (home, ..) = written(&smallest(), "run");
    let directory = RunDirectory::open(&home.path().join("run"));
    let metrics = home.path().join("run/metrics.json");
    let mut older: Value = serde_json::from_str(&fs::read_to_string(&metrics).unwrap()).unwrap();
    older["images_per_second"] = Value::Null;
    older["float"]["test"]["loss"] = Value::Null;
    fs::write(&metrics, older.to_string()).unwrap();
    let header =
        "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds,images_per_second,quantized";
    fs::write(home.path().join("run/history.csv"), format!("{header}\n1,0.5,0.8,NaN,0.9,0.000,inf,false\n")).unwrap();
    assert_eq!(directory.read_metrics().unwrap().images_per_second, None);
    let [epoch] = directory.read_history().unwrap()[..] else { panic!("one epoch") };
    assert_eq!((epoch.images_per_second, epoch.validation.loss.is_nan()), (None, true));
    assert!(RunRecord::read(&home.path().join("run")).is_ok());
}

#[test]
fn a_run_that_has_not_come_to_its_end_is_answered_with_how_to_resume() {
    let (home, record, _findings) = written(&smallest(), "run");
    let path = home.path().join("run");
    let is_refused = |error: String, what: &str| {
        let run = path.display();
        assert_eq!(error, format!("{run} has no {what} yet; trainer fit --resume {run} resumes it"));
    };
    // As long as this is there the training is not over.
    fs::write(path.join("unfinished"), "").unwrap();
    fs::remove_file(path.join("weights.safetensors")).unwrap();
    is_refused(record.model().err().unwrap().to_string(), "weights");
    for name in ["metrics.json", "history.csv"] {
        fs::remove_file(path.join(name)).unwrap();
        is_refused(RunRecord::read(&path).err().unwrap().to_string(), "results");
    }
}

#[test]
fn refreshing_gives_the_same_findings_and_refuses_other_images() {
    let run = convolutions();
    let (home, record, findings) = written(&run, "run");
    fs::remove_file(home.path().join("run/answers.csv")).unwrap();
    record.refresh(&run.images()).unwrap();
    assert_eq!(record.findings().unwrap(), findings);
    let mut others = run.images();
    others.test = others.test.subset(&[0, 1, 2, 4]);
    let message = record.refresh(&others).unwrap_err().to_string();
    assert!(message.contains("is not what the run was tested on") && message.contains("of 4 test images"), "{message}");
    assert_eq!(record.findings().unwrap(), findings, "what was there is left as it was");
}

#[test]
fn a_run_reads_back_what_it_wrote() {
    let (home, record, _) = written(&convolutions(), "run");
    let directory = RunDirectory::open(&home.path().join("run"));
    directory.write_metrics(&record.metrics).unwrap();
    directory.write_history(&record.history).unwrap();
    assert_eq!(directory.read_history().unwrap(), record.history);
    assert_eq!(format!("{:?}", directory.read_metrics().unwrap()), format!("{:?}", record.metrics));
    assert_eq!((record.history.len(), record.name.as_str()), (7, "run"));
}
