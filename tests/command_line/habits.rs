//! What users of other tools write, and numbers below those that a flag takes: answered with what is right.

use std::fs;

use super::{assert_fails, succeed, text, trainer};

#[test]
fn flags_and_subcommands_of_other_tools_are_answered_with_those_that_do_it_here() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    fs::create_dir(path.join("birds")).unwrap();
    fs::write(path.join("net.h5"), b"\x89HDF\r\n\x1a\n").unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["fit", "--validation-split", "0.2"],
            &["here this is '--val-fraction' (Share of the training images held out"],
        ),
        (&["fit", "--image-size", "96"], &["here this is '--input' (Input of the network, such as 28x28x1"]),
        (
            &["fit", "--output", "m.bin"],
            &[
                "here this is '--export' (Also write the quantized model to this file), or '--out' (Directory for the results)",
            ],
        ),
        (&["fit", "-o", "m.bin"], &["'--export' (", "'--out' ("]),
        (&["export", "run", "-o", "m.bin"], &["here this is '--out' (Where to write the model file)"]),
        (&["eval", "m.bin", "--output", "a.csv"], &["here this is '--answers' (Write the answer to each image"]),
        (&["fit", "--learning-rate=0.1"], &["here this is '--lr' (Learning rate of the optimizer)"]),
        (&["fit", "--dataset", "birds"], &["to read the images of a directory, use '--data birds'"]),
        (&["eval", "m.bin", "--dataset", "./none"], &["to read the images of a directory, use '--data ./none'"]),
        (&["train"], &["'trainer fit' trains, quantizes and exports"]),
        (&["list"], &["'trainer models', 'trainer recipes' and 'trainer chips' list what is built in"]),
        (&["info", "m.bin"], &["'trainer inspect' shows what is in a model file"]),
        (&["summary"], &["'trainer inspect'"]),
        (&["classify", "m.bin", "x.png"], &["'trainer predict' classifies images"]),
        (&["test"], &["'trainer eval' tests a model file on images"]),
        (&["quantize"], &["'trainer fit' quantizes what it trains", "export RUN --calibration"]),
        (&["convert"], &["'trainer export' writes the model file of a run"]),
        (&["fit", "--val_split", "0.2"], &["here this is '--val-fraction'"]),
        (&["fit", "--weights", "imagenet"], &["here this is '--init' ("]),
        (
            &["fit", "--dropout", "0.2"],
            &["in a recipe this is dropout: 'trainer recipes folders > mine.toml' for a folder of images"],
        ),
        (&["fit", "--lr-schedule", "cosine"], &["in a recipe this is [schedule]"]),
        (&["fit", "--optimizer", "sgd"], &["Adam is the only optimizer"]),
        (&["fit", "--target-size", "32"], &["here this is '--input' ("]),
        (&["fit", "--rescale", "255"], &["there is nothing to rescale"]),
        (&["fit", "--rotation-range", "10"], &["here this is '--augment' ("]),
        (&["fit", "--tflite", "x.tflite"], &["'trainer import model.tflite' reads TFLite files"]),
        (&["fit", "--initial-epoch", "3"], &["here this is '--resume' ("]),
        (&["confusion", "m.bin"], &["'trainer eval' tests a model file on images"]),
        (&["fit", "--gpu"], &["training is on the CPU alone"]),
        (&["fit", "--num_workers", "4"], &["RAYON_NUM_THREADS=2"]),
        (&["tune"], &["'trainer search' finds networks and recipes"]),
        (&["compare", "a", "b"], &["'trainer report RUN RUN' compares runs"]),
        (&["deploy"], &["'trainer firmware' writes a project"]),
        (&["fit", "--model", "net.h5"], &["net.h5: not a TOML file, as it is not text", "trainer import makes a run"]),
        (&["fit", "--chip", "nrf52"], &["near it are nrf52832, nrf52833, nrf52840 (trainer chips lists all)"]),
    ];
    for (arguments, expected) in cases {
        let output = trainer(path, arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        for part in *expected {
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
        assert!(!error.contains("a similar"), "one tip and no guess: {error}");
    }
    // Where there is no habit, clap's own guess stays.
    assert_fails(path, &["fit", "--epoch-s", "1"], 2, &["a similar argument exists: '--epochs'"]);
    assert_fails(path, &["fit", "--dataset", "birdz"], 2, &["[possible values: fashion-mnist, garments]"]);
}

#[test]
fn numbers_below_those_that_a_flag_takes_are_refused_for_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["fit", "--epochs", "-1"][..], "invalid value '-1' for '--epochs <N>': it must be at least 1"),
        (&["fit", "--batch-size", "-1"], "it must be at least 1"),
        (&["fit", "--patience", "-2"], "it must be at least 1"),
        (&["fit", "--seed", "-1"], "it must be 0 or more"),
        (&["fit", "--lr", "-0.5"], "learning rate is -0.5; it must be positive and finite"),
        (&["fit", "--min-delta", "-1e3"], "min-delta is -1000; it must be 0 or more"),
        (&["fit", "--val-fraction", "-.5"], "it must be over 0 (0.000001 at least) and under 1"),
        (&["fit", "--test-fraction", "-1", "--data", "x"], "it must be over 0"),
        (&["fit", "--max-ram", "-1K"], "it must be a number of bytes, such as 65536, 64K or 1M"),
        (&["fit", "--max-flash", "-1"], "it must be a number of bytes"),
        (&["fit", "--memory", "-1G"], "it must be a number of bytes, such as 500M or 4G"),
        (&["fit", "--input", "-28x28x1"], "\"-28x28x1\" is not an input shape"),
        (&["eval", "m.bin", "--memory", "-1"], "it must be a number of bytes"),
        (&["frames", "m.bin", "--count", "-3"], "it must be a number, at least 1"),
        (&["predict", "m.bin", "x.png", "--top", "-3"], "it must be a number, at least 1"),
    ] {
        assert_fails(home.path(), arguments, 2, &[expected]);
    }
    // After two dashes it is a file, and none of a flag.
    assert_fails(home.path(), &["predict", "--", "--json", "-1.png"], 1, &["--json: No such file"]);
}

#[test]
fn sizes_are_the_same_with_and_without_the_b() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (index, size) in ["16K", "16KB", "16KiB", "16384"].into_iter().enumerate() {
        let out = format!("run{index}");
        let fit =
            ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1", "--max-ram", size, "--out", &out];
        succeed(path, &fit);
        assert_eq!(super::read_json(&path.join(out).join("run.json"))["target"]["ram"], 16_384, "{size}");
    }
}
