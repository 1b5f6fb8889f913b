//! Kernels for cores with the DSP extension: Cortex-M4, M7, M33.
//!
//! SMLAD multiplies two pairs of 16-bit lanes and adds both products. A word of packed weights holds rows `r` and `s`
//! for the inputs `a` and `b`, a lane being `256 * s + (r + 128)`, so with `x = a | b << 16`
//!
//! ```text
//! acc += smlad(word, x)            256 * S + U
//! u   += smlad(uxtb16(word), x)    U = R + 128 * sum(x)
//! S = (acc - U) >> 8               exact while |S| < 2^23: folded every 128 pairs
//! ```
//!
//! Sums start at the bias, those of even rows at `bias - 128 * sum(x)`, so that nothing is left to correct at the end.
//! `acc` starts where `u` does: the difference is what counts.
//!
//! The hot loops need all fourteen registers, which only a naked function has.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::{asm, naked_asm};

use super::listed::{self, Entry};
use super::{patch, window};
use crate::packing::{ROWS_PER_BLOCK, packed_len};
use crate::stage::{Conv2dStage, DenseStage, LogitsStage, Rescale};

pub use super::portable::max_pool2d;

/// Pairs of taps whose sums are exact without a fold.
const PAIRS_PER_FOLD: usize = 128;

/// Convolution, and the 2x2 maximum behind it where the stage has one.
#[inline(never)]
pub fn conv2d(input: &[u8], stage: &Conv2dStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let taps = usize::from(stage.kernel) * usize::from(stage.kernel) * usize::from(stage.input.channels);
    let rows = usize::from(stage.output.channels);
    let needed = u32::try_from(taps).ok().and_then(|taps| packed_len(stage.output.channels.into(), taps));
    let fits = needed == u32::try_from(stage.weights.len()).ok() && stage.channels.bytes().len() == 8 * rows;
    if !fits || taps == 0 || rows == 0 || output.len() != stage.output.len() {
        return;
    }
    let pairs = taps.div_ceil(2);
    if stage.pool {
        if let Some(lanes) = scratch.get_mut(..4 * pairs) {
            pooled(input, stage, lanes, output);
        }
    } else if let Some(lanes) = scratch.get_mut(..pairs) {
        single(input, stage, taps, lanes, output);
    }
}

/// Without a pool: for each position eight rows at a time.
#[inline(never)]
fn single(input: &[u8], stage: &Conv2dStage<'_>, taps: usize, lanes: &mut [u32], output: &mut [u8]) {
    let aligned = in_words(stage.weights);
    let width = usize::from(stage.output.width).max(1);
    let (channels, pairs) = (usize::from(stage.output.channels).max(1), lanes.len());
    let block_len = 2 * ROWS_PER_BLOCK * pairs;
    for (position, codes) in output.chunks_exact_mut(channels).enumerate() {
        let patch: &mut [u16] = bytemuck::cast_slice_mut(lanes);
        if let [.., last] = patch {
            *last = 0;
        }
        patch::gather(input, stage, position / width, position % width, patch.get_mut(..taps).unwrap_or_default());
        let total = patch.iter().fold(0u32, |total, &code| total.wrapping_add(code.into()));
        let tables = stage.channels.bytes().chunks(8 * ROWS_PER_BLOCK);
        let blocks = parts(stage.weights, block_len);
        for ((codes, block), table) in codes.chunks_mut(ROWS_PER_BLOCK).zip(blocks).zip(tables) {
            let words = codes.len().div_ceil(2);
            let mut sums = [0; ROWS_PER_BLOCK];
            let sums = sums.get_mut(..2 * words).unwrap_or_default();
            listed::begin::<8>(sums, table);
            for (weights, lanes) in parts(block, 4 * words * PAIRS_PER_FOLD).zip(lanes.chunks(PAIRS_PER_FOLD)) {
                let (x, weights, sums) = (lanes.as_ptr(), weights.as_ptr(), sums.as_mut_ptr());
                // SAFETY: the lengths were compared, so each pair of lanes has its words of weights; there are two sums
                // for each of those words.
                unsafe {
                    match words {
                        1 => single_block::<1, false>(x, weights, sums, lanes.len()),
                        2 => single_block::<2, false>(x, weights, sums, lanes.len()),
                        3 => single_block::<3, false>(x, weights, sums, lanes.len()),
                        _ if aligned => single_block::<4, true>(x, weights, sums, lanes.len()),
                        _ => single_block::<4, false>(x, weights, sums, lanes.len()),
                    }
                }
            }
            requantize_block(sums, total, table, stage.rescale, codes);
        }
    }
}

