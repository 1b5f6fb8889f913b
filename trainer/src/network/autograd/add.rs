//! The sum of two activations: where a residual joins (He et al. 2016).

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::convolution::{Activation, mask};
use super::recorded::{Gradients, Operation, Recorded};
use super::{clamp, with_values, zeros};
use crate::support::vector::vectorized;

/// Values that one task takes.
const TASK: usize = 1 << 16;

/// `input + residual`, of one shape, then the activation. Both receive the same gradient: that of the sum, where the
/// activation passes it.
///
/// # Errors
/// Those of candle; shapes that differ.
pub fn add_recorded(input: &Tensor, residual: &Tensor, activation: Activation) -> Result<Recorded> {
    if input.shape() != residual.shape() {
        candle_core::bail!("add: {:?} and {:?}", input.shape(), residual.shape());
    }
    let mut output = zeros(input.elem_count());
    with_values(input, |input| {
        with_values(residual, |residual| {
            let tasks = output.par_chunks_mut(TASK).zip(input.par_chunks(TASK)).zip(residual.par_chunks(TASK));
            tasks.for_each(|((output, input), residual)| add(input, residual, activation.range(), output));
            Ok(())
        })
    })?;
    let output = Tensor::from_vec(output, input.shape(), input.device())?;
    Ok(Recorded::new(output.clone(), Sum { output, activation }))
}

struct Sum {
    output: Tensor,
    activation: Activation,
}

impl Operation for Sum {
    fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        let passed = match self.activation {
            Activation::None => gradient.clone(),
            Activation::Relu | Activation::Relu6 => {
                let mut masked = zeros(gradient.elem_count());
                with_values(&self.output, |output| {
                    with_values(gradient, |gradient| {
                        let tasks =
                            masked.par_chunks_mut(TASK).zip(output.par_chunks(TASK)).zip(gradient.par_chunks(TASK));
                        let range = self.activation.range();
                        tasks.for_each(|((masked, output), gradient)| mask(output, range, gradient, masked));
                        Ok(())
                    })
                })?;
                Tensor::from_vec(masked, gradient.shape(), gradient.device())?
            }
        };
        Ok(Gradients { input: Some(passed.clone()), residual: Some(passed), parameters: Vec::new() })
    }
}

vectorized! {
    fn add(input: &[f32], residual: &[f32], range: (f32, f32), output: &mut [f32]) {
        for ((output, input), residual) in output.iter_mut().zip(input).zip(residual) {
            *output = clamp(input + residual, range);
        }
    }
}
