//! Layers with windows: convolutions and pools.

use super::{Builder, Stopped, Value, side, stop, stop_at};
use crate::import::graph::{Activation, Operator, Windows};
use crate::network::layers::AveragePool;
use crate::network::layers::convolution::MOST_SIZE;
use crate::network::{Conv, DepthwiseConv, Layer, MaxPool, Padding, Pair, Pool};

impl Builder<'_, '_> {
    pub(super) fn conv(
        &mut self,
        operator: &Operator,
        windows: Windows,
        activation: Activation,
        depthwise: bool,
    ) -> Result<(), Stopped> {
        let value = self.spatial(operator, 0)?;
        let Some((weights_index, tensor)) = self.constant(operator, 1)? else { return stop("it has no weights") };
        let [first, rows, columns, last] = tensor.dimensions[..] else {
            return stop_at(weights_index, "weights of a convolution have four dimensions");
        };
        let channels = value.shape[2];
        let outputs = if depthwise { last } else { first };
        let fits = if depthwise { first == 1 && channels > 0 && last % channels == 0 } else { last == channels };
        if !fits || outputs == 0 {
            let reason =
                format!("weights that do not fit {channels} input channels; groups of channels are not supported");
            return stop_at(weights_index, reason);
        }
        // With one input channel both are the same, and the kernels of a convolution are faster.
        let is_depthwise = depthwise && channels > 1;
        let mut rows_of_weights = self.rows(operator, &value, outputs, if depthwise { 3 } else { 0 })?;
        let size = [rows, columns];
        let stride = byte_pair(windows.stride, "a stride")?;
        let dilation = byte_pair(windows.dilation, "a dilation")?;
        let spread = [0, 1].map(|axis| (size[axis].max(1) - 1) * usize::from(dilation.axes()[axis]) + 1);
        if spread != size {
            let inner = if depthwise { 1 } else { channels };
            rows_of_weights.dilate(size, dilation.axes().map(usize::from), inner);
        }
        if spread.iter().any(|&side| side > usize::from(MOST_SIZE)) {
            let of = match spread == size {
                true => String::new(),
                false => format!(", which is {rows}x{columns} with a dilation of {dilation}"),
            };
            return stop(format!("a kernel of {}x{}{of}; kernels have 15x15 taps at most", spread[0], spread[1]));
        }
        let kernel = Pair { rows: spread[0] as u8, columns: spread[1] as u8 };
        let (padding, shape) = self.placed(&value, spread, windows, outputs)?;
        let (codes, relu, relu6) = self.after(operator, activation)?;
        let layer = if is_depthwise {
            let multiplier = u8::try_from(outputs / channels).or_else(|_| {
                stop(format!("{} output channels for each input channel, and at most 255", outputs / channels))
            })?;
            Layer::DepthwiseConv(DepthwiseConv {
                multiplier,
                kernel,
                stride,
                padding,
                relu,
                relu6,
                ..DepthwiseConv::default()
            })
        } else {
            Layer::Conv(Conv {
                channels: side(outputs, "output channels")?,
                kernel,
                stride,
                padding,
                relu,
                relu6,
                ..Conv::default()
            })
        };
        self.push(operator, &[&value], layer, Some(rows_of_weights), shape, codes)
    }

    /// Padding and output of windows on an activation.
    pub(super) fn placed(
        &self,
        value: &Value,
        size: [usize; 2],
        windows: Windows,
        channels: usize,
    ) -> Result<(Padding, [usize; 3]), Stopped> {
        let [above, left, below, right] = value.padding;
        let is_padded = value.padding != [0; 4];
        if is_padded && windows.is_same {
            return stop("it is padded twice, by PAD and by its own padding; use one of them");
        }
        let strides = [0, 1].map(|axis| usize::try_from(windows.stride[axis]).unwrap_or(0).max(1));
        let padded = [value.shape[0] + above + below, value.shape[1] + left + right];
        let positions = |axis: usize| match windows.is_same {
            true => Some(padded[axis].div_ceil(strides[axis])),
            false => padded[axis].checked_sub(size[axis]).map(|rest| rest / strides[axis] + 1),
        };
        let (Some(rows), Some(columns)) = (positions(0), positions(1)) else {
            return stop(format!("windows of {}x{} on {}x{}", size[0], size[1], padded[0], padded[1]));
        };
        let padding = match windows.is_same {
            true => Padding::Same,
            false if !is_padded => Padding::Valid,
            false => {
                let side = |side: usize| u8::try_from(side).or_else(|_| stop(format!("padding of {side}")));
                Padding::Explicit { above: side(above)?, left: side(left)?, below: side(below)?, right: side(right)? }
            }
        };
        Ok((padding, [rows, columns, channels]))
    }

    pub(super) fn pool(
        &mut self,
        operator: &Operator,
        windows: Windows,
        activation: Activation,
        is_maximum: bool,
    ) -> Result<(), Stopped> {
        let value = self.spatial(operator, 0)?;
        let size = byte_pair(windows.size, "a window side")?;
        let stride = byte_pair(windows.stride, "a stride")?;
        if value.padding != [0; 4] {
            return stop("PAD before a pool: zeros would count in its windows; use the pool's own padding");
        }
        let (padding, shape) = self.placed(&value, size.axes().map(usize::from), windows, value.shape[2])?;
        let (codes, relu, relu6) = self.after(operator, activation)?;
        if (relu || relu6) && codes.is_none() {
            return stop("an activation after a pool is not supported; put it before the pool");
        }
        let pool = Pool { window: Some(size), stride: (stride != size).then_some(stride), padding, global: false };
        if is_maximum && codes != value.codes {
            return stop("a maximum whose output has other codes than its input; convert the network again");
        }
        let layer = if is_maximum { Layer::MaxPool(MaxPool(pool)) } else { Layer::AveragePool(AveragePool(pool)) };
        self.push(operator, &[&value], layer, None, shape, codes)
    }

    pub(super) fn mean(&mut self, operator: &Operator) -> Result<(), Stopped> {
        // With a height of 1, as of Conv1D, height and width may be one dimension.
        let value = match self.value(operator, 0)? {
            value if value.shape[0] == 1 && value.dimensions == value.shape[1..] => value,
            _ => self.spatial(operator, 0)?,
        };
        let Some((index, axes)) = self.constant(operator, 1)? else { return stop("it has no dimensions to go over") };
        let rank = value.dimensions.len() as i64;
        let from_the_first = |axis: i64| if axis < 0 { axis.saturating_add(rank + 1) } else { axis };
        let mut axes: Vec<i64> = axes.codes().unwrap_or_default().into_iter().map(from_the_first).collect();
        axes.sort_unstable();
        if axes != (1..rank).collect::<Vec<i64>>() {
            return stop_at(
                index,
                format!("a mean over dimensions {axes:?}; only one over height and width, [1, 2], is supported"),
            );
        }
        if value.padding != [0; 4] {
            return stop("it reads what PAD has padded; padding is supported before a convolution, and nowhere else");
        }
        let (codes, ..) = self.after(operator, Activation::None)?;
        let layer = Layer::AveragePool(AveragePool(Pool::global()));
        self.push(operator, &[&value], layer, None, [1, 1, value.shape[2]], codes)
    }
}

pub(super) fn byte_pair(axes: [i32; 2], what: &str) -> Result<Pair, Stopped> {
    let byte = |number: i32| match u8::try_from(number) {
        Ok(byte) if byte > 0 => Ok(byte),
        _ => stop(format!("{what} of {number}")),
    };
    Ok(Pair { rows: byte(axes[0])?, columns: byte(axes[1])? })
}