/// With a pool: for each pooled position two rows at a time, their four sums, the maximum, one requantization.
#[inline(never)]
fn pooled(input: &[u8], stage: &Conv2dStage<'_>, lanes: &mut [u32], output: &mut [u8]) {
    let width = usize::from(stage.output.width).max(1);
    let (channels, pairs) = (usize::from(stage.output.channels), lanes.len() / 4);
    let full = channels / ROWS_PER_BLOCK * ROWS_PER_BLOCK;
    let table = stage.channels.bytes();
    // LDM reads the table of channels; one that it cannot read goes block by block, as the last block does.
    let at_once = if in_words(table) { full } else { 0 };
    let mut zeros = None;
    for position in 0..output.len() / channels.max(1) {
        let start = position * channels;
        let Some((before, codes)) = output.split_at_mut_checked(start) else { return };
        let Some(codes) = codes.get_mut(..channels) else { return };
        let (y, x) = (2 * (position / width), 2 * (position % width));
        let sums = gather(input, stage, y, x, lanes);
        if sums == [0; 4] {
            // Zeros under the filter leave the biases: the same codes everywhere.
            if let Some(row) = zeros.and_then(|start: usize| before.get(start..start + channels)) {
                codes.iter_mut().zip(row).for_each(|(code, &zeros)| *code = zeros);
                continue;
            }
            zeros = Some(start);
        }
        let (codes, rest) = codes.split_at_mut(at_once.min(channels));
        let window = Pooled {
            sums: sums.map(|sum| sum.wrapping_mul(-128)),
            codes: codes.as_mut_ptr(),
            channels: table.as_ptr().cast(),
            lanes: lanes.as_ptr(),
            weights: stage.weights.as_ptr(),
            pairs,
            blocks: at_once / ROWS_PER_BLOCK,
            zero_point: stage.rescale.zero_point.into(),
            shift: stage.rescale.shift.into(),
            stride: 2 * ROWS_PER_BLOCK,
        };
        if at_once > 0 {
            // SAFETY: `conv2d` compared the lengths: eight codes, channels and rows of weights for each block, four
            // words of lanes for each pair; the channels stand in words.
            unsafe { pooled_blocks::<8>(&raw const window) }
        }
        if !rest.is_empty() {
            block_by_block(stage, &window, at_once / ROWS_PER_BLOCK, rest);
        }
    }
}

/// The blocks of a pooled position from number `first` on: a last one that is not full, or all where LDM cannot read the
/// table of channels.
///
/// Not inlined, so that what it needs is on the stack only where it is needed.
#[inline(never)]
fn block_by_block(stage: &Conv2dStage<'_>, window: &Pooled, first: usize, codes: &mut [u8]) {
    let tables = stage.channels.bytes().chunks(8 * ROWS_PER_BLOCK).skip(first);
    let weights = parts(stage.weights, 2 * ROWS_PER_BLOCK * window.pairs).skip(first);
    for ((codes, table), weights) in codes.chunks_mut(ROWS_PER_BLOCK).zip(tables).zip(weights) {
        let mut channels = [0; 2 * ROWS_PER_BLOCK];
        for (word, &bytes) in channels.iter_mut().zip(table.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(bytes);
        }
        let mut block = [0; ROWS_PER_BLOCK];
        let words = codes.len().div_ceil(2);
        let window = Pooled {
            codes: block.as_mut_ptr(),
            channels: channels.as_ptr(),
            weights: weights.as_ptr(),
            // Counts to four in its upper two bits; begins as if the words that are missing had been there.
            blocks: 1 | words.wrapping_neg() << 30,
            stride: 4 * words,
            ..*window
        };
        // SAFETY: `conv2d` compared the lengths, as in `pooled`; codes and channels stand in arrays that suffice for any
        // block.
        unsafe {
            if words == ROWS_PER_BLOCK / 2 {
                pooled_blocks::<8>(&raw const window);
            } else {
                pooled_blocks::<1>(&raw const window);
            }
        }
        codes.iter_mut().zip(block).for_each(|(code, computed)| *code = computed);
    }
}

