//! Depthwise convolution: each channel of the input has kernels of its own, and no output sums up two channels.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Layout};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::convolution::{self, Convolution};
use super::operator::{Arithmetic, Forward, Operator, Variants, WeightShape, check_activation, then_activation};
use super::window::{Padding, Pair, Placed, Window};
use crate::network::autograd::Recorded;
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Depthwise convolution: output channel `c * multiplier + j` is computed from channel `c` of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv {
    /// Output channels of each input channel.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub multiplier: u8,
    /// Rows and columns of a kernel, 1 to 15 each.
    pub kernel: Pair,
    /// Rows and columns from one position of a kernel to the next, 1 to 4 each.
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

fn one() -> u8 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_one(multiplier: &u8) -> bool {
    *multiplier == 1
}

impl Default for DepthwiseConv {
    /// Of 1x1, without padding and activation.
    fn default() -> Self {
        Self {
            multiplier: 1,
            kernel: Pair::default(),
            stride: Pair::default(),
            padding: Padding::Valid,
            batch_norm: false,
            relu: false,
            relu6: false,
        }
    }
}

impl DepthwiseConv {
    fn window(&self) -> Window {
        Window { size: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Where its kernels lie, on an input that [`output`](Operator::output) accepts.
    fn placed(&self, input: Shape) -> Result<Placed, String> {
        self.window().on("kernel", input)
    }

    /// Whether chips have kernels of their own for it.
    fn has_kernels_of_3x3(&self) -> bool {
        let stride = self.stride.square().filter(|&stride| stride <= 2);
        self.kernel == Pair::both(3) && stride.is_some() && self.multiplier == 1
    }

    /// Values of a kernel.
    fn taps(&self) -> usize {
        usize::from(self.kernel.rows) * usize::from(self.kernel.columns)
    }
}

impl Variants for DepthwiseConv {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }

    fn widened(self, _: f64) -> Option<Self> {
        Some(self)
    }

    fn folded(self) -> Self {
        Self { batch_norm: false, ..self }
    }

    fn with_named_padding(self, input: Shape) -> Self {
        Self { padding: self.window().named_padding(input), ..self }
    }
}

impl Operator for DepthwiseConv {
    fn check(&self) -> Result<(), String> {
        if self.multiplier == 0 {
            return Err("its multiplier is 0".to_owned());
        }
        check_activation(self.relu, self.relu6)?;
        self.window().check("kernel", convolution::MOST_SIZE, convolution::MOST_STRIDE)
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        let channels = u32::from(input.channels) * u32::from(self.multiplier);
        let channels = u16::try_from(channels).map_err(|_| format!("it would have {channels} output channels"))?;
        Ok(self.placed(input)?.output(channels))
    }

    fn weights(&self, input: Shape) -> Option<WeightShape> {
        let [rows, columns] = self.kernel.axes().map(usize::from);
        let multiplier = usize::from(self.multiplier);
        let dimensions = vec![usize::from(input.channels) * multiplier, rows, columns, 1];
        Some(WeightShape { dimensions, fan_out: self.taps() * multiplier, batch_norm: self.batch_norm })
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
        Arithmetic::WeightedByChannel
    }

    fn is_homogeneous(&self) -> bool {
        !self.relu6
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        let convolution = Convolution {
            window: convolution::trained_window(self, &self.window(), forward.input)?,
            depthwise: true,
            activation: convolution::activation(self.relu, self.relu6),
        };
        convolution.forward(forward.parameters(self)?, &forward)
    }

    fn quantized(&self, input: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Requantized { requantize, weights } => Ok(QuantizedLayer::DepthwiseConv2d {
                multiplier: self.multiplier,
                window: self.placed(input).map_err(|_| NumbersError::Wrong)?.recorded(),
                relu: self.relu || self.relu6,
                requantize,
                layout: Layout::Compact,
                weights,
            }),
            Numbers::Codes { .. } | Numbers::Logits { .. } => Err(NumbersError::Wrong),
        }
    }

    fn has_layout(&self, layout: Layout, _: Shape) -> bool {
        matches!(layout, Layout::Compact | Layout::Vector)
    }

    fn work(&self, input: Shape, output: Shape, _: bool, layout: Layout) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let outputs = output.len();
        if layout == Layout::Vector {
            return self.vectors(input, output);
        }
        if self.has_kernels_of_3x3() {
            let rows = usize::from(output.height) * usize::from(output.channels);
            let columns = usize::from(self.stride.columns) * usize::from(output.width) + 2;
            // The first row, those inside and the last one meet other rows of the kernel: a channel begins once for each.
            let edges = usize::from(output.height.min(3)) * usize::from(output.channels);
            let kernel = Kernel::DepthwiseConv3x3;
            return Work { kernel, rows: 0, outputs, inputs: rows * columns, edges, runs: rows, places };
        }
        let over_edges = self.placed(input).map_or(0, |placed| placed.covered(input).over_edges);
        let values = usize::from(output.channels) * self.taps();
        let [inputs, edges] = [places, over_edges].map(|windows| windows * values);
        let runs = outputs * usize::from(self.kernel.rows);
        Work { kernel: Kernel::DepthwiseConv, rows: 0, outputs, inputs, edges, runs, places }
    }
}

