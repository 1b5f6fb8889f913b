//! Sets of few images: accuracies with their intervals, choices that are chance, and images that must not be mirrored.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::Value;

use super::image_files::save;
use super::{assert_contains, read_json, succeed};

/// Side of a drawn image.
const SIDE: u32 = 16;

/// Numbers without a pattern (Marsaglia's xorshift).
struct Noise(u32);

impl Noise {
    fn below(&mut self, most: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) % most
    }
}

/// Arrows to the left and to the right, `count` of each, at any height and in any shade: each is the other's mirror image.
fn arrows(directory: &Path, count: u32) {
    for (class, name) in ["left", "right"].into_iter().enumerate() {
        let folder = directory.join(name);
        fs::create_dir_all(&folder).unwrap();
        for index in 0..count {
            let mut noise = Noise(0x9E37_79B9u32.wrapping_mul(2 * index + class as u32 + 1) | 1);
            let (middle, tip, ink) = (4 + noise.below(SIDE - 8), noise.below(3), 150 + noise.below(100));
            let image = GrayImage::from_fn(SIDE, SIDE, |x, y| {
                let along = if class == 0 { x } else { SIDE - 1 - x };
                let off = y.abs_diff(middle);
                let is_head = off <= 3 && along == tip + off;
                let is_shaft = off == 0 && (tip..SIDE - 2).contains(&along);
                let shade = if is_head || is_shaft { ink } else { 20 };
                Luma([(shade + noise.below(20)).min(255) as u8])
            });
            save(image, folder.join(format!("{index}.png")));
        }
    }
}

fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fit = ["fit", "--data", "arrows", "--model", "tiny", "--out", out];
    [&fit[..], more].concat()
}

/// The bounds of an interval in JSON.
fn bounds(value: &Value) -> [f64; 2] {
    let bounds = value["accuracy_interval"].as_array().unwrap_or_else(|| panic!("no interval: {value}"));
    [bounds[0].as_f64().unwrap(), bounds[1].as_f64().unwrap()]
}

fn assert_inside(value: &Value) {
    let ([low, high], accuracy) = (bounds(value), value["accuracy"].as_f64().unwrap());
    assert!(0.0 <= low && low <= accuracy && accuracy <= high && high <= 1.0 && low < high, "{value}");
}

#[test]
fn accuracies_of_few_images_carry_their_interval_in_text_json_and_report() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 80);
    let (printed, _) = succeed(path, &fit("run", &["--epochs", "3", "--export", "model.bin"]));
    assert!(printed.contains("epoch    loss    accuracy  loss    accuracy  95%        seconds"), "{printed}");
    let intervals: Vec<&str> = printed.lines().filter(|line| line.starts_with("  95%")).collect();
    assert_eq!(intervals.len(), 2, "one below each model: {printed}");
    for line in intervals {
        assert_eq!(line.matches('-').count(), 3, "training, validation and test are all few: {line}");
    }
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");

    let metrics = read_json(&path.join("run/metrics.json"));
    for model in ["float", "int8"] {
        for part in ["train", "validation", "test"] {
            assert_inside(&metrics[model][part]);
        }
    }
    assert_eq!(metrics["interrupted"], false);

    let eval = ["eval", "model.bin", "--data", "arrows"];
    let report: Value = serde_json::from_str(&succeed(path, &[&eval[..], &["--json"]].concat()).0).unwrap();
    assert_eq!(bounds(&report), bounds(&metrics["int8"]["test"]));
    let class = &report["classes"][0];
    let of_class: u64 = report["confusion"][0].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(class["images"], of_class);
    assert_eq!(class["recall_interval"].as_array().unwrap().len(), 2);
    let printed = succeed(path, &eval).0;
    let [low, high] = bounds(&report);
    assert!(printed.contains(&format!("test images, 95% interval {low:.3}-{high:.3}\n")), "{printed}");

    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    assert!(page.contains(&format!("95% interval {low:.3}-{high:.3}; loss")), "the key figure has it");
    assert!(page.contains(&format!("<small>{low:.3}-{high:.3}</small>")), "the table has it");

    let lines = succeed(path, &fit("json", &["--epochs", "2", "--json"])).0;
    let epochs = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let epochs: Vec<Value> = epochs.filter(|event| event["event"] == "epoch").collect();
    assert_eq!(epochs.len(), 2);
    for epoch in &epochs {
        assert_inside(&epoch["train"]);
        assert_inside(&epoch["validation"]);
        assert_eq!(epoch["epoch"].as_u64().map(|epoch| epoch > 0), Some(true));
    }
}

