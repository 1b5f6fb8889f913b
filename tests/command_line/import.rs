//! `trainer import` and `trainer fit --init`, as their user meets them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::tflite::{self, File};
use super::{succeed, text, trainer};

fn write(directory: &Path, name: &str, file: &File) {
    fs::write(directory.join(name), file.bytes()).unwrap();
}

/// What the trainer says about a command line or a file that is wrong.
fn fail(directory: &Path, arguments: &[&str], code: i32) -> String {
    let output = trainer(directory, arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    message
}

#[test]
fn an_int8_file_becomes_a_model_file_that_names_its_classes() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "tiny.tflite", &tflite::small());
    let (printed, _) = succeed(path, &["import", "tiny.tflite"]);
    assert!(printed.contains("an int8 network, bytes 0 to 255 of an image are 0 to 1"), "{printed}");
    assert!(printed.contains("it can be imported"), "{printed}");
    fs::write(path.join("classes.txt"), "cat\ndog\nbird\n").unwrap();
    succeed(path, &["import", "tiny.tflite", "--classes", "classes.txt", "--export", "model.bin"]);
    let (listing, _) = succeed(path, &["inspect", "model.bin"]);
    assert!(listing.contains("bird"), "{listing}");
    fs::write(path.join("classes.txt"), "cat\ndog\n").unwrap();
    let message = fail(path, &["import", "tiny.tflite", "--classes", "classes.txt", "--export", "model.bin"], 1);
    assert!(message.contains("has 2 names, and the network has 3 outputs"), "{message}");
}