impl DepthwiseConv {
    /// What a stage computes with weights in vectors: taps inside of the input, at two neighbors at a time where all columns of the
    /// kernel are inside. The positions that have no such neighbor are its edges.
    fn vectors(&self, input: Shape, output: Shape) -> Work {
        let padding = self.placed(input).map(|placed| placed.recorded()).ok();
        let [above, left] = padding.map_or([0; 2], |window| [window.above(), window.left()]).map(usize::from);
        // Of each position along an axis the taps that are inside.
        let inside = |positions: u16, stride: u8, padding: usize, size: u8, side: u16| -> Vec<usize> {
            let [stride, size] = [stride, size].map(usize::from);
            let taps =
                |start: usize| (start + size).min(usize::from(side) + padding).saturating_sub(start.max(padding));
            (0..usize::from(positions)).map(|position| taps(position * stride)).collect()
        };
        let rows = inside(output.height, self.stride.rows, above, self.kernel.rows, input.height);
        let columns = inside(output.width, self.stride.columns, left, self.kernel.columns, input.width);
        let whole = usize::from(self.kernel.columns);
        let neighbors = columns.iter().filter(|&&taps| taps == whole).count() / 2 * 2;
        let (rows, values): (usize, usize) = (rows.iter().sum(), columns.iter().sum());
        let channels = usize::from(output.channels);
        let (inputs, edges) = (rows * values * channels, rows * (values - neighbors * whole) * channels);
        let (runs, places) = (rows * columns.len() * channels, columns.len() * usize::from(output.height));
        Work { kernel: Kernel::VectorDepthwiseConv, rows: 0, outputs: output.len(), inputs, edges, runs, places }
    }
}

impl From<&operators::DepthwiseConv2d<'_>> for DepthwiseConv {
    fn from(record: &operators::DepthwiseConv2d<'_>) -> Self {
        let Window { size: kernel, stride, padding } = Window::from(&record.window);
        let (multiplier, relu) = (record.multiplier, record.requantize.relu);
        Self { multiplier, kernel, stride, padding, relu, batch_norm: false, relu6: false }
    }
}

impl<'a> LayerRecord<'a> for operators::DepthwiseConv2d<'a> {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::of_convolution(self.requantize)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        vec![&mut self.requantize.channels, &mut self.weights]
    }
}

impl fmt::Display for DepthwiseConv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { multiplier, kernel, relu, relu6, .. } = *self;
        write!(f, "depthwise {kernel}")?;
        if multiplier != 1 {
            write!(f, "x{multiplier}")?;
        }
        write!(f, " {}", self.window().shown())?;
        f.write_str(&then_activation(self.batch_norm, relu, relu6))
    }
}
