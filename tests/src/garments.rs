//! The built-in set, as much of it as a test needs, and observers: of trainings that nobody watches, and of those that are interrupted.

use std::cell::Cell;

use trainer::dataset::{Dataset, DatasetChoice, Request, load};
use trainer::train::score::Score;
use trainer::train::{Checkpoint, Epoch, Observer};

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

/// Stops training after so many steps, and keeps its state.
pub struct Impatient {
    steps_left: Cell<usize>,
    /// The state when it stopped.
    pub last: Option<Checkpoint>,
}

impl Observer for Impatient {
    fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {
        self.steps_left.set(self.steps_left.get().saturating_sub(1));
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn is_interrupted(&self) -> bool {
        self.steps_left.get() == 0
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.last = Some(checkpoint);
    }
}

/// One that stops after so many steps.
#[must_use]
pub fn impatient(steps: usize) -> Impatient {
    Impatient { steps_left: Cell::new(steps), last: None }
}
