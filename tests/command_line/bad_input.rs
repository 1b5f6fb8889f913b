//! Files that lie, contradict each other or are something else: each is an error that names which and why, none costs more memory
//! than a file of its size may, and none reaches the terminal as it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{assert_fails, shapes, text, trainer};

/// A run of one epoch on garments, `run`, and its model, `model.bin`.
fn run() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    let output = trainer(home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    home
}

/// The trainer where a process may have so much memory and no more, 2 GB.
#[cfg(unix)]
fn with_little_memory(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -v 2000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_trainer")])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

#[cfg(unix)]
fn assert_fails_with_little_memory(directory: &Path, arguments: &[&str], expected: &str) {
    let output = with_little_memory(directory, arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.contains(expected), "{arguments:?}: {stderr:?} does not contain {expected:?}");
}

#[test]
fn a_run_json_that_contradicts_itself_or_its_weights_is_refused() {
    let home = run();
    let file = home.path().join("run/run.json");
    let whole: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    // Interrupted before there was anything to keep: it can be resumed.
    fs::remove_file(home.path().join("run/metrics.json")).unwrap();
    let (export, resume) = (&["export", "run", "--out", "x.bin"][..], &["fit", "--resume", "run"][..]);
    let cases: [(&str, Value, &[&str], &str); 17] = [
        ("/recipe/batch_size", json!(0), resume, "run/run.json: batch size is 0; it must be at least 1"),
        ("/recipe/mixup", json!(1e300), resume, "; it must be 0, or 0.01 to 8"),
        ("/recipe/epochs", json!("many"), resume, "run/run.json: invalid type: string \"many\", expected usize"),
        ("/recipe/epochs", json!(-1), export, "run/run.json: invalid value: integer `-1`, expected usize"),
        ("/validation_fraction", json!(7), resume, "a share of 7 cannot be held out: it must be over 0 and under 1"),
        ("/calibration_methods", json!([]), resume, "there is no calibration method to choose from"),
        ("/calibration", json!([]), export, "run has not been calibrated"),
        (
            "/calibration/0/channel_order",
            vec![u64::MAX; 350].into(),
            export,
            "layer 0: the calibration is not for this",
        ),
        (
            "/calibration/0/range/high",
            json!(3e38),
            export,
            "layer 0: its weights and activations differ so much in size (ratio ",
        ),
        ("/calibration/0/range/high", json!(1e308), export, "run/run.json: 0 to inf is not a range of activations"),
        ("/calibration/0/range/low", json!(0.5), export, "is not a range of activations: it must contain zero"),
        ("/layers", json!([]), export, "architecture \"mlp\" must end in a dense layer without relu"),
        (
            "/layers/0/dense/outputs",
            json!(351),
            export,
            "tensor layers.0.weight has shape [350, 784], the architecture needs [351, 784]",
        ),
        ("/layers/1/dense/outputs", json!(5), resume, "names 10 classes, but its last layer has 5 outputs"),
        ("/class_names", json!([]), export, "run/run.json: names 0 classes, but its last layer has 10 outputs"),
        ("/class_names/3", json!("a\nb"), export, "model names 11 classes and distinguishes 10"),
        ("/input/height", json!(0), export, "architecture \"mlp\": input 0x28x1 has no values, or more than 4,194,304"),
    ];
    for (pointer, value, arguments, expected) in cases {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        fs::write(&file, changed.to_string()).unwrap();
        assert_fails(home.path(), arguments, 1, &[expected]);
    }
    let mut unknown = whole.clone();
    unknown["preprocessing"] = json!("28x28x1 gray, resize zoom");
    fs::write(&file, unknown.to_string()).unwrap();
    assert_fails(home.path(), export, 1, &["run/run.json: preprocessing", "is unknown here; another version"]);
    assert!(!home.path().join("x.bin").exists());
}

#[test]
fn a_run_json_that_is_no_json_is_named_once_and_one_nested_without_end_is_not_followed() {
    let home = run();
    let deep = format!("{{\"nothing\":{}", "[".repeat(1_000_000));
    let cases: [(&[u8], &str); 4] = [
        (b"", "run/run.json: EOF while parsing a value at line 1 column 0; is this the directory of a run?\n"),
        (b"\xff\xfe", "run/run.json: stream did not contain valid UTF-8\n"),
        (
            b"{\"trainer\": 3}",
            "invalid type: integer `3`, expected a string at line 1 column 13; is this the directory of a run?\n",
        ),
        (
            deep.as_bytes(),
            "run/run.json: EOF while parsing a list at line 1 column 1000011; is this the directory of a run?\n",
        ),
    ];
    for (content, expected) in cases {
        fs::write(home.path().join("run/run.json"), content).unwrap();
        for arguments in [&["export", "run", "--out", "x.bin"][..], &["report", "run"], &["fit", "--resume", "run"]] {
            assert_fails(home.path(), arguments, 1, &[expected]);
        }
    }
}

/// safetensors: the length of the header, the header, the numbers.
fn safetensors(header: &Value, numbers: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), numbers].concat()
}

