//! Dropout: values left out at random, so that no unit can rely on another (Srivastava and others 2014).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Recorded, values, with_values};
use crate::support::rng::{ChaCha8Rng, Rng};

/// Leaves out each value of `x` with probability `rate`, which is taken in steps of 1/256, and scales the others so that the
/// expected sum stays. The gradient flows through what stayed.
///
/// # Errors
/// Those of candle.
pub fn dropout_recorded(x: &Tensor, rate: f64, generator: &mut ChaCha8Rng) -> Result<Recorded> {
    let dropped = (rate * 256.0).round().clamp(0.0, 255.0) as u8;
    let mut bytes = vec![0; x.elem_count()];
    generator.fill_bytes(&mut bytes);
    let kept = 256.0 / (256.0 - f32::from(dropped));
    let factors = bytes.into_iter().map(|byte| if byte < dropped { 0.0 } else { kept }).collect();
    Recorded::one(&x.contiguous()?, Dropout { factors })
}

struct Dropout {
    factors: Vec<f32>,
}

impl Dropout {
    fn times_factors(&self, values: &[f32]) -> Vec<f32> {
        values.iter().zip(&self.factors).map(|(value, factor)| value * factor).collect()
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.times_factors(values(x, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let flowing = with_values(gradient, |gradient| Ok(self.times_factors(gradient)))?;
        Ok(Some(Tensor::from_vec(flowing, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::support::rng::{Purpose, stream};

    #[test]
    fn as_many_values_are_left_out_as_asked_for_and_the_sum_stays() {
        let x = Tensor::ones(100_000, candle_core::DType::F32, &Device::Cpu).unwrap();
        for rate in [0.0, 0.25, 0.5] {
            let recorded = dropout_recorded(&x, rate, &mut stream(48, Purpose::Dropout, 0)).unwrap();
            let values = recorded.output.tensor().unwrap().to_vec1::<f32>().unwrap();
            let zeros = values.iter().filter(|&&value| value == 0.0).count() as f64;
            assert!((zeros / 1e5 - rate).abs() < 0.005, "{zeros} of 100,000 at {rate}");
            assert!((f64::from(values.iter().sum::<f32>()) / 1e5 - 1.0).abs() < 0.01);
            let gradient = recorded.backward(&x).unwrap().input.unwrap();
            assert_eq!(gradient.to_vec1::<f32>().unwrap(), values, "the gradient of ones is the mask");
        }
    }
}
