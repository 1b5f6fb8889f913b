//! Convolution and depthwise convolution with any window, stride and padding, followed by an activation or by batch
//! normalization and an activation.
//!
//! All products of an image are computed while its maps are in the cache: forward, the output and its statistics;
//! backward, the gradient of the convolution's output, which is never stored for more than a few images, and from it the
//! gradients of weights and input.

mod channels;
mod correlation;
mod depthwise;
mod options;
mod plan;
mod tiles;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

pub(super) use self::channels::mask;
use self::channels::{Affine, Moments, Reductions, Slopes};
pub use self::options::{Activation, ConvolutionOptions};
use self::plan::{Plan, WeightGradient};
use super::recorded::{Gradients, Operation, Recorded};
use super::statistics::BatchStatistics;
use super::{with_values, zeros};

/// Convolution and activation: `input [n, height, width, c]`, `weight [out, window rows, window columns, c]` and `bias
/// [out]` give `[n, rows, columns, out]`.
///
/// Depthwise the weight is `[c * multiplier, window rows, window columns, 1]`; output channel `c * multiplier + j` reads
/// channel `c`. The parameters among the gradients are weight and bias.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn convolution_recorded(
    input: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    options: ConvolutionOptions,
) -> Result<Recorded> {
    let plan = Plan::new(input, weight, &options)?;
    if bias.dims() != [plan.outputs] {
        candle_core::bail!("convolution: bias {:?} of {} channels", bias.shape(), plan.outputs);
    }
    let (input, weight) = (input.contiguous()?, weight.contiguous()?);
    let mut output = zeros(plan.n * plan.output_len());
    with_values(bias, |bias| {
        plan.forward(&input, &weight, Some(bias), options.activation.range(), &mut output, |_| ())
    })?;
    let [rows, columns] = plan.axes.map(|axis| axis.positions);
    let output = Tensor::from_vec(output, (plan.n, rows, columns, plan.outputs), input.device())?;
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
    input: &Tensor,
    weight: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    epsilon: f32,
    options: ConvolutionOptions,
) -> Result<(Recorded, BatchStatistics)> {
    let plan = Plan::new(input, weight, &options)?;
    if scale.dims() != [plan.outputs] || shift.dims() != [plan.outputs] {
        let (scale, shift) = (scale.shape(), shift.shape());
        candle_core::bail!("batch normalization: scale {scale:?}, shift {shift:?} of {} channels", plan.outputs);
    }
    let (input, weight) = (input.contiguous()?, weight.contiguous()?);
    let unbounded = Activation::None.range();
    let mut values = zeros(plan.n * plan.output_len());
    let moments = plan.forward(&input, &weight, None, unbounded, &mut values, |values| {
        let mut moments = Moments::new(&values[..plan.outputs]);
        values.chunks(plan.output_len()).for_each(|image| moments.add(image));
        moments
    })?;
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
    let mut output = zeros(values.len());
    let task = plan.images() * plan.output_len();
    let pairs = output.par_chunks_mut(task).zip(values.par_chunks(task));
    pairs.for_each(|(output, values)| channels::apply(&affine, values, output));
    let [rows, columns] = plan.axes.map(|axis| axis.positions);
    let output = Tensor::from_vec(output, (plan.n, rows, columns, plan.outputs), input.device())?;
    let statistics = BatchStatistics {
        mean: moments.iter().map(|(mean, _)| *mean as f32).collect(),
        variance: moments.iter().map(|(_, variance)| *variance as f32).collect(),
        count,
    };
    let means = moments.into_iter().map(|(mean, _)| mean).collect();
    let operation = Normalized { plan, options, input, weight, values, affine, means, deviations };
    Ok((Recorded::new(output, operation), statistics))
}

impl Plan {
    /// Computes the output of all images, and calls `finish` with that of each task; what it gave, in order.
    fn forward<T: Send>(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: Option<&[f32]>,
        range: (f32, f32),
        output: &mut [f32],
        finish: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let packed = with_values(weight, |weight| Ok(self.packed(weight)))?;
        with_values(input, |x| {
            let tasks = output
                .par_chunks_mut(self.images() * self.output_len())
                .zip(x.par_chunks(self.images() * self.input_len()))
                .map(|(output, x)| {
                    let mut padded = vec![0.0; self.source_len()];
                    let maps = output.chunks_mut(self.joined * self.output_len());
                    for (output, x) in maps.zip(x.chunks(self.joined * self.input_len())) {
                        let images = x.len() / self.input_len();
                        self.correlate(&packed, images, self.source(x, &mut padded), bias, range, output);
                    }
                    finish(output)
                });
            Ok(tasks.collect())
        })
    }

