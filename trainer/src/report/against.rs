//! A run beside another one, image by image: what one has right and the other wrong.
//!
//! Test images are the same in both runs where class and file are; without files, where both data sets have the same name and their
//! test images the same classes in the same order. Images that only one run was tested on are left out.

use std::collections::BTreeMap;

use super::answers::{self, Answer};
use super::findings::Findings;
use super::record::RunRecord;
use super::{ReportError, mcnemar};

/// What two runs have of the images that both were tested on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images.
    pub images: usize,
    /// Those that both have right.
    pub both: usize,
    /// Those that only this run has right.
    pub only_this: usize,
    /// Those that only the other run has right.
    pub only_other: usize,
}

impl Tally {
    fn add(&mut self, this: bool, other: bool) {
        self.images += 1;
        self.both += usize::from(this && other);
        self.only_this += usize::from(this && !other);
        self.only_other += usize::from(!this && other);
    }

    /// Share of images that this run has right and that the other has right, 0 to 1; `None` without images.
    #[must_use]
    pub fn accuracies(&self) -> Option<[f64; 2]> {
        let share = |right: usize| right as f64 / self.images as f64;
        (self.images > 0).then(|| [share(self.both + self.only_this), share(self.both + self.only_other)])
    }

    /// The p-value of [McNemar's exact test](mcnemar::exact).
    #[must_use]
    pub fn p_value(&self) -> f64 {
        mcnemar::exact(self.only_this, self.only_other)
    }
}

/// An image that one run has right and the other wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changed {
    /// The answer of this run.
    pub this: Answer,
    /// The answer of the other, whose classes may have other numbers.
    pub other: Answer,
    /// Its index among the test images of this run.
    pub image: usize,
}

/// Two runs compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Of all images.
    pub total: Tally,
    /// Of each class of this run.
    pub classes: Vec<Tally>,
    /// Test images of this run and of the other.
    pub tested: [usize; 2],
    /// The images that only one of both has right, the most confident mistake first, of equals the first image.
    pub changed: Vec<Changed>,
    /// The file of each test image of this run; empty where it has none.
    pub files: Vec<String>,
}

/// Compares a run with another one.
///
/// # Errors
/// [`ReportError::NothingInCommon`].
pub fn compare(
    (run, findings): (&RunRecord, &Findings),
    (other, others): (&RunRecord, &Findings),
) -> Result<Comparison, ReportError> {
    let files = answers::files(&findings.answers_csv);
    let pairs = pairs((run, findings, &files), (other, others));
    if pairs.is_empty() {
        return Err(ReportError::NothingInCommon { run: run.name.clone(), other: other.name.clone() });
    }
    let mut total = Tally::default();
    let mut classes = vec![Tally::default(); run.config.class_names.len()];
    let mut changed = Vec::new();
    for pair in pairs {
        let (this, other) = (pair.this.is_right(), pair.other.is_right());
        total.add(this, other);
        if let Some(tally) = classes.get_mut(pair.this.truth) {
            tally.add(this, other);
        }
        if this != other {
            changed.push(pair);
        }
    }
    let confidence = |changed: &Changed| {
        if changed.this.is_right() { changed.other.probability } else { changed.this.probability }
    };
    changed.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.image.cmp(&b.image)));
    Ok(Comparison { total, classes, tested: [findings.answers.len(), others.answers.len()], changed, files })
}

/// The images that both runs were tested on, in the order of this one's.
fn pairs(
    (run, findings, files): (&RunRecord, &Findings, &[String]),
    (other, others): (&RunRecord, &Findings),
) -> Vec<Changed> {
    let truth_here = |answer: &Answer| run.class_name(answer.truth);
    let truth_there = |answer: &Answer| other.class_name(answer.truth);
    let other_files = answers::files(&others.answers_csv);
    let (here, there) = (&findings.answers, &others.answers);
    if files.iter().chain(&other_files).all(String::is_empty) {
        let is_same = run.config.dataset == other.config.dataset
            && here.len() == there.len()
            && here.iter().zip(there).all(|(one, other)| truth_here(one) == truth_there(other));
        let pairs = here.iter().zip(there).enumerate();
        let pairs = pairs.map(|(image, (&this, &other))| Changed { this, other, image });
        return if is_same { pairs.collect() } else { Vec::new() };
    }
    let named = other_files.iter().zip(there).filter(|(file, _)| !file.is_empty());
    let known: BTreeMap<(&str, &str), Answer> =
        named.map(|(file, answer)| ((truth_there(answer), file.as_str()), *answer)).collect();
    let here = here.iter().zip(files).enumerate();
    here.filter_map(|(image, (&this, file))| {
        let other = *known.get(&(truth_here(&this), file.as_str()))?;
        Some(Changed { this, other, image })
    })
    .collect()
}
