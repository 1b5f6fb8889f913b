//! Everything random, from one seed.
//!
//! Each purpose draws from its own ChaCha8 stream, so that adding a draw in one place changes nothing in another, and a
//! stream can be rebuilt from `(seed, purpose, index)` alone: an interrupted run needs no generator state to resume.

pub use rand::{Rng, RngExt, SeedableRng};
pub use rand_chacha::ChaCha8Rng;

/// What random numbers are drawn for; each variant is a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Initial weights; index: the layer.
    Initialize = 1,
    /// The order of the training images; index: the epoch.
    Shuffle = 2,
    /// Which images are held out for validation.
    Split = 3,
    /// The built-in `garments` images; index: the image.
    Garments = 4,
    /// Which training images calibrate the activations.
    Calibrate = 5,
    /// What happens to images; index: the step.
    Augment = 6,
    /// Which values are left out; index: the step.
    Dropout = 7,
    /// Which images are mixed, and how; index: the step.
    Mixup = 8,
    /// The seed that quantization-aware fine-tuning draws from.
    FineTune = 9,
    /// The order in which images are dealt into folds; index: the class.
    Folds = 10,
    /// Noise that stands for test images; index: the image.
    Noise = 11,
    /// The candidates of a search; index: the trial.
    Search = 16,
}

/// The generator for draw number `index` of `purpose` under `seed`.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(((purpose as u64) << 48) | (index & 0xFFFF_FFFF_FFFF));
    generator
}

/// Fisher-Yates: every order equally likely.
pub fn shuffle<T>(items: &mut [T], generator: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, generator.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_purpose_and_index_draw_the_same_numbers() {
        let draw = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        assert_eq!(draw(48, Purpose::Shuffle, 3), draw(48, Purpose::Shuffle, 3));
        assert_ne!(draw(48, Purpose::Shuffle, 3), draw(48, Purpose::Shuffle, 4));
        assert_ne!(draw(48, Purpose::Shuffle, 3), draw(48, Purpose::Split, 3));
        assert_ne!(draw(48, Purpose::Shuffle, 3), draw(49, Purpose::Shuffle, 3));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        shuffle(&mut items, &mut stream(48, Purpose::Shuffle, 0));
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
