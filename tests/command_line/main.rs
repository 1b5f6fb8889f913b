//! The `trainer` binary as its user meets it: on a machine without a network, an empty cache, and with bad input.

mod bad_input;
mod balance;
mod budget;
#[path = "../src/camera.rs"]
mod camera;
mod demo;
mod destinations;
mod diverged;
mod faults;
mod firmware;
mod folds;
mod frames;
mod habits;
mod held_out;
mod hostile;
#[path = "../src/image_files.rs"]
#[allow(dead_code, reason = "other proofs use the rest")]
mod image_files;
mod image_kinds;
mod import;
mod inspect;
mod outputs;
mod own_files;
mod own_images;
mod reject;
mod report;
mod resources;
mod resume;
mod scripts;
mod search;
mod search_kills;
mod search_study;
#[path = "../src/shapes.rs"]
mod shapes;
mod small_sets;
mod terminal;
#[path = "../src/tflite.rs"]
#[allow(dead_code, reason = "other proofs use the rest")]
mod tflite;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

/// The trainer in `directory`, with nothing of this machine's data in reach.
fn trainer(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("FASHION_MNIST_DIR")
        .env("THIMBLE_CACHE_DIR", directory.join("cache"))
        .env("FASHION_MNIST_URL", "http://127.0.0.1:9")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the trainer, which has to end well: what it printed, and what it warned of.
fn succeed(directory: &Path, arguments: &[&str]) -> (String, String) {
    let output = trainer(directory, arguments);
    let (printed, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {warned}");
    (printed, warned)
}

/// The JSON that a file holds.
fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Waits for a file that a process is to write.
fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        thread::sleep(Duration::from_millis(2));
    }
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\ndoes not contain {part:?}");
    }
}

