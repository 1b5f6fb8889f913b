//! The sum of two activations: where a residual joins (He et al. 2016).

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::channels::{Reductions, mask};
use super::convolution::Activation;
use super::output::Output;
use super::recorded::{Gradients, Operation, Recorded};
use super::{buffers, clamp, with_values};
use crate::support::vector::vectorized;

/// Values that one task takes.
const TASK: usize = 1 << 16;

/// Values that are added at once.
const BLOCK: usize = 1 << 12;

/// `input + residual`, of one shape, then the activation. Both receive the same gradient: that of the sum, where the
/// activation passes it.
///
/// # Errors
/// Those of candle; shapes that differ.
pub fn add_recorded(input: impl Into<Output>, residual: impl Into<Output>, activation: Activation) -> Result<Recorded> {
    let (input, residual) = (input.into(), residual.into());
    let shape = input.shape();
    if shape != residual.shape() {
        candle_core::bail!("add: {shape:?} and {:?}", residual.shape());
    }
    let mut output = buffers::take(shape.elem_count());
    // Whole pixels, as a normalization reads them.
    let pixel = shape.dims().last().copied().unwrap_or(1).max(1);
    let (task, block) = (TASK.next_multiple_of(pixel), BLOCK.next_multiple_of(pixel));
    input.with_source(|input| {
        residual.with_source(|residual| {
            output.par_chunks_mut(task).enumerate().for_each(|(index, output)| {
                let mut others = vec![0.0; block.min(output.len())];
                for (at, output) in output.chunks_mut(block).enumerate() {
                    let start = index * task + at * block;
                    let others = &mut others[..output.len()];
                    input.read(start, output);
                    residual.read(start, others);
                    add(others, activation.range(), output);
                }
            });
            Ok(())
        })
    })?;
    let output = Tensor::from_vec(output, shape.clone(), &Device::Cpu)?;
    Ok(Recorded::new(output.clone(), Sum { output, activation }))
}

struct Sum {
    output: Tensor,
    activation: Activation,
}

impl Operation for Sum {
    fn backward(&self, gradient: &Tensor, _: Option<Vec<Reductions>>) -> Result<Gradients> {
        let passed = match self.activation {
            Activation::None => gradient.clone(),
            Activation::Relu | Activation::Relu6 => {
                let mut masked = buffers::take(gradient.elem_count());
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
        Ok(Gradients { residual: Some(passed.clone()), ..Gradients::of(Some(passed), Vec::new()) })
    }
}

vectorized! {
    fn add(residual: &[f32], range: (f32, f32), output: &mut [f32]) {
        for (output, residual) in output.iter_mut().zip(residual) {
            *output = clamp(*output + residual, range);
        }
    }
}
