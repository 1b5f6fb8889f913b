//! From a folder of images to a model that classifies other images.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::image_files::save;
use super::{assert_contains, assert_fails, read_json, shapes, succeed, text, trainer};

/// Height and width of the drawn images: not those of the input, nor its aspect ratio.
const SIZE: (u32, u32) = (40, 52);

const FORMATS: [&str; 3] = ["png", "jpg", "bmp"];

/// A folder of shapes to train and test on in three formats, and a model trained on it.
fn trained() -> (TempDir, Vec<PathBuf>, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let mut test_files = Vec::new();
    for (number, format) in FORMATS.iter().enumerate() {
        let indices = |first: usize, count: usize| first + number * count..first + (number + 1) * count;
        shapes::write(&path.join("shapes/train"), indices(0, 60), SIZE, format).unwrap();
        test_files.extend(shapes::write(&path.join("shapes/test"), indices(1000, 10), SIZE, format).unwrap());
    }
    let fit = [
        "fit",
        "--data",
        "shapes",
        "--model",
        "tiny",
        "--input",
        "32x32x3",
        "--resize",
        "crop",
        "--lr",
        "0.003",
        "--epochs",
        "12",
        "--out",
        "run",
        "--export",
        "model.bin",
    ];
    let (printed, warned) = succeed(path, &fit);
    // Of 45 validation images, nothing else.
    assert!(warned.is_empty() || warned.contains("WARNING: 45 validation images cannot distinguish"), "{warned}");
    assert!(warned.matches("WARNING").count() <= 1, "{warned}");
    (home, test_files, printed)
}

#[test]
fn a_folder_of_images_becomes_a_model_and_predict_agrees_with_eval_on_every_format() {
    let (home, test_files, printed) = trained();
    for line in [
        "data       shapes (5 classes), from --data shapes",
        "images     32x32x3 rgb, resize crop",
        "test           150 images of 32x32x3",
        "conv 3x3x16 same + relu          32x32x16          448",
        "dense 5                                 5        1,445",
    ] {
        assert!(printed.contains(line), "{printed}\ndoes not contain {line:?}");
    }
    let metrics = read_json(&home.path().join("run/metrics.json"));
    let [train, validation] = ["train", "validation"].map(|part| metrics["images"][part].as_u64().unwrap());
    assert!(train + validation == 900 && (25..70).contains(&validation), "5% on average: {metrics}");
    assert!(printed.contains(&format!("validation {validation:>7} images of 32x32x3\n")), "{printed}");
    let accuracy = &metrics["int8"]["test"]["accuracy"];
    assert!(accuracy.as_f64().unwrap() > 0.5, "chance is 0.2: {metrics}");
    assert_eq!(read_json(&home.path().join("run/run.json"))["preprocessing"], "32x32x3 rgb, resize crop");

    let report = succeed(home.path(), &["eval", "model.bin", "--data", "shapes", "--json"]).0;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["accuracy"], &report["images"]), (accuracy, &Value::from(150)));

    let arguments = ["predict", "model.bin", "--json"].map(str::to_owned).into_iter();
    let arguments: Vec<String> =
        arguments.chain(test_files.iter().map(|file| file.to_str().unwrap().to_owned())).collect();
    let printed = succeed(home.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>()).0;
    let predictions: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(predictions.len(), test_files.len());
    let mut confusion = vec![vec![0u64; 5]; 5];
    let mut right_of_format = BTreeMap::new();
    for (prediction, file) in predictions.iter().zip(&test_files) {
        assert_eq!(prediction["image"], file.to_str().unwrap());
        let truth = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let truth = shapes::CLASS_NAMES.iter().position(|name| *name == truth).unwrap();
        let index = prediction["index"].as_u64().unwrap() as usize;
        confusion[truth][index] += 1;
        let format = file.extension().unwrap().to_str().unwrap();
        *right_of_format.entry(format.to_owned()).or_insert(0) += u32::from(index == truth);

        assert_eq!(prediction["class"], shapes::CLASS_NAMES[index]);
        let top = prediction["top"].as_array().unwrap();
        let probabilities = prediction["probabilities"].as_array().unwrap();
        assert_eq!((top.len(), probabilities.len()), (3, 5));
        assert_eq!((&top[0]["index"], &top[0]["probability"]), (&prediction["index"], &prediction["probability"]));
        assert!(top.windows(2).all(|pair| pair[0]["logit"].as_i64() >= pair[1]["logit"].as_i64()), "{prediction}");
        assert_eq!(prediction["probability"], probabilities[index]);
        let sum: f64 = probabilities.iter().map(|probability| probability.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{prediction}");
    }
    assert_eq!(report["confusion"], serde_json::to_value(confusion).unwrap());
    assert_eq!(right_of_format.keys().collect::<Vec<_>>(), ["bmp", "jpg", "png"]);
    assert!(right_of_format.values().all(|&right| right > 20), "of 50 each, 10 by chance: {right_of_format:?}");
}

