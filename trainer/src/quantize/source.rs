//! The numbers of a layer's record, from its float parameters and the codes around it.

use infer_core::format::Codes;
use infer_core::packing;

use super::signal::Signal;
use super::{QuantizeError, weights};
use crate::network::ShapedLayer;
use crate::network::model::Parameters;
use crate::network::record::{Numbers, QuantizedRescale};
use crate::network::rescale::{Multipliers, fold_bias, multipliers, prove_no_overflow};

/// A layer's float parameters and what flows into it.
pub struct Source<'s> {
    /// Counted from 0.
    layer: usize,
    input: Signal<'s>,
    /// One row of weights per output channel.
    rows: Vec<Vec<f32>>,
    biases: Vec<f32>,
    /// Whether the file has the weights of several rows side by side; else row by row.
    packs_rows: bool,
}

impl<'s> Source<'s> {
    /// The parameters of the layer `shaped`, which has the index `layer`, with its weights where the channels of
    /// `input` are.
    ///
    /// # Errors
    /// [`QuantizeError::NotFinite`], [`QuantizeError::Candle`].
    pub fn read(
        layer: usize,
        shaped: &ShapedLayer,
        parameters: &Parameters,
        input: Signal<'s>,
    ) -> Result<Self, QuantizeError> {
        if parameters.normalization.is_some() {
            let layer = shaped.layer;
            return Err(candle_core::Error::msg(format!("{layer}: its batch normalization is not folded")).into());
        }
        let rows = parameters.weight.reshape((shaped.output_channels(), shaped.fan_in()))?.to_vec2::<f32>()?;
        let biases = parameters.bias.to_vec1::<f32>()?;
        if rows.iter().flatten().chain(&biases).any(|value| !value.is_finite()) {
            return Err(QuantizeError::NotFinite { layer });
        }
        let arithmetic = shaped.arithmetic();
        let mut source = Self { layer, input, rows, biases, packs_rows: arithmetic.packs_rows() };
        // A row about one channel has nothing to be put into another order: the rows themselves are.
        if !arithmetic.keeps_channels() {
            source.reorder_inputs(input.order);
        }
        Ok(source)
    }

    /// Puts weights where the input's channels are. Channels are the innermost dimension of every input, so a row is any
    /// number of groups of them.
    fn reorder_inputs(&mut self, order: &[usize]) {
        if !order.is_empty() {
            for group in self.rows.iter_mut().flat_map(|row| row.chunks_exact_mut(order.len())) {
                let reordered: Vec<f32> = order.iter().map(|&channel| group[channel]).collect();
                group.copy_from_slice(&reordered);
            }
        }
    }

    /// Puts output channels into another order.
    fn reorder_outputs(&mut self, order: &[usize]) {
        if !order.is_empty() {
            self.rows = order.iter().map(|&channel| std::mem::take(&mut self.rows[channel])).collect();
            self.biases = order.iter().map(|&channel| self.biases[channel]).collect();
        }
    }

    /// The scale of each row.
    #[must_use]
    pub fn scales(&self) -> Vec<f64> {
        weights::scales(&self.rows, &self.biases, self.input.codes.scale)
    }

    /// One scale for all rows, so that their sums compare.
    #[must_use]
    pub fn shared_scale(&self) -> f64 {
        weights::largest(&self.scales())
    }

    /// The numbers of the layer that puts out `output`; the logits where it is `None`.
    ///
    /// # Errors
    /// [`QuantizeError::Overflow`], [`QuantizeError::Multiplier`].
    pub fn numbers(mut self, output: Option<Signal<'_>>) -> Result<Numbers, QuantizeError> {
        match output {
            Some(Signal { codes, order }) => {
                self.reorder_outputs(order);
                self.requantized(codes)
            }
            None => self.logits(),
        }
    }

    fn logits(&self) -> Result<Numbers, QuantizeError> {
        let scale = self.shared_scale();
        let rows: Vec<Vec<i8>> = self.rows.iter().map(|row| weights::quantize(row, scale)).collect();
        let biases = self.fold_biases(&rows, &vec![scale; rows.len()])?;
        Ok(Numbers::Logits {
            scale: (scale * f64::from(self.input.codes.scale)) as f32,
            biases: biases.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            weights: self.in_file(&rows),
        })
    }

    fn requantized(&self, codes: Codes) -> Result<Numbers, QuantizeError> {
        let scales = self.scales();
        let rows: Vec<Vec<i8>> =
            self.rows.iter().zip(&scales).map(|(row, &scale)| weights::quantize(row, scale)).collect();
        let biases = self.fold_biases(&rows, &scales)?;
        let ratios: Vec<f64> =
            scales.iter().map(|scale| scale * f64::from(self.input.codes.scale) / f64::from(codes.scale)).collect();
        let Multipliers { shift, multipliers } =
            multipliers(&ratios).map_err(|ratio| QuantizeError::Multiplier { layer: self.layer, ratio })?;
        for (channel, (row, &bias)) in rows.iter().zip(&biases).enumerate() {
            prove_no_overflow(row, bias, shift).map_err(|bound| self.overflow(channel, bound))?;
        }
        let channels = biases
            .iter()
            .zip(&multipliers)
            .flat_map(|(&bias, &multiplier)| [bias, multiplier])
            .flat_map(i32::to_le_bytes);
        let rescale = QuantizedRescale { codes, shift, channels: channels.collect() };
        Ok(Numbers::Requantized { rescale, weights: self.in_file(&rows) })
    }

    /// Biases in steps of the accumulator, with the input's zero point folded in.
    fn fold_biases(&self, rows: &[Vec<i8>], scales: &[f64]) -> Result<Vec<i32>, QuantizeError> {
        let channels = rows.iter().zip(scales).zip(&self.biases).enumerate();
        let Codes { scale: input_scale, zero_point } = self.input.codes;
        channels
            .map(|(channel, ((row, scale), &bias))| {
                let steps = (f64::from(bias) / (scale * f64::from(input_scale))).round() as i64;
                fold_bias(row, steps, zero_point).map_err(|bound| self.overflow(channel, bound))
            })
            .collect()
    }

    /// The rows as they are in the file.
    fn in_file(&self, rows: &[Vec<i8>]) -> Vec<u8> {
        if self.packs_rows { pack(rows) } else { rows.concat().into_iter().map(i8::cast_unsigned).collect() }
    }

    fn overflow(&self, channel: usize, bound: i64) -> QuantizeError {
        QuantizeError::Overflow { layer: self.layer, channel, bound }
    }
}

/// Rows in blocks, as [`packing`] describes them.
fn pack(rows: &[Vec<i8>]) -> Vec<u8> {
    let inputs = rows.first().map_or(0, Vec::len);
    let mut packed = vec![0; packing::packed_len(rows.len() as u32, inputs as u32).unwrap_or(0) as usize];
    packing::pack(&rows.concat(), inputs, &mut packed);
    packed
}
