//! What sums become on Cortex-M0+, which multiplies 32 bits by 32 and keeps 32.

use core::arch::naked_asm;

use crate::kernels::operands::Rescale;

/// The codes of `ROWS` sums, each shifted right by `SHIFT`, then with its bias.
///
/// `records` are bias and multiplier of each row.
#[inline(always)]
pub fn codes<const ROWS: usize, const SHIFT: usize>(
    sums: &[i32; ROWS],
    records: &[[u32; 2]; ROWS],
    rescale: Rescale,
    codes: &mut [u8; ROWS],
) {
    let (zero_point, shift) = (rescale.zero_point.into(), u32::from(rescale.shift) % 32);
    // SAFETY: there are as many of each, one at least.
    unsafe { requantize_rows::<ROWS, SHIFT>(sums, records, codes, zero_point, shift) }
}

/// As [`requantize`](super::requantize): 31 instructions for a sum, 16 for one below 0 where the zero point is 0, else about
/// 45 for such a one.
///
/// r0 sums, r1 records, r2 codes, r3-r7 halves of sum and multiplier and their products, r12 zero point, lr shift; the stack keeps where
/// sums end.
///
/// # Safety
/// There are `ROWS` of each, which is not 0; sums and records are words.
#[unsafe(naked)]
unsafe extern "C" fn requantize_rows<const ROWS: usize, const SHIFT: usize>(
    sums: *const [i32; ROWS],
    records: *const [[u32; 2]; ROWS],
    codes: *mut [u8; ROWS],
    zero_point: u32,
    shift: u32,
) {
    naked_asm!(
        "
            push {{r4-r7, lr}}
            mov r12, r3
            ldr r3, [sp, #20]
            mov lr, r3
            movs r3, #4 * {rows}
            adds r3, r3, r0
            push {{r3}}
        2:
            ldm r0!, {{r3}}
            .if {shift}
            asrs r3, r3, #{shift}
            .endif
            ldm r1!, {{r4}}
            adds r3, r3, r4
            mov r4, lr
            lsls r3, r4
            ldm r1!, {{r4}}
            bmi 5f
            // Products of halves: none of the sums overflows where both sides are positive.
            uxth r5, r3
            lsrs r3, r3, #16
            uxth r6, r4
            lsrs r4, r4, #16
            movs r7, r5
            muls r7, r6, r7
            lsrs r7, r7, #16
            muls r5, r4, r5
            adds r5, r5, r7
            muls r6, r3, r6
            muls r4, r3, r4
            adds r5, r5, r6
            lsrs r5, r5, #15
            adds r5, r5, #1
            lsrs r5, r5, #1
            adds r4, r4, r5
            add r4, r4, r12
        3:
            cmp r4, #255
            bls 4f
            movs r4, #255
        4:
            strb r4, [r2]
            adds r2, r2, #1
            ldr r7, [sp]
            cmp r0, r7
            bne 2b
            pop {{r3-r7, pc}}
        5:
            mov r7, r12
            cmp r7, #0
            beq 6f
            uxth r5, r3
            asrs r3, r3, #16
            uxth r6, r4
            lsrs r4, r4, #16
            movs r7, r5
            muls r7, r6, r7
            lsrs r7, r7, #16
            muls r5, r4, r5
            adds r5, r5, r7
            movs r7, #1
            lsls r7, r7, #15
            adds r5, r5, r7
            muls r6, r3, r6
            muls r4, r3, r4
            uxth r7, r6
            uxth r3, r5
            adds r7, r7, r3
            lsrs r7, r7, #16
            asrs r6, r6, #16
            lsrs r5, r5, #16
            adds r4, r4, r5
            adds r4, r4, r6
            adds r4, r4, r7
            mov r7, r12
            adds r4, r4, r7
            bpl 3b
        6:
            movs r4, #0
            b 4b
        ",
        rows = const ROWS,
        shift = const SHIFT,
    )
}
