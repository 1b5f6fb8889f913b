//! Maximum of each 2x2 window, stride 2; after a convolution it is part of that one's stage.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Window};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, FromFile, Operator, WeightShape};
use crate::network::autograd::{self, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Maximum of each 2x2 window, stride 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {}

impl FromFile for MaxPool {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }
}

impl Operator for MaxPool {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        if input.height < 2 || input.width < 2 {
            return Err("a 2x2 window does not fit into it".to_owned());
        }
        Ok(Shape { height: input.height / 2, width: input.width / 2, channels: input.channels })
    }

    fn weights(&self, _: Shape) -> Option<WeightShape> {
        None
    }

    fn is_pool(&self) -> bool {
        true
    }

    fn absorbs_pool(&self) -> bool {
        false
    }

    fn takes_residual(&self) -> bool {
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::Choice
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        autograd::max_pool2d_recorded(forward.input)
    }

    fn quantized(&self, _: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Codes { .. } => {
                let pool = operators::MaxPool2d { window: Window::square(2, 2) };
                Ok(QuantizedLayer::Bare(operators::Layer::MaxPool2d(pool)))
            }
            Numbers::Requantized { .. } | Numbers::Logits { .. } => Err(NumbersError::Wrong),
        }
    }

    fn work(&self, _: Shape, output: Shape, _: bool) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        Work { kernel: Kernel::MaxPool, rows: 0, outputs: output.len(), inputs: 4 * output.len(), places }
    }
}

impl From<&operators::MaxPool2d> for MaxPool {
    fn from(_: &operators::MaxPool2d) -> Self {
        Self {}
    }
}

impl<'a> LayerRecord<'a> for operators::MaxPool2d {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::OfInput
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for MaxPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("max-pool 2x2")
    }
}
