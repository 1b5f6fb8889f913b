//! The search itself: candidates are chosen, checked, trained and compared, several at a time, and everything is written down first.

use std::time::{Duration, Instant};

use super::budget::{AssessError, DataFacts, Limits, Requirements};
use super::candidate::Candidate;
use super::error::CandidateError;
use super::halving::Halving;
use super::parameter::Values;
use super::pareto::Objectives;
use super::ranking::Goals;
use super::sampler::{Sampler, SamplerKind};
use super::space::Space;
use super::state::{Event, Journal, Line, MOST_CRASHES, Progress, State, StateError, TrialState};
use super::trial::{TrialEvent, TrialRequest};
use crate::support::number::rounded;

/// Candidates in a row that do not fit, after which the smallest network is tried, which does.
const REFUSED_IN_A_ROW: usize = 200;

/// Candidates in a row that do not fit, after which a search ends.
const MOST_REFUSED: usize = 5000;

/// Trials in a row that ended without a result, each of them so often that it was given up, after which a search ends: the reason is not
/// in the candidates.
const MOST_GIVEN_UP: usize = 3;

/// How long the engine waits for a report before it looks at the clock again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Trains candidates, each in its own process or as it likes.
pub trait Runner {
    /// Begins a trial.
    ///
    /// # Errors
    /// Where no trial can be begun at all.
    fn start(&mut self, trial: usize, request: &TrialRequest) -> std::io::Result<()>;

    /// Ends a trial at once; nothing is reported of it any more.
    fn stop(&mut self, trial: usize);

    /// The next report of any trial that runs, if there is one within that time.
    fn next(&mut self, wait: Duration) -> Option<(usize, Report)>;
}

/// What is reported of a trial that runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// It came so far.
    Event(TrialEvent),
    /// It ended without a result.
    Crashed(String),
}

/// Sees a search as it goes, and may end it.
pub trait Watcher {
    /// A trial is over, or its candidate does not fit.
    fn ended(&mut self, state: &State, trial: usize);

    /// Whether the search is to end now. What runs is tried again when it is resumed.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// What a search is made of.
pub struct Engine<'a> {
    /// What is chosen from.
    pub space: &'a Space,
    /// What is known of the images.
    pub facts: &'a DataFacts,
    /// What is to be reached, within what.
    pub goals: &'a Goals,
    /// How candidates are chosen.
    pub sampler: SamplerKind,
    /// Which trials end early; `None`: none do.
    pub halving: Option<Halving>,
    /// What everything random comes from.
    pub seed: u64,
    /// Epochs of a trial.
    pub epochs: usize,
    /// Trials that are trained, to the end or not.
    pub trials: usize,
    /// When no further trial begins.
    pub deadline: Option<Instant>,
    /// Trials at a time.
    pub workers: usize,
    /// A candidate that fits, for a space of which hardly any does.
    pub smallest: Option<Values>,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There were as many trials as were wanted.
    Complete,
    /// The time was over.
    Deadline,
    /// The user wanted it.
    Interrupted,
    /// Every candidate that was drawn had been tried.
    Exhausted,
    /// So many candidates in a row did not fit that no further one is expected to.
    NothingFits,
}

/// Why a search failed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its state cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// A candidate cannot be assessed.
    #[error(transparent)]
    Assess(#[from] AssessError),
    /// Trial after trial ends without a result, or none has come to the end of an epoch: there is no reason to believe that another would.
    #[error("trial {trial} ended {crashes} times without a result{}: {reason}", also(*.others))]
    Crash {
        /// Which.
        trial: usize,
        /// How often.
        crashes: usize,
        /// How many trials before it did so too.
        others: usize,
        /// What is known of the last time.
        reason: String,
    },
    /// No trial can be begun.
    #[error("no trial can be started: {0}")]
    Start(#[from] std::io::Error),
}

fn also(others: usize) -> String {
    match others {
        0 => ", and no other has come further".to_owned(),
        others => format!(", as did {others} trials before it"),
    }
}

/// A trial that runs.
struct Running {
    number: usize,
    since: Instant,
}

/// A search under way.
struct Search<'s> {
    engine: &'s Engine<'s>,
    journal: &'s mut Journal,
    runner: &'s mut dyn Runner,
    watcher: &'s mut dyn Watcher,
    running: Vec<Running>,
    /// Trials that were cut off, the next one last.
    cut_off: Vec<usize>,
    /// Trials that are to be given up if another one comes to a result, and why: before that the reason may be not in them, and they are
    /// tried again when the search is resumed.
    suspects: Vec<(usize, String)>,
}

