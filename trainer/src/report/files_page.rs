//! Tables of the page that name the files of images: the most confident mistakes, and doubtful labels.

use super::file_links::{FileLink, FileLinks};
use super::findings::{Findings, Mistake, Suspect, Suspects};
use super::record::RunRecord;
use super::text::percent;
use crate::support::text::thousands;

/// Where more than one label in so many is doubtful, it is the network that is: data sets that are used as benchmarks have at most one wrong
/// label in ten (Northcutt, Athalye and Mueller 2021).
const MANY: usize = 5;

/// A test image that got a wrong answer, of this run or of the one that it is compared with.
pub struct MistakeRow {
    /// Its file.
    pub file: FileLink,
    /// The class that it is of.
    pub truth: String,
    /// The class that it was given.
    pub prediction: String,
    /// Probability of that class.
    pub probability: String,
}

/// An image whose label is doubtful.
pub struct SuspectRow {
    /// Its file.
    pub file: FileLink,
    /// What it was for: training, validation or test.
    pub split: &'static str,
    /// The class of its label, and its probability.
    pub given: String,
    /// The class that the network suggests, and its probability.
    pub suggested: String,
}

/// A row for each of the mistakes that are shown, in their order.
pub fn mistakes(run: &RunRecord, findings: &Findings, links: &FileLinks) -> Vec<MistakeRow> {
    let row = |mistake: &Mistake| {
        let answer = findings.answers.get(mistake.image)?;
        Some(MistakeRow {
            file: file(mistake.file.as_deref(), &format!("test image {}", mistake.image), links),
            truth: run.class_name(answer.truth).to_owned(),
            prediction: run.class_name(answer.prediction).to_owned(),
            probability: percent(answer.probability),
        })
    };
    findings.shown.mistakes.iter().filter_map(row).collect()
}

/// A row for each of the doubtful labels that are shown, in their order.
pub fn suspects(run: &RunRecord, findings: &Findings, links: &FileLinks) -> Vec<SuspectRow> {
    let row = |suspect: &Suspect| {
        let class = |class, probability| format!("{} {}", run.class_name(class), percent(probability));
        SuspectRow {
            file: file(suspect.file.as_deref(), &format!("{} image {}", suspect.split.name(), suspect.image), links),
            split: suspect.split.name(),
            given: class(suspect.given, suspect.given_probability),
            suggested: class(suspect.suggested, suspect.suggested_probability),
        }
    };
    findings.shown.suspects.iter().flat_map(|suspects| &suspects.shown).map(row).collect()
}

/// What a reader has to know of the doubtful labels: that there are none, or so many that they are the network's mistakes. Empty where
/// nobody looked.
pub fn suspects_note(findings: &Findings) -> String {
    match &findings.shown.suspects {
        Some(suspects @ Suspects { doubtful: 0, .. }) if suspects.images > 0 => {
            format!("None of the labels of {} is doubtful.", suspects.of_what())
        }
        Some(Suspects { images, doubtful, .. }) if doubtful * MANY > *images => format!(
            "{} of {} labels are doubtful: with so many, the network has not learned to distinguish the classes, and the labels are \
             probably right.",
            thousands(*doubtful),
            thousands(*images)
        ),
        Some(_) | None => String::new(),
    }
}

/// The link to an image's file, or what the image is called where it has none.
pub fn file(file: Option<&str>, otherwise: &str, links: &FileLinks) -> FileLink {
    match file.filter(|file| !file.is_empty()) {
        Some(file) => links.link(file),
        None => FileLink { name: otherwise.to_owned(), href: String::new() },
    }
}
