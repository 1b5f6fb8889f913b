//! Products of transformed codes and weights, and what they become: blocks of four output channels at two tiles.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::OUTPUTS;
use crate::kernels::armv7em::cpu::cpu;
use crate::kernels::operands::TILES;

/// What [`blocks_at_two_tiles`] works on.
#[repr(C)]
pub struct Run {
    /// The transformed codes of both tiles.
    pub lanes: *const u32,
    /// The first block.
    pub weights: *const u8,
    /// Bias and multiplier of each channel.
    pub channels: *const u32,
    /// Words of each row of weights for an element.
    pub pairs: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Added after the multiplication.
    pub zero_point: u32,
    /// Left shift before it.
    pub shift: u32,
    /// Whether the maximum of a tile is all that is put out.
    pub pool: u32,
    /// Where the codes of each output go, of both tiles; with a pool only of the first one.
    pub outputs: [*mut u8; TILES * OUTPUTS],
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
pub unsafe extern "C" fn blocks_at_two_tiles(run: *const Run) {
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
