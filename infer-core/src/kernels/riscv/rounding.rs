//! From accumulators to codes.

use core::arch::asm;

use crate::kernels::operands::Rescale;

/// As in `portable`, of a multiplier that is positive: the upper word of the product with twice the multiplier, which 32 bits
/// without a sign hold, has one bit more than is wanted, and it rounds.
#[inline]
pub fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let twice: i32;
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            "mulhsu {twice}, {shifted}, {multiplier}",
            twice = lateout(reg) twice,
            shifted = in(reg) accumulator.wrapping_shl(rescale.shift.into()),
            multiplier = in(reg) multiplier.wrapping_shl(1),
            options(pure, nomem, nostack),
        );
    }
    let code = (twice.wrapping_add(1) >> 1).wrapping_add(rescale.zero_point.into());
    // Out of 0 to 255 the sign decides.
    if code as u32 > 255 { !(code >> 31) as u8 } else { code as u8 }
}
