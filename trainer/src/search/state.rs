//! The state of a search: a file to which a line of JSON is added for everything that happens, `trials.jsonl`.
//!
//! A line that anything follows from is on the disk before that is done. Whatever ends the process, at most the last line is cut off,
//! and a trial without an end was running: it is tried again under its own number, with its own values and seed.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::budget::Requirements;
use super::parameter::Values;
use crate::support::bounded_file;
use crate::support::limits::TRIALS;

/// The file's name.
pub const FILE: &str = "trials.jsonl";

/// How often a trial may end without a result before it counts as failed.
pub const MOST_CRASHES: usize = 3;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which trial, counted from 0.
    pub trial: usize,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens to a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Its candidate does not fit, and is not trained.
    Refused {
        /// The values of the candidate.
        parameters: Values,
        /// What it would take.
        requirements: Requirements,
    },
    /// Its candidate cannot be trained by any means.
    Impossible {
        /// The values of the candidate.
        parameters: Values,
        /// Why.
        reason: String,
    },
    /// Its training begins; once more where it was cut off.
    Begun {
        /// The values of the candidate.
        parameters: Values,
        /// What the training draws from.
        seed: u64,
        /// What the candidate takes.
        requirements: Requirements,
    },
    /// An epoch is over.
    Epoch {
        /// Counted from 1.
        epoch: usize,
        /// On the validation images.
        #[serde(with = "crate::support::number")]
        validation_accuracy: f64,
    },
    /// Its training is over.
    Finished {
        /// Of the model file, on the validation images.
        #[serde(with = "crate::support::number")]
        validation_accuracy: f64,
        /// Wall time since it began.
        seconds: f64,
    },
    /// Halving ended it.
    Stopped {
        /// After which epoch.
        epoch: usize,
        /// Wall time since it began.
        seconds: f64,
    },
    /// Its process ended without a result.
    Crashed {
        /// What is known of that.
        reason: String,
    },
    /// It came to no model, and never will.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How far a trial has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It runs, or was cut off.
    Running,
    /// Its candidate does not fit.
    Refused,
    /// Trained to the end.
    Finished,
    /// Ended by halving.
    Stopped,
    /// There is no model.
    Failed(String),
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialState {
    /// Counted from 0.
    pub number: usize,
    /// The values of its candidate.
    pub parameters: Values,
    /// What its training draws from.
    pub seed: u64,
    /// What its candidate takes; `None` where it can have no network.
    pub requirements: Option<Requirements>,
    /// Validation accuracy by epoch, from epoch 1.
    pub curve: Vec<f64>,
    /// Validation accuracy of the model file.
    pub accuracy: Option<f64>,
    /// How far it has come.
    pub progress: Progress,
    /// How often its process ended without a result.
    pub crashes: usize,
    /// Wall time of its training.
    pub seconds: f64,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
    /// A line that no search wrote.
    #[error("{path}, line {line}: {reason}; the search cannot be resumed, unless you restore the file")]
    Line {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

impl TrialState {
    fn new(number: usize, parameters: &Values, requirements: Option<Requirements>, progress: Progress) -> Self {
        Self {
            number,
            parameters: parameters.clone(),
            seed: 0,
            requirements,
            curve: Vec::new(),
            accuracy: None,
            progress,
            crashes: 0,
            seconds: 0.0,
        }
    }

    /// Whether it was trained, to the end or not.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        match self.progress {
            Progress::Finished | Progress::Stopped => true,
            // One that diverged was trained too; one that has no network was not.
            Progress::Failed(_) => self.requirements.is_some(),
            Progress::Running | Progress::Refused => false,
        }
    }

    /// The best validation accuracy until an epoch, counted from 1; `None` before it.
    #[must_use]
    pub fn best_until(&self, epoch: usize) -> Option<f64> {
        let until = self.curve.get(..epoch)?;
        until.iter().copied().filter(|accuracy| accuracy.is_finite()).reduce(f64::max).or(Some(0.0))
    }
}

/// Every trial of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By number.
    pub trials: Vec<TrialState>,
}

impl State {
    /// The trials that have no end.
    pub fn running(&self) -> impl Iterator<Item = &TrialState> {
        self.trials.iter().filter(|trial| trial.progress == Progress::Running)
    }

    /// How many were trained, to the end or not.
    #[must_use]
    pub fn trained(&self) -> usize {
        self.trials.iter().filter(|trial| trial.is_trained()).count()
    }