/// As [`window::gather`], faster where nothing hangs over an edge.
fn gather(input: &[u8], stage: &Conv2dStage<'_>, y: usize, x: usize, lanes: &mut [u32]) -> [i32; 4] {
    let (kernel, channels) = (usize::from(stage.kernel), usize::from(stage.input.channels));
    if let Some(window) = window::inside(input, stage, y, x)
        && lanes.len() == 4 * (kernel * kernel * channels).div_ceil(2)
    {
        let mut sums = [0; 4];
        let row_len = usize::from(stage.input.width) * channels;
        // SAFETY: `window` holds `kernel + 1` rows of as many pixels, `lanes` four words for each two taps.
        unsafe {
            if kernel == 3 && channels == 1 {
                gather_3x3(window.as_ptr(), row_len, lanes.as_mut_ptr(), &mut sums);
            } else {
                gather_inside(window.as_ptr(), row_len, lanes.as_mut_ptr(), channels, kernel, &mut sums);
            }
        }
        sums
    } else {
        window::gather(input, stage, y, x, bytemuck::cast_slice_mut(lanes))
    }
}

/// What the assembly of [`pooled`] works on.
#[repr(C)]
struct Pooled {
    sums: [i32; 4],
    codes: *mut u8,
    channels: *const u32,
    lanes: *const u32,
    weights: *const u8,
    pairs: usize,
    blocks: usize,
    zero_point: u32,
    shift: u32,
    stride: usize,
}

/// Fully connected layer.
#[inline(never)]
pub fn dense(input: &[u8], stage: &DenseStage<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let table = stage.channels.bytes();
    let Some((sums, total)) = listed::sums::<8>(input, stage.weights, table, scratch, pass) else { return };
    let blocks = output.chunks_mut(ROWS_PER_BLOCK).zip(sums.chunks(ROWS_PER_BLOCK));
    for ((codes, sums), table) in blocks.zip(table.chunks(8 * ROWS_PER_BLOCK)) {
        requantize_block(sums, total, table, stage.rescale, codes);
    }
}

/// The last layer: accumulators as they are.
#[inline(never)]
pub fn logits(input: &[u8], stage: &LogitsStage<'_>, scratch: &mut [u32], output: &mut [i32]) {
    let Some((sums, total)) = listed::sums::<4>(input, stage.weights, stage.biases, scratch, pass) else { return };
    for (logits, sums) in output.chunks_mut(ROWS_PER_BLOCK).zip(sums.chunks(ROWS_PER_BLOCK)) {
        logits.iter_mut().zip(listed::in_order(sums, total)).for_each(|(logit, sum)| *logit = sum);
    }
}

/// Codes of a block out of its sums, biases included.
#[inline(never)]
fn requantize_block(sums: &[u32], total: u32, table: &[u8], rescale: Rescale, codes: &mut [u8]) {
    if let (Ok(sums), Ok(table), Ok(codes)) =
        (<&[u32; 8]>::try_from(sums), <&[u8; 64]>::try_from(table), <&mut [u8; 8]>::try_from(&mut *codes))
    {
        // All lengths known: unrolled, and nothing to check.
        let records = table.as_chunks::<8>().0;
        for ((code, sum), record) in codes.iter_mut().zip(listed::in_order(sums, total)).zip(records) {
            *code = requantize(sum, multiplier(*record), rescale);
        }
    } else {
        let records = table.as_chunks::<8>().0;
        for ((code, sum), record) in codes.iter_mut().zip(listed::in_order(sums, total)).zip(records) {
            *code = requantize(sum, multiplier(*record), rescale);
        }
    }
}

/// The multiplier in a record of the channel table.
fn multiplier([.., m0, m1, m2, m3]: [u8; 8]) -> i32 {
    i32::from_le_bytes([m0, m1, m2, m3])
}

