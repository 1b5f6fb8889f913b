//! Outputs that have no place of their own: in a run under a name that the run writes, where another output goes, where the run
//! itself goes. Refused before anything is read.

use std::fs;
use std::path::Path;

use super::{assert_fails, shapes, short_run, succeed, trainer};

const FIT: [&str; 7] = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1"];

/// All files below a directory with their bytes.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push((path.display().to_string(), fs::read(&path).unwrap_or_default())),
        }
    }
    files.sort();
    files
}

#[test]
fn nothing_is_written_over_the_files_of_a_run() {
    let (home, _) = short_run();
    let path = home.path();
    // As an interrupt leaves it: to be resumed, and some of its files not there yet.
    succeed(path, &[&FIT[..], &["--out", "other"]].concat());
    fs::remove_file(path.join("other/metrics.json")).unwrap();
    fs::remove_file(path.join("other/report.html")).unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("other/metrics.json", path.join("link")).unwrap();
    let before = files(path);

    let names = fs::read_dir(path.join("run")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let more = [
        "unfinished",
        "failed.txt",
        "skipped.txt",
        "images.csv",
        ".thimble-lock",
        ".thimble-x",
        "figures",
        "METRICS.json",
    ];
    let names: Vec<String> = names.chain(more.map(str::to_owned)).collect();
    assert!(names.len() > 15 && names.iter().any(|name| name == "model.bin"), "{names:?}");
    for name in &names {
        for (arguments, flag, directory) in [
            (&["fit", "--resume", "other"][..], "--export", "other"),
            (&[&FIT[..], &["--out", "empty"]].concat(), "--export", "empty"),
            (&FIT[..], "--export", "other"),
            (&["export", "run", "--calibration", "range"], "--out", "run"),
            (&["export", "run"], "--out", "other"),
            (&["frames", "model.bin"], "--out", "other"),
            (&["report", "run"], "--out", "./run/../other"),
            (&["report", "run", "other"], "--out", "run"),
            (&["eval", "model.bin"], "--answers", "other"),
            (&["eval", "model.bin", "--data", "nowhere"], "--list-unreadable", "other"),
        ] {
            let file = format!("{directory}/{name}");
            // What is not there yet is refused by its name first.
            let is_of_another_format =
                directory == "empty" && !(name.ends_with(".bin") || name.ends_with(".txt") || !name[1..].contains('.'));
            let expected = match is_of_another_format {
                true => format!("{flag} {file}: a model file has another format; name it .bin"),
                false => format!("{flag} {file} is a file that the run there writes itself; name another"),
            };
            assert_fails(path, &[arguments, &[flag, &file]].concat(), 2, &[&expected]);
        }
    }
    #[cfg(unix)]
    assert_fails(path, &["fit", "--resume", "other", "--export", "link"], 2, &["--export link is a file that the run"]);
    assert!(before == files(path));

    // What is the run's own is replaced by the same, and other names are free.
    fs::remove_file(path.join("run/model.bin")).unwrap();
    succeed(path, &["export", "run", "--out", "run/model.bin"]);
    succeed(path, &["frames", "run/model.bin", "--out", "run/frames.bin"]);
    succeed(path, &["report", "run", "--out", "run/report.html"]);
    succeed(path, &["export", "run", "--calibration", "range", "--out", "run/mine.bin"]);
}

#[test]
fn the_directory_of_the_run_is_no_place_for_a_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    fs::create_dir(path.join("e")).unwrap();
    for (export, out) in [("r", "r"), ("./q", "q/r"), ("q/../r", "./r")] {
        let expected =
            format!("--export {export} cannot be a file, as the run goes there, to --out {out}; name another");
        let expected = if export.contains("..") { "there is no directory q".to_owned() } else { expected };
        assert_fails(path, &[&FIT[..], &["--export", export, "--out", out]].concat(), 2, &[&expected]);
    }
    let default = "cannot be a file, as the run goes there, to --out runs (the default); name another";
    assert_fails(path, &[&FIT[..], &["--export", "runs"]].concat(), 2, &["--export runs ", default]);
    fs::create_dir(path.join("runs")).unwrap();
    let run = "./runs/mlp-garments-48-1";
    assert_fails(path, &[&FIT[..], &["--export", run]].concat(), 2, &[run, default]);
    assert_eq!(fs::read_dir(path).unwrap().count(), 2, "nothing is left behind");
    succeed(path, &[&FIT[..], &["--export", "runs/mlp-garments-49-1"]].concat());
    succeed(path, &[&FIT[..], &["--export", "e/mine.bin", "--out", "e"]].concat());
}