    /// Takes a line in.
    ///
    /// # Errors
    /// Where it cannot follow what is there.
    pub fn apply(&mut self, Line { trial: number, event }: &Line) -> Result<(), String> {
        let number = *number;
        let is_new = number == self.trials.len();
        let begins = matches!(event, Event::Refused { .. } | Event::Impossible { .. } | Event::Begun { .. });
        match self.trials.get_mut(number) {
            None if !is_new => {
                return Err(format!("trial {number} has no beginning, and {} is the next", self.trials.len()));
            }
            None if !begins => return Err(format!("trial {number} has not begun")),
            Some(trial) if trial.progress != Progress::Running => {
                return Err(format!("trial {number} is over already"));
            }
            _ => {}
        }
        match event {
            Event::Refused { parameters, requirements } if is_new => {
                self.trials.push(TrialState::new(number, parameters, Some(*requirements), Progress::Refused));
            }
            Event::Impossible { parameters, reason } if is_new => {
                self.trials.push(TrialState::new(number, parameters, None, Progress::Failed(reason.clone())));
            }
            Event::Begun { parameters, seed, requirements } => {
                let crashes = self.trials.get(number).map_or(0, |trial| trial.crashes);
                let new = TrialState::new(number, parameters, Some(*requirements), Progress::Running);
                let begun = TrialState { seed: *seed, crashes, ..new };
                if is_new { self.trials.push(begun) } else { self.trials[number] = begun }
            }
            Event::Refused { .. } | Event::Impossible { .. } => {
                return Err(format!("trial {number} has begun already"));
            }
            Event::Epoch { .. }
            | Event::Finished { .. }
            | Event::Stopped { .. }
            | Event::Crashed { .. }
            | Event::Failed { .. } => self.trials[number].advance(event)?,
        }
        Ok(())
    }
}

impl TrialState {
    /// Takes in what happens to a trial that runs.
    fn advance(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Epoch { epoch, .. } if *epoch != self.curve.len() + 1 => {
                return Err(format!(
                    "epoch {epoch} of trial {} does not follow epoch {}",
                    self.number,
                    self.curve.len()
                ));
            }
            Event::Epoch { validation_accuracy, .. } => self.curve.push(*validation_accuracy),
            Event::Finished { validation_accuracy, seconds } => {
                (self.accuracy, self.seconds, self.progress) =
                    (Some(*validation_accuracy), *seconds, Progress::Finished);
            }
            Event::Stopped { seconds, .. } => (self.seconds, self.progress) = (*seconds, Progress::Stopped),
            Event::Crashed { .. } => {
                self.crashes += 1;
                self.curve.clear();
            }
            Event::Failed { reason } => self.progress = Progress::Failed(reason.clone()),
            Event::Refused { .. } | Event::Impossible { .. } | Event::Begun { .. } => {}
        }
        Ok(())
    }
}

/// The file, open to be written by this process alone: whoever opens it has the lock of its directory.
pub struct Journal {
    path: String,
    file: File,
    state: State,
}

impl Journal {
    /// Opens the file in `directory`, or makes it, and reads all whole lines. What follows the last one was cut off, and is removed.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let place = directory.join(FILE);
        let path = place.display().to_string();
        let io_error = |source| StateError::Io { path: path.clone(), source };
        let (state, whole) = if place.exists() { read(&place)? } else { (State::default(), 0) };
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&place).map_err(io_error)?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io_error)?;
        Ok(Self { path, file, state })
    }

    /// Adds a line; when this returns, it is on the disk, unless nothing follows from it yet.
    ///
    /// # Errors
    /// [`StateError::Io`]; [`StateError::Line`] where the line cannot follow, which is a mistake in the caller.
    pub fn append(&mut self, line: &Line) -> Result<(), StateError> {
        let failed = |source| StateError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.state.apply(line).map_err(|reason| StateError::Line { path: self.path.clone(), line: 0, reason })?;
        self.file.write_all(text.as_bytes()).map_err(failed)?;
        match line.event {
            // Nothing is done because of these but what has a line of its own.
            Event::Refused { .. } | Event::Impossible { .. } | Event::Epoch { .. } => Ok(()),
            Event::Begun { .. }
            | Event::Finished { .. }
            | Event::Stopped { .. }
            | Event::Crashed { .. }
            | Event::Failed { .. } => self.file.sync_data().map_err(failed),
        }
    }

    /// Everything until now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// Reads the file of a search; also the length of its whole lines.
///
/// # Errors
/// [`StateError`].
pub fn read(place: &Path) -> Result<(State, u64), StateError> {
    let path = place.display().to_string();
    let bytes =
        bounded_file::read_regular(place, TRIALS).map_err(|source| StateError::Io { path: path.clone(), source })?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut state = State::default();
    for (index, line) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let refuse = |reason: String| StateError::Line { path: path.clone(), line: index + 1, reason };
        let line: Line = serde_json::from_slice(line).map_err(|error| refuse(error.to_string()))?;
        state.apply(&line).map_err(refuse)?;
    }
    Ok((state, whole as u64))
}

#[cfg(test)]
mod tests {
    use super::super::parameter::Value;
    use super::*;

    fn requirements() -> Requirements {
        Requirements { model: 9_000, flash: 20_000, ram: 4_000, milliseconds: 12.5 }
    }

    fn values(channels: i64) -> Values {
        Values::from([("stage1.channels".to_owned(), Value::Whole(channels))])
    }

