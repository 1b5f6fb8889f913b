//! Images changed at random on their way into training, so that a network sees no image twice.

use candle_core::{Result, Tensor};

use crate::dataset::batch;
use crate::dataset::{ImageShape, Images};
use crate::support::rng::{ChaCha8Rng, RngExt};
use crate::train::recipe::Augment;

/// Where an image's pixels go: all that [`Augment`] does but noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// Whether left and right change places.
    flip: bool,
    /// Pixels down, beyond `shift` pixels up.
    down: usize,
    /// Pixels to the right, beyond `shift` pixels to the left.
    right: usize,
}

/// Images of a training step.
pub struct Batch {
    /// `[n, height, width, channels]`, 0 to 1.
    pub inputs: Tensor,
    /// The class of each.
    pub labels: Vec<u32>,
    /// How each was moved.
    pub motions: Vec<Motion>,
}

impl Augment {
    /// The images at these indices, each changed.
    ///
    /// # Errors
    /// Those of candle.
    pub fn gather(&self, images: &Images, indices: &[usize], generator: &mut ChaCha8Rng) -> Result<Batch> {
        let shape = images.shape();
        let mut pixels = Vec::with_capacity(indices.len() * shape.len());
        let mut motions = Vec::with_capacity(indices.len());
        for &index in indices {
            let (image, motion) = self.change(&images.image(index)?, shape, generator);
            pixels.extend(image);
            motions.push(motion);
        }
        let labels = indices.iter().map(|&index| images.label(index).into()).collect();
        Ok(Batch { inputs: batch::inputs(&pixels, shape)?, labels, motions })
    }

    /// One image `[height, width, channels]`, changed.
    #[must_use]
    pub fn image(&self, pixels: &[u8], shape: ImageShape, generator: &mut ChaCha8Rng) -> Vec<u8> {
        self.change(pixels, shape, generator).0
    }

    fn change(&self, pixels: &[u8], shape: ImageShape, generator: &mut ChaCha8Rng) -> (Vec<u8>, Motion) {
        let motion = self.draw(generator);
        let mut changed = self.moved(pixels, shape, motion);
        if self.erase > 0.0 && generator.random_bool(self.erase) {
            erase(&mut changed, [shape.height, shape.width, shape.channels], generator);
        }
        (changed, motion)
    }

    fn draw(&self, generator: &mut ChaCha8Rng) -> Motion {
        let flip = self.flip > 0.0 && generator.random_bool(self.flip);
        let mut offset = || if self.shift == 0 { 0 } else { generator.random_range(0..=2 * self.shift) };
        Motion { flip, down: offset(), right: offset() }
    }

    /// One image `[height, width, channels]`, moved; what comes in is black.
    #[must_use]
    pub fn moved(&self, pixels: &[u8], shape: ImageShape, motion: Motion) -> Vec<u8> {
        let ImageShape { height, width, channels } = shape;
        let shift = self.shift;
        if motion == (Motion { flip: false, down: shift, right: shift }) {
            return pixels.to_vec();
        }
        let mut moved = vec![0; pixels.len()];
        // Columns of the result that lie inside the image.
        let columns =
            motion.right.saturating_sub(shift).min(width)..(width + motion.right).saturating_sub(shift).min(width);
        for (y, row) in moved.chunks_exact_mut(width * channels).enumerate() {
            let Some(from_y) = (y + shift).checked_sub(motion.down).filter(|&y| y < height) else { continue };
            let from = &pixels[from_y * width * channels..][..width * channels];
            for x in columns.clone() {
                let from_x = x + shift - motion.right;
                let from_x = if motion.flip { width - 1 - from_x } else { from_x };
                row[x * channels..][..channels].copy_from_slice(&from[from_x * channels..][..channels]);
            }
        }
        moved
    }

    /// In how many ways an image can be moved.
    #[must_use]
    pub fn motions(&self) -> usize {
        2 * (2 * self.shift + 1).pow(2)
    }

    /// Which of the [`motions`](Self::motions) one is, counted from 0.
    #[must_use]
    pub fn motion_index(&self, motion: Motion) -> usize {
        let side = 2 * self.shift + 1;
        (usize::from(motion.flip) * side + motion.down) * side + motion.right
    }
}

/// Paints a rectangle over with noise: 2 to 33% of the area, up to 3.3 times as high as wide or as wide as high.
fn erase(pixels: &mut [u8], [height, width, channels]: [usize; 3], generator: &mut ChaCha8Rng) {
    let area = generator.random_range(0.02..0.33) * (height * width) as f64;
    let aspect = generator.random_range(-1.2f64..1.2).exp();
    let rows = ((area * aspect).sqrt().round() as usize).clamp(1, height);
    let columns = ((area / aspect).sqrt().round() as usize).clamp(1, width);
    let top = generator.random_range(0..=height - rows);
    let left = generator.random_range(0..=width - columns);
    for row in pixels.chunks_exact_mut(width * channels).skip(top).take(rows) {
        row[left * channels..(left + columns) * channels].fill_with(|| generator.random());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    const SHAPE: ImageShape = ImageShape { height: 2, width: 3, channels: 2 };
    const IMAGE: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn changed(augment: Augment, index: u64) -> Vec<u8> {
        augment.image(&IMAGE, SHAPE, &mut stream(48, Purpose::Augment, index))
    }

    #[test]
    fn nothing_leaves_an_image_as_it_is() {
        assert_eq!(changed(Augment::default(), 0), IMAGE);
    }

    #[test]
    fn a_flip_mirrors_columns_and_keeps_channels() {
        let flip = Augment { flip: 1.0, ..Augment::default() };
        assert_eq!(changed(flip, 0), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
        let half = Augment { flip: 0.5, ..Augment::default() };
        let flipped = (0..1000).filter(|&index| changed(half, index) != IMAGE).count();
        assert!((420..580).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_shift_moves_every_way_and_brings_in_black() {
        let shift = Augment { shift: 1, ..Augment::default() };
        let mut seen: Vec<Vec<u8>> = (0..300).map(|index| changed(shift, index)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
        assert!(seen.contains(&vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), "down and to the right");
        assert!(seen.contains(&vec![9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0]), "up and to the left");
    }

    #[test]
    fn erasing_paints_over_a_rectangle_and_nothing_else() {
        let erase = Augment { erase: 1.0, ..Augment::default() };
        let shape = ImageShape { height: 20, width: 20, channels: 1 };
        for index in 0..50 {
            let image = erase.image(&[0; 400], shape, &mut stream(48, Purpose::Augment, index));
            let painted: Vec<usize> = (0..400).filter(|&at| image[at] != 0).collect();
            let (rows, columns): (Vec<usize>, Vec<usize>) = painted.iter().map(|at| (at / 20, at % 20)).unzip();
            let side = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
            let rectangle = side(&rows) * side(&columns);
            assert!(rectangle <= 140, "{rectangle}");
            assert!(painted.len() * 100 >= rectangle * 90, "{} of {rectangle}", painted.len());
        }
    }
}
