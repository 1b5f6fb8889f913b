//! Training steps, and what changes from one to the next.

use candle_core::Result;
use candle_nn::Optimizer;

use super::checkpoint::{self, Checkpoint, Running};
use super::targets::{ClassesInLoss, mix, targets};
use super::{Epoch, FitError, Observer};
use crate::dataset::{Dataset, Images};
use crate::network::model::{Dropout, FloatModel, Pass, Snapshot};
use crate::support::rng::{self, Purpose};
use crate::train::adam::{Adam, AdamConfig};
use crate::train::average::Average;
use crate::train::balance::{Balance, Sampler};
use crate::train::evaluate::argmax;
use crate::train::recipe::Recipe;
use crate::train::score::Score;
use crate::train::teacher::{Teacher, TeacherCache};

/// The epoch that did best on the validation images so far.
pub struct Best {
    /// Counted from 1; 0 before the first.
    pub epoch: usize,
    /// What the recipe watches; lower is better.
    pub watched: f64,
    /// Its weights.
    pub weights: Snapshot,
}

/// What a training run works with, and what changes from step to step.
pub struct Training<'a> {
    model: &'a FloatModel,
    images: &'a Images,
    classes: usize,
    recipe: &'a Recipe,
    seed: u64,
    teacher_cache: Option<TeacherCache<'a>>,
    /// How the loss treats classes of unequal size.
    in_loss: ClassesInLoss,
    /// Where the recipe balances classes by what it draws.
    sampler: Option<Sampler>,
    optimizer: Adam,
    average: Option<Average>,
}

/// The images of an epoch, counted from 1: all of them, or those that the sampler draws, in an order that the seed decides.
pub fn order(images: usize, sampler: Option<&Sampler>, seed: u64, epoch: usize) -> Vec<usize> {
    let mut generator = rng::stream(seed, Purpose::Shuffle, epoch as u64);
    if let Some(sampler) = sampler {
        return sampler.draw(&mut generator);
    }
    let mut order: Vec<usize> = (0..images).collect();
    rng::shuffle(&mut order, &mut generator);
    order
}

