//! What a fit prints for people, for programs, and not at all; colors; completions and manual pages.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use assert_cmd::Command;
use serde_json::Value;

use super::{assert_fails, succeed, text, trainer};

const FIT: [&str; 9] = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "2", "--out", "run"];

fn fit(directory: &Path, flags: &[&str]) -> Output {
    trainer(directory, &[&FIT[..], flags].concat())
}

/// The same with these variables, which concern colors.
fn fit_with(variables: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let output = command.args(FIT).current_dir(&home).envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_quiet_fit_prints_nothing_and_leaves_everything() {
    let home = tempfile::tempdir().unwrap();
    let output = fit(home.path(), &["--quiet", "--export", "model.bin"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(0), String::new(), String::new())
    );
    assert!(home.path().join("run/report.html").exists() && home.path().join("model.bin").exists());
    let failed = fit(home.path(), &["--quiet"]);
    assert_eq!(failed.status.code(), Some(2));
    assert!(text(&failed.stderr).contains("run"), "errors are printed all the same: {}", text(&failed.stderr));
}

#[test]
fn each_epoch_and_the_results_are_reported_to_programs_in_lines_of_json() {
    let home = tempfile::tempdir().unwrap();
    let output = fit(home.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let events: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["epoch", "epoch", "finished"]);
    assert_eq!((&events[0]["epoch"], &events[0]["is_best"]), (&1.into(), &true.into()));
    assert!(events[1]["validation"]["accuracy"].as_f64().unwrap() > 0.5);
    let metrics: Value = serde_json::from_slice(&std::fs::read(home.path().join("run/metrics.json")).unwrap()).unwrap();
    for (key, value) in metrics.as_object().unwrap() {
        assert_eq!(&events[2][key], value, "{key} is what metrics.json has");
    }
    assert_eq!(events[2]["run"], "run");
    let both = fit(home.path(), &["--json", "--quiet"]);
    assert_eq!(both.status.code(), Some(2), "--quiet and --json exclude each other");
}

#[test]
fn what_a_fit_prints_is_at_most_80_columns_wide() {
    let home = tempfile::tempdir().unwrap();
    let output = fit(home.path(), &["--chip", "stm32h743zi"]);
    for line in text(&output.stdout).lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}

#[test]
fn colors_are_for_terminals_and_for_who_forces_them() {
    assert!(!fit_with(&[]).contains('\u{1b}'), "a pipe is no terminal");
    let forced = fit_with(&[("CLICOLOR_FORCE", "1")]);
    assert!(forced.contains("\u{1b}[32m  best\u{1b}[0m"), "{forced}");
    assert!(!fit_with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'), "NO_COLOR has effect");
}

#[test]
fn every_shell_gets_completions_with_the_flags() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = text(&trainer(home.path(), &["completions", shell]).stdout);
        for word in ["fit", "max-flash", "quantization", "calibration"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    assert_eq!(trainer(home.path(), &["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["models"][..], &["chips"], &["completions", "zsh"]] {
        let output = without_a_reader(home.path(), arguments);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_fit_continues_to_its_model_when_nobody_reads_along_any_more() {
    for flags in [&[][..], &["--json"]] {
        let home = tempfile::tempdir().unwrap();
        let output = without_a_reader(home.path(), &[&FIT[..], &["--export", "model.bin"], flags].concat());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        assert!(home.path().join("model.bin").is_file() && home.path().join("run/report.html").is_file());
    }
}

/// With a standard output whose reader is gone before anything is printed.
fn without_a_reader(directory: &Path, arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(arguments).current_dir(directory).stdout(writer).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let home = tempfile::tempdir().unwrap();
    let (printed, _) = succeed(home.path(), &["man", "--out", "share/man1"]);
    let directory = home.path().join("share/man1");
    let mut names: Vec<String> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(printed, format!("{} manual pages in share/man1\n", names.len()));
    for name in ["trainer.1", "trainer-fit.1", "trainer-man.1", "trainer-search.1"] {
        assert!(names.iter().any(|there| there == name), "{name}: {names:?}");
    }
    let page = fs::read_to_string(directory.join("trainer-fit.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains(".TH trainer-fit 1") && page.contains("max\\-flash"), "{page}");
    // A page is replaced, and a file where the directory should be is not.
    succeed(home.path(), &["man", "--out", "share/man1"]);
    fs::write(home.path().join("taken"), "").unwrap();
    assert_fails(home.path(), &["man", "--out", "taken"], 2, &["taken", "is a file; name a directory"]);
}
