//! Convolutions before a 2x2 max-pool: two rows at a time at the four positions of a window.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{PAIRS_PER_FOLD, cpu, folds, forget_folds};

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

/// Pairs of taps in the unrolled loop; divides [`PAIRS_PER_FOLD`].
const GROUP: usize = 8;

/// Two rows at a time at the four positions of a window.
///
/// A pair of taps takes 12 instructions for its 16 products. The loop over the pairs is unrolled eight times and entered in
/// the middle; both addresses move by themselves, so that four more for each group are all that it costs, and one where there is
/// a single group. The words of a last block that is not full are not at multiples of 16: for it there is a loop of a pair at a
/// time. Of the sums `s0`, `d1 = s1 - s0`, `d2 = s2 - s0`, `d3 = s3 - s2` the maximum is
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
/// | 32, 36 | lanes, where to enter the unrolled loop |
/// | 40, 44 | codes, channels |
/// | 48, 52 | columns (upper two bits) and blocks, bytes from the end of a column's weights back to the next column |
/// | 56, 60 | zero point, shift |
/// | 64, 68 | where lanes end for now, where to go after a group |
/// | 72, 76 | where they end in the first fold, and in the last one |
/// | 80 | odd rows' sums of earlier folds |
/// | 96, 100 | where to requantize, bytes of weights for a pair of taps |
/// | 104 | where the loop begins |
///
/// # Safety
/// What `window` points to is as its fields describe: for each block, or for the words of one, codes, channels and weights; for
/// each pair four words of lanes. Channels are at a multiple of a word. There is one pair and one block at least.
#[unsafe(naked)]
pub unsafe extern "C" fn pooled_blocks(window: *const Pooled) {
    naked_asm!(
        cpu!(),
        folds!(),
        "
        .macro THIMBLE_PAIR
            uxtb16 r9, r8
            ldrd r10, r11, [r12], #8
            smlad r4, r8, r10, r4
            smlad r0, r9, r10, r0
            smlad r5, r8, r11, r5
            smlad r1, r9, r11, r1
            ldrd r10, r11, [r12], #8
            smlad r6, r8, r10, r6
            smlad r2, r9, r10, r2
            smlad r7, r8, r11, r7
            smlad r3, r9, r11, r3
        .endm
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
            strd r7, r9, [sp, #56]
            // Fast requantization where neither shift nor zero point is there.
            adr.w r11, 7f
            adr.w lr, 8f
            orrs r7, r7, r9
            it ne
            movne r11, lr
            orr r11, r11, #1
            strd r11, r10, [sp, #96]
            mov lr, r4
            mul r7, r10, r5
            sub r7, r7, #4
            strd r6, r7, [sp, #48]
            // Slots that the first group leaves out: 48 bytes of code each.
            rsb r8, r5, #0
            and r8, r8, #{group} - 1
            add r8, r8, r8, lsl #1
            adr.w r2, 3f + 1
            add r7, r2, r8, lsl #4
            cmp r10, #16
            itt ne
            adrne.w r2, 10f + 1
            movne r7, r2
            str r2, [sp, #104]
            strd r3, r7, [sp, #32]
            // The ends of the first fold and of the last one.
            sub r8, r5, #1
            and r9, r8, #{pairs_per_fold} - 1
            add r3, r3, #16
            add r9, r3, r9, lsl #4
            add r8, r3, r8, lsl #4
            strd r9, r8, [sp, #72]
            // After a group: the end where there is one only; else the next one, and folds where there are several.
            adr.w r7, 6f + 1
            cmp r9, r8
            bne 1f
            adr.w r7, 5f + 1
            cmp r10, #16
            bne 1f
            cmp r5, #{group}
            bls 1f
            adr.w r7, 4f + 1
        1:
            strd r9, r7, [sp, #64]
            THIMBLE_CLEAR_FOLDS 80
        2:  // A column: two rows.
            ldm sp, {{r0-r7, r12, pc}}
            .balign 4
        3:
            .rept {group}
            ldr.w r8, [lr], #16
            THIMBLE_PAIR
            .endr
            ldr.w pc, [sp, #68]
            .balign 4
        4:  // The next group, or the end of many.
            ldr r8, [sp, #64]
            cmp r12, r8
            bne.w 3b
            .balign 4
        5:  // A single fold, which is the shifter's.
            THIMBLE_DIFFERENCES
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
            ldrd r8, r9, [sp, #48]
            sub lr, lr, r9
            adds r8, r8, #0x40000000
            str r8, [sp, #48]
            bcc.w 2b
            // The next block is as far from here as its second column is from its end, but for three words.
            sub r9, r9, #12
            add lr, lr, r9
            subs r8, r8, #1
            str r8, [sp, #48]
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
            .balign 4
        10: // A pair of taps of a block that is not full.
            ldr r8, [lr]
            ldr r9, [sp, #100]
            add lr, lr, r9
            THIMBLE_PAIR
            ldr r8, [sp, #64]
            cmp r12, r8
            bne 10b
            ldr.w pc, [sp, #68]
            .balign 4
        6:  // The next group, or one of many folds.
            ldr r8, [sp, #64]
            cmp r12, r8
            bne.w 3b
            THIMBLE_DIFFERENCES
            THIMBLE_ADD_FOLDS 80
            ldrd r8, r9, [sp, #72]
            cmp r12, r9
            beq 1f
            THIMBLE_KEEP_FOLDS 80
            add r8, r12, #16 * {pairs_per_fold}
            str r8, [sp, #64]
            ldr.w pc, [sp, #104]
        1:  // The last one.
            str r8, [sp, #64]
            THIMBLE_CLEAR_FOLDS 80
            THIMBLE_MAXIMUM r4, r5, r6, r7
            b.w 9b
            .purgem THIMBLE_MAXIMUM
            .purgem THIMBLE_PAIR
        ",
        forget_folds!(),
        group = const GROUP,
        pairs_per_fold = const PAIRS_PER_FOLD,
    )
}