#[test]
fn predict_prints_a_line_an_image_and_continues_where_one_cannot_be_read() {
    let (home, test_files, _) = trained();
    let path = home.path();
    let (first, second) = ("shapes/test/cross/1000.png", "shapes/test/disc/1010.jpg");
    assert!(test_files.contains(&path.join(first)) && test_files.contains(&path.join(second)));
    fs::write(path.join("notes.png"), "no image").unwrap();
    let output = trainer(path, &["predict", "model.bin", first, "notes.png", "missing.png", second]);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(
        lines[0].starts_with("shapes/test/cross/1000.png: ") && lines[1].starts_with("shapes/test/disc/1010.jpg: ")
    );
    assert!(lines.iter().all(|line| line.len() <= 80 && line.matches('%').count() == 3), "{printed}");
    assert_eq!(
        text(&output.stderr),
        "error: notes.png: by its content not a PNG, JPEG, BMP, GIF, WebP or TIFF image\n\
         error: missing.png: No such file or directory (os error 2)\n\
         error: 2 of 4 images could not be classified\n"
    );

    let (one, _) = succeed(path, &["predict", "model.bin", first, "--top", "1"]);
    assert_eq!(one.matches('%').count(), 1);
    assert!(lines[0].starts_with(one.trim_end()), "{one} is the beginning of {}", lines[0]);
    // What does not fit into 80 columns is below its image.
    let (five, _) = succeed(path, &["predict", "model.bin", first, "--top", "9"]);
    let five: Vec<&str> = five.lines().collect();
    assert_eq!((five.len(), five[0]), (6, "shapes/test/cross/1000.png:"));
    assert!(five[1..].iter().all(|line| line.starts_with("  ") && line.ends_with('%')), "{five:?}");

    let mut from_pipe = assert_cmd::Command::new(env!("CARGO_BIN_EXE_trainer"));
    from_pipe.args(["predict", "model.bin", "-"]).current_dir(path).write_stdin(fs::read(path.join(first)).unwrap());
    let piped = text(&from_pipe.output().unwrap().stdout);
    assert_eq!(
        piped.strip_prefix("-: "),
        lines[0].strip_prefix("shapes/test/cross/1000.png: ").map(|line| format!("{line}\n")).as_deref()
    );

    assert_fails(
        path,
        &["predict", "model.bin", first, "--resize", "fit"],
        2,
        &["model.bin was trained with resize crop, and predicts with the same; leave --resize out"],
    );
    assert_fails(path, &["predict", "model.bin"], 2, &["<IMAGE>..."]);
    assert_fails(path, &["predict", "notes.png", first], 1, &["notes.png: "]);
}

