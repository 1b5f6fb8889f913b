//! The sum of two inputs.

use core::arch::naked_asm;

use super::assembly::{end_of_macros, macros};
use crate::kernels::operands::AddOperands;

/// As in `portable`.
pub fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let &AddOperands { multipliers: [m1, m2], zero_point, shift, .. } = operands;
    let constant = operands.start();
    let count = sums.len().min(other.len());
    // SAFETY: both have that many values.
    unsafe { add_codes(sums.as_mut_ptr(), other.as_ptr(), count, m1, m2, constant, shift.into(), zero_point.into()) }
}

/// 11.5 instructions for a value.
///
/// a0 sums, a1 other values, a2 end of pairs and then of all, a3 and a4 multipliers, a5 constant, a6 shift, a7 zero point; t0 and t1
/// values, t5 whether there is an odd one, t6 255.
///
/// # Safety
/// Both have `count` values.
#[unsafe(naked)]
unsafe extern "C" fn add_codes(
    sums: *mut u8,
    other: *const u8,
    count: usize,
    multiplier: i32,
    other_multiplier: i32,
    constant: i32,
    shift: u32,
    zero_point: u32,
) {
    naked_asm!(
        macros!(),
        "
        .macro THIMBLE_ADD at
            lbu t0, \\at(a0)
            lbu t1, \\at(a1)
            mul t0, t0, a3
            mul t1, t1, a4
            add t0, t0, t1
            add t0, t0, a5
            sra t0, t0, a6
            add t0, t0, a7
            THIMBLE_CLAMPED t0, t6
            sb t0, \\at(a0)
        .endm
            li t6, 255
            andi t5, a2, 1
            sub a2, a2, t5
            add a2, a2, a0
            beq a0, a2, 3f
        2:
            THIMBLE_ADD 0
            THIMBLE_ADD 1
            addi a0, a0, 2
            addi a1, a1, 2
            bne a0, a2, 2b
        3:
            beqz t5, 4f
            THIMBLE_ADD 0
        4:
            ret
            .purgem THIMBLE_ADD
        ",
        end_of_macros!(),
    )
}
