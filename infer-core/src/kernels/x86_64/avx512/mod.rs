//! Vectors of 512 bits on x86-64: AVX-512 with VNNI, used where the processor reports them when the program runs.
//!
//! A block's weights for eight inputs are 64 bytes as they are in the file. [VPERMB](permute), or VPSHUFB and VPERMW, bring them into the order that
//! VPDPBUSD multiplies them in: for each row two lanes of four weights. An XOR takes the 128 out of even rows. So a vector
//! times eight codes, which a broadcast puts into each 64 bits, is 64 products, and a row's sum is that of two neighbors.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]

mod codes;
mod conv2d;
mod dense;
mod depthwise;
mod permute;
mod sums;
mod weights;

use core::arch::x86_64::__cpuid_count;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU8, Ordering};

use conv2d::Products;
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

cpufeatures::new!(base, "avx512f", "avx512bw", "avx512vl");
cpufeatures::new!(vbmi, "avx512vbmi");

/// What the processor has of what these kernels need: [`ASKED`], and bits of the other two. 0 before it was asked.
static FOUND: AtomicU8 = AtomicU8::new(0);
const ASKED: u8 = 1;
const HAS_WORDS: u8 = 2;
const HAS_BYTES: u8 = 4;

/// What the processor has; only the first call has to find out.
#[inline]
fn found() -> u8 {
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            // Bit 11 is VNNI.
            let words = base::get() && __cpuid_count(7, 0).ecx & 1 << 11 != 0;
            let bytes = words && vbmi::get();
            let found = ASKED | if words { HAS_WORDS } else { 0 } | if bytes { HAS_BYTES } else { 0 };
            FOUND.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}

/// Whether the processor has what kernels need that permute words.
#[inline]
pub fn has_words() -> bool {
    found() & HAS_WORDS > 0
}

/// The same of bytes.
#[inline]
pub fn has_bytes() -> bool {
    found() & HAS_BYTES > 0
}

/// Instructions of AVX-512, in functions that are inlined where they are compiled for it.
macro_rules! avx512 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers; these functions are used only below, where the processor has what they need.
        unsafe { $value }
    };
}
use avx512;

/// An array of what each index becomes, a constant.
macro_rules! table {
    ([$type:ty; $len:expr], $at:ident => $value:expr) => {{
        let mut table = [0; $len];
        let mut $at = 0;
        while $at < $len {
            table[$at] = ($value) as $type;
            $at += 1;
        }
        table
    }};
}
use table;

/// Codes that a vector of weights is multiplied with.
const STEP: usize = 8;

/// Bytes of a vector.
const VECTOR: usize = 64;

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
