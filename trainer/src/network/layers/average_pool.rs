//! Mean of each window, or of the whole input.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Codes, Layout, Requantize, Window};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::convolution::shape_of;
use super::operator::{Arithmetic, Forward, Operator, Variants, WeightShape};
use super::pool::Pool;
use super::window::{Covered, Placed};
use crate::network::autograd::{self, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Requantization, Rounding, Scaling};
use crate::network::requantize::{Multipliers, Scaled, multipliers};
use crate::network::work::{Kernel, Work};

/// Mean of the values of each window that are inside the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AveragePool(pub Pool);

impl AveragePool {
    fn placed(&self, input: Shape) -> Result<Placed, String> {
        self.0.on(None, input)
    }

    /// The mean of signed codes, a half away from zero: [`operators::AveragePool2d::ABOUT_128`].
    ///
    /// `2^30` is the ratio of equal scales, and as much more as a window has values makes the share of one a step larger: enough for a half to be
    /// beyond the middle. Any other mean of `n` values is `1 / 2n` off a middle at least. The steps and their rounding change it by less than
    /// `128 n * 2^2 * 2^-32 * (1 + values / n)`, which is below that where `values^2` is below `2^21`.
    fn rounded_as_tflite(&self, placed: &Placed, input: Codes, codes: Codes) -> Result<QuantizedLayer, NumbersError> {
        let values = placed.values();
        if input != codes {
            return Err(NumbersError::Ratio { ratio: f64::from(input.scale) / f64::from(codes.scale) });
        }
        if values > 1024 {
            return Err(NumbersError::Overflow { bound: values as i64 * 255 });
        }
        let (shift, multiplier) = (2, (1 << 30) + values as i32);
        let shift = shift | operators::AveragePool2d::ABOUT_128;
        let window = self.0.recorded(placed);
        let record = operators::AveragePool2d { window, codes, shift, multiplier: multiplier.to_le_bytes() };
        Ok(QuantizedLayer::Bare(operators::Layer::AveragePool2d(record)))
    }
}

/// TFLite's MEAN over height and width, which rounds sums twice, as its convolutions do: a depthwise convolution of ones.
///
/// Its multiplier is that of the scales, over the number of values and rounded down.
fn mean_rounded_as_tflite(input: Shape, from: Codes, to: Codes) -> Result<QuantizedLayer, NumbersError> {
    let [Ok(rows @ 1..=15), Ok(columns @ 1..=15)] = [input.height, input.width].map(u8::try_from) else {
        return Err(NumbersError::Mean { rows: input.height, columns: input.width });
    };
    let ratio = f64::from(from.scale) / f64::from(to.scale);
    let Scaled { multiplier, shift } = Scaled::of(ratio).map_err(|ratio| NumbersError::Ratio { ratio })?;
    let values = i32::from(rows) * i32::from(columns);
    let more = (values.ilog2() as i32).min(31 - shift);
    let multiplier = ((i64::from(multiplier) << more) / i64::from(values)) as i32;
    let shift = shift + more;
    let bound = (255 * i64::from(values)) << shift.min(0).unsigned_abs();
    if bound > i64::from(i32::MAX) {
        return Err(NumbersError::Overflow { bound });
    }
    let channels = usize::from(input.channels);
    let words = [-values * i32::from(from.zero_point), multiplier, shift];
    let words = words.into_iter().flat_map(|word| std::iter::repeat_n(word, channels));
    let channels = words.flat_map(i32::to_le_bytes).collect();
    Ok(QuantizedLayer::DepthwiseConv2d {
        multiplier: 1,
        window: Window { size: [rows, columns], ..Window::square(1, 1) },
        relu: false,
        requantize: Requantization { codes: to, shift: Requantize::TWICE, channels },
        layout: Layout::Compact,
        weights: vec![1; input.len()],
    })
}

impl Variants for AveragePool {
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

    fn with_named_padding(self, input: Shape) -> Self {
        Self(self.0.with_named_padding(None, input))
    }
}

impl Operator for AveragePool {
    fn check(&self) -> Result<(), String> {
        self.0.check(None)
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(self.placed(input)?.output(input.channels))
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
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::ByChannel
    }

    fn is_homogeneous(&self) -> bool {
        true
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        match self.placed(shape_of(forward.input)?) {
            Ok(placed) => autograd::pool_average_recorded(&forward.input.tensor()?.contiguous()?, placed.trained()),
            Err(reason) => candle_core::bail!("{self}: input {:?}: {reason}", forward.input.shape()),
        }
    }

    fn quantized(&self, input: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        let Numbers::Codes { inputs, output: codes, rounding } = numbers else { return Err(NumbersError::Wrong) };
        let placed = self.placed(input).map_err(|_| NumbersError::Wrong)?;
        if rounding == Rounding::Twice {
            return match self.0.global {
                true => mean_rounded_as_tflite(input, inputs.input, codes),
                false => self.rounded_as_tflite(&placed, inputs.input, codes),
            };
        }
        // That of a window of one value: the kernel divides it by the values of a window.
        let ratio = f64::from(inputs.input.scale) / f64::from(codes.scale);
        let wrong = |ratio| NumbersError::Ratio { ratio };
        let Multipliers { shift, multipliers } = multipliers(&[ratio]).map_err(wrong)?;
        let multiplier = multipliers.first().copied().ok_or(NumbersError::Ratio { ratio })?;
        let steps = inputs.input.zero_point.max(255 - inputs.input.zero_point);
        // Both factors are small: at most 2^22 values are trained with, and a shift is above 0 for ratios over a half.
        let bound = (placed.values() as i64 * i64::from(steps)) << shift;
        if bound > i64::from(i32::MAX) {
            return Err(NumbersError::Overflow { bound });
        }
        let window = self.0.recorded(&placed);
        let record = operators::AveragePool2d { window, codes, shift, multiplier: multiplier.to_le_bytes() };
        Ok(QuantizedLayer::Bare(operators::Layer::AveragePool2d(record)))
    }

    fn has_layout(&self, layout: Layout, _: Shape) -> bool {
        layout == Layout::Compact
    }

    fn work(&self, input: Shape, output: Shape, _: bool, _: Layout) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let Covered { values, rows, .. } = self.placed(input).map(|placed| placed.covered(input)).unwrap_or_default();
        // One channel after the other.
        let [inputs, runs] = [values, rows].map(|count| count * usize::from(input.channels));
        Work { kernel: Kernel::AveragePool, rows: 0, outputs: output.len(), inputs, edges: 0, runs, places }
    }
}

impl From<&operators::AveragePool2d> for AveragePool {
    fn from(record: &operators::AveragePool2d) -> Self {
        Self(Pool::from(&record.window))
    }
}

impl<'a> LayerRecord<'a> for operators::AveragePool2d {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Codes { codes: self.codes, roundings: 1 }
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for AveragePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("average-pool")?;
        self.0.shown(None, f)
    }
}
