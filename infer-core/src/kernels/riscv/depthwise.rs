//! Convolution of each channel by itself.

use super::Riscv;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::shared::one_by_one::depthwise;

/// Convolution of each channel by itself.
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    depthwise::depthwise_conv2d::<Riscv>(input, operands, output);
}
