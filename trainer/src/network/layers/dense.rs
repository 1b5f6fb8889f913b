//! Fully connected layer; the last layer of a network is one, whose output is the logits.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Layout};
use infer_core::packing::vector::CODES_PER_VECTOR;
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, LayerTensors, Operator, Variants, WeightShape, then_activation, widened};
use crate::network::autograd::{self, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Values of its output.
    pub outputs: u16,
    /// Whether ReLU follows.
    #[serde(default)]
    pub relu: bool,
}

/// A dense layer as it is in a file: the last one may leave its outputs to the data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::network) struct FileDense {
    pub outputs: Option<u16>,
    #[serde(default)]
    pub relu: bool,
}

impl Variants for Dense {
    type File = FileDense;

    fn from_file(FileDense { outputs, relu }: FileDense) -> Option<Self> {
        outputs.map(|outputs| Self { outputs, relu })
    }

    fn widened(self, width: f64) -> Option<Self> {
        Some(Self { outputs: widened(self.outputs, width)?, ..self })
    }

    fn folded(self) -> Self {
        self
    }

    fn with_named_padding(self, _: Shape) -> Self {
        self
    }
}

impl Operator for Dense {
    fn check(&self) -> Result<(), String> {
        if self.outputs == 0 { Err("it has no outputs".to_owned()) } else { Ok(()) }
    }

    fn output(&self, _: Shape) -> Result<Shape, String> {
        Ok(Shape::flat(self.outputs))
    }

    fn weights(&self, input: Shape) -> Option<WeightShape> {
        let outputs = usize::from(self.outputs);
        Some(WeightShape { dimensions: vec![outputs, input.len()], fan_out: outputs, batch_norm: false })
    }

    fn is_pool(&self) -> bool {
        false
    }

    fn absorbs_pool(&self) -> bool {
        false
    }

    fn takes_residual(&self) -> bool {
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::Weighted
    }

    fn is_homogeneous(&self) -> bool {
        true
    }

    fn takes_dropout(&self) -> bool {
        true
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        let LayerTensors { weight, bias, .. } = forward.parameters(self)?;
        autograd::dense_recorded(
            &forward.input.tensor()?.flatten_from(1)?,
            weight,
            bias,
            self.relu,
            forward.input_gradient,
        )
    }

    fn quantized(&self, _: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Requantized { requantize, weights } => Ok(QuantizedLayer::Dense {
                outputs: self.outputs,
                relu: self.relu,
                requantize,
                layout: Layout::Compact,
                weights,
            }),
            Numbers::Logits { scale, biases, weights } => {
                Ok(QuantizedLayer::Logits { classes: self.outputs, scale, biases, layout: Layout::Compact, weights })
            }
            Numbers::Codes { .. } => Err(NumbersError::Wrong),
        }
    }

    fn has_layout(&self, layout: Layout, _: Shape) -> bool {
        matches!(layout, Layout::Compact | Layout::Vector)
    }

    fn work(&self, input: Shape, output: Shape, _: bool, layout: Layout) -> Work {
        let rows = self.outputs.into();
        let (kernel, inputs) = match layout {
            Layout::Vector => (Kernel::VectorDense, input.len().next_multiple_of(CODES_PER_VECTOR)),
            Layout::Compact | Layout::Winograd => (Kernel::Dense, input.len()),
        };
        Work { kernel, rows, outputs: output.len(), inputs, edges: 0, runs: 0, places: 1 }
    }
}

impl From<&operators::Dense<'_>> for Dense {
    fn from(record: &operators::Dense<'_>) -> Self {
        Self { outputs: record.outputs, relu: record.requantize.relu }
    }
}

impl<'a> LayerRecord<'a> for operators::Dense<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Requantized { requantize: self.requantize, roundings: 1 }
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.requantize.channels, &mut self.weights]
    }
}

impl From<&operators::Logits<'_>> for Dense {
    fn from(record: &operators::Logits<'_>) -> Self {
        Self { outputs: record.classes, relu: false }
    }
}

impl<'a> LayerRecord<'a> for operators::Logits<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Logits(self.scale)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.biases, &mut self.weights]
    }
}

impl fmt::Display for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dense {}{}", self.outputs, then_activation(false, self.relu, false))
    }
}
