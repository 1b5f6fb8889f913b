//! The training loop: shuffled batches, Adam, early stopping on the validation loss, best weights restored.

use std::time::Instant;

use candle_core::Tensor;
use candle_nn::Optimizer;
use serde::Serialize;

use crate::adam::{Adam, AdamConfig};
use crate::average::Average;
use crate::data::{Dataset, Images};
use crate::evaluate::{self, Score, argmax};
use crate::model::{Dropout, FloatModel, Pass};
use crate::ops::{Targets, Voice};
use crate::recipe::Recipe;
use crate::rng::{self, ChaCha8Rng, Purpose, RngExt};
use crate::teacher::{Distillation, Lessons, Teacher};

/// One pass over the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Running mean over the epoch's steps, each measured before its update.
    pub train: Score,
    /// Measured after the last step.
    pub validation: Score,
    /// Wall time of the training steps, validation left out.
    pub seconds: f64,
    /// Training images per second of that time.
    pub images_per_second: f64,
}

/// What a training run did.
#[derive(Clone, Debug)]
pub struct History {
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights the model has now.
    pub best_epoch: usize,
    /// Whether it ended because the validation loss no longer fell.
    pub stopped_early: bool,
}

/// Sees a training run as it goes.
pub trait Observer {
    /// After each step: images seen in this epoch, of how many, and the running score.
    fn step(&mut self, epoch: usize, seen: usize, images: usize, running: Score);
    /// After each epoch.
    fn epoch(&mut self, epoch: &Epoch, is_best: bool);
}

/// Why training stopped without a result.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} at epoch {epoch}, step {step}: training has diverged; \
         try a smaller --lr (it is {learning_rate})"
    )]
    NotFinite {
        /// Counted from 1.
        epoch: usize,
        /// Step of the epoch, counted from 1.
        step: usize,
        /// The loss.
        loss: f32,
        /// Adam's step size.
        learning_rate: f64,
    },
    /// A tensor operation failed.
    #[error("training: {0}")]
    Candle(#[from] candle_core::Error),
}

/// Trains `model` on the training images of `dataset`, by a teacher's answers too where there is one, until what the recipe
/// watches on the validation images has not improved for `recipe.patience` epochs, and leaves it with the weights of the best
/// epoch.
///
/// # Errors
/// [`FitError::NotFinite`], and those of candle.
pub fn fit(
    model: &FloatModel,
    dataset: &Dataset,
    recipe: &Recipe,
    seed: u64,
    teacher: Option<&Teacher>,
    observer: &mut dyn Observer,
) -> Result<History, FitError> {
    let mut training = Training::new(model, dataset, recipe, seed, teacher)?;
    let mut epochs = Vec::new();
    let mut best = Best { epoch: 0, watched: f64::INFINITY, weights: model.snapshot()? };
    let mut stopped_early = false;
    for epoch in 1..=recipe.epochs {
        let start = Instant::now();
        let train = training.epoch(epoch, observer)?;
        let seconds = start.elapsed().as_secs_f64();
        // With an average it is the average that is validated and kept; training goes on from the weights themselves.
        let weights = match &training.average {
            Some(average) => {
                let weights = model.snapshot()?;
                model.restore(&average.snapshot()?)?;
                Some(weights)
            }
            None => None,
        };
        let validation = evaluate::float(model, &dataset.validation)?.score;
        let images_per_second = dataset.train.len() as f64 / seconds;
        let record = Epoch { epoch, train, validation, seconds, images_per_second };
        let watched = recipe.monitor.watched(validation);
        let is_best = watched < best.watched - recipe.min_delta;
        observer.epoch(&record, is_best);
        epochs.push(record);
        if is_best {
            best = Best { epoch, watched, weights: model.snapshot()? };
        } else if epoch - best.epoch >= recipe.patience {
            stopped_early = true;
            break;
        }
        if let Some(weights) = weights {
            model.restore(&weights)?;
        }
    }
    model.restore(&best.weights)?;
    Ok(History { epochs, best_epoch: best.epoch, stopped_early })
}

/// The epoch that did best on the validation images so far.
struct Best {
    epoch: usize,
    watched: f64,
    weights: crate::model::Snapshot,
}

/// What a training run works with, and what changes from step to step.
struct Training<'a> {
    model: &'a FloatModel,
    images: &'a Images,
    classes: usize,
    recipe: &'a Recipe,
    seed: u64,
    lessons: Option<Lessons<'a>>,
    optimizer: Adam,
    average: Option<Average>,
}

