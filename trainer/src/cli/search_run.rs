//! A search on this machine: trials as processes of this program, several at a time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result};
use trainer::run::RunDirectory;
use trainer::search::engine::{Ended, Engine, Report, Runner, Watcher};
use trainer::search::record::{self, SPACE, SearchRecord, TRIALS};
use trainer::search::smallest::{check, smallest};
use trainer::search::state::{Journal, Progress, State};
use trainer::search::{TrialEvent, TrialRequest};
use trainer::support::text::thousands;
use trainer::support::whole_file::replace_whole;

use super::console::{Console, console_line};
use super::interrupt::Interrupt;
use super::output::print_message;
use super::search_results;

/// How far a search goes.
pub struct Extent {
    /// Trials that are trained, to the end or not; as many as the search was begun with where that is not given.
    pub trials: Option<usize>,
    /// Time after which no further trial begins.
    pub hours: Option<f64>,
    /// Trials at a time; as many as there are cores where that is not given.
    pub workers: Option<usize>,
}

impl Extent {
    /// Trials at a time, on so many cores.
    pub fn workers(&self, cores: usize) -> usize {
        self.workers.unwrap_or(cores.min(MOST_WORKERS))
    }
}

/// Workers at most where their number is not given: each has the images in memory.
const MOST_WORKERS: usize = 8;

/// Searches in a directory, from where it is on; prints each trial, and the results.
pub fn run(directory: &Path, extent: &Extent, console: &Console) -> Result<(SearchRecord, Ended)> {
    // It has the lock of a run, and what a killed process had begun to write.
    let lock = RunDirectory::open_to_write(directory)?;
    lock.remove_leftovers()?;
    let mut journal = Journal::open(directory)?;
    let record = SearchRecord::read(directory)?;
    record.write_space()?;
    let (settings, goals) = (&record.settings, record.goals());
    let least = smallest(&record.space, &settings.limits, &settings.facts)?;
    check(&record.space, &settings.limits, least.as_ref())?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = extent.workers(cores);
    let engine = Engine {
        space: &record.space,
        facts: &settings.facts,
        goals: &goals,
        sampler: settings.sampler,
        halving: settings.halving,
        seed: settings.seed,
        epochs: settings.epochs,
        trials: extent.trials.unwrap_or(settings.trials),
        // A time beyond what a clock holds is none.
        deadline: extent
            .hours
            .and_then(|hours| Instant::now().checked_add(Duration::try_from_secs_f64(3600.0 * hours).ok()?)),
        workers,
        smallest: least.map(|least| least.values),
    };
    let interrupt = Interrupt::install()?;
    let mut processes = Processes::new(directory, &settings.arguments, (cores / workers.max(1)).max(1))?;
    let best = journal.state().trials.iter().filter_map(|trial| trial.accuracy).fold(f64::NEG_INFINITY, f64::max);
    let mut printer = Printer { console, interrupt: &interrupt, best, has_head: false };
    let resumed = journal.state().trained();
    if resumed > 0 {
        console_line!(console, "resumes    {}: {resumed} trials are over", directory.display());
    }
    let ended = engine.run(&mut journal, &mut processes, &mut printer)?;
    let record = SearchRecord { state: journal.state().clone(), ..record };
    search_results::print(&record, console)?;
    let why = match ended {
        Ended::Complete => None,
        Ended::Deadline => Some("the time is up"),
        Ended::Interrupted => Some("interrupted"),
        Ended::Exhausted => Some("all further candidates had already been tried"),
        Ended::NothingFits => Some("no further candidate that fits was found"),
    };
    if let Some(why) = why {
        let how = format!("{why}; to resume it: trainer search --resume {}", directory.display());
        if console.is_quiet() { print_message(&how) } else { console_line!(console, "{how}") }
    }
    Ok((record, ended))
}

/// Prints a line for each trial that was trained.
struct Printer<'c> {
    console: &'c Console,
    interrupt: &'c Interrupt,
    best: f64,
    has_head: bool,
}

impl Watcher for Printer<'_> {
    fn ended(&mut self, state: &State, trial: usize) {
        let trial = &state.trials[trial];
        let end = match &trial.progress {
            Progress::Refused | Progress::Running => return,
            Progress::Finished => "finished",
            Progress::Stopped => "ended early",
            Progress::Failed(reason) => reason,
        };
        if !std::mem::replace(&mut self.has_head, true) {
            console_line!(self.console, "trial  accuracy  epochs      flash        RAM        ms  seconds");
        }
        let accuracy = trial.accuracy.or_else(|| trial.best_until(trial.curve.len()));
        let mark = if trial.accuracy.is_some_and(|accuracy| accuracy > self.best) { ", the best so far" } else { "" };
        self.best = self.best.max(trial.accuracy.unwrap_or(f64::NEG_INFINITY));
        let (flash, ram, time) = trial.requirements.as_ref().map_or_else(Default::default, |needed| {
            (thousands(needed.flash), thousands(needed.ram), format!("{:.1}", needed.milliseconds))
        });
        let accuracy =
            if trial.curve.is_empty() { "-".to_owned() } else { format!("{:.4}", accuracy.unwrap_or_default()) };
        console_line!(
            self.console,
            "{:>5}  {accuracy:>8}  {:>6}  {flash:>9}  {ram:>9}  {time:>8}  {:>7.1}  {end}{mark}",
            trial.number,
            trial.curve.len(),
            trial.seconds
        );
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_requested()
    }
}

