//! Softmax and mean cross-entropy in one operation.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Recorded, values, with_values};

/// What a picture should be taken for.
#[derive(Clone, Debug)]
pub enum Targets {
    /// A class for each picture.
    Labels(Vec<u32>),
    /// `[n, classes]`: how much of each class, one in all.
    Shares(Vec<f32>),
}

/// The mean over the batch of `log(sum(exp(logits))) - sum(target * logits)`, a label being a target of one: `logits [n, classes]`
/// give a scalar. Stable for logits of any size, as the maximum is taken out first.
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
            Targets::Shares(shares) => shares.len() == n * classes,
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
        let rows = values(logits, layout)?.chunks_exact(classes);
        let log_sum = |row: &[f32]| {
            let maximum = maximum(row);
            row.iter().map(|logit| (logit - maximum).exp()).sum::<f32>().ln() + maximum
        };
        let total: f64 = match &self.targets {
            Targets::Labels(labels) => {
                rows.zip(labels).map(|(row, &label)| f64::from(log_sum(row) - row[label as usize])).sum()
            }
            Targets::Shares(shares) => {
                let hit = |(row, shares): (&[f32], &[f32])| row.iter().zip(shares).map(|(a, b)| a * b).sum::<f32>();
                rows.zip(shares.chunks_exact(classes)).map(|both| f64::from(log_sum(both.0) - hit(both))).sum()
            }
        };
        Ok((CpuStorage::F32(vec![(total / n as f64) as f32]), Shape::from(())))
    }

    /// `(softmax(logits) - target) / n`.
    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, classes) = logits.dims2()?;
        let factor = gradient.to_scalar::<f32>()? / n as f32;
        let mut output = with_values(logits, |logits| Ok(logits.to_vec()))?;
        for row in output.chunks_exact_mut(classes) {
            let maximum = maximum(row);
            row.iter_mut().for_each(|logit| *logit = (*logit - maximum).exp());
            let scale = factor / row.iter().sum::<f32>();
            row.iter_mut().for_each(|value| *value *= scale);
        }
        match &self.targets {
            Targets::Labels(labels) => {
                let rows = output.chunks_exact_mut(classes).zip(labels);
                rows.for_each(|(row, &label)| row[label as usize] -= factor);
            }
            Targets::Shares(shares) => {
                output.iter_mut().zip(shares).for_each(|(value, share)| *value -= factor * share)
            }
        }
        Ok(Some(Tensor::from_vec(output, (n, classes), logits.device())?))
    }
}

fn maximum(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
