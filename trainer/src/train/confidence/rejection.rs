//! The threshold of "none of these": the lowest at which a target is met, such as a precision of 99%, and what it costs and saves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::coverage::{self, Kept};
use super::{Answer, Judged};
use crate::export::decision::Decision;
use crate::support::text::stored_as_text;

/// The target that a threshold is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RejectAt {
    /// The share of accepted answers that are right, over 0 and at most 1. An answer to an unknown image is wrong.
    Precision(f64),
    /// The share of unknown images that are accepted as a class, 0 to 1.
    FalseAccepts(f64),
}

impl FromStr for RejectAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "it must be precision=SHARE or false-accepts=SHARE, such as precision=0.99 or false-accepts=0.01".to_owned()
        };
        let (name, share) = text.split_once('=').ok_or_else(wrong)?;
        let share: f64 = share.parse().map_err(|_| wrong())?;
        match name {
            "precision" if share > 0.0 && share <= 1.0 => Ok(Self::Precision(share)),
            "precision" => Err("a precision is over 0 and at most 1".to_owned()),
            "false-accepts" if (0.0..1.0).contains(&share) => Ok(Self::FalseAccepts(share)),
            "false-accepts" => Err("a share of false accepts is at least 0 and under 1".to_owned()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for RejectAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precision(share) => write!(f, "precision={share}"),
            Self::FalseAccepts(share) => write!(f, "false-accepts={share}"),
        }
    }
}

stored_as_text!(RejectAt);

/// Why no threshold meets the target.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unreachable {
    /// There is nothing to choose a threshold by.
    #[error("there are no images to choose a threshold by: neither validation images nor folds")]
    NoImages,
    /// A share of images that there are none of.
    #[error("a share of false accepts is one of unknown images; give a directory of them, --unknown DIR")]
    NoUnknown,
    /// The surest answers are wrong too often.
    #[error(
        "no threshold reaches a precision of {wanted}: {:.1}% of the images accepted are right at best, with {accepted} of \
         {images} accepted; {}a better network",
        100.0 * .best, match floor(*.best) {
            // A precision of 0 is no target.
            0.0 => "it takes ".to_owned(),
            reached => format!("try --reject-at precision={reached:.2}, or "),
        }
    )]
    Precision {
        /// The precision to reach.
        wanted: f64,
        /// The highest precision of any threshold.
        best: f64,
        /// Answers accepted by that.
        accepted: usize,
        /// Answers to choose among, those to unknown images included.
        images: usize,
    },
    /// Unknown images have the highest probabilities of all.
    #[error(
        "no threshold accepts at most {wanted} of the unknown images and any of the others: of {unknown} unknown images {surest} have \
         a probability as high as the surest known one; try a higher share, or a network that has a class for them"
    )]
    FalseAccepts {
        /// The share to stay within.
        wanted: f64,
        /// Unknown images as sure as the surest known one.
        surest: usize,
        /// Unknown images.
        unknown: usize,
    },
}

/// To two decimals, down.
fn floor(share: f64) -> f64 {
    (100.0 * share).floor() / 100.0
}

/// Chooses a threshold by answers to images that were not trained on and to unknown ones: the lowest that meets the target, so that as
/// many answers as possible are accepted.
///
/// # Errors
/// [`Unreachable`].
pub fn threshold(target: RejectAt, known: &[Judged], unknown: &[Answer]) -> Result<f32, Unreachable> {
    if known.is_empty() {
        return Err(Unreachable::NoImages);
    }
    let judged = known.iter().map(|judged| (judged.answer.probability, judged.is_right));
    let curve = coverage::curve(judged.chain(unknown.iter().map(|answer| (answer.probability, false))));
    match target {
        RejectAt::Precision(wanted) => match coverage::most_at(&curve, wanted) {
            Some(accepted) => Ok(below(&curve, accepted.confidence)),
            None => {
                let best = curve.iter().copied().max_by(|one, other| one.accuracy().total_cmp(&other.accuracy()));
                let (best, accepted) = best.map_or((0.0, 0), |best| (best.accuracy(), best.answers));
                Err(Unreachable::Precision { wanted, best, accepted, images: known.len() + unknown.len() })
            }
        },
        RejectAt::FalseAccepts(wanted) => {
            let mut sure: Vec<f32> = unknown.iter().map(|answer| answer.probability).collect();
            if sure.is_empty() {
                return Err(Unreachable::NoUnknown);
            }
            sure.sort_by(|one, other| other.total_cmp(one));
            let allowed = (wanted * sure.len() as f64).floor() as usize;
            let Some(&rejected) = sure.get(allowed) else { return Ok(0.0) };
            let surest = known.iter().map(|judged| judged.answer.probability).fold(0.0, f32::max);
            match curve.iter().rfind(|kept| kept.confidence > rejected) {
                Some(accepted) if surest > rejected => Ok(below(&curve, accepted.confidence)),
                _ => {
                    let surest = sure.iter().filter(|&&probability| probability >= surest).count();
                    Err(Unreachable::FalseAccepts { wanted, surest, unknown: sure.len() })
                }
            }
        }
    }
}

