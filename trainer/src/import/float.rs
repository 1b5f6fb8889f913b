//! A network in real numbers, to be trained further: those of a float file, or what the codes of an int8 one mean.

use std::collections::{BTreeSet, HashMap};

use candle_core::{Device, Tensor};
use infer_core::Shape;
use infer_core::format::Codes;

use super::layers::Imported;
use super::weights::Weights;
use crate::network::chain::flow;
use crate::network::inputs::Source;
use crate::network::layers::{Placed, Window};
use crate::network::{Architecture, Conv, DepthwiseConv, FloatModel, Layer};
use crate::support::tensor_error::one_line;

/// Which real values the bytes 0 and 255 of an image are for a network that takes real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputRange {
    /// Of byte 0.
    pub low: f64,
    /// Of byte 255.
    pub high: f64,
}

impl InputRange {
    /// What networks are trained with here.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };

    /// Whether it is that, as near as the scale of codes can state it.
    #[must_use]
    pub fn is_unit(self) -> bool {
        self.low.abs() < 1e-4 && (self.high - 1.0).abs() < 1e-4
    }

    /// That of codes.
    #[must_use]
    pub fn of(codes: Codes) -> Self {
        let scale = f64::from(codes.scale);
        let low = -scale * f64::from(codes.zero_point);
        Self { low, high: low + 255.0 * scale }
    }
}

/// Why a network in real numbers cannot be made.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum FloatError {
    /// No weights lie between the image and a sum.
    #[error(
        "layer {layer} (add) adds the image, or a pool of it, where bytes 0 to 255 have to mean 0 to 1 and mean {:.4} to {:.4}: no weights are \
         there that this could be folded into; train the network with images of 0 to 1, or with a convolution of 1x1 before the sum",
        .range.low, .range.high
    )]
    ImageAdded {
        /// The layer that adds it.
        layer: usize,
        /// What bytes mean.
        range: InputRange,
    },
    /// Products of weights and what bytes mean, or of codes and scales.
    #[error("layer {layer} ({kind}): with scales and range folded in, weights are too large for 32-bit floating point")]
    Overflow {
        /// The layer.
        layer: usize,
        /// What it does.
        kind: String,
    },
    /// A tensor operation failed.
    #[error("{}", one_line(.0))]
    Candle(#[from] candle_core::Error),
}

/// A layer that computes something else at the edges of the image than the file does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The layer, a convolution that pads.
    pub layer: usize,
    /// Share of its positions at which the kernel reaches over an edge, 0 to 1.
    pub positions: f64,
    /// By how much a sum there differs at most, as a share of the most that an image can change that sum by, 0 to 1.
    pub most: f64,
}

/// The network with weights for images of 0 to 1, which is how networks are trained here: what `range` says is folded into the weights
/// that meet the image, or a pool of it.
///
/// Where byte 0 does not mean 0 and a convolution pads the image, the edges differ: the file pads with 0, and training pads with byte 0.
/// [`edges`] has these layers.
///
/// # Errors
/// [`FloatError`].
pub fn float(imported: &Imported, range: InputRange) -> Result<FloatModel, FloatError> {
    let architecture = imported.architecture.clone();
    let stages = architecture.stages();
    // What the codes that a layer reads mean, by the index of the layer.
    let mut scales = vec![1.0; architecture.layers.len()];
    if let Some(image) = imported.input {
        let flows = flow(&stages, image, |stage, inputs| {
            Result::<_, FloatError>::Ok(imported.codes.get(stage.index).copied().flatten().unwrap_or(inputs.input))
        })?;
        for (stage, flow) in stages.iter().zip(flows) {
            scales[stage.index] = f64::from(flow.inputs.input.scale);
        }
    }
    let meets_image = meeting_image(&architecture);
    let mut tensors = HashMap::new();
    for (index, (layer, weights)) in architecture.layers.iter().zip(&imported.weights).enumerate() {
        if meets_image[index] && matches!(layer.layer, Layer::Add(_)) && !range.is_unit() {
            return Err(FloatError::ImageAdded { layer: index, range });
        }
        let (Some(shape), Some(weights)) = (layer.weights(), weights) else { continue };
        let (mut rows, mut biases) = real(weights, scales[index]);
        if meets_image[index] {
            // x = low + (high - low) * p, p from 0 to 1.
            for (row, bias) in rows.iter_mut().zip(&mut biases) {
                *bias += range.low * row.iter().sum::<f64>();
                row.iter_mut().for_each(|weight| *weight *= range.high - range.low);
            }
        }
        if index + 1 == architecture.layers.len() {
            let factor = f64::from(imported.logit_factor);
            rows.iter_mut().flatten().chain(&mut biases).for_each(|number| *number *= factor);
        }
        let rows: Vec<f32> = rows.into_iter().flatten().map(|weight| weight as f32).collect();
        let biases: Vec<f32> = biases.into_iter().map(|bias| bias as f32).collect();
        if !rows.iter().chain(&biases).all(|number| number.is_finite()) {
            return Err(FloatError::Overflow { layer: index, kind: layer.layer.to_string() });
        }
        let outputs = biases.len();
        tensors.insert(format!("layers.{index}.weight"), Tensor::from_vec(rows, shape.dimensions, &Device::Cpu)?);
        tensors.insert(format!("layers.{index}.bias"), Tensor::from_vec(biases, outputs, &Device::Cpu)?);
    }
    drop(stages);
    let tensors = safetensors::serialize(tensors, None).map_err(candle_core::Error::from)?;
    Ok(FloatModel::from_safetensors(architecture, &tensors)?)
}