#[test]
fn two_outputs_of_a_command_are_two_files() {
    let (home, _) = short_run();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..9, (28, 28), "png").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("z", path.join("link")).unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2"];
    let mut cases: Vec<(&[&str], &str, &str, &str)> = vec![
        (&fit, "--export", "./z", "z"),
        (&["eval", "model.bin", "--data", "shapes"], "--answers", "s.txt", "./s.txt"),
        (&["frames", "model.bin", "--data", "shapes"], "--out", "run/../s.txt", "s.txt"),
    ];
    if cfg!(unix) {
        cases.push((&fit, "--export", "z", "link"));
    }
    for (arguments, flag, file, list) in cases {
        let expected = format!("--list-unreadable {list} is the same file as {flag} {file}; name another");
        assert_fails(path, &[arguments, &[flag, file, "--list-unreadable", list]].concat(), 2, &[&expected]);
    }
    let expected = "--list-unreadable frames.bin: a list of unreadable files has another format; name it .txt";
    assert_fails(path, &["frames", "model.bin", "--data", "shapes", "--list-unreadable", "frames.bin"], 2, &[expected]);
    assert!(!path.join("z").exists() && !path.join("s.txt").exists() && !path.join("runs").exists());
}

#[test]
fn a_directory_for_a_run_that_is_none_is_named_before_the_images_are_decoded() {
    let (home, _) = short_run();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..3, (8, 8), "png").unwrap();
    // What is decoded is named.
    fs::write(path.join("shapes/disc/broken.png"), "no image").unwrap();
    fs::write(path.join("file"), "precious").unwrap();
    for name in ["e", "full"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    fs::write(path.join("full/notes.txt"), "precious").unwrap();
    let fit = |out: &str, expected: &str| {
        let arguments = ["fit", "--data", "shapes", "--model", "mlp", "--out", out];
        assert_fails(path, &arguments, 2, &[&format!("error: --out {out}{expected}")]);
    };
    fit("full", " exists already and is not empty, and a run never overwrites an older one; name another --out");
    fit("run", " exists already and is not empty");
    fit("file", " is a file; name a directory");
    fit("file/run", ": file is a file; name a directory");
    #[cfg(target_os = "linux")]
    {
        std::os::unix::fs::symlink("nowhere", path.join("link")).unwrap();
        fit("link", " is a link to nowhere, and nothing is there; make that directory, or name another");
        fit("link/run", ": link is a link to nowhere");
        std::os::unix::fs::symlink("circle", path.join("circle")).unwrap();
        fit("circle", ": Too many levels of symbolic links");
        // It may be a disk that is full for now.
        let arguments = ["fit", "--data", "shapes", "--model", "mlp", "--out", "/proc/run"];
        assert_fails(path, &arguments, 1, &["error: --out /proc/run: /proc: nothing can be written there: "]);
        let plot = ["plot", "run", "--out", "link"];
        assert_fails(path, &plot, 2, &["--out link is a link to nowhere"]);
        assert_fails(path, &["plot", "run", "--out", "/proc/x"], 1, &["--out /proc/x: /proc: nothing can be written"]);
    }
    assert_fails(path, &["plot", "run", "--out", "file"], 2, &["--out file is a file; name a directory"]);
    let arguments = ["fit", "--data", "shapes", "--out", "e", "--list-unreadable", "e/broken.txt"];
    let expected = "--list-unreadable e/broken.txt is in --out e, which has to be empty when the run begins";
    assert_fails(path, &arguments, 2, &[expected]);
    fs::write(path.join("runs"), "precious").unwrap();
    let expected = "error: --out runs (the default) is a file; name a directory";
    assert_fails(path, &["fit", "--data", "shapes"], 2, &[expected]);
    assert_eq!(fs::read_dir(path.join("e")).unwrap().count(), 0);
}

