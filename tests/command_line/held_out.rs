//! What `eval` claims of the images that it tests on: what was trained on is never called held out.
//!
//! `THIMBLE_TRIALS=10 cargo test --release -p thimble-trainer --test command_line held_out -- --nocapture` tries the labels of noise ten
//! times, and prints each accuracy.

use std::fs;
use std::path::Path;

use image::GrayImage;
use serde_json::Value;
use tempfile::TempDir;
use trainer::dataset::held_out::SplitRule;
use trainer::dataset::{Request, load};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

use super::image_files::{open, save};
use super::{assert_contains, assert_fails, read_json, succeed};

const CLASSES: [&str; 2] = ["a", "b"];

/// Images of noise, the same for the same seed: no class looks like anything.
fn noise(directory: &Path, seed: u64, per_class: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for class in CLASSES {
        fs::create_dir_all(directory.join(class)).unwrap();
        for index in 0..per_class {
            let image = GrayImage::from_fn(12, 12, |_, _| image::Luma([random.random()]));
            save(image, directory.join(class).join(format!("{seed}-{index}.png")));
        }
    }
}

/// A folder `mine` of 60 images of noise in each class, and a network that was trained on it.
fn trained(seed: u64) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    noise(&home.path().join("mine"), seed, 60);
    let fit = ["fit", "--data", "mine", "--model", "mlp", "--epochs", "20", "--patience", "20", "--quiet"];
    succeed(home.path(), &[&fit[..], &["--out", "run", "--export", "m.bin"]].concat());
    home
}

/// What `eval m.bin` prints, as JSON and as text, and what it warns of.
fn eval(home: &Path, arguments: &[&str]) -> (Value, String, String) {
    let arguments = [&["eval", "m.bin"], arguments].concat();
    let (json, warned) = succeed(home, &[&arguments[..], &["--json"]].concat());
    let (printed, warned_too) = succeed(home, &arguments);
    assert_eq!(warned, warned_too, "a program is warned as a person is");
    (serde_json::from_str(&json).unwrap(), printed, warned.replace('\n', " "))
}

