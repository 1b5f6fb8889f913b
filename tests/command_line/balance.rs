//! Classes of unequal size: the note about them, `--balance`, and the figures that each class has its share in.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::Value;

use super::image_files::save;
use super::{assert_contains, read_json, succeed};

/// Bars that stand and bars that lie, so many of each, one shade apart from another.
fn bars(directory: &Path, counts: [u32; 2]) {
    for (count, name) in counts.into_iter().zip(["lying", "standing"]) {
        let folder = directory.join(name);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..count {
            let bar = 2 + index % 12;
            let image = GrayImage::from_fn(16, 16, |x, y| {
                let across = if name == "lying" { y } else { x };
                Luma([if across == bar { 250 - (index / 12) as u8 } else { 10 }])
            });
            save(image, folder.join(format!("{index}.png")));
        }
    }
}

fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fit = ["fit", "--data", "bars", "--model", "tiny", "--epochs", "1", "--out", out];
    [&fit[..], more].concat()
}

#[test]
fn every_headline_has_the_balanced_accuracy_and_the_worst_class() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [120, 20]);
    let (printed, warned) = succeed(path, &fit("run", &["--export", "model.bin"]));
    assert_contains(
        &warned,
        &["NOTE: standing has ", " training images, and lying has ", "--balance logits", "--balance none"],
    );
    let metrics = read_json(&path.join("run/metrics.json"));
    let test = &metrics["int8"]["test"];
    let (balanced, worst) = (test["balanced_accuracy"].as_f64().unwrap(), &test["worst_class"]);
    let (name, recall) = (worst["name"].as_str().unwrap(), worst["recall"].as_f64().unwrap());
    assert!(recall <= balanced && balanced <= 1.0, "{test}");
    assert_eq!(worst["recall_interval"].as_array().unwrap().len(), 2);
    assert_contains(
        &printed,
        &[
            "balanced accuracy on the test images: float ",
            &format!(", int8 {balanced:.4}\n"),
            &format!("worst class, int8: {name}, recall {recall:.4} of {} image", worst["images"]),
        ],
    );
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");

    let accuracies = &read_json(&path.join("run/run.json"))["accuracies"];
    assert_eq!(accuracies["int8_test_balanced"].as_f64().unwrap() as f32, balanced as f32);
    assert_eq!(&accuracies["int8_test_worst_class"], worst);

    let eval = ["eval", "model.bin", "--data", "bars"];
    let report: Value = serde_json::from_str(&succeed(path, &[&eval[..], &["--json"]].concat()).0).unwrap();
    assert_eq!((&report["balanced_accuracy"], &report["worst_class"]), (&test["balanced_accuracy"], worst));
    let recalls = report["classes"].as_array().unwrap().iter().map(|class| class["recall"].as_f64().unwrap());
    assert!((recalls.clone().sum::<f64>() / 2.0 - balanced).abs() < 1e-12 && recalls.fold(1.0, f64::min) == recall);
    let printed = succeed(path, &eval).0;
    assert_contains(
        &printed,
        &[&format!("balanced   {balanced:.4}, "), &format!("worst      {name}, recall {recall:.4}")],
    );

    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    assert_contains(&page, &["balanced accuracy, 8 bits", &format!("worst: {name}, recall {recall:.4}")]);

    let history = fs::read_to_string(path.join("run/history.csv")).unwrap();
    let (head, row) = history.split_once('\n').unwrap();
    assert!(head.ends_with(",validation_balanced_loss,validation_balanced_accuracy"), "{head}");
    assert!(row.trim_end().rsplit(',').take(2).all(|cell| cell.parse::<f64>().is_ok()), "{row}");
}

#[test]
fn a_balance_is_of_the_recipe_or_the_command_line_and_ends_the_note() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    bars(&path.join("bars"), [60, 12]);
    let own = include_str!("../../trainer/recipes/tutorial.toml").replace("[adam]", "balance = \"sampling\"\n[adam]");
    fs::write(path.join("own.toml"), own).unwrap();
    let cases: [(&str, &[&str], Value); 6] = [
        ("logits", &["--recipe", "tutorial", "--balance", "logits"], "logits".into()),
        ("weights", &["--recipe", "tutorial", "--balance", "weights"], "weights".into()),
        ("sampling", &["--recipe", "tutorial", "--balance", "sampling"], "sampling".into()),
        ("decided", &["--recipe", "tutorial", "--balance", "none"], Value::Null),
        ("recipe", &["--recipe", "own.toml"], "sampling".into()),
        ("flag", &["--recipe", "own.toml", "--balance", "weights"], "weights".into()),
    ];
    for (out, flags, expected) in cases {
        let (printed, warned) = succeed(path, &fit(out, flags));
        assert!(!warned.contains("--balance"), "{out}: {warned}");
        let how = match expected.as_str() {
            Some("logits") => Some("adjusted logits in the loss"),
            Some("weights") => Some("weights in the loss"),
            Some(_) => Some("as many images of each class in an epoch"),
            None => None,
        };
        let said = printed.lines().find_map(|line| line.strip_prefix("balance    "));
        assert_eq!(said, how, "{printed}");
        assert_eq!(read_json(&path.join(out).join("run.json"))["recipe"]["balance"], expected, "{out}");
    }
    let model = |run: &str| fs::read(path.join(run).join("weights.safetensors")).unwrap();
    assert_ne!(model("weights"), model("decided"));
    assert_ne!(model("sampling"), model("decided"));
    assert_ne!(model("logits"), model("decided"));
    assert_ne!(model("logits"), model("weights"));
    assert_eq!(model("recipe"), model("sampling"));
    super::assert_fails(path, &["fit", "--balance", "much"], 2, &["--balance", "none, logits, weights, sampling"]);
}
