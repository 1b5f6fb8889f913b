//! Convolutions that no pool comes after: four rows at a time at two positions.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{PAIRS_PER_FOLD, cpu, folds, forget_folds, in_words, requantize};
use super::widen::{Filter, Neighbors, STEP, WIDEN};
use crate::kernels::operands::Conv2dOperands;
use crate::packing::ROWS_PER_BLOCK;

/// For each two positions the codes under the filter, then all rows. `lanes` has two words for each two taps.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, lanes: &mut [u32], mut output: &mut [u8]) {
    let Some(mut filter) = Filter::new(input, operands) else { return };
    let channels = usize::from(operands.output.channels).max(1);
    let table = operands.channels.bytes();
    // LDRD and LDM read weights and channels of full blocks; where they cannot, rows go two by two, as in the last block.
    let blocks = if in_words(operands.weights) && in_words(table) { channels / ROWS_PER_BLOCK } else { 0 };
    let whole = blocks * ROWS_PER_BLOCK == channels;
    let mut run = Run {
        inside: core::ptr::null(),
        neighbors: core::ptr::null(),
        starts: [0; 2],
        lanes: lanes.as_mut_ptr(),
        pairs: 0,
        weights: operands.weights.as_ptr(),
        blocks,
        pairs_in_block: lanes.len() / 2,
        channels: table.as_ptr().cast(),
        zero_point: operands.rescale.zero_point.into(),
        shift: operands.rescale.shift.into(),
        codes: core::ptr::null_mut(),
        second: channels,
        count: 0,
    };
    while !output.is_empty() {
        let inside = if whole { filter.pairs_inside().min(output.len() / (2 * channels)) } else { 0 };
        run.count = inside.max(1);
        let len = (2 * channels * run.count).min(output.len());
        let Some((codes, rest)) = core::mem::take(&mut output).split_at_mut_checked(len) else { return };
        output = rest;
        if inside > 0 {
            run.inside = filter.codes();
            filter.advance(2 * inside);
        } else {
            let alone = codes.len() <= channels;
            run.inside = core::ptr::null();
            run.starts = filter.gather_two(alone, lanes).map(|sum| sum.wrapping_mul(128).wrapping_neg());
            // A last position without a neighbor is computed twice.
            run.second = if alone { 0 } else { channels };
        }
        let [skipped, pairs] = filter.pairs();
        run.pairs = pairs;
        if !whole {
            two_by_two(operands, lanes, blocks * ROWS_PER_BLOCK, [skipped, pairs], run.starts, codes);
        }
        if blocks > 0 {
            run.neighbors = &raw const filter.neighbors;
            run.weights = operands.weights.as_ptr().wrapping_add(2 * ROWS_PER_BLOCK * skipped);
            run.codes = codes.as_mut_ptr();
            // SAFETY: the lengths were compared: eight codes, channels and rows of weights for each block at all positions, two
            // words of lanes for each pair, and all words are at multiples of four bytes.
            unsafe { two_positions(&raw mut run) }
        }
    }
}

/// Two rows at a time at two positions, or at one, from row `first` on: those of a last block that is not full, or all where
/// weights or channels are not at a multiple of a word. The lanes hold so many pairs of taps, after those that are skipped.
#[inline(never)]
fn two_by_two(
    operands: &Conv2dOperands<'_>,
    lanes: &[u32],
    first: usize,
    [skipped, pairs]: [usize; 2],
    starts: [u32; 2],
    codes: &mut [u8],
) {
    let channels = usize::from(operands.output.channels).max(1);
    let mut table = operands.channels.bytes().as_chunks::<8>().0.iter().skip(first);
    for row in (first..channels).step_by(2) {
        let block = row & !(ROWS_PER_BLOCK - 1);
        let words = (channels - block).min(ROWS_PER_BLOCK).div_ceil(2);
        let start = lanes.len() * block + 4 * (skipped * words + (row - block) / 2);
        let mut weights = operands.weights.get(start..).unwrap_or_default();
        let [u0, u1] = starts;
        let mut sums = [u0, u1, 0, 0];
        for lanes in lanes.get(..2 * pairs).unwrap_or_default().chunks(2 * PAIRS_PER_FOLD) {
            let to_next = 4 * words * (lanes.len() / 2);
            if to_next - 4 * (words - 1) <= weights.len() {
                let lanes = lanes.as_ptr_range();
                // SAFETY: each pair of lanes has its word of weights.
                unsafe { two_rows(lanes.start, lanes.end, weights.as_ptr(), 4 * words, &raw mut sums) }
            }
            weights = weights.get(to_next..).unwrap_or_default();
        }
        let [even0, even1, odd0, odd1] = sums;
        for (channel, sums) in (row..channels).zip([[even0, even1], [odd0, odd1]]) {
            let Some(&[b0, b1, b2, b3, m0, m1, m2, m3]) = table.next() else { return };
            let bias = u32::from_le_bytes([b0, b1, b2, b3]);
            for (codes, sum) in codes.chunks_mut(channels).zip(sums) {
                if let Some(code) = codes.get_mut(channel) {
                    let multiplier = i32::from_le_bytes([m0, m1, m2, m3]);
                    *code = requantize(sum.wrapping_add(bias).cast_signed(), multiplier, operands.rescale);
                }
            }
        }
    }
}

