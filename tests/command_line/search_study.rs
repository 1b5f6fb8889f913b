//! `trainer search --storage`: what is refused before a study is reached. What a study does is in `.ci/search-workers`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

use super::{text, trainer};

const URL: &str = "postgresql://searcher:s3cret@127.0.0.1:1/searches";

fn search<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["search", "conv", "--dataset", "garments", "--storage", url, "--study", "quick"], more].concat()
}

#[test]
fn a_storage_that_is_none_is_refused_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    for (url, expected) in [
        ("searcher:s3cret@host/searches", "the storage is not a URL; it must be like postgresql://user@host/database"),
        ("mysql://searcher:s3cret@host/searches", "storage mysql:// is not supported; postgresql:// is"),
        ("postgresql+pg8000://searcher:s3cret@host/searches", "the driver pg8000 is not supported"),
    ] {
        let refused = trainer(directory.path(), &search(url, &[]));
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{error}");
        assert!(error.starts_with("error: --storage: ") && error.contains(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_study_and_its_storage_need_each_other_and_exclude_what_is_of_one_machine() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (vec!["search", "conv", "--storage", URL], "--study"),
        (vec!["search", "conv", "--study", "quick"], "--storage"),
        (search(URL, &["--final", "2"]), "--final"),
        (search(URL, &["--describe"]), "--describe"),
        (search(URL, &["--heartbeat", "0"]), "at least 1"),
        (search(URL, &["--objectives", "flash"]), "accuracy must be one of them"),
        (vec!["search", "conv", "--storage", URL, "--study", "a/b"], "cannot name a directory; give one with --out"),
        (vec!["search", "conv", "--sampler", "nsga2"], "--sampler nsga2 is Optuna's: give --storage"),
    ] {
        let refused = trainer(directory.path(), &arguments);
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected) && !error.contains("s3cret"), "{arguments:?}: {error}");
    }
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none(), "something was written");
}

/// A `python3` in a directory of its own, which is all of the path.
#[cfg(unix)]
fn with_python(directory: &Path, script: &str, arguments: &[&str]) -> std::process::Output {
    let programs = directory.join("programs");
    fs::create_dir_all(&programs).unwrap();
    let python = programs.join("python3");
    // Written by another process: what this one has open, a child that another test begins may hold, and it cannot be run then.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let written = std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&python).arg(script).status();
    assert!(written.unwrap().success());
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(arguments)
        .current_dir(directory)
        .env("PATH", &programs)
        .output()
        .unwrap()
}

#[cfg(unix)]
#[test]
fn missing_packages_are_named_with_the_command_that_installs_them() {
    let directory = tempfile::tempdir().unwrap();
    let lacking = with_python(directory.path(), "echo optuna; echo psycopg", &search(URL, &[]));
    let error = text(&lacking.stderr);
    assert_eq!(lacking.status.code(), Some(1), "{error}");
    let expected = "error: python3 has no optuna and no psycopg; install it: python3 -m pip install \"optuna>=5\" \"psycopg[binary]\"\n";
    assert_eq!(error, expected);

    let nowhere = search(URL, &["--python", "nowhere/python3"]);
    let missing = trainer(directory.path(), &nowhere);
    let error = text(&missing.stderr);
    assert_eq!(missing.status.code(), Some(1), "{error}");
    assert!(error.starts_with("error: no Python found (nowhere/python3): install Python 3.9 or later"), "{error}");
    assert!(!directory.path().join("runs").exists());
}

#[cfg(unix)]
#[test]
fn the_worker_gets_its_job_by_the_environment_and_no_command_line_has_the_password() {
    let directory = tempfile::tempdir().unwrap();
    // The first call looks for packages, the second one is the worker.
    let script = "if [ $# -gt 3 ] && [ \"$3\" = optuna ]; then exit 0; fi\n\
                  printf '%s\\n' \"$*\" \"$THIMBLE_SEARCH_JOB\"; exit 7";
    let worker =
        with_python(directory.path(), script, &search(URL, &["--trials", "9", "--max-model", "64K", "--quiet"]));
    let printed = text(&worker.stdout);
    assert_eq!(worker.status.code(), Some(7), "{printed}{}", text(&worker.stderr));
    let (command, job) = printed.split_once('\n').unwrap();
    assert!(command.ends_with("trainer search quick") && !command.contains("s3cret"), "{command}");
    let job: serde_json::Value = serde_json::from_str(job.trim()).unwrap();
    assert_eq!(job["storage"], "postgresql+psycopg://searcher:s3cret@127.0.0.1:1/searches");
    assert_eq!(job["shown_storage"], "postgresql://searcher:***@127.0.0.1:1/searches");
    assert_eq!((&job["trials"], &job["objectives"][0]["name"]), (&9.into(), &"accuracy".into()));
    let trial: Vec<&str> = job["trial"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(trial[1], "search");
    assert!(trial[2].ends_with("runs/quick/space.toml") && Path::new(trial[2]).is_absolute(), "{trial:?}");
    assert_eq!(trial[3], "--attached");
    assert!(trial[4..].contains(&"--max-model=64K") && !trial.iter().any(|word| word.contains("s3cret")), "{trial:?}");

    // The same directory has no room for the trials of another space.
    let mut other = search(URL, &[]);
    other[1] = "separable";
    let refused = with_python(directory.path(), script, &other);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("has the trials of another space; name another directory"));
}