/// Of each layer whether it reads the image, or what only pools have come between: a pool of values in a range is in that range.
fn meeting_image(architecture: &Architecture) -> Vec<bool> {
    let mut meets: Vec<bool> = Vec::with_capacity(architecture.layers.len());
    for layer in &architecture.layers {
        let is_image = |source: &Source| match source {
            Source::Image => true,
            Source::Output(before) => {
                let is_pool = matches!(architecture.layers[*before].layer, Layer::MaxPool(_) | Layer::AveragePool(_));
                is_pool && meets[*before]
            }
        };
        let found = layer.reads.iter().any(is_image);
        meets.push(found);
    }
    meets
}

/// The layers whose sums at the edges differ from the file's: convolutions that pad an image whose byte 0 does not mean 0.
#[must_use]
pub fn edges(imported: &Imported, range: InputRange) -> Vec<Edge> {
    let architecture = &imported.architecture;
    let meets_image = meeting_image(architecture);
    let mut edges = Vec::new();
    for (index, layer) in architecture.layers.iter().enumerate().filter(|&(index, _)| meets_image[index]) {
        let (window, is_depthwise) = match layer.layer {
            Layer::Conv(Conv { kernel, stride, padding, .. }) => (Window { size: kernel, stride, padding }, false),
            Layer::DepthwiseConv(DepthwiseConv { kernel, stride, padding, .. }) => {
                (Window { size: kernel, stride, padding }, true)
            }
            Layer::Dense(_) | Layer::Add(_) | Layer::MaxPool(_) | Layer::AveragePool(_) => continue,
        };
        let input = match layer.reads.input {
            Source::Image => architecture.input,
            Source::Output(before) => architecture.layers[before].output,
        };
        let (Ok(placed), Some(weights)) = (window.on("kernel", input), &imported.weights[index]) else { continue };
        let over_edges = placed.covered(input).over_edges;
        if over_edges == 0 || range.low == 0.0 {
            continue;
        }
        let inner = if is_depthwise { 1 } else { usize::from(input.channels) };
        let [height, width] = placed.output.map(f64::from);
        edges.push(Edge {
            layer: index,
            positions: over_edges as f64 / (height * width),
            most: (real(weights, 1.0).0.iter())
                .map(|row| over_edge(row, &placed, input, inner, range))
                .fold(0.0, f64::max),
        });
    }
    edges
}

/// What taps outside of the input add to a sum of `row` at most, by the most that an image can change the sum by.
fn over_edge(row: &[f64], placed: &Placed, input: Shape, inner: usize, range: InputRange) -> f64 {
    // Of each axis, which taps are inside, at all positions that differ in that.
    let inside = |axis: usize, side: u16| -> BTreeSet<(usize, usize)> {
        let [size, stride, before] = [placed.size, placed.stride, placed.before].map(|pair| usize::from(pair[axis]));
        (0..usize::from(placed.output[axis]))
            .map(|position| {
                let start = position * stride;
                (before.saturating_sub(start).min(size), (before + usize::from(side)).saturating_sub(start).min(size))
            })
            .collect()
    };
    let columns = usize::from(placed.size[1]);
    let taps: Vec<f64> = row.chunks(inner.max(1)).map(|tap| tap.iter().sum()).collect();
    let mut most = 0.0_f64;
    for (top, bottom) in inside(0, input.height) {
        for (left, right) in inside(1, input.width) {
            let is_outside =
                |tap: usize| !(top..bottom).contains(&(tap / columns)) || !(left..right).contains(&(tap % columns));
            let outside = taps.iter().enumerate().filter(|&(tap, _)| is_outside(tap)).map(|(_, sum)| sum);
            most = most.max((range.low * outside.sum::<f64>()).abs());
        }
    }
    let span = (range.high - range.low) * row.iter().map(|weight| weight.abs()).sum::<f64>();
    if span > 0.0 { most / span } else { 0.0 }
}

/// Rows and biases as real numbers, given what a step of the input means.
fn real(weights: &Weights, input_scale: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
    match weights {
        Weights::Real { rows, biases } => (
            rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect(),
            biases.iter().copied().map(f64::from).collect(),
        ),
        Weights::Codes { rows, scales, biases } => (
            rows.iter()
                .zip(scales)
                .map(|(row, scale)| row.iter().map(|&code| f64::from(code) * scale).collect())
                .collect(),
            biases.iter().zip(scales).map(|(&bias, scale)| bias as f64 * scale * input_scale).collect(),
        ),
    }
}
