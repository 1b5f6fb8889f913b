//! Channels of one activation that span about the same values, where the layer that reads them can take any (Nagel and others 2019,
//! "Data-free quantization through weight equalization and bias correction").
//!
//! All channels of an activation share the steps of its codes, so a channel whose values are a twentieth of another's has a twentieth
//! of the codes. Batch normalization that is folded makes such channels: what it divides by is in the weights. Where a depthwise
//! convolution reads the activation, a channel multiplied with a number, and the depthwise weights of this channel divided by it,
//! leave the network as it is. Both layers have a scale for each channel's weights, so their codes do not change either: what
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

/// Exponents of the factors at most: a channel that is smaller still than 2^-16 of the largest is taken as empty.
const HIGHEST: i32 = 16;

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
                seen.iter_mut().zip(values).for_each(|(highest, value)| *highest = highest.max(value.abs()));
            }
        }
        Ok(())
    })?;
    for Pair { source, reader } in pairs {
        let exponents = exponents(&highest[source]);
        let (Some(of), Some(into)) = (&model.parameters()[source], &model.parameters()[reader]) else { continue };
        multiply_rows(&of.weight, |row| exponents[row])?;
        multiply_rows(&of.bias, |row| exponents[row])?;
        // A depthwise convolution with a multiplier has that many rows for each channel.
        let rows_per_channel = into.bias.elem_count() / exponents.len().max(1);
        multiply_rows(&into.weight, |row| -exponents[row / rows_per_channel.max(1)])?;
    }
    Ok(())
}

/// The pairs of a network. Between the two there may be pools: of a channel multiplied they choose, or take the mean of, values multiplied.
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
        Arithmetic::Choice | Arithmetic::ByChannel if reader.reads.residual.is_none() => depthwise_reader(stages, only),
        Arithmetic::Choice | Arithmetic::ByChannel | Arithmetic::Weighted => None,
    }
}

/// Of each channel the exponent of the power of two that takes its highest value over half of the highest of all; 0 of an empty one.
fn exponents(highest: &[f32]) -> Vec<i32> {
    let most = highest.iter().copied().fold(0.0, f32::max);
    let exponent = |&value: &f32| match (most / value).log2().floor() {
        exponent if exponent <= HIGHEST as f32 => exponent as i32,
        _ => 0,
    };
    highest.iter().map(exponent).collect()
}

/// Multiplies each row with a power of two, whose exponent `of_row` has.
fn multiply_rows(variable: &Var, of_row: impl Fn(usize) -> i32) -> Result<()> {
    let rows = variable.dim(0)?;
    let mut values = variable.flatten_all()?.to_vec1::<f32>()?;
    let inputs = values.len() / rows.max(1);
    for (row, values) in values.chunks_exact_mut(inputs.max(1)).enumerate() {
        let factor = 2.0_f32.powi(of_row(row));
        values.iter_mut().for_each(|value| *value *= factor);
    }
    variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu)?)
}
