//! `trainer inspect`, and the calibrations that a run can be given.

use std::fs;
use std::path::Path;

use infer_core::header::FORMAT_VERSION;
use serde_json::Value;

use super::{assert_contains, assert_fails, birds, read_json, short_run, succeed};

fn output_of(directory: &Path, arguments: &[&str]) -> String {
    succeed(directory, arguments).0
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&output_of(directory, arguments)).unwrap()
}

fn assert_narrow(printed: &str) {
    for line in printed.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn inspect_lists_what_a_model_file_holds() {
    let (home, _) = short_run();
    let path = home.path();
    let file = fs::read(path.join("model.bin")).unwrap();
    let crc32 = u32::from_le_bytes(file[48..52].try_into().unwrap());
    let printed = output_of(path, &["inspect", "model.bin"]);
    assert_narrow(&printed);
    assert_contains(
        &printed,
        &[
            &format!("version {FORMAT_VERSION}, CRC-32 {crc32:08x}"),
            "architecture    mlp",
            "trained on      garments",
            "preprocessing   bytes 0 to 255 as they are",
            "Ankle boot",
            "0 dense 350 + relu                       350     274,750      274,400",
            "1 dense 10                                10       3,510        3,500",
            "total                                            278,260      277,900    280,976",
            "input                             0.003922          0",
            "arena           1,897 bytes, ",
            "places in the arena",
        ],
    );

    let listing = json(path, &["inspect", "model.bin", "--json"]);
    let layers = listing["layers"].as_array().unwrap();
    let bytes = |value: &Value| value.as_u64().unwrap();
    let flash: u64 = layers.iter().map(|layer| bytes(&layer["flash_bytes"])).sum();
    assert_eq!(flash + bytes(&listing["preamble_bytes"]), file.len() as u64);
    assert_eq!(listing["crc32"], format!("{crc32:#010x}"));
    assert_eq!((bytes(&listing["bytes_after"]), bytes(&listing["arena"]["bytes"])), (0, 1897));
    assert_eq!(listing["metadata"]["class_names"].as_array().unwrap().len(), 10);
    let metrics = read_json(&path.join("run/metrics.json"));
    let accuracy = |value: &Value| value.as_f64().unwrap() as f32;
    let stated = &listing["metadata"]["int8_test_accuracy"];
    assert_eq!(accuracy(stated), accuracy(&metrics["int8"]["test"]["accuracy"]));
    assert_eq!(layers[0]["scales"]["zero_point"], 0);
    assert!(layers[1]["scales"]["zero_point"].is_null(), "logits are not codes");

    // A run is its model file; a sector of flash is the file and the bytes after it.
    assert_eq!(json(path, &["inspect", "run", "--json"]), listing);
    fs::write(path.join("sector.bin"), [&file[..], &[0xFF; 1000]].concat()).unwrap();
    let sector = output_of(path, &["inspect", "sector.bin"]);
    assert!(sector.contains("trailing        1,000 bytes after the model"), "{sector}");
}

#[test]
fn inspect_measures_what_quantization_costs_and_locates_a_collapse() {
    let (home, _) = short_run();
    let path = home.path();
    let printed = output_of(path, &["inspect", "run", "--quantization"]);
    assert_narrow(&printed);
    assert_contains(&printed, &["measured on 300 validation images", "0 dense 350 + relu alone", "calibrated by "]);
    let report = json(path, &["inspect", "run", "--quantization", "--json"]);
    let metrics = read_json(&path.join("run/metrics.json"));
    for (kind, agreement) in [("float", Some(1.0)), ("int8", None)] {
        for number in ["loss", "accuracy"] {
            let close = report[kind][number].as_f64().unwrap() - metrics[kind]["validation"][number].as_f64().unwrap();
            assert!(close.abs() < 1e-12, "{kind} {number}");
        }
        let reported = report[kind]["agreement_with_float"].as_f64().unwrap();
        assert!(agreement.is_none_or(|agreement| agreement == reported) && reported > 0.98);
    }

    // The range of the hidden layer as it might come from images that were all but black.
    let config = path.join("run/run.json");
    let mut broken = read_json(&config);
    let high = broken["calibration"][0]["range"]["high"].as_f64().unwrap();
    broken["calibration"][0]["range"]["high"] = (high / 500.0).into();
    fs::write(&config, broken.to_string()).unwrap();
    let printed = output_of(path, &["inspect", "run", "--quantization"]);
    assert!(printed.contains("costliest alone: 0 dense 350 + relu, "), "{printed}");
    let report = json(path, &["inspect", "run", "--quantization", "--json"]);
    let alone = |layer: usize| report["layers"][layer]["alone"]["agreement_with_float"].as_f64().unwrap();
    assert!(alone(0) < 0.9 && alone(1) > 0.98, "{report}");
    assert!(report["layers"][0]["activation"]["codes"]["saturation"].as_f64().unwrap() > 0.2);
}

#[test]
fn inspect_prints_what_it_needs() {
    let (home, _) = short_run();
    let path = home.path();
    assert_fails(
        path,
        &["inspect", "model.bin", "--quantization"],
        2,
        &["model.bin is a file; --quantization needs the directory of a run"],
    );
    assert_fails(path, &["inspect", "run", "--data", "birds"], 2, &["--quantization"]);
    assert_fails(path, &["inspect", "missing.bin"], 1, &["missing.bin: No such file"]);
    assert_fails(
        path,
        &["inspect", "missing", "--quantization"],
        1,
        &["missing is not the directory of a run: there is no such directory"],
    );
    fs::write(path.join("zip.bin"), [b'P'; 64]).unwrap();
    assert_fails(path, &["inspect", "zip.bin"], 1, &["zip.bin: not a model file"]);
    fs::write(path.join("person.tflite"), [&b"\x1c\0\0\0TFL3"[..], &[0; 64]].concat()).unwrap();
    assert_fails(
        path,
        &["inspect", "person.tflite"],
        1,
        &["person.tflite: a TFLite file; trainer import makes a model"],
    );
    fs::create_dir(path.join("empty")).unwrap();
    assert_fails(path, &["inspect", "empty"], 1, &["empty is not the directory of a run: it has no run.json"]);
}

#[test]
fn a_run_on_other_images_than_can_be_found_is_refused() {
    let (home, _) = short_run();
    let path = home.path();
    birds(path, 28);
    output_of(path, &["fit", "--model", "mlp", "--epochs", "1", "--data", "birds", "--out", "birds-run"]);
    let inspect = ["inspect", "birds-run", "--quantization"];
    let printed = output_of(path, &inspect);
    assert!(printed.contains("measured on 2 validation images"), "the run has the directory of its images: {printed}");

    fs::rename(path.join("birds"), path.join("moved")).unwrap();
    let expected = ["birds-run was trained on birds: ", "birds", "there is no directory "];
    assert_fails(path, &inspect, 1, &expected);
    assert_fails(path, &["export", "birds-run", "--calibration", "auto", "--out", "x.bin"], 1, &expected);
    fs::create_dir(path.join("kept")).unwrap();
    fs::rename(path.join("moved"), path.join("kept/birds")).unwrap();
    let printed = output_of(path, &[&inspect[..], &["--data", "kept/birds"]].concat());
    assert!(printed.contains("measured on 2 validation images"), "{printed}");

    let images = path.join("kept/birds/train-images-idx3-ubyte");
    let mut bytes = fs::read(&images).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&images, bytes).unwrap();
    let expected = [
        "the images of birds are not those that birds-run was trained on",
        "added or removed (as many as then, 80: images have changed); put them back",
    ];
    assert_fails(path, &[&inspect[..], &["--data", "kept/birds"]].concat(), 1, &expected);
    // Another name of the directory is not what is wrong.
    fs::rename(path.join("kept/birds"), path.join("kept/finches")).unwrap();
    let expected =
        ["the images of finches (birds in the run) are not those that birds-run was trained on", expected[1]];
    assert_fails(path, &[&inspect[..], &["--data", "kept/finches"]].concat(), 1, &expected);

    birds(path, 28);
    assert_fails(
        path,
        &["inspect", "run", "--quantization", "--data", "birds"],
        1,
        &[
            "run was trained on garments (10 classes), but what is from --data birds is birds (2 classes)",
            "give --data with the directory that the run was given",
        ],
    );
    let config = path.join("run/run.json");
    let mut moved = read_json(&config);
    moved["dataset"] = "fashion-mnist".into();
    fs::write(config, moved.to_string()).unwrap();
    let expected = ["run was trained on fashion-mnist: Fashion-MNIST is not available"];
    assert_fails(path, &["inspect", "run", "--quantization"], 1, &expected);
}

