//! Cores with vectors of integers, Helium: Cortex-M52, M55, M85.
//!
//! VMLADAVA.U8 adds the products of sixteen codes and sixteen weights to a register: with weights in the layout
//! [`Vector`](crate::format::Layout::Vector), to which 128 was added,
//!
//! ```text
//! sum(w * x) = sum((w + 128) * x) - 128 * sum(x)
//! ```
//!
//! A sum is in one of the eight even registers, so that two positions meet four rows, or eight rows one position. Requantizing
//! is VRMULH, which rounds as the contract does.
//!
//! Weights in other layouts have the kernels of [`armv7em`](super::armv7em), as these cores have the DSP extension.

mod add;
mod conv2d;
mod cpu;
mod dense;
mod depthwise;
mod gather;
mod pools;

use super::armv7em::Armv7em;
use super::contract::Kernels;
use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
    MaxPool2dOperands,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Helium;

impl Kernels for Helium {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        Armv7em::conv2d(input, operands, scratch, output);
    }

    fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        Armv7em::pooled_conv2d(input, operands, scratch, output);
    }

    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        Armv7em::conv2d_winograd(input, operands, scratch, output);
    }

    fn conv2d_vector(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::conv2d(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        Armv7em::depthwise_conv2d(input, operands, output);
    }

    fn depthwise_conv2d_vector(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d(input, operands, output);
    }

    fn max_pool2d(input: &[u8], operands: &MaxPool2dOperands, output: &mut [u8]) {
        pools::max_pool2d(input, operands, output);
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        pools::average_pool2d(input, operands, output);
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        add::add(other, operands, sums);
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        Armv7em::dense(input, operands, scratch, output);
    }

    fn dense_vector(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        dense::dense(input, operands, scratch, output);
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        Armv7em::logits(input, operands, scratch, output);
    }

    fn logits_vector(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        dense::logits(input, operands, scratch, output);
    }
}