#[test]
fn models_of_byte_images_take_images_of_their_size_and_others_only_with_resize() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    succeed(
        path,
        &["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"],
    );
    // What the host calls a test image, as a file: trained on white on black.
    let (_, garments) = trainer::dataset::garments::draw(trainer::dataset::garments::SEED);
    let bag = image::GrayImage::from_raw(28, 28, garments.image(8).unwrap().into_owned()).unwrap();
    save(bag.clone(), path.join("bag.png"));
    save(image::imageops::resize(&bag, 84, 84, image::imageops::FilterType::Nearest), path.join("large.png"));
    let mut on_white = bag.clone();
    image::imageops::invert(&mut on_white);
    save(on_white, path.join("on-white.png"));

    let (plain, _) = succeed(path, &["predict", "model.bin", "bag.png"]);
    let (inverted, _) = succeed(path, &["predict", "model.bin", "--invert", "on-white.png"]);
    assert_eq!(plain.strip_prefix("bag.png"), inverted.strip_prefix("on-white.png"));
    let (on_white, _) = succeed(path, &["predict", "model.bin", "on-white.png"]);
    assert_ne!(on_white, inverted);
    assert_fails(
        path,
        &["predict", "model.bin", "large.png"],
        1,
        &["large.png: 84 high and 84 wide, but the input is 28x28x1 and takes images as they are; give --resize"],
    );
    let (large, _) = succeed(path, &["predict", "model.bin", "large.png", "--resize", "stretch"]);
    assert!(plain.starts_with("bag.png: Bag ") && large.starts_with("large.png: Bag "), "{plain}{large}");
}

#[test]
fn eval_finds_the_held_out_images_again_whatever_the_seed_and_all_of_them_where_requested() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("mine"), 0..40, (16, 16), "png").unwrap();
    let fit = [
        "fit",
        "--data",
        "mine",
        "--model",
        "cnn",
        "--epochs",
        "6",
        "--seed",
        "7",
        "--test-fraction",
        "0.3",
        "--out",
        "run",
        "--export",
        "model.bin",
    ];
    succeed(path, &fit);
    let preprocessing = read_json(&path.join("run/run.json"))["preprocessing"].as_str().unwrap().to_owned();
    assert!(preprocessing.starts_with("16x16x3 rgb, as they are, test 0.3 of "), "{preprocessing}");
    let evaluate = |arguments: &[&str]| -> Value {
        serde_json::from_str(&succeed(path, &[&["eval", "model.bin", "--json"], arguments].concat()).0).unwrap()
    };
    let held_out = evaluate(&["--data", "mine"]);
    let metrics = read_json(&path.join("run/metrics.json"));
    assert_eq!(
        (&held_out["images"], &held_out["accuracy"]),
        (&metrics["images"]["test"], &metrics["int8"]["test"]["accuracy"])
    );
    assert!((40..80).contains(&held_out["images"].as_u64().unwrap()), "30% on average: {held_out}");
    let all = evaluate(&["--data", "mine", "--all"]);
    assert_eq!(all["images"], 200);
    assert_ne!(all["accuracy"], held_out["accuracy"], "what was trained on is easier");

    fs::rename(path.join("mine/disc"), path.join("mine/circle")).unwrap();
    assert_fails(
        path,
        &["eval", "model.bin", "--data", "mine"],
        1,
        &["mine/circle: the model has no class \"circle\", only cross, disc, ring, square, triangle"],
    );
    assert_fails(path, &["eval", "model.bin"], 2, &["model.bin was trained on mine", "give its directory, --data DIR"]);
    assert_fails(path, &["eval", "model.bin", "--dataset", "garments"], 1, &["garments: 28 high and 28 wide"]);

    // A run of before there was any preprocessing can still be exported: as one of bytes.
    let config = path.join("run/run.json");
    let older: String =
        fs::read_to_string(&config).unwrap().lines().filter(|line| !line.contains("\"preprocessing\"")).collect();
    fs::write(&config, older).unwrap();
    succeed(path, &["export", "run", "--out", "older.bin"]);
    let (inspected, _) = succeed(path, &["inspect", "older.bin"]);
    assert_contains(&inspected, &["preprocessing   bytes 0 to 255 as they are"]);
}

