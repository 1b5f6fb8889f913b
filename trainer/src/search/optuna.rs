//! Search on many machines: the study is in Optuna's relational storage, and a Python script of this file runs its trials.
//!
//! Samplers, pruners, constraints, heartbeats and repeats of lost trials are Optuna's. The script (`worker.py`) calls
//! `Study.optimize`, whose objective starts the trainer for each trial: Optuna's heartbeat does not work with its ask-and-tell interface,
//! by which the trainer could otherwise have run the trials itself.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::budget::DataFacts;
use super::halving::Halving;
use super::parameter::Parameter;
use super::ranking::Objective;
use super::storage_url::StorageUrl;

/// The script that runs trials.
const WORKER: &str = include_str!("worker.py");

/// Environment variables that the script and its job are in: other users of the machine see command lines, and not these.
const SCRIPT_VARIABLE: &str = "THIMBLE_SEARCH_WORKER";
const JOB_VARIABLE: &str = "THIMBLE_SEARCH_JOB";

/// Runs the script that is in the environment variable. The current directory is no place to import from: it may hold anything.
const START: &str = "import os, sys; sys.path = [path for path in sys.path if path]; \
                     exec(compile(os.environ.pop('THIMBLE_SEARCH_WORKER'), 'worker.py', 'exec'))";

/// Prints the names of those packages that are not there, or too old.
const CHECK: &str = "
import sys
sys.path = [path for path in sys.path if path]
from importlib import metadata, util
for package in sys.argv[1:]:
    if util.find_spec(package) is None:
        print(package)
    elif package == 'optuna' and int(metadata.version(package).split('.')[0]) < 5:
        print(package, metadata.version(package))
";

/// The Optuna that the script is written for, as pip takes it.
const OPTUNA: &str = "optuna>=5";

/// Why there is no Python that can run trials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// None of these is there.
    #[error("no Python found ({tried}): install Python 3.9 or later, or name one with --python PATH")]
    NotFound {
        /// Names or paths that were tried.
        tried: String,
    },
    /// It cannot be started, or fails.
    #[error("{python} does not run: {reason}; name another Python with --python PATH")]
    Fails {
        /// Its name or path.
        python: String,
        /// What the system or Python reports.
        reason: String,
    },
    /// Packages are missing or too old.
    #[error("{python} has no {missing}; install it: {command}")]
    Missing {
        /// Its name or path.
        python: String,
        /// The packages.
        missing: String,
        /// What installs them.
        command: String,
    },
}

/// A Python that has what the script needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python(PathBuf);

impl Python {
    /// The one at `named`, else `python3` or `python` of the path, with Optuna and the driver of a storage.
    ///
    /// # Errors
    /// Where there is none, or without these packages: the message has the command that installs them.
    pub fn find(named: Option<&Path>, storage: &StorageUrl) -> Result<Self, PythonError> {
        let candidates = named.map_or_else(|| vec!["python3".into(), "python".into()], |path| vec![path.to_owned()]);
        let packages: Vec<&str> = ["optuna"].into_iter().chain(storage.driver()).collect();
        for candidate in &candidates {
            let python = candidate.display().to_string();
            let mut check = Command::new(candidate);
            check.arg("-c").arg(CHECK).args(&packages).stdin(Stdio::null());
            let output = match check.output() {
                Ok(output) => output,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(PythonError::Fails { python, reason: error.to_string() }),
            };
            if !output.status.success() {
                let messages = String::from_utf8_lossy(&output.stderr);
                let reason = messages.lines().last().unwrap_or("it ends with an error and no message").to_owned();
                return Err(PythonError::Fails { python, reason });
            }
            let printed = String::from_utf8_lossy(&output.stdout);
            let missing: Vec<&str> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            return if missing.is_empty() { Ok(Self(candidate.clone())) } else { Err(lacking(&python, &missing)) };
        }
        let tried: Vec<String> = candidates.iter().map(|candidate| candidate.display().to_string()).collect();
        Err(PythonError::NotFound { tried: tried.join(", ") })
    }

    /// Runs trials until the study has enough, in place of this process where the system can do that: a signal that ends the one ends
    /// the other. Returns the exit code where it cannot.
    ///
    /// # Errors
    /// Where Python cannot be started.
    pub fn run(&self, job: &Job<'_>) -> io::Result<i32> {
        let mut worker = Command::new(&self.0);
        worker.args(["-c", START, "trainer search", job.study]);
        worker.env(SCRIPT_VARIABLE, WORKER).env(JOB_VARIABLE, serde_json::to_string(job)?);
        replace(worker)
    }
}

#[cfg(unix)]
fn replace(mut worker: Command) -> io::Result<i32> {
    use std::os::unix::process::CommandExt;
    Err(worker.exec())
}

#[cfg(not(unix))]
fn replace(mut worker: Command) -> io::Result<i32> {
    worker.status().map(|status| status.code().unwrap_or(1))
}

fn lacking(python: &str, missing: &[&str]) -> PythonError {
    let wanted = |line: &&str| match line.split_once(' ') {
        Some((package, version)) => format!("{package} 5 or later, but {version}"),
        None => (*line).to_owned(),
    };
    let package = |line: &&str| match line.split(' ').next() {
        Some("optuna") => format!("\"{OPTUNA}\""),
        Some("psycopg") => "\"psycopg[binary]\"".to_owned(),
        _ => (*line).to_owned(),
    };
    let packages: Vec<String> = missing.iter().map(package).collect();
    PythonError::Missing {
        python: python.to_owned(),
        missing: missing.iter().map(wanted).collect::<Vec<_>>().join(" and no "),
        command: format!("{python} -m pip install {}", packages.join(" ")),
    }
}