#[test]
fn export_gives_the_bytes_of_fit_with_every_calibration() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let mut files = Vec::new();
    for method in ["range", "percentile", "error", "auto"] {
        let fit = ["fit", "--model", "mlp", "--dataset", "garments", "--epochs", "1", "--out", method];
        let printed = output_of(path, &[&fit[..], &["--calibration", method]].concat());
        let config = read_json(&path.join(method).join("run.json"));
        let choice = &config["calibration_choice"];
        let chosen = choice["method"].as_str().unwrap();
        assert!(printed.contains(&format!("\ncalibrated by {chosen}, validation loss 0.")), "{printed}");
        assert!(method == "auto" || chosen == method);
        let candidates = choice["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), if method == "auto" { 3 } else { 1 });
        assert!(candidates.iter().all(|candidate| candidate["validation"]["accuracy"].as_f64().unwrap() > 0.5));

        output_of(path, &["export", method, "--out", "again.bin"]);
        let file = fs::read(path.join(method).join("model.bin")).unwrap();
        assert!(file == fs::read(path.join("again.bin")).unwrap(), "{method}");
        // Another run of the same weights, calibrated again.
        let printed = output_of(path, &["export", "range", "--calibration", method, "--out", "other.bin"]);
        assert!(printed.contains(&format!("calibrated by {chosen}, ")), "{printed}");
        assert!(file == fs::read(path.join("other.bin")).unwrap(), "{method}");
        files.push((chosen.to_owned(), file));
    }
    let (auto, forced) = files.split_last().unwrap();
    assert!(forced.contains(auto), "auto is one of the others");
    assert!(forced[0].1 != forced[1].1 && forced[1].1 != forced[2].1 && forced[0].1 != forced[2].1);
}

#[test]
fn a_run_from_before_the_methods_is_exported_as_it_was() {
    let (home, _) = short_run();
    let path = home.path();
    let config = path.join("run/run.json");
    let mut old = read_json(&config);
    assert!(old.as_object_mut().unwrap().remove("calibration_choice").is_some());
    fs::write(&config, old.to_string()).unwrap();
    output_of(path, &["export", "run", "--out", "again.bin"]);
    assert!(fs::read(path.join("model.bin")).unwrap() == fs::read(path.join("again.bin")).unwrap());
    assert!(!output_of(path, &["inspect", "run", "--quantization"]).contains("calibrated by"));
}
