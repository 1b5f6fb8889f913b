//! The wrong answers to test images that were given with the most confidence.

use super::figure::{Figure, Kind};
use super::grid::{self, Cell};
use crate::report::file_links::LONGEST_NAME;
use crate::report::text::{percent, shorten};
use crate::report::{Findings, RunRecord};
use crate::support::text::thousands;

/// Draws the mistakes.
pub fn draw(run: &RunRecord, findings: &Findings) -> Option<Figure> {
    let wrong = findings.answers.iter().filter(|answer| !answer.is_right()).count();
    let mut cells = Vec::new();
    for mistake in &findings.shown.mistakes {
        let Some(answer) = findings.answers.get(mistake.image) else { continue };
        let (prediction, truth) = (run.class_name(answer.prediction), run.class_name(answer.truth));
        let percent = percent(answer.probability);
        let mut lines =
            vec![grid::line(prediction, " ", &percent), shorten(&format!("is {truth}"), grid::SIZE, grid::ROOM)];
        let mut about = format!("test image {}: predicted as {prediction} ({percent}), is {truth}", mistake.image);
        if let Some(file) = &mistake.file {
            let file: String = file.chars().take(LONGEST_NAME).collect();
            // The folder is the class, which the line above has.
            let name = file.rsplit_once('/').map_or(&*file, |(_, name)| name);
            lines.push(shorten(name, grid::SIZE, grid::ROOM));
            about = format!("{file}: {about}");
        }
        cells.push(Cell { thumbnail: &mistake.thumbnail, lines, about });
    }
    (!cells.is_empty()).then(|| {
        Figure::new(
            Kind::Mistakes,
            "Most confident mistakes",
            format!(
                "The class that the 8-bit model predicts, its probability, and the true class. {} of {} mistakes.",
                cells.len(),
                thousands(wrong)
            ),
            grid::draw(&cells),
        )
    })
}
