//! Convolution and depthwise convolution with any window, stride and padding, followed by an activation or by batch
//! normalization and an activation.
//!
//! All products of an image are computed while its maps are in the cache: forward, the output and its statistics;
//! backward, the gradient of the convolution's output, which is never stored for more than a few images, and from it the
//! gradients of weights and input.

mod correlation;
mod depthwise;
mod options;
mod plan;
mod tiles;

use std::sync::Arc;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

pub use self::options::{Activation, ConvolutionOptions};
use self::plan::{Plan, WeightGradient};
use super::buffers::{self, Buffer};
use super::channels::{self, Affine, Moments, Reductions, Slopes};
use super::output::{NormalizedValues, Output};
use super::recorded::{Gradients, Operation, Recorded};
use super::statistics::BatchStatistics;
use super::with_values;

/// Convolution and activation: `input [n, height, width, c]`, `weight [out, window rows, window columns, c]` and `bias
/// [out]` give `[n, rows, columns, out]`.
///
/// Depthwise the weight is `[c * multiplier, window rows, window columns, 1]`; output channel `c * multiplier + j` reads
/// channel `c`. The parameters among the gradients are weight and bias.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn convolution_recorded(
    input: impl Into<Output>,
    weight: &Tensor,
    bias: &Tensor,
    options: ConvolutionOptions,
) -> Result<Recorded> {
    let input = input.into().contiguous()?;
    let plan = Plan::new(input.shape(), weight, &options)?;
    if bias.dims() != [plan.outputs] {
        candle_core::bail!("convolution: bias {:?} of {} channels", bias.shape(), plan.outputs);
    }
    let weight = weight.contiguous()?;
    let mut output = buffers::take(plan.n * plan.output_len());
    with_values(bias, |bias| {
        plan.forward(&input, &weight, Some(bias), options.activation.range(), &mut output, |(): &mut (), _| ())
    })?;
    let [rows, columns] = plan.axes.map(|axis| axis.positions);
    let output = Tensor::from_vec(output, (plan.n, rows, columns, plan.outputs), weight.device())?;
    Ok(Recorded::new(output.clone(), Convolution { plan, options, input, weight, output }))
}

/// Convolution without bias, batch normalization (Ioffe and Szegedy 2015) and activation: `y = scale * (x - mean) /
/// sqrt(variance + epsilon) + shift`, where `x` is the convolution's output and the statistics of each channel are those of
/// this batch; shapes as in [`convolution_recorded`], `scale [out]` and `shift [out]`.
///
/// The shift takes the place of a bias. The parameters among the gradients are weight, shift and scale. The statistics are
/// for running averages, which inference uses in their place.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn convolution_batch_norm_recorded(
    input: impl Into<Output>,
    weight: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    epsilon: f32,
    options: ConvolutionOptions,
) -> Result<(Recorded, BatchStatistics)> {
    let input = input.into().contiguous()?;
    let plan = Plan::new(input.shape(), weight, &options)?;
    if scale.dims() != [plan.outputs] || shift.dims() != [plan.outputs] {
        let (scale, shift) = (scale.shape(), shift.shape());
        candle_core::bail!("batch normalization: scale {scale:?}, shift {shift:?} of {} channels", plan.outputs);
    }
    let weight = weight.contiguous()?;
    let unbounded = Activation::None.range();
    let mut values = Buffer(buffers::take(plan.n * plan.output_len()));
    let moments =
        plan.forward(&input, &weight, None, unbounded, &mut values.0, |moments: &mut Option<Moments>, map| {
            let moments = moments.get_or_insert_with(|| Moments::new(&map[..plan.outputs]));
            map.chunks(plan.output_len()).for_each(|image| moments.add(image));
        })?;
    let moments: Vec<Moments> = moments.into_iter().flatten().collect();
    let count = values.len() / plan.outputs;
    let moments: Vec<(f64, f64)> = (0..plan.outputs).map(|channel| Moments::joined(&moments, channel)).collect();
    let (scale, shift) = (scale.to_vec1::<f32>()?, shift.to_vec1::<f32>()?);
    let deviations: Vec<f64> = moments.iter().map(|(_, variance)| (variance + f64::from(epsilon)).sqrt()).collect();
    let factors: Vec<f64> =
        scale.iter().zip(&deviations).map(|(&scale, deviation)| f64::from(scale) / deviation).collect();
    let offsets =
        shift.iter().zip(&moments).zip(&factors).map(|((&shift, (mean, _)), factor)| f64::from(shift) - mean * factor);
    let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
    let affine = Affine {
        factor: channels::repeated(&single(&factors)),
        offset: channels::repeated(&single(&offsets.collect::<Vec<_>>())),
        range: options.activation.range(),
    };
    let [rows, columns] = plan.axes.map(|axis| axis.positions);
    let means: Vec<f32> = moments.iter().map(|(mean, _)| *mean as f32).collect();
    let shape = (plan.n, rows, columns, plan.outputs);
    let (output, normalized) = Output::normalized(shape, values, affine, &means);
    let statistics = BatchStatistics {
        mean: means,
        variance: moments.iter().map(|(_, variance)| *variance as f32).collect(),
        count,
    };
    let means = moments.into_iter().map(|(mean, _)| mean).collect();
    let operation = NormalizedConvolution { plan, options, input, weight, normalized, means, deviations };
    Ok((Recorded::new(output, operation), statistics))
}

