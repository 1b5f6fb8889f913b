//! The numbers of a layer's record, from integer weights: those that float weights were rounded to, or those of a file.

use infer_core::format::{Codes, Requantize};
use infer_core::packing;

use super::QuantizeError;
use crate::network::record::{Numbers, Requantization};
use crate::network::requantize::{Multipliers, Scaled, fold_bias, multipliers, prove_no_overflow};

/// A layer's integer weights, and what they mean.
#[derive(Clone, Debug)]
pub struct Integers {
    /// Counted from 0.
    pub layer: usize,
    /// What comes in.
    pub input: Codes,
    /// One row of weights for each output channel.
    pub rows: Vec<Vec<i8>>,
    /// Real value of a step of each row.
    pub scales: Vec<f64>,
    /// In steps of `input scale * row scale`, the input's zero point not yet in them.
    pub biases: Vec<i64>,
    /// Whether the file has the weights of several rows side by side; else row by row.
    pub packs_rows: bool,
}

impl Integers {
    /// Those of the last layer, whose rows all have the scale of the first.
    ///
    /// # Errors
    /// [`QuantizeError::Overflow`].
    pub fn logits(&self) -> Result<Numbers, QuantizeError> {
        let scale = self.scales.first().copied().unwrap_or(1.0);
        Ok(Numbers::Logits {
            scale: (scale * f64::from(self.input.scale)) as f32,
            biases: self.fold_biases()?.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            weights: self.in_file(),
        })
    }

    /// Those of a layer with such codes as its output.
    ///
    /// # Errors
    /// [`QuantizeError::Overflow`], [`QuantizeError::Multiplier`].
    pub fn requantized(&self, codes: Codes) -> Result<Numbers, QuantizeError> {
        let biases = self.fold_biases()?;
        let ratios: Vec<f64> = self.ratios(codes).collect();
        let Multipliers { shift, multipliers } =
            multipliers(&ratios).map_err(|ratio| QuantizeError::Multiplier { layer: self.layer, ratio })?;
        for (channel, (row, &bias)) in self.rows.iter().zip(&biases).enumerate() {
            prove_no_overflow(row, bias, shift).map_err(|bound| self.overflow(channel, bound))?;
        }
        let channels = biases
            .iter()
            .zip(&multipliers)
            .flat_map(|(&bias, &multiplier)| [bias, multiplier])
            .flat_map(i32::to_le_bytes);
        let requantize = Requantization { codes, shift, channels: channels.collect() };
        Ok(Numbers::Requantized { requantize, weights: self.in_file() })
    }

    /// The same as TFLite's reference kernels have it: multipliers of 31 bits with shifts of their own, two roundings but in dense layers.
    ///
    /// # Errors
    /// As [`requantized`](Self::requantized).
    pub fn requantized_twice(&self, codes: Codes) -> Result<Numbers, QuantizeError> {
        let biases = self.fold_biases()?;
        let scaled: Result<Vec<Scaled>, f64> = self.ratios(codes).map(Scaled::of).collect();
        let scaled = scaled.map_err(|ratio| QuantizeError::Multiplier { layer: self.layer, ratio })?;
        for (channel, ((row, &bias), scaled)) in self.rows.iter().zip(&biases).zip(&scaled).enumerate() {
            let left = scaled.shift.min(0).unsigned_abs() as u8;
            prove_no_overflow(row, bias, left).map_err(|bound| self.overflow(channel, bound))?;
        }
        let multipliers = scaled.iter().map(|scaled| scaled.multiplier);
        let shifts = scaled.iter().map(|scaled| scaled.shift);
        let channels = biases.iter().copied().chain(multipliers).chain(shifts).flat_map(i32::to_le_bytes);
        let requantize = Requantization { codes, shift: Requantize::TWICE, channels: channels.collect() };
        Ok(Numbers::Requantized { requantize, weights: self.in_file() })
    }

    /// Scale of each row's sums over that of the output.
    pub fn ratios(&self, output: Codes) -> impl Iterator<Item = f64> {
        let (input, output) = (f64::from(self.input.scale), f64::from(output.scale));
        self.scales.iter().map(move |scale| scale * input / output)
    }

    /// Biases with the input's zero point folded in.
    fn fold_biases(&self) -> Result<Vec<i32>, QuantizeError> {
        let fold = |(channel, (row, &bias)): (usize, (&Vec<i8>, &i64))| {
            fold_bias(row, bias, self.input.zero_point).map_err(|bound| self.overflow(channel, bound))
        };
        self.rows.iter().zip(&self.biases).enumerate().map(fold).collect()
    }

    /// The rows as they are in the file.
    fn in_file(&self) -> Vec<u8> {
        if !self.packs_rows {
            return self.rows.concat().into_iter().map(i8::cast_unsigned).collect();
        }
        let inputs = self.rows.first().map_or(0, Vec::len);
        let mut packed = vec![0; packing::packed_len(self.rows.len() as u32, inputs as u32).unwrap_or(0) as usize];
        packing::pack(&self.rows.concat(), inputs, &mut packed);
        packed
    }

    fn overflow(&self, channel: usize, bound: i64) -> QuantizeError {
        QuantizeError::Overflow { layer: self.layer, channel, bound }
    }
}