    fn begun(trial: usize) -> Line {
        Line { trial, event: Event::Begun { parameters: values(8), seed: 48, requirements: requirements() } }
    }

    /// Every event once.
    fn lines() -> Vec<Line> {
        let epoch = |trial, epoch| Line { trial, event: Event::Epoch { epoch, validation_accuracy: 0.5 } };
        vec![
            Line { trial: 0, event: Event::Refused { parameters: values(64), requirements: requirements() } },
            begun(1),
            epoch(1, 1),
            begun(2),
            epoch(2, 1),
            epoch(1, 2),
            Line { trial: 1, event: Event::Finished { validation_accuracy: 0.75, seconds: 3.5 } },
            Line { trial: 2, event: Event::Crashed { reason: "killed by signal 9".to_owned() } },
            begun(2),
            epoch(2, 1),
            Line { trial: 2, event: Event::Stopped { epoch: 1, seconds: 1.0 } },
            Line { trial: 3, event: Event::Impossible { parameters: values(4096), reason: "too large".to_owned() } },
            begun(4),
            Line { trial: 4, event: Event::Failed { reason: "diverged".to_owned() } },
            begun(5),
        ]
    }

    fn written(lines: &[Line]) -> (tempfile::TempDir, State) {
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(home.path()).unwrap();
        lines.iter().for_each(|line| journal.append(line).unwrap());
        let state = journal.state().clone();
        (home, state)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (home, state) = written(&lines());
        assert_eq!(read(&home.path().join(FILE)).unwrap().0, state);
        let progress: Vec<&Progress> = state.trials.iter().map(|trial| &trial.progress).collect();
        let failed = |reason: &str| Progress::Failed(reason.to_owned());
        assert_eq!(
            progress,
            [
                &Progress::Refused,
                &Progress::Finished,
                &Progress::Stopped,
                &failed("too large"),
                &failed("diverged"),
                &Progress::Running
            ]
        );
        assert_eq!((state.trials[1].curve.len(), state.trials[1].accuracy), (2, Some(0.75)));
        assert_eq!((state.trials[2].curve.len(), state.trials[2].crashes), (1, 1));
        assert_eq!(state.trained(), 3, "neither what does not fit, nor what has no network, nor what runs");
    }

    #[test]
    fn cut_off_at_every_byte_of_its_last_line_it_is_what_it_was_before_that_line_and_goes_on() {
        let all = lines();
        for count in 1..=all.len() {
            let (home, state) = written(&all[..count]);
            let (_, before) = written(&all[..count - 1]);
            let path = home.path().join(FILE);
            let whole = std::fs::read(&path).unwrap();
            let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
            for length in last..whole.len() {
                std::fs::write(&path, &whole[..length]).unwrap();
                let mut journal = Journal::open(home.path()).unwrap();
                assert_eq!(journal.state(), &before, "line {count} cut off after {length} of {} bytes", whole.len());
                // Appending waits for the disk: from some of these places only.
                if (length - last) % 40 != 7 {
                    continue;
                }
                journal.append(&all[count - 1]).unwrap();
                assert_eq!(journal.state(), &state);
                assert_eq!(std::fs::read(&path).unwrap(), whole, "the same line follows");
            }
        }
    }

    #[test]
    fn a_line_that_cannot_follow_is_named_with_its_number() {
        let finished = Event::Finished { validation_accuracy: 0.5, seconds: 1.0 };
        for (lines, number, expected) in [
            (vec![begun(1)], 1, "trial 1 has no beginning, and 0 is the next"),
            (vec![Line { trial: 0, event: finished.clone() }], 1, "trial 0 has not begun"),
            (vec![begun(0), Line { trial: 0, event: finished.clone() }, begun(0)], 3, "trial 0 is over already"),
            (
                vec![begun(0), Line { trial: 0, event: Event::Epoch { epoch: 2, validation_accuracy: 0.1 } }],
                2,
                "epoch 2 of trial 0 does not follow epoch 0",
            ),
        ] {
            let home = tempfile::tempdir().unwrap();
            let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
            std::fs::write(home.path().join(FILE), text).unwrap();
            let message = read(&home.path().join(FILE)).unwrap_err().to_string();
            assert!(message.contains(&format!("{FILE}, line {number}: {expected}; ")), "{message}");
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), "{\"trial\":0}\n").unwrap();
        let message = read(&home.path().join(FILE)).unwrap_err().to_string();
        assert!(message.contains("line 1: missing field `event`"), "{message}");
    }

    #[test]
    fn an_accuracy_that_is_no_number_survives() {
        let lines = [begun(0), Line { trial: 0, event: Event::Epoch { epoch: 1, validation_accuracy: f64::NAN } }];
        let (home, _) = written(&lines);
        let state = read(&home.path().join(FILE)).unwrap().0;
        assert!(state.trials[0].curve[0].is_nan());
        assert_eq!(state.trials[0].best_until(1), Some(0.0));
        assert_eq!(state.trials[0].best_until(2), None);
    }
}