impl Engine<'_> {
    /// Searches from the state of the journal on, until there are enough trials, or there is another reason to end.
    ///
    /// # Errors
    /// [`EngineError`]; trials that run are ended then.
    pub fn run(
        &self,
        journal: &mut Journal,
        runner: &mut dyn Runner,
        watcher: &mut dyn Watcher,
    ) -> Result<Ended, EngineError> {
        let mut cut_off: Vec<usize> = journal.state().running().map(|trial| trial.number).collect();
        cut_off.reverse();
        let mut search =
            Search { engine: self, journal, runner, watcher, running: Vec::new(), cut_off, suspects: Vec::new() };
        let ended = search.run();
        for Running { number, .. } in std::mem::take(&mut search.running) {
            search.runner.stop(number);
        }
        ended
    }

    /// Whether a trial that has come to the end of an epoch goes on.
    fn goes_on(&self, state: &State, trial: usize, epoch: usize) -> bool {
        let Some(halving) = self.halving.filter(|halving| halving.is_rung(epoch, self.epochs)) else { return true };
        let values = |trial: &TrialState| {
            let accuracy = trial.best_until(epoch)?;
            Some(self.goals.values(accuracy, trial.requirements.as_ref()?))
        };
        let others = state.trials.iter().filter(|other| other.number != trial).filter_map(values);
        let mut at_rung: Vec<Objectives> = others.collect();
        at_rung.extend(values(&state.trials[trial]));
        halving.goes_on(&at_rung)
    }
}