impl<'a> Training<'a> {
    /// Before its first step: a new optimizer, and an average of the weights where the recipe has one.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(
        model: &'a FloatModel,
        dataset: &'a Dataset,
        recipe: &'a Recipe,
        seed: u64,
        teacher: Option<&'a Teacher>,
    ) -> Result<Self> {
        let config = AdamConfig {
            learning_rate: recipe.learning_rate,
            beta1: recipe.adam.beta1,
            beta2: recipe.adam.beta2,
            epsilon: recipe.adam.epsilon,
            weight_decay: recipe.weight_decay,
        };
        let temperature = recipe.distillation.temperature;
        let (labels, classes) = (dataset.train.labels(), dataset.class_names.len());
        let in_loss = ClassesInLoss::new(recipe.balance, labels, classes);
        // The student's adjusted logits are those of classes as frequent as in the images. A teacher trained with a balance gives
        // logits of equally frequent classes, so the same offsets are added to them.
        let cached = |teacher| {
            let cache = TeacherCache::new(teacher, &dataset.train, recipe.augment, temperature);
            match &in_loss {
                ClassesInLoss::Adjusted(offsets) => cache.with_logit_offsets(offsets),
                ClassesInLoss::Alike | ClassesInLoss::Weighted(_) => Ok(cache),
            }
        };
        let teacher_cache = teacher.map(cached).transpose()?;
        Ok(Self {
            model,
            images: &dataset.train,
            classes,
            recipe,
            seed,
            teacher_cache,
            in_loss,
            sampler: (recipe.balance == Balance::Sampling).then(|| Sampler::new(labels, classes)),
            optimizer: Adam::new(model.variables(), config)?.with_rates(model.learning_rates()),
            average: if recipe.average > 0.0 { Some(Average::new(model, recipe.average)?) } else { None },
        })
    }

    /// Takes the steps of an epoch that `running` has not taken yet; whether it came to the end.
    pub fn epoch(
        &mut self,
        epoch: usize,
        running: &mut Running,
        observer: &mut dyn Observer,
    ) -> std::result::Result<bool, FitError> {
        let (images, recipe) = (self.images, self.recipe);
        let order = order(images.len(), self.sampler.as_ref(), self.seed, epoch);
        let steps = images.len().div_ceil(recipe.batch_size);
        for indices in order.chunks(recipe.batch_size).skip(running.steps) {
            let steps_before = (epoch - 1) * steps + running.steps;
            let Pass { logits, loss, gradients } = self.pass(indices, steps_before as u64)?;
            running.steps += 1;
            if !loss.is_finite() {
                let learning_rate = recipe.learning_rate;
                return Err(FitError::NotFinite { epoch, step: running.steps, loss, learning_rate });
            }
            let factor = recipe.schedule.factor(steps_before, recipe.epochs * steps);
            self.optimizer.set_learning_rate(recipe.learning_rate * factor);
            self.optimizer.step(&gradients)?;
            if let Some(average) = &mut self.average {
                average.update(self.model)?;
            }
            let rows = logits.to_vec2::<f32>()?;
            let answers = rows.iter().map(|row| argmax(row)).zip(indices);
            running.right += answers.filter(|(class, index)| *class == usize::from(images.label(**index))).count();
            running.loss += f64::from(loss) * indices.len() as f64;
            running.images += indices.len();
            observer.step(epoch, running.images, images.len(), running.score());
            if running.steps < steps && observer.is_interrupted() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets the model to the average of the weights, where there is one, and gives back the weights themselves.
    pub fn exchange_for_average(&self) -> Result<Option<Snapshot>> {
        let Some(average) = &self.average else { return Ok(None) };
        let weights = self.model.snapshot()?;
        self.model.restore(&average.snapshot()?)?;
        Ok(Some(weights))
    }

    /// Its state between two steps.
    pub fn checkpoint(&self, epochs: &[Epoch], running: Running, best: &Best) -> Result<Checkpoint> {
        Ok(Checkpoint {
            epochs: epochs.to_vec(),
            running,
            weights: self.model.snapshot()?.values()?,
            steps: self.optimizer.steps(),
            moments: self.optimizer.moments(),
            average: match &self.average {
                Some(average) => Some((average.steps(), average.snapshot()?.values()?)),
                None => None,
            },
            best: checkpoint::SavedBest { epoch: best.epoch, watched: best.watched, weights: best.weights.values()? },
        })
    }

    /// Goes back to that state; returns the best epoch until then.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<Best> {
        let model = self.model;
        model.restore(&Snapshot::from_values(model, &checkpoint.weights)?)?;
        self.optimizer.restore(checkpoint.steps, checkpoint.moments.clone())?;
        match (&mut self.average, &checkpoint.average) {
            (Some(average), Some((steps, mean))) => average.restore(*steps, &Snapshot::from_values(model, mean)?)?,
            (None, None) => {}
            _ => candle_core::bail!("only one of run and checkpoint has an average of the weights"),
        }
        let checkpoint::SavedBest { epoch, watched, weights } = &checkpoint.best;
        Ok(Best { epoch: *epoch, watched: *watched, weights: Snapshot::from_values(model, weights)? })
    }

    /// The forward and the backward pass of a step.
    fn pass(&mut self, indices: &[usize], step: u64) -> Result<Pass> {
        let (recipe, seed) = (self.recipe, self.seed);
        let stream = |purpose| rng::stream(seed, purpose, step);
        let batch = recipe.augment.gather(self.images, indices, &mut stream(Purpose::Augment))?;
        let distilled = match &mut self.teacher_cache {
            Some(teacher_cache) => Some(teacher_cache.shares(indices, &batch)?),
            None => None,
        };
        let mut targets = targets(recipe, batch.labels, distilled, self.classes, &self.in_loss);
        let inputs = if recipe.mixup > 0.0 {
            mix(recipe.mixup, batch.inputs, &mut targets, &mut stream(Purpose::Mixup))?
        } else {
            batch.inputs
        };
        let mut generator = stream(Purpose::Dropout);
        let dropout = (recipe.dropout > 0.0).then_some(Dropout { rate: recipe.dropout, generator: &mut generator });
        self.model.loss_and_gradients(&inputs, targets, dropout)
    }
}

impl Running {
    /// Mean loss and share of right answers of the steps so far.
    pub fn score(&self) -> Score {
        let images = self.images as f64;
        Score { loss: self.loss / images, accuracy: self.right as f64 / images, balanced: None }
    }
}
