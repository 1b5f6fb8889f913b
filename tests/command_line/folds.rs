//! `fit --folds`: what it prints and writes, what it refuses, and a run that was killed in any fold.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::{GrayImage, Luma};
use serde_json::Value;

use super::image_files::save;
use super::{assert_contains, assert_fails, read_json, succeed};

/// Bars that stand and bars that lie, so many of each, at any place and in any shade.
fn bars(directory: &Path, counts: [u32; 2]) {
    for (count, name) in counts.into_iter().zip(["lying", "standing"]) {
        let folder = directory.join(name);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..count {
            let (bar, ink) = (2 + index % 12, 100 + 140 * (index / 12) as u8 / 12);
            let image = GrayImage::from_fn(16, 16, |x, y| {
                let across = if name == "lying" { y } else { x };
                Luma([if across == bar { ink } else { 10 + ((7 * x + 3 * y + 5 * index) % 9) as u8 }])
            });
            save(image, folder.join(format!("{index}.png")));
        }
    }
}

fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fit = ["fit", "--data", "bars", "--model", "tiny", "--epochs", "2", "--folds", "3", "--out", out];
    [&fit[..], more].concat()
}

#[test]
fn a_cross_validated_run_says_so_everywhere_and_keeps_the_logits_of_each_image() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [40, 30]);
    let (printed, _) = succeed(path, &fit("run", &["--export", "model.bin"]));
    let metrics = read_json(&path.join("run/metrics.json"));
    let result = &metrics["cross_validation"];
    let (accuracy, images) =
        (result["score"]["accuracy"].as_f64().unwrap(), metrics["images"]["train"].as_u64().unwrap());
    assert_eq!((&result["folds"], &metrics["images"]["validation"]), (&Value::from(3), &Value::from(0)));
    assert_eq!(result["images"], images);
    assert_contains(
        &printed,
        &[
            "fold 1 of 3: trained on ",
            "\n\nfold 3 of 3: trained on ",
            &format!("cross-validated over 3 folds: accuracy {accuracy:.4} of {images} images, 95%: "),
            &format!("trained on all {images} images for {}", result["epochs"]),
        ],
    );
    let out_of_fold = fs::read_to_string(path.join("run/out_of_fold.csv")).unwrap();
    let listed = fs::read_to_string(path.join("run/images.csv")).unwrap();
    let trained: Vec<&str> =
        listed.lines().filter(|line| line.contains(",train,")).map(|line| line.rsplit(',').next().unwrap()).collect();
    let held_out: Vec<&str> = out_of_fold.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(held_out, trained, "in the order of images.csv");
    assert!(!listed.contains(",validation,"));
    let folds = fs::read_to_string(path.join("run/folds.csv")).unwrap();
    assert!(folds.starts_with("fold,epoch,train_loss,") && folds.lines().count() == 7, "{folds}");
    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    assert_contains(&page, &["cross-validated over 3 folds of", "95% interval", &format!("{accuracy:.4}")]);

    // The run is read again as it was.
    succeed(path, &["export", "run", "--out", "again.bin"]);
    assert_eq!(fs::read(path.join("again.bin")).unwrap(), fs::read(path.join("model.bin")).unwrap());
    succeed(path, &["report", "--refresh", "run"]);
    // Where no image is held out, calibration goes by the training images, each time.
    assert_contains(&printed, &["calibrated by ", ", training loss "]);
    let (inspected, _) = succeed(path, &["inspect", "run", "--quantization"]);
    assert_contains(&inspected, &[", training loss ", &format!("measured on {images} training images")]);
    let (again, _) = succeed(path, &["export", "run", "--calibration", "auto", "--out", "again.bin"]);
    let of = |text: &str| text.lines().find(|line| line.starts_with("calibrated by ")).unwrap().to_owned();
    assert_eq!(of(&again), of(&printed));
    assert_eq!(fs::read(path.join("again.bin")).unwrap(), fs::read(path.join("model.bin")).unwrap());
    let student = ["fit", "--data", "bars", "--model", "tiny", "--teacher", "run"];
    assert_fails(path, &student, 2, &["--teacher run: it was trained with --folds", "train a teacher without"]);
    let (events, _) = succeed(path, &fit("json", &["--json"]));
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((of("fold"), of("cross_validated"), of("finished")), (3, 1, 1));
    assert_eq!(
        fs::read(path.join("json/model.bin")).unwrap(),
        fs::read(path.join("model.bin")).unwrap(),
        "by the seed alone"
    );
}

