//! What a training step learns: labels, smoothed, and the answers of a teacher; images mixed two by two.

use candle_core::Tensor;

use crate::network::autograd::{SoftTarget, Targets};
use crate::support::rng::{ChaCha8Rng, RngExt};
use crate::train::balance::{Balance, class_weights, logit_offsets};
use crate::train::recipe::{Distillation, Recipe};

/// What images should be taken for: their labels, smoothed where the recipe does so, and the answers of a teacher, `distilled`; each
/// `in_loss` weights the images or adjusts the logits.
pub fn targets(
    recipe: &Recipe,
    labels: Vec<u32>,
    distilled: Option<Vec<f32>>,
    classes: usize,
    in_loss: &ClassesInLoss,
) -> Targets {
    let is_by_label_alone = recipe.label_smoothing == 0.0 && recipe.mixup == 0.0 && distilled.is_none();
    if is_by_label_alone && matches!(in_loss, ClassesInLoss::Alike) {
        return Targets::Labels(labels);
    }
    let soft = soft_targets(recipe, &labels, distilled, classes);
    match in_loss {
        ClassesInLoss::Alike => Targets::Soft(soft),
        ClassesInLoss::Weighted(of_class) => {
            Targets::Weighted { soft, weights: labels.iter().map(|&label| of_class[label as usize]).collect() }
        }
        ClassesInLoss::Adjusted(offsets) => Targets::Adjusted { soft, offsets: offsets.clone() },
    }
}

/// How the loss treats classes of unequal size.
pub enum ClassesInLoss {
    /// Nothing.
    Alike,
    /// The loss of an image is multiplied by the weight of its class: `[classes]`.
    Weighted(Vec<f32>),
    /// These are added to the logits: `[classes]`.
    Adjusted(Vec<f32>),
}

impl ClassesInLoss {
    /// What a recipe that balances so makes of images with these labels.
    pub fn new(balance: Balance, labels: &[u16], classes: usize) -> Self {
        match balance {
            Balance::None | Balance::Sampling => Self::Alike,
            Balance::Weights => Self::Weighted(class_weights(labels, classes)),
            Balance::Logits => Self::Adjusted(logit_offsets(labels, classes)),
        }
    }
}

fn soft_targets(recipe: &Recipe, labels: &[u32], distilled: Option<Vec<f32>>, classes: usize) -> Vec<SoftTarget> {
    let spread = recipe.label_smoothing as f32 / classes as f32;
    let mut shares = vec![spread; labels.len() * classes];
    for (row, &label) in shares.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] += 1.0 - recipe.label_smoothing as f32;
    }
    let Some(distilled) = distilled else { return vec![SoftTarget::alone(shares)] };
    let Distillation { weight, temperature } = recipe.distillation;
    vec![
        SoftTarget { shares, temperature: 1.0, weight: 1.0 - weight as f32 },
        SoftTarget { shares: distilled, temperature: temperature as f32, weight: weight as f32 },
    ]
}

/// Mixes each image with its neighbor in the batch, whose order is random already, and their soft targets alike. The
/// larger share is its own, so that its label is still what a right answer is.
///
/// The loss of a mixed image is the sum of those of its parts, each times its share. Where images are weighted, a part counts by its
/// own image's weight: the mixed image has the sum of both, and its target is that much of each. What is added to logits is alike for
/// all. Labels alone cannot be mixed, and nothing is.
pub fn mix(
    alpha: f64,
    inputs: Tensor,
    targets: &mut Targets,
    generator: &mut ChaCha8Rng,
) -> candle_core::Result<Tensor> {
    let share = beta(alpha, generator);
    let kept = share.max(1.0 - share);
    let n = inputs.dim(0)?;
    let mut parts = vec![[kept as f32, (1.0 - kept) as f32]; n];
    let soft = match targets {
        Targets::Labels(_) => return Ok(inputs),
        Targets::Soft(soft) | Targets::Adjusted { soft, .. } => soft,
        Targets::Weighted { soft, weights } => {
            weigh(&mut parts, weights);
            soft
        }
    };
    for SoftTarget { shares, .. } in soft {
        let classes = shares.len() / n;
        let mut neighbors = shares.clone();
        neighbors.rotate_left(classes);
        let rows = shares.chunks_exact_mut(classes).zip(neighbors.chunks_exact(classes)).zip(&parts);
        for ((row, neighbor), [kept, given]) in rows {
            row.iter_mut().zip(neighbor).for_each(|(share, other)| *share = *share * kept + other * given);
        }
    }
    let neighbors = Tensor::cat(&[&inputs.narrow(0, 1, n - 1)?, &inputs.narrow(0, 0, 1)?], 0)?;
    (inputs * kept)? + (neighbors * (1.0 - kept))?
}