#[test]
fn warnings_about_a_folder_are_shown_and_mistakes_in_its_flags_end_with_code_2() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("mine"), 0..6, (8, 8), "png").unwrap();
    fs::copy(path.join("mine/disc/0.png"), path.join("mine/ring/0.png")).unwrap();
    fs::write(path.join("mine/notes.txt"), "").unwrap();
    let fit = ["fit", "--data", "mine", "--model", "mlp", "--epochs", "1", "--out", "run"];
    let (_, warned) = succeed(path, &fit);
    assert_contains(
        &warned,
        &[
            "NOTE: 1 file or folder of mine left out",
            "  mine/notes.txt (in no class)",
            "image in two classes",
            "mine/disc/0.png = mine/ring/0.png",
        ],
    );
    assert_fails(
        path,
        &["fit", "--data", "mine", "--model", "tiny", "--out", "small"],
        1,
        &[
            "model tiny does not take images of 8x8x3; give another --input or --model",
            "architecture \"tiny\", layer 4 (conv 3x3x32 valid + relu): its input is 2x2x32; a kernel of 3x3 does not fit",
        ],
    );
    let (_, warned) = succeed(
        path,
        &["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--test-fraction", "0.2", "--out", "run2"],
    );
    assert!(warned.contains("NOTE: --test-fraction has no effect: garments has test images of its own"), "{warned}");
    let cases: [(&[&str], &str); 7] = [
        (
            &["--input", "32x32"],
            "\"32x32\" is not an input shape; write HEIGHTxWIDTHxCHANNELS, such as 28x28x1 or 32x32x3",
        ),
        (&["--input", "32x32x2"], "has 2 channels; images have 1 (gray) or 3 (RGB)"),
        (&["--input", "0x32x1"], "has a side that is not 1 to 1024"),
        (&["--input", "8x8x1", "--resize", "zoom"], "[possible values: stretch, fit, crop]"),
        (&["--resize", "crop"], "--input <HxWxC>"),
        (&["--test-fraction", "1e-300"], "it must be over 0 (0.000001 at least) and under 1"),
        (&["--test-fraction", "1"], "it must be over 0 (0.000001 at least) and under 1"),
    ];
    for (arguments, expected) in cases {
        assert_fails(path, &[&["fit", "--data", "mine"], arguments].concat(), 2, &[expected]);
    }
    assert_fails(path, &["eval", "run/model.bin", "--all"], 2, &["--data <DIR>"]);
}

#[test]
fn a_set_beyond_its_share_of_memory_goes_to_a_file_and_gives_the_same_model() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..20, (12, 12), "png").unwrap();
    let fit = |run: &str, flags: &[&str]| {
        let fit = ["fit", "--data", "shapes", "--model", "mlp", "--input", "12x12x3", "--epochs", "2", "--out", run];
        let (printed, _) = super::succeed(path, &[&fit[..], flags].concat());
        (fs::read(path.join(run).join("model.bin")).unwrap(), printed.contains("they are in a file"))
    };
    let (in_memory, in_file) = (fit("memory", &[]), fit("file", &["--memory", "10K"]));
    assert_eq!((in_memory.1, in_file.1), (false, true));
    assert!(in_memory.0 == in_file.0, "the same bytes");
    for file in ["answers.csv", "report.json"] {
        let read = |run: &str| fs::read(path.join(run).join(file)).unwrap();
        assert!(read("memory") == read("file"), "{file}");
    }
    let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file", "memory", "shapes"], "nothing is left beside the runs");
    let eval = |flags: &[&str]| {
        let eval = ["eval", "file/model.bin", "--data", "shapes", "--json"];
        let (printed, _) = super::succeed(path, &[&eval[..], flags].concat());
        let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
        report["confusion"].clone()
    };
    assert_eq!(eval(&[]), eval(&["--memory", "0"]));
    let wrong = ["fit", "--data", "shapes", "--memory", "many"];
    super::assert_fails(path, &wrong, 2, &["it must be a number of bytes, such as 500M or 4G"]);
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_for_the_images_is_an_error_and_not_a_signal() {
    let home = tempfile::tempdir().unwrap();
    shapes::write(&home.path().join("shapes"), 0..20, (32, 32), "png").unwrap();
    let limited = "ulimit -f 16; exec \"$0\" fit --data shapes --model mlp --memory 10K --out run";
    let output = std::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_trainer")])
        .current_dir(&home)
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("(cache file of the images): File too large"), "{stderr}");
}

