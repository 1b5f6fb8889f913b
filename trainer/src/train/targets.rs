//! What a training step learns: labels, smoothed, and the answers of a teacher; images mixed two by two.

use candle_core::Tensor;

use crate::network::autograd::{SoftTarget, Targets};
use crate::support::rng::{ChaCha8Rng, RngExt};
use crate::train::recipe::{Distillation, Recipe};

/// What images should be taken for: their labels, smoothed where the recipe does so, and the answers of a teacher, `distilled`.
pub fn targets(recipe: &Recipe, labels: Vec<u32>, distilled: Option<Vec<f32>>, classes: usize) -> Targets {
    if recipe.label_smoothing == 0.0 && recipe.mixup == 0.0 && distilled.is_none() {
        return Targets::Labels(labels);
    }
    let spread = recipe.label_smoothing as f32 / classes as f32;
    let mut shares = vec![spread; labels.len() * classes];
    for (row, &label) in shares.chunks_exact_mut(classes).zip(&labels) {
        row[label as usize] += 1.0 - recipe.label_smoothing as f32;
    }
    let Some(distilled) = distilled else { return Targets::Soft(vec![SoftTarget::alone(shares)]) };
    let Distillation { weight, temperature } = recipe.distillation;
    Targets::Soft(vec![
        SoftTarget { shares, temperature: 1.0, weight: 1.0 - weight as f32 },
        SoftTarget { shares: distilled, temperature: temperature as f32, weight: weight as f32 },
    ])
}

/// Mixes each image with its neighbor in the batch, whose order is random already, and their soft targets alike. The
/// larger share is its own, so that its label is still what a right answer is.
pub fn mix(
    alpha: f64,
    inputs: Tensor,
    soft: &mut [SoftTarget],
    generator: &mut ChaCha8Rng,
) -> candle_core::Result<Tensor> {
    let share = beta(alpha, generator);
    let kept = share.max(1.0 - share);
    let n = inputs.dim(0)?;
    for SoftTarget { shares, .. } in soft {
        let mut neighbors = shares.clone();
        neighbors.rotate_left(shares.len() / n);
        let (kept, given) = (kept as f32, (1.0 - kept) as f32);
        shares.iter_mut().zip(neighbors).for_each(|(share, other)| *share = *share * kept + other * given);
    }
    let neighbors = Tensor::cat(&[&inputs.narrow(0, 1, n - 1)?, &inputs.narrow(0, 0, 1)?], 0)?;
    (inputs * kept)? + (neighbors * (1.0 - kept))?
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
        let Targets::Soft(mut soft) = targets(recipe, vec![0, 2, 1], None, 4) else {
            panic!("soft targets were requested")
        };
        let mut generator = rng::stream(48, Purpose::Mixup, 0);
        let mixed = if recipe.mixup > 0.0 { mix(recipe.mixup, inputs, &mut soft, &mut generator) } else { Ok(inputs) };
        (mixed.unwrap().flatten_all().unwrap().to_vec1().unwrap(), soft.remove(0).shares)
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
        let Targets::Soft(soft) = targets(&recipe, vec![1], Some(vec![0.2, 0.8]), 2) else {
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
