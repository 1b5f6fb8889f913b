//! The way back through a network: gradients of outputs, handed from each operation to those whose outputs it read.

use candle_core::{Result, Tensor};

use super::add::add_recorded;
use super::buffers;
use super::channels::Reductions;
use super::convolution::Activation;
use super::output::Output;
use super::recorded::{Gradients, Recorded};

/// The gradients of outputs, from those of their readers that have been visited.
pub struct Backward {
    /// Of each output, with its sums where they are known.
    gradients: Vec<Option<(Tensor, Option<Vec<Reductions>>)>>,
}

impl Backward {
    /// Of a network with so many outputs, given the gradient of the last one.
    #[must_use]
    pub fn new(outputs: usize, last: Option<Tensor>) -> Self {
        buffers::next_step();
        let mut gradients = vec![None; outputs];
        if let Some(gradient) = gradients.last_mut() {
            *gradient = last.map(|last| (last, None));
        }
        Self { gradients }
    }

    /// Goes back through the operation that gave output `output` and read `reads`, its input and its residual; operations come
    /// in the reverse of the order in which they ran. Returns the gradients of its parameters.
    ///
    /// The memory of the output and of its gradient is used again: whatever shares the output is empty from now on, but for
    /// the last output, which is the network's.
    ///
    /// # Errors
    /// Those of candle.
    pub fn through(&mut self, output: usize, recorded: Recorded, reads: [Option<usize>; 2]) -> Result<Vec<Tensor>> {
        let Some((gradient, sums)) = self.gradients[output].take() else { return Ok(Vec::new()) };
        let Gradients { input, residual, parameters, sums } = recorded.backward_summed(&gradient, sums)?;
        // What nobody reads any more, once all gradients are where they belong: an operation may hand on what it received, and give it
        // to both of its inputs.
        let mut done = vec![gradient];
        if output + 1 < self.gradients.len()
            && let Output::Values(memory) = &recorded.output
        {
            done.push(memory.clone());
        }
        for (read, (gradient, sums)) in reads.into_iter().zip([(input, sums), (residual, None)]) {
            let (Some(read), Some(gradient)) = (read, gradient) else { continue };
            self.gradients[read] = Some(match self.gradients[read].take() {
                None => (gradient, sums),
                Some((others, _)) => {
                    let sum = add_recorded(&others, &gradient.reshape(others.shape())?, Activation::None)?;
                    done.extend([others, gradient]);
                    (sum.output.tensor()?, None)
                }
            });
        }
        drop(recorded);
        for tensor in &done {
            let mut is_read = false;
            for (gradient, _) in self.gradients.iter().flatten() {
                is_read |= buffers::shared(gradient, tensor)?;
            }
            if !is_read {
                buffers::recycle(tensor)?;
            }
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::window::Window;
    use super::super::{ConvolutionOptions, convolution_batch_norm_recorded, dense_recorded, pool_average_recorded};
    use super::*;
    use crate::support::rng::{Purpose, RngExt, stream};

    const BATCH: usize = 5;

    /// A network with a branch: its stages, each with the outputs that it reads; output 0 is the images.
    const READS: [[Option<usize>; 2]; 8] = [
        [None, None],
        [Some(1), None],
        [Some(2), None],
        [Some(3), Some(1)],
        // Adds without activation hand on the gradient that they receive: this one to an input that has others, and to the one before.
        [Some(4), Some(3)],
        [Some(5), Some(4)],
        [Some(6), None],
        [Some(7), None],
    ];

    fn tensor(shape: &[usize], seed: u64) -> Tensor {
        let mut random = stream(seed, Purpose::Initialize, 0);
        let values = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// The bits of the gradients of all parameters. `pass` is what a stage hands to those that read it.
    fn gradients(pass: impl Fn(&Output) -> Output) -> Vec<u32> {
        let normalized = |input: &Output, weight: [usize; 4], depthwise: bool, seed: u64| {
            let [outputs, rows, columns, _] = weight;
            let window = Window { size: [rows, columns], stride: [1, 1], padding: [1; 4] };
            let options =
                ConvolutionOptions { window, depthwise, activation: Activation::Relu6, input_gradient: seed > 1 };
            let parameters = (tensor(&weight, seed), tensor(&[outputs], seed + 10), tensor(&[outputs], seed + 20));
            convolution_batch_norm_recorded(input, &parameters.0, &parameters.1, &parameters.2, 1e-3, options)
                .unwrap()
                .0
        };
        let mut outputs = vec![Output::from(tensor(&[BATCH, 7, 5, 3], 1))];
        let mut records = Vec::new();
        for (stage, reads) in READS.iter().enumerate() {
            let input = reads[0].map_or(&outputs[0], |read| &outputs[read]);
            let recorded = match stage {
                0 => normalized(input, [6, 3, 3, 3], false, 1),
                1 => normalized(input, [6, 3, 3, 1], true, 2),
                2 => normalized(input, [6, 3, 3, 6], false, 3),
                3 => add_recorded(input, &outputs[1], Activation::Relu).unwrap(),
                4 | 5 => add_recorded(input, &outputs[reads[1].unwrap()], Activation::None).unwrap(),
                6 => {
                    let window = Window { size: [7, 5], stride: [1, 1], padding: [0; 4] };
                    pool_average_recorded(&input.tensor().unwrap(), window).unwrap()
                }
                _ => {
                    let input = input.tensor().unwrap().flatten_from(1).unwrap();
                    dense_recorded(&input, &tensor(&[4, 6], 4), &tensor(&[4], 5), false, true).unwrap()
                }
            };
            outputs.push(pass(&recorded.output));
            records.push(recorded);
        }
        let last = tensor(&[BATCH, 4], 6);
        let mut backward = Backward::new(outputs.len(), Some(last));
        drop(outputs);
        let mut bits = Vec::new();
        for (stage, recorded) in records.into_iter().enumerate().rev() {
            for gradient in backward.through(stage + 1, recorded, READS[stage]).unwrap() {
                bits.extend(gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits));
            }
        }
        bits
    }

    #[test]
    fn gradients_are_the_same_whether_a_normalization_is_computed_where_it_is_read_or_before() {
        let bits = gradients(Clone::clone);
        assert!(bits.iter().any(|&bits| f32::from_bits(bits) != 0.0));
        assert!(gradients(|output| output.tensor().unwrap().into()) == bits);
    }

    #[test]
    fn nothing_comes_of_what_was_in_memory_that_is_used_again() {
        let bits = gradients(Clone::clone);
        let mut spare = Vec::new();
        buffers::edit(|kept| {
            kept.buffers.iter_mut().for_each(|(buffer, _)| buffer.fill(f32::NAN));
            spare = kept.buffers.iter().map(|(buffer, step)| (buffer.as_ptr(), *step)).collect();
        });
        assert!(gradients(Clone::clone) == bits);
        // What was not taken would still be there as it was given.
        let again = |(buffer, step): &(Vec<f32>, u64)| {
            spare.iter().any(|(start, given)| *start == buffer.as_ptr() && given < step)
        };
        buffers::edit(|kept| assert!(kept.buffers.iter().any(again), "memory was used again"));
    }

    #[test]
    fn memory_that_is_kept_does_not_grow_from_step_to_step() {
        let mut kept = Vec::new();
        for _ in 0..12 {
            gradients(Clone::clone);
            buffers::edit(|spare| kept.push(spare.buffers.iter().map(|(buffer, _)| buffer.capacity()).sum::<usize>()));
        }
        assert!(kept[11] > 0 && kept[11] <= kept[3], "{kept:?}");
        drop(buffers::KeptMemory);
        buffers::edit(|spare| assert!(spare.buffers.is_empty()));
    }
}
