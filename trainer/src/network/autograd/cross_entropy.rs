//! Softmax and mean cross-entropy in one operation.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Recorded, values, with_values};

/// What an image should be taken for.
#[derive(Clone, Debug)]
pub enum Targets {
    /// A class for each image.
    Labels(Vec<u32>),
    /// How much of each class, by one target or several.
    Soft(Vec<SoftTarget>),
    /// The same, and how much each image counts.
    Weighted {
        /// How much of each class.
        soft: Vec<SoftTarget>,
        /// `[n]`: what the loss of an image is multiplied by.
        weights: Vec<f32>,
    },
    /// How much of each class, compared with logits that are adjusted first.
    Adjusted {
        /// How much of each class.
        soft: Vec<SoftTarget>,
        /// `[classes]`: what is added to the logits of each image in the loss alone.
        offsets: Vec<f32>,
    },
}

/// How much of each class an image is by one source, such as its label or a teacher, and how much that counts.
#[derive(Clone, Debug)]
pub struct SoftTarget {
    /// `[n, classes]`: how much of each class, one in all.
    pub shares: Vec<f32>,
    /// What the logits are divided by before they are compared with the shares (Hinton and others 2015, section 2).
    pub temperature: f32,
    /// Its share in the loss. Gradients shrink with the square of the temperature, so the loss is multiplied
    /// by that square.
    pub weight: f32,
}

impl SoftTarget {
    /// The only one, at temperature 1.
    #[must_use]
    pub fn alone(shares: Vec<f32>) -> Self {
        Self { shares, temperature: 1.0, weight: 1.0 }
    }
}

/// The mean over the batch of `log(sum(exp(logits))) - sum(target * logits)`, a label being a target of one: `logits [n, classes]`
/// give a scalar. Stable for logits of any size, as the maximum is taken out first. With several soft targets the loss is the sum
/// of `weight * temperature^2` times that of `logits / temperature`. Where images are weighted, each loss is multiplied by its image's
/// weight, and the mean is still over `n`. With adjusted logits, `logits + offsets` take their place.
///
/// # Errors
/// Those of candle; targets that do not fit the logits.
pub fn softmax_cross_entropy(logits: &Tensor, targets: Targets) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy::new(logits, targets)?)
}

/// As [`softmax_cross_entropy`], outside candle's graph.
///
/// # Errors
/// As [`softmax_cross_entropy`].
pub fn softmax_cross_entropy_recorded(logits: &Tensor, targets: Targets) -> Result<Recorded> {
    Recorded::one(&logits.contiguous()?, CrossEntropy::new(logits, targets)?)
}

struct CrossEntropy {
    targets: Targets,
}

