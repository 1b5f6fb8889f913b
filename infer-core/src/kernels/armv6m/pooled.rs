//! A convolution before a pool, on Cortex-M0+: the codes of a window, and the sums of a block at its four positions.

use core::arch::naked_asm;

use crate::kernels::shared::one_by_one::assembly::PlacedRows;
use crate::kernels::shared::one_by_one::columns::Codes;
use crate::packing::ROWS_PER_BLOCK;

/// Puts codes into a window: 5.3 instructions for a code, and about 40 for each row.
///
/// r0 codes, r1 and r2 slots, r3 codes left in the row, r4 code, r5 sum of the row, r6-r7 anything, r8 the row's first slot at its
/// upper position, r9 row, r10 sum, r11 what the rows are like; the stack keeps the sum of the window's first row, which is at no
/// lower position.
///
/// # Safety
/// As [`super::Assembly::PUT`].
#[unsafe(naked)]
pub unsafe extern "C" fn put(codes: *const u8, upper: *mut u16, rows: *const PlacedRows) -> u64 {
    naked_asm!(
        "
        .macro THIMBLE_PUT at
            ldrb r4, [r0, #\\at]
            strh r4, [r1, #8 * \\at]
            strh r4, [r2, #8 * \\at]
            adds r5, r5, r4
        .endm
        ",
        enter!(),
        "
            mov r8, r1
            mov r11, r2
            ldr r6, [r2, #12]
            mov r9, r6
            movs r7, #0
            mov r10, r7
            push {{r7}}
        2:
            mov r7, r11
            mov r1, r8
            ldr r5, [r7, #8]
            subs r2, r1, r5
            adds r2, r2, #4
            mov r6, r9
            cmp r6, #0
            bne 7f
            movs r2, r1
        7:
            ldr r5, [r7, #20]
            cmp r6, r5
            bne 8f
            movs r1, r2
        8:
            movs r5, #0
            ldr r3, [r7]
            subs r3, r3, #4
            blo 4f
        3:
            THIMBLE_PUT 0
            THIMBLE_PUT 1
            THIMBLE_PUT 2
            THIMBLE_PUT 3
            adds r0, r0, #4
            adds r1, r1, #32
            adds r2, r2, #32
            subs r3, r3, #4
            bhs 3b
        4:
            adds r3, r3, #4
            beq 6f
        5:
            THIMBLE_PUT 0
            adds r0, r0, #1
            adds r1, r1, #8
            adds r2, r2, #8
            subs r3, r3, #1
            bne 5b
        6:
            add r10, r10, r5
            mov r6, r9
            cmp r6, #0
            bne 7f
            str r5, [sp]
        7:
            ldm r7!, {{r1, r2, r3}}
            subs r2, r2, r1
            adds r0, r0, r2
            add r8, r8, r3
            adds r6, r6, #1
            mov r9, r6
            ldr r1, [r7, #4]
            cmp r6, r1
            bne 2b
            // The last row is at no upper position.
            ldr r2, [r7, #8]
            mov r0, r10
            mov r1, r10
            cmp r6, r2
            bls 9f
            subs r0, r0, r5
        9:
            pop {{r2}}
            subs r1, r1, r2
        ",
        leave!(),
        "
            .purgem THIMBLE_PUT
        ",
    )
}

/// The largest of the four sums at a pooled position, for each row of a block, in their order: 24 instructions for two rows
/// at the four positions of a tap, 8 products.
///
/// A word holds the codes of two positions, `p | q << 16`, and weights are 0 to 255, those of odd rows with 128 added, too: so
/// one product is `p * w | q * w << 16`. It is added to a sum as it is, and its upper half to another one, which is taken out
/// of the first at the end.
///
/// r0 codes, r1 weights, r2 weight, r3 = 128, r4 product, r5 where the codes of pairs of taps end, r8-r11 and r12, lr, r6, r7
/// sums; the stack keeps what sums start with, where codes and weights begin, the number of taps, where sums go, and how many
/// columns are left.
///
/// # Safety
/// As [`super::Assembly::block_over_window`].
#[unsafe(naked)]
pub unsafe extern "C" fn block_over_window(
    starts: *const [i32; 4],
    window: *const Codes,
    weights: *const u8,
    taps: usize,
    sums: *mut [i32; ROWS_PER_BLOCK],
) {
    naked_asm!(
        "
        .macro THIMBLE_POSITIONS at, both, second
            ldr r4, [r0, #\\at]
            muls r4, r2, r4
            add \\both, \\both, r4
            lsrs r4, r4, #16
            add \\second, \\second, r4
        .endm
        .macro THIMBLE_TAP codes, weights
            ldrb r2, [r1, #\\weights]
            THIMBLE_POSITIONS \\codes, r8, r9
            THIMBLE_POSITIONS \\codes + 4, r10, r11
            ldrb r2, [r1, #\\weights + 1]
            eors r2, r3
            THIMBLE_POSITIONS \\codes, r12, lr
            THIMBLE_POSITIONS \\codes + 4, r6, r7
        .endm
        // Takes the second sum out of both, adds what they start with, and leaves the larger one in r2.
        .macro THIMBLE_LARGER both, second, starts
            mov r3, \\second
            mov r2, \\both
            lsls r4, r3, #16
            subs r2, r2, r4
            ldr r4, [r0, #\\starts]
            adds r2, r2, r4
            ldr r4, [r0, #\\starts + 4]
            adds r3, r3, r4
            cmp r2, r3
            bge 8f
            movs r2, r3
        8:
        .endm
        // Stores the largest of four sums.
        .macro THIMBLE_LARGEST a, b, c, d, at
            THIMBLE_LARGER \\a, \\b, 0
            movs r5, r2
            THIMBLE_LARGER \\c, \\d, 8
            cmp r5, r2
            bge 8f
            movs r5, r2
        8:
            str r5, [r1, #\\at]
        .endm
        ",
        enter!(),
        "
            ldr r4, [sp, #36]
            movs r5, #4
            push {{r0-r5}}
        1:
            ldr r0, [sp, #4]
            ldr r1, [sp, #8]
            ldr r4, [sp, #12]
            movs r6, #0
            movs r7, #0
            mov r8, r6
            mov r9, r6
            mov r10, r6
            mov r11, r6
            mov r12, r6
            mov lr, r6
            lsrs r4, r4, #1
            lsls r5, r4, #4
            adds r5, r5, r0
            movs r3, #128
            lsrs r4, r4, #1
            bcs 3f
            beq 4f
        2:
            THIMBLE_TAP 0, 0
            THIMBLE_TAP 8, 2
            adds r0, r0, #16
            adds r1, r1, #16
        3:
            THIMBLE_TAP 0, 0
            THIMBLE_TAP 8, 2
            adds r0, r0, #16
            adds r1, r1, #16
            cmp r0, r5
            bne 2b
        4:
            ldr r4, [sp, #12]
            lsrs r4, r4, #1
            bcc 5f
            THIMBLE_TAP 0, 0
        5:
            ldr r0, [sp]
            ldr r1, [sp, #16]
            THIMBLE_LARGEST r8, r9, r10, r11, 0
            THIMBLE_LARGEST r12, lr, r6, r7, 4
            adds r1, r1, #8
            str r1, [sp, #16]
            ldr r4, [sp, #8]
            adds r4, r4, #4
            str r4, [sp, #8]
            ldr r4, [sp, #20]
            subs r4, r4, #1
            str r4, [sp, #20]
            beq 6f
            b 1b
        6:
            add sp, sp, #24
        ",
        leave!(),
        "
            .purgem THIMBLE_POSITIONS
            .purgem THIMBLE_TAP
            .purgem THIMBLE_LARGER
            .purgem THIMBLE_LARGEST
        ",
    )
}