fn assert_fails(directory: &Path, arguments: &[&str], code: i32, expected: &[&str]) {
    let output = trainer(directory, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    for part in expected {
        assert!(error.contains(part), "{arguments:?}: {error:?} does not contain {part:?}");
    }
}

/// A short run on garments, with its model exported.
fn short_run() -> (TempDir, Output) {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["fit", "--model", "mlp", "--epochs", "2", "--out", "run", "--export", "model.bin"];
    let output = trainer(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    (home, output)
}

/// A data set `birds` of square images, two classes of 20 in either part.
fn birds(home: &Path, side: u32) {
    for part in ["train", "t10k"] {
        let labels = (0..40).map(|index| index % 2).collect();
        idx(home, part, side, vec![9; 40 * (side * side) as usize], labels);
    }
}

/// A part of the data set `birds`, `train` or `t10k`, as IDX files.
fn idx(home: &Path, part: &str, side: u32, pixels: Vec<u8>, labels: Vec<u8>) {
    let birds = home.join("birds");
    fs::create_dir_all(&birds).unwrap();
    let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let images = labels.len() as u32;
    let files = [
        ("images-idx3", [header(&[0x0803, images, side, side]), pixels]),
        ("labels-idx1", [header(&[0x0801, images]), labels]),
    ];
    for (name, bytes) in files {
        fs::write(birds.join(format!("{part}-{name}-ubyte")), bytes.concat()).unwrap();
    }
}

#[test]
fn without_a_network_fit_warns_trains_on_garments_and_exports() {
    let (home, output) = short_run();
    let (printed, warning) = (text(&output.stdout), text(&output.stderr));
    assert!(warning.contains("NOT on Fashion-MNIST") && warning.contains("cannot fetch"), "{warning}");
    for line in [
        "train        5,700 images of 28x28x1",
        "validation     300 images of 28x28x1",
        "test         1,000 images of 28x28x1",
        "dense 350 + relu                      350      274,750",
        "total                                          278,260",
        "epoch    loss    accuracy  loss    accuracy  95%        seconds",
        "ended at epoch 2, best was ",
        "model.bin: 280,976 bytes of flash",
    ] {
        assert!(printed.contains(line), "{printed}\ndoes not contain {line:?}");
    }
    assert!(!printed.contains('\u{1b}'), "no control characters where there is no terminal");
    let mut names: Vec<String> = fs::read_dir(home.path().join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let files = "answers.csv frames.bin history.csv metrics.json model.bin report.html report.json run.json weights.safetensors";
    assert_eq!(names.join(" "), files);
    assert_eq!(fs::read(home.path().join("run/model.bin")).unwrap(), fs::read(home.path().join("model.bin")).unwrap());
    assert_eq!(fs::read_to_string(home.path().join("run/history.csv")).unwrap().lines().count(), 3);
}

#[test]
fn metrics_hold_what_scripts_look_for() {
    let (home, _) = short_run();
    let metrics = fs::read_to_string(home.path().join("run/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    for field in [
        "/model",
        "/dataset",
        "/parameters",
        "/seed",
        "/epochs_run",
        "/best_epoch",
        "/stopped_early",
        "/seconds_per_epoch",
        "/images_per_second",
        "/float/train/loss",
        "/float/validation/accuracy",
        "/float/test/accuracy",
        "/int8/test/accuracy",
        "/int8/agreement_with_float",
        "/export/path",
        "/export/bytes",
        "/export/sha256",
        "/export/flash_bytes",
        "/export/arena_bytes",
        "/export/macs",
    ] {
        assert!(metrics.pointer(field).is_some_and(|value| !value.is_null()), "{field} is missing");
    }
    assert_eq!(metrics["parameters"], 278_260);
    assert_eq!(metrics["export"]["macs"], 277_900);
    assert!(metrics["float"]["test"]["accuracy"].as_f64().unwrap() > 0.5, "garments can be learned: {metrics}");
}

#[test]
fn export_writes_the_same_bytes_again_and_the_same_seed_the_same_model() {
    let (home, _) = short_run();
    let output = trainer(home.path(), &["export", "run", "--out", "again.bin"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let first = fs::read(home.path().join("model.bin")).unwrap();
    assert!(first == fs::read(home.path().join("again.bin")).unwrap());
    let (other_home, _) = short_run();
    assert!(first == fs::read(other_home.path().join("model.bin")).unwrap());
}

#[test]
fn a_recipe_sets_epochs_with_rounded_numbers_and_they_show_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let recipe = include_str!("../../trainer/recipes/tutorial.toml").to_owned()
        + "\n[override.mlp.quantization_aware]\nepochs = 2\nlearning_rate = 1e-3\n";
    fs::write(home.path().join("aware.toml"), recipe).unwrap();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--recipe", "aware.toml", "--epochs", "1", "--out", "run"];
    let output = trainer(home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for (beginning, end) in [
        ("    1    ", "  best"),
        ("ended at epoch 1, best was 1", "weights restored"),
        ("    3    ", "  quantized  best"),
        ("quantization-aware: int8 validation ", "weights of epoch 3"),
    ] {
        let line = printed.lines().find(|line| line.starts_with(beginning));
        assert!(line.is_some_and(|line| line.ends_with(end)), "{printed}\ndoes not contain {beginning:?} ... {end:?}");
    }
    let history = fs::read_to_string(home.path().join("run/history.csv")).unwrap();
    let column = history.lines().next().unwrap().split(',').position(|name| name == "quantized").unwrap();
    let quantized: Vec<&str> = history.lines().skip(1).map(|line| line.split(',').nth(column).unwrap()).collect();
    assert_eq!(quantized, ["false", "true", "true"]);
    let metrics = fs::read_to_string(home.path().join("run/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!((&metrics["epochs_run"], &metrics["best_epoch"]), (&3.into(), &3.into()));
    let loss = |pointer| metrics.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap();
    assert!(loss("/int8/validation/loss") < loss("/int8/validation_before_fine_tuning/loss"), "{metrics}");

    let output = trainer(home.path(), &["export", "run", "--out", "again.bin"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fs::read(home.path().join("run/model.bin")).unwrap() == fs::read(home.path().join("again.bin")).unwrap());
}

#[test]
fn eval_prints_the_accuracy_that_the_model_file_carries() {
    let (home, _) = short_run();
    let output = trainer(home.path(), &["eval", "model.bin", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let metrics = fs::read_to_string(home.path().join("run/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(report["accuracy"], metrics["int8"]["test"]["accuracy"]);
    assert_eq!(report["trained_on"], "garments");
    let counted: u64 = report["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(counted, 1000);
    let printed = text(&trainer(home.path(), &["eval", "model.bin", "--one-core"]).stdout);
    assert_contains(
        &printed,
        &[
            "accuracy   0.",
            " on one core, ",
            "precision  95%       recall  95%",
            "9 Ankle boot",
            "confusion: a row per true class",
        ],
    );
}

#[test]
fn a_run_never_overwrites_an_older_one() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("mine");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("notes.txt"), "precious").unwrap();
    assert_fails(
        home.path(),
        &["fit", "--epochs", "1", "--out", "mine"],
        2,
        &["mine exists already", "name another --out"],
    );
    assert_eq!(fs::read_dir(&run).unwrap().count(), 1);
    let fit = ["fit", "--model", "mlp", "--epochs", "1", "--dataset", "garments"];
    for number in ["1", "2"] {
        let output = trainer(home.path(), &fit);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(&format!("mlp-garments-48-{number}")));
        assert_eq!(text(&output.stderr), "", "garments that were requested are no cause for a warning");
    }
}

#[test]
fn wrong_command_lines_end_with_code_2_and_a_message_that_names_what_is_right() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("gray48")).unwrap();
    let cases: [(&[&str], &[&str]); 25] = [
        (&["fit", "gray48"], &["unexpected argument 'gray48'", "use '--data gray48'"]),
        (&["fit", "--epochs", "ten"], &["invalid value 'ten'", "it must be a whole number, such as 48"]),
        (&["fit", "--seed", "-1"], &["invalid value '-1' for '--seed <N>': it must be 0 or more"]),
        (&["fit", "--lr", "fast"], &["invalid value 'fast'", "it must be a number, such as 0.001"]),
        (&["fit", "--val-fraction", "some"], &["it must be a number, such as 0.001"]),
        (&[], &["Usage"]),
        (&["fly"], &["unrecognized subcommand 'fly'"]),
        (&["fit", "--model", "resnet"], &["unknown architecture \"resnet\"", "mlp, cnn, small, tiny"]),
        (&["fit", "--recipe", "cake"], &["unknown recipe \"cake\"", "tutorial, strong, folders"]),
        (&["fit", "--recipe", "cake.toml"], &["recipe cake.toml: ", "No such file"]),
        (&["fit", "--dataset", "birds"], &["invalid value 'birds'", "fashion-mnist", "garments"]),
        (&["fit", "--calibration", "guess"], &["invalid value 'guess'", "auto", "range", "percentile", "error"]),
        (&["fit", "--val-fraction", "0"], &["it must be over 0 (0.000001 at least) and under 1"]),
        (&["fit", "--val-fraction", "1"], &["it must be over 0 (0.000001 at least) and under 1"]),
        (&["fit", "--epochs", "0"], &["epochs is 0; it must be at least 1"]),
        (&["fit", "--lr", "nan"], &["learning rate is NaN; it must be positive and finite"]),
        (&["fit", "--dataset", "garments", "--data", "x"], &["cannot be used with"]),
        (
            &["plot", "run", "--out", "curves.pdf"],
            &["--out curves.pdf: a figure ends in .svg or .png, a directory in neither"],
        ),
        (&["fit", "--epochs", "1000000000000000000"], &["epochs is 1000000000000000000; it must be at most 1000000"]),
        (&["fit", "--batch-size", "1000000000000000000"], &["it must be at most 65536"]),
        (&["fit", "--batch-size", "-1"], &["invalid value '-1' for '--batch-size <N>': it must be at least 1"]),
        (&["fit", "--patience", "0"], &["patience is 0; it must be at least 1"]),
        (&["fit", "--min-delta=-1"], &["min-delta is -1; it must be 0 or more"]),
        (&["fit", "--export", "nowhere/model.bin"], &["there is no directory nowhere"]),
        (&["fit", "--export", "."], &["is a directory; name a file"]),
    ];
    for (arguments, expected) in cases {
        assert_fails(home.path(), arguments, 2, expected);
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn bad_files_end_with_code_1_and_a_message_that_names_which_and_why() {
    let (home, _) = short_run();
    let path = home.path();
    assert_fails(path, &["eval", "missing.bin"], 1, &["missing.bin", "No such file"]);
    fs::write(path.join("zip.bin"), [b'P'; 64]).unwrap();
    assert_fails(path, &["eval", "zip.bin"], 1, &["zip.bin: not a model file"]);
    let model = fs::read(path.join("model.bin")).unwrap();
    fs::write(path.join("cut.bin"), &model[..1000]).unwrap();
    assert_fails(path, &["eval", "cut.bin"], 1, &["cut.bin: model truncated: 280976 bytes expected, 1000 given"]);
    assert_fails(path, &["export", "cache", "--out", "x.bin"], 1, &["run.json"]);
    assert!(!path.join("x.bin").exists());
    assert_fails(
        path,
        &["fit", "--dataset", "fashion-mnist"],
        1,
        &["Fashion-MNIST is not available", "--dataset garments"],
    );
    assert_fails(
        path,
        &["fit", "--data", "empty"],
        1,
        &["error: there is no directory empty; give the one that has a folder per class, or IDX files\n"],
    );
    assert_fails(
        path,
        &["fit", "--dataset", "garments", "--lr", "1e30", "--out", "diverged"],
        1,
        &["training has diverged", "at epoch 1, step", "try a smaller --lr"],
    );
}

#[test]
fn images_of_another_size_than_the_models_are_refused() {
    let (home, _) = short_run();
    birds(home.path(), 6);
    assert_fails(
        home.path(),
        &["eval", "model.bin", "--data", "birds"],
        1,
        &["model.bin takes images of 28x28x1, but those of birds are 6x6x1"],
    );
    assert_fails(
        home.path(),
        &["fit", "--data", "birds", "--model", "tiny"],
        1,
        &["model tiny does not take images of 6x6x1", "layer 4 (conv 3x3x32 valid + relu): its input is 1x1x32"],
    );
    let fit = ["fit", "--data", "birds", "--model", "cnn", "--epochs", "1", "--export", "birds.bin"];
    let output = trainer(home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("input                               6x6x1"), "{}", text(&output.stdout));
}

#[test]
fn every_subcommand_shows_an_example() {
    let home = tempfile::tempdir().unwrap();
    let listed = text(&trainer(home.path(), &["--help"]).stdout);
    let commands = listed.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut seen = 0;
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let subcommand = line.split_whitespace().next().unwrap();
        if subcommand != "help" {
            let help = text(&trainer(home.path(), &[subcommand, "--help"]).stdout);
            assert!(help.contains(&format!("  trainer {subcommand}")), "{help}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "{listed}");
}

#[test]
fn a_student_holds_out_what_its_teacher_held_out_and_names_its_teacher() {
    let (home, _) = short_run();
    let student = |teachers: &[&'static str]| {
        let fit =
            ["fit", "--model", "tiny", "--recipe", "strong", "--epochs", "1", "--dataset", "garments", "--seed", "3"];
        [&fit[..], teachers].concat()
    };
    let output = trainer(home.path(), &student(&["--teacher", "run", "--out", "student"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let run = fs::read_to_string(home.path().join("student/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let teacher = home.path().join("run");
    let teacher = serde_json::Value::from(teacher.to_str().unwrap());
    assert_eq!((&run["seed"], &run["split_seed"], &run["teachers"][0]), (&3.into(), &48.into(), &teacher));

    let error =
        "error: nowhere is not the directory of a run: there is no such directory; give one such as runs/NAME\n";
    assert_fails(home.path(), &student(&["--teacher", "nowhere"]), 1, &[error]);
    let fraction = student(&["--teacher", "run", "--val-fraction", "0.1"]);
    assert_fails(home.path(), &fraction, 2, &["--val-fraction", "cannot be used with", "--teacher"]);

    let other = ["fit", "--model", "mlp", "--epochs", "1", "--dataset", "garments", "--seed", "4", "--out", "other"];
    assert_eq!(trainer(home.path(), &other).status.code(), Some(0));
    let both = student(&["--teacher", "run", "--teacher", "other"]);
    assert_fails(home.path(), &both, 2, &["teachers run and other held out different images"]);

    let same = ["fit", "--model", "mlp", "--epochs", "1", "--dataset", "garments", "--seed", "4", "--split-seed", "48"];
    assert_eq!(trainer(home.path(), &[&same[..], &["--out", "same"]].concat()).status.code(), Some(0));
    let weights = |run: &str| fs::read(home.path().join(run).join("weights.safetensors")).unwrap();
    assert_ne!(weights("same"), weights("other"));
    let same = read_json(&home.path().join("same/run.json"));
    assert_eq!((&same["seed"], &same["split_seed"]), (&4.into(), &48.into()));
    let folds = ["fit", "--dataset", "garments", "--folds", "3", "--split-seed", "1"];
    assert_fails(home.path(), &folds, 2, &["--split-seed", "cannot be used with", "--folds"]);
    let both = student(&["--teacher", "run", "--teacher", "same", "--out", "of-two"]);
    assert_eq!(trainer(home.path(), &both).status.code(), Some(0));
    let split = student(&["--teacher", "run", "--split-seed", "48"]);
    assert_fails(home.path(), &split, 2, &["--split-seed", "cannot be used with", "--teacher"]);

    let config = fs::read_to_string(home.path().join("run/run.json")).unwrap();
    fs::write(home.path().join("run/run.json"), config.replace("\"garments\"", "\"cats\"")).unwrap();
    let error = ["teacher run was trained on cats (10 classes, images of 28x28x1); this run is about garments"];
    assert_fails(home.path(), &student(&["--teacher", "run"]), 1, &error);
}

#[test]
fn a_network_of_ones_own_is_a_file_and_a_layer_that_does_not_fit_is_named_with_both_shapes() {
    let home = tempfile::tempdir().unwrap();
    let listed = text(&trainer(home.path(), &["models"]).stdout);
    assert!(
        listed.contains("cnn          542,230 parameters      736,488 multiply-accumulates for images of 28x28x1"),
        "{listed}"
    );
    let printed = text(&trainer(home.path(), &["models", "tiny"]).stdout);
    let mine = printed.replace("name = \"tiny\"", "name = \"mine\"").replace("channels = 32", "channels = 6");
    fs::write(home.path().join("mine.toml"), &mine).unwrap();
    let fit = ["fit", "--model", "mine.toml", "--dataset", "garments", "--epochs", "1", "--out", "run"];
    let output = trainer(home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("conv 3x3x6 same + relu"), "{}", text(&output.stdout));

    let fit = |model: &'static str| ["fit", "--model", model, "--dataset", "garments"];
    assert_fails(home.path(), &["models", "resnet"], 2, &["unknown architecture \"resnet\"", "mlp, cnn"]);
    assert_fails(home.path(), &fit("none.toml"), 2, &["--model none.toml: No such file or directory"]);
    fs::write(
        home.path().join("wide.toml"),
        mine.replace("kernel = 3, padding = \"valid\"", "kernel = 99, padding = \"valid\""),
    )
    .unwrap();
    let expected = ["wide.toml: architecture \"mine\", layer 4 (conv 99x99x6 valid + relu): kernel 99 is not 1 to 15"];
    assert_fails(home.path(), &fit("wide.toml"), 2, &expected);
}
