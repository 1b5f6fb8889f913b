//! A convolution without a pool at four positions, for inputs of which few codes are zero: each weight is loaded once for four
//! products.
//!
//! The codes that a tap meets at the four positions are a word. It is multiplied as it is, then shifted by a byte, by two, by
//! three: each sum has those of the positions after it in it, shifted left by 8, 16 and 24, which are taken out at the end.

use core::arch::naked_asm;

use super::columns;
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::one_by_one::records::{Records, words};
use crate::packing::ROWS_PER_BLOCK;

/// The codes that a tap meets at four positions.
type Codes = [u8; 4];

/// The codes of as many positions as there are groups of four, if few codes of the input are zero; returns how many that is.
#[inline(never)]
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) -> usize {
    let Some(codes) = bytemuck::cast_slice_mut(scratch).get_mut(..operands.taps()) else { return 0 };
    let channels = usize::from(operands.output.channels);
    let is_whole = channels > 0 && channels.is_multiple_of(ROWS_PER_BLOCK);
    if codes.is_empty() || !is_whole || !has_few_zeros(input, operands) {
        return 0;
    }
    let width = usize::from(operands.output.width);
    let (mut y, mut x, mut done) = (0, 0, 0);
    let mut unwritten = output;
    // Not by chunks, which in the eyes of the linker can have a length of zero.
    while let Some((output, rest)) = core::mem::take(&mut unwritten).split_at_mut_checked(4 * channels) {
        unwritten = rest;
        let mut starts = [0; 4];
        for (position, start) in starts.iter_mut().enumerate() {
            // Takes out the 128 that even rows' weights have.
            *start = gather(input, operands, [y, x], position, codes).wrapping_mul(-128);
            x += 1;
            if x == width {
                (y, x) = (y + 1, 0);
            }
        }
        position_codes(&starts, codes, operands, output);
        done += 4;
    }
    done
}

/// Whether four positions at a time take fewer instructions than a list for each, judged by some of the input's codes.
fn has_few_zeros(input: &[u8], operands: &Conv2dOperands<'_>) -> bool {
    const SAMPLES: usize = 32;
    // An odd distance, so that not all are of the same channels.
    let samples = input.iter().step_by((input.len() / SAMPLES) | 1).take(SAMPLES);
    let zeros = samples.filter(|&&code| code == 0).count() as i32;
    let blocks = i32::from(operands.output.channels) / ROWS_PER_BLOCK as i32;
    let taps = operands.taps() as i32;
    // In eighths of an instruction. For each tap and eight rows a list takes 19.5 where the code is not zero, and four positions
    // take 13.9; for each eight rows it takes 20 more, for each tap 2 and for each position 230.
    blocks.saturating_mul(taps).saturating_mul(5 * zeros - 46) < 160 * blocks + 16 * taps + 1840
}

/// Puts the codes under the filter at row `y` and column `x` of the output at a position of `codes`; returns their sum.
#[inline(never)]
fn gather(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    [y, x]: [usize; 2],
    position: usize,
    codes: &mut [Codes],
) -> i32 {
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let channels = usize::from(operands.input.channels);
    let Window { size, stride: [down, along], .. } = operands.window;
    let ([rows, columns], above, left) =
        (size.map(usize::from), usize::from(operands.pad_above), usize::from(operands.window.left()));
    let (y, x) = (y * usize::from(down), x * usize::from(along));
    // Rows of the filter that are inside of the input.
    let end = (height + above).saturating_sub(y).min(rows);
    let start = above.saturating_sub(y).min(end);
    // Taps that hang over on the left, and the first column that is hit.
    let overhang = left.saturating_sub(x).min(columns);
    let column = x.saturating_sub(left);
    let hit = (columns - overhang).min(width.saturating_sub(column)) * channels;
    let row_len = width * channels;
    let mut sum = 0;
    let pads = codes.len() - (end - start) * hit;
    if pads > 0 {
        codes.as_flattened_mut().iter_mut().skip(position).step_by(4).for_each(|code| *code = operands.pad_code);
        sum = pads as i32 * i32::from(operands.pad_code);
    }
    let taps_in_a_row = columns * channels;
    let first = (start * taps_in_a_row + overhang * channels) * 4 + (position & 3);
    let (slots, slots_len) = (codes.as_flattened_mut(), 4 * taps_in_a_row);
    let codes = input.get((y + start).saturating_sub(above) * row_len + column * channels..).unwrap_or_default();
    let Some(further) = (end - start).checked_sub(1).filter(|_| hit > 0) else { return sum };
    if further * row_len + hit > codes.len() || first + further * slots_len + 4 * (hit - 1) >= slots.len() {
        return sum;
    }
    let slots = slots.as_mut_ptr().wrapping_add(first);
    // SAFETY: the lengths were compared; there is one row and one code at least.
    sum + unsafe { put(codes.as_ptr(), slots, hit, further + 1, row_len, slots_len) }
}