impl<'a> Training<'a> {
    fn new(
        model: &'a FloatModel,
        dataset: &'a Dataset,
        recipe: &'a Recipe,
        seed: u64,
        teacher: Option<&'a Teacher>,
    ) -> Result<Self, FitError> {
        let config = AdamConfig {
            learning_rate: recipe.learning_rate,
            beta1: recipe.adam.beta1,
            beta2: recipe.adam.beta2,
            epsilon: recipe.adam.epsilon,
            weight_decay: recipe.weight_decay,
        };
        let temperature = recipe.distillation.temperature;
        Ok(Self {
            model,
            images: &dataset.train,
            classes: dataset.class_names.len(),
            recipe,
            seed,
            lessons: teacher.map(|teacher| Lessons::new(teacher, &dataset.train, recipe.augment, temperature)),
            optimizer: Adam::new(model.variables(), config)?,
            average: if recipe.average > 0.0 { Some(Average::new(model, recipe.average)?) } else { None },
        })
    }

    fn epoch(&mut self, epoch: usize, observer: &mut dyn Observer) -> Result<Score, FitError> {
        let (images, recipe) = (self.images, self.recipe);
        let mut order: Vec<usize> = (0..images.len()).collect();
        rng::shuffle(&mut order, &mut rng::stream(self.seed, Purpose::Shuffle, epoch as u64));
        let steps = images.len().div_ceil(recipe.batch_size);
        let (mut seen, mut total_loss, mut right) = (0, 0.0, 0);
        for (step, indices) in order.chunks(recipe.batch_size).enumerate() {
            let steps_before = (epoch - 1) * steps + step;
            let Pass { logits, loss, gradients } = self.pass(indices, steps_before as u64)?;
            if !loss.is_finite() {
                let learning_rate = recipe.learning_rate;
                return Err(FitError::NotFinite { epoch, step: step + 1, loss, learning_rate });
            }
            let factor = recipe.schedule.factor(steps_before, recipe.epochs * steps);
            self.optimizer.set_learning_rate(recipe.learning_rate * factor);
            self.optimizer.step(&gradients)?;
            if let Some(average) = &mut self.average {
                average.update(self.model)?;
            }
            let rows = logits.to_vec2::<f32>()?;
            let answers = rows.iter().map(|row| argmax(row)).zip(indices);
            right += answers.filter(|(class, index)| *class == usize::from(images.label(**index))).count();
            total_loss += f64::from(loss) * indices.len() as f64;
            seen += indices.len();
            let running = Score { loss: total_loss / seen as f64, accuracy: right as f64 / seen as f64 };
            observer.step(epoch, seen, images.len(), running);
        }
        Ok(Score { loss: total_loss / seen as f64, accuracy: right as f64 / seen as f64 })
    }

    /// The forward and the backward pass of a step.
    fn pass(&mut self, indices: &[usize], step: u64) -> candle_core::Result<Pass> {
        let (recipe, seed) = (self.recipe, self.seed);
        let stream = |purpose| rng::stream(seed, purpose, step);
        let batch = recipe.augment.gather(self.images, indices, &mut stream(Purpose::Augment))?;
        let heard = match &mut self.lessons {
            Some(lessons) => Some(lessons.shares(indices, &batch.motions)?),
            None => None,
        };
        let mut targets = targets(recipe, batch.labels, heard, self.classes);
        let pictures = match &mut targets {
            Targets::Shares(voices) if recipe.mixup > 0.0 => {
                mix(recipe.mixup, batch.pictures, voices, &mut stream(Purpose::Mixup))?
            }
            _ => batch.pictures,
        };
        let mut generator = stream(Purpose::Dropout);
        let dropout = (recipe.dropout > 0.0).then_some(Dropout { rate: recipe.dropout, generator: &mut generator });
        self.model.loss_and_gradients(&pictures, targets, dropout)
    }
}

/// What pictures should be taken for: their labels, smoothed where the recipe says so, and what a teacher said.
fn targets(recipe: &Recipe, labels: Vec<u32>, heard: Option<Vec<f32>>, classes: usize) -> Targets {
    if recipe.label_smoothing == 0.0 && recipe.mixup == 0.0 && heard.is_none() {
        return Targets::Labels(labels);
    }
    let spread = recipe.label_smoothing as f32 / classes as f32;
    let mut shares = vec![spread; labels.len() * classes];
    for (row, &label) in shares.chunks_exact_mut(classes).zip(&labels) {
        row[label as usize] += 1.0 - recipe.label_smoothing as f32;
    }
    let Some(heard) = heard else { return Targets::Shares(vec![Voice::alone(shares)]) };
    let Distillation { weight, temperature } = recipe.distillation;
    Targets::Shares(vec![
        Voice { shares, temperature: 1.0, weight: 1.0 - weight as f32 },
        Voice { shares: heard, temperature: temperature as f32, weight: weight as f32 },
    ])
}

