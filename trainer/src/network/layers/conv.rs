//! Two-dimensional convolution, stride 1, alone or with the 2x2 max-pool after it.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Window};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, FromFile, Operator, WeightShape, then_relu};
use crate::network::autograd::{self, Conv2dOptions, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Two-dimensional convolution, stride 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels it puts out.
    pub channels: u16,
    /// Height and width of the kernel, 1 to 7.
    pub kernel: u8,
    /// What surrounds its input.
    pub padding: Padding,
    /// Whether ReLU follows.
    #[serde(default)]
    pub relu: bool,
}

/// What surrounds a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Nothing: the output is `kernel - 1` smaller than the input.
    Valid,
    /// Zeros: the output is as large as the input.
    Same,
}

impl Conv {
    fn window(&self) -> Window {
        let (before, after) = match self.padding {
            Padding::Valid => (0, 0),
            Padding::Same => ((self.kernel - 1) / 2, self.kernel / 2),
        };
        Window { padding: [before, before, after, after], ..Window::square(self.kernel, 1) }
    }
}

impl FromFile for Conv {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }
}

impl Operator for Conv {
    fn check(&self) -> Result<(), String> {
        match *self {
            Self { channels: 0, .. } => Err("it has no output channels".to_owned()),
            Self { kernel, .. } if !(1..=7).contains(&kernel) => Err(format!("kernel {kernel} is not 1 to 7")),
            Self { .. } => Ok(()),
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        let Self { channels, kernel, padding, .. } = *self;
        match padding {
            Padding::Same => Ok(Shape { channels, ..input }),
            Padding::Valid => {
                let smaller = |side: u16| side.checked_sub(u16::from(kernel) - 1).filter(|&side| side > 0);
                match (smaller(input.height), smaller(input.width)) {
                    (Some(height), Some(width)) => Ok(Shape { height, width, channels }),
                    (None, _) | (_, None) => Err(format!("a kernel of {kernel}x{kernel} does not fit into it")),
                }
            }
        }
    }

    fn weights(&self, input: Shape) -> Option<WeightShape> {
        let (channels, kernel) = (usize::from(self.channels), usize::from(self.kernel));
        let dimensions = vec![channels, kernel, kernel, input.channels.into()];
        Some(WeightShape { dimensions, fan_out: kernel.pow(2) * channels })
    }

    fn is_pool(&self) -> bool {
        false
    }

    fn absorbs_pool(&self) -> bool {
        true
    }

    fn takes_residual(&self) -> bool {
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::Weighted
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        let (weight, bias) = forward.parameters(self)?;
        let padding = match self.padding {
            Padding::Valid => autograd::Padding::Valid,
            Padding::Same => autograd::Padding::Same,
        };
        let Forward { fused, input_gradient, .. } = forward;
        let options = Conv2dOptions { padding, relu: self.relu, pool: fused, input_gradient };
        autograd::conv2d_recorded(forward.input, weight, bias, options)
    }

    fn quantized(&self, _: Shape, numbers: Numbers, fused: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Requantized { rescale, weights } => Ok(QuantizedLayer::Conv2d {
                output_channels: self.channels,
                window: self.window(),
                pool: fused,
                relu: self.relu,
                rescale,
                weights,
            }),
            Numbers::Codes { .. } | Numbers::Logits { .. } => Err(NumbersError::Wrong),
        }
    }

    fn work(&self, input: Shape, output: Shape, fused: bool) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let (kernel, positions) = if fused { (Kernel::ConvPool, 4 * places) } else { (Kernel::Conv, places) };
        let fan_in = usize::from(self.kernel).pow(2) * usize::from(input.channels);
        Work { kernel, rows: self.channels.into(), outputs: output.len(), inputs: positions * fan_in, places }
    }
}

impl From<&operators::Conv2d<'_>> for Conv {
    fn from(record: &operators::Conv2d<'_>) -> Self {
        Self {
            channels: record.output_channels,
            kernel: record.window.size[0],
            padding: if record.window.padding == [0; 4] { Padding::Valid } else { Padding::Same },
            relu: record.requantize.relu,
        }
    }
}

/// For listings of files, until networks with such layers are trained.
impl From<&operators::DepthwiseConv2d<'_>> for Conv {
    fn from(record: &operators::DepthwiseConv2d<'_>) -> Self {
        let padding = if record.window.padding == [0; 4] { Padding::Valid } else { Padding::Same };
        Self {
            channels: record.multiplier.into(),
            kernel: record.window.size[0],
            padding,
            relu: record.requantize.relu,
        }
    }
}

impl<'a> LayerRecord<'a> for operators::DepthwiseConv2d<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Requantized(self.requantize)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.requantize.channels, &mut self.weights]
    }
}

impl<'a> LayerRecord<'a> for operators::Conv2d<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Requantized(self.requantize)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.requantize.channels, &mut self.weights]
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, kernel, padding, relu } = *self;
        let padding = match padding {
            Padding::Valid => "valid",
            Padding::Same => "same",
        };
        write!(f, "conv {kernel}x{kernel}x{channels} {padding}{}", then_relu(relu))
    }
}