/// Makes of the weights of images those of mixed images, and of the parts that both images have in these those that they have in the
/// target.
fn weigh(parts: &mut [[f32; 2]], weights: &mut [f32]) {
    let mut neighbors = weights.to_vec();
    neighbors.rotate_left(1);
    for ((part, weight), neighbor) in parts.iter_mut().zip(weights).zip(neighbors) {
        let [own, other] = [part[0] * *weight, part[1] * neighbor];
        *weight = own + other;
        *part = [own / *weight, other / *weight];
    }
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
    use crate::support::rng::{self, Purpose};

    fn shares(recipe: &Recipe) -> (Vec<f32>, Vec<f32>) {
        let inputs = Tensor::from_vec(vec![0f32, 1.0, 2.0], (3, 1, 1, 1), &Device::Cpu).unwrap();
        let mut targets = targets(recipe, vec![0, 2, 1], None, 4, &ClassesInLoss::Alike);
        let mut generator = rng::stream(48, Purpose::Mixup, 0);
        let mixed =
            if recipe.mixup > 0.0 { mix(recipe.mixup, inputs, &mut targets, &mut generator) } else { Ok(inputs) };
        let Targets::Soft(mut soft) = targets else { panic!("soft targets were requested") };
        (mixed.unwrap().flatten_all().unwrap().to_vec1().unwrap(), soft.remove(0).shares)
    }

    /// The loss of a mixed image is what its parts come to, each by its share and by the weight of its class.
    #[test]
    fn parts_of_a_mixed_image_count_by_the_weights_of_their_classes() {
        let recipe = Recipe { mixup: 0.4, label_smoothing: 0.2, ..Recipe::built_in("tutorial").unwrap() };
        let inputs = || Tensor::from_vec(vec![0f32, 1.0, 2.0], (3, 1, 1, 1), &Device::Cpu).unwrap();
        let (of_class, labels) = ([5.5, 1.0, 0.55, 1.0], vec![0u32, 2, 1]);
        let mixed = |in_loss| {
            let mut targets = targets(&recipe, labels.clone(), None, 4, &in_loss);
            let inputs = mix(0.4, inputs(), &mut targets, &mut rng::stream(48, Purpose::Mixup, 0)).unwrap();
            (inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap(), targets)
        };
        let (plain_inputs, _) = mixed(ClassesInLoss::Alike);
        let (inputs, targets) = mixed(ClassesInLoss::Weighted(of_class.to_vec()));
        assert_eq!(inputs, plain_inputs, "weights change no image");
        let Targets::Weighted { soft, weights } = targets else { panic!("weights were given") };
        // The first image is black, its neighbor one.
        let kept = 1.0 - inputs[0];
        for (image, row) in soft[0].shares.chunks(4).enumerate() {
            let [own, neighbor] = [labels[image] as usize, labels[(image + 1) % 3] as usize];
            let parts = [kept * of_class[own], (1.0 - kept) * of_class[neighbor]];
            assert!((weights[image] - parts[0] - parts[1]).abs() < 1e-5, "{weights:?}");
            for class in 0..4 {
                let of = |label: usize| if label == class { 0.85 } else { 0.05 };
                let expected = parts[0] * of(own) + parts[1] * of(neighbor);
                assert!((weights[image] * row[class] - expected).abs() < 1e-5, "{row:?}");
            }
        }
    }

    #[test]
    fn with_a_teacher_and_without_an_image_counts_as_much_as_its_class() {
        let recipe = Recipe::built_in("tutorial").unwrap();
        for distilled in [None, Some(vec![0.2, 0.8, 0.6, 0.4])] {
            let parts = 1 + usize::from(distilled.is_some());
            let in_loss = ClassesInLoss::Weighted(vec![5.5, 0.55]);
            let Targets::Weighted { soft, weights } = targets(&recipe, vec![1, 0], distilled, 2, &in_loss) else {
                panic!("weights were given")
            };
            assert_eq!((soft.len(), weights), (parts, vec![0.55, 5.5]));
            assert_eq!(soft[0].shares, [0.0, 1.0, 1.0, 0.0]);
        }
    }

    #[test]
    fn label_smoothing_spreads_its_share_over_all_classes() {
        let recipe = Recipe { label_smoothing: 0.2, ..Recipe::built_in("tutorial").unwrap() };
        let (inputs, shares) = shares(&recipe);
        assert_eq!(inputs, [0.0, 1.0, 2.0]);
        for (share, expected) in shares[..4].iter().zip([0.85, 0.05, 0.05, 0.05]) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
    }

    #[test]
    fn mixup_mixes_images_and_targets_alike() {
        let recipe = Recipe { mixup: 0.4, ..Recipe::built_in("tutorial").unwrap() };
        let (inputs, shares) = shares(&recipe);
        // The first image is black, its neighbor one: what is left of the first's class is what it is darker by.
        assert!((shares[0] - (1.0 - inputs[0])).abs() < 1e-6, "{inputs:?} {shares:?}");
        assert!((shares[2] - inputs[0]).abs() < 1e-6, "{inputs:?} {shares:?}");
        assert!(shares.chunks(4).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
    }

    #[test]
    fn a_teacher_counts_by_its_weight_and_the_label_by_the_rest() {
        let recipe = Recipe {
            distillation: Distillation { weight: 0.75, temperature: 3.0 },
            ..Recipe::built_in("tutorial").unwrap()
        };
        let Targets::Soft(soft) = targets(&recipe, vec![1], Some(vec![0.2, 0.8]), 2, &ClassesInLoss::Alike) else {
            panic!("soft targets were requested")
        };
        let found: Vec<_> = soft.iter().map(|target| (target.weight, target.temperature, &target.shares[..])).collect();
        assert_eq!(found, [(0.25, 1.0, &[0.0, 1.0][..]), (0.75, 3.0, &[0.2, 0.8][..])]);
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
