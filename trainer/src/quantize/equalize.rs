//! Equalizes the channels of an activation that a depthwise convolution reads (Nagel and others 2019, "Data-free quantization through
//! weight equalization and bias correction").
//!
//! All channels of an activation share the steps of its codes, so a channel whose values are a twentieth of another's has a twentieth
//! of the codes. Batch normalization that is folded makes such channels: what it divides by is in the weights. Where a depthwise
//! convolution reads the activation, a channel multiplied by a number, and the depthwise weights of this channel divided by it,
//! leave the network as it is. Both layers have a scale for each channel's weights, so these are rounded as before: what
//! changes is that each channel gets its share of the activation's codes.
//!
//! The numbers are powers of two. So the float network answers as before to the last bit, and doing it twice changes nothing.

use candle_core::{D, Device, Result, Tensor, Var};

use super::calibrate::calibration_batches;
use crate::dataset::Images;
use crate::network::FloatModel;
use crate::network::chain::Stage;
use crate::network::inputs::Source;
use crate::network::layers::Arithmetic;

/// Largest exponent of a factor. A channel of less than half a code is left as it is: its weights, multiplied by more, would take the
/// precision of the layer's other rows, whose scales are a bounded part of the largest.
const MOST_EXPONENT: i32 = 8;

/// A stage whose channels may be multiplied, and the depthwise convolution that reads them; by the index of their layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    source: usize,
    reader: usize,
}

/// Multiplies, in the weights of `model`, the channels of activations that a depthwise convolution reads, so that each spans more than
/// half of what the largest spans over the images of calibration, drawn from `images` by `seed`.
///
/// `model` is one whose normalizations are [folded](FloatModel::fold). Its answers do not change.
///
/// # Errors
/// Those of candle.
pub fn equalize(model: &FloatModel, images: &Images, seed: u64) -> Result<()> {
    let pairs = pairs(&model.architecture().stages());
    if pairs.is_empty() {
        return Ok(());
    }
    let mut highest = vec![Vec::new(); model.architecture().layers.len()];
    calibration_batches(model, images, seed, |layer, activation| {
        if pairs.iter().any(|pair| pair.source == layer) {
            let channels = activation.dim(D::Minus1)?;
            let seen: &mut Vec<f32> = &mut highest[layer];
            seen.resize(channels, 0.0);
            for values in activation.flatten_all()?.to_vec1::<f32>()?.chunks_exact(channels) {
                seen.iter_mut().zip(values).for_each(|(most, value)| *most = most.max(value.abs()));
            }
        }
        Ok(())
    })?;
    for Pair { source, reader } in pairs {
        let exponents = exponents(&highest[source]);
        let (Some(written), Some(read)) = (&model.parameters()[source], &model.parameters()[reader]) else { continue };
        // Without images nothing was seen.
        if exponents.is_empty() {
            continue;
        }
        multiply_rows(&written.weight, |row| exponents[row])?;
        multiply_rows(&written.bias, |row| exponents[row])?;
        // A depthwise convolution with a multiplier has that many rows for each channel.
        let rows_per_channel = read.bias.elem_count() / exponents.len();
        multiply_rows(&read.weight, |row| -exponents[row / rows_per_channel])?;
    }
    Ok(())
}

/// The pairs of a network, directly or with pools between: a pool chooses or averages within a channel, so its output is multiplied by
/// the same number.
fn pairs(stages: &[Stage<'_>]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let operator = stage.layer.layer.operator();
        let has_weights = matches!(operator.arithmetic(), Arithmetic::Weighted | Arithmetic::WeightedByChannel);
        if has_weights
            && operator.is_homogeneous()
            && let Some(reader) = depthwise_reader(stages, index)
        {
            pairs.push(Pair { source: stage.index, reader });
        }
    }
    pairs
}

/// The layer of the depthwise convolution that alone reads the stage at `index`, as it is or by way of pools.
fn depthwise_reader(stages: &[Stage<'_>], index: usize) -> Option<usize> {
    let reads = |stage: &&Stage<'_>| stage.reads.iter().any(|&source| source == Source::Output(index));
    let only = (stages[index].readers == 1).then(|| stages.iter().position(|stage| reads(&stage)))??;
    let reader = &stages[only];
    match reader.layer.arithmetic() {
        Arithmetic::WeightedByChannel => Some(reader.index),
        Arithmetic::Choice | Arithmetic::ByChannel
            if reader.reads.residual.is_none() && reader.layer.layer.operator().is_homogeneous() =>
        {
            depthwise_reader(stages, only)
        }
        Arithmetic::Choice | Arithmetic::ByChannel | Arithmetic::Weighted => None,
    }
}

/// For each channel the exponent of the power of two that brings its maximum above half of the largest; 0 for one that is left as it
/// is, such as a dead one.
fn exponents(highest: &[f32]) -> Vec<i32> {
    let most = highest.iter().copied().fold(0.0, f32::max);
    let exponent = |&value: &f32| match (most / value).log2().floor() {
        exponent if exponent <= MOST_EXPONENT as f32 => exponent as i32,
        _ => 0,
    };
    highest.iter().map(exponent).collect()
}

/// Multiplies each row by a power of two, whose exponent `exponent` has.
fn multiply_rows(variable: &Var, exponent: impl Fn(usize) -> i32) -> Result<()> {
    let rows = variable.dim(0)?;
    let mut values = variable.flatten_all()?.to_vec1::<f32>()?;
    let inputs = values.len() / rows.max(1);
    for (row, values) in values.chunks_exact_mut(inputs.max(1)).enumerate() {
        let factor = 2.0_f32.powi(exponent(row));
        values.iter_mut().for_each(|value| *value *= factor);
    }
    variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu)?)
}
