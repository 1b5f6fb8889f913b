//! What goes wrong around a training: full disks, directories that vanish, files that change, a power cut in the middle of a write.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::resume::{assert_whole, start};
use super::{assert_fails, text, trainer, wait_for};

/// The trainer where no file can grow beyond so many blocks of 512 bytes, as on a disk that is nearly full.
fn limited_to(blocks: u32, directory: &Path, arguments: &[&str]) -> Command {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_trainer")]).args(arguments).current_dir(directory);
    command
}

/// The output of the trainer there, and its exit code.
fn with_files_up_to(blocks: u32, directory: &Path, arguments: &[&str]) -> Output {
    limited_to(blocks, directory, arguments).output().unwrap()
}

/// Names that do not begin with a dot: what a user sees.
fn visible(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_for_a_checkpoint_costs_a_warning_and_not_the_training() {
    let home = tempfile::tempdir().unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "2", "--out", "run"];
    // The state of an MLP in training takes over three megabytes, its weights over one.
    let output = with_files_up_to(3000, home.path(), &fit);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(
        stderr.matches("WARNING: this run cannot be resumed if it is interrupted: ").count(),
        1,
        "once: {stderr}"
    );
    assert!(stderr.contains("run/unfinished: File too large"), "{stderr}");
    assert_whole(&home.path().join("run"));
    assert!(!visible(&home.path().join("run")).contains(&"unfinished".to_owned()));
}

