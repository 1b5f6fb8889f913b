//! The codes under two tiles: where they are, and their transform.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::{COLUMNS, ROWS};
use crate::kernels::armv7em::cpu::cpu;
use crate::kernels::operands::Conv2dOperands;

/// Where the codes under two tiles are.
pub struct Codes<'i> {
    input: &'i [u8],
    pad: *const u8,
    height: usize,
    width: usize,
    channels: usize,
    above: usize,
    left: usize,
    /// The first codes of rows; none outside of the input.
    rows: [Option<*const u8>; ROWS],
    /// Column by column.
    pub pixels: [[*const u8; ROWS]; COLUMNS],
}

impl<'i> Codes<'i> {
    /// `pad` has as many codes as a pixel.
    pub fn new(input: &'i [u8], operands: &Conv2dOperands<'_>, pad: &[u32]) -> Self {
        let pad = pad.as_ptr().cast();
        Self {
            input,
            pad,
            height: operands.input.height.into(),
            width: operands.input.width.into(),
            channels: operands.input.channels.into(),
            above: operands.pad_above.into(),
            left: operands.window.left().into(),
            rows: [None; ROWS],
            pixels: [[pad; ROWS]; COLUMNS],
        }
    }

    /// Begins with tiles whose first row, of the padded input, is `y`.
    pub fn enter_row(&mut self, y: usize) {
        let mut row = y.wrapping_sub(self.above);
        for codes in &mut self.rows {
            let start = row.wrapping_mul(self.width).wrapping_mul(self.channels);
            *codes = self.input.get(start..).filter(|_| row < self.height).map(<[u8]>::as_ptr);
            row = row.wrapping_add(1);
        }
    }

    /// Finds the pixels in so many columns of tiles, of which the first one is `x`.
    #[inline(never)]
    pub fn find(&mut self, x: usize, columns: usize) {
        let mut column = x.wrapping_sub(self.left);
        for pixels in self.pixels.iter_mut().take(columns) {
            let start = column.wrapping_mul(self.channels);
            for (pixel, row) in pixels.iter_mut().zip(self.rows) {
                *pixel = row.filter(|_| column < self.width).map_or(self.pad, |row| row.wrapping_add(start));
            }
            column = column.wrapping_add(1);
        }
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
pub unsafe extern "C" fn transform(pixels: *const [*const u8; ROWS], lanes: *mut u32, groups: usize) {
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