#[test]
fn a_second_rounding_is_a_flag_that_the_file_and_its_listing_have() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "tiny.tflite", &tflite::small());
    let listed = |rounding: &str| {
        succeed(path, &["import", "tiny.tflite", "--rounding", rounding, "--export", "model.bin"]);
        succeed(path, &["inspect", "model.bin"]).0
    };
    assert!(!listed("once").contains("rounded twice"));
    let listing = listed("twice");
    assert!(listing.contains("rounded twice   layers 0, 1, 2, 3"), "{listing}");
    let (json, _) = succeed(path, &["inspect", "model.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let roundings: Vec<_> = (0..5).map(|layer| json["layers"][layer]["scales"]["roundings"].as_u64()).collect();
    assert_eq!(roundings, [Some(2), Some(2), Some(2), Some(2), Some(0)]);
    assert!(json["layers"][0]["scales"]["shift"].is_null());
    write(path, "float.tflite", &tflite::float());
    let message = fail(path, &["import", "float.tflite", "--rounding", "twice"], 2);
    assert!(message.contains("--rounding is for int8 networks"), "{message}");
    let message = fail(path, &["import", "tiny.tflite", "--rounding", "thrice"], 2);
    assert!(message.contains("once, twice"), "{message}");
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let mut file = tflite::small();
    file.operators[2].code = 98;
    write(path, "leaky.tflite", &file);
    fs::write(path.join("text.tflite"), "this is text, and no network").unwrap();
    fs::write(path.join("empty.tflite"), "").unwrap();
    fs::write(path.join("net.h5"), b"\x89HDF\r\n\x1a\n").unwrap();
    fs::write(path.join("net.keras"), b"PK\x03\x04").unwrap();
    fs::write(path.join("net.onnx"), b"\x08\x07\x12\x07pytorch").unwrap();
    let bytes = tflite::small().bytes();
    fs::write(path.join("half.tflite"), &bytes[..bytes.len() / 2]).unwrap();
    for (name, expected) in [
        ("leaky.tflite", "leaky.tflite cannot be imported: operator 2 (LEAKY_RELU)"),
        ("text.tflite", "this is not a TFLite file"),
        ("empty.tflite", "this is not a TFLite file"),
        ("net.h5", "this is not a TFLite file, but HDF5, as Keras' .h5"),
        ("net.keras", "this is not a TFLite file, but a zip archive, as Keras' .keras"),
        ("net.onnx", "convert networks of other tools (Keras, ONNX, PyTorch) to TFLite"),
        ("half.tflite", "the file is damaged"),
        ("missing.tflite", "missing.tflite"),
    ] {
        let message = fail(path, &["import", name, "--export", "model.bin", "--out", "run"], 1);
        assert!(message.contains(expected), "{message}");
        assert!(!path.join("model.bin").exists() && !path.join("run").exists(), "{name}");
    }
    let message = fail(path, &["import", "half.tflite", "--export", "half.tflite"], 2);
    assert!(message.contains("half.tflite"), "{message}");
    assert_eq!(fs::read(path.join("half.tflite")).unwrap().len(), bytes.len() / 2, "the file is still there");
}

#[test]
fn a_float_file_becomes_a_run_that_training_starts_from_and_resumes_to_the_byte() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "float.tflite", &tflite::float());
    let message = fail(path, &["import", "float.tflite", "--export", "model.bin"], 2);
    assert!(message.contains("needs images to calibrate on, --data DIR"), "{message}");
    let message = fail(path, &["import", "float.tflite", "--input-range", "1..0"], 2);
    assert!(message.contains("the lower first"), "{message}");
    let (_, warned) = succeed(path, &["import", "float.tflite", "--out", "imported"]);
    assert!(warned.contains("read as 0 to 1"), "{warned}");

    three_colors(path, "images", ["a", "b", "c"], 20);
    let fit = |out: &str, more: &[&str]| {
        // So long and so fast that the loss of the few validation images falls below that of the start.
        let common = [
            "fit",
            "--init",
            "imported",
            "--data",
            "images",
            "--epochs",
            "20",
            "--patience",
            "20",
            "--batch-size",
            "8",
        ];
        let common = [&common[..], &["--lr", "0.1", "--out", out]].concat();
        succeed(path, &[&common[..], more].concat())
    };
    let (printed, _) = fit("whole", &["--freeze", "0-1", "--init-lr", "0.1"]);
    assert!(printed.contains("3 of 3 layers with weights are taken; 2 are not trained"), "{printed}");
    assert!(printed.contains("\n  4 dense 3 "), "layers have the numbers that --freeze takes: {printed}");
    let weights = |run: &str| fs::read(path.join(run).join("weights.safetensors")).unwrap();
    let tensors = |run: &str| {
        let bytes = weights(run);
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        (text(&bytes[8..8 + length]), bytes[8 + length..].to_vec())
    };
    let of = |run: &str, name: &str| {
        let (header, data) = tensors(run);
        let header: serde_json::Value = serde_json::from_str(&header).unwrap();
        let place = |end: usize| header[name]["data_offsets"][end].as_u64().unwrap() as usize;
        data[place(0)..place(1)].to_vec()
    };
    assert_eq!(of("whole", "layers.0.weight"), of("imported", "layers.0.weight"), "frozen");
    assert_eq!(of("whole", "layers.1.bias"), of("imported", "layers.1.bias"), "frozen");
    assert_ne!(of("whole", "layers.4.weight"), of("imported", "layers.4.weight"), "trained: {printed}");
    fit("again", &["--freeze", "0-1", "--init-lr", "0.1"]);
    assert_eq!(weights("whole"), weights("again"));
    fit("faster", &["--freeze", "0-1"]);
    assert_ne!(weights("whole"), weights("faster"), "a learning rate of its own");

    let message = fail(path, &["fit", "--init", "imported", "--data", "images", "--freeze", "0-9"], 2);
    assert!(message.contains("\"0-9\" is neither one of the layers 0 to 4"), "{message}");
    let message = fail(path, &["fit", "--init", "imported", "--data", "images", "--freeze", "taken"], 2);
    assert!(
        message.contains("nothing would be trained; leave the last one out, such as with --freeze 0-3"),
        "{message}"
    );
    let message = fail(path, &["fit", "--init", "nowhere", "--data", "images"], 1);
    assert!(message.contains("nowhere"), "{message}");
    let message = fail(path, &["fit", "--init", "imported", "--model", "mlp", "--data", "images"], 2);
    assert!(message.contains("no layer of mlp has the weights of one of float"), "{message}");
    let message = fail(path, &["fit", "--freeze", "0"], 2);
    assert!(message.contains("--init"), "{message}");
}

