//! What both kinds of convolution have in common in training: batch normalization and activation with the convolution.

use candle_core::Result;
use infer_core::Shape;

use super::operator::{Forward, LayerTensors, Operator};
use super::window::Window;
use crate::network::autograd::{self, Activation, ConvolutionOptions, Output, Recorded};
use crate::network::normalization::EPSILON;

/// Most rows and columns of a kernel.
pub const MOST_SIZE: u8 = 15;

/// Most rows and columns from one position of a kernel to the next.
pub const MOST_STRIDE: u8 = 4;

/// A convolution on an input.
#[derive(Clone, Copy)]
pub struct Convolution {
    /// Where its kernels lie.
    pub window: autograd::Window,
    /// Whether each channel has kernels of its own.
    pub depthwise: bool,
    /// What follows.
    pub activation: Activation,
}

impl Convolution {
    /// Runs it: with batch normalization where the parameters are normalized, else with the bias.
    pub fn forward(&self, parameters: &LayerTensors, forward: &Forward<'_>) -> Result<Recorded> {
        let Self { window, depthwise, activation } = *self;
        let options = ConvolutionOptions { window, depthwise, activation, input_gradient: forward.input_gradient };
        let LayerTensors { weight, bias, normalized } = parameters;
        match normalized {
            None => autograd::convolution_recorded(forward.input, weight, bias, options),
            Some(scale) => {
                let (recorded, statistics) = autograd::convolution_batch_norm_recorded(
                    forward.input,
                    weight,
                    scale,
                    bias,
                    EPSILON as f32,
                    options,
                )?;
                Ok(recorded.with_statistics(statistics))
            }
        }
    }
}

/// Where windows lie on a batch `[n, height, width, channels]`.
///
/// # Errors
/// Where they do not fit.
pub fn trained_window(layer: &dyn Operator, window: &Window, batch: &Output) -> Result<autograd::Window> {
    match window.on("window", shape_of(batch)?) {
        Ok(placed) => Ok(placed.trained()),
        Err(reason) => candle_core::bail!("{layer}: input {:?}: {reason}", batch.shape()),
    }
}

/// The shape of an image of a batch.
///
/// # Errors
/// Where it is none, or one of more than 65,535 on a side.
pub fn shape_of(batch: &Output) -> Result<Shape> {
    let (_, height, width, channels) = batch.shape().dims4()?;
    match [height, width, channels].map(u16::try_from) {
        [Ok(height), Ok(width), Ok(channels)] => Ok(Shape { height, width, channels }),
        _ => candle_core::bail!("an input of {height}x{width}x{channels}"),
    }
}

/// The activation of a layer with these keys.
pub fn activation(relu: bool, relu6: bool) -> Activation {
    match (relu, relu6) {
        (_, true) => Activation::Relu6,
        (true, false) => Activation::Relu,
        (false, false) => Activation::None,
    }
}