/// Two rows at two positions, up to [`PAIRS_PER_FOLD`] pairs of taps: adds to the even row's sums, then the odd one's.
///
/// r0 lanes, r1 their end, r2 weights, r3 bytes from one word to the next, r4-r5 `u`, r6-r7 `acc`, r8 weights, r10-r11 `x`, r12
/// sums.
///
/// # Safety
/// There are two words of lanes and a word of weights for each pair of taps, one at least.
#[unsafe(naked)]
unsafe extern "C" fn two_rows(
    lanes: *const u32,
    end: *const u32,
    weights: *const u8,
    to_next: usize,
    sums: *mut [u32; 4],
) {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r11, lr}}
            ldr r12, [sp, #36]
            ldrd r4, r5, [r12]
            mov r6, r4
            mov r7, r5
        2:
            ldr r8, [r2]
            ldrd r10, r11, [r0], #8
            add r2, r2, r3
            smlad r6, r8, r10, r6
            smlad r7, r8, r11, r7
            uxtb16 r8, r8
            smlad r4, r8, r10, r4
            smlad r5, r8, r11, r5
            cmp r0, r1
            bne 2b
            sub r6, r6, r4
            sub r7, r7, r5
            ldrd r8, r9, [r12, #8]
            add r8, r8, r6, asr #8
            add r9, r9, r7, asr #8
            stm r12, {{r4, r5, r8, r9}}
            pop {{r4-r11, pc}}
        ",
    )
}

/// What [`two_positions`] works on.
#[repr(C)]
struct Run {
    /// The codes under the filter at the first position; null where the lanes hold those of two.
    inside: *const u8,
    /// How they lie.
    neighbors: *const Neighbors,
    /// What even rows' sums start at, where the lanes are filled: -128 times the sum of the codes.
    starts: [u32; 2],
    /// The codes under the filter, 16 bits each: a word of each position for each two taps.
    lanes: *mut u32,
    /// Pairs of taps.
    pairs: usize,
    /// The first block, from the first pair of taps on that is not left out.
    weights: *const u8,
    /// Number of blocks.
    blocks: usize,
    /// Pairs of taps in a block, those that are left out included.
    pairs_in_block: usize,
    /// Bias and multiplier of each channel.
    channels: *const u32,
    /// Added after the multiplication.
    zero_point: u32,
    /// Left shift before it.
    shift: u32,
    /// Where the codes of the first position go.
    codes: *mut u8,
    /// Bytes from there to those of the second one.
    second: usize,
    /// Two positions each: how often.
    count: usize,
}

/// Pairs of taps in the unrolled loop of [`two_positions`]; divides [`PAIRS_PER_FOLD`].
const GROUP: usize = 16;

