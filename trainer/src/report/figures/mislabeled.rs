//! Images whose labels are doubtful.

use super::figure::{Figure, Kind};
use super::grid::{self, Cell};
use crate::report::findings::{Suspect, Suspects};
use crate::report::text::{percent, shorten};
use crate::report::{Findings, RunRecord};
use crate::support::text::thousands;

/// Draws the most doubtful ones.
pub fn draw(run: &RunRecord, findings: &Findings) -> Option<Figure> {
    let suspects = findings.shown.suspects.as_ref()?;
    let Suspects { out_of_fold, doubtful, shown, .. } = suspects;
    let cells: Vec<Cell<'_>> = shown.iter().map(|suspect| cell(run, suspect)).collect();
    (!cells.is_empty()).then(|| {
        Figure::new(
            Kind::Mislabeled,
            "Labels to check",
            format!(
                "The class that the {} suggests, its probability, and the label. {} of {} doubtful labels among {}, {}.",
                if *out_of_fold > 0 { "network" } else { "8-bit model" },
                cells.len(),
                thousands(*doubtful),
                suspects.of_what(),
                match out_of_fold {
                    0 => "which the network was not trained on",
                    _ => "each answered by a network that was not trained on it",
                }
            ),
            grid::draw(&cells),
        )
    })
}

/// An image with the class that is suggested for it, and its label.
fn cell<'s>(run: &RunRecord, suspect: &'s Suspect) -> Cell<'s> {
    let [given, suggested] = [suspect.given, suspect.suggested].map(|class| run.class_name(class));
    let percent = percent(suspect.suggested_probability);
    let lines =
        vec![grid::line(suggested, "? ", &percent), shorten(&format!("labeled {given}"), grid::SIZE, grid::ROOM)];
    let (split, image) = (suspect.split.name(), suspect.image);
    let about = format!("{split} image {image}: labeled {given}, probably {suggested} ({percent})");
    Cell { thumbnail: &suspect.thumbnail, lines, about }
}
