//! What a convolution does to a batch: its sizes, its correlations, and which of the two kinds of products it takes.

use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

use super::correlation::{self, Correlation, PaddedMap, Pixels, Walk};
use super::options::ConvolutionOptions;
use super::{depthwise, tiles};
use crate::network::autograd::images_per_task;
use crate::network::autograd::output::Source;
use crate::network::autograd::window::Axis;

/// Pixels that a convolution of 1x1 takes at once at most, in as many images as have them.
const JOINED_PIXELS: usize = 512;

/// Sums of weights that one thread merges at once.
const MERGED: usize = 1 << 12;

/// The sizes of a convolution and what it reads where.
pub struct Plan {
    pub n: usize,
    pub axes: [Axis; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Output channels that read the same input channel, of a depthwise convolution.
    multiplier: Option<usize>,
    /// Images that are one map, their pixels in one row: more than one only where a pixel is computed from one pixel.
    pub joined: usize,
    /// Whether the input is read where it is, as nothing pads it.
    reads_input: bool,
    pub input: PaddedMap,
    pub gradient: PaddedMap,
    forward: Correlation,
    backward: Vec<Correlation>,
    /// Whether the backward correlations write every pixel: the gradient of others is zero.
    pub writes_all: bool,
}

/// Weights as a correlation reads them.
pub enum Packed {
    Tiles(tiles::Packed),
    Depthwise(depthwise::Packed),
}

/// The gradient of the weights, being summed up.
pub enum WeightGradient {
    Tiles(tiles::WeightGradient),
    Depthwise(depthwise::WeightGradient),
}

impl Plan {
    /// # Errors
    /// Shapes that do not fit together.
    pub fn new(input: &Shape, weight: &Tensor, options: &ConvolutionOptions) -> Result<Self> {
        let (n, height, width, channels) = input.dims4()?;
        let (outputs, rows, columns, weight_channels) = weight.dims4()?;
        let multiplier = options.depthwise.then(|| outputs / channels.max(1));
        let read = if options.depthwise { 1 } else { channels };
        let fits = multiplier.is_none_or(|multiplier| multiplier * channels == outputs);
        if !fits
            || weight_channels != read
            || [rows, columns] != options.window.size
            || input.elem_count() * outputs == 0
        {
            let weight = weight.shape();
            candle_core::bail!("convolution: input {input:?}, weight {weight:?}, {options:?}");
        }
        let axes = options.window.axes(height, width)?;
        let (input_pixel, gradient_pixel) = match multiplier {
            None => (channels, outputs),
            Some(_) => (outputs.next_multiple_of(depthwise::LANES), outputs.next_multiple_of(depthwise::LANES)),
        };
        let input = correlation::padded_input(&axes, input_pixel);
        let gradient = correlation::padded_gradient(&axes, gradient_pixel);
        let unpadded = axes.iter().all(|axis| axis.before + axis.after == 0);
        let pointwise = unpadded && axes.iter().all(|axis| axis.window * axis.stride == 1);
        let joined = match pointwise && multiplier.is_none() {
            true => (JOINED_PIXELS / (height * width)).clamp(1, images_per_task(n)),
            false => 1,
        };
        // What a backward correlation writes: with a multiplier each channel several times.
        let written = if options.depthwise { outputs } else { channels };
        let backward = correlation::backward(&axes, &gradient, written);
        let pixels: usize = backward.iter().map(|phase| phase.walk.rows * phase.walk.columns).sum();
        Ok(Self {
            n,
            channels,
            outputs,
            multiplier,
            joined,
            reads_input: unpadded && input_pixel == channels && multiplier.is_none_or(|multiplier| multiplier == 1),
            forward: correlation::forward(&axes, &input, outputs),
            backward,
            writes_all: pixels == height * width,
            axes,
            input,
            gradient,
        })
    }

    /// Values of an image.
    pub fn input_len(&self) -> usize {
        self.axes[0].size * self.axes[1].size * self.channels
    }

    /// Values of an output.
    pub fn output_len(&self) -> usize {
        self.axes[0].positions * self.axes[1].positions * self.outputs
    }

    /// Images of a task.
    pub fn images(&self) -> usize {
        images_per_task(self.n)
    }

    /// The weights for the forward correlation.
    pub fn packed(&self, weight: &[f32]) -> Packed {
        let taps = self.axes[0].window * self.axes[1].window;
        match self.multiplier {
            None => {
                Packed::Tiles(tiles::Packed::new(&self.forward, self.outputs, self.channels, |output, tap, channel| {
                    weight[(output * taps + tap) * self.channels + channel]
                }))
            }
            Some(_) => Packed::Depthwise(depthwise::Packed::new(&self.forward, self.outputs, taps, weight)),
        }
    }

    /// The weights for the backward correlations.
    pub fn packed_backward(&self, weight: &[f32]) -> Vec<Packed> {
        let taps = self.axes[0].window * self.axes[1].window;
        let packed = |phase: &Correlation| match self.multiplier {
            None => Packed::Tiles(tiles::Packed::new(phase, self.channels, self.outputs, |channel, tap, output| {
                weight[(output * taps + tap) * self.channels + channel]
            })),
            Some(_) => Packed::Depthwise(depthwise::Packed::new(phase, self.outputs, taps, weight)),
        };
        self.backward.iter().map(packed).collect()
    }

