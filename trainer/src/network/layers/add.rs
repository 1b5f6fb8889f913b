//! Sum of two inputs of one shape, with its activation: where a residual joins the layers that it was led around.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Codes, Layout};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::convolution;
use super::operator::{Arithmetic, Forward, Operator, Variants, WeightShape, check_activation, then_activation};
use crate::network::autograd::{self, Recorded};
use crate::network::inputs::Inputs;
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Rounding, Scaling};
use crate::network::requantize::Scaled;
use crate::network::work::{Kernel, Work};

/// Sum of input and residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Whether ReLU follows.
    #[serde(default)]
    pub relu: bool,
    /// Whether ReLU6 follows: ReLU that ends at 6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relu6: bool,
}

impl Add {
    /// As TFLite's reference kernels add: inputs times `2^20`, in steps of twice the coarser one.
    fn rescaled(&self, inputs: [Codes; 2], codes: Codes) -> Result<operators::AddRescaled, NumbersError> {
        let [first, second] = inputs.map(|input| f64::from(input.scale));
        let step = 2.0 * first.max(second);
        let of_sum = step / (20f64.exp2() * f64::from(codes.scale));
        let mut scaled = Vec::with_capacity(3);
        for ratio in [first / step, second / step, of_sum] {
            match Scaled::of(ratio) {
                Ok(of_ratio @ Scaled { shift: 0.., .. }) => scaled.push(of_ratio),
                _ => return Err(NumbersError::Ratio { ratio }),
            }
        }
        let numbers = |index: usize| (scaled[index].multiplier.to_le_bytes(), scaled[index].shift as u8);
        let [first, second, sum] = [0, 1, 2].map(numbers);
        Ok(operators::AddRescaled {
            codes,
            relu: self.relu || self.relu6,
            multipliers: [first.0, second.0, sum.0],
            shifts: [first.1, second.1, sum.1],
        })
    }
}

impl Variants for Add {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }

    fn widened(self, _: f64) -> Option<Self> {
        Some(self)
    }

    fn folded(self) -> Self {
        self
    }

    fn with_named_padding(self, _: Shape) -> Self {
        self
    }
}

impl Operator for Add {
    fn check(&self) -> Result<(), String> {
        check_activation(self.relu, self.relu6)
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }

    fn weights(&self, _: Shape) -> Option<WeightShape> {
        None
    }

    fn is_pool(&self) -> bool {
        false
    }

    fn absorbs_pool(&self) -> bool {
        false
    }

    fn takes_residual(&self) -> bool {
        true
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::ByChannel
    }

    fn is_homogeneous(&self) -> bool {
        !self.relu6
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        autograd::add_recorded(forward.input, forward.residual(self)?, convolution::activation(self.relu, self.relu6))
    }

    fn quantized(&self, _: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        let Numbers::Codes { inputs: Inputs { input, residual: Some(residual) }, output: codes, rounding } = numbers
        else {
            return Err(NumbersError::Wrong);
        };
        if rounding == Rounding::Twice {
            let record = self.rescaled([input, residual], codes)?;
            return Ok(QuantizedLayer::Bare(operators::Layer::AddRescaled(record)));
        }
        let ratios = [input, residual].map(|input| f64::from(input.scale) / f64::from(codes.scale));
        let (multipliers, shift) = multipliers(ratios)?;
        let record = operators::Add { codes, relu: self.relu || self.relu6, multipliers, shift };
        Ok(QuantizedLayer::Bare(operators::Layer::Add(record)))
    }

    fn has_layout(&self, layout: Layout, _: Shape) -> bool {
        layout == Layout::Compact
    }

    fn work(&self, _: Shape, output: Shape, _: bool, _: Layout) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let outputs = output.len();
        Work { kernel: Kernel::Add, rows: 0, outputs, inputs: 2 * outputs, edges: 0, runs: 0, places }
    }
}

impl From<&operators::Add> for Add {
    fn from(record: &operators::Add) -> Self {
        Self { relu: record.relu, relu6: false }
    }
}

impl<'a> LayerRecord<'a> for operators::Add {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Codes { codes: self.codes, roundings: 1 }
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl From<&operators::AddRescaled> for Add {
    fn from(record: &operators::AddRescaled) -> Self {
        Self { relu: record.relu, relu6: false }
    }
}

impl<'a> LayerRecord<'a> for operators::AddRescaled {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Codes { codes: self.codes, roundings: 2 }
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add{}", then_activation(false, self.relu, self.relu6))
    }
}

/// The largest multiplier with which one instruction of a Cortex-M4 multiplies both codes: 16 signed bits.
const SHORT: f64 = i16::MAX as f64;

/// The largest multiplier that a file may have: 22 bits.
const LONG: f64 = ((1 << 22) - 1) as f64;

/// What rounding the multipliers may change a sum by, in steps of the output, for the short ones to be taken.
const MOST_ERROR: f64 = 0.05;

/// The multipliers of input and residual for these ratios to the output's scale, and the right shift of the sum: short multipliers
/// if they are precise enough, else those of 22 bits.
fn multipliers(ratios: [f64; 2]) -> Result<([u32; 2], u8), NumbersError> {
    let largest = ratios[0].max(ratios[1]);
    let fixed = |ratio: f64, shift: u8| (ratio * f64::from(shift).exp2()).round();
    let fits = |most: f64| (1..=23u8).rev().find(|&shift| fixed(largest, shift) <= most);
    let error = |shift: u8| -> f64 {
        ratios.iter().map(|&ratio| 255.0 * (fixed(ratio, shift) / f64::from(shift).exp2() - ratio).abs()).sum()
    };
    let short = fits(SHORT).filter(|&shift| error(shift) <= MOST_ERROR);
    let shift = short.or_else(|| fits(LONG));
    let shift = shift.filter(|&shift| ratios.iter().all(|&ratio| fixed(ratio, shift) >= 1.0));
    let shift = shift.ok_or(NumbersError::Ratio { ratio: largest })?;
    Ok((ratios.map(|ratio| fixed(ratio, shift) as u32), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_near_each_other_have_short_multipliers_and_an_error_under_a_twentieth() {
        for ratios in [[0.5, 0.7], [0.99, 0.01], [1.5, 0.3], [3.0, 3.9]] {
            let (multipliers, shift) = multipliers(ratios).unwrap();
            assert!(multipliers.iter().all(|&multiplier| (1..=32_767).contains(&multiplier)), "{multipliers:?}");
            let errors = ratios
                .iter()
                .zip(multipliers)
                .map(|(ratio, multiplier)| 255.0 * (f64::from(multiplier) / f64::from(shift).exp2() - ratio).abs());
            assert!(errors.sum::<f64>() <= MOST_ERROR, "{ratios:?}");
        }
    }

    #[test]
    fn ratios_far_from_each_other_have_long_multipliers() {
        let ratios = [100.3, 0.017];
        let (multipliers, shift) = multipliers(ratios).unwrap();
        assert!(multipliers[0] > 1 << 21, "{multipliers:?} >> {shift}");
        for (ratio, multiplier) in ratios.iter().zip(multipliers) {
            let found = f64::from(multiplier) / f64::from(shift).exp2();
            assert!(255.0 * (found - ratio).abs() < MOST_ERROR / 2.0, "{found} for {ratio}");
        }
        assert_eq!(super::multipliers([1e12, 1.0]), Err(NumbersError::Ratio { ratio: 1e12 }));
    }
}