#[test]
fn temperature_and_threshold_are_chosen_by_the_folds_and_again_by_export() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [80, 70]);
    // After one epoch some answers are wrong, the less sure ones.
    let wish = ["--reject-at", "precision=0.97"];
    let fit = ["fit", "--data", "bars", "--model", "tiny", "--epochs", "1", "--folds", "3", "--out", "run"];
    let (printed, _) = succeed(path, &[&fit[..], &["--export", "model.bin"], &wish].concat());
    let confidence = &read_json(&path.join("run/metrics.json"))["confidence"];
    let images = confidence["choosing"]["before"]["bins"].as_array().unwrap();
    let images: u64 = images.iter().map(|bin| bin["images"].as_u64().unwrap()).sum();
    assert_eq!(confidence["chosen_by"], serde_json::json!({ "folds": 3 }));
    assert_eq!(read_json(&path.join("run/metrics.json"))["images"]["train"], images);
    let rejection = &confidence["rejection"];
    assert_eq!(rejection["choosing"]["images"], images);
    let threshold = rejection["threshold"].as_f64().unwrap();
    assert!(threshold > 0.0, "{confidence}");
    let expected = [" in 3 folds", &format!("threshold  {threshold:.4}, for precision=0.97"), "\n3 folds    "];
    assert_contains(&printed, &expected);
    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    assert_contains(
        &page,
        &[&format!("is for precision=0.97, chosen by {images} images in 3 folds: {threshold:.3}. It accepts ")],
    );

    // The run's files are enough to choose again: the same bytes, and what was printed.
    let (again, _) = succeed(path, &[&["export", "run", "--out", "again.bin"][..], &wish].concat());
    assert!(fs::read(path.join("again.bin")).unwrap() == fs::read(path.join("model.bin")).unwrap());
    let lines =
        |text: &str| text.lines().skip_while(|line| !line.starts_with("temperature")).take(4).collect::<String>();
    assert_eq!(lines(&again), lines(&printed));
    let logits = fs::read_to_string(path.join("run/out_of_fold.csv")).unwrap();
    let (shorter, _) = logits.trim_end().rsplit_once('\n').unwrap();
    fs::write(path.join("run/out_of_fold.csv"), format!("{shorter}\n")).unwrap();
    let export = [&["export", "run", "--out", "again.bin"][..], &wish].concat();
    let not_of =
        format!("not of the {images} training images of bars: put back the file of this run, or run the fit again");
    assert_fails(path, &export, 1, &["out_of_fold.csv", &not_of]);
    fs::remove_file(path.join("run/out_of_fold.csv")).unwrap();
    assert_fails(path, &export, 1, &["out_of_fold.csv", "it is not there", "run the fit again"]);
}

#[test]
fn a_training_image_with_a_wrong_label_is_on_the_list_of_labels_to_check() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [80, 70]);
    let lying = GrayImage::from_fn(16, 16, |_, y| Luma([if y == 9 { 251 } else { 11 }]));
    save(lying, path.join("bars/standing/swapped #1.png"));
    let fit = ["fit", "--data", "bars", "--model", "small", "--recipe", "tutorial", "--epochs", "12", "--lr", "0.003"];
    succeed(path, &[&fit[..], &["--folds", "3", "--out", "run"]].concat());
    let listed = fs::read_to_string(path.join("run/images.csv")).unwrap();
    assert!(listed.lines().any(|line| line.contains(",train,") && line.ends_with("/swapped #1.png")), "{listed}");
    let suspects = &read_json(&path.join("run/report.json"))["suspects"];
    let metrics = read_json(&path.join("run/metrics.json"));
    let [train, test] = ["train", "test"].map(|part| metrics["images"][part].as_u64().unwrap());
    assert_eq!((&suspects["out_of_fold"], &suspects["images"]), (&train.into(), &(train + test).into()));
    let first = &suspects["shown"][0];
    assert_eq!((&first["split"], &first["file"]), (&"train".into(), &"standing/swapped #1.png".into()));
    assert_eq!((&first["given"], &first["suggested"]), (&1.into(), &0.into()));
    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    assert_contains(
        &page,
        &[
            "<a href=\"../bars/standing/swapped%20%231.png\">standing/swapped #1.png</a>",
            &format!("{train} training and {test} test images, each answered by a network"),
        ],
    );
    // Without folds the network that answers has learned the label.
    succeed(path, &[&fit[..], &["--out", "plain"]].concat());
    assert!(!read_json(&path.join("plain/report.json"))["suspects"].to_string().contains("swapped"));
}

