//! The sum of two inputs on Cortex-M0+: all that a value needs is in registers.

use core::arch::naked_asm;

use crate::kernels::shared::one_by_one::add::Constants;

/// 14 instructions for a value, three more where its sum is out of range.
///
/// r0 and r1 values, r2 and r3 what they are multiplied by, r4 and r5 products, r6 shift, r7 what a sum begins with, r8 zero point, r9
/// where the values end.
///
/// # Safety
/// As [`super::Assembly::ADD`].
#[unsafe(naked)]
pub unsafe extern "C" fn add(sums: *mut u8, other: *const u8, len: usize, constants: *const Constants) {
    naked_asm!(
        enter!(),
        "
            adds r2, r2, r0
            mov r9, r2
            ldm r3!, {{r2, r4, r5, r6, r7}}
            mov r8, r6
            movs r6, r5
            movs r3, r4
        2:
            ldrb r4, [r0]
            muls r4, r2, r4
            ldrb r5, [r1]
            muls r5, r3, r5
            adds r4, r4, r5
            adds r4, r4, r7
            asrs r4, r6
            add r4, r4, r8
            cmp r4, #255
            bhi 4f
        3:
            strb r4, [r0]
            adds r1, r1, #1
            adds r0, r0, #1
            cmp r0, r9
            bne 2b
        ",
        leave!(),
        "
        4:  // Taken without a sign; its sign says on which side.
            asrs r4, r4, #31
            mvns r4, r4
            b 3b
        ",
    )
}
