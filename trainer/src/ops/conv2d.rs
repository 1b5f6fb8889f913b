//! Convolution, ReLU and max-pool in one operation.
//!
//! The large map between convolution and pool is never stored: each pooled position computes its four sums, keeps the
//! highest and remembers which it was. Backward, a pooled value's gradient belongs to that one position; the other
//! three quarters of the map have none, and are not visited with zeros.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{values, vectorized, with_values};

/// What surrounds a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing.
    Valid,
    /// Zeros: `(kernel - 1) / 2` before and the rest behind, so that the output is as large as the input.
    Same,
}

/// What a convolution does besides convolving.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dOptions {
    /// What surrounds the input.
    pub padding: Padding,
    /// Whether ReLU follows.
    pub relu: bool,
    /// Whether a 2x2 max-pool follows.
    pub pool: bool,
    /// False for the first layer: pictures need no gradient.
    pub input_gradient: bool,
}

/// Convolution with stride 1: `x [n, h, w, c]`, `weight [out, k, k, c]`, `bias [out]` give `[n, h', w', out]`.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: &Tensor, options: Conv2dOptions) -> Result<Tensor> {
    let (n, height, width, channels) = x.dims4()?;
    let (out, kernel, kernel_width, weight_channels) = weight.dims4()?;
    if kernel != kernel_width || channels != weight_channels || bias.dims1()? != out {
        candle_core::bail!("conv2d: x {:?}, weight {:?}, bias {:?}", x.shape(), weight.shape(), bias.shape());
    }
    let (pad, overhang) = match options.padding {
        Padding::Valid => (0, 0),
        Padding::Same => ((kernel - 1) / 2, kernel - 1),
    };
    if height + overhang < kernel || width + overhang < kernel {
        candle_core::bail!("conv2d: a kernel of {kernel} does not fit into {:?}", x.shape());
    }
    let window = if options.pool { 2 } else { 1 };
    let geometry = Geometry {
        n,
        height,
        width,
        channels,
        out,
        kernel,
        pad,
        padded_height: height + overhang,
        padded_width: width + overhang,
        window,
        rows: (height + overhang + 1 - kernel) / window,
        columns: (width + overhang + 1 - kernel) / window,
    };
    x.contiguous()?.apply_op3(weight, bias, Conv2d { geometry, options, winners: OnceLock::new() })
}

/// All the sizes. An image is laid out with its padding, so that every filter position is inside.
#[derive(Clone, Copy)]
struct Geometry {
    n: usize,
    height: usize,
    width: usize,
    channels: usize,
    out: usize,
    kernel: usize,
    pad: usize,
    padded_height: usize,
    padded_width: usize,
    /// 2 with a pool, 1 without.
    window: usize,
    /// Rows that come out.
    rows: usize,
    /// Columns that come out.
    columns: usize,
}

impl Geometry {
    fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn padded_len(&self) -> usize {
        self.padded_height * self.padded_width * self.channels
    }