/// The codes of all channels at four positions.
#[inline(never)]
fn position_codes(starts: &[i32; 4], codes: &[Codes], operands: &Conv2dOperands<'_>, output: &mut [u8]) {
    let channels = usize::from(operands.output.channels);
    let block_len = ROWS_PER_BLOCK * codes.len().next_multiple_of(2);
    let (zero_point, shift) = (operands.rescale.zero_point.into(), u32::from(operands.rescale.shift) % 32);
    let mut copy = [[0; 2]; ROWS_PER_BLOCK];
    let mut unread = operands.weights;
    let tables = operands.channels.bytes().as_chunks::<8>().0.as_chunks::<ROWS_PER_BLOCK>().0;
    for (block, records) in tables.iter().enumerate() {
        let Some((weights, rest)) = unread.split_at_checked(block_len) else { return };
        unread = rest;
        let Some(output) = output.get_mut(block * ROWS_PER_BLOCK..) else { return };
        if output.len() < 3 * channels + ROWS_PER_BLOCK || codes.is_empty() {
            return;
        }
        let records = words(records, &mut copy);
        let (codes, taps, output) = (codes.as_ptr(), codes.len(), output.as_mut_ptr());
        // SAFETY: the lengths were compared; there is one tap at least.
        unsafe {
            block_at_positions(starts, codes, weights.as_ptr(), taps, records, output, channels, zero_point, shift);
        }
    }
}

