//! Sum of two inputs of one shape, with ReLU: where a residual joins the layers that it was led around.

use std::fmt;

use candle_core::{CpuStorage, CustomOp2, Layout, Result as CandleResult, Shape as Dimensions, Tensor};
use infer_core::format::Blob;
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, FromFile, Operator, WeightShape, then_relu};
use crate::network::autograd::{Recorded, values, with_values};
use crate::network::inputs::Inputs;
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Sum of input and residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Whether ReLU follows.
    #[serde(default)]
    pub relu: bool,
}

impl FromFile for Add {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }
}

impl Operator for Add {
    fn check(&self) -> Result<(), String> {
        Ok(())
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

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        let sum = Sum { relu: self.relu };
        Recorded::two(&forward.input.contiguous()?, &forward.residual(self)?.contiguous()?, sum)
    }

    fn quantized(&self, _: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        let Numbers::Codes { inputs: Inputs { input, residual: Some(residual) }, output: codes } = numbers else {
            return Err(NumbersError::Wrong);
        };
        let ratios = [input, residual].map(|input| f64::from(input.scale) / f64::from(codes.scale));
        let (multipliers, shift) = multipliers(ratios)?;
        let record = operators::Add { codes, relu: self.relu, multipliers, shift };
        Ok(QuantizedLayer::Bare(operators::Layer::Add(record)))
    }

    fn work(&self, _: Shape, output: Shape, _: bool) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        Work { kernel: Kernel::Add, rows: 0, outputs: output.len(), inputs: 2 * output.len(), places }
    }
}

impl From<&operators::Add> for Add {
    fn from(record: &operators::Add) -> Self {
        Self { relu: record.relu }
    }
}

impl<'a> LayerRecord<'a> for operators::Add {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Codes(self.codes)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add{}", then_relu(self.relu))
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

/// The sum of two tensors of one shape. Both have the same gradient: that of the sum, where ReLU lets it pass.
struct Sum {
    relu: bool,
}

impl CustomOp2 for Sum {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> CandleResult<(CpuStorage, Dimensions)> {
        let shape = input_layout.shape();
        if shape != residual_layout.shape() {
            candle_core::bail!("add: {shape:?} and {:?}", residual_layout.shape());
        }
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let pairs = values(input, input_layout)?.iter().zip(values(residual, residual_layout)?);
        Ok((CpuStorage::F32(pairs.map(|(input, residual)| (input + residual).max(floor)).collect()), shape.clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        if !self.relu {
            return Ok((Some(gradient.clone()), Some(gradient.clone())));
        }
        let passing = with_values(output, |output| {
            with_values(gradient, |gradient| {
                let pairs = output.iter().zip(gradient);
                Ok(pairs.map(|(&output, &gradient)| if output > 0.0 { gradient } else { 0.0 }).collect::<Vec<_>>())
            })
        })?;
        let passing = Tensor::from_vec(passing, output.shape(), output.device())?;
        Ok((Some(passing.clone()), Some(passing)))
    }
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