/// Rows of `images.csv`: content, split, class, file.
fn images(run: &Path) -> Vec<[String; 4]> {
    let text = fs::read_to_string(run.join("images.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("content,split,class,file"));
    let cells = |line: &str| line.splitn(4, ',').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    lines.map(cells).collect()
}

fn count(run: &Path, split: &str) -> usize {
    images(run).iter().filter(|row| row[1] == split).count()
}

/// The 99.9% score interval of Wilson: in ten thousand honest tests, ten are outside.
fn holds_chance(accuracy: f64, images: usize) -> bool {
    let (n, z) = (images as f64, 3.29f64);
    let center = (accuracy + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z * (accuracy * (1.0 - accuracy) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    (center - half..=center + half).contains(&0.5)
}

#[test]
fn the_accuracy_on_noise_stays_that_of_chance_whatever_is_added() {
    let trials = std::env::var("THIMBLE_TRIALS").map_or(2, |trials| trials.parse().unwrap());
    for trial in 0..trials {
        let home = trained(1000 * trial);
        let mut figures = Vec::new();
        for (number, added) in [0, 1, 10, 100].into_iter().enumerate() {
            noise(&home.path().join("mine"), 1000 * trial + number as u64 + 1, added);
            let (report, _, _) = eval(home.path(), &["--data", "mine"]);
            let (known, _, _) = eval(home.path(), &["--data", "mine", "--run", "run"]);
            let accuracy = report["accuracy"].as_f64().unwrap();
            let images = report["images"].as_u64().unwrap() as usize;
            assert!(holds_chance(accuracy, images), "trial {trial}, {added} added: {accuracy} of {images}");
            assert_eq!(
                (&known["tested"]["trained_on"], &known["tested"]["validated_on"]),
                (&0.into(), &0.into()),
                "trial {trial}, {added} added"
            );
            assert_eq!(known["images"], report["images"], "the run only has more of the same images");
            figures.push(format!("{accuracy:.4} of {images}"));
        }
        println!(
            "trial {trial}: as trained {}; 1, 10 and 100 added to each class: {}",
            figures[0],
            figures[1..].join(", ")
        );
    }
}

#[test]
fn images_of_the_training_are_known_again_under_any_name_and_only_the_held_out_ones_are_tested_on() {
    let home = trained(7);
    let path = home.path();
    let metrics = read_json(&path.join("run/metrics.json"));
    let (report, printed, warned) = eval(path, &["--data", "mine"]);
    assert_eq!(
        (&report["images"], &report["accuracy"]),
        (&metrics["images"]["test"], &metrics["int8"]["test"]["accuracy"])
    );
    let held_out = count(&path.join("run"), "test");
    for line in [
        format!("tested     {held_out} of 120 images: 15% held out, by their content\n"),
        "           the images are those of the training\n".to_owned(),
    ] {
        assert!(printed.contains(&line), "{printed}\ndoes not contain {line:?}");
    }
    assert_eq!(warned, "");
    let tested = &report["tested"];
    assert_eq!((&tested["evidence"], &tested["selection"]), (&"same_images".into(), &"held_out".into()));
    assert_eq!((&tested["untouched"], &tested["available"]), (&held_out.into(), &120.into()));

    // Every file and the folder itself are renamed, and one is stored in another format.
    for class in CLASSES {
        for (index, entry) in fs::read_dir(path.join("mine").join(class)).unwrap().enumerate() {
            let file = entry.unwrap().path();
            let renamed = file.with_file_name(format!("z{}", (index * 37) % 101));
            if index == 0 {
                save(open(&file), renamed.with_extension("bmp"));
                fs::remove_file(file).unwrap();
            } else {
                fs::rename(&file, renamed.with_extension("png")).unwrap();
            }
        }
    }
    fs::rename(path.join("mine"), path.join("renamed")).unwrap();
    let (renamed, _, warned) = eval(path, &["--data", "renamed"]);
    assert_eq!((&renamed["tested"], &renamed["confusion"]), (&report["tested"], &report["confusion"]));
    assert_eq!(warned, "", "the same images under another name are no cause for a note");
}

#[test]
fn what_came_later_and_what_was_trained_on_is_counted_with_the_run_and_named_as_unknown_without_it() {
    let home = trained(8);
    let path = home.path();
    let run = path.join("run");
    noise(&path.join("mine"), 9, 30);
    let held_out = count(&run, "test");
    let (report, _, warned) = eval(path, &["--data", "mine"]);
    let tested = report["images"].as_u64().unwrap();
    assert!(tested as usize > held_out, "some of 60 more");
    assert_eq!(report["tested"]["evidence"], "rule");
    assert_contains(
        &warned,
        &[
            "NOTE: the images of mine are not those that m.bin was trained on: some were added, removed or changed.",
            &format!("The {tested} of 180 tested on were not trained on, as the test share of 15% falls on them"),
            "Which of them are new is not known; --run, with the directory of the run, shows which",
        ],
    );

    let (report, printed, warned) = eval(path, &["--data", "mine", "--run", "run"]);
    let new = report["tested"]["new"].as_u64().unwrap() as usize;
    assert_eq!(report["images"], held_out + new);
    let line = format!("           {held_out} held out, {new} new, 0 trained on, 0 validated on, by the run run\n");
    assert!(printed.contains(&line), "{printed}");
    assert_eq!((&*warned, &report["tested"]["evidence"]), ("", &"run".into()));

    let (train, validation) = (count(&run, "train"), count(&run, "validation"));
    let (report, _, warned) = eval(path, &["--data", "mine", "--all", "--run", "run"]);
    let expected = format!(
        "WARNING: of the 180 images that m.bin is tested on, {train} were trained on and {validation} validated on"
    );
    assert!(warned.contains(&expected), "{warned}");
    assert_eq!(
        (&report["tested"]["trained_on"], &report["tested"]["validated_on"], &report["tested"]["new"]),
        (&train.into(), &validation.into(), &60.into())
    );
    let (report, _, warned) = eval(path, &["--data", "mine", "--all"]);
    let unknown = report["tested"]["unknown"].as_u64().unwrap();
    assert!(
        warned.contains(&format!("Whether {unknown} of the 180 images tested on were trained on is not known")),
        "{warned}"
    );
    assert_eq!(report["tested"]["untouched"], tested);

    // An image that was trained on is found under another name, in another class and in another folder.
    let [_, _, _, file] = images(&run).into_iter().find(|row| row[1] == "train").unwrap();
    noise(&path.join("new"), 10, 5);
    fs::copy(path.join("mine").join(file), path.join("new/b/photo.png")).unwrap();
    let (report, _, warned) = eval(path, &["--data", "new", "--all", "--run", "run"]);
    assert!(
        warned.contains("WARNING: of the 11 images that m.bin is tested on, 1 were trained on and 0 validated"),
        "{warned}"
    );
    assert_eq!((&report["tested"]["trained_on"], &report["tested"]["new"]), (&1.into(), &10.into()));
}

#[test]
fn the_same_images_and_all_of_them_are_counted_by_what_the_model_file_holds() {
    let home = trained(11);
    let run = home.path().join("run");
    let (report, _, warned) = eval(home.path(), &["--data", "mine", "--all"]);
    let held_out = count(&run, "test");
    let expected =
        format!("WARNING: of the 120 images that m.bin is tested on, {} were trained or validated on", 120 - held_out);
    assert!(warned.contains(&expected), "{warned}");
    let tested = &report["tested"];
    assert_eq!(
        (&tested["untouched"], &tested["trained_or_validated_on"]),
        (&held_out.into(), &(120 - held_out).into())
    );

    // The run is found by itself where the model is in it.
    fs::copy(run.join("model.bin"), home.path().join("m.bin")).unwrap();
    let (printed, _) = succeed(home.path(), &["eval", "run/model.bin", "--data", "mine"]);
    assert!(
        printed.contains(&format!("{held_out} held out, 0 new, 0 trained on, 0 validated on, by the run run")),
        "{printed}"
    );
}

#[test]
fn a_folder_of_another_name_is_tested_on_the_share_and_pointed_to_all() {
    let home = trained(12);
    noise(&home.path().join("more"), 13, 40);
    for run in [&[][..], &["--run", "run"]] {
        let (report, printed, warned) = eval(home.path(), &[&["--data", "more"], run].concat());
        let tested = &report["images"];
        assert!(
            printed.contains(&format!("tested     {tested} of 80 images: 15% held out, by their content")),
            "{printed}"
        );
        let expected = format!(
            "NOTE: m.bin was trained on mine, and is tested on more: on {tested} of its 80 images, the 15% that a training on \
             this folder would hold out. If the model was trained on none of these, --all tests it on all 80"
        );
        assert!(warned.contains(&expected), "{warned}");
    }
}

#[test]
fn a_folder_with_a_part_to_test_on_is_compared_with_the_run_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    noise(&path.join("parts/train"), 1, 20);
    noise(&path.join("parts/test"), 2, 10);
    let fit = ["fit", "--data", "parts", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "m.bin"];
    succeed(path, &fit);
    let (report, printed, warned) = eval(path, &["--data", "parts"]);
    assert!(
        printed.contains("tested     all 20 test images\n           whether any was trained on is not known\n"),
        "{printed}"
    );
    assert_eq!(
        (&*warned, &report["tested"]["evidence"], &report["tested"]["unknown"]),
        ("", &"nothing".into(), &20.into())
    );
    fs::copy(path.join("parts/train/a/1-0.png"), path.join("parts/test/a/copy.png")).unwrap();
    let (report, _, warned) = eval(path, &["--data", "parts", "--run", "run"]);
    assert!(warned.contains("WARNING: of the 21 images that m.bin is tested on, 1 were trained on and 0"), "{warned}");
    assert_eq!(report["tested"]["untouched"], 20);
}

#[test]
fn runs_of_other_models_broken_ones_and_those_of_earlier_trainers_are_named() {
    let home = trained(14);
    let path = home.path();
    let with_run = ["eval", "m.bin", "--data", "mine", "--run", "run"];
    let list = path.join("run/images.csv");
    let whole = fs::read_to_string(&list).unwrap();
    fs::write(&list, whole.replacen("train", "trained", 1)).unwrap();
    assert_fails(path, &with_run, 1, &["run/images.csv: line 2 is not content, split, class of 2 and file; remove it"]);
    fs::remove_file(&list).unwrap();
    assert_fails(path, &with_run, 1, &["run has no images.csv: it is of an earlier trainer", "leave --run out"]);
    succeed(path, &["eval", "run/model.bin", "--data", "mine"]);
    fs::write(&list, whole).unwrap();
    assert_fails(
        path,
        &["eval", "m.bin", "--data", "mine", "--run", "nowhere"],
        1,
        &["nowhere is not the directory of a run: there is no such directory"],
    );
    assert_fails(path, &["eval", "m.bin", "--run", "run"], 2, &["--data <DIR>"]);

    let config = path.join("run/run.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"mine\"", "\"other\"")).unwrap();
    assert_fails(
        path,
        &with_run,
        1,
        &["m.bin is not a model of the run run: that one is of mlp on other (12x12x1 gray"],
    );

    // As an earlier trainer wrote it: no fingerprint, and a split by name.
    let mut older: Value = serde_json::from_str(&text).unwrap();
    let by_name =
        load(&Request { data_dir: Some(path.join("mine")), split_rule: SplitRule::ByName, ..Request::default() })
            .unwrap();
    assert_eq!((by_name.dataset.test.len(), by_name.dataset.validation.len()), (18, 5), "the same share of each class");
    older["preprocessing"] = "12x12x1 gray, as they are, test 0.15".into();
    older["data_sha256"] = by_name.dataset.sha256().unwrap().into();
    older.as_object_mut().unwrap().remove("split_rule");
    fs::write(&config, older.to_string()).unwrap();
    let export = ["export", "run", "--calibration", "range", "--data", "mine", "--out", "m.bin"];
    succeed(path, &export);
    let (report, printed, warned) = eval(path, &["--data", "mine"]);
    assert!(
        printed.contains("tested     18 of 120 images: 15% of each class, by the order of their names\n"),
        "{printed}"
    );
    assert!(warned.contains("NOTE: an earlier trainer made m.bin, and chose its test images by the order"), "{warned}");
    assert_eq!((&report["tested"]["evidence"], &report["tested"]["unknown"]), (&"nothing".into(), &18.into()));
}

#[test]
fn a_list_of_images_that_lacks_lines_is_refused() {
    let home = trained(7);
    let path = home.path();
    let whole = fs::read_to_string(path.join("run/images.csv")).unwrap();
    for kept in [1, 30, whole.lines().count() - 1] {
        let lines: Vec<&str> = whole.lines().take(kept).collect();
        fs::write(path.join("run/images.csv"), lines.join("\n") + "\n").unwrap();
        let expected = ["run/images.csv", "lines are missing, or it is another run's"];
        assert_fails(path, &["eval", "m.bin", "--data", "mine", "--run", "run"], 1, &expected);
    }
}

#[test]
fn a_run_keeps_every_image_and_the_model_sixteen_bytes_that_the_budget_counts() {
    let home = trained(15);
    let path = home.path();
    let rows = images(&path.join("run"));
    assert_eq!(rows.len(), 120);
    for row in &rows {
        assert!(path.join("mine").join(&row[3]).is_file(), "{row:?}");
        assert_eq!(row[2], if row[3].starts_with("a/") { "0" } else { "1" });
        assert_eq!(row[0].len(), 32);
    }
    let config = read_json(&path.join("run/run.json"));
    let preprocessing = config["preprocessing"].as_str().unwrap();
    let (text, fingerprint) = preprocessing.split_once(" of ").unwrap();
    assert_eq!((text, fingerprint.len()), ("12x12x1 gray, as they are, test 0.15", 12));
    let model = fs::read(path.join("m.bin")).unwrap();
    // In the file the size and what becomes of frames are numbers.
    let images = format!("files, test 0.15 of {fingerprint}");
    assert!(model.windows(images.len()).any(|window| window == images.as_bytes()));
    assert_eq!(config["split_rule"], "by_content");

    // To the byte: the budget allows the model and the program around it, and not one byte less.
    let fit = |flash: usize| {
        let flash = flash.to_string();
        let fit = ["fit", "--data", "mine", "--model", "mlp", "--epochs", "1", "--out", "again", "--max-flash", &flash];
        super::trainer(path, &fit)
    };
    let refused = super::text(&fit(1000).stderr);
    assert!(
        refused.contains(&format!(": {} for the model", trainer::support::text::thousands(model.len()))),
        "{refused}"
    );
}
