//! `--reject-at` and `--unknown`: what a threshold brings about, what is printed of it, and what is refused.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

use super::image_files::save;
use super::{assert_contains, assert_fails, read_json, short_run, succeed};

/// So many images of noise of any size, in color or not: nothing that a camera of garments would see.
fn noise(directory: &Path, count: u32, [width, height]: [u32; 2], is_color: bool) {
    fs::create_dir_all(directory).unwrap();
    // Other images for another count.
    let mut state = 0x9E37_79B9u32 ^ count;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    for number in 0..count {
        let path = directory.join(format!("{number}.png"));
        match is_color {
            true => save(RgbImage::from_fn(width, height, |_, _| Rgb([next(), next(), next()])), path),
            false => save(GrayImage::from_fn(width, height, |_, _| Luma([next()])), path),
        }
    }
}

fn export<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["export", "run", "--out", "out.bin"][..], more].concat()
}

fn evaluated(home: &Path, more: &[&str]) -> Value {
    let (json, _) = succeed(home, &[&["eval", "out.bin", "--json"][..], more].concat());
    serde_json::from_str::<Value>(&json).unwrap()["confidence"].clone()
}

/// The figure before `word` in the line that begins with `first`.
fn before<'t>(text: &'t str, first: &str, word: &str) -> &'t str {
    let lines = text.lines().filter(|line| line.starts_with(first));
    let found = lines.filter_map(|line| line.split_once(word)).next();
    found.unwrap_or_else(|| panic!("no {first} with {word}: {text}")).0.rsplit(' ').next().unwrap()
}

#[test]
fn a_threshold_of_a_precision_is_in_the_file_and_in_what_is_printed() {
    let (home, _) = short_run();
    let home = home.path();
    let (plain, _) = succeed(home, &["eval", "model.bin"]);
    assert!(!plain.contains("\nthreshold"), "{plain}");
    let (printed, _) = succeed(home, &export(&["--reject-at", "precision=0.97"]));
    assert_contains(
        &printed,
        &["for precision=0.97: below it the answer is \"none of these\"", "\nvalidation ", "\ntest "],
    );
    let confidence = evaluated(home, &[]);
    let threshold = confidence["threshold"].as_f64().unwrap();
    assert!(threshold > 0.0 && confidence["class_thresholds"].is_null(), "{confidence}");
    assert_contains(&printed, &[&format!("threshold  {threshold:.4}")]);
    let coverage = &confidence["coverage"];
    let of = |name: &str| coverage[name].as_u64().unwrap();
    assert!(of("accepted") < of("images") && of("right") <= of("accepted"), "{coverage}");
    let share = format!("{:.1}%", 100.0 * of("accepted") as f64 / of("images") as f64);
    assert_eq!(before(&printed, "test ", " of 1,000 images accepted"), share);
    let (text, _) = succeed(home, &["eval", "out.bin"]);
    assert_eq!(before(&text, "threshold ", " of 1,000 images accepted"), share);
    // A lower precision accepts more.
    succeed(home, &export(&["--reject-at", "precision=0.9"]));
    let lower = evaluated(home, &[]);
    assert!(lower["threshold"].as_f64().unwrap() < threshold);
    assert!(lower["coverage"]["accepted"].as_u64() > coverage["accepted"].as_u64());

    // Classes with their own.
    let (printed, _) = succeed(home, &export(&["--reject-at", "precision=0.97", "--reject-per-class"]));
    let confidence = evaluated(home, &[]);
    let own = confidence["class_thresholds"].as_array().unwrap();
    let own: Vec<f64> = own.iter().map(|threshold| threshold.as_f64().unwrap()).collect();
    let [lowest, highest] = [own.iter().copied().fold(1.0, f64::min), own.iter().copied().fold(0.0, f64::max)];
    assert!(own.len() == 10 && lowest < highest, "{own:?}");
    assert_contains(&printed, &[&format!("thresholds {lowest:.4} to {highest:.4}, for precision=0.97")]);
}

