//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at two tiles.

use core::arch::naked_asm;

use super::{Armv7m, requantize};
use crate::kernels::operands::Rescale;
use crate::kernels::shared::winograd::tiles::{Pixels, Run, TwoTileLoops};

impl TwoTileLoops for Armv7m {
    const TRANSFORM: unsafe extern "C" fn(*const Pixels, *mut u32, usize) = transform;
    const BLOCKS: unsafe extern "C" fn(*const Run) = blocks_at_two_tiles;

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// Transforms the codes under a tile: 120 instructions for two channels.
///
/// Two channels are in a number, `first + 65,536 * second`, which is linear too. A negative first one would borrow from the second
/// one: so codes begin with what makes each element 32,768 more, which flips the sign bit of its first channel and is taken out
/// there at the end. Of the pixels in a column that is 2, 0, 1 and 1 times as much as of the column, and of columns likewise.
///
/// r0 pixels, column by column, r1 lanes, r2 where the codes of a group are in each pixel, r3 mask of a code in each half, r4-r11 two
/// columns, r12 and lr sums of two. The stack keeps where the groups end.
///
/// # Safety
/// As [`TileLoops::transform`](crate::kernels::shared::winograd::tiles::TileLoops::transform).
#[unsafe(naked)]
unsafe extern "C" fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
    naked_asm!(
        "
        .macro THIMBLE_COLUMN column, odd, bias, a, b, c, d
            ldrd \\a, \\b, [r0, #16 * \\column]
            ldrd \\c, \\d, [r0, #16 * \\column + 8]
            .irp pixel, \\a, \\b, \\c, \\d
            ldr \\pixel, [\\pixel, r2]
            .endr
            .irp pixel, \\a, \\b, \\c, \\d
            .if \\odd
            and \\pixel, r3, \\pixel, lsr #8
            .else
            and \\pixel, r3, \\pixel
            .endif
            .endr
            .if \\bias
            add \\a, \\a, #0x10000 * \\bias
            add \\c, \\c, #0x8000 * \\bias
            add \\d, \\d, #0x8000 * \\bias
            .endif
        .endm
        .macro THIMBLE_STORE element, at
            eor \\element, \\element, #0x8000
            str \\element, [r1, #\\at]
        .endm
        // B^T times a column, whose registers it uses up.
        .macro THIMBLE_ELEMENTS at, a, b, c, d
            sub \\a, \\a, \\c
            THIMBLE_STORE \\a, \\at + 16
            sub \\d, \\d, \\b
            THIMBLE_STORE \\d, \\at + 24
            add \\a, \\b, \\c
            THIMBLE_STORE \\a, \\at
            sub \\d, \\c, \\b
            THIMBLE_STORE \\d, \\at + 8
        .endm
            push {{r4-r11, lr}}
            lsl r2, r2, #2
            push {{r2}}
            mov r2, #0
            mov r3, #0x00FF00FF
        2:
            .irp odd, 0, 1
            THIMBLE_COLUMN 0, \\odd, 2, r4, r5, r6, r7
            THIMBLE_COLUMN 2, \\odd, 1, r8, r9, r10, r11
            sub r4, r4, r8
            sub r5, r5, r9
            sub r6, r6, r10
            sub r7, r7, r11
            THIMBLE_ELEMENTS 128*\\odd+64, r4, r5, r6, r7
            THIMBLE_COLUMN 1, \\odd, 0, r4, r5, r6, r7
            // Of the sums of columns 1 and 2.
            add r12, r5, r9
            add lr, r6, r10
            sub r9, r9, r5
            sub r10, r10, r6
            sub r5, lr, r12
            THIMBLE_STORE r5, 128*\\odd + 8
            add r5, r12, lr
            THIMBLE_STORE r5, 128*\\odd
            add r5, r4, r8
            sub r5, r5, lr
            THIMBLE_STORE r5, 128*\\odd + 16
            add r5, r7, r11
            sub r5, r5, r12
            THIMBLE_STORE r5, 128*\\odd + 24
            // Half of the difference of what was added and what is left is column 1 again.
            sub r5, r12, r9
            lsr r5, r5, #1
            sub r6, lr, r10
            lsr r6, r6, #1
            sub r8, r8, r4
            sub r11, r11, r7
            THIMBLE_ELEMENTS 128*\\odd+32, r8, r9, r10, r11
            THIMBLE_COLUMN 3, \\odd, 1, r8, r9, r10, r11
            sub r8, r8, r4
            sub r9, r9, r5
            sub r10, r10, r6
            sub r11, r11, r7
            THIMBLE_ELEMENTS 128*\\odd+96, r8, r9, r10, r11
            .endr
            ldr r12, [sp]
            add r2, r2, #4
            add r1, r1, #256
            cmp r2, r12
            bne.w 2b
            add sp, sp, #4
            pop {{r4-r11, pc}}
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_STORE
            .purgem THIMBLE_ELEMENTS
        ",
    )
}

/// Four output channels at two tiles: two input channels take 28 instructions for the 16 products of an
/// element, and four more to see whether codes are zero at both tiles, which leaves a channel out.
///
/// Elements come column by column, `m0` to `m3` in each. `m1` is summed up on top of `m0`, `m2` on top of that, and `m3` on top of
/// `m0 - m1`, which is `2 * m0 - (m0 + m1)`: so sums become those of two rows of outputs, where only columns are left to be added up.
///
/// r0-r7 sums, of each row at both tiles, r8-r9 codes, r10 weight, r11 weights, r12 lanes, lr where lanes of the element end. The stack
/// keeps
///
/// | offset | holds |
/// |---|---|
/// | 0 | sums of `m0`, then `m0 - m1` |
/// | 32, 72, 112, 152 | of an output at upper left, upper right, lower left, lower right: eight sums, then where both codes go |
/// | 192, 196 | where to enter the unrolled loop, where to go after it |
/// | 200, 204 | bytes of lanes of an element, and from its end to the next one |
/// | 208, 212 | number of the column, lanes |
/// | 216, 220 | channels, blocks left |
/// | 224, 228 | zero point, shift |
/// | 232, 236 | weights of the next block, where to requantize |
///
/// # Safety
/// What `run` points to is as its fields describe: for each block four codes of each output, four channels and rows of weights; lanes for
/// each pair. Channels and weights are at multiples of a word. There is one block, and two pairs or a multiple of them.
#[unsafe(naked)]
unsafe extern "C" fn blocks_at_two_tiles(run: *const Run) {
    naked_asm!(
        "
        .macro THIMBLE_PRODUCTS codes, weights, step
            ldrsh r9, [r12, #\\codes + 4]
            .if \\step
            ldrsh r8, [r12], #128
            .else
            ldrsh r8, [r12, #\\codes]
            .endif
            orrs r10, r8, r9
            beq 50f
            ldrsh r10, [r11, #\\weights + 4]
            mla r2, r8, r10, r2
            mla r3, r9, r10, r3
            ldrsh r10, [r11, #\\weights + 8]
            mla r4, r8, r10, r4
            mla r5, r9, r10, r5
            ldrsh r10, [r11, #\\weights + 12]
            mla r6, r8, r10, r6
            mla r7, r9, r10, r7
            ldrsh r10, [r11, #\\weights]
            mla r0, r8, r10, r0
            mla r1, r9, r10, r1
        50:
            .if \\step
            adds r11, r11, #16
            .endif
        .endm
            push {{r4-r11, lr}}
            sub sp, sp, #240
            ldm r0!, {{r1-r8}}
            mov r11, r2
            str r1, [sp, #212]
            strd r3, r5, [sp, #216]
            strd r6, r7, [sp, #224]
            adr.w r9, 6f + 1
            adr.w r10, 8f + 1
            cmp r8, #0
            it ne
            movne r9, r10
            str r9, [sp, #236]
            // Two pairs are left over, or none.
            adr.w r9, 3f + 1
            adr.w r10, 4f + 1
            lsls r5, r4, #30
            it ne
            movne r9, r10
            str r9, [sp, #192]
            lsl r4, r4, #7
            sub r5, r4, #8
            strd r4, r5, [sp, #200]
            ldm r0, {{r1-r8}}
            strd r1, r2, [sp, #64]
            strd r3, r4, [sp, #104]
            strd r5, r6, [sp, #144]
            strd r7, r8, [sp, #184]
        1:  // A block.
            ldr r12, [sp, #212]
            mov r8, #0
            str r8, [sp, #208]
        2:  // A column.
            mov r0, #0
            mov r1, #0
            mov r2, #0
            mov r3, #0
            mov r4, #0
            mov r5, #0
            mov r6, #0
            mov r7, #0
            bl 5f
            stm sp, {{r0-r7}}
            bl 5f
            .macro THIMBLE_DIFFERENCE at, a, b
            ldrd r8, r9, [sp, #\\at]
            rsb r8, \\a, r8, lsl #1
            rsb r9, \\b, r9, lsl #1
            strd r8, r9, [sp, #\\at]
            .endm
            THIMBLE_DIFFERENCE 0, r0, r1
            THIMBLE_DIFFERENCE 8, r2, r3
            THIMBLE_DIFFERENCE 16, r4, r5
            THIMBLE_DIFFERENCE 24, r6, r7
            .purgem THIMBLE_DIFFERENCE
            bl 5f
            add r8, sp, #32
            bl 30f
            ldm sp, {{r0-r7}}
            bl 5f
            add r8, sp, #112
            bl 30f
            ldr r8, [sp, #208]
            add r8, r8, #1
            str r8, [sp, #208]
            cmp r8, #4
            bne.w 2b
            str r11, [sp, #232]
            ldr.w pc, [sp, #236]
        30: // A column's share of a row, whose left output is at r8.
            ldr r9, [sp, #208]
            cmp r9, #1
            blo 31f
            beq 32f
            cmp r9, #2
            it hi
            addhi r8, r8, #40
            .macro THIMBLE_ADD a, b
            ldrd r9, r10, [r8]
            add \\a, \\a, r9
            add \\b, \\b, r10
            strd \\a, \\b, [r8], #8
            .endm
            THIMBLE_ADD r0, r1
            THIMBLE_ADD r2, r3
            THIMBLE_ADD r4, r5
            THIMBLE_ADD r6, r7
            .purgem THIMBLE_ADD
            bx lr
        31:
            stm r8, {{r0-r7}}
            bx lr
        32:
            .macro THIMBLE_BUTTERFLY a, b
            ldrd r9, r10, [r8]
            add \\a, \\a, r9
            add \\b, \\b, r10
            strd \\a, \\b, [r8], #8
            rsb r9, \\a, r9, lsl #1
            rsb r10, \\b, r10, lsl #1
            strd r9, r10, [r8, #32]
            .endm
            THIMBLE_BUTTERFLY r0, r1
            THIMBLE_BUTTERFLY r2, r3
            THIMBLE_BUTTERFLY r4, r5
            THIMBLE_BUTTERFLY r6, r7
            .purgem THIMBLE_BUTTERFLY
            bx lr
        5:  // The products of an element.
            str lr, [sp, #196]
            ldr lr, [sp, #200]
            add lr, lr, r12
            ldr.w pc, [sp, #192]
            .balign 4
        3:
            .rept 2
            THIMBLE_PRODUCTS 2, 2, 0
            THIMBLE_PRODUCTS 0, 0, 1
            .endr
            .balign 4
        4:
            .rept 2
            THIMBLE_PRODUCTS 2, 2, 0
            THIMBLE_PRODUCTS 0, 0, 1
            .endr
            cmp r12, lr
            bne.w 3b
            ldr r8, [sp, #204]
            sub r12, r12, r8
            ldr.w pc, [sp, #196]
            .purgem THIMBLE_PRODUCTS
            .macro THIMBLE_CODE bias, multiplier, to
            add r8, \\bias, r8, asr #2
            lsl r8, r8, lr
            smull r9, r8, r8, \\multiplier
            lsls r9, r9, #1
            adc r8, r8, r11
            usat \\to, #8, r8
            .endm
            .balign 4
        6:  // Four channels of each output, from the last one on.
            ldr r8, [sp, #216]
            ldm r8!, {{r0-r7}}
            str r8, [sp, #216]
            ldrd r11, lr, [sp, #224]
            add r12, sp, #152
        7:
            .irp tile, 4, 0
            ldr r8, [r12, #\\tile + 24]
            THIMBLE_CODE r6, r7, r10
            ldr r8, [r12, #\\tile + 16]
            THIMBLE_CODE r4, r5, r8
            orr r10, r8, r10, lsl #8
            ldr r8, [r12, #\\tile + 8]
            THIMBLE_CODE r2, r3, r8
            orr r10, r8, r10, lsl #8
            ldr r8, [r12, #\\tile]
            THIMBLE_CODE r0, r1, r8
            orr r10, r8, r10, lsl #8
            ldr r9, [r12, #\\tile + 32]
            str r10, [r9], #4
            str r9, [r12, #\\tile + 32]
            .endr
            sub r12, r12, #40
            cmp sp, r12
            bls 7b
            b 9f
            .balign 4
        8:  // The largest of a tile's outputs, from the last channel on.
            ldr r4, [sp, #216]
            add r5, r4, #32
            str r5, [sp, #216]
            add r4, r4, #24
            ldrd r11, lr, [sp, #224]
            add r6, sp, #32
            add r12, sp, #56
            mov r0, #0
            mov r1, #0
        40:
            ldrd r2, r3, [r4], #-8
            ldrd r8, r7, [r12]
            .irp output, 40, 80, 120
            ldrd r9, r10, [r12, #\\output]
            cmp r9, r8
            it gt
            movgt r8, r9
            cmp r10, r7
            it gt
            movgt r7, r10
            .endr
            THIMBLE_CODE r2, r3, r8
            orr r0, r8, r0, lsl #8
            mov r8, r7
            THIMBLE_CODE r2, r3, r8
            orr r1, r8, r1, lsl #8
            sub r12, r12, #8
            cmp r12, r6
            bhs 40b
            .purgem THIMBLE_CODE
            ldrd r8, r9, [sp, #64]
            str r1, [r9], #4
            str r0, [r8], #4
            strd r8, r9, [sp, #64]
        9:
            ldr r11, [sp, #232]
            ldr r8, [sp, #220]
            subs r8, r8, #1
            str r8, [sp, #220]
            bne.w 1b
            add sp, sp, #240
            pop {{r4-r11, pc}}
        ",
    )
}