#[test]
fn a_choice_among_epochs_by_few_images_is_warned_of_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 40);
    // Steps so small that no epoch differs from another.
    let (_, warned) = succeed(path, &fit("run", &["--recipe", "tutorial", "--epochs", "4", "--lr", "1e-9"]));
    assert_contains(
        &warned,
        &[
            "validation images cannot distinguish the epochs",
            " 95% interval of ",
            "and 3 of the 3 other",
            "--val-fraction",
        ],
    );
    assert_eq!(read_json(&path.join("run/metrics.json"))["epochs_like_the_best"], 3);
    #[cfg(unix)]
    {
        // Where both are seen in turn, it comes before the lines about where everything is.
        let arguments = fit("other", &["--recipe", "tutorial", "--epochs", "4", "--lr", "1e-9"]);
        let output = assert_cmd::Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 2>&1", env!("CARGO_BIN_EXE_trainer")])
            .args(arguments)
            .current_dir(path)
            .output()
            .unwrap();
        let printed = super::text(&output.stdout);
        let (_, end) = printed.split_once("WARNING: ").unwrap();
        let end: Vec<&str> = end.lines().rev().take(2).collect();
        assert!(
            end[1].starts_with("everything about this run: ") && end[0].starts_with("a page about it"),
            "{printed}"
        );
    }
    assert!(fs::read_to_string(path.join("run/report.html")).unwrap().contains("cannot distinguish the epochs"));
    let (_, warned) = succeed(path, &fit("one", &["--epochs", "1"]));
    assert_eq!(warned, "", "one epoch leaves no choice");
}

#[test]
fn recipe_strong_notes_that_it_mirrors_images_of_ones_own_and_flags_decide() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 20);
    fs::write(path.join("own.toml"), include_str!("../../trainer/recipes/strong.toml")).unwrap();
    let note = "NOTE: recipe strong mirrors images left for right";
    let cases: [(&str, &[&str], f64, bool); 10] = [
        ("strong", &["--recipe", "strong"], 0.5, true),
        ("given", &["--recipe", "strong", "--flip"], 0.5, false),
        ("refused", &["--recipe", "strong", "--no-flip"], 0.0, false),
        ("tutorial", &["--recipe", "tutorial"], 0.0, false),
        ("folders", &[], 0.0, false),
        ("folders-given", &["--flip"], 0.5, false),
        ("mlp", &["--recipe", "strong", "--model", "mlp"], 0.0, false),
        ("own", &["--recipe", "own.toml"], 0.5, false),
        ("nothing", &["--recipe", "strong", "--augment", "none"], 0.0, false),
        ("photographs", &["--recipe", "strong", "--augment", "photographs"], 0.5, true),
    ];
    for (out, flags, share, is_noted) in cases {
        let fit = ["fit", "--data", "arrows", "--epochs", "1", "--out", out];
        let (_, warned) = succeed(path, &[&fit[..], flags].concat());
        assert_eq!(read_json(&path.join(out).join("run.json"))["recipe"]["augment"]["flip"], share, "{out}");
        assert_eq!(warned.contains(note) && warned.contains("--no-flip"), is_noted, "{out}: {warned}");
    }
    super::assert_fails(path, &["fit", "--flip", "--no-flip"], 2, &["cannot be used with"]);
    super::assert_fails(path, &["fit", "--resume", "own", "--no-flip"], 2, &["cannot be used with"]);
}