impl Search<'_> {
    fn run(&mut self) -> Result<Ended, EngineError> {
        let mut no_more = None;
        loop {
            if self.watcher.is_interrupted() {
                return Ok(Ended::Interrupted);
            }
            while no_more.is_none() && self.running.len() < self.engine.workers.max(1) {
                no_more = self.start()?;
            }
            match no_more {
                Some(reason) if self.running.is_empty() => {
                    self.give_up()?;
                    return Ok(reason);
                }
                _ => {}
            }
            let Some((trial, report)) = self.runner.next(PATIENCE) else { continue };
            self.take(trial, report)?;
        }
    }

    /// Begins a trial that was cut off, or one of a new candidate; or returns why there is none.
    fn start(&mut self) -> Result<Option<Ended>, EngineError> {
        let engine = self.engine;
        if engine.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Some(Ended::Deadline));
        }
        if let Some(number) = self.cut_off.pop() {
            let TrialState { parameters, seed, requirements, .. } = self.journal.state().trials[number].clone();
            // What has begun once had requirements.
            if let Some(requirements) = requirements {
                self.begin(number, parameters, seed, requirements)?;
            }
            return Ok(None);
        }
        if self.journal.state().trained() + self.running.len() + self.suspects.len() >= engine.trials {
            return Ok(Some(Ended::Complete));
        }
        loop {
            if self.watcher.is_interrupted() {
                return Ok(Some(Ended::Interrupted));
            }
            let trials = &self.journal.state().trials;
            let (number, refused) =
                (trials.len(), trials.iter().rev().take_while(|trial| trial.progress == Progress::Refused).count());
            if refused >= MOST_REFUSED {
                return Ok(Some(Ended::NothingFits));
            }
            let Some(parameters) = self.candidate(refused) else { return Ok(Some(Ended::Exhausted)) };
            let limits = &engine.goals.limits;
            let event = match assess(engine.space, limits, engine.facts, &parameters)? {
                Err(reason) => Event::Impossible { parameters, reason },
                Ok(requirements) if limits.excess(&requirements) > 0.0 => Event::Refused { parameters, requirements },
                Ok(requirements) => {
                    let seed = engine.seed.wrapping_add(number as u64);
                    self.begin(number, parameters, seed, requirements)?;
                    return Ok(None);
                }
            };
            self.end(number, event)?;
        }
    }

    /// The next candidate; the smallest one where none was found that fits, of so many that were refused.
    fn candidate(&self, refused: usize) -> Option<Values> {
        let (engine, state) = (self.engine, self.journal.state());
        let is_rare = refused >= REFUSED_IN_A_ROW && refused == state.trials.len();
        let sampler = Sampler {
            kind: engine.sampler,
            parameters: engine.space.parameters(),
            goals: engine.goals,
            seed: engine.seed,
        };
        engine.smallest.clone().filter(|_| is_rare).or_else(|| sampler.next(state))
    }

    fn begin(
        &mut self,
        trial: usize,
        parameters: Values,
        seed: u64,
        requirements: Requirements,
    ) -> Result<(), EngineError> {
        let data = Some(self.engine.facts.clone());
        let request = TrialRequest { parameters: parameters.clone(), seed, epochs: self.engine.epochs, data };
        self.journal.append(&Line { trial, event: Event::Begun { parameters, seed, requirements } })?;
        self.runner.start(trial, &request)?;
        self.running.push(Running { number: trial, since: Instant::now() });
        Ok(())
    }

    /// Takes in a report, and ends a trial that halving ends.
    fn take(&mut self, trial: usize, report: Report) -> Result<(), EngineError> {
        let Some(place) = self.running.iter().position(|running| running.number == trial) else { return Ok(()) };
        let seconds = rounded(self.running[place].since.elapsed().as_secs_f64(), 3);
        // What is compared now is what is compared after it was read from the file.
        let accuracy = |accuracy| rounded(accuracy, 6);
        let event = match report {
            // The engine has checked it.
            Report::Event(TrialEvent::Checked { .. }) => return Ok(()),
            Report::Event(TrialEvent::Epoch { epoch, validation_accuracy }) => {
                let validation_accuracy = accuracy(validation_accuracy);
                self.journal.append(&Line { trial, event: Event::Epoch { epoch, validation_accuracy } })?;
                if self.engine.goes_on(self.journal.state(), trial, epoch) {
                    return Ok(());
                }
                self.runner.stop(trial);
                Event::Stopped { epoch, seconds }
            }
            Report::Event(TrialEvent::Finished { validation_accuracy, .. }) => {
                Event::Finished { validation_accuracy: accuracy(validation_accuracy), seconds }
            }
            Report::Event(TrialEvent::Failed { reason }) => Event::Failed { reason },
            Report::Crashed(reason) => {
                self.journal.append(&Line { trial, event: Event::Crashed { reason: reason.clone() } })?;
                let crashes = self.journal.state().trials[trial].crashes;
                if crashes < MOST_CRASHES {
                    self.running.remove(place);
                    self.cut_off.push(trial);
                    return Ok(());
                }
                let others = self.suspects.len();
                if others + 1 >= MOST_GIVEN_UP || self.journal.state().trials.iter().all(|trial| trial.curve.is_empty())
                {
                    return Err(EngineError::Crash { trial, crashes, others, reason });
                }
                self.running.remove(place);
                self.suspects.push((trial, format!("it ended {crashes} times without a result, at last: {reason}")));
                return Ok(());
            }
        };
        self.running.remove(place);
        self.give_up()?;
        self.end(trial, event)
    }

    /// Gives up what ended too often without a result.
    fn give_up(&mut self) -> Result<(), EngineError> {
        for (trial, reason) in std::mem::take(&mut self.suspects) {
            self.end(trial, Event::Failed { reason })?;
        }
        Ok(())
    }

    /// A trial is over.
    fn end(&mut self, trial: usize, event: Event) -> Result<(), EngineError> {
        self.journal.append(&Line { trial, event })?;
        self.watcher.ended(self.journal.state(), trial);
        Ok(())
    }
}