/// Puts `rows` rows of `count` codes, which begin `row_len` bytes from each other, into every fourth slot, those of the next row
/// `slots_len` after; returns their sum: 3.5 instructions for a code.
///
/// r0 codes, r1 slots, r2 codes in a row, r3 rows, r4 and r5 from the end of a row to the next one, of codes and of slots, r6 sum,
/// r7 codes left in the row, r12 code.
///
/// # Safety
/// There are so many codes and slots, one row at least with one code at least.
#[unsafe(naked)]
unsafe extern "C" fn put(
    codes: *const u8,
    slots: *mut u8,
    count: usize,
    rows: usize,
    row_len: usize,
    slots_len: usize,
) -> i32 {
    naked_asm!(
        "
        .macro THIMBLE_PUT
            ldrb r12, [r0], #1
            strb r12, [r1], #4
            add r6, r6, r12
        .endm
            push {{r4-r7, lr}}
            ldrd r4, r5, [sp, #20]
            subs r4, r4, r2
            sub r5, r5, r2, lsl #2
            movs r6, #0
        2:
            subs r7, r2, #4
            blo 4f
        3:
            .rept 4
            THIMBLE_PUT
            .endr
            subs r7, r7, #4
            bhs 3b
        4:
            adds r7, r7, #4
            beq 6f
        5:
            THIMBLE_PUT
            subs r7, r7, #1
            bne 5b
        6:
            add r0, r0, r4
            add r1, r1, r5
            subs r3, r3, #1
            bne 2b
            mov r0, r6
            pop {{r4-r7, pc}}
            .purgem THIMBLE_PUT
        ",
    )
}

/// The codes of a block at four positions: 13.9 instructions for two rows at a tap, 8 products, and about 110 for 8 codes.
///
/// r0 and r3 codes of two taps, r1 where they are, r2 weights, r12 and lr weights of the even and the odd row, r4-r7 and r8-r11
/// their sums; the stack keeps what sums start with, where codes and weights begin and where codes of pairs of taps end, where the
/// loop is entered, the number of taps and how many columns are left.
///
/// # Safety
/// There is one tap at least, and as many weights in the block; the codes of the next position are `channels` bytes after.
#[unsafe(naked)]
unsafe extern "C" fn block_at_positions(
    starts: *const [i32; 4],
    codes: *const Codes,
    weights: *const u8,
    taps: usize,
    records: *const Records,
    output: *mut u8,
    channels: usize,
    zero_point: u32,
    shift: u32,
) {
    naked_asm!(
        "
        .macro THIMBLE_TAP codes
            mla r4, \\codes, r12, r4
            mla r8, \\codes, lr, r8
            lsrs \\codes, \\codes, #8
            mla r5, \\codes, r12, r5
            mla r9, \\codes, lr, r9
            lsrs \\codes, \\codes, #8
            mla r6, \\codes, r12, r6
            mla r10, \\codes, lr, r10
            lsrs \\codes, \\codes, #8
            mla r7, \\codes, r12, r7
            mla r11, \\codes, lr, r11
        .endm
        .macro THIMBLE_SHIFTED sum, bias
            add \\sum, \\sum, \\bias
            lsl \\sum, \\sum, lr
        .endm
        .macro THIMBLE_CODE sum, multiplier
            smull lr, \\sum, \\sum, \\multiplier
            lsls lr, lr, #1
            adc \\sum, \\sum, r0
            usat \\sum, #8, \\sum
        .endm
        .macro THIMBLE_CODES a, b, c, d, multiplier
            THIMBLE_CODE \\a, \\multiplier
            strb \\a, [r2]
            THIMBLE_CODE \\b, \\multiplier
            strb \\b, [r2, r12]
            THIMBLE_CODE \\c, \\multiplier
            strb \\c, [r2, r12, lsl #1]
            THIMBLE_CODE \\d, \\multiplier
            add \\a, r2, r12, lsl #1
            strb \\d, [\\a, r12]
            adds r2, r2, #1
        .endm
        ",
        columns::begin!(),
        "
            add r6, r6, r7, lsl #8
            add r5, r5, r6, lsl #8
            add r4, r4, r5, lsl #8
        ",
        columns::enter!(),
        "
        3:
            .rept 4
            ldrd r0, r3, [r1], #8
            ldrb r12, [r2, #2]
            ldrsb lr, [r2, #3]
            THIMBLE_TAP r3
            ldrsb lr, [r2, #1]
            ldrb r12, [r2], #16
            THIMBLE_TAP r0
            .endr
            ldr r0, [sp, #12]
            cmp r1, r0
            bne 3b
        5:
            ldr r3, [sp, #20]
            lsls r3, r3, #31
            beq 4f
            ldr r0, [r1]
            ldrb r12, [r2]
            ldrsb lr, [r2, #1]
            THIMBLE_TAP r0
        4:
            sub r4, r4, r5, lsl #8
            sub r5, r5, r6, lsl #8
            sub r6, r6, r7, lsl #8
            sub r8, r8, r9, lsl #8
            sub r9, r9, r10, lsl #8
            sub r10, r10, r11, lsl #8
            ldr r12, [sp, #64]
            ldr lr, [sp, #80]
            ldm r12!, {{r0, r1, r2, r3}}
            str r12, [sp, #64]
            THIMBLE_SHIFTED r4, r0
            THIMBLE_SHIFTED r5, r0
            THIMBLE_SHIFTED r6, r0
            THIMBLE_SHIFTED r7, r0
            THIMBLE_SHIFTED r8, r2
            THIMBLE_SHIFTED r9, r2
            THIMBLE_SHIFTED r10, r2
            THIMBLE_SHIFTED r11, r2
            ldrd r2, r12, [sp, #68]
            ldr r0, [sp, #76]
            THIMBLE_CODES r4, r5, r6, r7, r1
            THIMBLE_CODES r8, r9, r10, r11, r3
            str r2, [sp, #68]
        ",
        columns::next!(),
        "
            .purgem THIMBLE_TAP
            .purgem THIMBLE_SHIFTED
            .purgem THIMBLE_CODE
            .purgem THIMBLE_CODES
        ",
        // Bytes of code for two taps.
        pair_shift = const 3,
        pair = const 5 * 4 + 2 * (8 * 4 + 3 * 2),
    )
}
