//! Convolutions before a 2x2 max-pool: two rows at a time at the four positions of a window.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{PAIRS_PER_FOLD, cpu};

/// What [`pooled_blocks`] works on.
#[repr(C)]
pub struct Pooled {
    /// What even rows' sums start at: -128 times the sum of the codes, at each position.
    pub sums: [i32; 4],
    /// Where the codes of the position go.
    pub codes: *mut u8,
    /// Bias and multiplier of each channel.
    pub channels: *const u32,
    /// What [`window`](crate::kernels::shared::window) gathered.
    pub lanes: *const u32,
    /// The first block.
    pub weights: *const u8,
    /// Pairs of taps.
    pub pairs: usize,
    /// Number of blocks; in the upper two bits, how many words a block lacks.
    pub blocks: usize,
    /// Added after the multiplication.
    pub zero_point: u32,
    /// Left shift before it.
    pub shift: u32,
    /// Bytes of weights for a pair of taps.
    pub stride: usize,
}

/// Two rows at a time at the four positions of a window. The words of a last block are not at multiples of 16: for
/// it the loop has a `GROUP` of one.
///
/// A pair of taps takes 12 instructions for its 16 products; the loop over them is unrolled `GROUP` times and entered
/// in the middle. Of the sums `s0`, `d1 = s1 - s0`, `d2 = s2 - s0`, `d3 = s3 - s2` the maximum is
///
/// ```text
/// a = max(d1, 0),  b = d2 + max(d3, 0)
/// max(s0, s1, s2, s3) = s0 + a + max(b - a, 0)
/// ```
///
/// where `max(…, 0)` is one USAT. Only then come bias and requantization.
///
/// r0-r3 `u`, r4-r7 `acc`, r8 weights, r9 their low bytes, r10-r11 `x`, r12 lanes, lr weights. The stack keeps
///
/// | offset | holds |
/// |---|---|
/// | 0 | what `u` starts at, then the same for `acc` |
/// | 32, 36 | where to enter the unrolled loop, where to go after it |
/// | 40, 44 | codes, channels |
/// | 48, 52 | columns (upper two bits) and blocks, bytes from a block's last column to the next block |
/// | 56, 60 | zero point, shift |
/// | 64, 68 | groups, groups left |
/// | 72, 76 | bytes of lanes and of weights that the groups span |
/// | 80 | odd rows' sums of earlier folds |
/// | 96, 100 | where to requantize, bytes of weights for a pair of taps |
///
/// # Safety
/// What `window` points to is as its fields describe: for each block, or for the words of one, codes, channels and weights; for
/// each pair four words of lanes. Channels are at a multiple of a word. There is one pair and one block at least.
#[unsafe(naked)]
pub unsafe extern "C" fn pooled_blocks<const GROUP: usize>(window: *const Pooled) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_MAXIMUM s, d1, d2, d3
            usat \\d1, #31, \\d1
            usat \\d3, #31, \\d3
            add \\d3, \\d3, \\d2
            add \\s, \\s, \\d1
            sub \\d3, \\d3, \\d1
            usat \\d3, #31, \\d3
            add \\s, \\s, \\d3
        .endm
            push {{r4-r11, lr}}
            sub sp, sp, #108
            ldm r0!, {{r4-r7}}
            mov r8, sp
            stm r8!, {{r4-r7}}
            stm r8!, {{r4-r7}}
            ldm r0, {{r1-r7, r9, r10}}
            strd r1, r2, [sp, #40]
            str r6, [sp, #48]
            strd r7, r9, [sp, #56]
            // Fast requantization where neither shift nor zero point is there.
            adr.w r11, 7f
            adr.w lr, 8f
            orrs r7, r7, r9
            it ne
            movne r11, lr
            orr r11, r11, #1
            strd r11, r10, [sp, #96]
            // Pairs that are missing in the first group, and the number of groups.
            rsb r8, r5, #0
            and r8, r8, #{group} - 1
            add r9, r5, r8
            lsl r6, r9, #4
            mul r7, r10, r9
            .if {group} > 1
            lsr r9, r9, #{group_shift}
            .endif
            strd r9, r9, [sp, #64]
            strd r6, r7, [sp, #72]
            mls lr, r8, r10, r4
            sub r12, r3, r8, lsl #4
            // Entry: 48 bytes of code for each pair.
            mov r6, #48
            adr.w r7, 3f
            mla r6, r8, r6, r7
            orr r6, r6, #1
            adr.w r7, 4f
            adr.w r11, 5f
            cmp r9, #1
            it eq
            moveq r7, r11
            orr r7, r7, #1
            strd r6, r7, [sp, #32]
            mul r11, r10, r5
            sub r11, r11, r10
            str r11, [sp, #52]
            mov r8, #0
            mov r9, #0
            strd r8, r9, [sp, #80]
            strd r8, r9, [sp, #88]
        2:  // A column: two rows.
            ldm sp, {{r0-r7}}
            ldr.w pc, [sp, #32]
            .balign 4
        3:
            .irp slot, 0, 1, 2, 3, 4, 5, 6, 7
            .if \\slot < {group}
            ldr.w r8, [lr, #16 * \\slot]
            uxtb16 r9, r8
            ldrd r10, r11, [r12, #16 * \\slot]
            smlad r4, r8, r10, r4
            smlad r0, r9, r10, r0
            smlad r5, r8, r11, r5
            smlad r1, r9, r11, r1
            ldrd r10, r11, [r12, #16 * \\slot + 8]
            smlad r6, r8, r10, r6
            smlad r2, r9, r10, r2
            smlad r7, r8, r11, r7
            smlad r3, r9, r11, r3
            .endif
            .endr
            ldr.w pc, [sp, #36]
            .balign 4
        4:  // The next group, or the end of many.
            add r12, r12, #16 * {group}
            .if {group} == 1
            ldr r8, [sp, #100]
            add lr, lr, r8
            .else
            add lr, lr, #16 * {group}
            .endif
            ldr r8, [sp, #68]
            subs r8, r8, #1
            str r8, [sp, #68]
            beq 6f
            tst r8, #{groups_per_fold} - 1
            bne.w 3b
            sub r4, r4, r0
            sub r5, r5, r1
            sub r6, r6, r2
            sub r7, r7, r3
            ldrd r8, r9, [sp, #80]
            ldrd r10, r11, [sp, #88]
            add r8, r8, r4, asr #8
            add r9, r9, r5, asr #8
            add r10, r10, r6, asr #8
            add r11, r11, r7, asr #8
            strd r8, r9, [sp, #80]
            strd r10, r11, [sp, #88]
            mov r4, r0
            mov r5, r1
            mov r6, r2
            mov r7, r3
            b.w 3b
        6:  // The last fold; lanes and weights back to the first group.
            sub r4, r4, r0
            sub r5, r5, r1
            sub r6, r6, r2
            sub r7, r7, r3
            ldrd r8, r9, [sp, #80]
            ldrd r10, r11, [sp, #88]
            add r4, r8, r4, asr #8
            add r5, r9, r5, asr #8
            add r6, r10, r6, asr #8
            add r7, r11, r7, asr #8
            mov r8, #0
            mov r9, #0
            strd r8, r9, [sp, #80]
            strd r8, r9, [sp, #88]
            ldr r8, [sp, #64]
            str r8, [sp, #68]
            ldrd r8, r9, [sp, #72]
            sub r12, r12, r8
            sub lr, lr, r9
            THIMBLE_MAXIMUM r4, r5, r6, r7
            b 9f
            .balign 4
        5:  // A single group: the fold is the shifter's.
            sub r4, r4, r0
            sub r5, r5, r1
            sub r6, r6, r2
            sub r7, r7, r3
            usat r5, #23, r5, asr #8
            usat r7, #23, r7, asr #8
            add r7, r7, r6, asr #8
            add r4, r5, r4, asr #8
            sub r7, r7, r5
            usat r7, #31, r7
            add r4, r4, r7
        9:
            THIMBLE_MAXIMUM r0, r1, r2, r3
            ldrd r10, r11, [sp, #40]
            ldm r11!, {{r1, r2, r3, r5}}
            add r0, r0, r1
            add r4, r4, r3
            ldr.w pc, [sp, #96]
            .balign 4
        7:
            smmulr r0, r0, r2
            smmulr r4, r4, r5
        1:
            usat r0, #8, r0
            usat r4, #8, r4
            strb r0, [r10], #1
            strb r4, [r10], #1
            strd r10, r11, [sp, #40]
            // Four columns make the counter carry into a block.
            ldr r8, [sp, #48]
            add lr, lr, #4
            adds r8, r8, #0x40000000
            str r8, [sp, #48]
            bcc.w 2b
            subs r8, r8, #1
            str r8, [sp, #48]
            ldr r9, [sp, #52]
            add lr, lr, r9
            bne.w 2b
            add sp, sp, #108
            pop {{r4-r11, pc}}
            .balign 4
        8:
            ldrd r8, r9, [sp, #56]
            lsl r0, r0, r9
            lsl r4, r4, r9
            smmulr r0, r0, r2
            smmulr r4, r4, r5
            add r0, r0, r8
            add r4, r4, r8
            b 1b
            .purgem THIMBLE_MAXIMUM
        ",
        group = const GROUP,
        groups_per_fold = const PAIRS_PER_FOLD / GROUP,
        group_shift = const GROUP.ilog2(),
    )
}
