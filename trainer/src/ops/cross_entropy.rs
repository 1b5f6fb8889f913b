//! Softmax and mean cross-entropy in one operation.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Recorded, values, with_values};

/// The mean over the batch of `log(sum(exp(logits))) - logits[label]`: `logits [n, classes]`, `labels` `u32 [n]` give a
/// scalar. Stable for logits of any size, as the maximum is taken out first.
///
/// # Errors
/// Those of candle; a label that is not a class.
pub fn softmax_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy::new(logits, labels)?)
}

/// As [`softmax_cross_entropy`], outside candle's graph.
///
/// # Errors
/// As [`softmax_cross_entropy`].
pub fn softmax_cross_entropy_recorded(logits: &Tensor, labels: &Tensor) -> Result<Recorded> {
    Recorded::one(&logits.contiguous()?, CrossEntropy::new(logits, labels)?)
}

struct CrossEntropy {
    labels: Vec<u32>,
}

impl CrossEntropy {
    fn new(logits: &Tensor, labels: &Tensor) -> Result<Self> {
        let (n, classes) = logits.dims2()?;
        let labels = labels.to_vec1::<u32>()?;
        if labels.len() != n || labels.iter().any(|&label| label as usize >= classes) {
            candle_core::bail!(
                "cross-entropy: {} labels for {n} rows of {classes} logits, or one beyond them",
                labels.len()
            );
        }
        Ok(Self { labels })
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, classes) = layout.shape().dims2()?;
        let rows = values(logits, layout)?.chunks_exact(classes);
        let total: f64 = rows
            .zip(&self.labels)
            .map(|(row, &label)| {
                let maximum = maximum(row);
                let sum: f32 = row.iter().map(|logit| (logit - maximum).exp()).sum();
                f64::from(sum.ln() + maximum - row[label as usize])
            })
            .sum();
        Ok((CpuStorage::F32(vec![(total / n as f64) as f32]), Shape::from(())))
    }

    /// `(softmax(logits) - onehot(label)) / n`.
    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, classes) = logits.dims2()?;
        let factor = gradient.to_scalar::<f32>()? / n as f32;
        let mut output = with_values(logits, |logits| Ok(logits.to_vec()))?;
        for (row, &label) in output.chunks_exact_mut(classes).zip(&self.labels) {
            let maximum = maximum(row);
            row.iter_mut().for_each(|logit| *logit = (*logit - maximum).exp());
            let scale = factor / row.iter().sum::<f32>();
            row.iter_mut().for_each(|value| *value *= scale);
            row[label as usize] -= factor;
        }
        Ok(Some(Tensor::from_vec(output, (n, classes), logits.device())?))
    }
}

fn maximum(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}