#[cfg(unix)]
#[test]
fn weights_that_are_cut_off_or_claim_what_is_not_there_are_refused_without_memory_for_it() {
    let home = run();
    let path = home.path().join("run/weights.safetensors");
    let whole = fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let (header, numbers) = whole[8..].split_at(header_len);
    let header: Value = serde_json::from_slice(header).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut header = header.clone();
        *header.pointer_mut(pointer).unwrap() = value;
        safetensors(&header, numbers)
    };
    let with_length = |len: u64| [&len.to_le_bytes()[..], &whole[8..]].concat();
    let mut in_half = header.clone();
    for tensor in in_half.as_object_mut().unwrap().values_mut() {
        tensor["dtype"] = json!("F16");
        for at in 0..2 {
            tensor["data_offsets"][at] = json!(tensor["data_offsets"][at].as_u64().unwrap() / 2);
        }
    }
    let cases: [(Vec<u8>, &str); 10] = [
        (Vec::new(), "weights.safetensors: header too small"),
        (whole[..5000].to_vec(), "weights.safetensors: incomplete metadata, file not fully covered"),
        (with_length(u64::MAX), "weights.safetensors: header too large"),
        (with_length(90_000_000), "weights.safetensors: invalid header length"),
        (with("/layers.0.weight/shape", json!([1u64 << 62, 4])), "weights.safetensors: overflow computing buffer size"),
        (
            with("/layers.0.weight/data_offsets", json!([0, u64::MAX])),
            "weights.safetensors: invalid offset for tensor `layers.0.",
        ),
        (
            with("/layers.0.weight/dtype", json!("F64")),
            "weights.safetensors: invalid shape, data type, or offset for tensor",
        ),
        ([&1_000_000u64.to_le_bytes()[..], &[b'['; 1_000_000]].concat(), "weights.safetensors: invalid JSON in header"),
        (
            safetensors(&in_half, &numbers[..numbers.len() / 2]),
            "weights.safetensors: tensor layers.0.weight is of type F16, not F32",
        ),
        (safetensors(&json!({}), &[]), "weights.safetensors: there is no tensor layers.0.weight"),
    ];
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        assert_fails_with_little_memory(home.path(), &["export", "run", "--out", "x.bin"], expected);
    }
    let mut infinite = whole.clone();
    infinite[8 + header_len + 1400..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&path, infinite).unwrap();
    assert_fails(
        home.path(),
        &["export", "run", "--out", "x.bin"],
        1,
        &["layer 0: a weight or bias is not finite; there is nothing to export"],
    );
    // Of such a teacher a student would learn nothing, and its own training would be said to have diverged.
    let student = ["fit", "--model", "tiny", "--dataset", "garments", "--teacher", "run", "--out", "student"];
    assert_fails(
        home.path(),
        &student,
        1,
        &["teacher run: run/weights.safetensors has weights that are not finite numbers; train it again"],
    );
    assert!(!home.path().join("student").exists());
}

