//! What a file, a folder or a run from elsewhere may require of the host, and what it may not: memory, work, other files, lines of a
//! terminal, and a place among the writers of a run.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use infer_core::Shape;
use infer_core::format::{Blob, Codes, Input, Metadata, Requantize, Window};
use infer_core::header::Header;
use infer_core::operators::{AveragePool2d, Conv2d, Layer, Logits, MaxPool2d, StageRecord};
use infer_core::packing::packed_len;
use infer_core::plan::{Places, Plan, chain, place};
use serde_json::{Value, json};

use super::{assert_fails, read_json, short_run, succeed, text, trainer};

/// The trainer with 2 GB of memory, which has to come to an end by itself.
#[cfg(unix)]
fn confined(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v 2000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_trainer")])
        .args(arguments)
        .current_dir(directory)
        .env_remove("FASHION_MNIST_DIR")
        .env("THIMBLE_CACHE_DIR", directory.join("cache"))
        .env("FASHION_MNIST_URL", "http://127.0.0.1:9")
        // Far more than it takes: whoever waits for a pipe waits for ever.
        .timeout(Duration::from_secs(300))
        .output()
        .unwrap()
}

#[cfg(unix)]
fn assert_refused(directory: &Path, arguments: &[&str], expected: &str) {
    let output = confined(directory, arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr:?} does not contain {expected:?}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// A layer of a hostile file.
#[derive(Clone, Copy)]
enum Part {
    /// Of this kernel and so many channels, `same`.
    Conv(u8, u16),
    MaxPool,
    /// Of this window, its stride 1; 0: of the whole map.
    AveragePool(u8),
}

/// A model file of these layers and of logits that infer-core loads, of zeros, whatever it needs: [`trainer::export::model_file`]
/// writes none beyond the limits.
fn model(metadata: &Metadata<'_>, shape: Shape, parts: &[Part], classes: u16) -> Vec<u8> {
    let scale = 1.0 / 255.0;
    let codes = Codes { scale, zero_point: 0 };
    let input = Input::new(shape, codes);
    let mut layers: Vec<Vec<u8>> = Vec::new();
    let Shape { mut height, mut width, mut channels } = shape;
    let packed = |rows: usize, columns: usize| {
        vec![0; packed_len(u32::try_from(rows).unwrap(), u32::try_from(columns).unwrap()).unwrap() as usize]
    };
    for &part in parts {
        let (kernel, outputs) = match part {
            Part::Conv(kernel, outputs) => (kernel, outputs),
            Part::MaxPool => {
                layers.push(
                    postcard::to_allocvec(&Layer::MaxPool2d(MaxPool2d { window: Window::square(2, 2) })).unwrap(),
                );
                (height, width) = (height / 2, width / 2);
                continue;
            }
            Part::AveragePool(window) => {
                let multiplier = 1i32.to_le_bytes();
                let pool = AveragePool2d { window: Window::square(window, 1), codes, shift: 0, multiplier };
                layers.push(postcard::to_allocvec(&Layer::AveragePool2d(pool)).unwrap());
                let left = |side: u16| if window == 0 { 1 } else { side + 1 - u16::from(window) };
                (height, width) = (left(height), left(width));
                continue;
            }
        };
        let weights = packed(outputs.into(), usize::from(kernel).pow(2) * usize::from(channels));
        let table = [[0, 0, 0, 0], 1i32.to_le_bytes()].concat().repeat(outputs.into());
        let conv = Layer::Conv2d(Conv2d {
            output_channels: outputs,
            window: Window {
                padding: [(kernel - 1) / 2, (kernel - 1) / 2, kernel / 2, kernel / 2],
                ..Window::square(kernel, 1)
            },
            pool: false,
            requantize: Requantize { codes, shift: 0, relu: true, channels: Blob { padding: &[], data: &table } },
            layout: 0,
            weights: Blob { padding: &[], data: &weights },
        });
        layers.push(postcard::to_allocvec(&conv).unwrap());
        channels = outputs;
    }
    let inputs = usize::from(height) * usize::from(width) * usize::from(channels);
    let (weights, biases) = (packed(classes.into(), inputs), vec![0; 4 * usize::from(classes)]);
    let logits = Layer::Logits(Logits {
        classes,
        scale,
        biases: Blob { padding: &[], data: &biases },
        layout: 0,
        weights: Blob { padding: &[], data: &weights },
    });
    layers.push(postcard::to_allocvec(&logits).unwrap());
    let mut stages: Vec<StageRecord<'_>> =
        chain(layers.iter().map(|layer| postcard::from_bytes(layer).unwrap())).collect();
    let image_place = place(&input, &mut stages, Places::Apart);
    let mut payload = postcard::to_allocvec(metadata).unwrap();
    payload = postcard::to_extend(&input, payload).unwrap();
    payload = postcard::to_extend(&image_place, payload).unwrap();
    payload = postcard::to_extend(&(stages.len() as u32), payload).unwrap();
    for stage in &stages {
        payload = postcard::to_extend(stage, payload).unwrap();
    }
    let header = Header::of(&payload, &Plan::from_payload(&payload).unwrap());
    [&header.to_bytes()[..], &payload].concat()
}

fn metadata<'a>(class_lines: &'a str, dataset: &'a str) -> Metadata<'a> {
    Metadata {
        trainer: "0.1.0",
        dataset,
        architecture: "hostile",
        class_lines,
        images: "bytes",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    }
}

fn shape(height: u16, width: u16, channels: u16) -> Shape {
    Shape { height, width, channels }
}

/// An image of 28x28 that `predict` takes.
fn write_image(path: &Path) {
    super::shapes::write(&path.join("shapes"), 0..1, (28, 28), "png").unwrap();
}

#[cfg(unix)]
#[test]
fn models_that_require_more_than_the_host_gives_are_refused_by_every_command_with_the_numbers() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    write_image(path);
    let names = |classes: usize| (0..classes).map(|class| class.to_string()).collect::<Vec<_>>().join("\n");
    let lines = [names(65_535), names(4097), format!("{}\nb", "a".repeat(256)), "a\nb".to_owned()];
    let plain = shape(28, 28, 1);
    let long = "d".repeat(256);
    let slow = [vec![Part::Conv(7, 8); 12], vec![Part::MaxPool; 10]].concat();
    let pools = [vec![Part::AveragePool(7); 120], vec![Part::AveragePool(0)]].concat();
    let cases = [
        (model(&metadata(&lines[0], "garments"), shape(1, 1, 1), &[], 65_535), "65535 classes, and at most 4096 are"),
        (
            model(&metadata(&lines[1], "garments"), shape(1, 1, 1), &[], 4097),
            "4097 classes, and at most 4096 are supported",
        ),
        (
            model(&metadata(&lines[2], "garments"), plain, &[], 2),
            "the name of a class is 256 bytes long, and at most 255 are read",
        ),
        (
            model(&metadata(&lines[3], &long), plain, &[], 2),
            "the name of the data set is 256 bytes long, and at most 255 are read",
        ),
        (
            model(&metadata(&lines[3], "garments"), shape(1024, 1024, 1), &slow, 2),
            "multiply-accumulates, and at most 10,000,000,000 are done here",
        ),
        (
            model(&metadata(&lines[3], "garments"), shape(1024, 1024, 3), &pools, 2),
            "an inference takes 6 multiply-accumulates and reads 8,",
        ),
    ];
    for (file, expected) in cases {
        fs::write(path.join("hostile.bin"), file).unwrap();
        for arguments in [
            &["eval", "hostile.bin"][..],
            &["inspect", "hostile.bin"],
            &["predict", "hostile.bin", "shapes/disc/0.png"],
        ] {
            assert_refused(path, arguments, expected);
        }
    }
}

