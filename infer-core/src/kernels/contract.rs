//! What a set of kernels is.

use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
    MaxPool2dOperands,
};
use super::portable::{self, Portable};

/// The arithmetic of the operators for one kind of core. What a core has no version of its own of is
/// [portable](super::portable), which also defines what each kernel computes.
///
/// Slices have the lengths that the operators checked; a kernel given others computes something else or nothing, and
/// neither panics nor leaves its slices. `scratch` is working memory that no kernel expects anything in. How much of it
/// a kernel gets is part of the file's arena claim and so the same on every target, whether its kernels need it or not.
pub trait Kernels {
    /// Convolution. Of operands with a pool too, unless the set has a [`pooled_conv2d`](Self::pooled_conv2d) of its own.
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::conv2d(input, operands, scratch, output);
    }

    /// Convolution and the 2x2 maximum after it, of operands that have a pool. A kernel of its own lets a program whose model needs only
    /// one of the two link only that one.
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        Self::conv2d(input, operands, scratch, output);
    }

    /// Convolution, and the 2x2 maximum after it if the operands have one, with weights in the layout
    /// [`Winograd`](crate::format::Layout::Winograd).
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::conv2d_winograd(input, operands, scratch, output);
    }

    /// The same with weights in the layout [`Vector`](crate::format::Layout::Vector).
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn conv2d_vector(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::conv2d_vector(input, operands, scratch, output);
    }

    /// Convolution of each channel by itself.
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        portable::depthwise_conv2d(input, operands, output);
    }

    /// The same with weights in the layout [`Vector`](crate::format::Layout::Vector).
    ///
    /// `input` and `output` are `[height, width, channels]`.
    fn depthwise_conv2d_vector(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        portable::depthwise_conv2d_vector(input, operands, output);
    }

    /// The maximum of what each window has of the input, channel by channel.
    fn max_pool2d(input: &[u8], operands: &MaxPool2dOperands, output: &mut [u8]) {
        portable::max_pool2d(input, operands, output);
    }

    /// The mean of what each window has of the input, channel by channel.
    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        portable::average_pool2d(input, operands, output);
    }

    /// Adds `other`, the second input, to the first one, which is in `sums`.
    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        portable::add(other, operands, sums);
    }

    /// Fully connected layer.
    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::dense(input, operands, scratch, output);
    }

    /// The same with weights in the layout [`Vector`](crate::format::Layout::Vector).
    fn dense_vector(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        portable::dense_vector(input, operands, scratch, output);
    }

    /// The last layer: accumulators as they are.
    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        portable::logits(input, operands, scratch, output);
    }

    /// The same with weights in the layout [`Vector`](crate::format::Layout::Vector).
    fn logits_vector(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        portable::logits_vector(input, operands, scratch, output);
    }
}

impl Kernels for Portable {}