#[test]
fn nothing_is_written_among_the_images_of_a_run() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..9, (8, 8), "png").unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2", "--out", "run"];
    succeed(path, &fit);
    fs::copy(path.join("run/model.bin"), path.join("model.bin")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("shapes/disc/new", path.join("link")).unwrap();
    shapes::write(&path.join("more"), 20..29, (8, 8), "png").unwrap();
    let mut cases: Vec<(&[&str], &str, &str)> = vec![
        (&["report", "run"], "--out", "shapes/disc/x.html"),
        (&["report", "run", "run"], "--out", "shapes/x.html"),
        (&["export", "run"], "--out", "shapes/disc/m.bin"),
        (&["eval", "model.bin", "--data", "more", "--run", "run"], "--answers", "shapes/disc/a.csv"),
        (&["eval", "run/model.bin", "--data", "more"], "--answers", "shapes/disc/a.csv"),
        (&["frames", "model.bin", "--data", "more", "--run", "run"], "--out", "shapes/disc/some.frames"),
    ];
    if cfg!(unix) {
        cases.extend([(&["report", "run"][..], "--out", "link"), (&["export", "run"], "--out", "link")]);
    }
    for (arguments, flag, out) in cases {
        let expected = [&format!("{flag} {out} is inside "), "shapes, among the images; name a file elsewhere"];
        assert_fails(path, &[arguments, &[flag, out]].concat(), 2, &expected);
    }
    fs::remove_file(path.join("run/metrics.json")).unwrap();
    let resume = ["fit", "--resume", "run", "--export", "shapes/disc/m.bin"];
    assert_fails(path, &resume, 2, &["--export shapes/disc/m.bin is inside ", "among the images"]);
    assert_eq!(fs::read_dir(path.join("shapes/disc")).unwrap().count(), 9);
}

#[test]
fn a_dash_or_the_name_of_a_directory_is_no_name_of_a_file() {
    let (home, _) = short_run();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..9, (28, 28), "png").unwrap();
    for (arguments, flag, what) in [
        (&FIT[..], "--export", "file"),
        (&FIT[..], "--out", "directory"),
        (&["fit", "--data", "shapes"], "--list-unreadable", "file"),
        (&["export", "run"], "--out", "file"),
        (&["frames", "model.bin"], "--out", "file"),
        (&["report", "run"], "--out", "file"),
        (&["eval", "model.bin"], "--answers", "file"),
        (&["eval", "model.bin", "--data", "shapes"], "--list-unreadable", "file"),
        (&["plot", "run"], "--out", "directory"),
        (&["plot", "run", "--figure", "curves"], "--out", "directory"),
    ] {
        let expected = format!("{flag} -: name a {what}; - means nothing here, and ./- is the {what} of that name");
        assert_fails(path, &[arguments, &[flag, "-"]].concat(), 2, &[&expected]);
        if what == "file" {
            for name in ["./m.bin/", "m.bin/."] {
                let expected = format!("{flag} {name} ends in a slash, as the name of a directory; name a file");
                assert_fails(path, &[arguments, &[flag, name]].concat(), 2, &[&expected]);
            }
        }
    }
    assert!(!path.join("-").exists() && !path.join("m.bin").exists() && !path.join("runs").exists());
    succeed(path, &["export", "run", "--out", "./-"]);
    assert!(path.join("-").is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn a_current_directory_that_was_removed_is_named() {
    let home = tempfile::tempdir().unwrap();
    for arguments in ["fit --dataset garments", "fit --dataset garments --out run", "predict model.bin x.png"] {
        let command = format!("mkdir gone && cd gone && rmdir ../gone && exec \"$0\" {arguments}");
        let output = assert_cmd::Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_trainer")])
            .current_dir(home.path())
            .output()
            .unwrap();
        let error = super::text(&output.stderr);
        let expected = "error: the current directory no longer exists; change to another one: ";
        assert!(error.starts_with(expected) && output.status.code() != Some(0), "{arguments}: {error}");
    }
    assert!(trainer(home.path(), &["models"]).status.success());
}
