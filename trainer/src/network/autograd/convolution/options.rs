//! What a convolution computes besides its sums, and for whom.

use crate::network::autograd::window::Window;

/// What follows the sums of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// What a convolution is.
#[derive(Clone, Copy, Debug)]
pub struct ConvolutionOptions {
    /// The window of its weights.
    pub window: Window,
    /// Whether an output channel reads one input channel, not all of them.
    pub depthwise: bool,
    /// What follows.
    pub activation: Activation,
    /// False for the first layer: images need no gradient.
    pub input_gradient: bool,
}

impl Activation {
    /// The lowest and the highest output.
    #[must_use]
    pub fn range(self) -> (f32, f32) {
        match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}