    /// Zeros.
    pub fn weight_gradient(&self) -> WeightGradient {
        match self.multiplier {
            None => WeightGradient::Tiles(tiles::WeightGradient::new(&self.forward, self.outputs, self.channels)),
            Some(_) => WeightGradient::Depthwise(depthwise::WeightGradient::new(&self.forward, self.outputs)),
        }
    }

    /// Adds what `images` images, which are one map, give to the gradient of the weights: their padded input and the padded
    /// gradient of their output.
    pub fn add_weight_gradient(&self, sum: &mut WeightGradient, images: usize, source: &[f32], gradient: &[f32]) {
        let walk = Walk { to: self.gradient.interior(), ..self.forward.walk };
        match sum {
            WeightGradient::Tiles(sum) => {
                tiles::add_weight_gradient(sum, &self.of_images(walk.flattened(), images), source, gradient);
            }
            WeightGradient::Depthwise(sum) => depthwise::add_weight_gradient(sum, &walk, source, gradient),
        }
    }

    fn of_images(&self, walk: Walk, images: usize) -> Walk {
        match self.joined {
            1 => walk,
            _ => Walk { columns: images * walk.columns, ..walk },
        }
    }

    /// The correlation of `images` images, which are one map.
    pub fn correlate(
        &self,
        packed: &Packed,
        images: usize,
        source: &[f32],
        bias: Option<&[f32]>,
        range: (f32, f32),
        output: &mut [f32],
    ) {
        match packed {
            Packed::Tiles(packed) => {
                tiles::correlate(packed, &self.of_images(packed.walk, images), source, bias, range, output);
            }
            Packed::Depthwise(packed) => depthwise::correlate(packed, self.outputs, source, bias, range, output),
        }
    }

    /// `images` images from the `first` on, as they are read and with their padding: in `padded` unless they are so in memory.
    /// `padded` is zero in its padding.
    pub fn source<'a>(&self, source: Source<'a>, first: usize, images: usize, padded: &'a mut [f32]) -> &'a [f32] {
        let (start, length) = (first * self.input_len(), images * self.input_len());
        if self.reads_input {
            if source.affine.is_none() {
                return &source.values[start..][..length];
            }
            source.read(start, &mut padded[..length]);
            return padded;
        }
        let Pixels { start: interior, row, column } = self.input.interior();
        let width = self.axes[1].size * self.channels;
        // Room for a row whose pixels are not as long as those of the padded map.
        let mut values = vec![0.0; if column == self.channels { 0 } else { width }];
        let multiplier = self.multiplier.unwrap_or(1);
        for y in 0..images * self.axes[0].size {
            let (start, padded) = (start + y * width, &mut padded[interior + y * row..]);
            if column == self.channels {
                source.read(start, &mut padded[..width]);
                continue;
            }
            source.read(start, &mut values);
            for (pixel, values) in padded.chunks_mut(column).zip(values.chunks_exact(self.channels)) {
                for (copies, value) in pixel.chunks_mut(multiplier).zip(values) {
                    copies.fill(*value);
                }
            }
        }
        padded
    }

    /// Room for [`source`](Self::source).
    pub fn source_len(&self, source: Source<'_>) -> usize {
        match (self.reads_input, source.affine) {
            (false, _) => self.input.len(),
            (true, Some(_)) => self.joined * self.input_len(),
            (true, None) => 0,
        }
    }

    /// The gradient of `images` images, which are one map, from the padded gradient of their output. `input_gradient` is
    /// zeros where no correlation writes; `copies` has room for a map of the output's channels.
    pub fn input_gradient(
        &self,
        backward: &[Packed],
        images: usize,
        gradient: &[f32],
        copies: &mut [f32],
        input_gradient: &mut [f32],
    ) {
        let range = (f32::NEG_INFINITY, f32::INFINITY);
        match self.multiplier {
            Some(multiplier) if multiplier > 1 => {
                backward.iter().for_each(|packed| self.correlate(packed, images, gradient, None, range, copies));
                for (sum, copies) in input_gradient.iter_mut().zip(copies.chunks_exact(multiplier)) {
                    *sum = copies.iter().sum();
                }
            }
            Some(_) | None => {
                backward
                    .iter()
                    .for_each(|packed| self.correlate(packed, images, gradient, None, range, input_gradient));
            }
        }
    }

    /// Room for the copies of [`input_gradient`](Self::input_gradient).
    pub fn copies_len(&self) -> usize {
        match self.multiplier {
            Some(multiplier) if multiplier > 1 => self.input_len() * multiplier,
            Some(_) | None => 0,
        }
    }
}

impl WeightGradient {
    /// Adds the sums of others, in their order, whichever thread does.
    pub fn add_all(&mut self, others: &[Self]) {
        self.sums_mut().par_chunks_mut(MERGED).enumerate().for_each(|(chunk, sums)| {
            for other in others {
                let others = &other.sums()[chunk * MERGED..][..sums.len()];
                sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
            }
        });
    }

    fn sums(&self) -> &[f32] {
        match self {
            Self::Tiles(gradient) => &gradient.sums,
            Self::Depthwise(gradient) => gradient.sums.as_flattened(),
        }
    }

    fn sums_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Tiles(gradient) => &mut gradient.sums,
            Self::Depthwise(gradient) => gradient.sums.as_flattened_mut(),
        }
    }

    /// `[outputs, rows, columns, channels]`.
    pub fn unpacked(&self, outputs: usize) -> Vec<f32> {
        match self {
            Self::Tiles(sum) => sum.unpacked(),
            Self::Depthwise(sum) => sum.unpacked(outputs),
        }
    }
}