/// Mixes each picture with its neighbor in the batch, whose order is random already, and so what each voice says of them. The
/// larger share is its own, so that its label is still what a right answer is.
fn mix(alpha: f64, pictures: Tensor, voices: &mut [Voice], generator: &mut ChaCha8Rng) -> candle_core::Result<Tensor> {
    let share = beta(alpha, generator);
    let kept = share.max(1.0 - share);
    let n = pictures.dim(0)?;
    for Voice { shares, .. } in voices {
        let mut neighbors = shares.clone();
        neighbors.rotate_left(shares.len() / n);
        let (kept, given) = (kept as f32, (1.0 - kept) as f32);
        shares.iter_mut().zip(neighbors).for_each(|(share, other)| *share = *share * kept + other * given);
    }
    let neighbors = Tensor::cat(&[&pictures.narrow(0, 1, n - 1)?, &pictures.narrow(0, 0, 1)?], 0)?;
    (pictures * kept)? + (neighbors * (1.0 - kept))?
}

/// A draw from the beta distribution with both parameters `alpha` (Jöhnk 1964).
fn beta(alpha: f64, generator: &mut ChaCha8Rng) -> f64 {
    loop {
        let [a, b] = [(); 2].map(|()| generator.random::<f64>().powf(1.0 / alpha));
        if a + b > 0.0 && a + b <= 1.0 {
            return a / (a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn shares(recipe: &Recipe) -> (Vec<f32>, Vec<f32>) {
        let pictures = Tensor::from_vec(vec![0f32, 1.0, 2.0], (3, 1, 1, 1), &Device::Cpu).unwrap();
        let Targets::Shares(mut voices) = targets(recipe, vec![0, 2, 1], None, 4) else {
            panic!("shares were asked for")
        };
        let mut generator = rng::stream(48, Purpose::Mixup, 0);
        let mixed =
            if recipe.mixup > 0.0 { mix(recipe.mixup, pictures, &mut voices, &mut generator) } else { Ok(pictures) };
        (mixed.unwrap().flatten_all().unwrap().to_vec1().unwrap(), voices.remove(0).shares)
    }

    #[test]
    fn label_smoothing_spreads_its_share_over_all_classes() {
        let recipe = Recipe { label_smoothing: 0.2, ..Recipe::built_in("tutorial").unwrap() };
        let (pictures, shares) = shares(&recipe);
        assert_eq!(pictures, [0.0, 1.0, 2.0]);
        for (share, expected) in shares[..4].iter().zip([0.85, 0.05, 0.05, 0.05]) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
    }

    #[test]
    fn mixup_mixes_pictures_and_targets_alike() {
        let recipe = Recipe { mixup: 0.4, ..Recipe::built_in("tutorial").unwrap() };
        let (pictures, shares) = shares(&recipe);
        // The first picture is black, its neighbor one: what is left of the first's class is what it is darker by.
        assert!((shares[0] - (1.0 - pictures[0])).abs() < 1e-6, "{pictures:?} {shares:?}");
        assert!((shares[2] - pictures[0]).abs() < 1e-6, "{pictures:?} {shares:?}");
        assert!(shares.chunks(4).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
    }

    #[test]
    fn a_teacher_counts_by_its_weight_and_the_label_by_the_rest() {
        let recipe = Recipe {
            distillation: Distillation { weight: 0.75, temperature: 3.0 },
            ..Recipe::built_in("tutorial").unwrap()
        };
        let Targets::Shares(voices) = targets(&recipe, vec![1], Some(vec![0.2, 0.8]), 2) else {
            panic!("shares were asked for")
        };
        let said: Vec<_> = voices.iter().map(|voice| (voice.weight, voice.temperature, &voice.shares[..])).collect();
        assert_eq!(said, [(0.25, 1.0, &[0.0, 1.0][..]), (0.75, 3.0, &[0.2, 0.8][..])]);
    }

    #[test]
    fn the_beta_distribution_has_its_mean_and_its_variance() {
        let mut generator = rng::stream(48, Purpose::Mixup, 1);
        for alpha in [0.2f64, 1.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut generator)).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            assert!((variance - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.005, "{variance}");
        }
    }
}
