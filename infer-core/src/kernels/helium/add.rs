//! The sum of two inputs, four values at a time.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::cpu;
use crate::kernels::operands::AddOperands;

/// What the assembly works on.
#[repr(C)]
struct Run {
    multipliers: [i32; 2],
    constant: i32,
    /// A right shift.
    shift: i32,
    zero_point: u32,
}

/// Adds `other`, the second input, to the first one, which is in `sums`.
pub fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let &AddOperands { multipliers, zero_points, zero_point, shift, .. } = operands;
    let half = 1i32.wrapping_shl(shift.into()) >> 1;
    let constant = multipliers.iter().zip(zero_points).fold(half, |constant, (&multiplier, zero_point)| {
        constant.wrapping_sub(i32::from(zero_point).wrapping_mul(multiplier))
    });
    // As a shift of 32 bits is taken by its last five.
    let shift = -i32::from(shift & 31);
    let run = Run { multipliers, constant, shift, zero_point: zero_point.into() };
    // SAFETY: as many codes as both have.
    unsafe { add_codes(sums.as_mut_ptr(), other.as_ptr(), sums.len().min(other.len()), &raw const run) }
}

/// Four values in ten instructions.
///
/// # Safety
/// `len` codes are readable from `other` on, and writable from `sums` on.
#[unsafe(naked)]
unsafe extern "C" fn add_codes(sums: *mut u8, other: *const u8, len: usize, run: *const Run) {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r8, lr}}
            ldrd r4, r5, [r3]
            ldrd r6, r7, [r3, #8]
            ldr r8, [r3, #16]
            vdup.32 q2, r4
            wlstp.32 lr, r2, 3f
        2:
            vldrb.u32 q0, [r0]
            vmlas.s32 q0, q2, r6
            vldrb.u32 q1, [r1], #4
            vmla.s32 q0, q1, r5
            vshl.s32 q0, r7
            vadd.i32 q0, q0, r8
            vqmovunb.s32 q0, q0
            vqmovnb.u16 q0, q0
            vstrb.32 q0, [r0], #4
            letp lr, 2b
        3:
            pop {{r4-r8, pc}}
        ",
    )
}
