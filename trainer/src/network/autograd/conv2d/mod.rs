//! Convolution, ReLU and max-pool in one operation.
//!
//! The large map between convolution and pool is never stored: each pooled position computes its four sums, keeps the
//! highest and remembers which it was. Backward, a pooled value's gradient belongs to that one position; the other
//! three quarters of the map have none, and are not visited with zeros.

mod backward;
mod forward;
mod geometry;

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use self::backward::{Gradients, Pass};
use self::forward::{by_lanes, forward};
use self::geometry::Geometry;
use super::{Recorded, values, with_values};

/// What surrounds a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing.
    Valid,
    /// Zeros: `(kernel - 1) / 2` before and the rest after, so that the output is as large as the input.
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
    /// False for the first layer: images need no gradient.
    pub input_gradient: bool,
}

/// Convolution with stride 1: `x [n, h, w, c]`, `weight [out, k, k, c]`, `bias [out]` give `[n, h', w', out]`.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: &Tensor, options: Conv2dOptions) -> Result<Tensor> {
    x.contiguous()?.apply_op3(weight, bias, Conv2d::new(x, weight, bias, options)?)
}

/// As [`conv2d`], outside candle's graph.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_recorded(x: &Tensor, weight: &Tensor, bias: &Tensor, options: Conv2dOptions) -> Result<Recorded> {
    Recorded::three(&x.contiguous()?, weight, bias, Conv2d::new(x, weight, bias, options)?)
}

struct Conv2d {
    geometry: Geometry,
    options: Conv2dOptions,
    /// Which position of its window each pooled value came from; set by the forward pass.
    winners: OnceLock<Vec<u8>>,
}

impl Conv2d {
    fn new(x: &Tensor, weight: &Tensor, bias: &Tensor, options: Conv2dOptions) -> Result<Self> {
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
        Ok(Self { geometry, options, winners: OnceLock::new() })
    }
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
        let weight = by_lanes(values(weight, weight_layout)?, &g);
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
                    forward(&g, &padded, &weight, bias, floor, output, winners);
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
        let images = g.images_per_task();
        let tasks: Vec<Gradients> = with_values(x, |x| {
            with_values(weight, |weight| {
                with_values(y, |y| {
                    with_values(gradient, |gradient| {
                        Ok(x.par_chunks(images * g.input_len())
                            .zip(y.par_chunks(images * g.output_len()))
                            .zip(gradient.par_chunks(images * g.output_len()))
                            .zip(winners.par_chunks(images * g.output_len()))
                            .map(|(((x, y), gradient), winners)| {
                                let mut gradients = Gradients::new(&g, self.options.input_gradient.then_some(x.len()));
                                gradients.add(&g, weight, Pass { x, y, gradient, winners, floor });
                                gradients
                            })
                            .collect())
                    })
                })
            })
        })?;
        let mut weight_gradient = vec![0.0; g.out * g.taps()];
        let mut bias_gradient = vec![0.0; g.out];
        let mut input_gradient = Vec::new();
        // In the order of the images, whichever task ended first.
        for task in tasks {
            weight_gradient.iter_mut().zip(&task.weight).for_each(|(sum, part)| *sum += part);
            bias_gradient.iter_mut().zip(&task.bias).for_each(|(sum, part)| *sum += part);
            input_gradient.extend_from_slice(&task.input);
        }
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
