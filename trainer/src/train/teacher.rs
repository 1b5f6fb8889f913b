//! Distillation: the probabilities that a larger network gives an image hold more than its label does (Hinton and others 2015).
//!
//! A teacher sees each training image as its student does, but unmixed. Where images are only mirrored and moved by whole pixels,
//! it sees them without the rectangles that are erased, and its answers are kept: there are only so many ways to move an image, and
//! where they are too many it is evaluated again. Of warped, recolored, blurred or noisy images there is no second that is the same:
//! it is evaluated at each step, on the pixels that the student gets.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use crate::dataset::Images;
use crate::dataset::batch;
use crate::network::FloatModel;
use crate::train::augment::motion::Motion;
use crate::train::augment::{Augment, Batch};
use crate::train::balance::Balance;

/// One network or several, of which the mean counts.
pub struct Teacher {
    networks: Vec<(FloatModel, Balance)>,
}

impl Teacher {
    /// Of these networks, trained with such a balance of the classes.
    #[must_use]
    pub fn new(networks: Vec<(FloatModel, Balance)>) -> Self {
        Self { networks }
    }

    /// The mean over all networks of `softmax(logits / temperature)`, `[n, classes]`; to the logits of those that were trained with a
    /// balance `logit_offsets`, `[1, classes]`, is added.
    fn probabilities(&self, inputs: &Tensor, temperature: f64, logit_offsets: Option<&Tensor>) -> Result<Vec<f32>> {
        let mut mean = Vec::new();
        for (model, balance) in &self.networks {
            let mut logits = model.forward(inputs)?;
            if let (Some(offsets), false) = (logit_offsets, balance.is_none()) {
                logits = logits.broadcast_add(offsets)?;
            }
            let logits = (logits / temperature)?;
            let probabilities = candle_nn::ops::softmax_last_dim(&logits)?.flatten_all()?.to_vec1::<f32>()?;
            mean.resize(probabilities.len(), 0.0);
            let share = 1.0 / self.networks.len() as f32;
            mean.iter_mut().zip(probabilities).for_each(|(mean, value)| *mean += share * value);
        }
        Ok(mean)
    }
}

/// Numbers that are kept at most, 256 MB in all.
const MOST_KEPT: usize = 64 << 20;

/// The answers of a teacher to the images of one training run, kept as they are computed.
pub struct TeacherCache<'a> {
    teacher: &'a Teacher,
    images: &'a Images,
    augment: Augment,
    temperature: f64,
    /// `[1, classes]`: what is added to the logits of networks that were trained with a balance.
    logit_offsets: Option<Tensor>,
    /// For each image and each motion, once it was evaluated.
    known: HashMap<usize, Box<[f32]>>,
    /// Numbers in it at most.
    most_kept: usize,
}

impl<'a> TeacherCache<'a> {
    /// About `images`, changed by `augment`.
    #[must_use]
    pub fn new(teacher: &'a Teacher, images: &'a Images, augment: Augment, temperature: f64) -> Self {
        let known = HashMap::new();
        Self { teacher, images, augment, temperature, logit_offsets: None, known, most_kept: MOST_KEPT }
    }

    /// With offsets `[classes]` that are added to the logits of networks that were trained with a balance of the classes.
    ///
    /// # Errors
    /// Those of candle.
    pub fn with_logit_offsets(self, offsets: &[f32]) -> Result<Self> {
        Ok(Self { logit_offsets: Some(Tensor::from_slice(offsets, (1, offsets.len()), &Device::Cpu)?), ..self })
    }

    /// Probabilities `[n, classes]` for the images at these indices, as they are in a batch.
    ///
    /// # Errors
    /// Those of candle.
    pub fn shares(&mut self, indices: &[usize], batch: &Batch) -> Result<Vec<f32>> {
        match self.augment.motions() {
            Some(ways) => self.kept_shares(indices, &batch.motions, ways),
            None => self.probabilities(&batch.inputs),
        }
    }

    fn probabilities(&self, inputs: &Tensor) -> Result<Vec<f32>> {
        self.teacher.probabilities(inputs, self.temperature, self.logit_offsets.as_ref())
    }