    fn output_len(&self) -> usize {
        self.rows * self.columns * self.out
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Images that one task takes: a fixed share of the batch, so that sums come out the same on any machine.
    fn images_per_task(&self) -> usize {
        self.n.div_ceil(16).max(1)
    }

    /// Where the filter's first tap stands for a position of the window.
    fn corner(&self, row: usize, column: usize, position: usize) -> usize {
        let (y, x) = (row * self.window + position / 2, column * self.window + position % 2);
        (y * self.padded_width + x) * self.channels
    }

    fn pad_image(&self, image: &[f32], padded: &mut [f32]) {
        let row_len = self.width * self.channels;
        for (y, row) in image.chunks_exact(row_len).enumerate() {
            let start = ((y + self.pad) * self.padded_width + self.pad) * self.channels;
            padded[start..start + row_len].copy_from_slice(row);
        }
    }

    fn unpad_image(&self, padded: &[f32], image: &mut [f32]) {
        let row_len = self.width * self.channels;
        for (y, row) in image.chunks_exact_mut(row_len).enumerate() {
            let start = ((y + self.pad) * self.padded_width + self.pad) * self.channels;
            row.copy_from_slice(&padded[start..start + row_len]);
        }
    }
}

struct Conv2d {
    geometry: Geometry,
    options: Conv2dOptions,
    /// Which position of its window each pooled value came from; set by the forward pass.
    winners: OnceLock<Vec<u8>>,
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let g = self.geometry;
        let x = values(x, x_layout)?;
        let by_tap = transpose(values(weight, weight_layout)?, g.out, g.taps());
        let bias = values(bias, bias_layout)?;
        let floor = if self.options.relu { 0.0 } else { f32::NEG_INFINITY };
        let mut output = vec![0.0; g.n * g.output_len()];
        let mut winners = vec![0; output.len()];
        let images = g.images_per_task();
        output
            .par_chunks_mut(images * g.output_len())
            .zip(winners.par_chunks_mut(images * g.output_len()))
            .zip(x.par_chunks(images * g.input_len()))
            .for_each(|((output, winners), x)| {
                let mut padded = vec![0.0; g.padded_len()];
                let images = x.chunks_exact(g.input_len());
                let outputs = output.chunks_exact_mut(g.output_len()).zip(winners.chunks_exact_mut(g.output_len()));
                for (image, (output, winners)) in images.zip(outputs) {
                    g.pad_image(image, &mut padded);
                    forward(&g, &padded, &by_tap, bias, floor, output, winners);
                }
            });
        // Only a second forward pass of the same operation finds it set, with the same winners.
        let _ = self.winners.set(winners);
        Ok((CpuStorage::F32(output), Shape::from((g.n, g.rows, g.columns, g.out))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = self.geometry;
        let Some(winners) = self.winners.get() else { candle_core::bail!("conv2d: backward before forward") };
        let floor = if self.options.relu { 0.0 } else { f32::NEG_INFINITY };
        let by_tap = with_values(weight, |weight| Ok(transpose(weight, g.out, g.taps())))?;
        let images = g.images_per_task();
        let tasks: Vec<Gradients> = with_values(x, |x| {
            with_values(y, |y| {
                with_values(gradient, |gradient| {
                    Ok(x.par_chunks(images * g.input_len())
                        .zip(y.par_chunks(images * g.output_len()))
                        .zip(gradient.par_chunks(images * g.output_len()))
                        .zip(winners.par_chunks(images * g.output_len()))
                        .map(|(((x, y), gradient), winners)| {
                            let mut gradients = Gradients::new(&g, self.options.input_gradient.then_some(x.len()));
                            gradients.add(&g, &by_tap, Pass { x, y, gradient, winners }, floor);
                            gradients
                        })
                        .collect())
                })
            })
        })?;
        let mut by_tap_gradient = vec![0.0; g.out * g.taps()];
        let mut bias_gradient = vec![0.0; g.out];
        let mut input_gradient = Vec::new();
        // In the order of the images, whichever task ended first.
        for task in tasks {
            by_tap_gradient.iter_mut().zip(&task.by_tap).for_each(|(sum, part)| *sum += part);
            bias_gradient.iter_mut().zip(&task.bias).for_each(|(sum, part)| *sum += part);
            input_gradient.extend_from_slice(&task.input);
        }
        let weight_gradient = transpose(&by_tap_gradient, g.taps(), g.out);
        let input_gradient = match self.options.input_gradient {
            true => Some(Tensor::from_vec(input_gradient, x.shape(), x.device())?),
            false => None,
        };
        Ok((
            input_gradient,
            Some(Tensor::from_vec(weight_gradient, weight.shape(), x.device())?),
            Some(Tensor::from_vec(bias_gradient, g.out, x.device())?),
        ))
    }
}

/// What one task's images add to the gradients.
struct Gradients {
    /// `[taps, out]`.
    by_tap: Vec<f32>,
    bias: Vec<f32>,
    /// Empty where it is not wanted.
    input: Vec<f32>,
}

/// What one task's images bring to the backward pass.
struct Pass<'a> {
    x: &'a [f32],
    y: &'a [f32],
    gradient: &'a [f32],
    winners: &'a [u8],
}

impl Gradients {
    fn new(g: &Geometry, input_len: Option<usize>) -> Self {
        Self { by_tap: vec![0.0; g.out * g.taps()], bias: vec![0.0; g.out], input: vec![0.0; input_len.unwrap_or(0)] }
    }