impl CrossEntropy {
    fn new(logits: &Tensor, targets: Targets) -> Result<Self> {
        let (n, classes) = logits.dims2()?;
        let fit = |soft: &[SoftTarget]| soft.iter().all(|target| target.shares.len() == n * classes);
        let fits = match &targets {
            Targets::Labels(labels) => labels.len() == n && labels.iter().all(|&label| (label as usize) < classes),
            Targets::Soft(soft) => fit(soft),
            Targets::Weighted { soft, weights } => fit(soft) && weights.len() == n,
            Targets::Adjusted { soft, offsets } => fit(soft) && offsets.len() == classes,
        };
        if !fits {
            candle_core::bail!("cross-entropy: the targets are not those of {n} rows of {classes} logits");
        }
        Ok(Self { targets })
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, classes) = layout.shape().dims2()?;
        let logits = values(logits, layout)?;
        let rows = || logits.chunks_exact(classes);
        let total: f64 = match &self.targets {
            Targets::Labels(labels) => {
                rows().zip(labels).map(|(row, &label)| f64::from(log_sum(row) - row[label as usize])).sum()
            }
            Targets::Soft(soft) => soft_losses(logits, classes, soft, |_| 1.0),
            Targets::Weighted { soft, weights } => soft_losses(logits, classes, soft, |row| weights[row]),
            Targets::Adjusted { soft, offsets } => soft_losses(&adjusted(logits, offsets), classes, soft, |_| 1.0),
        };
        Ok((CpuStorage::F32(vec![(total / n as f64) as f32]), Shape::from(())))
    }

    /// `(softmax(logits) - target) / n`; of a soft target `weight * temperature * (softmax(logits / temperature) - shares) / n`, times the
    /// weight of the image where there is one.
    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, classes) = logits.dims2()?;
        let factor = gradient.to_scalar::<f32>()? / n as f32;
        let output = with_values(logits, |logits| {
            let mut output = vec![0.0; n * classes];
            match &self.targets {
                Targets::Labels(labels) => {
                    add_softmax(logits, classes, 1.0, |_| factor, &mut output);
                    let rows = output.chunks_exact_mut(classes).zip(labels);
                    rows.for_each(|(row, &label)| row[label as usize] -= factor);
                }
                Targets::Soft(soft) => add_soft_gradients(logits, classes, soft, |_| factor, &mut output),
                Targets::Weighted { soft, weights } => {
                    add_soft_gradients(logits, classes, soft, |row| factor * weights[row], &mut output);
                }
                Targets::Adjusted { soft, offsets } => {
                    add_soft_gradients(&adjusted(logits, offsets), classes, soft, |_| factor, &mut output);
                }
            }
            Ok(output)
        })?;
        Ok(Some(Tensor::from_vec(output, (n, classes), logits.device())?))
    }
}

/// `logits + offsets`, row by row.
fn adjusted(logits: &[f32], offsets: &[f32]) -> Vec<f32> {
    logits.iter().zip(offsets.iter().cycle()).map(|(logit, offset)| logit + offset).collect()
}

/// The sum of the losses of all rows, each times what `weight_of` gives it.
fn soft_losses(logits: &[f32], classes: usize, soft: &[SoftTarget], weight_of: impl Fn(usize) -> f32) -> f64 {
    let losses = soft.iter().map(|SoftTarget { shares, temperature, weight }| {
        let rows = logits.chunks_exact(classes);
        let cold = rows.map(|row| row.iter().map(|logit| logit / temperature).collect::<Vec<f32>>());
        let row_losses = cold.zip(shares.chunks_exact(classes)).enumerate().map(|(index, (row, shares))| {
            let hit = row.iter().zip(shares).map(|(logit, share)| logit * share).sum::<f32>();
            f64::from(log_sum(&row) - hit) * f64::from(weight_of(index))
        });
        f64::from(weight * temperature * temperature) * row_losses.sum::<f64>()
    });
    losses.sum()
}

/// Adds their gradients to `output`, those of a row times what `factor_of` gives it.
fn add_soft_gradients(
    logits: &[f32],
    classes: usize,
    soft: &[SoftTarget],
    factor_of: impl Fn(usize) -> f32,
    output: &mut [f32],
) {
    for SoftTarget { shares, temperature, weight } in soft {
        let factor_of = |row| factor_of(row) * weight * temperature;
        add_softmax(logits, classes, *temperature, factor_of, output);
        for (row, (values, shares)) in output.chunks_exact_mut(classes).zip(shares.chunks_exact(classes)).enumerate() {
            let factor = factor_of(row);
            values.iter_mut().zip(shares).for_each(|(value, share)| *value -= factor * share);
        }
    }
}

/// `log(sum(exp(row)))`.
fn log_sum(row: &[f32]) -> f32 {
    let maximum = maximum(row);
    row.iter().map(|logit| (logit - maximum).exp()).sum::<f32>().ln() + maximum
}

/// Adds `softmax(logits / temperature)` of each row, times what `factor_of` gives it, to `output`.
fn add_softmax(logits: &[f32], classes: usize, temperature: f32, factor_of: impl Fn(usize) -> f32, output: &mut [f32]) {
    for (index, (row, output)) in logits.chunks_exact(classes).zip(output.chunks_exact_mut(classes)).enumerate() {
        let maximum = maximum(row);
        let powers: Vec<f32> = row.iter().map(|logit| ((logit - maximum) / temperature).exp()).collect();
        let scale = factor_of(index) / powers.iter().sum::<f32>();
        output.iter_mut().zip(&powers).for_each(|(output, power)| *output += scale * power);
    }
}