/// Shape, and class and name of each frame, of a file of frames: `trainer::export::frames` documents it.
fn read_frames(file: &[u8]) -> ([u16; 3], Vec<(u16, String)>) {
    let half = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
    assert_eq!((&file[..8], half(8)), (b"THFRAMES".as_slice(), 1));
    let shape = [half(12), half(14), half(16)];
    let mut at = 18;
    let frames = (0..half(10)).map(|_| {
        let (class, len) = (half(at), usize::from(file[at + 2]));
        let name = text(&file[at + 3..][..len]);
        at += 3 + len + shape.iter().copied().map(usize::from).product::<usize>();
        (class, name)
    });
    let frames = frames.collect();
    assert_eq!(at, file.len());
    (shape, frames)
}

#[test]
fn fit_leaves_test_images_for_firmware_and_frames_writes_others() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (part, indices) in [("train", 0..8), ("val", 8..10), ("test", 10..12)] {
        shapes::write(&path.join("shapes").join(part), indices, SIZE, "png").unwrap();
    }
    let fit = ["fit", "--data", "shapes", "--input", "16x24x3", "--model", "mlp", "--epochs", "1", "--out", "run"];
    let (_, warned) = succeed(path, &[&fit[..], &["--val-fraction", "0.3"]].concat());
    assert!(warned.contains("NOTE: --val-fraction has no effect: shapes has validation images of its own"), "{warned}");
    let left = fs::read(path.join("run/frames.bin")).unwrap();
    let (shape, frames) = read_frames(&left);
    assert_eq!((shape, frames.len()), ([16, 24, 3], 10));
    // The classes in turn, each image under the name of its file.
    for (number, (class, name)) in frames.iter().enumerate() {
        assert_eq!(usize::from(*class), number % 5);
        let file = format!("{}/{}.png", shapes::CLASS_NAMES[number % 5], 10 + number / 5);
        assert!(name.ends_with(&file), "{name}");
    }

    // The same images again, beside the model; and fewer.
    fs::copy(path.join("run/model.bin"), path.join("birds.bin")).unwrap();
    let (printed, warned) = succeed(path, &["frames", "birds.bin", "--data", "shapes"]);
    assert!(printed.starts_with("wrote      frames.bin: ") && warned.is_empty(), "{printed}{warned}");
    assert!(fs::read(path.join("frames.bin")).unwrap() == left);
    succeed(path, &["frames", "birds.bin", "--data", "shapes", "--count", "3", "--out", "three.frames"]);
    let three = read_frames(&fs::read(path.join("three.frames")).unwrap()).1;
    assert_eq!(three.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [0, 1, 3]);
    // All that there are, where more are requested.
    let all = ["frames", "birds.bin", "--data", "shapes", "--count", "100", "--out", "all.frames"];
    let (_, warned) = succeed(path, &all);
    assert_eq!(warned.trim(), "NOTE: 10 frames instead of 100: there are no more test images of shapes");
    assert!(fs::read(path.join("all.frames")).unwrap() == left);

    // What cannot be: no data set, a file that is no model, no place to write.
    assert_fails(path, &["frames", "birds.bin"], 2, &["give its directory, --data DIR"]);
    assert_fails(path, &["frames", "birds.bin", "--data", "shapes", "--count", "0"], 2, &["at least 1"]);
    assert_fails(path, &["frames", "three.frames", "--data", "shapes"], 1, &["three.frames: not a model file"]);
    let nowhere = ["frames", "birds.bin", "--data", "shapes", "--out", "nowhere/frames.bin"];
    assert_fails(path, &nowhere, 2, &["--out nowhere/frames.bin: there is no directory nowhere"]);
}

#[test]
fn a_report_names_the_run_in_full_so_that_its_commands_are_right_from_any_directory() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("it's here");
    fs::create_dir(&path).unwrap();
    succeed(&path, &["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run"]);
    let html = fs::read_to_string(path.join("run/report.html")).unwrap();
    let run = fs::canonicalize(&path).unwrap().join("run").display().to_string().replace('\'', "'\\''");
    for command in [format!("THIMBLE_RUN='{run}' cargo run --release"), format!("trainer eval '{run}/model.bin'")] {
        let escaped = command.replace('\'', "&#39;");
        assert!(html.contains(&escaped), "{escaped} is not in the report");
    }
}

