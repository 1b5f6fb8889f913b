//! Two-dimensional convolution, alone or with the 2x2 max-pool after it.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Layout};
use infer_core::packing::vector::CODES_PER_VECTOR;
use infer_core::packing::winograd;
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::convolution::{self, Convolution};
use super::operator::{
    Arithmetic, Forward, Operator, Variants, WeightShape, check_activation, then_activation, widened,
};
use super::window::{Padding, Pair, Placed, Window};
use crate::network::autograd::{self, Conv2dOptions, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Two-dimensional convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels of its output.
    pub channels: u16,
    /// Rows and columns of the kernel, 1 to 15 each.
    pub kernel: Pair,
    /// Rows and columns from one position of the kernel to the next, 1 to 4 each.
    #[serde(default, skip_serializing_if = "Pair::is_one")]
    pub stride: Pair,
    /// What surrounds its input.
    pub padding: Padding,
    /// Whether its outputs are normalized over the batch in training. It is folded into the weights after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batch_norm: bool,
    /// Whether ReLU follows.
    #[serde(default)]
    pub relu: bool,
    /// Whether ReLU6 follows: ReLU that ends at 6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relu6: bool,
}

impl Conv {
    /// A convolution of stride 1 with a square kernel.
    #[must_use]
    pub fn square(channels: u16, kernel: u8, padding: Padding, relu: bool) -> Self {
        Self { channels, kernel: Pair::both(kernel), padding, relu, ..Self::default() }
    }

    fn window(&self) -> Window {
        Window { size: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Where its kernel lies, on an input that [`output`](Operator::output) accepts.
    fn placed(&self, input: Shape) -> Result<Placed, String> {
        self.window().on("kernel", input)
    }

    /// Whether its kernel is square and moves by one row and one column: what a pool can be computed with.
    fn is_plain(&self) -> bool {
        self.kernel.square().is_some() && self.stride.is_one()
    }

    /// What a stage computes with transformed weights: 16 products of each input channel and row at each tile.
    fn winograd(&self, input: Shape, output: Shape, fused: bool) -> Work {
        let sides = [output.height, output.width].map(usize::from);
        let (kernel, [rows, columns]) =
            if fused { (Kernel::WinogradPool, sides) } else { (Kernel::Winograd, sides.map(|side| side.div_ceil(2))) };
        let tiles = rows * columns;
        let inputs = tiles * winograd::PRODUCTS * usize::from(input.channels);
        let rows = self.channels.into();
        Work { kernel, rows, outputs: output.len(), inputs, edges: 0, runs: 0, places: tiles }
    }

    /// What a stage computes with weights in vectors.
    fn vectors(&self, input: Shape, output: Shape, fused: bool) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let [rows, columns] = self.kernel.axes().map(usize::from);
        let (kernel, positions) = if fused { (Kernel::VectorConvPool, 4) } else { (Kernel::VectorConv, 1) };
        let placed = self.placed(input).ok();
        let placed = if fused { placed.map(|placed| placed.pooled(output)) } else { placed };
        let over_edges = placed.map_or(0, |placed| placed.covered(input).over_edges);
        let values = positions * (rows * columns * usize::from(input.channels)).next_multiple_of(CODES_PER_VECTOR);
        let (inputs, edges, runs) = (values * places, values * over_edges, positions * places * rows);
        Work { kernel, rows: self.channels.into(), outputs: output.len(), inputs, edges, runs, places }
    }

    /// The options of the operation that computes ReLU and pool with the convolution, if it is one that this does.
    fn fused_options(&self, forward: &Forward<'_>) -> Option<Conv2dOptions> {
        let Forward { fused: pool, input_gradient, .. } = *forward;
        let padding = match self.padding {
            Padding::Valid => autograd::Padding::Valid,
            Padding::Same => autograd::Padding::Same,
            Padding::Explicit { .. } => return None,
        };
        let is_covered = self.is_plain() && !self.relu6;
        is_covered.then_some(Conv2dOptions { padding, relu: self.relu, pool, input_gradient })
    }
}

impl Variants for Conv {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }

    fn widened(self, width: f64) -> Option<Self> {
        Some(Self { channels: widened(self.channels, width)?, ..self })
    }

    fn folded(self) -> Self {
        Self { batch_norm: false, ..self }
    }

    fn with_named_padding(self, input: Shape) -> Self {
        Self { padding: self.window().named_padding(input), ..self }
    }
}