    /// The gradients of weight and, where it is wanted, input. `write` writes the gradient of the sums of values of the
    /// output, given where they are in the batch and the gradient that came.
    fn backward(
        &self,
        input: &Tensor,
        weight: &Tensor,
        input_gradient: bool,
        gradient: &[f32],
        write: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) -> Result<(Option<Tensor>, Tensor)> {
        let backward = with_values(weight, |weight| Ok(self.packed_backward(weight)))?;
        let mut input_gradients = zeros(if input_gradient { input.elem_count() } else { 0 });
        let task_input = self.images() * self.input_len();
        let mut slots: Vec<&mut [f32]> = input_gradients.chunks_mut(task_input).collect();
        slots.resize_with(self.n.div_ceil(self.images()), Default::default);
        let task_output = self.images() * self.output_len();
        let tasks: Vec<WeightGradient> = with_values(input, |x| {
            let tasks = slots.into_par_iter().zip(x.par_chunks(task_input)).zip(gradient.par_chunks(task_output));
            let tasks = tasks.enumerate().map(|(task, ((slot, x), gradient))| {
                let mut sum = self.weight_gradient();
                let mut padded = vec![0.0; self.source_len()];
                let mut padded_gradient = vec![0.0; self.joined * self.gradient.len() + tiles::WIDE];
                let mut copies = vec![0.0; if input_gradient { self.copies_len() } else { 0 }];
                let mut row = vec![0.0; self.axes[1].positions * self.outputs];
                let maps = x.chunks(self.joined * self.input_len());
                let maps = maps.zip(gradient.chunks(self.joined * self.output_len()));
                for (map, (x, gradient)) in maps.enumerate() {
                    let images = x.len() / self.input_len();
                    let start = task * task_output + map * self.joined * self.output_len();
                    self.pad_gradient(gradient, &mut row, &mut padded_gradient, |at, gradient, result| {
                        write(start + at, gradient, result);
                    });
                    self.add_weight_gradient(&mut sum, images, self.source(x, &mut padded), &padded_gradient);
                    if input_gradient {
                        let slot = &mut slot[map * self.joined * self.input_len()..][..x.len()];
                        self.input_gradient(&backward, images, &padded_gradient, &mut copies, slot);
                    }
                }
                sum
            });
            Ok(tasks.collect())
        })?;
        let mut tasks = tasks.into_iter();
        let Some(mut sum) = tasks.next() else { candle_core::bail!("convolution: an empty batch") };
        // In the order of the images, whichever task ended first.
        tasks.for_each(|task| sum.merge(&task));
        let weight_gradient = Tensor::from_vec(sum.unpacked(self.outputs), weight.shape(), weight.device())?;
        let input_gradient = match input_gradient {
            true => Some(Tensor::from_vec(input_gradients, input.shape(), input.device())?),
            false => None,
        };
        Ok((input_gradient, weight_gradient))
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
    input: Tensor,
    weight: Tensor,
    output: Tensor,
}

impl Operation for Convolution {
    fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        let Self { plan, options, input, weight, output } = self;
        let range = options.activation.range();
        let task = plan.images() * plan.output_len();
        with_values(gradient, |gradient| {
            with_values(output, |output| {
                let write = |start: usize, gradient: &[f32], result: &mut [f32]| {
                    channels::mask(&output[start..][..gradient.len()], range, gradient, result);
                };
                let (input, weight) = plan.backward(input, weight, options.input_gradient, gradient, write)?;
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
                let bias = Tensor::from_vec(bias, plan.outputs, weight.device())?;
                Ok(Gradients { input, residual: None, parameters: vec![weight, bias] })
            })
        })
    }
}

/// A convolution with batch normalization that ran.
struct Normalized {
    plan: Plan,
    options: ConvolutionOptions,
    input: Tensor,
    weight: Tensor,
    /// The output of the convolution, before normalization.
    values: Vec<f32>,
    affine: Affine,
    /// Of each channel.
    means: Vec<f64>,
    /// Square roots of variance and epsilon.
    deviations: Vec<f64>,
}

impl Operation for Normalized {
    fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        let Self { plan, options, input, weight, values, affine, means, deviations } = self;
        let task = plan.images() * plan.output_len();
        let single: Vec<f32> = means.iter().map(|&mean| mean as f32).collect();
        let repeated = channels::repeated(&single);
        with_values(gradient, |gradient| {
            let parts = values.par_chunks(task).zip(gradient.par_chunks(task)).map(|(values, gradient)| {
                let mut reductions = Reductions::new(plan.outputs);
                let images = values.chunks(plan.output_len()).zip(gradient.chunks(plan.output_len()));
                images.for_each(|(values, gradient)| reductions.add(affine, &repeated, values, gradient));
                reductions
            });
            let parts: Vec<Reductions> = parts.collect();
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
            let (input, weight) = plan.backward(input, weight, options.input_gradient, gradient, write)?;
            let parameter = |values: Vec<f32>| Tensor::from_vec(values, plan.outputs, weight.device());
            let (shift, scale) = (parameter(shift_gradient)?, parameter(scale_gradient)?);
            Ok(Gradients { input, residual: None, parameters: vec![weight, shift, scale] })
        })
    }
}
