//! The sum of two inputs on Cortex-M3.

use core::arch::naked_asm;

use crate::kernels::shared::one_by_one::add::Constants;

/// 9 instructions for a value.
///
/// r0 and r1 values, r2 where they end, r3 and r4 what they are multiplied by, r5 shift, r6 zero point, r7 what a sum begins with, r8 and
/// r9 values.
///
/// # Safety
/// As [`super::Assembly::ADD`].
#[unsafe(naked)]
pub unsafe extern "C" fn add(sums: *mut u8, other: *const u8, len: usize, constants: *const Constants) {
    naked_asm!(
        "
        .macro THIMBLE_VALUE
            ldrb r8, [r0]
            ldrb r9, [r1], #1
            mla r8, r8, r3, r7
            mla r8, r9, r4, r8
            asr r8, r8, r5
            add r8, r8, r6
            usat r8, #8, r8
            strb r8, [r0], #1
        .endm
            push {{r4-r9, lr}}
            add r2, r2, r0
            ldm r3, {{r3-r7}}
            sub r8, r2, r0
            lsls r8, r8, #31
            bne 3f
        2:
            THIMBLE_VALUE
        3:
            THIMBLE_VALUE
            cmp r0, r2
            bne 2b
            pop {{r4-r9, pc}}
            .purgem THIMBLE_VALUE
        ",
    )
}