impl Operator for Conv {
    fn check(&self) -> Result<(), String> {
        if self.channels == 0 {
            return Err("it has no output channels".to_owned());
        }
        check_activation(self.relu, self.relu6)?;
        self.window().check("kernel", convolution::MOST_SIZE, convolution::MOST_STRIDE)
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(self.placed(input)?.output(self.channels))
    }

    fn weights(&self, input: Shape) -> Option<WeightShape> {
        let [rows, columns] = self.kernel.axes().map(usize::from);
        let channels = usize::from(self.channels);
        let dimensions = vec![channels, rows, columns, input.channels.into()];
        Some(WeightShape { dimensions, fan_out: rows * columns * channels, batch_norm: self.batch_norm })
    }

    fn is_pool(&self) -> bool {
        false
    }

    fn absorbs_pool(&self) -> bool {
        self.is_plain()
    }

    fn takes_residual(&self) -> bool {
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::Weighted
    }

    fn is_homogeneous(&self) -> bool {
        !self.relu6
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        let parameters = forward.parameters(self)?;
        match self.fused_options(&forward) {
            Some(options) if parameters.normalized.is_none() => {
                autograd::conv2d_recorded(&forward.input.tensor()?, &parameters.weight, &parameters.bias, options)
            }
            Some(_) | None => {
                let convolution = Convolution {
                    window: convolution::trained_window(self, &self.window(), forward.input)?,
                    depthwise: false,
                    activation: convolution::activation(self.relu, self.relu6),
                };
                let recorded = convolution.forward(parameters, &forward)?;
                if !forward.fused {
                    return Ok(recorded);
                }
                let pool = autograd::max_pool2d_recorded(&recorded.output.tensor()?)?;
                Ok(recorded.then(pool))
            }
        }
    }

    fn quantized(&self, input: Shape, numbers: Numbers, fused: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Requantized { requantize, weights } => Ok(QuantizedLayer::Conv2d {
                output_channels: self.channels,
                window: self.placed(input).map_err(|_| NumbersError::Wrong)?.recorded(),
                pool: fused,
                relu: self.relu || self.relu6,
                requantize,
                layout: Layout::Compact,
                weights,
            }),
            Numbers::Codes { .. } | Numbers::Logits { .. } => Err(NumbersError::Wrong),
        }
    }

    fn has_layout(&self, layout: Layout, input: Shape) -> bool {
        match layout {
            Layout::Compact | Layout::Vector => true,
            Layout::Winograd => {
                self.kernel == Pair::both(3) && self.stride.is_one() && winograd::takes_channels(input.channels)
            }
        }
    }

    fn work(&self, input: Shape, output: Shape, fused: bool, layout: Layout) -> Work {
        match layout {
            Layout::Compact => {}
            Layout::Winograd => return self.winograd(input, output, fused),
            Layout::Vector => return self.vectors(input, output, fused),
        }
        let places = usize::from(output.height) * usize::from(output.width);
        let [rows, columns] = self.kernel.axes().map(usize::from);
        let channels = usize::from(input.channels);
        let (kernel, positions, inputs, edges) = if fused {
            // The codes at the four positions of a pool are gathered at once, padding among them.
            let values = 4 * rows * columns * channels;
            let over_edges = self.placed(input).map_or(0, |placed| placed.pooled(output).covered(input).over_edges);
            (Kernel::ConvPool, 4 * places, values * places, values * over_edges)
        } else {
            // Padding is skipped as zeros are. The estimate takes it for the code 0, which it is but after a layer without ReLU.
            let values = self.placed(input).map_or(0, |placed| placed.covered(input).values);
            (Kernel::Conv, places, values * channels, 0)
        };
        let (outputs, runs) = (output.len(), positions * rows);
        Work { kernel, rows: self.channels.into(), outputs, inputs, edges, runs, places }
    }
}

impl From<&operators::Conv2d<'_>> for Conv {
    fn from(record: &operators::Conv2d<'_>) -> Self {
        let Window { size: kernel, stride, padding } = Window::from(&record.window);
        let (channels, relu) = (record.output_channels, record.requantize.relu);
        Self { channels, kernel, stride, padding, relu, batch_norm: false, relu6: false }
    }
}

impl<'a> LayerRecord<'a> for operators::Conv2d<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::of_convolution(self.requantize)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.requantize.channels, &mut self.weights]
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, kernel, relu, relu6, .. } = *self;
        write!(f, "conv {kernel}x{channels} {}", self.window().shown())?;
        f.write_str(&then_activation(self.batch_norm, relu, relu6))
    }
}