#[cfg(unix)]
#[test]
fn the_most_classes_take_little_memory_and_their_confusions_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let names = (0..4096).map(|class| format!("class {class}")).collect::<Vec<_>>().join("\n");
    fs::write(path.join("many.bin"), model(&metadata(&names, "garments"), shape(28, 28, 1), &[], 4096)).unwrap();
    let output = confined(path, &["eval", "many.bin"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(printed.contains("confusion: the 9 most frequent of 9 (--json has all)"), "{printed}");
    assert!(printed.contains("   100  9 class 9, predicted as "), "{printed}");
    assert!(printed.lines().all(|line| line.len() < 100), "no table as wide as the classes are many");
    let output = confined(path, &["eval", "many.bin", "--mistakes"]);
    assert!(text(&output.stdout).contains("\nmistakes: 900\n"), "{}", text(&output.stdout));
    let output = confined(path, &["eval", "many.bin", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["confusion"].is_null());
    let counted: u64 =
        report["confusions"].as_array().unwrap().iter().map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 1000);
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_endless_files_in_a_run_are_refused_by_their_path_at_once() {
    let (home, _) = short_run();
    let path = home.path();
    let run = |name: &str| path.join("run").join(name);
    let export: &[&str] = &["export", "run", "--out", "x.bin"];
    let (report, resume, inspect): (&[&str], &[&str], &[&str]) =
        (&["report", "run"], &["fit", "--resume", "run"], &["inspect", "run"]);
    let teacher: &[&str] = &["fit", "--dataset", "garments", "--model", "mlp", "--teacher", "run", "--out", "student"];
    let cases = [
        ("run.json", [export, report, resume, teacher]),
        ("weights.safetensors", [export, teacher, report, teacher]),
        ("history.csv", [report; 4]),
        ("metrics.json", [report; 4]),
        ("answers.csv", [report; 4]),
        ("report.json", [report; 4]),
        ("unfinished", [resume; 4]),
        ("model.bin", [inspect; 4]),
    ];
    for (name, commands) in cases {
        let kept = fs::read(run(name)).ok();
        let _ = fs::remove_file(run(name));
        for kind in ["pipe", "device", "endless"] {
            let expected = match kind {
                "pipe" => {
                    assert!(std::process::Command::new("mkfifo").arg(run(name)).status().unwrap().success());
                    format!("run/{name}: a pipe instead of a regular file")
                }
                "device" => {
                    std::os::unix::fs::symlink("/dev/zero", run(name)).unwrap();
                    format!("run/{name}: a device instead of a regular file")
                }
                _ => {
                    fs::File::create(run(name)).unwrap().set_len(1 << 40).unwrap();
                    format!("run/{name}: larger than ")
                }
            };
            for arguments in commands {
                assert_refused(path, arguments, &expected);
            }
            fs::remove_file(run(name)).unwrap();
        }
        if let Some(kept) = kept {
            fs::write(run(name), kept).unwrap();
        }
    }
    succeed(path, report);
}

#[cfg(unix)]
#[test]
fn recipes_and_networks_may_come_out_of_a_pipe_and_have_an_end() {
    let home = tempfile::tempdir().unwrap();
    for flag in ["--recipe", "--model"] {
        let output = confined(home.path(), &["fit", "--dataset", "garments", flag, "/dev/zero"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("/dev/zero: larger than 1 MB, which no "), "{stderr}");
    }
    let through_a_pipe = format!(
        "{0} models tiny | sed 's/tiny/piped/' | {0} fit --dataset garments --epochs 1 --model /dev/stdin --out run",
        env!("CARGO_BIN_EXE_trainer")
    );
    let output = Command::new("sh").args(["-c", &through_a_pipe]).current_dir(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(read_json(&home.path().join("run/run.json"))["model"], "piped");
}

#[cfg(unix)]
#[test]
fn what_a_run_holds_does_not_choose_another_file_to_be_written() {
    let (home, _) = short_run();
    let path = home.path();
    fs::write(path.join("victim"), "precious").unwrap();
    let is_left_alone = || assert_eq!(fs::read_to_string(path.join("victim")).unwrap(), "precious");
    // As a run that was interrupted at once would be, and as somebody else would have filled it.
    let fresh = |export: Value| {
        let mut config = read_json(&path.join("run/run.json"));
        config["export"] = export;
        config["calibration"] = json!([]);
        let _ = fs::remove_dir_all(path.join("theirs"));
        fs::create_dir(path.join("theirs")).unwrap();
        fs::write(path.join("theirs/run.json"), config.to_string()).unwrap();
    };
    let resume = ["fit", "--resume", "theirs"];

    fresh(json!(path.join("victim")));
    let (_, warned) = succeed(path, &resume);
    is_left_alone();
    assert!(
        warned.contains("which is not repeated: its model will be in theirs/model.bin; name --export again"),
        "{warned}"
    );
    fresh(json!(path.join("victim")));
    succeed(path, &[&resume[..], &["--export", "named.bin"]].concat());
    is_left_alone();
    assert_eq!(fs::read(path.join("named.bin")).unwrap(), fs::read(path.join("theirs/model.bin")).unwrap());

    fresh(Value::Null);
    let written =
        ["history.csv", "weights.safetensors", "model.bin", "frames.bin", "answers.csv", "report.json", "report.html"];
    for name in written {
        std::os::unix::fs::symlink("../victim", path.join("theirs").join(name)).unwrap();
    }
    succeed(path, &resume);
    is_left_alone();
    for name in written {
        assert!(fs::symlink_metadata(path.join("theirs").join(name)).unwrap().is_file(), "{name} is replaced");
    }
    fs::remove_file(path.join("theirs/report.html")).unwrap();
    std::os::unix::fs::symlink("../victim", path.join("theirs/report.html")).unwrap();
    succeed(path, &["report", "theirs"]);
    is_left_alone();
    fs::remove_file(path.join("theirs/frames.bin")).unwrap();
    std::os::unix::fs::symlink("../victim", path.join("theirs/frames.bin")).unwrap();
    succeed(path, &["frames", "theirs/model.bin"]);
    is_left_alone();
    fs::create_dir(path.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", path.join("theirs/figures")).unwrap();
    assert_fails(path, &["plot", "theirs"], 1, &["theirs/figures is a link, and links in a run are not followed"]);
    assert_eq!(fs::read_dir(path.join("elsewhere")).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_second_process_on_a_run_is_refused_and_names_the_first_until_that_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1000", "--patience", "1000", "--out", "run"];
    let mut child = super::resume::start(path, &fit);
    super::wait_for(&path.join("run/unfinished"));
    let expected = format!("error: run is in use by process {}; wait until that ends, or stop it\n", child.id());
    let [export, resume] = [&["export", "run", "--out", "x.bin"][..], &["fit", "--resume", "run"]];
    for arguments in [export, resume, &["report", "run"], &["plot", "run"], &["inspect", "run"], &fit] {
        assert_fails(path, arguments, 1, &[&expected]);
    }
    assert!(path.join("run/unfinished").exists() && child.try_wait().unwrap().is_none(), "the first continues");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(path.join("run/.thimble-lock").exists(), "it had no time to remove it");
    // Of a killed process: taken over, as its place in the training is.
    let mut config = read_json(&path.join("run/run.json"));
    config["recipe"]["epochs"] = json!(1);
    fs::write(path.join("run/run.json"), config.to_string()).unwrap();
    fs::remove_file(path.join("run/unfinished")).unwrap();
    succeed(path, &["fit", "--resume", "run"]);
    assert!(!path.join("run/.thimble-lock").exists());
    succeed(path, &["report", "run"]);
}

#[test]
fn names_as_long_as_a_file_are_refused_where_they_are_read() {
    let (home, _) = short_run();
    let path = home.path();
    let file = path.join("run/run.json");
    let whole = read_json(&file);
    let long = "n".repeat(200_000);
    let refused = "bytes long, and at most 255 are read";
    for pointer in ["/class_names/3", "/dataset", "/model", "/trainer", "/recipe/name"] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(long);
        fs::write(&file, changed.to_string()).unwrap();
        for arguments in [&["report", "run"][..], &["export", "run", "--out", "x.bin"], &["fit", "--resume", "run"]] {
            assert_fails(path, arguments, 1, &["run/run.json: the name of ", refused]);
        }
    }
    let mut many = whole.clone();
    many["class_names"] = (0..4097).map(|class| json!(class.to_string())).collect();
    fs::write(&file, many.to_string()).unwrap();
    assert_fails(path, &["report", "run"], 1, &["run/run.json: 4097 classes, and at most 4096 are supported"]);

    let network = include_str!("../../trainer/architectures/mlp.toml").replace("\"mlp\"", &format!("\"{long}\""));
    fs::write(path.join("long.toml"), network).unwrap();
    assert_fails(path, &["fit", "--model", "./long.toml"], 2, &["it must have 1 to 255 bytes, no slash"]);
    let recipe = include_str!("../../trainer/recipes/tutorial.toml").replace("\"tutorial\"", &format!("\"{long}\""));
    fs::write(path.join("long.toml"), recipe).unwrap();
    assert_fails(path, &["fit", "--recipe", "./long.toml"], 2, &["its name is 200000 bytes long, and at most 255"]);
}

#[test]
fn an_image_in_a_report_that_needs_memory_is_refused() {
    let (home, _) = short_run();
    let path = home.path();
    let file = path.join("run/report.json");
    let mut report = read_json(&file);
    report["samples"][0]["thumbnail"]["width"] = json!(60_000);
    report["samples"][0]["thumbnail"]["height"] = json!(60_000);
    fs::write(&file, report.to_string()).unwrap();
    for arguments in [&["report", "run"][..], &["plot", "run", "--figure", "samples", "--format", "png"]] {
        assert_fails(path, arguments, 1, &["run/report.json: an image of 60000x60000 is too large for a report; "]);
    }
}

/// Lines that begin as our own do, and characters that a terminal obeys or hides.
fn is_forged(printed: &str) -> bool {
    printed.lines().any(|line| line.starts_with("error: forged"))
        || printed.contains([
            '\u{1b}',
            '\u{85}',
            '\u{2028}',
            '\u{2029}',
            '\u{200b}',
            '\u{202e}',
            '\u{feff}',
            '\u{e0041}',
        ])
}

#[test]
fn no_text_of_a_model_or_a_run_forges_a_line_or_hides_in_one() {
    let (home, _) = short_run();
    let path = home.path();
    write_image(path);
    let evil = "x\nerror: forged\u{2028}error: forged\u{85}\u{200b}\u{202e}\u{feff}\u{e0041}\u{1b}[31m";
    let model = model(
        &Metadata {
            trainer: evil,
            architecture: evil,
            ..metadata("a\u{2028}error: forged\u{200b}\nb\u{1b}", "garments")
        },
        shape(28, 28, 1),
        &[],
        2,
    );
    fs::write(path.join("evil.bin"), model).unwrap();
    // Of two classes, where garments have ten.
    assert_eq!(trainer(path, &["eval", "evil.bin"]).status.code(), Some(1));
    let image = "shapes/disc/0.png";
    let commands: [&[&str]; 5] = [
        &["inspect", "evil.bin"],
        &["inspect", "evil.bin", "--json"],
        &["eval", "evil.bin"],
        &["predict", "evil.bin", image],
        &["predict", "evil.bin", image, "--json"],
    ];
    let mut seen = 0;
    for arguments in commands {
        let output = trainer(path, arguments);
        for printed in [text(&output.stdout), text(&output.stderr)] {
            assert!(!is_forged(&printed), "{arguments:?}: {printed:?}");
            seen += usize::from(printed.contains("\\u200b"));
        }
    }
    assert!(seen >= 4, "the names are printed, spelled out: {seen}");

    // A run from elsewhere.
    let file = path.join("run/run.json");
    let whole = read_json(&file);
    for pointer in ["/dataset", "/model", "/trainer", "/recipe/name", "/recipe/description", "/export"] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = json!(evil);
        fs::write(&file, changed.to_string()).unwrap();
        for arguments in [&["report", "run"][..], &["fit", "--resume", "run"], &["inspect", "run", "--quantization"]] {
            let output = trainer(path, arguments);
            let printed = text(&output.stdout) + &text(&output.stderr);
            assert!(!is_forged(&printed), "{pointer} {arguments:?}: {printed:?}");
        }
        let page = fs::read_to_string(path.join("run/report.html")).unwrap();
        assert!(!is_forged(&page), "{pointer}");
    }

    // What clap quotes.
    for arguments in [&["fit", "--dataset", evil][..], &["eval", "a.bin", evil], &[evil]] {
        let output = trainer(path, arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(!is_forged(&stderr) && stderr.contains("\\u200b"), "{stderr:?}");
    }
}
