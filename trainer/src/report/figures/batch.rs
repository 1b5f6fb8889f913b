//! The first training images as the network sees them.

use super::figure::{Figure, Kind};
use super::grid;
use super::samples::cells;
use crate::report::{Findings, RunRecord};
use crate::train::recipe::{Augment, Recipe};

/// Draws the batch.
pub fn draw(run: &RunRecord, findings: &Findings) -> Option<Figure> {
    let cells = cells(run, &findings.shown.batch);
    (!cells.is_empty()).then(|| {
        Figure::new(
            Kind::Batch,
            "Training images as the network sees them",
            format!("The first {} of the first step. {}", cells.len(), changes(&run.config.recipe)),
            grid::draw(&cells),
        )
    })
}

/// What a recipe does to images.
fn changes(recipe: &Recipe) -> &'static str {
    match (recipe.augment == Augment::default(), recipe.mixup > 0.0) {
        (true, false) => "The recipe does not change images.",
        (true, true) => "Each image is mixed with its neighbor; the label below is that of the larger share.",
        (false, false) => "Each image is changed at random, differently in each epoch.",
        (false, true) => {
            "Each image is changed at random, differently in each epoch, and mixed with its neighbor; the label below \
             is that of the larger share."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caption_states_what_happens_to_images() {
        let of = |name: &str| Recipe::built_in(name).unwrap().for_network("small", false);
        assert!(changes(&of("tutorial")).contains("does not change images"));
        assert!(changes(&of("strong")).contains("changed at random"));
        assert!(changes(&Recipe { mixup: 0.2, ..of("tutorial") }).starts_with("Each image is mixed"));
    }
}
