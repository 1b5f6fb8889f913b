//! Pictures changed at random on their way into training, so that a network sees no picture twice.

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::batch::PIXEL_SCALE;
use crate::data::{Images, Shape};
use crate::rng::{ChaCha8Rng, RngExt};

/// What may happen to a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a mirror image, left for right.
    pub flip: f64,
    /// Pixels by which a picture moves at most, in each direction; what comes in is black.
    pub shift: usize,
    /// Probability that a rectangle is painted over with noise (Zhong and others 2017), 2 to 33% of the picture.
    pub erase: f64,
}

impl Augment {
    /// Whether it leaves every picture as it is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// As [`batch::gather`](crate::batch::gather), each picture changed.
    ///
    /// # Errors
    /// Those of candle.
    pub fn gather(&self, images: &Images, indices: &[usize], generator: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
        let shape = images.shape();
        let mut pixels = Vec::with_capacity(indices.len() * shape.len());
        for &index in indices {
            let picture = self.picture(images.image(index), shape, generator);
            pixels.extend(picture.into_iter().map(|pixel| f32::from(pixel) * PIXEL_SCALE));
        }
        let labels: Vec<u32> = indices.iter().map(|&index| images.label(index).into()).collect();
        let dimensions = (indices.len(), shape.height, shape.width, shape.channels);
        Ok((
            Tensor::from_vec(pixels, dimensions, &Device::Cpu)?,
            Tensor::from_vec(labels, indices.len(), &Device::Cpu)?,
        ))
    }

    /// One picture `[height, width, channels]`, changed.
    #[must_use]
    pub fn picture(&self, pixels: &[u8], shape: Shape, generator: &mut ChaCha8Rng) -> Vec<u8> {
        let Shape { height, width, channels } = shape;
        let flip = self.flip > 0.0 && generator.random_bool(self.flip);
        let mut offset = || if self.shift == 0 { self.shift } else { generator.random_range(0..=2 * self.shift) };
        let (down, right) = (offset(), offset());
        let mut changed = vec![0; pixels.len()];
        for (y, row) in changed.chunks_exact_mut(width * channels).enumerate() {
            let Some(from_y) = (y + self.shift).checked_sub(down).filter(|&y| y < height) else { continue };
            for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
                let Some(from_x) = (x + self.shift).checked_sub(right).filter(|&x| x < width) else { continue };
                let from_x = if flip { width - 1 - from_x } else { from_x };
                let start = (from_y * width + from_x) * channels;
                pixel.copy_from_slice(&pixels[start..start + channels]);
            }
        }
        if self.erase > 0.0 && generator.random_bool(self.erase) {
            erase(&mut changed, [height, width, channels], generator);
        }
        changed
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
    use crate::rng::{Purpose, stream};

    const SHAPE: Shape = Shape { height: 2, width: 3, channels: 2 };
    const PICTURE: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn changed(augment: Augment, index: u64) -> Vec<u8> {
        augment.picture(&PICTURE, SHAPE, &mut stream(48, Purpose::Augment, index))
    }

    #[test]
    fn nothing_leaves_a_picture_as_it_is() {
        assert!(Augment::default().is_nothing());
        assert_eq!(changed(Augment::default(), 0), PICTURE);
    }

    #[test]
    fn a_flip_mirrors_columns_and_keeps_channels() {
        let flip = Augment { flip: 1.0, ..Augment::default() };
        assert_eq!(changed(flip, 0), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
        let half = Augment { flip: 0.5, ..Augment::default() };
        let flipped = (0..1000).filter(|&index| changed(half, index) != PICTURE).count();
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
        let shape = Shape { height: 20, width: 20, channels: 1 };
        for index in 0..50 {
            let picture = erase.picture(&[0; 400], shape, &mut stream(48, Purpose::Augment, index));
            let painted: Vec<usize> = (0..400).filter(|&at| picture[at] != 0).collect();
            let (rows, columns): (Vec<usize>, Vec<usize>) = painted.iter().map(|at| (at / 20, at % 20)).unzip();
            let side = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
            let rectangle = side(&rows) * side(&columns);
            assert!(rectangle <= 140, "{rectangle}");
            assert!(painted.len() * 100 >= rectangle * 90, "{} of {rectangle}", painted.len());
        }
    }
}
