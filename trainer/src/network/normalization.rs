//! Batch normalization (Ioffe and Szegedy 2015): what a layer keeps of it, and how it is folded into weights.
//!
//! In training a layer normalizes its output by mean and variance of the batch. Beside that it keeps running means
//! of both, and everywhere else computes with them: then a normalization is a factor and a summand for each channel, which
//! weights and bias take in. No model file and no finished run has one.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::autograd::BatchStatistics;

/// Added to a variance before its root is taken.
pub const EPSILON: f64 = 1e-5;

/// How much of a running mean is new at each step.
const MOMENTUM: f64 = 0.1;

/// The state of a layer's normalization, one number for each output channel.
pub struct Normalization {
    /// What normalized outputs are multiplied with. It is trained; what is added to them is the bias of the layer.
    pub scale: Var,
    /// Running mean.
    pub mean: Var,
    /// Running variance.
    pub variance: Var,
}

impl Normalization {
    /// Before the first step, of so many channels.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(channels: usize) -> Result<Self> {
        let ones = || Var::ones(channels, DType::F32, &Device::Cpu);
        Ok(Self { scale: ones()?, mean: Var::zeros(channels, DType::F32, &Device::Cpu)?, variance: ones()? })
    }

    /// Takes up the statistics of a batch, its variance without bias: divided by one value less. One value says nothing about a
    /// variance: the statistics of a single image whose maps are 1x1 change nothing.
    ///
    /// # Errors
    /// Those of candle.
    pub fn update(&self, batch: &BatchStatistics) -> Result<()> {
        if batch.count < 2 {
            return Ok(());
        }
        let values = batch.count as f64;
        let unbiased = values / (values - 1.0);
        for (running, batch, factor) in [(&self.mean, &batch.mean, 1.0), (&self.variance, &batch.variance, unbiased)] {
            let mut values = running.to_vec1::<f32>()?;
            for (value, &new) in values.iter_mut().zip(batch) {
                *value = ((1.0 - MOMENTUM) * f64::from(*value) + MOMENTUM * factor * f64::from(new)) as f32;
            }
            running.set(&Tensor::from_vec(values, running.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Weights and bias that give what the layer gives with its running means: `weight * f`, `bias - mean * f`, with
    /// `f = scale / sqrt(variance + EPSILON)` for each row of the weights.
    ///
    /// # Errors
    /// Those of candle.
    pub fn fold(&self, weight: &Tensor, bias: &Tensor) -> Result<(Tensor, Tensor)> {
        let (scales, means) = (self.scale.to_vec1::<f32>()?, self.mean.to_vec1::<f32>()?);
        let variances = self.variance.to_vec1::<f32>()?;
        let factor = |(&scale, &variance): (&f32, &f32)| f64::from(scale) / (f64::from(variance) + EPSILON).sqrt();
        let factors: Vec<f64> = scales.iter().zip(&variances).map(factor).collect();
        let mut weights = weight.flatten_all()?.to_vec1::<f32>()?;
        let row = (weights.len() / factors.len().max(1)).max(1);
        for (weights, factor) in weights.chunks_exact_mut(row).zip(&factors) {
            weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
        }
        let mut biases = bias.to_vec1::<f32>()?;
        for ((bias, &mean), factor) in biases.iter_mut().zip(&means).zip(&factors) {
            *bias = (f64::from(*bias) - f64::from(mean) * factor) as f32;
        }
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        Ok((tensor(weights, weight)?, tensor(biases, bias)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_a_channel_changes_no_running_statistics_and_two_do() {
        let normalization = Normalization::new(1).unwrap();
        let state =
            || [&normalization.mean, &normalization.variance].map(|running| running.to_vec1::<f32>().unwrap()[0]);
        let batch = |count| BatchStatistics { mean: vec![5.0], variance: vec![2.0], count };
        normalization.update(&batch(1)).unwrap();
        assert_eq!(state(), [0.0, 1.0]);
        normalization.update(&batch(2)).unwrap();
        assert_eq!(state(), [0.5, 0.9 + 0.1 * 4.0]);
    }
}
