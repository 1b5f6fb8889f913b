//! What the system does not give: threads, memory, room for files, open files, a standard output. The trainer continues without each,
//! or ends with an error of one line and exit code 1; none is a panic, an abort or a signal.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::image_files::save;
use super::{text, trainer};

/// A model of garments, `model.bin`, and three images of its size, of which the last two are large.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    let output = trainer(home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for (name, side) in [("one.png", 28), ("two.png", 300), ("large.png", 6000)] {
        let shade = |x: u32, y: u32| image::Rgb([(x % 251) as u8, (y % 241) as u8, 40]);
        save(image::RgbImage::from_fn(side, side, shade), home.path().join(name));
    }
    home
}

/// The trainer under these limits of a shell, with more threads wanted than there may be cores.
fn limited(limits: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_trainer")])
        .args(arguments)
        .current_dir(directory)
        .env("RAYON_NUM_THREADS", "4")
        .output()
        .unwrap()
}

const PREDICT: [&str; 6] = ["predict", "model.bin", "one.png", "two.png", "--resize", "stretch"];

#[test]
fn fewer_threads_than_are_wanted_do_the_same_work() {
    let home = home();
    let expected = trainer(home.path(), &PREDICT).stdout;
    // No thread has so large a stack, so that none can be started; and only two of 800 MB fit.
    for (limits, threads) in
        [("export RUST_MIN_STACK=1000000000000000", 1), ("ulimit -v 2000000; export RUST_MIN_STACK=800000000", 0)]
    {
        let output = limited(limits, home.path(), &PREDICT);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{limits}: {stderr}");
        assert!(output.stdout == expected, "{limits}");
        assert!(stderr.contains("NOTE: the system does not allow 4 threads ("), "{limits}: {stderr}");
        assert!(threads == 0 || stderr.contains("RAYON_NUM_THREADS=1 requests no more"), "{limits}: {stderr}");
    }
    // Training and Ctrl-C too, and to the same bytes: work is cut by shape and not by threads.
    let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "alone", "--quiet"];
    let output = limited("export RUST_MIN_STACK=1000000000000000", home.path(), &fit);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        fs::read(home.path().join("alone/model.bin")).unwrap() == fs::read(home.path().join("run/model.bin")).unwrap()
    );
}

#[test]
fn more_threads_than_there_is_memory_for_are_not_begun() {
    let home = home();
    let inspect = ["inspect", "model.bin"];
    // A thread that starts and finds no memory to set itself up ends the process; not each time, so several are tried.
    for kilobytes in [293_750, 308_250, 314_500, 316_500] {
        for _ in 0..5 {
            let limits = format!("ulimit -v {kilobytes}; export RAYON_NUM_THREADS=16");
            let output = limited(&limits, home.path(), &inspect);
            assert_eq!(output.status.code(), Some(0), "{kilobytes} KB: {}", text(&output.stderr));
            // Counted beforehand, or refused by the system, where another thread has taken the room meanwhile.
            assert!(text(&output.stderr).contains("the system does not allow 16 threads ("), "{kilobytes} KB");
        }
    }
    let output = limited("export RAYON_NUM_THREADS=16400", home.path(), &inspect);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("does not allow 16,400 threads (256 are the most); this continues with 256"), "{stderr}");
}

#[test]
fn a_shortage_of_the_machine_is_no_fault_of_an_image_and_leaves_none_out() {
    let home = home();
    for class in ["a", "b"] {
        fs::create_dir_all(home.path().join("set").join(class)).unwrap();
        for index in 0..4 {
            let shade = |x: u32, y: u32| image::Luma([(x * index + y) as u8]);
            save(image::GrayImage::from_fn(28, 28, shade), home.path().join(format!("set/{class}/{index}.png")));
        }
    }
    fs::rename(home.path().join("large.png"), home.path().join("set/a/large.png")).unwrap();
    let fit = ["fit", "--data", "set", "--input", "28x28x1", "--model", "mlp", "--epochs", "1", "--skip-unreadable"];
    let output = limited("ulimit -v 400000", home.path(), &fit);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let expected =
        "error: set/a/large.png cannot be read now, and the file is not the cause: too large to decode here: ";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn a_download_without_a_thread_for_it_is_an_error_and_no_panic() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["fit", "--dataset", "fashion-mnist", "--model", "mlp"])
        .current_dir(&home)
        .env_remove("FASHION_MNIST_DIR")
        .env("THIMBLE_CACHE_DIR", home.path().join("cache"))
        .env("FASHION_MNIST_URL", "http://localhost:9")
        .env("RUST_MIN_STACK", "1000000000000000")
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no thread can be started"), "{stderr}");
}

#[test]
fn an_image_too_large_for_the_memory_there_is_costs_its_own_answer_only() {
    let home = home();
    // 36 million pixels take over half a gigabyte to decode.
    let images = ["predict", "model.bin", "one.png", "two.png", "large.png", "one.png", "--resize", "stretch"];
    let output = limited("ulimit -v 400000", home.path(), &images);
    let (printed, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(printed.matches(".png: ").count(), 3, "{printed}{stderr}");
    assert!(
        stderr.contains("error: large.png: too large to decode here: about 576 MB of memory are needed, "),
        "{stderr}"
    );
    assert!(stderr.contains("error: 1 of 4 images could not be classified"), "{stderr}");
}

#[test]
fn whatever_the_limit_of_memory_a_command_ends_with_its_answers_or_with_an_error() {
    let home = home();
    let commands: [&[&str]; 4] = [
        &["predict", "model.bin", "one.png", "large.png", "--resize", "stretch"],
        &["eval", "model.bin", "--dataset", "garments"],
        &["fit", "--dataset", "garments", "--model", "cnn", "--epochs", "1", "--quiet"],
        &["report", "run", "--out", "page.html"],
    ];
    // With less than the program's own size the system ends it before it begins.
    let program = fs::metadata(env!("CARGO_BIN_EXE_trainer")).unwrap().len() / 1024;
    for more in [5_000, 20_000, 40_000, 60_000, 90_000, 130_000, 180_000, 280_000, 480_000] {
        let kilobytes = program + more;
        for arguments in commands {
            let output = limited(&format!("ulimit -v {kilobytes}"), home.path(), arguments);
            let stderr = text(&output.stderr);
            // Where there is no room for the system's libraries it is 127, of the shell.
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 1 | 127)), "{kilobytes} KB, {arguments:?}: {code:?} {stderr}");
            assert!(code != Some(1) || stderr.contains("error: "), "{kilobytes} KB, {arguments:?}: {stderr}");
        }
    }
}

#[test]
fn the_largest_file_allowed_is_an_error_of_the_file_and_no_signal() {
    let home = home();
    let export = ["export", "run", "--out", "other.bin"];
    let output = limited("ulimit -f 100", home.path(), &export);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("other.bin: File too large"), "{stderr}");
    assert!(!home.path().join("other.bin").exists());
}

#[test]
fn few_open_files_and_closed_standard_streams_are_no_panic() {
    let home = home();
    for limits in ["ulimit -n 3", "ulimit -n 4", "ulimit -n 6"] {
        for arguments in [&PREDICT[..], &["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1"]] {
            let output = limited(limits, home.path(), arguments);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 1 | 127)), "{limits}, {arguments:?}: {code:?} {}", text(&output.stderr));
        }
    }
    for closed in ["exec <&-", "exec >&-", "exec 2>&-", "exec <&- >&- 2>&-"] {
        let output = limited(closed, home.path(), &PREDICT);
        assert_eq!(output.status.code(), Some(0), "{closed}: {}", text(&output.stderr));
    }
}
