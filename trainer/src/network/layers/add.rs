//! Sum of two inputs of one shape, with ReLU: where a residual joins the layers that it was led around.

use std::fmt;

use candle_core::{CpuStorage, CustomOp2, Layout, Result as CandleResult, Shape as Dimensions, Tensor};
use infer_core::Shape;
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, FromFile, Operator, WeightShape, then_relu};
use crate::network::autograd::{Recorded, values, with_values};
use crate::network::record::{Numbers, QuantizedLayer, WrongNumbers};
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
        Arithmetic::Sum
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        let sum = Sum { relu: self.relu };
        Recorded::two(&forward.input.contiguous()?, &forward.residual(self)?.contiguous()?, sum)
    }

    fn quantized(&self, _: Numbers) -> Result<QuantizedLayer, WrongNumbers> {
        Err(WrongNumbers::of(self))
    }

    fn work(&self, _: Shape, output: Shape, _: bool) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        Work { kernel: Kernel::Add, rows: 0, outputs: output.len(), inputs: 2 * output.len(), places }
    }
}

impl fmt::Display for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add{}", then_relu(self.relu))
    }
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