/// As `chunks`, which in the eyes of the linker can divide by a length of zero.
fn parts(mut bytes: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (part, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
        bytes = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// Whether LDRD and LDM can read `bytes`. The trainer sees to it that they can; a model at an odd address takes longer.
fn in_words(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}

/// As in `portable`: a shift, SMMULR and USAT.
fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
    let code: u32;
    let shifted = accumulator.wrapping_shl(rescale.shift.into());
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            "smmulr {code}, {shifted}, {multiplier}",
            "add {code}, {code}, {zero_point}",
            "usat {code}, #8, {code}",
            code = out(reg) code,
            shifted = in(reg) shifted,
            multiplier = in(reg) multiplier,
            zero_point = in(reg) u32::from(rescale.zero_point),
            options(pure, nomem, nostack),
        );
    }
    code as u8
}

/// Adds what a list contributes.
fn pass(list: &listed::List<'_>, rows: listed::Rows<'_>) {
    let (list, weights, sums) = (list.as_ptr(), rows.weights.as_ptr(), rows.sums.as_mut_ptr());
    let aligned = in_words(rows.weights);
    // SAFETY: `listed::sums` compared the lengths, so the offsets in the list stay inside of each block of weights, and
    // `sums` has eight words for each full block, or two for each word of the last one.
    unsafe {
        match rows.words {
            1 => last_block::<1>(list, weights, sums),
            2 => last_block::<2>(list, weights, sums),
            3 => last_block::<3>(list, weights, sums),
            _ => {
                let blocks = rows.sums.len() / ROWS_PER_BLOCK;
                let len = rows.weights.len() / blocks.max(1);
                if aligned {
                    full_blocks::<true>(list, weights, sums, blocks, len);
                } else {
                    full_blocks::<false>(list, weights, sums, blocks, len);
                }
            }
        }
    }
}

/// Eight rows at a time over a list: 16 instructions for the 16 products of an entry, and one more for every four.
///
/// r0-r3 `u`, r4-r7 `acc`, r8 `x`, r9 address of the weights, r10-r11 weights, r12 list, lr block; the stack keeps the
/// list, the sums, the number of blocks and their length.
#[unsafe(naked)]
unsafe extern "C" fn full_blocks<const ALIGNED: bool>(
    list: *const Entry,
    weights: *const u8,
    sums: *mut u32,
    blocks: usize,
    len: usize,
) {
    naked_asm!(
        ".macro THIMBLE_ENTRY",
        ".if {aligned}",
        "ldrd r10, r11, [r9]",
        ".else",
        "ldr r10, [r9]",
        "ldr r11, [r9, #4]",
        ".endif",
        "smlad r4, r10, r8, r4",
        "uxtb16 r10, r10",
        "smlad r0, r10, r8, r0",
        "smlad r5, r11, r8, r5",
        "uxtb16 r11, r11",
        "smlad r1, r11, r8, r1",
        ".if {aligned}",
        "ldrd r10, r11, [r9, #8]",
        ".else",
        "ldr r10, [r9, #8]",
        "ldr r11, [r9, #12]",
        ".endif",
        "smlad r6, r10, r8, r6",
        "uxtb16 r10, r10",
        "smlad r2, r10, r8, r2",
        "smlad r7, r11, r8, r7",
        "uxtb16 r11, r11",
        "smlad r3, r11, r8, r3",
        "ldrd r8, r9, [r12], #8",
        ".endm",
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "push {{r0, r2, r3, r12}}",
        "mov lr, r1",
        "2:",
        "ldrd r12, r8, [sp]",
        "ldm r8, {{r0-r3}}",
        "mov r4, r0",
        "mov r5, r1",
        "mov r6, r2",
        "mov r7, r3",
        "ldrd r8, r9, [r12], #8",
        "add r9, lr, r9",
        "3:",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        "add r9, lr, r9",
        "THIMBLE_ENTRY",
        // The end mark, and only it, makes this addition carry.
        "adds r9, lr, r9",
        "bcc 3b",
        "ldr r12, [sp, #4]",
        "sub r4, r4, r0",
        "sub r5, r5, r1",
        "sub r6, r6, r2",
        "sub r7, r7, r3",
        "stm r12!, {{r0-r3}}",
        "ldm r12, {{r8-r11}}",
        "add r8, r8, r4, asr #8",
        "add r9, r9, r5, asr #8",
        "add r10, r10, r6, asr #8",
        "add r11, r11, r7, asr #8",
        "stm r12!, {{r8-r11}}",
        "ldrd r8, r9, [sp, #8]",
        "add lr, lr, r9",
        "subs r8, r8, #1",
        "strd r12, r8, [sp, #4]",
        "bne 2b",
        "add sp, sp, #16",
        "pop {{r4-r11, pc}}",
        ".purgem THIMBLE_ENTRY",
        aligned = const ALIGNED as usize,
    )
}

