//! Mean of each window, or of the whole input.

use std::fmt;

use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape as Dimensions, Tensor};
use infer_core::format::{Blob, Window};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::operator::{Arithmetic, Forward, FromFile, Operator, WeightShape};
use crate::network::autograd::{Recorded, values, with_values};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::rescale::{Multipliers, multipliers};
use crate::network::work::{Kernel, Work};

/// Mean of each window, or of the whole input; rows and columns that no whole window covers are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Height and width of the window, 1 to 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u8>,
    /// Rows and columns from one window to the next: as many as the window has, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<u8>,
    /// Whether the whole input is one window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub global: bool,
}

/// The windows of an average pool on an input.
#[derive(Clone, Copy)]
struct Windows {
    height: usize,
    width: usize,
    stride: usize,
}

impl AveragePool {
    fn windows(&self, input: Shape) -> Windows {
        match self.window.map(usize::from) {
            Some(side) => Windows { height: side, width: side, stride: self.stride.map_or(side, usize::from) },
            None => Windows { height: input.height.into(), width: input.width.into(), stride: 1 },
        }
    }
}

impl FromFile for AveragePool {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }
}

impl Operator for AveragePool {
    fn check(&self) -> Result<(), String> {
        match (self.window, self.stride, self.global) {
            (Some(window), _, false) if !(1..=7).contains(&window) => Err(format!("window {window} is not 1 to 7")),
            (Some(_), Some(0), false) => Err("its stride is 0".to_owned()),
            (Some(_), _, false) | (None, None, true) => Ok(()),
            (Some(_), _, true) | (None, Some(_), true) => Err("global = true has no window and no stride".to_owned()),
            (None, _, false) => Err("it has no window; give it window = 2, or global = true".to_owned()),
        }
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        let Windows { height, width, stride } = self.windows(input);
        let positions = |side: u16, window: usize| usize::from(side).checked_sub(window).map(|left| left / stride + 1);
        match (positions(input.height, height), positions(input.width, width)) {
            (Some(rows), Some(columns)) => {
                Ok(Shape { height: rows as u16, width: columns as u16, channels: input.channels })
            }
            (None, _) | (_, None) => Err(format!("a {height}x{width} window does not fit into it")),
        }
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

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        Recorded::one(&forward.input.contiguous()?, Means(*self))
    }

    fn quantized(&self, input: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        let Numbers::Codes { inputs, output: codes } = numbers else { return Err(NumbersError::Wrong) };
        let Windows { height, width, .. } = self.windows(input);
        let values = height * width;
        let ratio = f64::from(inputs.input.scale) / f64::from(codes.scale);
        let wrong = |ratio| NumbersError::Ratio { ratio };
        let Multipliers { shift, multipliers } = multipliers(&[ratio]).map_err(wrong)?;
        let multiplier = multipliers.first().copied().ok_or(NumbersError::Ratio { ratio })?;
        let steps = inputs.input.zero_point.max(255 - inputs.input.zero_point);
        // Both factors are small: at most 2^22 values are trained with, and a shift is above 0 for ratios over a half.
        let bound = (values as i64 * i64::from(steps)) << shift;
        if bound > i64::from(i32::MAX) {
            return Err(NumbersError::Overflow { bound });
        }
        let window = match self.window {
            Some(side) => Window::square(side, self.stride.unwrap_or(side)),
            None => Window::WHOLE,
        };
        let record = operators::AveragePool2d { window, codes, shift, multiplier: multiplier.to_le_bytes() };
        Ok(QuantizedLayer::Bare(operators::Layer::AveragePool2d(record)))
    }

    fn work(&self, input: Shape, output: Shape, _: bool) -> Work {
        let Windows { height, width, .. } = self.windows(input);
        let places = usize::from(output.height) * usize::from(output.width);
        let inputs = height * width * output.len();
        Work { kernel: Kernel::AveragePool, rows: 0, outputs: output.len(), inputs, places }
    }
}

impl From<&operators::AveragePool2d> for AveragePool {
    fn from(record: &operators::AveragePool2d) -> Self {
        if record.window == Window::WHOLE {
            return Self { window: None, stride: None, global: true };
        }
        let Window { size: [window, _], stride: [stride, _], .. } = record.window;
        Self { window: Some(window), stride: Some(stride), global: false }
    }
}