#[test]
fn broken_headers_and_broken_pixels_are_counted_together_with_and_without_a_size() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..8, (12, 12), "png").unwrap();
    let whole = fs::read(path.join("shapes/disc/3.png")).unwrap();
    for (file, content) in [("disc/3.png", &whole[..whole.len() - 40]), ("disc/5.png", b""), ("ring/1.png", b"hello")] {
        fs::write(path.join("shapes").join(file), content).unwrap();
    }
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1"];
    for flags in [&[][..], &["--input", "12x12x3"], &["--list-unreadable", "broken.txt"]] {
        let arguments = [&fit[..], flags].concat();
        assert_fails(path, &arguments, 1, &["3 of 40 images cannot be read; ", "disc/3.png: damaged or truncated"]);
    }
    assert_eq!(fs::read_to_string(path.join("broken.txt")).unwrap().lines().count(), 3);
}

#[test]
fn a_run_among_the_images_is_refused_before_the_training() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..8, (12, 12), "png").unwrap();
    let fit = ["fit", "--model", "mlp", "--epochs", "1"];
    for (directory, arguments, out) in [
        ("shapes", &["--data", "."][..], "runs"),
        ("shapes", &["--data", "../shapes", "--out", "here"], "here"),
        (".", &["--data", "shapes", "--out", "shapes/a/b"], "shapes/a/b"),
    ] {
        let expected = format!("the run would be written to {out}, inside --data ");
        assert_fails(&path.join(directory), &[&fit[..], arguments].concat(), 2, &[&expected]);
    }
    let mut left: Vec<_> = fs::read_dir(path.join("shapes")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["cross", "disc", "ring", "square", "triangle"]);
}

#[cfg(unix)]
#[test]
fn a_line_break_in_a_name_forges_no_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..8, (12, 12), "png").unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--out", "run"];
    super::succeed(path, &fit);
    fs::create_dir(path.join("shapes/disc/k\n  error: forged")).unwrap();
    fs::create_dir(path.join("others")).unwrap();
    fs::write(path.join("others/y\n  error: forged.png"), "no image").unwrap();
    for arguments in [
        &["fit", "--data", "shapes"][..],
        &["eval", "run/model.bin", "--data", "shapes"],
        &["predict", "run/model.bin", "others/y\n  error: forged.png"],
        &["predict", "run/model.bin", "others"],
        &["predict", "run/model.bin", "no\n  error: forged"],
        &["eval", "run/model.bin", "--data", "no\n  error: forged"],
        &["fit", "--data", "no\n  error: forged"],
        &["report", "no\n  error: forged"],
    ] {
        let output = super::trainer(path, arguments);
        let stderr = super::text(&output.stderr);
        assert!(!output.status.success() && !stderr.contains("\n  error: forged"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn teachers_of_other_seeds_held_out_the_same_images_where_these_have_a_folder_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (part, indices) in [("train", 0..8), ("val", 8..10), ("test", 10..12)] {
        shapes::write(&path.join("shapes").join(part), indices.clone(), SIZE, "png").unwrap();
        shapes::write(&path.join("drawn").join(part.replace("val", "train")), indices, SIZE, "png").unwrap();
    }
    let fit = |data: &'static str, more: &[&'static str]| {
        let fit =
            ["fit", "--data", data, "--input", "16x24x3", "--model", "mlp", "--recipe", "tutorial", "--epochs", "1"];
        [&fit[..], more].concat()
    };
    for data in ["shapes", "drawn"] {
        for (seed, out) in [("1", "first"), ("2", "second")] {
            succeed(path, &fit(data, &["--seed", seed, "--out", out]));
        }
        let student = fit(data, &["--teacher", "first", "--teacher", "second", "--out", "student"]);
        if data == "shapes" {
            succeed(path, &student);
        } else {
            assert_fails(path, &student, 2, &["teachers first and second held out different images"]);
        }
        for run in ["first", "second", "student"] {
            let _ = fs::remove_dir_all(path.join(run));
        }
    }
}