/// A folder of images of 8x8 for each class, each of a color of its own.
fn three_colors(path: &Path, name: &str, classes: [&str; 3], images: u8) {
    for (class, color) in classes.iter().zip([[250, 10, 10], [10, 250, 10], [10, 10, 250]]) {
        let folder = path.join(name).join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..images {
            let shade = |part: u8| part.saturating_sub(number);
            let pixels = image::RgbImage::from_pixel(8, 8, image::Rgb(color.map(shade)));
            pixels.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
}

#[test]
fn a_run_imported_without_images_takes_any_of_as_many_classes_for_all_that_help_promises() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "float.tflite", &tflite::float());
    succeed(path, &["import", "float.tflite", "--out", "run"]);
    three_colors(path, "images", ["a", "b", "c"], 20);
    let message = fail(path, &["export", "run", "--out", "model.bin"], 2);
    assert!(message.contains("run was imported without images; give those"), "{message}");
    let (printed, _) = succeed(path, &["export", "run", "--data", "images", "--out", "model.bin"]);
    assert!(printed.contains("calibrated by"), "{printed}");
    let (listing, _) = succeed(path, &["inspect", "model.bin"]);
    assert!(listing.contains("trained on      unknown images (imported)"), "{listing}");
    assert!(listing.contains("classes         a, b, c"), "{listing}");
    let (printed, _) = succeed(path, &["inspect", "run", "--quantization", "--data", "images"]);
    assert!(printed.contains("everything: the model file"), "{printed}");
    fs::remove_dir_all(path.join("images/c")).unwrap();
    let message = fail(path, &["export", "run", "--data", "images", "--out", "model.bin"], 1);
    assert!(message.contains("run has 3 outputs, and --data images has 2 classes"), "{message}");

    write(path, "int8.tflite", &tflite::small());
    succeed(path, &["import", "int8.tflite", "--out", "int8", "--export", "first.bin"]);
    succeed(path, &["export", "int8", "--out", "again.bin"]);
    assert_eq!(fs::read(path.join("first.bin")).unwrap(), fs::read(path.join("again.bin")).unwrap());
    three_colors(path, "others", ["a", "b", "c"], 20);
    let message = fail(path, &["export", "int8", "--data", "others", "--out", "other.bin"], 2);
    assert!(
        message
            .contains("--data is for --calibration and --reject-at: without these export writes the run's own model"),
        "{message}"
    );
    let output = trainer(path, &["export", "int8", "--calibration", "range", "--data", "others", "--out", "other.bin"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the codes of the imported file are replaced by calibrated ones"));
    let message = fail(path, &["export", "int8", "--layout", "fast", "--out", "fast.bin"], 1);
    assert!(message.contains("has the model file that was imported, as it is"), "{message}");
}

#[test]
fn an_imported_run_is_none_that_could_be_resumed_and_says_what_it_is_for() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "float.tflite", &tflite::float());
    succeed(path, &["import", "float.tflite", "--out", "run"]);
    for command in ["report", "plot", "inspect"] {
        let message = fail(path, &[command, "run"], 1);
        assert!(message.contains("run is an imported run") && message.contains("trainer fit --init run"), "{message}");
        assert!(!message.contains("--resume"), "{message}");
    }
    let message = fail(path, &["fit", "--resume", "run"], 2);
    assert!(message.contains("run is an imported run, there is nothing to resume"), "{message}");
}

