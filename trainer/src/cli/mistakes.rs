//! Which images a model gets wrong, by file.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;
use trainer::dataset::Loaded;
use trainer::dataset::Origin;
use trainer::report::answers::{self, Answer};
use trainer::support::printable::in_one_line;
use trainer::support::whole_file::write_whole;

use super::output::print_line;

/// What `eval` prints of single images.
#[derive(clap::Args)]
pub struct MistakeFlags {
    /// List the wrong answers, the most confident first: file, class, answer and its probability
    #[arg(long)]
    pub mistakes: bool,
    /// Write the answer to each image to a file, like answers.csv of a run
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

/// A wrong answer.
#[derive(Serialize)]
pub struct Mistake<'n> {
    /// The file, or its number where images have no files.
    file: String,
    /// The class it is of.
    truth: &'n str,
    /// The class that it was given.
    prediction: &'n str,
    /// Softmax probability of that class.
    probability: f32,
}

impl MistakeFlags {
    /// Writes the answers where that is requested, and returns the mistakes, `None` where they are not.
    pub fn gather<'n>(&self, model: &[u8], loaded: &Loaded, classes: &[&'n str]) -> Result<Option<Vec<Mistake<'n>>>> {
        if !self.mistakes && self.answers.is_none() {
            return Ok(None);
        }
        let test = &loaded.dataset.test;
        let answers = answers::classify(model, test)?;
        if let Some(path) = &self.answers {
            write_whole(path, answers::to_csv(&answers, test).as_bytes()).context("--answers")?;
        }
        let mistake = |index: usize| {
            let Answer { truth, prediction, probability } = answers[index];
            let class = |class: usize| classes.get(class).copied().unwrap_or("?");
            Mistake { file: file(loaded, index), truth: class(truth), prediction: class(prediction), probability }
        };
        let wrong = answers::most_confident_mistakes(&answers, answers.len());
        Ok(self.mistakes.then(|| wrong.into_iter().map(mistake).collect()))
    }
}

/// An image's file as a command in this directory takes it; images without a file have their number.
fn file(loaded: &Loaded, index: usize) -> String {
    match (loaded.dataset.test.name(index), &loaded.origin) {
        (Some(name), Origin::Data(directory)) if directory.join(name).is_file() => {
            directory.join(name).display().to_string()
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => format!("test image {index}"),
    }
}

/// Prints a line for each.
pub fn print(mistakes: &[Mistake<'_>]) -> Result<()> {
    print_line!("\nmistakes: {}", mistakes.len());
    for Mistake { file, truth, prediction, probability } in mistakes {
        let [file, truth, prediction] = [file.as_str(), truth, prediction].map(in_one_line);
        print_line!("{file}: is {truth}, predicted as {prediction} ({:.1}%)", 100.0 * probability);
    }
    Ok(())
}