/// A threshold between this confidence and the next lower one; 0 where there is none.
fn below(curve: &[Kept], confidence: f32) -> f32 {
    let Some(next) = curve.iter().find(|kept| kept.confidence < confidence) else { return 0.0 };
    let middle = f32::midpoint(confidence, next.confidence);
    if middle > next.confidence { middle } else { confidence }
}

/// The fewest answers of a class that it gets a threshold of its own by.
const FEWEST_ANSWERS: usize = 20;

/// As [`threshold`], with one for each class: of a precision among the answers of that class alone. A class with fewer than 20
/// answers, or whose answers do not reach the precision, has the one that all have together.
///
/// # Errors
/// [`Unreachable`], where no threshold for all classes meets the target.
pub fn class_thresholds(
    target: RejectAt,
    known: &[Judged],
    unknown: &[Answer],
    classes: usize,
) -> Result<Vec<f32>, Unreachable> {
    let of_all = threshold(target, known, unknown)?;
    let of_class = |class| {
        let known: Vec<Judged> = known.iter().filter(|judged| judged.answer.class == class).copied().collect();
        let unknown: Vec<Answer> = unknown.iter().filter(|answer| answer.class == class).copied().collect();
        if known.len() + unknown.len() < FEWEST_ANSWERS {
            return of_all;
        }
        threshold(target, &known, &unknown).unwrap_or(of_all)
    };
    Ok((0..classes).map(of_class).collect())
}

impl Decision {
    /// The same temperature with a threshold for each class, rounded up as the file has it: that of the header is the lowest.
    #[must_use]
    pub fn with_class_thresholds(&self, thresholds: Vec<f32>) -> Self {
        let class_thresholds: Vec<f32> = thresholds.into_iter().map(Self::in_steps).collect();
        let threshold = class_thresholds.iter().copied().fold(1.0, f32::min);
        Self { threshold, class_thresholds, ..*self }
    }

    /// Whether an answer is accepted, but for the last bit of a comparison.
    #[must_use]
    pub fn accepts(&self, answer: Answer) -> bool {
        answer.probability >= self.threshold_of(answer.class)
    }
}

/// What is accepted of images whose classes are known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// All images.
    pub images: usize,
    /// Those accepted as a class.
    pub accepted: usize,
    /// Those of them whose class is right.
    pub right: usize,
}

impl Coverage {
    /// Of answers, as `decision` decides.
    #[must_use]
    pub fn of(answers: &[Judged], decision: &Decision) -> Self {
        let accepted = || answers.iter().filter(|judged| decision.accepts(judged.answer));
        let right = accepted().filter(|judged| judged.is_right).count();
        Self { images: answers.len(), accepted: accepted().count(), right }
    }

    /// The share of images that are accepted.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.accepted as f64 / self.images.max(1) as f64
    }

    /// The share of right answers among the accepted; `None` where none is.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        (self.accepted > 0).then(|| self.right as f64 / self.accepted as f64)
    }
}

/// What is accepted of images that are of no class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FalseAccepts {
    /// All images.
    pub images: usize,
    /// Those accepted as a class.
    pub accepted: usize,
}

impl FalseAccepts {
    /// Of answers, as `decision` decides.
    #[must_use]
    pub fn of(answers: &[Answer], decision: &Decision) -> Self {
        Self { images: answers.len(), accepted: answers.iter().filter(|&&answer| decision.accepts(answer)).count() }
    }

    /// The share of images that are accepted.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.accepted as f64 / self.images.max(1) as f64
    }
}

/// How well probabilities distinguish known images from unknown ones, whatever the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// The area under the receiver operating characteristic: how often a known image, drawn at random, has a higher probability than
    /// an unknown one. Equal ones count half.
    pub auroc: f64,
    /// The unknown images accepted by the highest threshold that accepts 95% of the right answers.
    pub at_95_percent: FalseAccepts,
}

