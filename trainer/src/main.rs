//! The `trainer` command line.
//!
//! One file per subcommand. Exit code 0: done; 1: it failed; 2: the command line was wrong; 130: interrupted at once.

mod cli {
    pub mod allocator;
    pub mod augmentation;
    pub mod balance;
    pub mod budget;
    pub mod calibration;
    pub mod camera;
    pub mod chips;
    pub mod completions;
    pub mod console;
    pub mod data;
    pub mod demo;
    pub mod destination;
    pub mod eval;
    pub mod export;
    pub mod firmware;
    pub mod fit;
    pub mod folds;
    pub mod frames;
    pub mod import;
    pub mod imported_images;
    pub mod initial;
    pub mod inspect;
    pub mod interrupt;
    pub mod man;
    pub mod mistakes;
    pub mod models;
    pub mod named;
    pub mod output;
    pub mod plot;
    pub mod predict;
    pub mod progress;
    pub mod quantization;
    pub mod recipes;
    pub mod reject;
    pub mod report;
    pub mod results;
    pub mod run_data;
    pub mod search;
    pub mod search_final;
    pub mod search_input;
    pub mod search_results;
    pub mod search_run;
    pub mod search_study;
    pub mod search_trial;
    pub mod teacher;
    pub mod tested;
    pub mod threads;
    pub mod tips;
    pub mod training_run;
    pub mod unreadable;
    pub mod values;
}

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use trainer::support::printable::in_one_line;
use trainer::support::tensor_error::one_line;

#[global_allocator]
static ALLOCATOR: cli::allocator::OrExit = cli::allocator::OrExit;

/// Takes image classifiers from images to microcontrollers.
#[derive(Parser)]
#[command(name = "trainer", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network, quantize it and export it
    Fit(Box<cli::fit::Fit>),
    /// Find the best networks and recipes of a space within a chip's budget
    Search(Box<cli::search::Search>),
    /// Export the model of an earlier run, without training again
    Export(cli::export::Export),
    /// Classify the test images with a model file, as the chip would
    Eval(cli::eval::Eval),
    /// Write a page that runs a model in a browser
    Demo(cli::demo::Demo),
    /// Write a project that runs a model on a chip, ready to build
    Firmware(cli::firmware::Firmware),
    /// Write test images as inputs of a model, for firmware to classify
    Frames(cli::frames::Frames),
    /// Import a network from a TFLite file: int8 as it is, float to calibrate or to train further
    Import(Box<cli::import::Import>),
    /// Show the contents of a model file, or the cost of quantization in a run
    Inspect(cli::inspect::Inspect),
    /// Classify images with a model file, as the chip would
    Predict(cli::predict::Predict),
    /// List the built-in networks, print the TOML file of one, or check a file of your own
    Models(cli::models::Models),
    /// List the built-in recipes, print the TOML file of one, or check a file of your own
    Recipes(cli::recipes::Recipes),
    /// List the chips that --chip accepts
    Chips(cli::chips::Chips),
    /// Draw the figures of runs as SVG or PNG
    Plot(cli::plot::Plot),
    /// Write a report about runs, an HTML page
    Report(cli::report::Report),
    /// Print a completion script for a shell
    Completions(cli::completions::Completions),
    /// Write the manual pages of these commands
    Man(cli::man::Manual),
}

