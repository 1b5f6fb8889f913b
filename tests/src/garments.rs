//! The built-in set, as much of it as a test needs, and an observer for trainings that nobody watches.

use trainer::dataset::{Dataset, DatasetChoice, Request, load};
use trainer::train::score::Score;
use trainer::train::{Epoch, Observer};

/// The built-in set.
///
/// # Panics
/// Never: it is drawn, not read.
#[must_use]
pub fn garments() -> Dataset {
    load(&Request { choice: DatasetChoice::Garments, ..Request::default() }).expect("garments need no files").dataset
}

/// The same with so many training images.
#[must_use]
pub fn first_garments(train: usize) -> Dataset {
    let mut dataset = garments();
    dataset.train = dataset.train.subset(&(0..train).collect::<Vec<_>>());
    dataset
}

/// Looks away.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {}
    fn epoch(&mut self, _: &Epoch, _: bool) {}
}