    fn add(&mut self, g: &Geometry, by_tap: &[f32], pass: Pass<'_>, floor: f32) {
        let mut padded = vec![0.0; g.padded_len()];
        let mut padded_gradient = vec![0.0; if self.input.is_empty() { 0 } else { g.padded_len() }];
        let mut scratch = vec![0.0; g.out];
        let images = pass.x.chunks_exact(g.input_len()).zip(pass.y.chunks_exact(g.output_len()));
        let gradients = pass.gradient.chunks_exact(g.output_len()).zip(pass.winners.chunks_exact(g.output_len()));
        for (index, ((image, y), (gradient, winners))) in images.zip(gradients).enumerate() {
            g.pad_image(image, &mut padded);
            parameter_gradients(
                g,
                &padded,
                y,
                gradient,
                winners,
                floor,
                &mut scratch,
                &mut self.by_tap,
                &mut self.bias,
            );
            if !self.input.is_empty() {
                padded_gradient.fill(0.0);
                input_gradient(g, by_tap, y, gradient, winners, floor, &mut scratch, &mut padded_gradient);
                let input = &mut self.input[index * g.input_len()..][..g.input_len()];
                g.unpad_image(&padded_gradient, input);
            }
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; values.len()];
    for (row, values) in values.chunks_exact(columns).take(rows).enumerate() {
        for (column, value) in values.iter().enumerate() {
            transposed[column * rows + row] = *value;
        }
    }
    transposed
}

/// Output channels whose sums stay in registers together.
const BLOCK: usize = 32;

vectorized! {
    /// One image: for each output position the sums of all channels at once, tap by tap.
    fn forward(
        g: &Geometry,
        padded: &[f32],
        by_tap: &[f32],
        bias: &[f32],
        floor: f32,
        output: &mut [f32],
        winners: &mut [u8],
    ) {
        let segment = g.kernel * g.channels;
        let pitch = g.padded_width * g.channels;
        let positions = output.chunks_exact_mut(g.out).zip(winners.chunks_exact_mut(g.out)).enumerate();
        for (index, (output, winners)) in positions {
            let (row, column) = (index / g.columns, index % g.columns);
            for block in (0..g.out).step_by(BLOCK) {
                let lanes = BLOCK.min(g.out - block);
                let mut best = [f32::NEG_INFINITY; BLOCK];
                let mut winner = [0u8; BLOCK];
                for position in 0..g.window * g.window {
                    let corner = g.corner(row, column, position);
                    let mut sums = [0f32; BLOCK];
                    for tap_row in 0..g.kernel {
                        let values = &padded[corner + tap_row * pitch..][..segment];
                        let weights = &by_tap[tap_row * segment * g.out..][..segment * g.out];
                        for (&value, weights) in values.iter().zip(weights.chunks_exact(g.out)) {
                            if let Some(weights) = weights.get(block..block + BLOCK) {
                                for lane in 0..BLOCK {
                                    sums[lane] = fma!(value, weights[lane], sums[lane]);
                                }
                            } else {
                                for (sum, weight) in sums.iter_mut().zip(&weights[block..]) {
                                    *sum = fma!(value, *weight, *sum);
                                }
                            }
                        }
                    }
                    for lane in 0..BLOCK {
                        let higher = sums[lane] > best[lane];
                        best[lane] = if higher { sums[lane] } else { best[lane] };
                        winner[lane] = if higher { position as u8 } else { winner[lane] };
                    }
                }
                for lane in 0..lanes {
                    output[block + lane] = (best[lane] + bias[block + lane]).max(floor);
                    winners[block + lane] = winner[lane];
                }
            }
        }
    }
}

vectorized! {
    /// One image: `by_tap_gradient[tap][o] += x[tap] * gradient[o]` at the position where `o` had its maximum.
    fn parameter_gradients(
        g: &Geometry,
        padded: &[f32],
        y: &[f32],
        gradient: &[f32],
        winners: &[u8],
        floor: f32,
        scratch: &mut [f32],
        by_tap_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        let segment = g.kernel * g.channels;
        let pitch = g.padded_width * g.channels;
        let positions = y.chunks_exact(g.out).zip(gradient.chunks_exact(g.out)).zip(winners.chunks_exact(g.out));
        for (index, ((y, gradient), winners)) in positions.enumerate() {
            let (row, column) = (index / g.columns, index % g.columns);
            for position in 0..g.window * g.window {
                let mut any = false;
                for (((own, &y), &gradient), &winner) in scratch.iter_mut().zip(y).zip(gradient).zip(winners) {
                    let flows = y > floor && usize::from(winner) == position;
                    *own = if flows { gradient } else { 0.0 };
                    any |= flows;
                }
                if !any {
                    continue;
                }
                for (sum, own) in bias_gradient.iter_mut().zip(&*scratch) {
                    *sum += own;
                }
                let corner = g.corner(row, column, position);
                for tap_row in 0..g.kernel {
                    let values = &padded[corner + tap_row * pitch..][..segment];
                    let sums = &mut by_tap_gradient[tap_row * segment * g.out..][..segment * g.out];
                    for (&value, sums) in values.iter().zip(sums.chunks_exact_mut(g.out)) {
                        // Half of a picture is background.
                        if value != 0.0 {
                            for (sum, own) in sums.iter_mut().zip(&*scratch) {
                                *sum = fma!(value, *own, *sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

vectorized! {
    /// One image: `padded_gradient[tap] += sum_o weight[tap][o] * gradient[o]` at the position where `o` had its
    /// maximum.
    fn input_gradient(
        g: &Geometry,
        by_tap: &[f32],
        y: &[f32],
        gradient: &[f32],
        winners: &[u8],
        floor: f32,
        scratch: &mut [f32],
        padded_gradient: &mut [f32],
    ) {
        let segment = g.kernel * g.channels;
        let pitch = g.padded_width * g.channels;
        let positions = y.chunks_exact(g.out).zip(gradient.chunks_exact(g.out)).zip(winners.chunks_exact(g.out));
        for (index, ((y, gradient), winners)) in positions.enumerate() {
            let (row, column) = (index / g.columns, index % g.columns);
            for position in 0..g.window * g.window {
                let mut any = false;
                for (((own, &y), &gradient), &winner) in scratch.iter_mut().zip(y).zip(gradient).zip(winners) {
                    let flows = y > floor && usize::from(winner) == position;
                    *own = if flows { gradient } else { 0.0 };
                    any |= flows;
                }
                if !any {
                    continue;
                }
                let corner = g.corner(row, column, position);
                for tap_row in 0..g.kernel {
                    let sums = &mut padded_gradient[corner + tap_row * pitch..][..segment];
                    let weights = &by_tap[tap_row * segment * g.out..][..segment * g.out];
                    for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(g.out)) {
                        let mut lanes = [0f32; 8];
                        let (chunks, rest) = weights.as_chunks::<8>();
                        let (own_chunks, own_rest) = scratch.as_chunks::<8>();
                        for (weights, own) in chunks.iter().zip(own_chunks) {
                            for lane in 0..8 {
                                lanes[lane] = fma!(weights[lane], own[lane], lanes[lane]);
                            }
                        }
                        let mut total: f32 = lanes.iter().sum();
                        for (weight, own) in rest.iter().zip(own_rest) {
                            total = fma!(*weight, *own, total);
                        }
                        *sum += total;
                    }
                }
            }
        }
    }
}
