//! A convolution before a pool, on Cortex-M3: the codes of a window, and the sums of a block at its four positions.

use core::arch::naked_asm;

use super::columns;
use crate::kernels::shared::one_by_one::assembly::PlacedRows;
use crate::kernels::shared::one_by_one::columns::Codes;
use crate::kernels::shared::one_by_one::records::Records;
use crate::packing::ROWS_PER_BLOCK;

/// Puts codes into a window: 4.5 instructions for a code, and about 25 for each row.
///
/// r0 codes, r1 the row's first slot at its upper position, r2 sum of the row, r3 codes in a row, r4 from the end of a row to the
/// next one, r5 from a row of slots to the next one, r6 row, r7 where rows end, r8 rows of the kernel, r9 sum, r10 code, r11 and
/// lr slots, r12 codes left in the row; the stack keeps the sum of the window's first row, which is at no lower position.
///
/// # Safety
/// As [`super::Assembly::PUT`].
#[unsafe(naked)]
pub unsafe extern "C" fn put(codes: *const u8, upper: *mut u16, rows: *const PlacedRows) -> u64 {
    naked_asm!(
        "
        .macro THIMBLE_PUT
            ldrb r10, [r0], #1
            strh r10, [lr], #8
            strh r10, [r11], #8
            add r2, r2, r10
        .endm
            push {{r4-r11, lr}}
            ldm r2, {{r3-r8}}
            subs r4, r4, r3
            mov r9, #0
            push {{r9}}
        2:
            mov lr, r1
            sub r11, r1, r5
            add r11, r11, #4
            cmp r6, #0
            it eq
            moveq r11, r1
            cmp r6, r8
            it eq
            moveq lr, r11
            movs r2, #0
            subs r12, r3, #4
            blo 4f
        3:
            .rept 4
            THIMBLE_PUT
            .endr
            subs r12, r12, #4
            bhs 3b
        4:
            adds r12, r12, #4
            beq 6f
        5:
            THIMBLE_PUT
            subs r12, r12, #1
            bne 5b
        6:
            add r9, r9, r2
            cmp r6, #0
            it eq
            streq r2, [sp]
            add r0, r0, r4
            add r1, r1, r5
            adds r6, r6, #1
            cmp r6, r7
            bne 2b
            // The last row is at no upper position.
            cmp r6, r8
            it ls
            movls r2, #0
            sub r0, r9, r2
            pop {{r1}}
            sub r1, r9, r1
            pop {{r4-r11, pc}}
            .purgem THIMBLE_PUT
        ",
    )
}

/// The codes of a block at a pooled position: 13.4 instructions for two rows at the four positions of a tap, 8 products, and
/// about 65 for each two codes.
///
/// A word holds the codes of two positions, `p | q << 16`: it is multiplied as it is, and `q` alone. So the first sum has that
/// of `q` in it, shifted by 16, which is taken out at the end.
///
/// Registers and the stack are those of [`columns`].
///
/// # Safety
/// As [`super::Assembly::block_over_window`].
#[unsafe(naked)]
pub unsafe extern "C" fn block_over_window(
    starts: *const [i32; 4],
    window: *const Codes,
    weights: *const u8,
    taps: usize,
    records: *const Records,
    codes: *mut [u8; ROWS_PER_BLOCK],
    zero_point: u32,
    shift: u32,
) {
    naked_asm!(
        "
        .macro THIMBLE_TAP
            mla r4, r0, r12, r4
            mla r8, r0, lr, r8
            lsrs r0, r0, #16
            mla r5, r0, r12, r5
            mla r9, r0, lr, r9
            mla r6, r3, r12, r6
            mla r10, r3, lr, r10
            lsrs r3, r3, #16
            mla r7, r3, r12, r7
            mla r11, r3, lr, r11
        .endm
        .macro THIMBLE_MAXIMUM to, other
            cmp \\to, \\other
            it lt
            movlt \\to, \\other
        .endm
        .macro THIMBLE_CODE sum, bias, multiplier
            add \\sum, \\sum, \\bias
            lsl \\sum, \\sum, r7
            smull \\bias, \\sum, \\sum, \\multiplier
            lsls \\bias, \\bias, #1
            adc \\sum, \\sum, r6
            usat \\sum, #8, \\sum
            strb \\sum, [r12], #1
        .endm
        ",
        columns::begin!(),
        "
            add r4, r4, r5, lsl #16
            add r6, r6, r7, lsl #16
        ",
        columns::enter!(),
        "
        3:
            .rept 4
            ldrd r0, r3, [r1, #8]
            ldrb r12, [r2, #2]
            ldrsb lr, [r2, #3]
            THIMBLE_TAP
            ldrd r0, r3, [r1], #16
            ldrsb lr, [r2, #1]
            ldrb r12, [r2], #16
            THIMBLE_TAP
            .endr
            ldr r0, [sp, #12]
            cmp r1, r0
            bne 3b
        5:
            ldr r3, [sp, #20]
            lsls r3, r3, #31
            beq 4f
            ldrd r0, r3, [r1]
            ldrb r12, [r2]
            ldrsb lr, [r2, #1]
            THIMBLE_TAP
        4:
            sub r4, r4, r5, lsl #16
            sub r6, r6, r7, lsl #16
            sub r8, r8, r9, lsl #16
            sub r10, r10, r11, lsl #16
            THIMBLE_MAXIMUM r4, r5
            THIMBLE_MAXIMUM r6, r7
            THIMBLE_MAXIMUM r8, r9
            THIMBLE_MAXIMUM r10, r11
            THIMBLE_MAXIMUM r4, r6
            THIMBLE_MAXIMUM r8, r10
            ldrd r9, r12, [sp, #64]
            ldrd r6, r7, [sp, #72]
            ldm r9!, {{r0, r1, r2, r3}}
            THIMBLE_CODE r4, r0, r1
            THIMBLE_CODE r8, r2, r3
            strd r9, r12, [sp, #64]
        ",
        columns::next!(),
        "
            .purgem THIMBLE_TAP
            .purgem THIMBLE_MAXIMUM
            .purgem THIMBLE_CODE
        ",
        // Bytes of code for two taps.
        pair_shift = const 4,
        pair = const 2 * (4 + 4 + 4 + 8 * 4 + 2 * 2),
    )
}