impl Command {
    /// Whether it may use more than one thread.
    fn shares_work(&self) -> bool {
        match self {
            Self::Fit(_)
            | Self::Search(_)
            | Self::Export(_)
            | Self::Eval(_)
            | Self::Demo(_)
            | Self::Firmware(_)
            | Self::Frames(_)
            | Self::Import(_)
            | Self::Inspect(_)
            | Self::Predict(_)
            | Self::Plot(_)
            | Self::Report(_) => true,
            Self::Models(_) | Self::Recipes(_) | Self::Chips(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// A mistake on the command line: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Usage(anyhow::Error);

impl Usage {
    fn error(error: impl Into<anyhow::Error>) -> anyhow::Error {
        anyhow::Error::new(Self(error.into()))
    }
}

fn main() -> ExitCode {
    let command = arguments().command;
    if let Err(error) = check_line_breaks(&command) {
        cli::output::print_error(&error);
        return ExitCode::from(2);
    }
    cli::interrupt::outlive_file_limits();
    if command.shares_work() {
        cli::threads::start();
    }
    let result = match command {
        Command::Fit(fit) => fit.run(),
        Command::Search(search) => search.run(),
        Command::Export(export) => export.run(),
        Command::Eval(eval) => eval.run(),
        Command::Demo(demo) => demo.run(),
        Command::Firmware(firmware) => firmware.run(),
        Command::Frames(frames) => frames.run(),
        Command::Import(import) => import.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Predict(predict) => predict.run(),
        Command::Models(models) => models.run(),
        Command::Recipes(recipes) => recipes.run(),
        Command::Chips(chips) => chips.run(),
        Command::Plot(plot) => plot.run(),
        Command::Report(report) => report.run(),
        Command::Completions(completions) => completions.run(Arguments::command()),
        Command::Man(manual) => manual.run(Arguments::command()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_broken_pipe(&error) {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    let mut message = message(&error);
    if std::env::current_dir().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        message = format!("the current directory no longer exists; change to another one: {message}");
    }
    cli::output::print_error(&message);
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The command line; where it is wrong, or requests help, clap prints why and ends the program.
fn arguments() -> Arguments {
    let words = words();
    let error = match Arguments::try_parse_from(&words) {
        Ok(arguments) => return arguments,
        Err(error) => error,
    };
    // It quotes what it was given, which may be the names of files: once more with what a terminal shows of these.
    let shown = words.iter().map(|word| in_one_line(&word.to_string_lossy()).into_owned());
    let mut error = Arguments::try_parse_from(shown).err().unwrap_or(error);
    let commands = Arguments::command();
    let subcommand = words.get(1).and_then(|name| commands.find_subcommand(name));
    if let Some(tip) = cli::tips::tip(&error, subcommand) {
        for guess in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
            error.remove(guess);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error.exit()
}

/// The words of the command line, as they are parsed.
fn words() -> Vec<OsString> {
    joined(std::env::args_os())
}

/// The words of the command line, a negative number joined to the flag before it: `--lr -1` as `--lr=-1`. Alone it would be taken for
/// a flag, and the message would be about that instead of the number.
fn joined(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_after_flags = false;
    for word in words {
        let text = word.to_string_lossy();
        is_after_flags |= text == "--";
        let is_negative =
            text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
        let flag = joined.last_mut().filter(|last| {
            let last = last.to_string_lossy();
            last.starts_with("--") && last.len() > 2 && !last.contains('=')
        });
        match flag {
            Some(flag) if is_negative && !is_after_flags => {
                flag.push("=");
                flag.push(&word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Names that have what a list in a message has between its lines, and could so pass for one. Of files to classify they are spelled
/// out one by one.
fn check_line_breaks(command: &Command) -> Result<(), String> {
    let mut arguments = std::env::args_os().filter(|_| !matches!(command, Command::Predict(_)));
    let broken = arguments.find(|argument| argument.to_string_lossy().contains("\n  "));
    broken.map_or(Ok(()), |argument| {
        Err(format!("{} has a line break in it; rename it", in_one_line(&argument.to_string_lossy())))
    })
}

/// The error and its causes, those left out that it has quoted already.
fn message(error: &anyhow::Error) -> String {
    let text =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref().map_or_else(|| cause.to_string(), one_line);
    error.chain().map(text).fold(String::new(), |message, cause| match message.as_str() {
        "" => cause,
        quoted if quoted.contains(&cause) => message,
        _ => format!("{message}: {cause}"),
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.into_iter().any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
