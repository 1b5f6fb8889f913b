//! The codes under a filter that hangs over an edge, copied in the order of its taps.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::cpu;
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;

/// What [`copy_rows`] copies: bytes, but for `rows`. What hangs over an edge is filled with the padding code.
#[repr(C)]
struct Rows {
    codes: *const u8,
    /// From a row of codes to the next one.
    row_len: usize,
    /// Filled before the first row.
    above: usize,
    rows: usize,
    /// Filled after the last row.
    below: usize,
    /// Filled on the left of each row, copied, and filled on the right.
    left: usize,
    inside: usize,
    right: usize,
    pad_code: u32,
}

/// How far `size` codes at `start - padding` hang over the near edge, the first one inside, and how many are inside.
pub fn span(start: usize, padding: usize, size: usize, side: usize) -> [usize; 3] {
    let before = padding.saturating_sub(start).min(size);
    let first = start.saturating_sub(padding);
    [before, first, (size - before).min(side.saturating_sub(first))]
}

/// Fills `patch`, `[rows, columns, channels]`, with the codes under the filter placed at row `y` and column `x` of the
/// output, not pooled yet.
#[inline(never)]
pub fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, patch: &mut [u8]) {
    let channels = usize::from(operands.input.channels);
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    let Window { size: [rows, columns], stride: [down, along], .. } = operands.window;
    let (rows, columns) = (usize::from(rows), usize::from(columns));
    let [above, first_row, rows_inside] = span(y * usize::from(down), operands.pad_above.into(), rows, height);
    let [left, first_column, columns_inside] =
        span(x * usize::from(along), operands.window.left().into(), columns, width);
    let (row_len, taps_in_row) = (width * channels, columns * channels);
    let inside = columns_inside * channels;
    let start = first_row * row_len + first_column * channels;
    let end = rows_inside.wrapping_sub(1).wrapping_mul(row_len).wrapping_add(start + inside);
    let taps = rows * taps_in_row;
    if patch.len() < taps {
        return;
    }
    let rows = if rows_inside > 0 && inside > 0 && end <= input.len() {
        Rows {
            codes: input.as_ptr().wrapping_add(start),
            row_len,
            above: above * taps_in_row,
            rows: rows_inside,
            below: (rows - above - rows_inside) * taps_in_row,
            left: left * channels,
            inside,
            right: taps_in_row - left * channels - inside,
            pad_code: operands.pad_code.into(),
        }
    } else {
        let (codes, pad_code) = (input.as_ptr(), operands.pad_code.into());
        Rows { codes, row_len, above: taps, rows: 0, below: 0, left: 0, inside: 0, right: 0, pad_code }
    };
    // SAFETY: the last row is in the input, and so are those before it; all bytes together are the taps, which the patch has room
    // for.
    unsafe { copy_rows(&raw const rows, patch.as_mut_ptr()) }
}

/// Copies and fills.
///
/// r1 patch, r2 codes, r3 `row_len`, r5 rows, r6 `below`, r7 to r9 left, inside, right, r12 the start of a piece.
///
/// # Safety
/// `rows` codes of `inside` bytes are readable, and all bytes together writable from `patch` on.
#[unsafe(naked)]
unsafe extern "C" fn copy_rows(rows: *const Rows, patch: *mut u8) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_FILL len
            mov r12, r1
            add r1, r1, \\len
            wlstp.8 lr, \\len, 3f
        2:
            vstrb.8 q1, [r12], #16
            letp lr, 2b
        3:
        .endm
            push {{r4-r10, lr}}
            ldrd r2, r3, [r0]
            ldrd r4, r5, [r0, #8]
            ldrd r6, r7, [r0, #16]
            ldrd r8, r9, [r0, #24]
            ldr r10, [r0, #32]
            vdup.8 q1, r10
            THIMBLE_FILL r4
            cbz r5, 6f
        5:
            THIMBLE_FILL r7
            mov r10, r2
            mov r12, r1
            add r1, r1, r8
            add r2, r2, r3
            wlstp.8 lr, r8, 3f
        2:
            vldrb.u8 q0, [r10], #16
            vstrb.8 q0, [r12], #16
            letp lr, 2b
        3:
            THIMBLE_FILL r9
            subs r5, r5, #1
            bne 5b
        6:
            THIMBLE_FILL r6
            pop {{r4-r10, pc}}
            .purgem THIMBLE_FILL
        ",
    )
}

/// The sum of codes.
#[inline]
pub fn sum(codes: &[u8]) -> u32 {
    // SAFETY: as many codes as there are.
    unsafe { sum_up(codes.as_ptr(), codes.len()) }
}

/// The sum of `len` codes.
///
/// # Safety
/// `len` codes are readable.
#[unsafe(naked)]
unsafe extern "C" fn sum_up(codes: *const u8, len: usize) -> u32 {
    naked_asm!(
        cpu!(),
        "
            push {{r4, lr}}
            mov r2, r0
            mov r0, #0
            wlstp.8 lr, r1, 3f
        2:
            vldrb.u8 q0, [r2], #16
            vaddva.u8 r0, q0
            letp lr, 2b
        3:
            pop {{r4, pc}}
        ",
    )
}
