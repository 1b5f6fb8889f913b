//! x86-64: SSE2, which every x86-64 has, or AVX2 or AVX-512, where the processor has it.

mod avx2;
mod avx512;
mod sse2;

use super::contract::Kernels;
use super::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands,
};

pub use avx2::Avx2;
pub use avx512::{Avx512, Bytes, Words};
pub use sse2::Sse2;

/// The widest vectors that the processor has.
#[derive(Clone, Copy, Debug)]
pub struct X86_64;

/// A kernel in the widest vectors.
macro_rules! widest {
    ($kernel:ident($($argument:ident: $type:ty),*)) => {
        #[inline(never)]
        fn $kernel($($argument: $type),*) {
            if avx512::has_bytes() {
                Avx512::<Bytes>::$kernel($($argument),*)
            } else if avx512::has_words() {
                Avx512::<Words>::$kernel($($argument),*)
            } else if avx2::is_there() {
                Avx2::$kernel($($argument),*)
            } else {
                Sse2::$kernel($($argument),*)
            }
        }
    };
}

impl Kernels for X86_64 {
    widest!(conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]));
    widest!(depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]));
    widest!(average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]));
    widest!(add(other: &[u8], operands: &AddOperands, sums: &mut [u8]));
    widest!(dense(input: &[u8], operands: &DenseOperands<'_>, scratch: &mut [u32], output: &mut [u8]));
    widest!(logits(input: &[u8], operands: &LogitsOperands<'_>, scratch: &mut [u32], output: &mut [i32]));
}