/// What the assembly below shares: `x` in r7, a word of weights in r10 or r11, sums at `r12`.
macro_rules! shared {
    () => {
        "
        .macro THIMBLE_START acc, u, at
            ldr \\u, [r2, #4 * \\at]
            mov \\acc, \\u
        .endm
        .macro THIMBLE_WORD word, acc, u
            smlad \\acc, \\word, r7, \\acc
            uxtb16 \\word, \\word
            smlad \\u, \\word, r7, \\u
        .endm
        .macro THIMBLE_FOLD acc, u, at, words
            sub \\acc, \\acc, \\u
            str \\u, [r12, #4 * \\at]
            ldr r10, [r12, #4 * \\at + 4 * \\words]
            add r10, r10, \\acc, asr #8
            str r10, [r12, #4 * \\at + 4 * \\words]
        .endm
        "
    };
}

/// Forgets the macros, so that the next function can define its own.
macro_rules! forget {
    () => {
        "
        .purgem THIMBLE_START
        .purgem THIMBLE_WORD
        .purgem THIMBLE_FOLD
        "
    };
}

/// As [`full_blocks`], for a last block of 1 to 3 words for each pair of inputs; the offsets are scaled to that.
#[unsafe(naked)]
unsafe extern "C" fn last_block<const WORDS: usize>(list: *const Entry, weights: *const u8, sums: *mut u32) {
    naked_asm!(
        shared!(),
        "push {{r2, r4-r11, lr}}",
        "mov r12, r0",
        "mov lr, r1",
        "THIMBLE_START r4, r0, 0",
        ".if {words} > 1",
        "THIMBLE_START r5, r1, 1",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_START r6, r2, 2",
        ".endif",
        "ldrd r7, r9, [r12], #8",
        "2:",
        ".if {words} == 1",
        "lsr r9, r9, #2",
        ".elseif {words} == 2",
        "lsr r9, r9, #1",
        ".else",
        "sub r9, r9, r9, lsr #2",
        ".endif",
        "ldr r10, [lr, r9]",
        ".if {words} > 1",
        "add r9, lr, r9",
        ".endif",
        "THIMBLE_WORD r10, r4, r0",
        ".if {words} > 1",
        "ldr r10, [r9, #4]",
        "THIMBLE_WORD r10, r5, r1",
        ".endif",
        ".if {words} > 2",
        "ldr r10, [r9, #8]",
        "THIMBLE_WORD r10, r6, r2",
        ".endif",
        "ldrd r7, r9, [r12], #8",
        "cmn r9, #1",
        "bne 2b",
        "pop {{r12}}",
        "THIMBLE_FOLD r4, r0, 0, {words}",
        ".if {words} > 1",
        "THIMBLE_FOLD r5, r1, 1, {words}",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_FOLD r6, r2, 2, {words}",
        ".endif",
        "pop {{r4-r11, pc}}",
        forget!(),
        words = const WORDS,
    )
}

/// A block of 1 to 4 words for each pair of lanes, at one position: every pair that is not zero, up to
/// [`PAIRS_PER_FOLD`]. 18 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn single_block<const WORDS: usize, const ALIGNED: bool>(
    lanes: *const u32,
    weights: *const u8,
    sums: *mut u32,
    pairs: usize,
) {
    naked_asm!(
        shared!(),
        ".macro THIMBLE_TWO",
        ".if {aligned}",
        "ldrd r10, r11, [lr], #8",
        ".else",
        "ldr r10, [lr], #4",
        "ldr r11, [lr], #4",
        ".endif",
        ".endm",
        "push {{r2, r4-r11, lr}}",
        "mov r12, r0",
        "mov lr, r1",
        "add r9, r0, r3, lsl #2",
        "THIMBLE_START r4, r0, 0",
        ".if {words} > 1",
        "THIMBLE_START r5, r1, 1",
        ".endif",
        ".if {words} > 3",
        "THIMBLE_START r8, r3, 3",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_START r6, r2, 2",
        ".endif",
        "2:",
        "ldr r7, [r12], #4",
        "cbz r7, 4f",
        ".if {words} & 1",
        "ldr r10, [lr], #4",
        "THIMBLE_WORD r10, r4, r0",
        ".else",
        "THIMBLE_TWO",
        "THIMBLE_WORD r10, r4, r0",
        "THIMBLE_WORD r11, r5, r1",
        ".endif",
        ".if {words} == 3",
        "THIMBLE_TWO",
        "THIMBLE_WORD r10, r5, r1",
        "THIMBLE_WORD r11, r6, r2",
        ".elseif {words} == 4",
        "THIMBLE_TWO",
        "THIMBLE_WORD r10, r6, r2",
        "THIMBLE_WORD r11, r8, r3",
        ".endif",
        "cmp r12, r9",
        "bne 2b",
        "b 5f",
        "4:",
        "add lr, lr, #4 * {words}",
        "cmp r12, r9",
        "bne 2b",
        "5:",
        "pop {{r12}}",
        "THIMBLE_FOLD r4, r0, 0, {words}",
        ".if {words} > 1",
        "THIMBLE_FOLD r5, r1, 1, {words}",
        ".endif",
        ".if {words} > 2",
        "THIMBLE_FOLD r6, r2, 2, {words}",
        ".endif",
        ".if {words} > 3",
        "THIMBLE_FOLD r8, r3, 3, {words}",
        ".endif",
        "pop {{r4-r11, pc}}",
        ".purgem THIMBLE_TWO",
        forget!(),
        words = const WORDS,
        aligned = const ALIGNED as usize,
    )
}

/// Two rows at a time at the four positions of a window. The words of a last block do not stand at multiples of 16: for
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
/// | 32, 36 | where to enter the unrolled loop, where to go behind it |
/// | 40, 44 | codes, channels |
/// | 48, 52 | columns (upper two bits) and blocks, bytes from a block's last column to the next block |
/// | 56, 60 | zero point, shift |
/// | 64, 68 | groups, groups left |
/// | 72, 76 | bytes of lanes and of weights that the groups span |
/// | 80 | odd rows' sums of earlier folds |
/// | 96, 100 | where to requantize, bytes of weights for a pair of taps |
#[unsafe(naked)]
unsafe extern "C" fn pooled_blocks<const GROUP: usize>(window: *const Pooled) {
    naked_asm!(
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

/// The tap at the same place of four positions: their codes, the differences, the sums of both.
///
/// r0 codes of the upper row, r1 of the lower one, r2 lanes, r3 channels, r4-r7 sums, r12 taps left in the row, lr how
/// far the lanes went last: 2 bytes inside of a pair, 14 to the next one. The stack keeps rows left, bytes from the end
/// of a row's taps to the next row, taps in a row.
#[unsafe(naked)]
unsafe extern "C" fn gather_inside(
    codes: *const u8,
    row_len: usize,
    lanes: *mut u32,
    channels: usize,
    kernel: usize,
    sums: *mut [i32; 4],
) {
    naked_asm!(
        "
            push {{r4-r11, lr}}
            ldr r4, [sp, #36]
            mul r12, r4, r3
            sub r5, r1, r12
            push {{r4, r5, r12}}
            add r1, r0, r1
            mov r4, #0
            mov r5, #0
            mov r6, #0
            mov r7, #0
            mov lr, #14
        2:
            ldr r12, [sp, #8]
        3:
            ldrb r9, [r0, r3]
            ldrb r8, [r0], #1
            ldrb r11, [r1, r3]
            ldrb r10, [r1], #1
            sub r9, r9, r8
            sub r11, r11, r10
            sub r10, r10, r8
            strh r8, [r2]
            strh r9, [r2, #4]
            strh r10, [r2, #8]
            strh r11, [r2, #12]
            add r4, r4, r8
            add r5, r5, r9
            add r6, r6, r10
            add r7, r7, r11
            eor lr, lr, #12
            add r2, r2, lr
            subs r12, r12, #1
            bne 3b
            ldrd r8, r9, [sp]
            add r0, r0, r9
            add r1, r1, r9
            subs r8, r8, #1
            str r8, [sp]
            bne 2b
            cmp lr, #2
            bne 4f
            mov r8, #0
            strh r8, [r2]
            strh r8, [r2, #4]
            strh r8, [r2, #8]
            strh r8, [r2, #12]
        4:
            ldr r8, [sp, #52]
            stm r8, {{r4-r7}}
            add sp, sp, #12
            pop {{r4-r11, pc}}
        ",
    )
}

/// As [`gather_inside`], for the first layer of many a network: a 3x3 kernel on one channel, so that a word is a row.
///
/// First the sums, USADA8 adding the bytes of a row without its first or last. Then r4-r7 hold columns 0 and 2 of each
/// row, r8-r11 columns 1 and 3, and a pair of taps is packed out of two of those.
#[unsafe(naked)]
unsafe extern "C" fn gather_3x3(codes: *const u8, row_len: usize, lanes: *mut u32, sums: *mut [i32; 4]) {
    naked_asm!(
        "
        .macro THIMBLE_STORE
            ssub16 r12, r12, r3
            ssub16 r3, r3, r0
            ssub16 r1, r1, r0
            stm r2!, {{r0, r1, r3, r12}}
        .endm
        .macro THIMBLE_SUM to, row, shift, and_sum
            \\shift \\to, \\row, #8
            usada8 \\to, \\to, r12, \\and_sum
        .endm
            push {{r4-r11, lr}}
            ldr r4, [r0]
            ldr r5, [r0, r1]
            add r0, r0, r1, lsl #1
            ldr r6, [r0]
            ldr r7, [r0, r1]
            mov r12, #0
            THIMBLE_SUM r8, r5, lsl, r12
            THIMBLE_SUM r0, r6, lsl, r8
            THIMBLE_SUM r9, r4, lsl, r0
            THIMBLE_SUM r10, r7, lsl, r0
            THIMBLE_SUM r8, r5, lsr, r12
            THIMBLE_SUM r0, r6, lsr, r8
            THIMBLE_SUM r11, r4, lsr, r0
            THIMBLE_SUM lr, r7, lsr, r0
            sub lr, lr, r10
            sub r10, r10, r9
            sub r11, r11, r9
            strd r9, r11, [r3]
            strd r10, lr, [r3, #8]
            uxtb16 r8, r4, ror #8
            uxtb16 r9, r5, ror #8
            uxtb16 r10, r6, ror #8
            uxtb16 r11, r7, ror #8
            uxtb16 r4, r4
            uxtb16 r5, r5
            uxtb16 r6, r6
            uxtb16 r7, r7
            pkhbt r0, r4, r8, lsl #16
            pkhbt r1, r8, r4
            pkhbt r3, r5, r9, lsl #16
            pkhbt r12, r9, r5
            THIMBLE_STORE
            lsr r0, r4, #16
            pkhbt r0, r0, r5, lsl #16
            lsr r1, r8, #16
            pkhbt r1, r1, r9, lsl #16
            lsr r3, r5, #16
            pkhbt r3, r3, r6, lsl #16
            lsr r12, r9, #16
            pkhbt r12, r12, r10, lsl #16
            THIMBLE_STORE
            pkhbt r0, r9, r5
            pkhtb r1, r9, r5, asr #16
            pkhbt r3, r10, r6
            pkhtb r12, r10, r6, asr #16
            THIMBLE_STORE
            pkhbt r0, r6, r10, lsl #16
            pkhbt r1, r10, r6
            pkhbt r3, r7, r11, lsl #16
            pkhbt r12, r11, r7
            THIMBLE_STORE
            lsr r0, r6, #16
            lsr r1, r10, #16
            lsr r3, r7, #16
            lsr r12, r11, #16
            THIMBLE_STORE
            pop {{r4-r11, pc}}
            .purgem THIMBLE_STORE
            .purgem THIMBLE_SUM
        ",
    )
}