/// The share of right answers that [`Separation`] accepts.
const ACCEPTED: f64 = 0.95;

impl Separation {
    /// Of answers to known and to unknown images; `None` where there are none, or no right one.
    #[must_use]
    pub fn of(known: &[Judged], unknown: &[Answer]) -> Option<Self> {
        let mut right: Vec<f32> =
            known.iter().filter(|judged| judged.is_right).map(|judged| judged.answer.probability).collect();
        right.sort_by(|one, other| other.total_cmp(one));
        let last = ((ACCEPTED * right.len() as f64).ceil() as usize).checked_sub(1)?;
        let threshold = *right.get(last)?;
        let accepted = unknown.iter().filter(|answer| answer.probability >= threshold).count();
        Some(Self {
            auroc: auroc(known.iter().map(|judged| judged.answer.probability), unknown)?,
            at_95_percent: FalseAccepts { images: unknown.len(), accepted },
        })
    }
}

/// By the sum of the ranks of the known images (H. B. Mann and D. R. Whitney, 1947).
fn auroc(known: impl Iterator<Item = f32>, unknown: &[Answer]) -> Option<f64> {
    let mut all: Vec<(f32, bool)> = known.map(|probability| (probability, true)).collect();
    let positives = all.len() as f64;
    all.extend(unknown.iter().map(|answer| (answer.probability, false)));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut ranks = 0.0;
    let mut below = 0;
    for equal in all.chunk_by(|one, other| one.0 == other.0) {
        let rank = below as f64 + (equal.len() + 1) as f64 / 2.0;
        ranks += rank * equal.iter().filter(|(_, is_known)| *is_known).count() as f64;
        below += equal.len();
    }
    let pairs = positives * unknown.len() as f64;
    (pairs > 0.0).then(|| (ranks - positives * (positives + 1.0) / 2.0) / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(probability: f32) -> Answer {
        Answer { class: 0, probability }
    }

    fn known(answers: &[(f32, bool)]) -> Vec<Judged> {
        answers.iter().map(|&(probability, is_right)| Judged { answer: answer(probability), is_right }).collect()
    }

    fn unknown(probabilities: &[f32]) -> Vec<Answer> {
        probabilities.iter().copied().map(answer).collect()
    }

    #[test]
    fn a_target_is_read_as_it_is_written_and_others_are_refused() {
        for text in ["precision=0.99", "precision=1", "false-accepts=0.01", "false-accepts=0"] {
            let target: RejectAt = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
            assert_eq!(serde_json::from_str::<RejectAt>(&serde_json::to_string(&target).unwrap()).unwrap(), target);
        }
        for text in
            ["", "0.99", "precision", "precision=", "precision=0", "precision=1.01", "precision=NaN", "recall=0.9"]
        {
            assert!(text.parse::<RejectAt>().is_err(), "{text}");
        }
        for text in ["false-accepts=1", "false-accepts=-0.1", "false-accepts=x", "false-accepts=inf"] {
            assert!(text.parse::<RejectAt>().is_err(), "{text}");
        }
    }

    const SOME: [(f32, bool); 6] = [(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.6, true), (0.5, false)];

    #[test]
    fn the_lowest_threshold_of_a_precision_is_between_two_answers() {
        let of = |precision, unknown: &[Answer]| threshold(RejectAt::Precision(precision), &known(&SOME), unknown);
        // 1, 1, 2/3, (3/4,) 4/5, 4/6 of the accepted are right.
        assert_eq!(of(1.0, &[]), Ok(0.75));
        assert_eq!(of(0.8, &[]), Ok(0.55));
        assert_eq!(of(0.66, &[]), Ok(0.0));
        // An unknown image is never right.
        assert_eq!(
            of(0.8, &unknown(&[0.95, 0.1])),
            Err(Unreachable::Precision { wanted: 0.8, best: 2.0 / 3.0, accepted: 6, images: 8 })
        );
        let message = of(0.8, &unknown(&[0.95, 0.1])).unwrap_err().to_string();
        assert!(
            message.contains("66.7%") && message.contains("6 of 8") && message.contains("precision=0.66"),
            "{message}"
        );
        let message = threshold(RejectAt::Precision(0.5), &known(&[(0.9, false)]), &[]).unwrap_err().to_string();
        assert!(message.ends_with("1 of 1 accepted; it takes a better network"), "{message}");
        assert_eq!(threshold(RejectAt::Precision(0.5), &[], &[]), Err(Unreachable::NoImages));
    }

    #[test]
    fn at_most_the_share_of_unknown_images_is_accepted() {
        let of = |share, unknown: &[Answer]| threshold(RejectAt::FalseAccepts(share), &known(&SOME), unknown);
        let others = unknown(&[0.85, 0.55, 0.3, 0.2]);
        assert_eq!(of(0.0, &others), Ok(0.875));
        assert_eq!(of(0.25, &others), Ok(f32::midpoint(0.6, 0.55)));
        assert_eq!(of(0.49, &others), Ok(f32::midpoint(0.6, 0.55)));
        assert_eq!(of(0.5, &others), Ok(0.4));
        assert_eq!(of(0.75, &others), Ok(0.25));
        for (share, accepted) in [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3)] {
            let decision = Decision { threshold: of(share, &others).unwrap(), ..Decision::default() };
            assert_eq!(FalseAccepts::of(&others, &decision).accepted, accepted);
        }
        assert_eq!(
            of(0.1, &unknown(&[1.0, 0.9])),
            Err(Unreachable::FalseAccepts { wanted: 0.1, surest: 2, unknown: 2 })
        );
        assert_eq!(of(0.1, &[]), Err(Unreachable::NoUnknown));
        // Of equal ones all or none.
        assert_eq!(of(0.5, &unknown(&[0.75, 0.75, 0.75, 0.1])).unwrap(), f32::midpoint(0.8, 0.75));
    }

    #[test]
    fn a_class_has_the_threshold_of_its_own_answers_if_it_has_enough() {
        let mut answers = Vec::new();
        for index in 0..60u16 {
            let (class, probability) = (usize::from(index % 2), f32::from(index) / 60.0);
            // Class 1 is always right, class 0 only above one half.
            answers.push(Judged { answer: Answer { class, probability }, is_right: class == 1 || index >= 30 });
        }
        answers.push(Judged { answer: Answer { class: 2, probability: 0.99 }, is_right: false });
        let target = RejectAt::Precision(0.9);
        let all = threshold(target, &answers, &[]).unwrap();
        let thresholds = class_thresholds(target, &answers, &[], 4).unwrap();
        assert_eq!(thresholds[1], 0.0);
        assert!(thresholds[0] > all && all > 0.0, "{thresholds:?} {all}");
        assert_eq!(thresholds[2..], [all, all]);
        let decision = Decision::default().with_class_thresholds(thresholds);
        assert_eq!((decision.threshold, decision.threshold_of(9)), (0.0, 0.0));
        assert!((all..all + 1.0 / 65536.0).contains(&decision.threshold_of(2)));
        let Coverage { images, accepted, right } = Coverage::of(&answers, &decision);
        assert_eq!(images, 61);
        assert!(accepted > 45 && right as f64 / accepted as f64 > 0.9, "{accepted} {right}");
    }

    #[test]
    fn coverage_and_its_accuracy_follow_from_the_threshold() {
        let decision = Decision { threshold: 0.65, ..Decision::default() };
        let coverage = Coverage::of(&known(&SOME), &decision);
        assert_eq!(coverage, Coverage { images: 6, accepted: 3, right: 2 });
        assert_eq!((coverage.share(), coverage.accuracy()), (0.5, Some(2.0 / 3.0)));
        assert_eq!(Coverage::of(&[], &decision).accuracy(), None);
    }

    #[test]
    fn separation_counts_pairs_and_false_accepts() {
        let separation = Separation::of(&known(&SOME), &unknown(&[0.95, 0.6, 0.4, 0.3])).unwrap();
        // Of 24 pairs 12 are with 0.4 and 0.3; with 0.6: 3 higher and 2 equal.
        assert!((separation.auroc - 16.0 / 24.0).abs() < 1e-12, "{separation:?}");
        // All four right answers are at least 0.6.
        assert_eq!(separation.at_95_percent, FalseAccepts { images: 4, accepted: 2 });
        assert_eq!(Separation::of(&known(&SOME), &unknown(&[0.1])).unwrap().auroc, 1.0);
        assert_eq!(Separation::of(&known(&SOME), &[]), None);
        assert_eq!(Separation::of(&known(&[(0.5, false)]), &unknown(&[0.5])), None);
    }
}