impl Plan {
    /// Computes the output of all images, and shows `see` each map as soon as it is there, with what it has made of those before
    /// it in the same task. Returns what it made of all, in order.
    fn forward<T: Default + Send>(
        &self,
        input: &Output,
        weight: &Tensor,
        bias: Option<&[f32]>,
        range: (f32, f32),
        output: &mut [f32],
        see: impl Fn(&mut T, &[f32]) + Sync,
    ) -> Result<Vec<T>> {
        let packed = with_values(weight, |weight| Ok(self.packed(weight)))?;
        input.with_source(|source| {
            let tasks = output.par_chunks_mut(self.images() * self.output_len()).enumerate().map(|(task, output)| {
                let mut padded = vec![0.0; self.source_len(source)];
                let mut seen = T::default();
                for (map, output) in output.chunks_mut(self.joined * self.output_len()).enumerate() {
                    let images = output.len() / self.output_len();
                    let first = task * self.images() + map * self.joined;
                    let x = self.source(source, first, images, &mut padded);
                    self.correlate(&packed, images, x, bias, range, output);
                    see(&mut seen, output);
                }
                seen
            });
            Ok(tasks.collect())
        })
    }

    /// The gradients of weight and, where it is wanted, input. `write` writes the gradient of the sums of values of the
    /// output, given where they are in the batch and the gradient that came. Takes the sums of an input that is normalized.
    fn backward(
        &self,
        input: &Output,
        weight: &Tensor,
        input_gradient: bool,
        gradient: &[f32],
        write: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Result<Gradients> {
        let backward = with_values(weight, |weight| Ok(self.packed_backward(weight)))?;
        let values = if input_gradient { input.shape().elem_count() } else { 0 };
        let mut input_gradients = if self.writes_all { buffers::take(values) } else { buffers::zeros(values) };
        let task_input = self.images() * self.input_len();
        let mut slots: Vec<&mut [f32]> = input_gradients.chunks_mut(task_input).collect();
        slots.resize_with(self.n.div_ceil(self.images()), Default::default);
        let task_output = self.images() * self.output_len();
        let normalized = input.as_normalized().filter(|_| input_gradient);
        let tasks: Vec<(WeightGradient, Option<Reductions>)> = input.with_source(|source| {
            let tasks = slots.into_par_iter().zip(gradient.par_chunks(task_output)).enumerate();
            let tasks = tasks.map(|(task, (slot, gradient))| {
                let mut sum = self.weight_gradient();
                let mut reductions = normalized.map(|_| Reductions::new(self.channels));
                let mut padded = vec![0.0; self.source_len(source)];
                let mut padded_gradient = vec![0.0; self.joined * self.gradient.len() + tiles::WIDE];
                let mut copies = vec![0.0; if input_gradient { self.copies_len() } else { 0 }];
                let mut row = vec![0.0; self.axes[1].positions * self.outputs];
                for (map, gradient) in gradient.chunks(self.joined * self.output_len()).enumerate() {
                    let images = gradient.len() / self.output_len();
                    let start = task * task_output + map * self.joined * self.output_len();
                    self.pad_gradient(gradient, &mut row, &mut padded_gradient, |at, gradient, result| {
                        write(start + at, gradient, result);
                    });
                    let first = task * self.images() + map * self.joined;
                    let x = self.source(source, first, images, &mut padded);
                    self.add_weight_gradient(&mut sum, images, x, &padded_gradient);
                    if input_gradient {
                        let slot = &mut slot[map * self.joined * self.input_len()..][..images * self.input_len()];
                        self.input_gradient(&backward, images, &padded_gradient, &mut copies, slot);
                        if let (Some(reductions), Some(normalized)) = (&mut reductions, normalized) {
                            let values = &normalized.values[first * self.input_len()..][..slot.len()];
                            let images = values.chunks(self.input_len()).zip(slot.chunks(self.input_len()));
                            images.for_each(|(values, gradient)| {
                                reductions.add(&normalized.affine, &normalized.means, values, gradient)
                            });
                        }
                    }
                }
                (sum, reductions)
            });
            Ok(tasks.collect())
        })?;
        let (mut tasks, sums): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let Some((sum, others)) = tasks.split_first_mut() else { candle_core::bail!("convolution: an empty batch") };
        // In the order of the images, whichever task ended first.
        sum.add_all(others);
        let weight_gradient = Tensor::from_vec(sum.unpacked(self.outputs), weight.shape(), weight.device())?;
        let input_gradient = match input_gradient {
            true => Some(Tensor::from_vec(input_gradients, input.shape().clone(), weight.device())?),
            false => None,
        };
        let sums = sums.into_iter().collect();
        Ok(Gradients { sums, ..Gradients::of(input_gradient, vec![weight_gradient]) })
    }

    /// The gradient of the sums of a map, with its padding.
    fn pad_gradient(
        &self,
        gradient: &[f32],
        row: &mut [f32],
        padded: &mut [f32],
        write: impl Fn(usize, &[f32], &mut [f32]),
    ) {
        let interior = self.gradient.interior();
        let length = row.len();
        // Without columns of padding all rows are one.
        if interior.row == length && interior.column == self.outputs {
            return write(0, gradient, &mut padded[interior.start..][..gradient.len()]);
        }
        for (y, gradient) in gradient.chunks_exact(length).enumerate() {
            let padded = &mut padded[interior.at(y, 0)..];
            if interior.column == self.outputs {
                write(y * length, gradient, &mut padded[..length]);
                continue;
            }
            write(y * length, gradient, row);
            for (pixel, values) in padded.chunks_mut(interior.column).zip(row.chunks_exact(self.outputs)) {
                pixel[..self.outputs].copy_from_slice(values);
            }
        }
    }
}

/// A convolution that ran.
struct Convolution {
    plan: Plan,
    options: ConvolutionOptions,
    input: Output,
    weight: Tensor,
    output: Tensor,
}

impl Operation for Convolution {
    fn backward(&self, gradient: &Tensor, _: Option<Vec<Reductions>>) -> Result<Gradients> {
        let Self { plan, options, input, weight, output } = self;
        let range = options.activation.range();
        let task = plan.images() * plan.output_len();
        with_values(gradient, |gradient| {
            with_values(output, |output| {
                let write = |start: usize, gradient: &[f32], result: &mut [f32]| {
                    channels::mask(&output[start..][..gradient.len()], range, gradient, result);
                };
                let mut gradients = plan.backward(input, weight, options.input_gradient, gradient, write)?;
                let sums = gradient.par_chunks(task).enumerate().map(|(index, gradient)| {
                    let mut masked = vec![0.0; plan.output_len()];
                    let mut sums = vec![0.0; plan.outputs];
                    for (image, gradient) in gradient.chunks_exact(plan.output_len()).enumerate() {
                        write(index * task + image * plan.output_len(), gradient, &mut masked);
                        channels::add_channels(&masked, &mut sums);
                    }
                    sums
                });
                let sums: Vec<Vec<f64>> = sums.collect();
                let bias: Vec<f32> = (0..plan.outputs)
                    .map(|channel| sums.iter().map(|sums| sums[channel]).sum::<f64>() as f32)
                    .collect();
                gradients.parameters.push(Tensor::from_vec(bias, plan.outputs, weight.device())?);
                Ok(gradients)
            })
        })
    }
}

/// A convolution with batch normalization that ran.
struct NormalizedConvolution {
    plan: Plan,
    options: ConvolutionOptions,
    input: Output,
    weight: Tensor,
    normalized: Arc<NormalizedValues>,
    /// Of each channel.
    means: Vec<f64>,
    /// Square roots of variance and epsilon.
    deviations: Vec<f64>,
}

impl Operation for NormalizedConvolution {
    fn backward(&self, gradient: &Tensor, sums: Option<Vec<Reductions>>) -> Result<Gradients> {
        let Self { plan, options, input, weight, normalized, means, deviations } = self;
        let (values, affine) = (&normalized.values, &normalized.affine);
        let task = plan.images() * plan.output_len();
        with_values(gradient, |gradient| {
            let parts = sums.unwrap_or_else(|| {
                let parts = values.par_chunks(task).zip(gradient.par_chunks(task)).map(|(values, gradient)| {
                    let mut reductions = Reductions::new(plan.outputs);
                    let images = values.chunks(plan.output_len()).zip(gradient.chunks(plan.output_len()));
                    images.for_each(|(values, gradient)| {
                        reductions.add(&normalized.affine, &normalized.means, values, gradient)
                    });
                    reductions
                });
                parts.collect()
            });
            let count = (values.len() / plan.outputs) as f64;
            let (mut shift_gradient, mut scale_gradient) = (Vec::new(), Vec::new());
            let (mut offset, mut slope) = (Vec::new(), Vec::new());
            for (channel, (mean, deviation)) in means.iter().zip(deviations).enumerate() {
                let sum: f64 = parts.iter().map(|part| part.gradient[channel]).sum();
                let product: f64 = parts.iter().map(|part| part.product[channel]).sum();
                // With the normalized value `u` and means over the batch, the gradient is
                // `factor * (gradient - mean(gradient) - u * mean(gradient * u))`.
                let factor = f64::from(affine.factor[channel]);
                let by_value = -factor * product / (deviation * deviation * count);
                shift_gradient.push(sum as f32);
                scale_gradient.push((product / deviation) as f32);
                slope.push(by_value as f32);
                offset.push((-factor * sum / count - by_value * mean) as f32);
            }
            let slopes = Slopes { offset: channels::repeated(&offset), slope: channels::repeated(&slope) };
            let write = |start: usize, gradient: &[f32], result: &mut [f32]| {
                channels::unapply(affine, &slopes, &values[start..][..gradient.len()], gradient, result);
            };
            let mut gradients = plan.backward(input, weight, options.input_gradient, gradient, write)?;
            let parameter = |values: Vec<f32>| Tensor::from_vec(values, plan.outputs, weight.device());
            gradients.parameters.extend([parameter(shift_gradient)?, parameter(scale_gradient)?]);
            Ok(gradients)
        })
    }
}
