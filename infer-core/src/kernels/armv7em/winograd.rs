//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd): four output channels at two tiles.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::Armv7em;
use super::cpu::{cpu, requantize};
use crate::kernels::operands::Rescale;
use crate::kernels::shared::winograd::tiles::{Pixels, Run, TwoTileLoops};

impl TwoTileLoops for Armv7em {
    const TRANSFORM: unsafe extern "C" fn(*const Pixels, *mut u32, usize) = transform;
    const BLOCKS: unsafe extern "C" fn(*const Run) = blocks_at_two_tiles;

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        requantize(accumulator, multiplier, rescale)
    }
}

/// Transforms the codes under a tile: 88 instructions for two channels.
///
/// r0 pixels, column by column, r1 lanes, r2 where the codes of a group are in each pixel, r4-r11 two columns, r3, r12, lr three
/// words of a sum of two. The stack keeps where the groups end.
///
/// # Safety
/// From `pixels` on there are four columns of four pixels of so many groups of four codes, one at least; from `lanes` on there is
/// every second word of the [lanes](crate::kernels::shared::winograd::Lanes) for them.
#[unsafe(naked)]
unsafe extern "C" fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_COLUMN column, shift, a, b, c, d
            ldrd \\a, \\b, [r0, #16 * \\column]
            ldrd \\c, \\d, [r0, #16 * \\column + 8]
            .irp pixel, \\a, \\b, \\c, \\d
            ldr \\pixel, [\\pixel, r2]
            .endr
            .irp pixel, \\a, \\b, \\c, \\d
            uxtb16 \\pixel, \\pixel, ror #\\shift
            .endr
        .endm
        // B^T times a column, whose registers it uses up.
        .macro THIMBLE_ELEMENTS at, a, b, c, d
            ssub16 \\a, \\a, \\c
            str \\a, [r1, #\\at + 16]
            ssub16 \\d, \\d, \\b
            str \\d, [r1, #\\at + 24]
            sadd16 \\a, \\b, \\c
            str \\a, [r1, #\\at]
            ssub16 \\d, \\c, \\b
            str \\d, [r1, #\\at + 8]
        .endm
            push {{r4-r11, lr}}
            lsl r2, r2, #2
            push {{r2}}
            mov r2, #0
        2:
            .irp odd, 0, 1
            THIMBLE_COLUMN 0, 8*\\odd, r4, r5, r6, r7
            THIMBLE_COLUMN 2, 8*\\odd, r8, r9, r10, r11
            ssub16 r4, r4, r8
            ssub16 r5, r5, r9
            ssub16 r6, r6, r10
            ssub16 r7, r7, r11
            THIMBLE_ELEMENTS 128*\\odd+64, r4, r5, r6, r7
            THIMBLE_COLUMN 1, 8*\\odd, r4, r5, r6, r7
            sadd16 r3, r5, r9
            sadd16 r12, r6, r10
            sadd16 lr, r3, r12
            str lr, [r1, #128*\\odd]
            ssub16 lr, r12, r3
            str lr, [r1, #128*\\odd + 8]
            sadd16 lr, r4, r8
            ssub16 lr, lr, r12
            str lr, [r1, #128*\\odd + 16]
            sadd16 lr, r7, r11
            ssub16 lr, lr, r3
            str lr, [r1, #128*\\odd + 24]
            ssub16 r8, r8, r4
            ssub16 r9, r9, r5
            ssub16 r10, r10, r6
            ssub16 r11, r11, r7
            THIMBLE_ELEMENTS 128*\\odd+32, r8, r9, r10, r11
            THIMBLE_COLUMN 3, 8*\\odd, r8, r9, r10, r11
            ssub16 r8, r8, r4
            ssub16 r9, r9, r5
            ssub16 r10, r10, r6
            ssub16 r11, r11, r7
            THIMBLE_ELEMENTS 128*\\odd+96, r8, r9, r10, r11
            .endr
            ldr r3, [sp]
            add r2, r2, #4
            add r1, r1, #256
            cmp r2, r3
            bne.w 2b
            add sp, sp, #4
            pop {{r4-r11, pc}}
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_ELEMENTS
        ",
    )
}

/// Pairs of channels in the unrolled loop of [`blocks_at_two_tiles`].
const GROUP: usize = 16;

/// Four output channels at two tiles: two input channels take 11 instructions for the 16 products of an element.
///
/// Elements come column by column, `m0` to `m3` in each. Their sums become outputs as they come: `m2` is summed up on top of
/// `m0 + m1`, and `m3` on top of `m0 - m1`, so that only columns are left to be added up in the same way, for each of two rows of
/// outputs.
///
/// r0-r7 sums, of each row at both tiles, r8-r9 weights, r10-r11 lanes, r12 lanes, lr weights. The stack keeps
///
/// | offset | holds |
/// |---|---|
/// | 0 | sums of `m0`, then `m0 - m1` |
/// | 32, 72, 112, 152 | of an output at upper left, upper right, lower left, lower right: eight sums, then where both codes go |
/// | 192, 196 | where to enter the unrolled loop, where to go after it |
/// | 200, 204 | bytes of lanes from the end of an element to the next one, where to go after the element |
/// | 208 | where the lanes of the element end |
/// | 212, 216 | lanes, where those of the first element end |
/// | 220, 224 | channels, blocks left |
/// | 228, 232 | zero point, number of the column |
/// | 236, 240 | weights of the next block, where to requantize |
/// | 244 | shift |
///
/// # Safety
/// What `run` points to is as its fields describe: for each block four codes of each output, four channels and rows of weights; lanes for
/// each pair. Channels and weights are at multiples of a word. There is one block and one pair at least.
#[unsafe(naked)]
unsafe extern "C" fn blocks_at_two_tiles(run: *const Run) {
    naked_asm!(
        cpu!(),
        "
        // The next element, then the code at a label.
        .macro THIMBLE_ELEMENT then
            adr.w r8, \\then + 1
            str r8, [sp, #204]
            ldr.w pc, [sp, #192]
        .endm
            push {{r4-r11, lr}}
            sub sp, sp, #248
            ldm r0!, {{r1-r8}}
            mov lr, r2
            strd r3, r5, [sp, #220]
            str r6, [sp, #228]
            str r7, [sp, #244]
            mov r7, r8
            adr.w r8, 6f + 1
            adr.w r9, 8f + 1
            cmp r7, #0
            it ne
            movne r8, r9
            str r8, [sp, #240]
            // Slots that the first group leaves out, of 44 bytes each.
            sub r8, r4, #1
            and r8, r8, #{group} - 1
            rsb r8, r8, #{group} - 1
            mov r9, #44
            adr.w r10, 3f + 1
            mla r8, r8, r9, r10
            adr.w r9, 5f + 1
            adr.w r10, 4f + 1
            cmp r4, #{group}
            it hi
            movhi r9, r10
            lsl r4, r4, #7
            sub r10, r4, #8
            strd r8, r9, [sp, #192]
            str r10, [sp, #200]
            add r4, r4, r1
            strd r1, r4, [sp, #212]
            ldm r0, {{r1-r8}}
            strd r1, r2, [sp, #64]
            strd r3, r4, [sp, #104]
            strd r5, r6, [sp, #144]
            strd r7, r8, [sp, #184]
        1:  // A block.
            ldrd r12, r8, [sp, #212]
            str r8, [sp, #208]
            mov r8, #0
            str r8, [sp, #232]
        2:  // A column.
            adr.w r8, 90f
            ldm r8, {{r0-r7}}
            THIMBLE_ELEMENT 20f
            .balign 4
        90:
            .word 0, 0, 0, 0, 0, 0, 0, 0
        20:
            stm sp, {{r0-r7}}
            adr.w r8, 90b
            ldm r8, {{r0-r7}}
            THIMBLE_ELEMENT 21f
            .balign 4
        21:
            .macro THIMBLE_BUTTERFLY at, a, b
            ldrd r8, r9, [sp, #\\at]
            sub r10, r8, \\a
            sub r11, r9, \\b
            add \\a, \\a, r8
            add \\b, \\b, r9
            strd r10, r11, [sp, #\\at]
            .endm
            THIMBLE_BUTTERFLY 0, r0, r1
            THIMBLE_BUTTERFLY 8, r2, r3
            THIMBLE_BUTTERFLY 16, r4, r5
            THIMBLE_BUTTERFLY 24, r6, r7
            .purgem THIMBLE_BUTTERFLY
            THIMBLE_ELEMENT 22f
            .balign 4
        22: // Of the upper row.
            adr.w r9, 23f + 1
            str r9, [sp, #204]
            add r8, sp, #32
            b 30f
            .balign 4
        23:
            ldm sp, {{r0-r7}}
            THIMBLE_ELEMENT 24f
            .balign 4
        24: // Of the lower row.
            adr.w r9, 25f + 1
            str r9, [sp, #204]
            add r8, sp, #112
        30: // A column's share of a row.
            ldr r9, [sp, #232]
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
            ldr.w pc, [sp, #204]
        31:
            stm r8, {{r0-r7}}
            ldr.w pc, [sp, #204]
        32:
            .macro THIMBLE_BUTTERFLY a, b
            ldrd r9, r10, [r8]
            sub r11, r9, \\a
            add \\a, \\a, r9
            sub r9, r10, \\b
            add \\b, \\b, r10
            strd \\a, \\b, [r8], #8
            strd r11, r9, [r8, #32]
            .endm
            THIMBLE_BUTTERFLY r0, r1
            THIMBLE_BUTTERFLY r2, r3
            THIMBLE_BUTTERFLY r4, r5
            THIMBLE_BUTTERFLY r6, r7
            .purgem THIMBLE_BUTTERFLY
            ldr.w pc, [sp, #204]
            .balign 4
        25:
            ldr r8, [sp, #232]
            add r8, r8, #1
            str r8, [sp, #232]
            cmp r8, #4
            bne 2b
            str lr, [sp, #236]
            ldr.w pc, [sp, #240]
            .balign 4
        3:
            .rept {group}
            ldrd r8, r9, [lr], #8
            ldrd r10, r11, [r12], #128
            smlad r0, r8, r10, r0
            smlad r1, r8, r11, r1
            smlad r2, r9, r10, r2
            smlad r3, r9, r11, r3
            ldrd r8, r9, [lr], #8
            smlad r4, r8, r10, r4
            smlad r5, r8, r11, r5
            smlad r6, r9, r10, r6
            smlad r7, r9, r11, r7
            .endr
            ldr.w pc, [sp, #196]
            .balign 4
        4:  // One of many groups.
            ldr r8, [sp, #208]
            cmp r12, r8
            bne.w 3b
            add r8, r8, #8
            str r8, [sp, #208]
            .balign 4
        5:  // The last one.
            ldr r8, [sp, #200]
            sub r12, r12, r8
            ldr.w pc, [sp, #204]
            .balign 4
        6:  // Four channels of each output, from the last one on.
            ldr r8, [sp, #220]
            ldm r8!, {{r0-r7}}
            str r8, [sp, #220]
            add r12, sp, #152
        7:
            .irp tile, 4, 0
            ldr r8, [r12, #\\tile]
            ldr r9, [r12, #\\tile + 8]
            ldr r10, [r12, #\\tile + 16]
            ldr r11, [r12, #\\tile + 24]
            add r8, r0, r8, asr #2
            add r9, r2, r9, asr #2
            add r10, r4, r10, asr #2
            add r11, r6, r11, asr #2
            ldr lr, [sp, #244]
            lsl r8, r8, lr
            lsl r9, r9, lr
            lsl r10, r10, lr
            lsl r11, r11, lr
            ldr lr, [sp, #228]
            smmlar r8, r8, r1, lr
            smmlar r9, r9, r3, lr
            smmlar r10, r10, r5, lr
            smmlar r11, r11, r7, lr
            usat r8, #8, r8
            usat r9, #8, r9
            usat r10, #8, r10
            usat r11, #8, r11
            orr r8, r8, r9, lsl #8
            orr r8, r8, r10, lsl #16
            orr r8, r8, r11, lsl #24
            ldr r9, [r12, #\\tile + 32]
            str r8, [r9], #4
            str r9, [r12, #\\tile + 32]
            .endr
            sub r12, r12, #40
            cmp sp, r12
            bls 7b
            b 9f
            .balign 4
        8:  // The largest of a tile's outputs, from the last channel on.
            ldr r4, [sp, #220]
            add r5, r4, #32
            str r5, [sp, #220]
            add r4, r4, #24
            ldr r5, [sp, #228]
            ldr r7, [sp, #244]
            add r6, sp, #32
            add r12, sp, #56
            mov r0, #0
            mov r1, #0
        40:
            ldrd r2, r3, [r4], #-8
            ldrd r8, r9, [r12]
            .irp output, 40, 80, 120
            ldrd r10, r11, [r12, #\\output]
            cmp r10, r8
            it gt
            movgt r8, r10
            cmp r11, r9
            it gt
            movgt r9, r11
            .endr
            add r8, r2, r8, asr #2
            add r9, r2, r9, asr #2
            lsl r8, r8, r7
            lsl r9, r9, r7
            smmlar r8, r8, r3, r5
            smmlar r9, r9, r3, r5
            usat r8, #8, r8
            usat r9, #8, r9
            orr r0, r8, r0, lsl #8
            orr r1, r9, r1, lsl #8
            sub r12, r12, #8
            cmp r12, r6
            bhs 40b
            ldrd r8, r9, [sp, #64]
            str r1, [r9], #4
            str r0, [r8], #4
            strd r8, r9, [sp, #64]
        9:
            ldr lr, [sp, #236]
            ldr r8, [sp, #224]
            subs r8, r8, #1
            str r8, [sp, #224]
            bne.w 1b
            add sp, sp, #248
            pop {{r4-r11, pc}}
            .purgem THIMBLE_ELEMENT
        ",
        group = const GROUP,
    )
}
