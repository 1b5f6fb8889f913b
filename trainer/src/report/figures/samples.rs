//! Training images with the names of their classes.

use super::figure::{Figure, Kind};
use super::grid::{self, Cell};
use crate::report::findings::Sample;
use crate::report::text::shorten;
use crate::report::{Findings, RunRecord};

/// Draws the samples.
pub fn draw(run: &RunRecord, findings: &Findings) -> Option<Figure> {
    let cells = cells(run, &findings.shown.samples);
    (!cells.is_empty()).then(|| {
        Figure::new(
            Kind::Samples,
            format!("Images of {}", run.config.dataset),
            format!("{} of the training images, taken at even distances.", cells.len()),
            grid::draw(&cells),
        )
    })
}

/// Images, each with the name of its class.
pub fn cells<'s>(run: &RunRecord, samples: &'s [Sample]) -> Vec<Cell<'s>> {
    let cell = |sample: &'s Sample| {
        let name = run.class_name(sample.class);
        let lines = vec![shorten(name, grid::SIZE, grid::ROOM)];
        Cell { thumbnail: &sample.thumbnail, lines, about: name.to_owned() }
    };
    samples.iter().map(cell).collect()
}