fn maximum(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// The loss of these targets, and the gradient of the logits.
    fn loss_and_gradient(logits: &[[f32; 3]], targets: Targets) -> (f32, Vec<Vec<f32>>) {
        let logits = Var::from_vec(logits.concat(), (logits.len(), 3), &Device::Cpu).unwrap();
        let loss = softmax_cross_entropy(&logits, targets).unwrap();
        let gradients = loss.backward().unwrap();
        (loss.to_scalar().unwrap(), gradients.get(&logits).unwrap().to_vec2().unwrap())
    }

    #[test]
    fn an_image_of_weight_w_counts_w_times_in_loss_and_gradient() {
        const LOGITS: [[f32; 3]; 2] = [[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]];
        const SHARES: [[f32; 3]; 2] = [[0.8, 0.1, 0.1], [0.2, 0.3, 0.5]];
        let soft = |shares: &[[f32; 3]]| {
            let target = |temperature, weight| SoftTarget { shares: shares.concat(), temperature, weight };
            vec![target(1.0, 0.25), target(3.0, 0.75)]
        };
        let weights = vec![5.5, 0.55];
        let (loss, gradient) =
            loss_and_gradient(&LOGITS, Targets::Weighted { soft: soft(&SHARES), weights: weights.clone() });
        let alone: Vec<(f32, Vec<Vec<f32>>)> =
            (0..2).map(|row| loss_and_gradient(&LOGITS[row..=row], Targets::Soft(soft(&SHARES[row..=row])))).collect();
        // The mean is over both.
        let expected = (weights[0] * alone[0].0 + weights[1] * alone[1].0) / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss}, not {expected}");
        for row in 0..2 {
            for class in 0..3 {
                let expected = weights[row] * alone[row].1[0][class] / 2.0;
                assert!((gradient[row][class] - expected).abs() < 1e-6, "{gradient:?}");
            }
        }
        let ones = Targets::Weighted { soft: soft(&SHARES), weights: vec![1.0; 2] };
        assert_eq!(loss_and_gradient(&LOGITS, ones), loss_and_gradient(&LOGITS, Targets::Soft(soft(&SHARES))));
    }

    #[test]
    fn adjusted_logits_have_the_loss_and_the_gradient_of_the_sum() {
        const LOGITS: [[f32; 3]; 2] = [[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]];
        const OFFSETS: [f32; 3] = [-2.0, 0.5, 1.0];
        let soft = || {
            let target =
                |temperature, weight| SoftTarget { shares: vec![0.8, 0.1, 0.1, 0.2, 0.3, 0.5], temperature, weight };
            vec![target(1.0, 0.25), target(3.0, 0.75)]
        };
        let sums = LOGITS.map(|row| [0, 1, 2].map(|class| row[class] + OFFSETS[class]));
        let adjusted = Targets::Adjusted { soft: soft(), offsets: OFFSETS.to_vec() };
        assert_eq!(loss_and_gradient(&LOGITS, adjusted), loss_and_gradient(&sums, Targets::Soft(soft())));
    }

    #[test]
    fn offsets_of_fewer_classes_are_refused() {
        let logits = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let soft = vec![SoftTarget::alone(vec![0.5; 6])];
        assert!(softmax_cross_entropy(&logits, Targets::Adjusted { soft, offsets: vec![1.0; 2] }).is_err());
    }

    #[test]
    fn weights_of_fewer_images_are_refused() {
        let logits = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let soft = vec![SoftTarget::alone(vec![0.5; 6])];
        assert!(softmax_cross_entropy(&logits, Targets::Weighted { soft, weights: vec![1.0] }).is_err());
    }
}