/// Trials as processes of this program.
struct Processes {
    program: PathBuf,
    search: PathBuf,
    arguments: Vec<String>,
    threads: usize,
    running: HashMap<usize, Process>,
    /// Counts processes, so that what one has reported is not taken for the word of the next one of the same trial.
    begun: usize,
    sender: Sender<(usize, usize, Option<TrialEvent>)>,
    receiver: Receiver<(usize, usize, Option<TrialEvent>)>,
}

/// A trial's process. It ends by itself when this is dropped: its standard input closes.
struct Process {
    child: Child,
    id: usize,
    /// What it writes to standard error.
    messages: File,
}

impl Processes {
    fn new(search: &Path, arguments: &[String], threads: usize) -> Result<Self> {
        let trials = search.join(TRIALS);
        fs::create_dir_all(&trials).with_context(|| trials.display().to_string())?;
        RunDirectory::open(&trials).remove_leftovers()?;
        let program = std::env::current_exe().context("finding this program, which trials run")?;
        let (sender, receiver) = mpsc::channel();
        let (search, arguments) = (search.to_owned(), arguments.to_owned());
        Ok(Self { program, search, arguments, threads, running: HashMap::new(), begun: 0, sender, receiver })
    }

    /// Removes the run of a trial that has no results.
    fn remove_run(&self, trial: usize) -> io::Result<()> {
        match fs::remove_dir_all(record::run(&self.search, trial)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn end(&mut self, trial: usize) -> Option<String> {
        let mut process = self.running.remove(&trial)?;
        // Its standard input stays open until it has ended: it would end before it is done.
        let input = process.child.stdin.take();
        let status = process.child.wait();
        drop(input);
        let mut messages = String::new();
        // The message is of help, and no more.
        let _ = process.messages.seek(SeekFrom::Start(0)).and_then(|_| process.messages.read_to_string(&mut messages));
        let last = messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let last = last.trim_start_matches("error: ");
        Some(match status {
            Ok(status) if last.is_empty() => status.to_string(),
            Ok(status) => format!("{last} ({status})"),
            Err(error) => error.to_string(),
        })
    }
}

impl Runner for Processes {
    fn start(&mut self, trial: usize, request: &TrialRequest) -> io::Result<()> {
        self.remove_run(trial)?;
        let run = record::run(&self.search, trial);
        let file = run.with_extension("json");
        replace_whole(&file, serde_json::to_string(request)?.as_bytes()).map_err(io::Error::other)?;
        let messages = tempfile::tempfile()?;
        let mut command = Command::new(&self.program);
        command
            .arg("search")
            .arg(std::path::absolute(self.search.join(SPACE))?)
            .arg("--trial")
            .arg(std::path::absolute(&file)?)
            .arg("--out")
            .arg(std::path::absolute(&run)?)
            .arg("--attached")
            .args(&self.arguments)
            .env("RAYON_NUM_THREADS", self.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(messages.try_clone()?);
        // Ctrl-C in a terminal is for the search, which ends its trials itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        self.begun += 1;
        let (id, sender) = (self.begun, self.sender.clone());
        if let Some(out) = child.stdout.take() {
            let read = move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    // What is no event is for people.
                    if let Ok(event) = serde_json::from_str(&line) {
                        let _ = sender.send((trial, id, Some(event)));
                    }
                }
                let _ = sender.send((trial, id, None));
            };
            thread::Builder::new().name(format!("trial {trial}")).spawn(read)?;
        }
        self.running.insert(trial, Process { child, id, messages });
        Ok(())
    }

    fn stop(&mut self, trial: usize) {
        if let Some(process) = self.running.get_mut(&trial) {
            // It may be over already.
            let _ = process.child.kill();
        }
        self.end(trial);
        // What cannot be removed stays; it is removed when the trial is tried again.
        let _ = self.remove_run(trial);
    }

    fn next(&mut self, wait: Duration) -> Option<(usize, Report)> {
        let (trial, id, event) = match self.receiver.recv_timeout(wait) {
            Ok(report) => report,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        if self.running.get(&trial).is_none_or(|process| process.id != id) {
            return None;
        }
        let report = match event {
            Some(event @ (TrialEvent::Finished { .. } | TrialEvent::Failed { .. })) => {
                self.end(trial);
                Report::Event(event)
            }
            Some(event) => Report::Event(event),
            None => Report::Crashed(self.end(trial).unwrap_or_default()),
        };
        Some((trial, report))
    }
}