    /// Those of images that were moved so, of so many ways that there are.
    fn kept_shares(&mut self, indices: &[usize], motions: &[Motion], ways: usize) -> Result<Vec<f32>> {
        let place = |(&index, &motion): (&usize, &Motion)| index * ways + motion.index(&self.augment);
        let places: Vec<usize> = indices.iter().zip(motions).map(place).collect();
        let kept = self.known.values().next().map_or(0, |answer| answer.len() * self.known.len());
        if kept > self.most_kept {
            self.known.clear();
        }
        let shape = self.images.shape();
        let mut missing = Vec::new();
        let mut pixels = Vec::new();
        let mut moved = vec![0; shape.len()];
        for ((&index, &motion), &place) in indices.iter().zip(motions).zip(&places) {
            if !self.known.contains_key(&place) {
                missing.push(place);
                motion.apply(&self.images.image(index)?, shape, &mut moved);
                pixels.extend_from_slice(&moved);
            }
        }
        if !missing.is_empty() {
            let inputs = batch::inputs(&pixels, shape)?;
            let answers = self.probabilities(&inputs)?;
            for (place, answer) in missing.iter().zip(answers.chunks_exact(answers.len() / missing.len())) {
                self.known.insert(*place, answer.into());
            }
        }
        Ok(places.iter().filter_map(|place| self.known.get(place)).flatten().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ImageShape;
    use crate::network::Architecture;
    use crate::support::rng::{Purpose, RngExt, stream};

    fn network(seed: u64) -> FloatModel {
        let layers = "name = \"one\"\ninput = [4, 4, 1]\n[[layers]]\ndense = { outputs = 3 }";
        FloatModel::new(Architecture::from_toml(layers).unwrap(), seed).unwrap()
    }

    fn images() -> Images {
        let mut generator = stream(48, Purpose::Garments, 0);
        let pixels = (0..5 * 16).map(|_| generator.random()).collect();
        Images::new(ImageShape { height: 4, width: 4, channels: 1 }, pixels, vec![0, 1, 2, 0, 1])
    }

    /// Checks that a student that moves its images so is given the same bits alone, among others, and from memory. Returns how
    /// many answers are in memory in the end.
    fn known_after_40_rounds(augment: Augment, most_kept: usize) -> usize {
        let (teacher, images) = (Teacher::new(vec![(network(1), Balance::None)]), images());
        let mut cache = TeacherCache { most_kept, ..TeacherCache::new(&teacher, &images, augment, 2.0) };
        for round in 0..40 {
            let indices = [round % 5, 3, 3];
            let batch = augment.gather(&images, &indices, &mut stream(48, Purpose::Augment, round as u64)).unwrap();
            let shares = cache.shares(&indices, &batch).unwrap();
            for ((&index, &motion), shares) in indices.iter().zip(&batch.motions).zip(shares.chunks(3)) {
                let mut moved = vec![0; images.shape().len()];
                motion.apply(&images.image(index).unwrap(), images.shape(), &mut moved);
                let alone = teacher.probabilities(&batch::inputs(&moved, images.shape()).unwrap(), 2.0, None).unwrap();
                assert_eq!(shares, alone);
            }
        }
        cache.known.len()
    }

    #[test]
    fn a_student_is_given_the_teachers_answers_to_the_moved_image_however_often_it_requests_them() {
        let augment = Augment { flip: 0.5, shift: 1, erase: 1.0, ..Augment::default() };
        assert!(known_after_40_rounds(augment, MOST_KEPT) > 30);
    }

    #[test]
    fn of_images_that_are_more_than_moved_a_teacher_sees_the_students_own_and_keeps_nothing() {
        let (teacher, images) = (Teacher::new(vec![(network(1), Balance::None)]), images());
        for endless in ["rotate = 20.0", "brightness = 0.5", "blur = 1.0", "noise = 0.1"] {
            let augment: Augment = toml::from_str(&format!("flip = 0.5\nerase = 0.5\n{endless}")).unwrap();
            let mut cache = TeacherCache::new(&teacher, &images, augment, 2.0);
            let mut answers = Vec::new();
            for step in 0..2 {
                let batch = augment.gather(&images, &[3, 1], &mut stream(48, Purpose::Augment, step)).unwrap();
                let shares = cache.shares(&[3, 1], &batch).unwrap();
                assert_eq!(shares, teacher.probabilities(&batch.inputs, 2.0, None).unwrap(), "{endless}");
                answers.push(shares);
            }
            assert_ne!(answers[0], answers[1], "{endless}");
            assert!(cache.known.is_empty(), "{endless}");
        }
    }

    #[test]
    fn memory_grows_with_what_was_requested_and_only_so_far() {
        // In four million ways each of the images could be moved; three are requested at a time.
        let augment = Augment { flip: 0.5, shift: 1024, ..Augment::default() };
        assert!(known_after_40_rounds(augment, MOST_KEPT) > 100);
        assert!((1..=10).contains(&known_after_40_rounds(augment, 3 * 7)));
    }

    #[test]
    fn of_two_teachers_the_mean_counts_and_a_temperature_softens() {
        let images = images();
        let inputs = batch::inputs(&images.image(0).unwrap(), images.shape()).unwrap();
        let answers = |seeds: &[u64], temperature| {
            let teacher = Teacher::new(seeds.iter().map(|&seed| (network(seed), Balance::None)).collect());
            teacher.probabilities(&inputs, temperature, None).unwrap()
        };
        let (one, other, both) = (answers(&[1], 1.0), answers(&[2], 1.0), answers(&[1, 2], 1.0));
        for class in 0..3 {
            assert!((both[class] - (one[class] + other[class]) / 2.0).abs() < 1e-6);
        }
        let highest = |shares: &[f32]| shares.iter().copied().fold(0.0, f32::max);
        assert!(highest(&answers(&[1], 4.0)) < highest(&one));
    }

    #[test]
    fn offsets_are_added_to_the_logits_of_balanced_teachers_alone() {
        let images = images();
        let inputs = batch::inputs(&images.image(0).unwrap(), images.shape()).unwrap();
        let offsets = vec![-2.0, 0.5, 1.0];
        let answer = |balance| {
            let teacher = Teacher::new(vec![(network(1), balance)]);
            let cache = TeacherCache::new(&teacher, &images, Augment::default(), 1.0);
            cache.with_logit_offsets(&offsets).unwrap().probabilities(&inputs).unwrap()
        };
        let plain = answer(Balance::None);
        for balance in [Balance::Weights, Balance::Sampling, Balance::Logits] {
            let powers: Vec<f32> =
                plain.iter().zip(&offsets).map(|(share, offset)| share * f32::exp(*offset)).collect();
            for (share, power) in answer(balance).iter().zip(&powers) {
                assert!((share - power / powers.iter().sum::<f32>()).abs() < 1e-6, "{balance:?}");
            }
        }
    }
}