#[test]
fn all_images_are_tested_on_and_a_run_with_images_is_calibrated_again_on_them() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "float.tflite", &tflite::float());
    write(path, "int8.tflite", &tflite::small());
    three_colors(path, "images", ["a", "b", "c"], 20);
    // Without a place to write to, too.
    let (printed, warned) = succeed(path, &["import", "int8.tflite", "--data", "images"]);
    assert!(printed.contains(" of 60 test images"), "{printed}");
    assert!(!warned.contains("fraction"), "{warned}");
    let (printed, warned) = succeed(path, &["import", "float.tflite", "--data", "images", "--out", "run"]);
    assert!(printed.contains("float ") && printed.contains(" of 60 test images"), "{printed}");
    assert!(!warned.contains("fraction"), "{warned}");
    succeed(path, &["export", "run", "--calibration", "range", "--out", "range.bin"]);
    succeed(path, &["inspect", "run", "--quantization"]);
    let (printed, warned) = succeed(path, &["eval", "range.bin", "--data", "images"]);
    assert!(printed.contains("all 60 images") && printed.contains("the model was imported"), "{printed}");
    assert!(!warned.contains("was trained on"), "{warned}");

    // Too few to hold some out, and names in the order of the outputs.
    three_colors(path, "few", ["a", "b", "c"], 1);
    fs::write(path.join("classes.txt"), "c\na\nb\n").unwrap();
    let few = ["import", "float.tflite", "--data", "few", "--classes", "classes.txt", "--export", "few.bin"];
    let (printed, warned) = succeed(path, &few);
    assert!(printed.contains(" of 3 test images"), "{printed}");
    assert!(warned.contains("the images of few are too few to hold some out"), "{warned}");
    let (listing, _) = succeed(path, &["inspect", "few.bin"]);
    assert!(listing.contains("classes         c, a, b"), "{listing}");
    let accuracy = |classes: &str| {
        fs::write(path.join("classes.txt"), classes).unwrap();
        let all = ["import", "int8.tflite", "--data", "images", "--classes", "classes.txt"];
        let printed = succeed(path, &all).0;
        let line = printed.lines().find(|line| line.starts_with("int8 ")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
    };
    // Whichever name an output has, the images of its class count for it.
    let sum: f64 = ["a\nb\nc\n", "b\nc\na\n", "c\na\nb\n"].into_iter().map(accuracy).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{sum}");

    fs::write(path.join("classes.txt"), "a\n").unwrap();
    let message = fail(path, &["import", "int8.tflite", "--classes", "classes.txt"], 1);
    assert!(message.contains("--classes classes.txt has fewer than two names"), "{message}");
    succeed(path, &["import", "int8.tflite", "--export", "nameless.bin"]);
    let message = fail(path, &["eval", "nameless.bin", "--data", "images"], 1);
    assert!(message.contains("import it again with --classes or --data"), "{message}");
    let message = fail(path, &["import", "int8.tflite", "--max-ram", "1K"], 1);
    assert!(message.contains("does not fit the budget") && !message.contains("--width"), "{message}");
    let message = fail(path, &["import", "float.tflite", "--input-range", "0..1e38"], 2);
    assert!(message.contains("numbers are -1000000 to 1000000"), "{message}");
}

#[test]
fn a_range_that_moves_the_zero_is_noted_where_the_image_is_padded() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let mut file = tflite::float();
    file.operators[0] = tflite::Operator::conv([0, 1, 2], 3, 0, [1, 1], 1);
    for map in [3, 6, 7] {
        file.tensors[map] = tflite::Tensor::float(&[1, 8, 8, 4]);
    }
    write(path, "float.tflite", &file);
    let (_, warned) = succeed(path, &["import", "float.tflite", "--input-range", "-1..1"]);
    assert!(warned.contains("NOTE: layer 0 (conv 3x3x4 same + relu) pads the image"), "{warned}");
    assert!(warned.contains("At 43.8% of its positions"), "{warned}");
    let (_, warned) = succeed(path, &["import", "float.tflite", "--input-range", "0..255"]);
    assert!(warned.is_empty(), "{warned}");
}

#[test]
#[cfg(unix)]
fn a_run_that_cannot_be_written_whole_is_not_left_behind() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "int8.tflite", &tflite::small());
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 1; exec \"$0\" import int8.tflite --out run", env!("CARGO_BIN_EXE_trainer")])
        .current_dir(path)
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write run/"), "{message}");
    assert!(!path.join("run").exists());
    succeed(path, &["import", "int8.tflite", "--out", "run"]);
}

