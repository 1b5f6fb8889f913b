//! Images changed at random on their way into training, so that a network sees no image twice.
//!
//! An image goes through what one goes through on its way into a camera, each part off unless the recipe asks for it:
//!
//! | module | what happens |
//! |---|---|
//! | [`options`] | the numbers of a recipe, and their ranges |
//! | [`motion`] | mirror images, whole pixels to the side |
//! | `warp` | rotation, zoom, shear, shift and crop, in one pass that does the former too |
//! | `blur` | focus |
//! | `color` | brightness, contrast, saturation, hue |
//! | `noise` | noise of the sensor |
//! | `erase` | a rectangle that hides what is there |
//!
//! All random numbers come from one stream for a step, image after image, and what is off draws none: a recipe's images stay the
//! same, to the bit, whatever else there is to be switched on. Only then are the images changed, on all cores.

mod blur;
mod color;
mod erase;
pub mod motion;
mod noise;
pub mod options;
mod warp;

use std::io;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::dataset::batch;
use crate::dataset::{ImageShape, Images};
use crate::support::rng::ChaCha8Rng;

use blur::Blur;
use color::Color;
use erase::Erasure;
use motion::Motion;
use noise::Noise;
pub use options::Augment;
use warp::Warp;

/// Images of a training step.
pub struct Batch {
    /// `[n, height, width, channels]`, 0 to 1.
    pub inputs: Tensor,
    /// The class of each.
    pub labels: Vec<u32>,
    /// How each was mirrored and moved.
    pub motions: Vec<Motion>,
}

/// What happens to one image.
struct Change {
    motion: Motion,
    warp: Option<Warp>,
    blur: Option<Blur>,
    color: Option<Color>,
    noise: Option<Noise>,
    erasure: Option<Erasure>,
}

impl Change {
    fn draw(augment: &Augment, shape: ImageShape, generator: &mut ChaCha8Rng) -> Self {
        Self {
            motion: Motion::draw(augment, generator),
            warp: Warp::draw(augment, generator),
            blur: Blur::draw(augment, generator),
            color: Color::draw(augment, generator),
            noise: Noise::draw(augment, generator),
            erasure: Erasure::draw(augment.erase, shape, generator),
        }
    }

    fn apply(&self, pixels: &[u8], shape: ImageShape, changed: &mut [u8]) {
        match &self.warp {
            Some(warp) => warp.apply(pixels, shape, self.motion, changed),
            None => self.motion.apply(pixels, shape, changed),
        }
        if let Some(blur) = &self.blur {
            blur.apply(changed, shape);
        }
        if let Some(color) = &self.color {
            color.apply(changed, shape.channels);
        }
        if let Some(noise) = &self.noise {
            noise.apply(changed);
        }
        if let Some(erasure) = &self.erasure {
            erasure.apply(changed, shape);
        }
    }
}

impl Augment {
    /// The images at these indices, each changed.
    ///
    /// # Errors
    /// Those of candle, and where images are in a file that cannot be read.
    pub fn gather(&self, images: &Images, indices: &[usize], generator: &mut ChaCha8Rng) -> Result<Batch> {
        let shape = images.shape();
        let changes: Vec<Change> = indices.iter().map(|_| Change::draw(self, shape, generator)).collect();
        let mut pixels = vec![0; indices.len() * shape.len()];
        let change = |(changed, (&index, change)): (&mut [u8], (&usize, &Change))| -> io::Result<()> {
            change.apply(&images.image(index)?, shape, changed);
            Ok(())
        };
        if self.motions().is_none() {
            let changes = indices.par_iter().zip(&changes);
            pixels.par_chunks_exact_mut(shape.len()).zip(changes).try_for_each(change)?;
        } else {
            // Copies take less time than it takes to wake another core.
            pixels.chunks_exact_mut(shape.len()).zip(indices.iter().zip(&changes)).try_for_each(change)?;
        }
        let labels = indices.iter().map(|&index| images.label(index).into()).collect();
        let motions = changes.iter().map(|change| change.motion).collect();
        Ok(Batch { inputs: batch::inputs(&pixels, shape)?, labels, motions })
    }