/// What a candidate takes, or why it can have no network.
fn assess(
    space: &Space,
    limits: &Limits,
    facts: &DataFacts,
    values: &Values,
) -> Result<Result<Requirements, String>, AssessError> {
    let candidate = Candidate::new(space, values).map_err(AssessError::from)?;
    match limits.assess(&candidate, facts) {
        Ok(requirements) => Ok(Ok(requirements)),
        Err(AssessError::Candidate(CandidateError::Architecture(error))) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use infer_core::Shape;

    use super::super::parameter::Value;
    use super::super::ranking::Objective;
    use super::*;

    const SPACE: &str = "name = \"few\"
        [network]
        head = [\"flatten\", \"mean\"]
        stages = [1, 2]
        [[stage]]
        channels = { from = 2, to = 32, step = 2 }
        [[stage]]
        channels = { from = 2, to = 32, step = 2 }
        [recipe]
        learning_rate = { from = 1e-4, to = 1e-1, scale = \"log\" }";

    /// Epochs of a trial: with a rung after the first.
    const EPOCHS: usize = 3;

    /// Trains nothing: what is learned after an epoch is a formula. Trials that run take turns.
    #[derive(Default)]
    struct Formula {
        running: VecDeque<(usize, TrialRequest, usize)>,
        /// Trials that crash, each time.
        crashing: Vec<usize>,
    }

    impl Formula {
        fn accuracy(values: &Values, epoch: usize) -> f64 {
            let number = |name: &str| values.get(name).and_then(Value::number).unwrap_or(10.0);
            let rate = (number("recipe.learning_rate") / 3e-3).log10().abs();
            let wide = number("stage1.channels") + number("stage2.channels");
            (0.5 + wide / 200.0 - 0.1 * rate) * (1.0 - 0.5f64.powi(epoch as i32 + 1))
        }
    }

    impl Runner for Formula {
        fn start(&mut self, trial: usize, request: &TrialRequest) -> std::io::Result<()> {
            assert!(self.running.iter().all(|(running, ..)| *running != trial), "trial {trial} runs already");
            self.running.push_back((trial, request.clone(), 0));
            Ok(())
        }

        fn stop(&mut self, trial: usize) {
            self.running.retain(|(running, ..)| *running != trial);
        }

        fn next(&mut self, _: Duration) -> Option<(usize, Report)> {
            let (trial, request, epoch) = self.running.pop_front()?;
            if self.crashing.contains(&trial) {
                return Some((trial, Report::Crashed("killed by signal 9".to_owned())));
            }
            let validation_accuracy = Self::accuracy(&request.parameters, epoch);
            let event = if epoch == request.epochs {
                let requirements = Requirements { model: 0, flash: 0, ram: 0, milliseconds: 0.0 };
                TrialEvent::Finished { validation_accuracy, requirements }
            } else {
                self.running.push_back((trial, request, epoch + 1));
                TrialEvent::Epoch { epoch: epoch + 1, validation_accuracy }
            };
            Some((trial, Report::Event(event)))
        }
    }

    /// Wants an end after so many questions.
    struct Fuse {
        left: std::cell::Cell<usize>,
        ended: Vec<usize>,
    }

    impl Fuse {
        fn of(left: usize) -> Self {
            Self { left: std::cell::Cell::new(left), ended: Vec::new() }
        }
    }

    impl Watcher for Fuse {
        fn ended(&mut self, _: &State, trial: usize) {
            self.ended.push(trial);
        }

        fn is_interrupted(&self) -> bool {
            let left = self.left.get();
            self.left.set(left.saturating_sub(1));
            left == 0
        }
    }

    fn goals(model: Option<usize>) -> Goals {
        Goals { objectives: vec![Objective::Accuracy], limits: Limits { model, ..Limits::default() } }
    }

    /// Searches until there are so many trials or the fuse is burnt.
    fn search(
        journal: &mut Journal,
        goals: &Goals,
        (trials, workers): (usize, usize),
        (runner, fuse): (&mut Formula, &mut Fuse),
    ) -> Result<Ended, EngineError> {
        let space = Space::from_toml(SPACE).unwrap();
        let facts = DataFacts::least(Shape { height: 12, width: 12, channels: 1 });
        let engine = Engine {
            space: &space,
            facts: &facts,
            goals,
            sampler: SamplerKind::Tpe,
            halving: Some(Halving::of(EPOCHS)),
            seed: 48,
            epochs: EPOCHS,
            trials,
            deadline: None,
            workers,
            smallest: None,
        };
        engine.run(journal, runner, fuse)
    }

    /// The trials, without the time that they took.
    fn trials(journal: &Journal) -> Vec<TrialState> {
        journal.state().trials.iter().cloned().map(|trial| TrialState { seconds: 0.0, ..trial }).collect()
    }

    fn count(trials: &[TrialState], progress: &Progress) -> usize {
        trials.iter().filter(|trial| trial.progress == *progress).count()
    }

    #[test]
    fn a_search_trains_what_fits_ends_what_does_badly_and_counts_neither_twice() {
        for workers in [1, 3] {
            let home = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(home.path()).unwrap();
            let (mut runner, mut fuse, goals) = (Formula::default(), Fuse::of(usize::MAX), goals(Some(4000)));
            let ended = search(&mut journal, &goals, (30, workers), (&mut runner, &mut fuse)).unwrap();
            let trials = trials(&journal);
            assert_eq!((ended, journal.state().trained(), runner.running.len()), (Ended::Complete, 30, 0));
            assert!(count(&trials, &Progress::Refused) > 3, "{}", trials.len());
            assert!((3..=20).contains(&count(&trials, &Progress::Finished)), "{}", count(&trials, &Progress::Finished));
            assert_eq!(count(&trials, &Progress::Running), 0);
            let mut once = fuse.ended.clone();
            once.sort_unstable();
            assert_eq!(once, (0..trials.len()).collect::<Vec<_>>(), "each trial ends once");
            for trial in &trials {
                let fits = goals.limits.excess(&trial.requirements.unwrap()) == 0.0;
                assert_eq!(fits, trial.progress != Progress::Refused);
                let epochs = match trial.progress {
                    Progress::Finished => EPOCHS,
                    Progress::Stopped => 1,
                    _ => 0,
                };
                assert_eq!(trial.curve.len(), epochs);
            }
        }
    }

    #[test]
    fn interrupted_anywhere_and_resumed_one_worker_comes_to_the_same_trials() {
        let goals = goals(Some(4000));
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(home.path()).unwrap();
        let mut whole = Fuse::of(usize::MAX);
        search(&mut journal, &goals, (14, 1), (&mut Formula::default(), &mut whole)).unwrap();
        let expected = trials(&journal);
        for burns in (0..usize::MAX - whole.left.get()).step_by(3) {
            let home = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(home.path()).unwrap();
            let ended = search(&mut journal, &goals, (14, 1), (&mut Formula::default(), &mut Fuse::of(burns))).unwrap();
            assert_eq!(ended, Ended::Interrupted, "{burns}");
            drop(journal);
            let mut journal = Journal::open(home.path()).unwrap();
            search(&mut journal, &goals, (14, 1), (&mut Formula::default(), &mut Fuse::of(usize::MAX))).unwrap();
            assert!(trials(&journal) == expected, "interrupted at {burns}");
        }
    }

    #[test]
    fn a_trial_that_crashes_is_tried_again_and_at_last_given_up() {
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(home.path()).unwrap();
        let mut runner = Formula { crashing: vec![2], ..Formula::default() };
        search(&mut journal, &goals(None), (6, 2), (&mut runner, &mut Fuse::of(usize::MAX))).unwrap();
        let trials = trials(&journal);
        assert_eq!(trials.len(), 6);
        assert_eq!(
            trials[2].progress,
            Progress::Failed("it ended 3 times without a result, at last: killed by signal 9".to_owned())
        );
    }

    #[test]
    fn where_trial_after_trial_crashes_the_search_ends_and_can_be_resumed() {
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(home.path()).unwrap();
        let goals = goals(None);
        search(&mut journal, &goals, (2, 1), (&mut Formula::default(), &mut Fuse::of(usize::MAX))).unwrap();
        let mut runner = Formula { crashing: (2..20).collect(), ..Formula::default() };
        let error = search(&mut journal, &goals, (9, 1), (&mut runner, &mut Fuse::of(usize::MAX))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "trial 4 ended 3 times without a result, as did 2 trials before it: killed by signal 9"
        );
        drop(journal);
        let mut journal = Journal::open(home.path()).unwrap();
        search(&mut journal, &goals, (9, 1), (&mut Formula::default(), &mut Fuse::of(usize::MAX))).unwrap();
        let trials = trials(&journal);
        assert_eq!((trials.len(), count(&trials, &Progress::Running)), (9, 0));
        assert!(trials.iter().all(|trial| !matches!(trial.progress, Progress::Failed(_))), "all had another chance");
    }

    #[test]
    fn where_nothing_fits_the_search_ends() {
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(home.path()).unwrap();
        let mut fuse = Fuse::of(3000);
        let ended = search(&mut journal, &goals(Some(1)), (3, 1), (&mut Formula::default(), &mut fuse)).unwrap();
        // 992 networks, but any number of learning rates.
        assert!(matches!(ended, Ended::Interrupted | Ended::NothingFits), "{ended:?}");
        assert_eq!(journal.state().trained(), 0);
    }
}
