//! Mirror images, and images moved by whole pixels.

use super::options::Augment;
use crate::dataset::ImageShape;
use crate::support::rng::{ChaCha8Rng, RngExt};

/// Where an image's pixels go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Whether left and right change places, before the image moves.
    pub(super) flip: bool,
    /// Pixels down; negative: up.
    pub(super) down: isize,
    /// Pixels to the right; negative: to the left.
    pub(super) right: isize,
}

impl Motion {
    pub(super) fn draw(augment: &Augment, generator: &mut ChaCha8Rng) -> Self {
        let flip = augment.flip > 0.0 && generator.random_bool(augment.flip);
        let shift = augment.shift;
        let mut offset = || if shift == 0 { 0 } else { generator.random_range(0..=2 * shift) };
        let (down, right) = (offset(), offset());
        Self { flip, down: down as isize - shift as isize, right: right as isize - shift as isize }
    }

    /// Writes one image `[height, width, channels]`, moved; what comes in is black.
    pub fn apply(self, pixels: &[u8], shape: ImageShape, moved: &mut [u8]) {
        if self == Self::default() {
            return moved.copy_from_slice(pixels);
        }
        let ImageShape { height, width, channels } = shape;
        for (y, row) in moved.chunks_exact_mut(width * channels).enumerate() {
            let Some(from_y) = y.checked_add_signed(-self.down).filter(|&y| y < height) else {
                row.fill(0);
                continue;
            };
            let from = &pixels[from_y * width * channels..][..width * channels];
            for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
                let Some(from_x) = x.checked_add_signed(-self.right).filter(|&x| x < width) else {
                    pixel.fill(0);
                    continue;
                };
                let from_x = if self.flip { width - 1 - from_x } else { from_x };
                pixel.copy_from_slice(&from[from_x * channels..][..channels]);
            }
        }
    }

    /// Which one it is of those that [`Augment::motions`] counts, from 0.
    #[must_use]
    pub fn index(self, augment: &Augment) -> usize {
        let side = 2 * augment.shift + 1;
        let place = |offset: isize| offset.saturating_add_unsigned(augment.shift) as usize;
        (usize::from(self.flip) * side + place(self.down)) * side + place(self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    const SHAPE: ImageShape = ImageShape { height: 2, width: 3, channels: 2 };
    const IMAGE: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn moved(augment: &Augment, index: u64) -> Vec<u8> {
        let mut moved = vec![99; IMAGE.len()];
        Motion::draw(augment, &mut stream(48, Purpose::Augment, index)).apply(&IMAGE, SHAPE, &mut moved);
        moved
    }

    #[test]
    fn a_flip_mirrors_columns_and_keeps_channels() {
        let flip = Augment { flip: 1.0, ..Augment::default() };
        assert_eq!(moved(&flip, 0), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
        let half = Augment { flip: 0.5, ..Augment::default() };
        let flipped = (0..1000).filter(|&index| moved(&half, index) != IMAGE).count();
        assert!((420..580).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_shift_moves_every_way_and_brings_in_black() {
        let shift = Augment { shift: 1, ..Augment::default() };
        let mut seen: Vec<Vec<u8>> = (0..300).map(|index| moved(&shift, index)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
        assert!(seen.contains(&vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), "down and to the right");
        assert!(seen.contains(&vec![9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0]), "up and to the left");
    }

    #[test]
    fn each_motion_has_an_index_of_its_own() {
        let augment = Augment { flip: 0.5, shift: 2, ..Augment::default() };
        let draw = |index| Motion::draw(&augment, &mut stream(48, Purpose::Augment, index)).index(&augment);
        let mut seen: Vec<usize> = (0..2000).map(draw).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..augment.motions().unwrap()).collect::<Vec<_>>());
        assert_eq!(Motion { flip: false, down: -2, right: -2 }.index(&augment), 0);
    }
}
