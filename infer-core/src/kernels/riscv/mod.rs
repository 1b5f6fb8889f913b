//! RV32IM: a product is a multiplication and an addition, and everything else is a load.
//!
//! A load of a weight serves four positions of a convolution and a load of a code four rows, in [tiles] of sixteen sums; a fully
//! connected layer visits the inputs that are not zero, eight rows at a time. There is no extension for bytes or for pairs
//! of products to use, and cores without bit manipulation (Zbb) lose two instructions of a maximum only.

#![allow(unsafe_code, reason = "sixteen sums and what they are made of stay in registers in assembly only")]

mod add;
mod assembly;
mod conv2d;
mod dense;
mod depthwise;
mod rounding;
mod tiles;
mod winograd;

use super::contract::Kernels;
use super::operands::{AddOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale};
use super::shared::sparse::{self, Entry, List, Rows, Sparse, singles};
use super::shared::winograd::tiles as winograd_tiles;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Riscv;

impl Kernels for Riscv {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::conv2d(input, operands, scratch, output);
    }

    fn pooled_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        conv2d::pooled_conv2d(input, operands, scratch, output);
    }

    fn conv2d_winograd(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        winograd_tiles::conv2d::<Self>(input, operands, scratch, output);
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        depthwise::depthwise_conv2d(input, operands, output);
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        add::add(other, operands, sums);
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        sparse::dense::<Self>(input, operands, scratch, output);
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        sparse::logits::<Self>(input, operands, scratch, output);
    }
}

impl Sparse for Riscv {
    const END: Entry = singles::END;
    const FILLER: Entry = singles::filler(0);

    #[inline]
    fn fill(entries: &mut [Entry], inputs: &[u8], seen: usize) -> (usize, usize, u32) {
        singles::fill(entries, inputs, seen, 0)
    }

    #[inline]
    fn pass(list: &List<'_>, rows: Rows<'_>) {
        dense::pass(list, rows);
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        rounding::requantize(accumulator, multiplier, rescale)
    }
}
