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
/// of `weight * temperature^2` times that of `logits / temperature`.
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
        let fits = match &targets {
            Targets::Labels(labels) => labels.len() == n && labels.iter().all(|&label| (label as usize) < classes),
            Targets::Soft(targets) => targets.iter().all(|target| target.shares.len() == n * classes),
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
            Targets::Soft(targets) => {
                let losses = targets.iter().map(|SoftTarget { shares, temperature, weight }| {
                    let cold = rows().map(|row| row.iter().map(|logit| logit / temperature).collect::<Vec<f32>>());
                    let row_losses = cold.zip(shares.chunks_exact(classes)).map(|(row, shares)| {
                        let hit = row.iter().zip(shares).map(|(logit, share)| logit * share).sum::<f32>();
                        f64::from(log_sum(&row) - hit)
                    });
                    f64::from(weight * temperature * temperature) * row_losses.sum::<f64>()
                });
                losses.sum()
            }
        };
        Ok((CpuStorage::F32(vec![(total / n as f64) as f32]), Shape::from(())))
    }

    /// `(softmax(logits) - target) / n`; of a soft target `weight * temperature * (softmax(logits / temperature) - shares) / n`.
    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, classes) = logits.dims2()?;
        let factor = gradient.to_scalar::<f32>()? / n as f32;
        let output = with_values(logits, |logits| {
            let mut output = vec![0.0; n * classes];
            match &self.targets {
                Targets::Labels(labels) => {
                    add_softmax(logits, classes, 1.0, factor, &mut output);
                    let rows = output.chunks_exact_mut(classes).zip(labels);
                    rows.for_each(|(row, &label)| row[label as usize] -= factor);
                }
                Targets::Soft(targets) => {
                    for SoftTarget { shares, temperature, weight } in targets {
                        let factor = factor * weight * temperature;
                        add_softmax(logits, classes, *temperature, factor, &mut output);
                        output.iter_mut().zip(shares).for_each(|(value, share)| *value -= factor * share);
                    }
                }
            }
            Ok(output)
        })?;
        Ok(Some(Tensor::from_vec(output, (n, classes), logits.device())?))
    }
}

/// `log(sum(exp(row)))`.
fn log_sum(row: &[f32]) -> f32 {
    let maximum = maximum(row);
    row.iter().map(|logit| (logit - maximum).exp()).sum::<f32>().ln() + maximum
}

/// Adds `factor * softmax(logits / temperature)` of each row to `output`.
fn add_softmax(logits: &[f32], classes: usize, temperature: f32, factor: f32, output: &mut [f32]) {
    for (row, output) in logits.chunks_exact(classes).zip(output.chunks_exact_mut(classes)) {
        let maximum = maximum(row);
        let powers: Vec<f32> = row.iter().map(|logit| ((logit - maximum) / temperature).exp()).collect();
        let scale = factor / powers.iter().sum::<f32>();
        output.iter_mut().zip(&powers).for_each(|(output, power)| *output += scale * power);
    }
}

fn maximum(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
