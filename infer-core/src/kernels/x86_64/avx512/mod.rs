//! Vectors of 512 bits on x86-64: AVX-512 with VNNI, used where the processor reports them when the program runs.
//!
//! A block's weights for eight inputs are 64 bytes as they are in the file. [VPERMB](permute), or VPSHUFB and VPERMW, bring them into the order that
//! VPDPBUSD multiplies them in: for each row two lanes of four weights. An XOR takes the 128 out of even rows. So a vector
//! times eight codes, which a broadcast puts into each 64 bits, is 64 products, and a row's sum is that of two neighbors.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]

mod codes;
mod conv2d;
mod cpu;
mod dense;
mod depthwise;
mod permute;
mod sums;
mod weights;

use core::marker::PhantomData;

use conv2d::Products;
pub use cpu::{has_bytes, has_words};
use dense::{Dense, Logits};
use depthwise::Depthwise;
use permute::Permute;
pub use permute::{Bytes, Words};

use crate::kernels::contract::Kernels;
use crate::kernels::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
};
use crate::kernels::portable;
use crate::kernels::shared::vectors::{add, average_pool, depthwise as shared_depthwise, positions};

/// See the [module](self). Where the processor has not what they need, these kernels are portable.
#[derive(Clone, Copy, Debug)]
pub struct Avx512<P>(PhantomData<P>);

impl<P: Permute> Kernels for Avx512<P> {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        let is_computed = P::is_there()
            && positions::with_conv2d_room::<Products<P>>(operands, &mut |room| {
                positions::conv2d::<Products<P>>(input, operands, room, output);
            });
        if !is_computed {
            portable::conv2d(input, operands, scratch, output);
        }
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        let is_computed = depthwise::is_computed(operands)
            && P::is_there()
            && positions::with_room(shared_depthwise::room(operands), &mut |room| {
                P::run(Depthwise { input, operands, room, output });
            });
        if !is_computed {
            portable::depthwise_conv2d(input, operands, output);
        }
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        fn compiled(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
            average_pool::average_pool2d::<16>(input, operands, output);
        }
        if has_words() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        } else {
            portable::average_pool2d(input, operands, output);
        }
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        fn compiled(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
            add::add(other, operands, sums);
        }
        if has_words() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(other, operands, sums) }
        } else {
            portable::add(other, operands, sums);
        }
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        if P::is_there() {
            P::run(Dense { input, operands, output });
        } else {
            portable::dense(input, operands, scratch, output);
        }
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]) {
        if P::is_there() {
            P::run(Logits { input, operands, output });
        } else {
            portable::logits(input, operands, scratch, output);
        }
    }
}
