//! The numbers of a layer's record, from its float parameters and the codes around it.

use super::integers::Integers;
use super::signal::Signal;
use super::{QuantizeError, weights};
use crate::network::ShapedLayer;
use crate::network::model::Parameters;
use crate::network::record::Numbers;

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

    /// The numbers of the layer whose output is `output`; the logits where it is `None`.
    ///
    /// # Errors
    /// [`QuantizeError::Overflow`], [`QuantizeError::Multiplier`].
    pub fn numbers(mut self, output: Option<Signal<'_>>) -> Result<Numbers, QuantizeError> {
        match output {
            Some(Signal { codes, order }) => {
                self.reorder_outputs(order);
                self.integers(self.scales()).requantized(codes)
            }
            None => self.integers(vec![self.shared_scale(); self.rows.len()]).logits(),
        }
    }

    /// The same in integers, each row by its own of these scales.
    fn integers(&self, scales: Vec<f64>) -> Integers {
        let rows = self.rows.iter().zip(&scales).map(|(row, &scale)| weights::quantize(row, scale)).collect();
        let input_scale = f64::from(self.input.codes.scale);
        let steps = |(&bias, scale): (&f32, &f64)| (f64::from(bias) / (scale * input_scale)).round() as i64;
        let biases = self.biases.iter().zip(&scales).map(steps).collect();
        Integers { layer: self.layer, input: self.input.codes, rows, scales, biases, packs_rows: self.packs_rows }
    }
}
