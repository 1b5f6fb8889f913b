//! The first images of a training, as the network sees them.

use candle_core::Result;

use super::balance::{Balance, Sampler};
use super::recipe::Recipe;
use super::targets::mix;
use super::training::order;
use crate::dataset::Images;
use crate::network::autograd::Targets;
use crate::support::rng::{self, Purpose};

/// An image as the network sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenImage {
    /// Its index among the training images.
    pub index: usize,
    /// Its pixels `[height, width, channels]`, changed.
    pub pixels: Vec<u8>,
}

/// The first `most` images of the first step of a training by this recipe and this seed: changed, and mixed where the recipe mixes.
///
/// # Errors
/// Those of candle, and where the images are in a file that cannot be read.
pub fn first_batch(recipe: &Recipe, images: &Images, seed: u64, most: usize) -> Result<Vec<SeenImage>> {
    let labels = images.labels();
    let classes = labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
    let sampler = (recipe.balance == Balance::Sampling).then(|| Sampler::new(labels, classes));
    let mut indices = order(images.len(), sampler.as_ref(), seed, 1);
    indices.truncate(recipe.batch_size);
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let batch = recipe.augment.gather(images, &indices, &mut rng::stream(seed, Purpose::Augment, 0))?;
    let inputs = match recipe.mixup > 0.0 {
        true => {
            mix(recipe.mixup, batch.inputs, &mut Targets::Soft(Vec::new()), &mut rng::stream(seed, Purpose::Mixup, 0))?
        }
        false => batch.inputs,
    };
    indices.truncate(most);
    let rows = inputs.narrow(0, 0, indices.len())?.flatten_from(1)?.to_vec2::<f32>()?;
    let seen = |(index, row): (usize, Vec<f32>)| {
        let pixels = row.into_iter().map(|value| (255.0 * value).round().clamp(0.0, 255.0) as u8).collect();
        SeenImage { index, pixels }
    };
    Ok(indices.into_iter().zip(rows).map(seen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ImageShape;
    use crate::train::recipe::Augment;

    fn images(count: usize) -> Images {
        let shape = ImageShape { height: 4, width: 5, channels: 1 };
        let pixels = (0..count * shape.len()).map(|index| (index * 37 % 251) as u8).collect();
        Images::new(shape, pixels, (0..count).map(|index| (index % 3) as u16).collect())
    }

    fn recipe(augment: Augment, mixup: f64) -> Recipe {
        Recipe { batch_size: 8, augment, mixup, ..Recipe::built_in("tutorial").unwrap() }
    }

    #[test]
    fn without_changes_they_are_the_images_in_the_order_of_the_first_epoch() {
        let images = images(20);
        let seen = first_batch(&recipe(Augment::default(), 0.0), &images, 48, 5).unwrap();
        let order = order(20, None, 48, 1);
        assert_eq!(seen.iter().map(|image| image.index).collect::<Vec<_>>(), order[..5]);
        for SeenImage { index, pixels } in &seen {
            assert_eq!(pixels[..], images.image(*index).unwrap()[..]);
        }
        assert_eq!(first_batch(&recipe(Augment::default(), 0.0), &images, 48, 100).unwrap().len(), 8);
        assert!(first_batch(&recipe(Augment::default(), 0.0), &images.subset(&[]), 48, 5).unwrap().is_empty());
    }

    #[test]
    fn each_is_changed_as_the_first_step_changes_it() {
        let images = images(20);
        let augment = Augment { flip: 0.5, shift: 2, erase: 0.5, ..Augment::default() };
        let seen = first_batch(&recipe(augment, 0.0), &images, 48, 8).unwrap();
        let mut generator = rng::stream(48, Purpose::Augment, 0);
        for SeenImage { index, pixels } in &seen {
            assert_eq!(*pixels, augment.image(&images.image(*index).unwrap(), images.shape(), &mut generator));
        }
        assert_eq!(seen, first_batch(&recipe(augment, 0.0), &images, 48, 8).unwrap(), "the same each time");
        assert_ne!(seen, first_batch(&recipe(augment, 0.0), &images, 49, 8).unwrap());
    }

    #[test]
    fn mixed_images_lie_between_an_image_and_its_neighbor() {
        let images = images(20);
        let [plain, mixed] =
            [0.0, 0.4].map(|mixup| first_batch(&recipe(Augment::default(), mixup), &images, 48, 8).unwrap());
        assert_ne!(plain, mixed);
        for (index, image) in mixed.iter().enumerate() {
            let ends = plain[index].pixels.iter().zip(&plain[(index + 1) % 8].pixels);
            for (&pixel, (&own, &other)) in image.pixels.iter().zip(ends) {
                assert!((own.min(other)..=own.max(other)).contains(&pixel));
                assert!(pixel.abs_diff(own) <= pixel.abs_diff(other).saturating_add(1), "its own share is the larger");
            }
        }
    }
}
