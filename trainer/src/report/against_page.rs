//! The section of the page about another run: what changed, class by class and image by image.

use super::ReportError;
use super::against::{Changed, Comparison, Tally, compare};
use super::file_links::FileLinks;
use super::files_page::{MistakeRow, file};
use super::findings::Findings;
use super::record::RunRecord;
use super::text::percent;
use crate::support::limits::{MATRIX_CLASSES, SHOWN_CLASSES};
use crate::support::text::thousands;

/// Images that are listed on each side.
const LISTED: usize = 20;

/// Above this a difference counts as one of chance.
const SIGNIFICANT: f64 = 0.05;

/// The section.
pub struct AgainstView {
    /// What the other run is called.
    pub other: String,
    /// What both have right, and whether the difference is more than chance.
    pub verdict: String,
    /// Which images were compared.
    pub images: String,
    /// A row for each class.
    pub classes: Vec<ClassChange>,
    /// What the table leaves out.
    pub classes_note: String,
    /// The images that only one of both has right: those of this run, then those of the other.
    pub sides: [Side; 2],
}

/// What changed for a class.
pub struct ClassChange {
    /// Its name.
    pub name: String,
    /// Images that were compared.
    pub images: String,
    /// Accuracy of this run and of the other.
    pub accuracies: [String; 2],
    /// Their difference in percentage points.
    pub difference: String,
    /// Images that only this run has right, and only the other.
    pub only: [String; 2],
}

/// The images that only one of both runs has right.
pub struct Side {
    /// Which.
    pub title: String,
    /// Some of them.
    pub rows: Vec<MistakeRow>,
    /// How many of them are not listed.
    pub note: String,
}

/// The section about a run and another one.
///
/// # Errors
/// Those of [`compare`].
pub fn view(
    (run, findings): (&RunRecord, &Findings),
    (other, others): (&RunRecord, &Findings),
    links: &FileLinks,
) -> Result<AgainstView, ReportError> {
    let comparison = compare((run, findings), (other, others))?;
    let [here, there] = comparison.tested;
    let images = comparison.total.images;
    let compared = match images == here && images == there {
        true => format!("All {} test images.", thousands(images)),
        false => format!(
            "The {} test {} that both runs were tested on, of {} in this run and {} in the other.",
            thousands(images),
            if images == 1 { "image" } else { "images" },
            thousands(here),
            thousands(there)
        ),
    };
    let (classes, classes_note) = class_changes(run, &comparison);
    let side = |is_this: bool, title: String| {
        let changed: Vec<&Changed> =
            comparison.changed.iter().filter(|changed| changed.this.is_right() == is_this).collect();
        let rows = changed.iter().take(LISTED).map(|changed| {
            let (answer, names) = if is_this { (changed.other, other) } else { (changed.this, run) };
            let name = comparison.files.get(changed.image).map(String::as_str);
            MistakeRow {
                file: file(name, &format!("test image {}", changed.image), links),
                truth: run.class_name(changed.this.truth).to_owned(),
                prediction: names.class_name(answer.prediction).to_owned(),
                probability: percent(answer.probability),
            }
        });
        let note = match changed.len() > LISTED {
            true => format!("{LISTED} of {}, the most confident wrong answers.", thousands(changed.len())),
            false => String::new(),
        };
        Side { title, rows: rows.collect(), note }
    };
    Ok(AgainstView {
        other: other.name.clone(),
        verdict: verdict(&comparison.total, &other.name),
        images: compared,
        classes,
        classes_note,
        sides: [
            side(true, format!("Right in this run, wrong in {}", other.name)),
            side(false, format!("Wrong in this run, right in {}", other.name)),
        ],
    })
}

fn verdict(total: &Tally, other: &str) -> String {
    let Tally { images, both, only_this, only_other } = *total;
    let [this_right, other_right] = [both + only_this, both + only_other].map(thousands);
    let p = total.p_value();
    let p_text = if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") };
    let meaning = if only_this + only_other == 0 {
        "Both classify the same images correctly."
    } else if p < SIGNIFICANT {
        "Two equally good models would rarely differ by this much."
    } else {
        "Two equally good models often differ by this much: the difference may be chance."
    };
    format!(
        "This run is right on {this_right} of {} images, {other} on {other_right}. {} are right only in this run, {} only in the other: \
         McNemar's exact test, {p_text}. {meaning}",
        thousands(images),
        thousands(only_this),
        thousands(only_other)
    )
}

/// A row for each class, or of many for those that changed most; and what is left out.
fn class_changes(run: &RunRecord, comparison: &Comparison) -> (Vec<ClassChange>, String) {
    let total = comparison.classes.len();
    let mut shown: Vec<usize> = (0..total).collect();
    if total > MATRIX_CLASSES {
        let change =
            |class: usize| comparison.classes[class].accuracies().map_or(0.0, |[this, other]| (this - other).abs());
        shown.sort_by(|&a, &b| change(b).total_cmp(&change(a)));
        shown.truncate(SHOWN_CLASSES);
        shown.sort_unstable();
    }
    let note = match shown.len() < total {
        true => format!(" Of {} classes, the {} that changed most.", thousands(total), shown.len()),
        false => String::new(),
    };
    let row = |&class: &usize| {
        let tally = comparison.classes[class];
        let none = || "–".to_owned();
        let accuracies = tally.accuracies();
        ClassChange {
            name: run.class_name(class).to_owned(),
            images: thousands(tally.images),
            accuracies: accuracies.map_or_else(|| [none(), none()], |both| both.map(|share| format!("{share:.3}"))),
            difference: accuracies.map_or_else(none, |[this, other]| points(this - other)),
            only: [tally.only_this, tally.only_other].map(thousands),
        }
    };
    (shown.iter().map(row).collect(), note)
}

/// A difference of shares in percentage points, with its sign.
fn points(difference: f64) -> String {
    let points = format!("{:+.1}", 100.0 * difference);
    // A typographic minus is as wide as a plus.
    if points == "+0.0" || points == "-0.0" { "0.0".to_owned() } else { points.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign_and_nothing_has_none() {
        assert_eq!([0.125, -0.031, 0.0, -0.0001].map(points), ["+12.5", "−3.1", "0.0", "0.0"]);
    }

    #[test]
    fn the_verdict_gives_the_test_and_what_it_means() {
        let tally = |only_this, only_other| Tally { images: 1200, both: 1000, only_this, only_other };
        let text = verdict(&tally(10, 0), "old");
        assert!(text.starts_with(
            "This run is right on 1,010 of 1,200 images, old on 1,000. 10 are right only in this run, 0 only in the other"
        ));
        assert!(text.contains("p = 0.002. Two equally good models would rarely"), "{text}");
        assert!(verdict(&tally(5, 1), "old").contains("p = 0.219. Two equally good models often differ"));
        assert!(verdict(&tally(30, 0), "old").contains("p < 0.001"));
        assert!(verdict(&tally(0, 0), "old").ends_with("p = 1.000. Both classify the same images correctly."));
    }
}