#[cfg(unix)]
#[test]
fn what_is_no_model_is_refused_by_every_command_without_memory_for_what_it_claims() {
    let home = run();
    let path = home.path();
    let model = fs::read(path.join("model.bin")).unwrap();
    let header = infer_core::Header { arena_len: u32::MAX, ..infer_core::Header::parse(&model).unwrap() };
    let payload = &model[infer_core::header::HEADER_LEN..];
    fs::write(path.join("arena.bin"), [&header.with_checksum_of(payload).to_bytes()[..], payload].concat()).unwrap();
    fs::write(path.join("empty.bin"), "").unwrap();
    let mut damaged = model.clone();
    damaged[5000] ^= 1;
    fs::write(path.join("damaged.bin"), damaged).unwrap();
    let cases = [
        ("arena.bin", "arena.bin: model header states 4294967295 bytes of arena where the layers need 1897"),
        ("empty.bin", "empty.bin: model truncated: 52 bytes expected, 0 given; copy the whole file"),
        ("damaged.bin", "damaged.bin: model damaged: CRC-32 is "),
        ("/dev/zero", "/dev/zero: larger than 256 MB, which no model is"),
    ];
    for (file, expected) in cases {
        for arguments in [&["eval", file][..], &["inspect", file], &["predict", file, "image.png"]] {
            assert_fails_with_little_memory(path, arguments, expected);
        }
    }
    fs::copy(path.join("damaged.bin"), path.join("run/model.bin")).unwrap();
    assert_fails(path, &["inspect", "run"], 1, &["run/model.bin: model damaged: CRC-32 is "]);
    assert_fails(path, &["report", "--refresh", "run"], 1, &["model.bin: model damaged: CRC-32 is "]);
    for arguments in [&["eval", "run"][..], &["predict", "run", "image.png"]] {
        assert_fails(
            path,
            arguments,
            1,
            &["error: run: a directory; give a model file, such as the model.bin of a run"],
        );
    }
    fs::write(path.join("empty.png"), "").unwrap();
    let expected = [
        "error: empty.png: damaged or truncated (the file is empty)\n",
        "error: run has no images, nor do the folders in it\n",
        "error: /dev/zero: larger than 256 MB, which no image is\n",
        "error: 3 of 3 images could not be classified\n",
    ];
    assert_fails(path, &["predict", "model.bin", "empty.png", "run", "/dev/zero"], 1, &expected);
}

#[test]
fn what_is_left_of_a_checkpoint_is_refused_and_the_run_is_named() {
    let home = run();
    let path = home.path().join("run/unfinished");
    let whole = trainer::train::Unfinished::default().to_bytes().unwrap();
    let damaged = "run/unfinished: the checkpoint is damaged: the run cannot be resumed; start a new training, with another --out";
    let cases: [(&[u8], &str); 4] = [
        (b"", "run/unfinished: this is not the checkpoint of a training, or one of another version of the trainer"),
        (&whole[..20], damaged),
        (&whole[..whole.len() - 1], damaged),
        (&[0; 100], "run/unfinished: this is not the checkpoint"),
    ];
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        assert_fails(home.path(), &["fit", "--resume", "run"], 1, &[expected]);
    }
}

/// Whether a terminal would do something else than show it.
fn is_garbled(text: &str) -> bool {
    text.chars().any(|character| character.is_control() && character != '\n')
}

