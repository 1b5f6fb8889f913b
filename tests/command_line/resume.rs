//! Runs that are killed or interrupted, and resumed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{assert_fails, read_json, text, trainer, wait_for};

/// Everything that changes from step to step: a schedule, augmentation, an average, and fine-tuning after it.
const RECIPE: &str = "name = \"all\"\nepochs = 4\nbatch_size = 64\nlearning_rate = 2e-3\npatience = 9\nmin_delta = 0.0
    average = 0.99\nweight_decay = 0.01\n[schedule]\nwarmup = 0.1\ndecay = \"cosine\"\n[augment]\nflip = 0.5
    [quantization_aware]\nepochs = 2\n[adam]\nbeta1 = 0.9\nbeta2 = 0.999\nepsilon = 1e-7\n";

const FIT: [&str; 9] = ["fit", "--dataset", "garments", "--model", "tiny", "--recipe", "all.toml", "--seed", "7"];

pub fn start(directory: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A run that nothing disturbed, its model, and how long it took.
fn undisturbed(home: &Path) -> (Vec<u8>, Duration) {
    fs::write(home.join("all.toml"), RECIPE).unwrap();
    let start = Instant::now();
    let output = trainer(home, &[&FIT[..], &["--out", "whole"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    (fs::read(home.join("whole/model.bin")).unwrap(), start.elapsed())
}

/// No file is half-written under its name.
pub fn assert_whole(run: &Path) {
    for entry in fs::read_dir(run).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        match path.file_name().unwrap().to_str().unwrap() {
            "unfinished" => assert!(trainer::train::Unfinished::from_bytes(&bytes).is_ok()),
            "frames.bin" => assert!(bytes.starts_with(&trainer::export::frames::MAGIC)),
            name if name.ends_with(".bin") => {
                let mut arena = vec![0; infer_core::Header::parse(&bytes).unwrap().arena_len as usize];
                assert!(infer_core::Network::new(&bytes, &mut arena).is_ok());
            }
            name if name.ends_with(".json") => {
                assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_run_killed_at_ten_moments_comes_to_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let (expected, whole) = undisturbed(home.path());
    let run = home.path().join("run");
    let mut random = 0x9E37_79B9_u64;
    let mut kills = 0;
    // `.ci/long` sets more.
    let most = std::env::var("THIMBLE_KILLS").map_or(10, |kills| kills.parse().unwrap());
    while kills < most {
        let begun = run.join("run.json").is_file();
        let resume = ["fit", "--resume", "run"];
        let fit = [&FIT[..], &["--out", "run"]].concat();
        let mut child = start(home.path(), if begun { &resume } else { &fit });
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Up to a quarter of what is to be done: some begin in the first epoch, some end in the last.
        sleep(whole.mul_f64((random >> 40) as f64 / f64::from(1 << 24) * 0.25));
        child.kill().unwrap();
        let code = child.wait().unwrap().code();
        assert!(code.is_none() || code == Some(0), "it did not fail by itself");
        if run.is_dir() {
            assert_whole(&run);
        }
        if !begun && run.is_dir() && !run.join("run.json").is_file() {
            fs::remove_dir_all(&run).unwrap();
        }
        if code == Some(0) {
            // Finished before it could be killed: once more from the beginning.
            assert_eq!(fs::read(run.join("model.bin")).unwrap(), expected);
            fs::remove_dir_all(&run).unwrap();
        } else {
            kills += 1;
        }
    }
    let output = trainer(home.path(), &["fit", "--resume", "run", "--export", "model.bin"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fs::read(home.path().join("model.bin")).unwrap() == expected);
    assert!(fs::read(run.join("model.bin")).unwrap() == expected);
    assert!(!run.join("unfinished").exists());
    let leftovers = fs::read_dir(&run)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(leftovers.count(), 0);
    let rows = |run: &str| fs::read_to_string(home.path().join(run).join("history.csv")).unwrap().lines().count();
    assert_eq!(rows("run"), rows("whole"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_was_learned_exports_it_and_prints_how_to_resume() {
    let home = tempfile::tempdir().unwrap();
    let (expected, _) = undisturbed(home.path());
    let child = start(home.path(), &[&FIT[..], &["--out", "run", "--export", "model.bin"]].concat());
    wait_for(&home.path().join("run/unfinished"));
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let (printed, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("interrupted: ending after this step"), "{stderr}");
    assert!(printed.contains("to resume it: trainer fit --resume run"), "{printed}");
    let early = fs::read(home.path().join("model.bin")).unwrap();
    assert!(early != expected, "it is the model of an earlier epoch");
    let (page, notice) =
        (|| fs::read_to_string(home.path().join("run/report.html")).unwrap(), "This run was interrupted after");
    assert!(page().contains(notice) && page().contains("/run</pre>"), "its page states that");
    assert_eq!(read_json(&home.path().join("run/metrics.json"))["interrupted"], true);

    let output = trainer(home.path(), &["fit", "--resume", "run"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(text(&output.stdout).contains("resumes    run: after epoch "));
    assert!(fs::read(home.path().join("run/model.bin")).unwrap() == expected);
    assert!(fs::read(home.path().join("model.bin")).unwrap() == early, "--export is not repeated");
    assert!(
        stderr.contains("NOTE: this run was begun with --export ") && stderr.contains("name --export again"),
        "{stderr}"
    );
    assert!(!page().contains(notice), "nothing is left of the interruption");
    assert_eq!(read_json(&home.path().join("run/metrics.json"))["interrupted"], false);
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_ends_at_once_and_leaves_whole_files() {
    let home = tempfile::tempdir().unwrap();
    // A step that takes longer than two signals do.
    let recipe = RECIPE.replace("batch_size = 64", "batch_size = 1024");
    fs::write(home.path().join("all.toml"), recipe).unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "large", "--recipe", "all.toml", "--out", "run"];
    let mut child = start(home.path(), &[&fit[..], &["--export", "model.bin"]].concat());
    // By then the handlers are installed.
    wait_for(&home.path().join("run/unfinished"));
    let interrupt = |child: &Child| Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt(&child).success());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let stderr: Vec<String> =
        lines.by_ref().take_while(|line| !line.starts_with("interrupted: ending after")).collect();
    assert!(interrupt(&child).success());
    assert_eq!(child.wait().unwrap().code(), Some(130), "{stderr:?}");
    assert_whole(&home.path().join("run"));
    assert!(!home.path().join("model.bin").exists());
}

/// Starts the trainer from a shell that ignores these signals, as `nohup` and a script's `&` do, and gives back its process.
#[cfg(unix)]
fn start_ignoring(signals: &str, directory: &Path, arguments: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", &format!("trap '' {signals}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_trainer")])
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored_and_each_other_one_is_obeyed() {
    let home = tempfile::tempdir().unwrap();
    let (expected, _) = undisturbed(home.path());
    let fit = |ignored: &str, sent: &[&str]| {
        let run = format!("run{}", ignored.replace(' ', "-"));
        let child = start_ignoring(ignored, home.path(), &[&FIT[..], &["--out", &run]].concat());
        wait_for(&home.path().join(&run).join("unfinished"));
        for signal in sent {
            let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
            assert!(sent.success());
        }
        let output = child.wait_with_output().unwrap();
        let (printed, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{ignored}: {stderr}");
        let model = fs::read(home.path().join(&run).join("model.bin")).unwrap();
        (model == expected, printed.contains("trainer fit --resume"), stderr.contains("interrupted: ending after"))
    };
    let (to_its_end, interrupted) = ((true, false, false), (false, true, true));
    assert_eq!(fit("HUP", &["HUP", "HUP"]), to_its_end, "nohup");
    assert_eq!(fit("INT QUIT", &["INT", "INT"]), to_its_end, "a background job of a script");
    assert_eq!(fit("TERM", &["TERM", "TERM"]), to_its_end);
    assert_eq!(fit("HUP INT", &["TERM"]), interrupted, "those that are not ignored");
    assert_eq!(fit("INT", &["HUP"]), interrupted);
}

#[cfg(unix)]
#[test]
fn programs_are_informed_of_an_interrupt_and_not_of_an_end() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("all.toml"), RECIPE).unwrap();
    let child = start(home.path(), &[&FIT[..], &["--out", "run", "--json"]].concat());
    wait_for(&home.path().join("run/unfinished"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let printed = text(&child.wait_with_output().unwrap().stdout);
    assert!(printed.lines().last().unwrap().starts_with("{\"event\":\"interrupted\","), "{printed}");
    assert!(!printed.contains("finished"), "{printed}");
}

#[test]
fn a_run_is_resumed_where_its_images_have_moved_to_and_teachers_have_not_changed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    super::shapes::write(&path.join("shapes"), 0..12, (8, 8), "png").unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2", "--out"];
    let output = trainer(path, &[&fit[..], &["teacher"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let student =
        ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "2", "--teacher", "teacher", "--out", "run"];
    let output = trainer(path, &student);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let expected = fs::read(path.join("run/model.bin")).unwrap();

    // As if it had been killed at once.
    let config = fs::read(path.join("run/run.json")).unwrap();
    fs::remove_dir_all(path.join("run")).unwrap();
    fs::create_dir(path.join("run")).unwrap();
    fs::write(path.join("run/run.json"), config).unwrap();
    assert_fails(
        path,
        &["export", "run", "--out", "x.bin"],
        1,
        &["run has no weights yet; trainer fit --resume run resumes"],
    );
    fs::rename(path.join("shapes"), path.join("moved")).unwrap();
    let resume = ["fit", "--resume", "run", "--data", "moved"];

    let weights = path.join("teacher/weights.safetensors");
    let learned = fs::read(&weights).unwrap();
    let mut other = learned.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&weights, other).unwrap();
    assert_fails(path, &resume, 1, &["the weights of a teacher of run have changed since"]);
    fs::write(&weights, learned).unwrap();

    // Neither --quiet nor a second time is a reason to keep silent about what was left out.
    fs::write(path.join("moved/notes.txt"), "").unwrap();
    let output = trainer(path, &[&resume[..], &["--quiet"]].concat());
    let (printed, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), &*printed), (Some(0), ""), "{warned}");
    assert!(warned.contains("NOTE: 1 file or folder of moved left out"), "{warned}");
    assert!(fs::read(path.join("run/model.bin")).unwrap() == expected);

    // Of the same name, and other images.
    super::shapes::write(&path.join("shapes"), 0..13, (8, 8), "png").unwrap();
    let other = ["fit", "--data", "shapes", "--model", "mlp", "--teacher", "teacher", "--out", "other"];
    assert_fails(
        path,
        &other,
        1,
        &["teacher teacher was trained on other images of shapes, or split or scaled them in another way"],
    );
}

#[cfg(unix)]
#[test]
fn a_quiet_run_that_is_interrupted_prints_how_to_resume_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1000", "--patience", "1000"];
    let child = start(home.path(), &[&fit[..], &["--out", "run", "--quiet"]].concat());
    wait_for(&home.path().join("run/unfinished"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (printed, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), printed.as_str()), (Some(0), ""), "{stderr}");
    assert!(stderr.ends_with("interrupted; to resume it: trainer fit --resume run\n"), "{stderr}");
}

#[test]
fn what_cannot_be_resumed_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    undisturbed(home.path());
    fs::create_dir_all(home.path().join("cache")).unwrap();
    fs::write(home.path().join("net.tflite"), b"\x1c\0\0\0TFL3").unwrap();
    let resume = ["fit", "--resume", "whole"];
    assert_fails(home.path(), &resume, 2, &["whole is finished, there is nothing to resume"]);
    for flag in [["--seed", "3"], ["--calibration", "error"], ["--input", "8x8x1"], ["--dataset", "garments"]] {
        assert_fails(
            home.path(),
            &[&resume[..], &flag].concat(),
            2,
            &["cannot be used with", "a resumed run keeps the settings"],
        );
    }
    for arguments in [
        &["fit", "--resume"][..],
        &["export", "--out", "x.bin"],
        &["report"],
        &["plot"],
        &["inspect", "--quantization"],
        &["inspect"],
    ] {
        for (given, reason) in [
            ("nowhere", "there is no such directory; give one such as runs/NAME"),
            ("cache", "it has no run.json; give one such as runs/NAME"),
            ("whole/model.bin", "it is a file of one; give whole"),
            ("all.toml", "it is a file; give one such as runs/NAME"),
            ("net.tflite", "it is a TFLite file; trainer import FILE --out RUN makes a run of it"),
        ] {
            // What takes files too has its own words for them.
            if arguments[0] == "inspect" && given != "cache" && (given != "nowhere" || arguments.len() == 1) {
                continue;
            }
            let expected = format!("error: {given} is not the directory of a run: {reason}\n");
            assert_fails(home.path(), &[arguments, &[given]].concat(), 1, &[&expected]);
        }
    }
    fs::write(home.path().join("whole/unfinished"), "nonsense").unwrap();
    assert_fails(home.path(), &resume, 1, &["whole/unfinished: this is not the checkpoint of a training"]);
}

#[test]
fn classes_that_have_other_names_now_are_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    super::shapes::write(&path.join("shapes"), 0..9, (8, 8), "png").unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2", "--out", "run"];
    super::succeed(path, &fit);
    fs::remove_file(path.join("run/metrics.json")).unwrap();
    let mut classes: Vec<String> = fs::read_dir(path.join("shapes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    classes.sort();
    let resume = ["fit", "--resume", "run", "--data", "shapes"];
    let rename =
        |from: &str, to: &str| fs::rename(path.join("shapes").join(from), path.join("shapes").join(to)).unwrap();
    rename("disc", "circle");
    let expected =
        format!("({} classes): the run's disc is missing, and circle is not one of the run's; give", classes.len());
    assert_fails(path, &resume, 1, &[&expected]);
    rename("circle", "disc");
    fs::create_dir(path.join("shapes/more")).unwrap();
    for image in fs::read_dir(path.join("shapes/disc")).unwrap() {
        let image = image.unwrap();
        fs::copy(image.path(), path.join("shapes/more").join(image.file_name())).unwrap();
    }
    assert_fails(path, &resume, 1, &[" classes): more is not one of the run's; give --data"]);
}