#[test]
fn weights_that_were_trained_on_what_is_held_out_are_warned_of() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [40, 30]);
    let fit = |more: &[&str]| {
        let fit = ["fit", "--data", "bars", "--model", "tiny", "--recipe", "tutorial", "--epochs", "1"];
        succeed(path, &[&fit[..], more].concat()).1
    };
    let warning = "images that this run is validated and tested on were trained on by ";
    assert!(!fit(&["--out", "first", "--val-fraction", "0.3"]).contains(warning));
    let same = fit(&["--init", "first", "--val-fraction", "0.3", "--out", "same"]);
    assert!(!same.contains(warning), "{same}");
    let other = fit(&["--init", "first", "--val-fraction", "0.3", "--seed", "7", "--out", "other"]);
    assert_contains(&other, &[warning, "first, whose weights", "--split-seed 48 --val-fraction 0.3 holds out"]);
    let trained = read_json(&path.join("first/metrics.json"))["images"]["train"].as_u64().unwrap();
    let folds = fit(&["--init", "first", "--folds", "3", "--out", "folds"]);
    assert_contains(&folds, &[&format!("WARNING: {trained} of the "), warning, "leave --folds out"]);
    let again = fit(&["--init", "folds", "--out", "again"]);
    assert_contains(&again, &[warning, "start from a run without --folds"]);
}

#[test]
fn folds_that_cannot_be_are_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [40, 8]);
    for (flags, parts) in [
        (&["--folds", "1"][..], &["--folds 1", "2 folds at least"][..]),
        (&["--folds", "0"], &["--folds 0", "2 folds at least"]),
        (&["--folds", "30"], &["--folds 30", "class standing has ", "take fewer folds"]),
        (&["--folds", "40000000000"], &["40000000000 folds need", "class standing has ", "take fewer folds"]),
        (&["--folds", "3", "--val-fraction", "0.2"], &["cannot be used with", "--val-fraction"]),
        (&["--folds", "3", "--teacher", "run"], &["cannot be used with", "--teacher"]),
        (&["--folds", "3", "--epochs", "900000"], &["million numbers", "hold out validation images"]),
    ] {
        assert_fails(path, &[&["fit", "--data", "bars", "--model", "tiny"], flags].concat(), 2, parts);
    }
    for part in ["train", "val", "test"] {
        bars(&path.join("parts").join(part), [12, 12]);
    }
    let parts = ["fit", "--data", "parts", "--model", "tiny", "--folds", "3"];
    assert_fails(path, &parts, 2, &["has validation images of its own", "leave --folds out"]);
    assert!(!path.join("runs").exists(), "nothing was begun");
}

#[test]
fn a_run_that_is_killed_again_and_again_comes_to_the_bytes_of_one_that_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [40, 30]);
    succeed(path, &fit("whole", &[]));
    let mut arguments = fit("killed", &[]);
    let mut has_resumed_in_a_fold = false;
    for kill in 0.. {
        let before = fs::read(path.join("killed/folds.csv")).unwrap_or_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_trainer"))
            .args(&arguments)
            .current_dir(path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed as soon as one more epoch of a fit is kept.
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none()
            && fs::read(path.join("killed/folds.csv")).unwrap_or_default() == before
            && begun.elapsed() < Duration::from_secs(300)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        has_resumed_in_a_fold |= super::text(&output.stdout).contains(": fold ");
        if output.status.success() {
            break;
        }
        assert!(kill < 20, "it never ends");
        arguments = vec!["fit", "--resume", "killed"];
        if fs::read(path.join("killed/folds.csv")).unwrap_or_default().iter().filter(|&&byte| byte == b'\n').count() > 6
        {
            succeed(path, &arguments);
            break;
        }
    }
    assert!(has_resumed_in_a_fold);
    for file in ["model.bin", "weights.safetensors", "out_of_fold.csv"] {
        let read = |run: &str| fs::read(path.join(run).join(file)).unwrap();
        assert!(read("killed") == read("whole"), "{file}");
    }
}