#[test]
fn images_of_other_things_choose_a_threshold_and_test_it() {
    let (home, _) = short_run();
    let home = home.path();
    // In a folder or not.
    noise(&home.join("other/deep"), 160, [28, 28], false);
    noise(&home.join("other"), 40, [28, 28], false);
    let wish = ["--reject-at", "false-accepts=0.1", "--unknown", "other"];
    let (printed, warned) = succeed(home, &export(&wish));
    assert_contains(&printed, &["for false-accepts=0.1: below it", "\nunknown ", "AUROC "]);
    assert!(!warned.contains("--unknown"), "{warned}");
    let unknown = &evaluated(home, &["--unknown", "other"])["unknown"];
    let of = |name: &str| unknown[name].as_u64().unwrap();
    let tested = of("images");
    assert!((60..140).contains(&tested), "one half of 200: {tested}");
    let share = format!("{:.1}%", 100.0 * of("accepted") as f64 / tested as f64);
    assert_eq!(before(&printed, "unknown ", &format!(" of {tested} accepted")), share);
    assert_eq!(unknown["directory"], "other");
    assert!((0.0..=1.0).contains(&unknown["auroc"].as_f64().unwrap()));
    let chosen = printed.split_once("of those that chose it ").unwrap().1.split_once('%').unwrap().0;
    assert!(chosen.parse::<f64>().unwrap() <= 10.0, "{printed}");
    let (text, _) = succeed(home, &["eval", "out.bin", "--unknown", "other"]);
    assert_eq!(before(&text, "unknown ", &format!(" of {tested} accepted")), share);
    // What is rejected is shown with the best guess.
    let accepted = of("accepted");
    let names: Vec<String> = (0..40).map(|number| format!("other/{number}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (predicted, _) = succeed(home, &[&["predict", "out.bin"][..], &names].concat());
    assert!(accepted < tested && predicted.contains(": none of these (best guess "), "{predicted}");

    // A precision that unknown images count in.
    let threshold = |more: &[&str]| {
        succeed(home, &export(&[&["--reject-at", "precision=0.9"][..], more].concat()));
        evaluated(home, &[])["threshold"].as_f64().unwrap()
    };
    assert!(threshold(&["--unknown", "other"]) > threshold(&[]));

    // The network takes images as they are, and these are not.
    noise(&home.join("larger"), 40, [40, 33], false);
    let larger = ["--reject-at", "precision=0.9", "--unknown", "larger"];
    assert_fails(home, &export(&larger), 1, &["33 high and 40 wide", "takes images as they are"]);

    // One that cannot be read is left out.
    fs::write(home.join("other/broken.png"), "no image").unwrap();
    let (_, warned) = succeed(home, &export(&wish));
    assert_contains(&warned, &["NOTE: of --unknown 1 file cannot be read", "broken.png"]);
}

#[test]
fn a_run_keeps_its_wish_and_its_threshold() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    noise(&home.join("other"), 60, [28, 28], false);
    let wish = ["--reject-at", "precision=0.9", "--reject-per-class", "--unknown", "other"];
    let fit = ["fit", "--model", "mlp", "--epochs", "2", "--out", "run", "--export", "model.bin"];
    let (printed, _) = succeed(home, &[&fit[..], &wish].concat());
    assert_contains(&printed, &["thresholds ", "for precision=0.9", "\nunknown "]);
    let config = read_json(&home.join("run/run.json"));
    let rejection = &config["rejection"];
    assert_eq!((&rejection["at"], &rejection["per_class"]), (&"precision=0.9".into(), &true.into()));
    assert!(Path::new(rejection["unknown"].as_str().unwrap()).is_absolute(), "{rejection}");
    assert_eq!(config["decision"]["class_thresholds"].as_array().unwrap().len(), 10);
    let metrics = &read_json(&home.join("run/metrics.json"))["confidence"];
    assert_eq!(
        (&metrics["chosen_by"], metrics["choosing"]["before"]["bins"].as_array().unwrap().len()),
        (&"validation".into(), 15)
    );
    let rejection = &metrics["rejection"];
    let images = [&rejection["choosing"]["images"], &rejection["test"]["images"]];
    assert_eq!((&rejection["at"], images), (&"precision=0.9".into(), [&300.into(), &1000.into()]));
    // The run's own file, and the same chosen again.
    for (flags, name) in [(&[][..], "again.bin"), (&wish[..], "chosen.bin")] {
        succeed(home, &[&["export", "run", "--out", name][..], flags].concat());
        assert!(fs::read(home.join(name)).unwrap() == fs::read(home.join("model.bin")).unwrap(), "{name}");
    }
    // Another calibration has the wish of the run.
    let (printed, _) = succeed(home, &export(&["--calibration", "range"]));
    assert_contains(&printed, &["for precision=0.9"]);
}

#[test]
fn wishes_that_make_no_sense_are_refused_before_anything_is_done() {
    let (home, _) = short_run();
    let home = home.path();
    noise(&home.join("other"), 4, [8, 8], false);
    let form = "precision=SHARE or false-accepts=SHARE";
    let cases: [(&[&str], &str); 14] = [
        (&["--reject-at", "0.99"], form),
        (&["--reject-at", "recall=0.9"], form),
        (&["--reject-at", "precision"], form),
        (&["--reject-at", "precision=high"], form),
        (&["--reject-at", "precision=99%"], form),
        (&["--reject-at", "precision=0"], "a precision is over 0 and at most 1"),
        (&["--reject-at", "precision=1.01"], "a precision is over 0 and at most 1"),
        (&["--reject-at", "false-accepts=1"], "a share of false accepts is at least 0 and under 1"),
        (&["--reject-at", "false-accepts=-0.1"], "a share of false accepts is at least 0 and under 1"),
        (&["--reject-at", "false-accepts=0.01"], "give a directory of these, --unknown DIR"),
        (
            &["--reject-at", "false-accepts=0.01", "--unknown", "other", "--reject-per-class"],
            "--reject-per-class is for --reject-at precision=SHARE",
        ),
        (&["--reject-per-class"], "--reject-at"),
        (&["--unknown", "other"], "--reject-at"),
        (&["--reject-at"], "--reject-at"),
    ];
    for (flags, expected) in cases {
        assert_fails(home, &[&["fit", "--model", "mlp", "--out", "new"][..], flags].concat(), 2, &[expected]);
        assert_fails(home, &export(flags), 2, &[expected]);
    }
    assert!(!home.join("new").exists() && !home.join("out.bin").exists());
}

#[test]
fn directories_that_hold_no_images_of_other_things_are_refused() {
    let (home, _) = short_run();
    let home = home.path();
    fs::create_dir(home.join("empty")).unwrap();
    fs::create_dir(home.join("broken")).unwrap();
    fs::write(home.join("broken/1.png"), "no image").unwrap();
    noise(&home.join("one"), 1, [28, 28], false);
    for (directory, parts) in [
        ("missing", &["--unknown", "missing"][..]),
        ("empty", &["--unknown", "empty", "no images"]),
        ("broken", &["--unknown", "no images that can be read", "1.png"]),
        ("one", &["--unknown", "too few: one half chooses the threshold"]),
    ] {
        let wish = ["--reject-at", "precision=0.9", "--unknown", directory];
        let fit = ["fit", "--model", "mlp", "--epochs", "1", "--out", "new"];
        assert_fails(home, &[&fit[..], &wish].concat(), 1, parts);
        assert_fails(home, &export(&wish), 1, parts);
        assert_fails(home, &["eval", "model.bin", "--unknown", directory], 1, parts);
    }
    assert!(!home.join("new").exists() && !home.join("out.bin").exists(), "nothing was begun");
}

#[test]
fn images_of_the_classes_are_noted_and_what_cannot_be_reached_is_stated() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (class, shade) in [("dark", 40u8), ("light", 200)] {
        fs::create_dir_all(home.join("shades").join(class)).unwrap();
        for number in 0..60u8 {
            let image = GrayImage::from_fn(8, 8, |x, y| Luma([shade + number / 2 + (x * y) as u8 % (2 + number % 5)]));
            save(image, home.join(format!("shades/{class}/{number}.png")));
        }
    }
    let fit =
        ["fit", "--data", "shades", "--input", "8x8x1", "--model", "mlp", "--recipe", "tutorial", "--epochs", "8"];
    let fit = [&fit[..], &["--out"]].concat();
    succeed(home, &[&fit[..], &["run"]].concat());
    // Of another size and in color, they become inputs as the images of the classes do.
    noise(&home.join("other"), 40, [40, 33], true);
    let (text, warned) = succeed(home, &["eval", "run/model.bin", "--data", "shades", "--unknown", "other"]);
    assert!(text.contains("\nunknown    ") && warned.is_empty(), "{text} {warned}");
    // All of them are as sure as the known ones are.
    let same = ["--unknown", "shades"];
    let (text, warned) = succeed(home, &[&["eval", "run/model.bin", "--data", "shades"][..], &same].concat());
    assert_contains(
        &warned,
        &["of 120 images of --unknown are test images of shades too, the first is ", "for images of other"],
    );
    assert_contains(&text, &["unknown    100.0% of "]);
    for (wish, expected) in [
        ("precision=1", "no threshold reaches a precision of 1: "),
        ("false-accepts=0", "no threshold accepts at most 0 of the unknown images"),
    ] {
        assert_fails(
            home,
            &export(&[&["--reject-at", wish][..], &same].concat()),
            1,
            &["NOTE: 120 of 120 images of --unknown are images of shades", expected],
        );
        assert!(!home.join("out.bin").exists());
        // A run is whole all the same.
        let run = format!("of-{}", &wish[..5]);
        let with = [&fit[..], &[&run, "--export", "fitted.bin", "--reject-at", wish], &same].concat();
        assert_fails(home, &with, 1, &[expected, "The model has no threshold; trainer export"]);
        assert!(fs::read(home.join("fitted.bin")).unwrap() == fs::read(home.join(&run).join("model.bin")).unwrap());
        let metrics = read_json(&home.join(&run).join("metrics.json"));
        assert!(metrics["confidence"]["rejection"].is_null() && metrics["confidence"]["choosing"].is_object());
        fs::remove_file(home.join("fitted.bin")).unwrap();
    }
}