/// Four rows at a time at two positions: a pair of taps takes 12 instructions for its 16 products. The loop over the pairs is
/// unrolled 16 times and entered in the middle, so that one more is all that it costs, or four for each 16 pairs where there are
/// more.
///
/// First rows 0-3 of every block, then rows 4-7: so the weights of the next four begin where those of the last four end.
///
/// r0-r3 `u`, r4-r7 `acc`, both of words 0 and 1 at positions 0 and 1, r8-r9 weights, r10-r11 `x`, r12 lanes, lr weights. The
/// stack keeps
///
/// | offset | holds |
/// |---|---|
/// | 0, 8 | codes of both positions, channels |
/// | 12, 16 | zero point, shift |
/// | 20 | what sums start at: `u`, then `acc` |
/// | 52, 56 | lanes, where to enter the unrolled loop |
/// | 60, 64 | where lanes end for now, where to go after a group |
/// | 68, 72 | where they end in the first fold, and in the last one |
/// | 76 | where the weights of a next block would begin, bytes of those that are left out in each block |
/// | 84 | odd rows' sums of earlier folds |
/// | 108 | where the weights of a next block would begin, for rows 0-3 |
/// | 112 | what `run` points to, where fields are updated in place |
///
/// # Safety
/// What `run` points to is as its fields describe: for each block eight codes at all positions, eight channels and rows of
/// weights, two words of lanes for each pair; channels and weights are at multiples of a word. There is one block, one pair
/// and one of `count` at least.
#[unsafe(naked)]
unsafe extern "C" fn two_positions(run: *mut Run) {
    naked_asm!(
        cpu!(),
        folds!(),
        "
        // Two rows: even and odd sums at both positions become codes. FULL: odd sums are folded, and a shift is due.
        .macro THIMBLE_REQUANTIZE full, even0, even1, odd0, odd1
            ldm r12!, {{r8-r11}}
            add \\even0, \\even0, r8
            add \\even1, \\even1, r8
            .if \\full
            add \\odd0, \\odd0, r10
            add \\odd1, \\odd1, r10
            ldrd r8, r10, [sp, #12]
            lsl \\even0, \\even0, r10
            lsl \\even1, \\even1, r10
            lsl \\odd0, \\odd0, r10
            lsl \\odd1, \\odd1, r10
            .else
            add \\odd0, r10, \\odd0, asr #8
            add \\odd1, r10, \\odd1, asr #8
            ldr r8, [sp, #12]
            .endif
            smmlar \\even0, \\even0, r9, r8
            smmlar \\even1, \\even1, r9, r8
            smmlar \\odd0, \\odd0, r11, r8
            smmlar \\odd1, \\odd1, r11, r8
        .endm
        // A byte of each sum, in a word.
        .macro THIMBLE_PACK to, second, third, fourth
            usat \\to, #8, \\to
            usat \\second, #8, \\second
            usat \\third, #8, \\third
            usat \\fourth, #8, \\fourth
            orr \\to, \\to, \\second, lsl #8
            orr \\to, \\to, \\third, lsl #16
            orr \\to, \\to, \\fourth, lsl #24
        .endm
            push {{r4-r11, lr}}
            sub sp, sp, #120
            str r0, [sp, #112]
            add r0, r0, #16
            ldm r0, {{r1-r8}}
            // r1 lanes, r2 pairs, r3 weights, r4 blocks, r5 pairs in a block, r6 channels, r7 zero point, r8 shift
            strd r7, r8, [sp, #12]
            mul r4, r4, r5
            add r4, r3, r4, lsl #4
            sub r5, r5, r2
            lsl r5, r5, #4
            strd r4, r5, [sp, #76]
            str r4, [sp, #108]
            // Slots that the first group leaves out, and the ends of the first fold and of the last one.
            rsb r6, r2, #0
            and r6, r6, #{group} - 1
            add r6, r6, r6, lsl #1
            adr.w r7, 3f + 1
            add r7, r7, r6, lsl #4
            strd r1, r7, [sp, #52]
            sub r2, r2, #1
            and r3, r2, #{pairs_per_fold} - 1
            add r1, r1, #8
            add r3, r1, r3, lsl #3
            add r2, r1, r2, lsl #3
            strd r3, r2, [sp, #68]
            // After a group: the end where there is one only; else the next one, and folds where there are several.
            adr.w r4, 4f + 1
            cmp r3, r2
            it eq
            cmpeq r8, #0
            bne 8f
            sub r2, r2, r1
            cmp r2, #8 * {group}
            blo 9f
            adr.w r4, 10f + 1
            b 9f
        8:
            adr.w r4, 5f + 1
            THIMBLE_CLEAR_FOLDS 84
        9:
            strd r3, r4, [sp, #60]
        1:  // Two positions.
            ldr r4, [sp, #112]
            ldm r4, {{r0, r2, r3, r6}}
            cbz r0, 9f
            // Bytes to the next position.
            ldr r5, [r2, #{step}]
            ldr r1, [r4, #16]
            ldr r6, [r2, #{widen}]
            add r3, r0, r5, lsl #1
            str r3, [r4]
            blx r6
            mov r2, #0
            sub r3, r2, r0, lsl #7
            sub r6, r2, r1, lsl #7
        9:
            strd r3, r6, [sp, #20]
            strd r3, r6, [sp, #28]
            strd r3, r6, [sp, #36]
            strd r3, r6, [sp, #44]
            ldrd r8, r9, [r4, #48]
            ldr r12, [r4, #36]
            add r9, r8, r9
            stm sp, {{r8, r9, r12}}
            ldr r10, [sp, #108]
            str r10, [sp, #76]
            ldr lr, [r4, #24]
        2:  // Four rows.
            add r12, sp, #20
            ldm r12, {{r0-r7, r12, pc}}
            .balign 4
        3:
            .rept {group}
            ldrd r8, r9, [lr], #16
            ldrd r10, r11, [r12], #8
            smlad r4, r8, r10, r4
            smlad r5, r8, r11, r5
            smlad r6, r9, r10, r6
            smlad r7, r9, r11, r7
            uxtb16 r8, r8
            uxtb16 r9, r9
            smlad r0, r8, r10, r0
            smlad r1, r8, r11, r1
            smlad r2, r9, r10, r2
            smlad r3, r9, r11, r3
            .endr
            ldr.w pc, [sp, #64]
            .balign 4
        10: // The next group of a single fold.
            ldr r8, [sp, #60]
            cmp r12, r8
            bne.w 3b
            .balign 4
        4:  // A single fold, which is the shifter's, and no shift.
            THIMBLE_DIFFERENCES
            ldr r12, [sp, #8]
            THIMBLE_REQUANTIZE 0, r0, r1, r4, r5
            THIMBLE_REQUANTIZE 0, r2, r3, r6, r7
        6:
            THIMBLE_PACK r0, r4, r2, r6
            THIMBLE_PACK r1, r5, r3, r7
            ldrd r8, r9, [sp]
            add r12, r12, #32
            str r0, [r8], #8
            str r1, [r9], #8
            stm sp, {{r8, r9, r12}}
            ldrd r10, r11, [sp, #76]
            add lr, lr, r11
            cmp lr, r10
            bne.w 2b
            ldr r4, [sp, #112]
            ldr r0, [sp, #108]
            ldrd r8, r9, [r4, #48]
            cmp r10, r0
            bne 7f
            // Rows 4-7 of every block.
            add r10, r10, #8
            str r10, [sp, #76]
            add r8, r8, #4
            add r9, r8, r9
            ldr r12, [r4, #36]
            add r12, r12, #32
            stm sp, {{r8, r9, r12}}
            ldr lr, [r4, #24]
            add lr, lr, #8
            b.w 2b
        7:
            add r8, r8, r9, lsl #1
            str r8, [r4, #48]
            ldr r8, [r4, #56]
            subs r8, r8, #1
            str r8, [r4, #56]
            bne.w 1b
            add sp, sp, #120
            pop {{r4-r11, pc}}
            .balign 4
        5:  // The next group, or one of many folds.
            ldr r8, [sp, #60]
            cmp r12, r8
            bne.w 3b
            THIMBLE_DIFFERENCES
            ldr r12, [sp, #8]
            THIMBLE_ADD_FOLDS 84
            ldrd r8, r9, [sp, #68]
            ldr r10, [sp, #60]
            cmp r10, r9
            beq 8f
            THIMBLE_KEEP_FOLDS 84
            mov r12, r10
            add r10, r10, #8 * {pairs_per_fold}
            str r10, [sp, #60]
            b.w 3b
        8:  // The last one.
            str r8, [sp, #60]
            THIMBLE_CLEAR_FOLDS 84
            THIMBLE_REQUANTIZE 1, r0, r1, r4, r5
            THIMBLE_REQUANTIZE 1, r2, r3, r6, r7
            b.w 6b
            .purgem THIMBLE_REQUANTIZE
            .purgem THIMBLE_PACK
        ",
        forget_folds!(),
        group = const GROUP,
        pairs_per_fold = const PAIRS_PER_FOLD,
        step = const STEP,
        widen = const WIDEN,
    )
}