#[cfg(target_os = "linux")]
#[test]
fn warnings_that_cannot_be_written_cost_neither_the_training_nor_the_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let full = || fs::File::create("/dev/full").unwrap();
    // A checkpoint has no room, which is a warning.
    let without_output =
        |arguments: &[&str]| limited_to(3000, home.path(), arguments).stderr(full()).status().unwrap().code();
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "2", "--out", "run", "--quiet"];
    assert_eq!(without_output(&fit), Some(0));
    assert_whole(&home.path().join("run"));
    assert!(home.path().join("run/model.bin").is_file());
    assert_eq!(without_output(&["eval", "missing.bin"]), Some(1));
    assert_eq!(without_output(&["predict", "run/model.bin", "missing.png"]), Some(1));
    assert_eq!(without_output(&["fit", "--epochs", "0"]), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_without_room_is_named_by_every_command_that_prints_a_file() {
    let files: [&[&str]; 4] =
        [&["recipes", "strong"], &["models", "nano"], &["completions", "bash"], &["search", "conv", "--print"]];
    for arguments in files {
        let full = fs::File::create("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).stdout(full).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains("cannot write to standard output: No space left"), "{arguments:?}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_for_the_run_leaves_nothing_half_written_and_exports_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    // Room for the model, 281 KB, and not for the weights.
    let output = with_files_up_to(700, home.path(), &fit);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("File too large"), "{stderr}");
    assert_whole(home.path());
    assert_eq!(visible(&home.path().join("run")), ["run.json"], "half of the weights is worth nothing");
    assert!(home.path().join("model.bin").is_file(), "what was learned is kept where there is room");

    let output = with_files_up_to(100, home.path(), &["export", "run", "--out", "other.bin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!home.path().join("other.bin").exists());
}

#[test]
fn test_images_for_firmware_that_cannot_be_written_cost_a_warning_and_not_the_run() {
    let home = tempfile::tempdir().unwrap();
    let child =
        start(home.path(), &["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "2", "--out", "run"]);
    wait_for(&home.path().join("run/unfinished"));
    fs::create_dir(home.path().join("run/frames.bin")).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("there are no test images for firmware: cannot write run/frames.bin: "), "{stderr}");
    assert!(home.path().join("run/model.bin").is_file() && home.path().join("run/report.html").is_file());
}

#[cfg(unix)]
#[test]
fn an_export_that_cannot_be_written_any_more_leaves_a_whole_run_and_prints_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let there = home.path().join("there");
    fs::create_dir(&there).unwrap();
    let fit = [
        "fit",
        "--dataset",
        "garments",
        "--model",
        "mlp",
        "--epochs",
        "2",
        "--out",
        "run",
        "--export",
        "there/model.bin",
    ];
    let child = start(home.path(), &fit);
    wait_for(&home.path().join("run/unfinished"));
    fs::remove_dir(&there).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("there/model.bin: No such file or directory"), "{stderr}");
    assert!(stderr.contains("the model is in run: trainer export run --out FILE"), "{stderr}");
    assert!(home.path().join("run/report.html").is_file());
    let again = trainer(home.path(), &["export", "run", "--out", "model.bin"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
}

#[test]
fn a_run_directory_that_is_removed_while_it_is_written_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "3", "--out", "run"];
    let child = start(home.path(), &fit);
    wait_for(&run.join("unfinished"));
    // Whoever removes a directory that is written to may meet a file that was not there before.
    while fs::remove_dir_all(&run).is_err() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_whole(&run);
    let exported = trainer(home.path(), &["export", "run", "--out", "model.bin"]);
    assert_eq!(exported.status.code(), Some(0), "{}", text(&exported.stderr));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_written_is_found_out_before_the_training() {
    let home = tempfile::tempdir().unwrap();
    let fit = |flag: &'static str, path: &'static str| ["fit", "--dataset", "garments", "--model", "mlp", flag, path];
    // Not even the superuser makes files there.
    assert_fails(
        home.path(),
        &fit("--export", "/proc/model.bin"),
        1,
        &["--export /proc/model.bin: nothing can be written there: "],
    );
    std::os::unix::fs::symlink("/proc/model.bin", home.path().join("link")).unwrap();
    assert_fails(home.path(), &fit("--export", "link"), 1, &["--export link: nothing can be written there: "]);
    fs::remove_file(home.path().join("link")).unwrap();
    assert_fails(home.path(), &fit("--out", "/proc/run"), 1, &["/proc/run: "]);
    fs::write(home.path().join("file"), "").unwrap();
    assert_fails(home.path(), &fit("--out", "file"), 2, &["--out file is a file; name a directory"]);
    assert_eq!(visible(home.path()), ["file"], "no run is begun");
}

#[cfg(unix)]
#[test]
fn devices_and_links_are_written_to_and_not_replaced() {
    let (home, _) = super::short_run();
    let path = home.path();
    let model = fs::read(path.join("model.bin")).unwrap();
    fs::create_dir(path.join("kept")).unwrap();
    std::os::unix::fs::symlink("kept/real.bin", path.join("link.bin")).unwrap();
    fs::write(path.join("kept/real.bin"), "").unwrap();
    std::os::unix::fs::symlink("kept/new.bin", path.join("dangling.bin")).unwrap();
    for (out, kept) in
        [("/dev/null", None), ("link.bin", Some("kept/real.bin")), ("dangling.bin", Some("kept/new.bin"))]
    {
        let output = trainer(path, &["export", "run", "--out", out]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        if let Some(kept) = kept {
            assert!(fs::read(path.join(kept)).unwrap() == model);
        }
    }
    for link in ["link.bin", "dangling.bin"] {
        assert!(fs::symlink_metadata(path.join(link)).unwrap().is_symlink());
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let piped = trainer(path, &["export", "run", "--out", "/dev/stdout"]);
    assert!(piped.stdout == model, "nothing but the model");
    assert!(text(&piped.stderr).starts_with("exported   /dev/stdout: "));
}

#[test]
fn an_image_of_an_impossible_length_is_refused_unread() {
    let (home, _) = super::short_run();
    // The header of a gray PNG of one row and sixty million columns.
    let mut header = b"IHDR".to_vec();
    header.extend([60_000_000u32, 1].map(u32::to_be_bytes).concat());
    header.extend([8, 0, 0, 0, 0]);
    let mut png = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13];
    png.extend(&header);
    png.extend(infer_core::Crc32::new().update(&header).finish().to_be_bytes());
    png.extend([0, 0, 0, 0, b'I', b'D', b'A', b'T', 0x35, 0xAF, 0x06, 0x1E]);
    fs::write(home.path().join("long.png"), png).unwrap();
    let expected =
        ["long.png: its header claims 1 x 60000000 pixels; more than 67 million, or 65535 a side, are not read"];
    assert_fails(home.path(), &["predict", "model.bin", "long.png", "--resize", "stretch"], 1, &expected);
}

#[cfg(unix)]
#[test]
fn a_pipe_among_the_images_is_left_out_and_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    super::shapes::write(&home.path().join("shapes"), 0..9, (8, 8), "png").unwrap();
    let made = Command::new("mkfifo").arg(home.path().join("shapes/disc/pipe.png")).status().unwrap();
    assert!(made.success());
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2", "--out", "run"];
    let child = start(home.path(), &fit);
    let id = child.id().to_string();
    let ended = std::sync::Arc::new(AtomicBool::new(false));
    let watched = std::sync::Arc::clone(&ended);
    let watchdog = thread::spawn(move || {
        for _ in 0..600 {
            if watched.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let _ = Command::new("kill").args(["-KILL", &id]).status();
    });
    let output = child.wait_with_output().unwrap();
    ended.store(true, Ordering::Relaxed);
    watchdog.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("pipe.png"), "{}", text(&output.stderr));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_whole_or_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    super::birds(home.path(), 6);
    let path = home.path().join("birds/train-images-idx3-ubyte");
    let whole = fs::read(&path).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for len in (0..whole.len()).step_by(97).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                fs::write(&path, &whole[..len]).unwrap();
                fs::write(&path, &whole).unwrap();
            }
        });
        for _ in 0..20 {
            let fit = ["fit", "--data", "birds", "--model", "mlp", "--epochs", "1", "--quiet"];
            let output = trainer(home.path(), &fit);
            let stderr = text(&output.stderr);
            match output.status.code() {
                Some(0) => {}
                Some(1) => assert!(stderr.contains("train-images-idx3-ubyte"), "{stderr}"),
                code => panic!("exit code {code:?}: {stderr}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_header_that_claims_an_enormous_file_is_refused_unread() {
    let home = tempfile::tempdir().unwrap();
    super::birds(home.path(), 6);
    let header = [0x0803u32, u32::MAX, 28, 28].map(u32::to_be_bytes).concat();
    fs::write(home.path().join("birds/train-images-idx3-ubyte"), header).unwrap();
    let expected =
        ["train-images-idx3-ubyte: its header announces 3367254359296 bytes; more than 2147 million are not read"];
    assert_fails(home.path(), &["fit", "--data", "birds"], 1, &expected);
}

/// SIGKILL while a file is being written: `THIMBLE_KILLS` times, 4 if it is not set. Waits for a file that is not whole yet, lets some
/// go by, and a little time, so that every file of a run has its turn, the exported model too.
#[test]
fn a_run_killed_in_the_middle_of_writes_leaves_whole_files_and_is_resumed_to_the_same_bytes() {
    let kills: usize =
        std::env::var("THIMBLE_KILLS").map_or(4, |kills| kills.parse().expect("THIMBLE_KILLS is a number"));
    let home = tempfile::tempdir().unwrap();
    let (run, model) = (home.path().join("run"), home.path().join("export/model.bin"));
    fs::create_dir(home.path().join("export")).unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "3"];
    let output = trainer(home.path(), &[&fit[..], &["--out", "whole"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let expected = fs::read(home.path().join("whole/model.bin")).unwrap();

    let mut random = 48u64;
    let mut draw = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let (mut killed, mut finished) = (0, 0);
    while killed < kills {
        let arguments = match run.join("run.json").is_file() {
            true => vec!["fit", "--resume", "run", "--export", "export/model.bin"],
            false => [&fit[..], &["--out", "run", "--export", "export/model.bin"]].concat(),
        };
        let mut child = start(home.path(), &arguments);
        let (mut to_pass, wait) = (draw(8), Duration::from_micros(draw(3000)));
        let mut is_writing = false;
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            let was_writing = std::mem::replace(
                &mut is_writing,
                holds_a_beginning(&run) || holds_a_beginning(model.parent().unwrap()),
            );
            if is_writing && !was_writing {
                if to_pass == 0 {
                    thread::sleep(wait);
                    child.kill().unwrap();
                    child.wait().unwrap();
                    killed += 1;
                    break None;
                }
                to_pass -= 1;
            }
            // A write takes longer, and the training has the core.
            thread::sleep(Duration::from_micros(50));
        };
        assert!(code.is_none() || code == Some(0), "it did not fail by itself");
        if run.is_dir() {
            assert_whole(&run);
        }
        assert_whole(model.parent().unwrap());
        // In the run's own directory the next run does it.
        remove_beginnings(model.parent().unwrap());
        // Killed after its last write a run is finished too.
        let is_finished = run.join("metrics.json").is_file() && !run.join("unfinished").exists();
        assert!(is_finished || code != Some(0));
        if is_finished {
            finished += 1;
            assert!(fs::read(&model).unwrap() == expected && fs::read(run.join("model.bin")).unwrap() == expected);
            fs::remove_dir_all(&run).unwrap();
            fs::remove_file(&model).unwrap();
        }
    }
    let output = match run.join("run.json").is_file() {
        true => trainer(home.path(), &["fit", "--resume", "run", "--export", "export/model.bin"]),
        false => trainer(home.path(), &[&fit[..], &["--out", "run", "--export", "export/model.bin"]].concat()),
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fs::read(run.join("model.bin")).unwrap() == expected && fs::read(&model).unwrap() == expected);
    println!("{killed} kills in the middle of a write, {finished} runs that ended between two of them");
}

fn remove_beginnings(directory: &Path) {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let beginnings = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    beginnings.for_each(|entry| fs::remove_file(entry.path()).unwrap());
}

/// Whether somebody has begun to write a file there.
fn holds_a_beginning(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with('.'))
}
