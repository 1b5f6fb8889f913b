//! Files that a command writes where its user says: another file that is there is not lost.

use std::fs;

use super::{assert_fails, shapes, short_run, succeed, text, trainer};

const FIT: [&str; 8] = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--export"];

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_goes_to_a_file_is_not_replaced() {
    let (home, _) = short_run();
    let path = home.path();
    let eval = |to: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(["eval", "model.bin", "--dataset", "garments", "--answers", to]).current_dir(path);
        command.stdout(fs::File::create(path.join("printed.txt")).unwrap()).output().unwrap()
    };
    for to in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let output = eval(to);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{to}: {error}");
        assert!(error.contains(&format!("--answers {to} leads to a file, ")), "{error}");
    }
    assert_eq!(eval("answers.csv").status.code(), Some(0));
    assert!(fs::read_to_string(path.join("printed.txt")).unwrap().contains("accuracy"));
}

#[test]
fn a_file_of_another_kind_is_never_overwritten() {
    let (home, _) = short_run();
    let path = home.path();
    fs::write(path.join("img.png"), "precious").unwrap();
    for (arguments, kind) in [
        (&FIT[..], "a model file"),
        (&["export", "run", "--out"], "a model file"),
        (&["frames", "model.bin", "--out"], "a file of frames"),
        (&["report", "run", "--out"], "a page of trainer report"),
        (&["eval", "model.bin", "--answers"], "a file of answers"),
        (&["plot", "run", "--figure", "curves", "--out"], "a PNG image"),
        (&["eval", "model.bin", "--data", "run", "--list-unreadable"], "a list of unreadable files"),
    ] {
        let expected = format!("img.png exists and is not {kind}; name another");
        assert_fails(path, &[arguments, &["img.png"]].concat(), 2, &[&expected]);
    }
    assert!(!path.join("runs").exists(), "found out before the training");
    assert_eq!(fs::read_to_string(path.join("img.png")).unwrap(), "precious");

    for (arguments, name, expected) in [
        (&FIT[..], "new.safetensors", "a model file has another format; name it .bin"),
        (&["export", "run", "--out"], "new.TFLite", "a model file has another format; name it .bin"),
        (&["frames", "model.bin", "--out"], "new.csv", "a file of frames has another format; name it .bin"),
        (&["report", "run", "--out"], "new.pdf", "a page of trainer report has another format; name it .html"),
        (&["demo", "model.bin", "--out"], "new.md", "a page of trainer demo has another format; name it .html"),
        (&["eval", "model.bin", "--answers"], "new.json", "a file of answers has another format; name it .csv"),
        (
            &["eval", "model.bin", "--data", "run", "--list-unreadable"],
            "new.png",
            "a list of unreadable files has another format; name it .txt",
        ),
    ] {
        assert_fails(path, &[arguments, &[name]].concat(), 2, &[&format!("{name}: {expected}")]);
        assert!(!path.join(name).exists(), "{name}");
    }

    // Names that nobody gave are no reason to overwrite either.
    for (name, arguments) in [
        ("comparison.html", &["report", "run", "run"][..]),
        ("curves.svg", &["plot", "run", "run"]),
        ("frames.bin", &["frames", "model.bin"]),
    ] {
        fs::write(path.join(name), "precious").unwrap();
        assert_fails(path, arguments, 2, &[&format!("{name} exists and is not ")]);
        assert_eq!(fs::read_to_string(path.join(name)).unwrap(), "precious");
    }
}

#[test]
fn an_empty_file_and_one_of_the_same_kind_are_replaced() {
    let (home, _) = short_run();
    let path = home.path();
    for (arguments, out) in [
        (&["export", "run", "--out"][..], "again.bin"),
        (&["frames", "model.bin", "--out"], "garments.frames"),
        (&["report", "run", "--out"], "page.html"),
        (&["eval", "model.bin", "--answers"], "answers.csv"),
        (&["plot", "run", "--figure", "curves", "--out"], "curves.svg"),
        (&["plot", "run", "--figure", "curves", "--out"], "curves.png"),
    ] {
        fs::write(path.join(out), "").unwrap();
        let arguments = [arguments, &[out]].concat();
        succeed(path, &arguments);
        let first = fs::read(path.join(out)).unwrap();
        succeed(path, &arguments);
        assert!(!first.is_empty() && fs::read(path.join(out)).unwrap() == first, "{out}");
    }
}

#[test]
fn nothing_is_written_among_the_images() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("shapes"), 0..9, (8, 8), "png").unwrap();
    let fit = ["fit", "--data", "shapes", "--model", "mlp", "--epochs", "1", "--val-fraction", "0.2"];
    succeed(path, &[&fit[..], &["--out", "run"]].concat());
    let fit = [&fit[..], &["--out", "other"]].concat();
    let cases: [(&[&str], &str, &str); 7] = [
        (&fit, "--export", "shapes/disc/m.bin"),
        (&fit, "--list-unreadable", "shapes/disc/list.txt"),
        (&["export", "run", "--calibration", "range", "--data", "shapes"], "--out", "shapes/disc/m.bin"),
        (&["eval", "run/model.bin", "--data", "shapes"], "--answers", "shapes/disc/a.csv"),
        (&["frames", "run/model.bin", "--data", "shapes"], "--out", "shapes/some.frames"),
        (&["plot", "run", "--figure", "curves"], "--out", "shapes/disc/curves.png"),
        (&["plot", "run"], "--out", "shapes/figures"),
    ];
    for (arguments, flag, out) in cases {
        let arguments = [arguments, &[flag, out]].concat();
        assert_fails(
            path,
            &arguments,
            2,
            &[&format!("{flag} {out}"), "shapes, among the images; name a file elsewhere"],
        );
    }
    assert!(!path.join("other").exists() && !path.join("shapes/figures").exists());
    assert_eq!(fs::read_dir(path.join("shapes/disc")).unwrap().count(), 9);
}

#[test]
fn a_directory_that_is_not_there_is_named_and_no_temporary_file() {
    let (home, _) = short_run();
    for (arguments, flag) in [
        (&["export", "run"][..], "--out"),
        (&["frames", "model.bin"], "--out"),
        (&["report", "run"], "--out"),
        (&["eval", "model.bin"], "--answers"),
        (&["plot", "run", "--figure", "curves"], "--out"),
    ] {
        let output = trainer(home.path(), &[arguments, &[flag, "nope/x.svg"]].concat());
        let expected = format!("error: {flag} nope/x.svg: there is no directory nope\n");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), expected), "{arguments:?}");
    }
}
