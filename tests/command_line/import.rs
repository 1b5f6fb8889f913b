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
    let bytes = tflite::small().bytes();
    fs::write(path.join("half.tflite"), &bytes[..bytes.len() / 2]).unwrap();
    for (name, expected) in [
        ("leaky.tflite", "leaky.tflite cannot be imported: operator 2 (LEAKY_RELU)"),
        ("text.tflite", "this is no TFLite file"),
        ("empty.tflite", "this is no TFLite file"),
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
    assert!(warned.contains("taken for 0 to 1"), "{warned}");

    let message = fail(path, &["export", "imported", "--out", "model.bin"], 1);
    assert!(message.contains("imported has not been calibrated"), "{message}");
    let message = fail(path, &["report", "imported"], 1);
    assert!(message.contains("to train them further: trainer fit --init imported --data DIR"), "{message}");
    assert!(!message.contains("--resume"), "{message}");

    // Three classes of images of 8x8, as the network takes them.
    for (class, color) in [("a", [250, 10, 10]), ("b", [10, 250, 10]), ("c", [10, 10, 250])] {
        let folder = path.join("images").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..20_u8 {
            let shade = |part: u8| part.saturating_sub(number);
            let pixels = image::RgbImage::from_pixel(8, 8, image::Rgb(color.map(shade)));
            pixels.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    let fit = |out: &str, more: &[&str]| {
        let common =
            ["fit", "--init", "imported", "--data", "images", "--epochs", "2", "--batch-size", "8", "--out", out];
        succeed(path, &[&common, more].concat())
    };
    let (printed, _) = fit("whole", &["--freeze", "0-1", "--init-lr", "0.1"]);
    assert!(printed.contains("3 of 3 layers with weights are taken; 2 stay as they are"), "{printed}");
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
    assert_ne!(of("whole", "layers.4.weight"), of("imported", "layers.4.weight"), "trained");
    fit("again", &["--freeze", "0-1", "--init-lr", "0.1"]);
    assert_eq!(weights("whole"), weights("again"));
    fit("faster", &["--freeze", "0-1"]);
    assert_ne!(weights("whole"), weights("faster"), "a learning rate of its own");

    let message = fail(path, &["fit", "--init", "imported", "--data", "images", "--freeze", "0-9"], 2);
    assert!(message.contains("\"0-9\" is none of the layers 0 to 4"), "{message}");
    let message = fail(path, &["fit", "--init", "imported", "--data", "images", "--freeze", "taken"], 2);
    assert!(message.contains("nothing would be trained"), "{message}");
    let message = fail(path, &["fit", "--init", "nowhere", "--data", "images"], 1);
    assert!(message.contains("nowhere"), "{message}");
    let message = fail(path, &["fit", "--init", "imported", "--model", "mlp", "--data", "images"], 2);
    assert!(message.contains("no layer of mlp has the weights of one of float"), "{message}");
    let message = fail(path, &["fit", "--freeze", "0"], 2);
    assert!(message.contains("--init"), "{message}");
}
