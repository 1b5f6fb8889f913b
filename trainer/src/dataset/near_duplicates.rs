//! Images that are the same or nearly so: saved twice, from one burst, brighter by a shade.
//!
//! Two images are nearly the same where the root mean square of their difference is at most a tenth of the standard deviation of
//! each: their correlation is then over 0.99, and none of it is a matter of how much contrast the images have. What is nearly the same as
//! something in a group belongs to the group.

use std::io;

use rayon::prelude::*;

use super::{ImageShape, Images};

/// The difference of two images at most, as a share of the standard deviation of each.
const NEAR: f32 = 0.1;

/// Cells of an image along each side, of which the means are compared first.
const CELLS: usize = 8;

/// The number of the group that each image is in, groups numbered by their first image.
///
/// # Errors
/// Where images are in a file that cannot be read.
pub fn groups(images: &Images) -> io::Result<Vec<usize>> {
    let summaries =
        (0..images.len()).into_par_iter().map(|index| Ok(Summary::of(&images.image(index)?, images.shape())));
    let summaries: Vec<Summary> = summaries.collect::<io::Result<_>>()?;
    // Of images that are nearly the same the means are too: only neighbors in this order are compared.
    let mut by_mean: Vec<usize> = (0..images.len()).collect();
    by_mean.sort_by(|&one, &other| summaries[one].mean.total_cmp(&summaries[other].mean).then(one.cmp(&other)));
    let pairs = (0..by_mean.len()).into_par_iter().map(|at| {
        let one = &summaries[by_mean[at]];
        let mut near = Vec::new();
        for &index in &by_mean[at + 1..] {
            let other = &summaries[index];
            if other.mean - one.mean > NEAR * one.deviation {
                break;
            }
            if one.may_be_near(other) && is_near(images, by_mean[at], index, NEAR * one.deviation.min(other.deviation))?
            {
                near.push((by_mean[at], index));
            }
        }
        Ok(near)
    });
    let pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    Ok(joined(images.len(), pairs.into_iter().flatten()))
}

/// What two images are compared by before their pixels are.
struct Summary {
    mean: f32,
    /// Standard deviation of all values.
    deviation: f32,
    /// The mean of each cell, and its share of the image.
    cells: Vec<(f32, f32)>,
}

impl Summary {
    fn of(pixels: &[u8], ImageShape { height, width, channels }: ImageShape) -> Self {
        let count = pixels.len().max(1) as f32;
        let mean = pixels.iter().map(|&value| f32::from(value)).sum::<f32>() / count;
        let squares = pixels.iter().map(|&value| (f32::from(value) - mean).powi(2)).sum::<f32>();
        let mut sums = vec![(0.0f32, 0.0f32); CELLS * CELLS];
        for (y, row) in pixels.chunks_exact(width * channels).enumerate() {
            for (x, pixel) in row.chunks_exact(channels).enumerate() {
                let cell = &mut sums[y * CELLS / height * CELLS + x * CELLS / width];
                cell.0 += pixel.iter().map(|&value| f32::from(value)).sum::<f32>();
                cell.1 += channels as f32;
            }
        }
        let cells = sums.into_iter().filter(|(_, values)| *values > 0.0);
        let cells = cells.map(|(sum, values)| (sum / values, values / count)).collect();
        Self { mean, deviation: (squares / count).sqrt(), cells }
    }

    /// Whether nothing here speaks against it. The difference of two images is at least that of their deviations, and at least that of
    /// the means of their cells.
    fn may_be_near(&self, other: &Self) -> bool {
        let most = NEAR * self.deviation.min(other.deviation);
        let cells = self.cells.iter().zip(&other.cells);
        let square: f32 = cells.map(|((one, share), (other, _))| share * (one - other).powi(2)).sum();
        (self.deviation - other.deviation).abs() <= most && square <= most * most
    }
}

/// Whether the root mean square of the difference of two images is at most this.
fn is_near(images: &Images, one: usize, other: usize, most: f32) -> io::Result<bool> {
    let (one, other) = (images.image(one)?, images.image(other)?);
    let squares: u64 = one.iter().zip(other.iter()).map(|(one, other)| u64::from(one.abs_diff(*other)).pow(2)).sum();
    Ok(squares as f32 <= most * most * one.len() as f32)
}

/// The group of each of so many images, of which these pairs are in one group.
fn joined(count: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    // The first image of each group points to itself, every other one to an earlier one.
    let mut earlier: Vec<usize> = (0..count).collect();
    let first_of = |earlier: &[usize], mut image: usize| {
        while earlier[image] != image {
            image = earlier[image];
        }
        image
    };
    for (one, other) in pairs {
        let [one, other] = [one, other].map(|image| first_of(&earlier, image));
        earlier[one.max(other)] = one.min(other);
    }
    let mut groups = vec![0; count];
    let mut next = 0;
    for image in 0..count {
        let first = first_of(&earlier, image);
        groups[image] = if first == image { next } else { groups[first] };
        next += usize::from(first == image);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, RngExt, stream};

    const SHAPE: ImageShape = ImageShape { height: 12, width: 12, channels: 3 };

    fn image(seed: u64) -> Vec<u8> {
        let mut generator = stream(seed, Purpose::Garments, 0);
        (0..SHAPE.len()).map(|_| generator.random_range(30..=220)).collect()
    }

    fn groups_of(images: &[Vec<u8>]) -> Vec<usize> {
        groups(&Images::new(SHAPE, images.concat(), vec![0; images.len()])).unwrap()
    }

    #[test]
    fn copies_and_images_a_shade_apart_are_one_group_and_others_are_not() {
        let one = image(1);
        let brighter = one.iter().map(|value| value + 4).collect();
        let saved_again = one.iter().enumerate().map(|(at, value)| value ^ (at % 4) as u8).collect();
        let darker: Vec<u8> = one.iter().map(|value| value / 2).collect();
        assert_eq!(groups_of(&[one.clone(), image(2), brighter, one, darker, saved_again]), [0, 1, 0, 0, 2, 0]);
    }

    #[test]
    fn a_chain_is_one_group() {
        let one = image(1);
        let steps: Vec<Vec<u8>> = (0..6).map(|step| one.iter().map(|value| value + 4 * step).collect()).collect();
        assert_eq!(groups_of(&steps), [0; 6]);
        assert_eq!(groups_of(&[steps[0].clone(), steps[5].clone()]), [0, 1]);
    }

    #[test]
    fn images_of_one_color_are_one_group_only_where_they_are_equal() {
        assert_eq!(groups_of(&[vec![7; 432], vec![8; 432], vec![7; 432]]), [0, 1, 0]);
        assert!(groups_of(&[]).is_empty());
    }
}
