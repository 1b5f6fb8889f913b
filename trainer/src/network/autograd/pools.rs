//! Max-pool and average pool with any window.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::channels::Reductions;
use super::recorded::{Gradients, Operation, Recorded};
use super::window::{Axis, Window};
use super::{buffers, images_per_task, with_values};

/// The maximum of each window, channel by channel: `[n, height, width, c]` gives `[n, rows, columns, c]`. Padding never
/// counts; a window of padding alone gives 0. The gradient goes whole to the maximum, of equals to the first.
///
/// # Errors
/// Those of candle; a window that does not fit.
pub fn pool_max_recorded(input: &Tensor, window: Window) -> Result<Recorded> {
    record(input, window, Kind::Maximum)
}

/// The mean of each window, channel by channel: `[n, height, width, c]` gives `[n, rows, columns, c]`. Padding never
/// counts: a window that sticks out is divided by the number of values inside; a window of padding alone gives 0. Each
/// value of a window gets the same share of the gradient of its mean.
///
/// # Errors
/// Those of candle; a window that does not fit.
pub fn pool_average_recorded(input: &Tensor, window: Window) -> Result<Recorded> {
    record(input, window, Kind::Mean)
}

#[derive(Clone, Copy)]
enum Kind {
    Maximum,
    Mean,
}

struct Pool {
    input: Tensor,
    axes: [Axis; 2],
    channels: usize,
    kind: Kind,
}

fn record(input: &Tensor, window: Window, kind: Kind) -> Result<Recorded> {
    let (n, height, width, channels) = input.dims4()?;
    if input.elem_count() == 0 {
        candle_core::bail!("pool: the input {:?} is empty", input.shape());
    }
    let pool = Pool { input: input.contiguous()?, axes: window.axes(height, width)?, channels, kind };
    let [rows, columns] = pool.axes.map(|axis| axis.positions);
    let mut output = buffers::zeros(n * rows * columns * channels);
    let images = images_per_task(n);
    with_values(&pool.input, |x| {
        output
            .par_chunks_mut(images * rows * columns * channels)
            .zip(x.par_chunks(images * height * width * channels))
            .for_each(|(output, x)| pool.forward(x, output));
        Ok(())
    })?;
    let output = Tensor::from_vec(output, (n, rows, columns, channels), input.device())?;
    Ok(Recorded::new(output, pool))
}

impl Pool {
    fn input_len(&self) -> usize {
        self.axes[0].size * self.axes[1].size * self.channels
    }

    fn output_len(&self) -> usize {
        self.axes[0].positions * self.axes[1].positions * self.channels
    }

    /// Calls `visit` with each position of an image, counted in the order of the output, and the starts of the pixels that
    /// its window covers.
    fn positions(&self, mut visit: impl FnMut(usize, &[usize])) {
        let [rows, columns] = &self.axes;
        let mut pixels = Vec::with_capacity(rows.window * columns.window);
        for row in 0..rows.positions {
            for column in 0..columns.positions {
                pixels.clear();
                let inside = rows.inside(row).flat_map(|y| columns.inside(column).map(move |x| y * columns.size + x));
                pixels.extend(inside.map(|pixel| pixel * self.channels));
                visit(row * columns.positions + column, &pixels);
            }
        }
    }

    /// The images of one task.
    fn forward(&self, x: &[f32], output: &mut [f32]) {
        for (x, output) in x.chunks_exact(self.input_len()).zip(output.chunks_exact_mut(self.output_len())) {
            self.positions(|position, pixels| {
                let output = &mut output[position * self.channels..][..self.channels];
                let Some((&first, others)) = pixels.split_first() else { return };
                output.copy_from_slice(&x[first..][..self.channels]);
                for &pixel in others {
                    let pixel = &x[pixel..][..self.channels];
                    match self.kind {
                        Kind::Maximum => {
                            output
                                .iter_mut()
                                .zip(pixel)
                                .for_each(|(best, &x)| *best = if x > *best { x } else { *best });
                        }
                        Kind::Mean => output.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x),
                    }
                }
                if let Kind::Mean = self.kind {
                    let share = 1.0 / pixels.len() as f32;
                    output.iter_mut().for_each(|sum| *sum *= share);
                }
            });
        }
    }

    /// The images of one task, given the gradient of their outputs; `input_gradient` is zeros.
    fn backward(&self, x: &[f32], gradient: &[f32], input_gradient: &mut [f32]) {
        let mut best = vec![(0.0, 0); self.channels];
        let images = x.chunks_exact(self.input_len()).zip(gradient.chunks_exact(self.output_len()));
        for ((x, gradient), input_gradient) in images.zip(input_gradient.chunks_exact_mut(self.input_len())) {
            self.positions(|position, pixels| {
                let gradient = &gradient[position * self.channels..][..self.channels];
                let Some((&first, others)) = pixels.split_first() else { return };
                match self.kind {
                    Kind::Maximum => {
                        let starts = x[first..].iter().zip(first..);
                        best.iter_mut().zip(starts).for_each(|(best, (&x, index))| *best = (x, index));
                        for &pixel in others {
                            let values = x[pixel..].iter().zip(pixel..);
                            for (best, (&x, index)) in best.iter_mut().zip(values) {
                                if x > best.0 {
                                    *best = (x, index);
                                }
                            }
                        }
                        best.iter().zip(gradient).for_each(|((_, index), gradient)| input_gradient[*index] += gradient);
                    }
                    Kind::Mean => {
                        let share = 1.0 / pixels.len() as f32;
                        for &pixel in pixels {
                            let values = input_gradient[pixel..].iter_mut().zip(gradient);
                            values.for_each(|(sum, gradient)| *sum += gradient * share);
                        }
                    }
                }
            });
        }
    }
}

impl Operation for Pool {
    fn backward(&self, gradient: &Tensor, _: Option<Vec<Reductions>>) -> Result<Gradients> {
        let mut input_gradient = buffers::zeros(self.input.elem_count());
        let images = images_per_task(self.input.dim(0)?);
        with_values(&self.input, |x| {
            with_values(gradient, |gradient| {
                input_gradient
                    .par_chunks_mut(images * self.input_len())
                    .zip(x.par_chunks(images * self.input_len()))
                    .zip(gradient.par_chunks(images * self.output_len()))
                    .for_each(|((input_gradient, x), gradient)| self.backward(x, gradient, input_gradient));
                Ok(())
            })
        })?;
        let input = Tensor::from_vec(input_gradient, self.input.shape(), self.input.device())?;
        Ok(Gradients::of(Some(input), Vec::new()))
    }
}
