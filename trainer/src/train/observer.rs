//! The observer of a training run.

use candle_core::Tensor;

use super::checkpoint::Checkpoint;
use super::history::Epoch;
use super::score::Score;

/// Sees a training run as it goes. It is called on the thread of the pool that trains.
pub trait Observer: Send {
    /// Before the first step, how weights that have learned something do on the validation images.
    fn start(&mut self, _: Score) {}
    /// After each step: images seen in this epoch, of how many, and the running score.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);
    /// While an epoch is validated, the logits `[n, classes]` of the next few validation images.
    ///
    /// # Errors
    /// Those of candle.
    fn validated(&mut self, _: &Tensor) -> candle_core::Result<()> {
        Ok(())
    }
    /// After each epoch.
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);
    /// Whether training is to stop here; called after each step.
    fn is_interrupted(&self) -> bool {
        false
    }
    /// The state of a training: after each epoch, and where it was interrupted.
    fn checkpoint(&mut self, _: Checkpoint) {}
}