#[test]
fn images_of_another_size_than_the_runs_are_answered_with_input_which_takes_them() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    three_colors(path, "images", ["a", "b", "c"], 20);
    let fit = ["fit", "--data", "images", "--epochs", "1"];
    succeed(
        path,
        &[&fit[..], &["--model", "resnet8", "--input", "8x8x3", "--resize", "stretch", "--out", "scaled"]].concat(),
    );
    succeed(path, &[&fit[..], &["--model", "resnet8", "--out", "as-they-are"]].concat());
    for class in ["a", "b", "c"] {
        for number in 0..20 {
            let file = path.join(format!("images/{class}/{number}.png"));
            let larger = image::imageops::resize(&image::open(&file).unwrap(), 12, 12, image::imageops::Nearest);
            larger.save(file).unwrap();
        }
    }
    let init = ["--init", "as-they-are", "--recipe", "tutorial"];
    let message = fail(path, &[&fit[..], &init, &["--out", "other"]].concat(), 1);
    assert!(message.contains("--input 8x8x3 is the size that the network of --init takes"), "{message}");
    for (input, model) in [("8x8x3", None), ("12x12x3", None), ("12x12x3", Some("resnet8"))] {
        let model: Vec<&str> = model.iter().flat_map(|model| ["--model", model]).collect();
        let out = format!("of-{input}-{}", model.len());
        let (printed, _) = succeed(path, &[&fit[..], &init, &["--input", input, "--out", &out], &model].concat());
        assert!(printed.contains(input), "{printed}");
    }
    // Where the run scaled its images, others are scaled too.
    succeed(path, &[&fit[..], &["--init", "scaled", "--recipe", "tutorial", "--out", "again"]].concat());
}

#[test]
fn weights_that_no_epoch_improves_are_kept_to_the_byte() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "float.tflite", &tflite::float());
    fs::write(path.join("classes.txt"), "x\ny\nz\n").unwrap();
    succeed(path, &["import", "float.tflite", "--classes", "classes.txt", "--out", "imported"]);
    three_colors(path, "images", ["a", "b", "c"], 20);
    let common = ["fit", "--init", "imported", "--data", "images", "--epochs", "2", "--batch-size", "8"];
    let (printed, warned) = succeed(path, &[&common[..], &["--out", "kept", "--min-delta", "1000"]].concat());
    assert!(printed.contains("best was the start"), "{printed}");
    assert!(warned.contains("no epoch did better on the validation images than the weights of --init"), "{warned}");
    assert!(warned.contains("the last layer is taken too, but its outputs have other classes"), "{warned}");
    assert!(warned.contains("imported: x, y, z; here a, b, c"), "{warned}");
    let weights = |run: &str| fs::read(path.join(run).join("weights.safetensors")).unwrap();
    assert_eq!(weights("kept"), weights("imported"));
    let metrics = super::read_json(&path.join("kept/metrics.json"));
    assert_eq!((&metrics["best_epoch"], &metrics["epochs_run"]), (&0.into(), &2.into()));
    let page = fs::read_to_string(path.join("kept/report.html")).unwrap();
    assert!(page.contains("the start kept") && page.contains("the start is kept"));
    let (printed, _) = succeed(path, &[&common[..], &["--out", "trained"]].concat());
    assert!(!printed.contains("best was the start"), "{printed}");
    assert_ne!(weights("trained"), weights("imported"));

    let no_effect = ["--freeze", "taken", "--init-lr", "0.1", "--model", "other.toml", "--out", "other"];
    fs::write(
        path.join("other.toml"),
        "name = \"other\"\ninput = [8, 8, 3]\nlayers = [{ conv = { channels = 4, kernel = 3, padding = \"valid\", relu = true } }, \
         { dense = { outputs = 3 } }]",
    )
    .unwrap();
    let (_, warned) = succeed(path, &[&common[..], &no_effect].concat());
    assert!(warned.contains("--init-lr has no effect"), "{warned}");
    let message = fail(path, &[&common[..], &["--width", "3"]].concat(), 2);
    assert!(message.contains("leave --width out"), "{message}");

    // As if it had been interrupted in its first epoch.
    fs::remove_file(path.join("trained/metrics.json")).unwrap();
    fs::rename(path.join("imported"), path.join("moved")).unwrap();
    let message = fail(path, &["fit", "--resume", "trained"], 1);
    assert!(message.contains("which no longer exists; put it back"), "{message}");
}