/// What a study is for, as Optuna takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// `accuracy`, `flash`, `ram` or `milliseconds`: names of what the trainer reports of a trial.
    pub name: &'static str,
    /// `maximize` or `minimize`.
    pub direction: &'static str,
}

impl From<Objective> for Goal {
    fn from(objective: Objective) -> Self {
        let (name, direction) = match objective {
            Objective::Accuracy => ("accuracy", "maximize"),
            Objective::Flash => ("flash", "minimize"),
            Objective::Ram => ("ram", "minimize"),
            Objective::Time => ("milliseconds", "minimize"),
        };
        Self { name, direction }
    }
}

/// Optuna's samplers that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Tree-structured Parzen estimators, which take trials that others run for bad ones.
    #[default]
    Tpe,
    /// A genetic algorithm for several objectives.
    Nsga2,
    /// By chance, to compare with.
    Random,
}

/// What the script is to do. It goes through the environment, as JSON.
#[derive(Clone, Serialize)]
pub struct Job<'a> {
    /// The storage with its password.
    pub storage: &'a str,
    /// The storage as messages show it.
    pub shown_storage: String,
    /// What no message may show.
    pub secrets: &'a [String],
    /// Name of the study.
    pub study: &'a str,
    /// What the study has to be of: fingerprints of the space and the data set, budget, epochs. The first worker notes it, and others have
    /// to agree.
    pub identity: BTreeMap<&'static str, String>,
    /// Parameters of the space, as `trainer search --describe` prints them.
    pub parameters: &'a [Parameter],
    /// What is known of the images, so that a trial that does not fit reads none.
    pub data: &'a DataFacts,
    /// What the study is for.
    pub objectives: Vec<Goal>,
    /// How candidates are chosen.
    pub sampler: Sampler,
    /// Candidates that the study trains, by all workers.
    pub trials: usize,
    /// Seconds after which this worker begins no further trial.
    pub seconds: Option<f64>,
    /// Trials at the same time, of this worker.
    pub workers: usize,
    /// Threads of a trial, where the environment has no `RAYON_NUM_THREADS`.
    pub threads: usize,
    /// What the seeds of trials are counted from.
    pub seed: u64,
    /// Epochs of a trial.
    pub epochs: usize,
    /// Which trials end early, where there is one objective; Optuna's pruners are for one.
    pub halving: Option<Halving>,
    /// Seconds between heartbeats; after three without one a trial is taken for lost.
    pub heartbeat: usize,
    /// Directory of the trials.
    pub out: &'a Path,
    /// The command of a trial, without its file and its directory.
    pub trial: Vec<String>,
    /// Whether it prints nothing but warnings and errors.
    pub quiet: bool,
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The result of a Python that does what a shell script does.
    fn find(script: &str, url: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let python = directory.path().join("python3");
        // Written by another process: what this one has open, a child that another test begins may hold, and it cannot be run then.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let written = Command::new("sh").args(["-c", write, "sh"]).arg(&python).arg(script).status();
        assert!(written.unwrap().success());
        let found = Python::find(Some(&python), &StorageUrl::parse(url).unwrap());
        let text = found.map_or_else(|error| error.to_string(), |_| "found".to_owned());
        text.replace(&python.display().to_string(), "PYTHON")
    }

    #[test]
    fn a_missing_package_is_named_with_the_command_that_installs_it() {
        let postgresql = "postgresql://u:s3cret@host/db";
        for (script, url, expected) in [
            ("echo optuna", "sqlite:///a.db", "PYTHON has no optuna; install it: PYTHON -m pip install \"optuna>=5\""),
            (
                "echo optuna; echo psycopg",
                postgresql,
                "PYTHON has no optuna and no psycopg; install it: PYTHON -m pip install \"optuna>=5\" \"psycopg[binary]\"",
            ),
            (
                "echo psycopg",
                postgresql,
                "PYTHON has no psycopg; install it: PYTHON -m pip install \"psycopg[binary]\"",
            ),
            (
                "echo optuna 4.6.0",
                "sqlite:///a.db",
                "PYTHON has no optuna 5 or later, but 4.6.0; install it: PYTHON -m pip install \"optuna>=5\"",
            ),
            ("exit 0", postgresql, "found"),
        ] {
            assert_eq!(find(script, url), expected);
        }
    }

    #[test]
    fn only_the_driver_of_the_storage_is_looked_for() {
        // The packages are all that follows -c and the script.
        let names = "shift 2; for name; do echo $name; done";
        assert!(find(names, "sqlite:///a.db").starts_with("PYTHON has no optuna; "));
        assert!(find(names, "postgresql://host/db").starts_with("PYTHON has no optuna and no psycopg; "));
    }

    #[test]
    fn a_python_that_is_not_there_or_fails_is_an_error_that_says_so() {
        let storage = StorageUrl::parse("sqlite:///a.db").unwrap();
        let missing = Python::find(Some(Path::new("/nowhere/python3")), &storage).unwrap_err().to_string();
        assert!(
            missing.starts_with("no Python found (/nowhere/python3): ") && missing.contains("--python"),
            "{missing}"
        );
        let fails = find("echo Traceback >&2; echo 'SyntaxError: invalid syntax' >&2; exit 1", "sqlite:///a.db");
        assert_eq!(fails, "PYTHON does not run: SyntaxError: invalid syntax; name another Python with --python PATH");
    }
}
