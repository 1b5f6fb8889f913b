//! The scripts of this repository: none begins its work, which may take hours, where it is asked what it does.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

use super::text;

/// All scripts that people start in these folders, and some of others: not what others read or call.
fn scripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let in_directory = |directory: &str| {
        let entries = fs::read_dir(root.join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let read_by_others = ["shared.bash", "browser.bash", "chromium.py", "wasi.mjs"];
    let ci = in_directory(".ci").into_iter().filter(|path| !read_by_others.iter().any(|name| path.ends_with(name)));
    let firmware =
        in_directory("firmware-tests").into_iter().filter(|path| path.extension().is_some_and(|it| it == "sh"));
    let others = ["fuzz/run", "demo-page/build.sh", "benchmarks/browser/compare.sh"].map(|path| root.join(path));
    let scripts: Vec<PathBuf> = ci.chain(firmware).chain(others).collect();
    assert!(scripts.len() >= 19, "{scripts:?}");
    scripts
}

#[test]
fn scripts_answer_help_and_refuse_unknown_options() {
    for script in scripts() {
        let is_python = script.extension().is_some_and(|extension| extension == "py");
        if is_python && std::process::Command::new("python3").arg("--version").output().is_err() {
            continue;
        }
        let run = |option: &str| {
            let mut command = Command::new(if is_python { "python3" } else { "bash" });
            command.arg(&script).arg(option).timeout(Duration::from_secs(60)).output().unwrap()
        };
        let help = run("--help");
        let printed = text(&help.stdout);
        assert_eq!(help.status.code(), Some(0), "{}: {}", script.display(), text(&help.stderr));
        assert!((2..=20).contains(&printed.lines().count()), "{}: {printed}", script.display());
        assert!(!printed.starts_with('#') && !printed.contains("set -"), "{printed}");
        let refused = run("--no-such-option");
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{}: {error}", script.display());
        assert!(error.starts_with("error: ") && error.contains("--help"), "{}: {error}", script.display());
    }
}