impl<'a> LayerRecord<'a> for operators::AveragePool2d {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::Codes(self.codes)
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for AveragePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.window, self.stride) {
            (None, _) => f.write_str("average-pool global"),
            (Some(window), Some(stride)) if stride != window => {
                write!(f, "average-pool {window}x{window} stride {stride}")
            }
            (Some(window), Some(_) | None) => write!(f, "average-pool {window}x{window}"),
        }
    }
}

/// `[n, height, width, channels]` to the means. Each value of a window gets the same share of the gradient of its mean.
struct Means(AveragePool);

impl Means {
    /// Calls `visit` with the first index of each channel's window in the order of the output, and the indices of the window from
    /// there on; the shape of the output.
    fn visit(&self, shape: &Dimensions, mut visit: impl FnMut(usize, &[usize])) -> CandleResult<Dimensions> {
        let (n, height, width, channels) = shape.dims4()?;
        let input = Shape { height: height as u16, width: width as u16, channels: channels as u16 };
        let Ok(output) = self.0.output(input) else { candle_core::bail!("{}: input {shape:?}", self.0) };
        let windows = self.0.windows(input);
        let rows = 0..windows.height;
        let offsets: Vec<usize> =
            rows.flat_map(|row| (0..windows.width).map(move |column| (row * width + column) * channels)).collect();
        let (rows, columns) = (usize::from(output.height), usize::from(output.width));
        for image in 0..n {
            for row in 0..rows {
                for column in 0..columns {
                    let corner = (image * height + row * windows.stride) * width + column * windows.stride;
                    (0..channels).for_each(|channel| visit(corner * channels + channel, &offsets));
                }
            }
        }
        Ok(Dimensions::from((n, rows, columns, channels)))
    }
}

impl CustomOp1 for Means {
    fn name(&self) -> &'static str {
        "average-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Dimensions)> {
        let x = values(x, layout)?;
        let mut means = Vec::new();
        let shape = self.visit(layout.shape(), |first, offsets| {
            means.push(offsets.iter().map(|offset| x[first + offset]).sum::<f32>() / offsets.len() as f32);
        })?;
        Ok((CpuStorage::F32(means), shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> CandleResult<Option<Tensor>> {
        let mut spread = vec![0.0; x.elem_count()];
        with_values(gradient, |gradient| {
            let mut gradient = gradient.iter();
            self.visit(x.shape(), |first, offsets| {
                let share = gradient.next().copied().unwrap_or(0.0) / offsets.len() as f32;
                offsets.iter().for_each(|offset| spread[first + offset] += share);
            })
        })?;
        Ok(Some(Tensor::from_vec(spread, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_a_window_or_global_and_says_what_is_missing() {
        let network = |pool: &str| {
            let text = format!(
                "name = \"mine\"\ninput = [9, 6, 2]\nlayers = [{{ average_pool = {pool} }}, {{ dense = {{}} }}]"
            );
            crate::network::Architecture::from_toml(&text)
        };
        let fits = [
            ("{ window = 3 }", "average-pool 3x3", [3, 2]),
            ("{ window = 3, stride = 3 }", "average-pool 3x3", [3, 2]),
            ("{ window = 4, stride = 2 }", "average-pool 4x4 stride 2", [3, 2]),
            ("{ global = true }", "average-pool global", [1, 1]),
        ];
        for (pool, name, [height, width]) in fits {
            let layer = &network(pool).unwrap().layers[0];
            assert_eq!(
                (layer.layer.to_string(), layer.output),
                (name.to_owned(), Shape { height, width, channels: 2 })
            );
        }
        let refused = [
            ("{}", "layer 0 (average-pool global): it has no window; give it window = 2, or global = true"),
            ("{ window = 8 }", "layer 0 (average-pool 8x8): window 8 is not 1 to 7"),
            ("{ window = 7 }", "layer 0 (average-pool 7x7): its input is 9x6x2; a 7x7 window does not fit into it"),
            ("{ window = 2, stride = 0 }", "its stride is 0"),
            ("{ window = 2, global = true }", "global = true has no window and no stride"),
        ];
        for (pool, reason) in refused {
            let message = network(pool).unwrap_err().to_string();
            assert!(message.ends_with(reason), "{message}");
        }
    }
}
