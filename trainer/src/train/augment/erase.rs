//! Rectangles painted over with noise (Zhong and others 2017).

use crate::dataset::ImageShape;
use crate::support::rng::{ChaCha8Rng, RngExt};

/// A rectangle and what it is painted with: 2 to 33% of the area, up to 3.3 times as high as wide or as wide as high.
pub struct Erasure {
    top: usize,
    left: usize,
    columns: usize,
    /// `[rows, columns, channels]`
    noise: Vec<u8>,
}

impl Erasure {
    /// One of an image of that shape, with this probability.
    pub fn draw(probability: f64, shape: ImageShape, generator: &mut ChaCha8Rng) -> Option<Self> {
        if probability == 0.0 || !generator.random_bool(probability) {
            return None;
        }
        let ImageShape { height, width, channels } = shape;
        let area = generator.random_range(0.02..0.33) * (height * width) as f64;
        let aspect = generator.random_range(-1.2f64..1.2).exp();
        let rows = ((area * aspect).sqrt().round() as usize).clamp(1, height);
        let columns = ((area / aspect).sqrt().round() as usize).clamp(1, width);
        let top = generator.random_range(0..=height - rows);
        let left = generator.random_range(0..=width - columns);
        let mut noise = vec![0; rows * columns * channels];
        // A number each, as ever, not four: what comes after it in the stream depends on it.
        noise.fill_with(|| generator.random());
        Some(Self { top, left, columns, noise })
    }

    /// Paints it over an image `[height, width, channels]` of the shape that it was drawn for.
    pub fn apply(&self, pixels: &mut [u8], shape: ImageShape) {
        let ImageShape { width, channels, .. } = shape;
        let rows = pixels.chunks_exact_mut(width * channels).skip(self.top);
        for (row, noise) in rows.zip(self.noise.chunks_exact(self.columns * channels)) {
            row[self.left * channels..][..noise.len()].copy_from_slice(noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    #[test]
    fn erasing_paints_over_a_rectangle_and_nothing_else() {
        let shape = ImageShape { height: 20, width: 20, channels: 1 };
        for index in 0..50 {
            let mut image = [0; 400];
            let mut generator = stream(48, Purpose::Augment, index);
            Erasure::draw(1.0, shape, &mut generator).unwrap().apply(&mut image, shape);
            let painted: Vec<usize> = (0..400).filter(|&at| image[at] != 0).collect();
            let (rows, columns): (Vec<usize>, Vec<usize>) = painted.iter().map(|at| (at / 20, at % 20)).unzip();
            let side = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
            let rectangle = side(&rows) * side(&columns);
            assert!(rectangle <= 140, "{rectangle}");
            assert!(painted.len() * 100 >= rectangle * 90, "{} of {rectangle}", painted.len());
        }
    }

    #[test]
    fn so_many_images_are_erased() {
        let shape = ImageShape { height: 4, width: 4, channels: 3 };
        let erased = |index| Erasure::draw(0.25, shape, &mut stream(48, Purpose::Augment, index)).is_some();
        let count = (0..1000).filter(|&index| erased(index)).count();
        assert!((200..300).contains(&count), "{count}");
    }
}