#[test]
fn augmentation_is_set_by_words_and_what_it_cannot_change_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 20);
    let fit = |out, input, words| {
        ["fit", "--data", "arrows", "--epochs", "1", "--out", out, "--input", input, "--augment", words]
    };
    let note = "NOTE: saturation and hue have no effect: the network's input is not in color";
    for (out, input, words, is_noted) in [
        ("gray", "28x28x1", "photographs,rotate=3,flip=0.5", true),
        ("color", "28x28x3", "photographs,rotate=3,flip=0.5", false),
        ("no-color", "28x28x1", "photographs,rotate=3,flip=0.5,hue=0,saturation=0", false),
    ] {
        let (_, warned) = succeed(path, &[&fit(out, input, words)[..], &["--resize", "fit"]].concat());
        assert_eq!(warned.contains(note), is_noted, "{out}: {warned}");
        let augment = &read_json(&path.join(out).join("run.json"))["recipe"]["augment"];
        assert_eq!((&augment["rotate"], &augment["flip"], &augment["crop"]), (&3.0.into(), &0.5.into(), &0.3.into()));
    }
    for (words, expected) in [
        ("rotat=3", "unknown option \"rotat\"; there are "),
        ("rotate=999", "augment.rotate is 999; it must be 0 to 180 degrees"),
    ] {
        super::assert_fails(path, &fit("wrong", "28x28x1", words), 2, &[expected]);
    }
}

#[test]
fn a_folder_has_as_many_steps_as_it_needs_and_the_run_states_why() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 20);
    let recipe = include_str!("../../trainer/recipes/folders.toml");
    // As many steps as there are in a test's time.
    fs::write(path.join("short.toml"), recipe.replace("least_steps = 2000", "least_steps = 45").replace("20\n", "2\n"))
        .unwrap();
    let recipe_of = |out: &str| read_json(&path.join(out).join("run.json"))["recipe"].clone();
    let (printed, warned) = succeed(path, &fit("short", &["--recipe", "./short.toml"]));
    assert_contains(&printed, &["ended at epoch 23, whose weights are kept"]);
    assert_eq!(warned, "", "no epoch was chosen by the validation images");
    let (epochs, description) = (&recipe_of("short")["epochs"], recipe_of("short")["description"].to_string());
    assert!(*epochs == 23 && description.contains("23 epochs of 2 steps for 3"), "{epochs} {description}");
    let metrics = read_json(&path.join("short/metrics.json"));
    assert_eq!((&metrics["best_epoch"], &metrics["epochs_like_the_best"]), (&23.into(), &Value::Null));

    // A copy of the recipe trains the network that the recipe does.
    succeed(path, &["fit", "--data", "arrows", "--recipe", "./short.toml", "--epochs", "1", "--out", "copied"]);
    assert_eq!(read_json(&path.join("copied/run.json"))["model"], "resnet8");

    // The default, which flags override.
    let (printed, _) = succeed(path, &["fit", "--data", "arrows", "--epochs", "1", "--out", "default"]);
    assert_contains(
        &printed,
        &[
            "recipe     folders",
            "numbers for at most 1,000 images",
            "network resnet8",
            "numbers: learning rate 0.003, weight decay 0.1, dropout 0,",
            "augmentation: rotate 10, zoom 0.15, shear 5,",
            "nothing is mirrored",
        ],
    );
    assert_eq!((&recipe_of("default")["name"], &recipe_of("default")["epochs"]), (&"folders".into(), &1.into()));
    assert_eq!(recipe_of("default")["monitor"], "last");
    succeed(path, &fit("patient", &["--epochs", "2", "--patience", "1"]));
    assert_eq!(recipe_of("patient")["monitor"], "loss");
    // Who starts from something, and other data, have the recipe that they had.
    succeed(path, &["fit", "--data", "arrows", "--epochs", "1", "--init", "default", "--out", "further"]);
    assert_eq!(recipe_of("further")["name"], "tutorial");
}

#[test]
fn arrows_to_the_left_and_to_the_right_are_learned_where_nothing_is_mirrored() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    arrows(&path.join("arrows"), 150);
    let accuracy = |out, flag| {
        succeed(path, &fit(out, &["--recipe", "strong", "--epochs", "12", flag]));
        read_json(&path.join(out).join("metrics.json"))["int8"]["test"]["accuracy"].as_f64().unwrap()
    };
    let (mirrored, plain) = (accuracy("mirrored", "--flip"), accuracy("plain", "--no-flip"));
    assert!(plain >= 0.95 && mirrored <= 0.8, "{mirrored} with mirrored images, {plain} without");
}