#[cfg(unix)]
#[test]
fn names_that_a_terminal_would_obey_are_spelled_out_or_refused() {
    let home = tempfile::tempdir().unwrap();
    let data = "evil\u{1b}[31m\nname";
    shapes::write(&home.path().join(data), 0..9, (8, 8), "png").unwrap();
    fs::write(home.path().join(data).join("disc/notes\nerror: forged\u{1b}[2J.txt"), "").unwrap();
    let output = trainer(
        home.path(),
        &["fit", "--data", data, "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2", "--out", "run"],
    );
    let (printed, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{warned}");
    assert!(!is_garbled(&printed) && !is_garbled(&warned), "{printed}{warned}");
    assert!(warned.contains("/disc/notes\\u000aerror: forged\\u001b[2J.txt (empty)\n"), "{warned}");
    let config: Value = serde_json::from_slice(&fs::read(home.path().join("run/run.json")).unwrap()).unwrap();
    assert_eq!(config["dataset"], "evil\u{fffd}[31m\u{fffd}name");
    assert!(!is_garbled(&fs::read_to_string(home.path().join("run/report.html")).unwrap().replace('\t', "")));

    // Runs of the same name are distinguished by their paths.
    let twin = home.path().join("twin\u{1b}[31m/run");
    fs::create_dir_all(&twin).unwrap();
    for entry in fs::read_dir(home.path().join("run")).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, twin.join(file.file_name().unwrap())).unwrap();
    }
    let output = trainer(home.path(), &["report", "run", "twin\u{1b}[31m/run", "--out", "both.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!is_garbled(&fs::read_to_string(home.path().join("both.html")).unwrap().replace('\t', "")));

    // Class names of a model from elsewhere.
    let mut hostile = config;
    hostile["class_names"][0] = json!("red\u{1b}[31m\u{9b}2J");
    fs::write(home.path().join("run/run.json"), hostile.to_string()).unwrap();
    assert_eq!(trainer(home.path(), &["export", "run", "--out", "hostile.bin"]).status.code(), Some(0));
    let image = "x\nerror: forged.png";
    fs::copy(home.path().join(data).join("disc/0.png"), home.path().join(image)).unwrap();
    for arguments in [
        &["inspect", "hostile.bin"][..],
        &["inspect", "hostile.bin", "--json"],
        &["predict", "hostile.bin", image, "--top", "5"],
        &["predict", "hostile.bin", image, "--top", "5", "--json"],
    ] {
        let output = trainer(home.path(), arguments);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        assert!(!is_garbled(&printed) && printed.contains("red\\u001b[31m\\u009b2J"), "{printed}");
        assert!(!printed.lines().any(|line| line.starts_with("error")), "{printed}");
    }

    fs::create_dir(home.path().join(data).join("a\u{1b}[31mred")).unwrap();
    assert_fails(
        home.path(),
        &["fit", "--data", data, "--model", "mlp"],
        1,
        &["a\\u{1b}[31mred\": the name of a class must be UTF-8, be visible, and have no line break"],
    );
}

#[cfg(unix)]
#[test]
fn paths_that_json_cannot_name_are_refused_before_the_training() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let home = tempfile::tempdir().unwrap();
    for flag in ["--out", "--export", "--data", "--teacher", "--resume"] {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .args(["fit", flag])
            .arg(OsStr::from_bytes(b"bad\xff"))
            .current_dir(home.path())
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flag}: {stderr}");
        assert!(
            stderr.contains("\"bad\\xFF\": the files of a run can name only paths in UTF-8; rename it"),
            "{stderr}"
        );
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

/// Gives the images of both parts these classes in turn.
fn label(directory: &Path, classes: u8) {
    for part in ["train", "t10k"] {
        let header = [0x0801u32, 40].map(u32::to_be_bytes).concat();
        let labels = (0..40).map(|index| index % classes).collect();
        fs::write(directory.join(format!("{part}-labels-idx1-ubyte")), [header, labels].concat()).unwrap();
    }
}

#[test]
fn images_of_other_classes_or_another_size_than_a_models_or_a_runs_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    super::birds(path, 6);
    let fit = ["fit", "--data", "birds", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    let output = trainer(path, &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    fs::create_dir(path.join("other")).unwrap();
    for entry in fs::read_dir(path.join("birds")).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, path.join("other").join(file.file_name().unwrap())).unwrap();
    }
    let eval = ["eval", "model.bin", "--data", "other"];
    let warned = text(&trainer(path, &eval).stderr);
    assert!(warned.contains("NOTE: model.bin was trained on birds, and is tested on other"), "{warned}");
    label(&path.join("other"), 3);
    assert_fails(path, &eval, 1, &["model.bin distinguishes 2 classes, but other has 3"]);

    let export = ["export", "run", "--calibration", "range", "--out", "x.bin"];
    fs::remove_dir_all(path.join("birds")).unwrap();
    super::birds(path, 7);
    assert_fails(path, &export, 1, &["run takes images of 6x6x1, but those of birds are 7x7x1"]);
    let file = path.join("run/run.json");
    let mut older: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    older["data_dir"] = Value::Null;
    fs::write(&file, older.to_string()).unwrap();
    assert_fails(path, &export, 2, &["run was trained on birds; give its directory, --data DIR"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named_with_why() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("cache"), "a file where a directory should be").unwrap();
    let expected =
        ["Fashion-MNIST is not available: ", "cache/fashion-mnist: Not a directory", "use --dataset garments"];
    assert_fails(home.path(), &["fit", "--dataset", "fashion-mnist"], 1, &expected);
}

#[test]
fn a_variable_that_names_no_directory_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["fit", "--epochs", "1"])
        .current_dir(home.path())
        .env("FASHION_MNIST_DIR", "/nope")
        .output()
        .unwrap();
    let expected = "error: FASHION_MNIST_DIR /nope: there is no such directory; name a directory with the four files of \
                    Fashion-MNIST, or unset the variable\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
}