    /// One image `[height, width, channels]`, changed.
    #[must_use]
    pub fn image(&self, pixels: &[u8], shape: ImageShape, generator: &mut ChaCha8Rng) -> Vec<u8> {
        let mut changed = vec![0; shape.len()];
        Change::draw(self, shape, generator).apply(pixels, shape, &mut changed);
        changed
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::support::rng::{Purpose, RngExt, stream};
    use crate::support::text::hexadecimal;

    fn images(shape: ImageShape) -> Images {
        let pixels: Vec<u8> = (0..40 * shape.len()).map(|at| (at * 7 + at / 13) as u8).collect();
        Images::new(shape, pixels, (0..40).collect())
    }

    /// A batch's pixels, and its motions.
    fn gathered(augment: &Augment, images: &Images, generator: &mut ChaCha8Rng) -> (Vec<u8>, Vec<Motion>) {
        let indices: Vec<usize> = (0..40).rev().collect();
        let batch = augment.gather(images, &indices, generator).unwrap();
        assert_eq!(batch.labels, (0..40).rev().collect::<Vec<u32>>());
        let values = batch.inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (values.iter().map(|value| (value * 255.0).round() as u8).collect(), batch.motions)
    }

    #[test]
    fn nothing_leaves_an_image_as_it_is_and_draws_nothing() {
        let shape = ImageShape { height: 2, width: 3, channels: 2 };
        let mut generator = stream(48, Purpose::Augment, 0);
        let image: Vec<u8> = (1..13).collect();
        assert_eq!(Augment::default().image(&image, shape, &mut generator), image);
        assert_eq!(generator.random::<u64>(), stream(48, Purpose::Augment, 0).random::<u64>());
    }

    /// Images, motions and what the stream gives next were written down when there was no other option.
    #[test]
    fn recipes_that_only_flip_shift_and_erase_have_the_images_that_they_always_had() {
        let images = images(ImageShape { height: 9, width: 12, channels: 3 });
        let pinned = [
            (0.5, 0, 0.0, "dc5ed6fc66b950cb39504a1f8d1c9ab684f592c8a1f856b9062120aeab62df65", 16, 3265352106),
            (0.0, 2, 0.0, "4b1558ee973cfc2dec4906b3ba5f59cd84fddcc6f7c464d0dd91c9a24884beb5", 483, 3265352106),
            (0.0, 0, 0.5, "a152ce5d9bdd73638299d1d4182b4ac30f0a3176491545553feaef691f465f85", 0, 3421609502),
            (0.5, 4, 0.3, "29e31411d5d51c941918acfd56e1addb098bde20394e5295982c456bf979b22f", 3232, 3914873816),
            (0.5, 1, 1.0, "f3d14dbe0cdc713b9da726d8e5cc613c2b175dbc502bdc2f2d51436dba942289", 402, 3408950540),
        ];
        for (flip, shift, erase, pixels, motions, next) in pinned {
            let augment = Augment { flip, shift, erase, ..Augment::default() };
            let mut generator = stream(48, Purpose::Augment, 7);
            let (changed, moved) = gathered(&augment, &images, &mut generator);
            let mut hash = Sha256::new();
            hash.update(&changed);
            assert_eq!(hexadecimal(hash), pixels, "flip {flip}, shift {shift}, erase {erase}");
            assert_eq!(moved.iter().map(|motion| motion.index(&augment)).sum::<usize>(), motions);
            assert_eq!(generator.random::<u32>(), next);
        }
    }

    #[test]
    fn images_are_the_same_one_by_one_and_on_any_number_of_cores() {
        for channels in [1, 2, 3] {
            let shape = ImageShape { height: 9, width: 12, channels };
            let images = images(shape);
            let on_cores = |count: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
                pool.install(|| gathered(&Augment::EVERYTHING, &images, &mut stream(48, Purpose::Augment, 7)).0)
            };
            let mut generator = stream(48, Purpose::Augment, 7);
            let one_by_one: Vec<u8> = (0..40)
                .rev()
                .flat_map(|index| Augment::EVERYTHING.image(&images.image(index).unwrap(), shape, &mut generator))
                .collect();
            assert_eq!(on_cores(1), one_by_one);
            assert_eq!(on_cores(3), one_by_one);
        }
    }

    #[test]
    fn each_option_changes_images_of_its_own_accord() {
        let shape = ImageShape { height: 16, width: 16, channels: 3 };
        let images = images(shape);
        let every = toml::Table::try_from(Augment::EVERYTHING).unwrap();
        let mut results = vec![gathered(&Augment::default(), &images, &mut stream(48, Purpose::Augment, 0)).0];
        for (name, value) in every {
            let one: Augment = toml::Table::from_iter([(name.clone(), value)]).try_into().unwrap();
            let result = gathered(&one, &images, &mut stream(48, Purpose::Augment, 0)).0;
            assert!(!results.contains(&result), "{name}");
            results.push(result);
        }
        assert_eq!(results.len(), 15);
    }

    #[test]
    fn the_longest_and_the_smallest_images_are_changed_without_a_panic() {
        let most = Augment {
            flip: 0.5,
            shift: 1024,
            rotate: 180.0,
            zoom: 1.0,
            shear: 45.0,
            translate: 0.5,
            crop: 0.95,
            blur: 8.0,
            brightness: 1.0,
            contrast: 1.0,
            saturation: 1.0,
            hue: 180.0,
            noise: 0.5,
            erase: 1.0,
        };
        for (height, width, channels) in [(1, 1, 1), (1, 1024, 3), (1024, 2, 1), (300, 1024, 1), (1, 1, 3), (2, 3, 4)] {
            let shape = ImageShape { height, width, channels };
            let image: Vec<u8> = (0..shape.len()).map(|at| at as u8).collect();
            for (index, shift) in [1024, 1, 0, 0, 0].into_iter().enumerate() {
                let augment = Augment { shift, ..most };
                let changed = augment.image(&image, shape, &mut stream(48, Purpose::Augment, index as u64));
                assert_eq!(changed.len(), shape.len());
            }
        }
    }
}
