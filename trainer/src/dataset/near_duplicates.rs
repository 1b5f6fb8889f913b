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

/// The images that are nearly the same as one of `others` and equal to none: each index with that of such an image in `others`.
///
/// # Errors
/// Where images are in a file that cannot be read.
pub fn among_others(images: &Images, others: &Images) -> io::Result<Vec<(usize, usize)>> {
    let of_others = &summaries(others)?;
    let by_mean = by_mean(of_others);
    let pairs = summaries(images)?.into_par_iter().enumerate().map(|(index, one)| {
        let most = NEAR * one.deviation;
        let within = |mean: f32, reach: f32| {
            let start = by_mean.partition_point(|&other| of_others[other].mean < mean - reach);
            by_mean[start..].iter().copied().take_while(move |&other| of_others[other].mean <= mean + reach)
        };
        let pixels = images.image(index)?;
        // Equal images have equal means.
        for other in within(one.mean, 0.0).filter(|&other| of_others[other].deviation == one.deviation) {
            if pixels == others.image(other)? {
                return Ok(None);
            }
        }
        // One is enough: of frames of a fixed camera nearly all are.
        for other in within(one.mean, most).filter(|&other| one.may_be_near(&of_others[other])) {
            if is_near(&pixels, &others.image(other)?, NEAR * one.deviation.min(of_others[other].deviation)) {
                return Ok(Some((index, other)));
            }
        }
        Ok(None)
    });
    Ok(pairs.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The number of the group that each image is in, groups numbered by their first image.
///
/// # Errors
/// Where images are in a file that cannot be read.
pub fn groups(images: &Images) -> io::Result<Vec<usize>> {
    let summaries = summaries(images)?;
    let by_mean = by_mean(&summaries);
    let pairs = (0..by_mean.len()).into_par_iter().map(|at| {
        let one = &summaries[by_mean[at]];
        let mut near = Vec::new();
        for &index in &by_mean[at + 1..] {
            let other = &summaries[index];
            if other.mean - one.mean > NEAR * one.deviation {
                break;
            }
            let most = NEAR * one.deviation.min(other.deviation);
            if one.may_be_near(other) && is_near(&images.image(by_mean[at])?, &images.image(index)?, most) {
                near.push((by_mean[at], index));
            }
        }
        Ok(near)
    });
    let pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    Ok(joined(images.len(), pairs.into_iter().flatten()))
}

fn summaries(images: &Images) -> io::Result<Vec<Summary>> {
    let of = |index| Ok(Summary::of(&images.image(index)?, images.shape()));
    (0..images.len()).into_par_iter().map(of).collect()
}

/// Of images that are nearly the same the means are too: only neighbors in this order are compared.
fn by_mean(summaries: &[Summary]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..summaries.len()).collect();
    order.sort_by(|&one, &other| summaries[one].mean.total_cmp(&summaries[other].mean).then(one.cmp(&other)));
    order
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
fn is_near(one: &[u8], other: &[u8], most: f32) -> bool {
    let squares: u64 = one.iter().zip(other).map(|(one, other)| u64::from(one.abs_diff(*other)).pow(2)).sum();
    squares as f32 <= most * most * one.len() as f32
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
    fn of_two_sets_what_is_near_is_found_and_what_is_equal_or_another_image_is_not() {
        let set = |images: &[Vec<u8>]| Images::new(SHAPE, images.concat(), vec![0; images.len()]);
        let brighter = |seed, by| image(seed).iter().map(|value| value + by).collect::<Vec<u8>>();
        let others = set(&[image(3), image(1), brighter(1, 3), image(2)]);
        let images = set(&[image(4), brighter(1, 4), image(2), brighter(3, 2), brighter(2, 20)]);
        let found = among_others(&images, &others).unwrap();
        assert_eq!(found.iter().map(|&(image, _)| image).collect::<Vec<_>>(), [1, 3]);
        assert!([1, 2].contains(&found[0].1) && found[1].1 == 0, "{found:?}");
        assert_eq!(among_others(&images, &set(&[])).unwrap(), []);
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
