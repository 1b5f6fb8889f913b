//! The codes under a filter at the four positions of a 2x2 max-pool, as [`conv2d`](super::conv2d) wants them.
//!
//! For each two taps: their codes at the upper left position `p0`, then the differences `p1 - p0`, `p2 - p0` and `p3 - p2`, `p1`
//! being to the right, `p2` below, `p3` both: a maximum needs one full sum and three differences of sums, and a sum is
//! linear. The functions also return the sums of the four, which are all zero where, and only where, all codes are.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::cpu;
use crate::kernels::operands::Conv2dOperands;

/// 16-bit lanes of a pair of taps at the four positions.
const LANES_PER_PAIR: usize = 8;

/// A window over the input, whose length is that of its shape.
struct Window<'w> {
    input: &'w [u8],
    operands: &'w Conv2dOperands<'w>,
    /// Of the input, large numbers before the first ones.
    row: usize,
    column: usize,
    /// Whether it hangs over no edge.
    is_inside: bool,
}

/// Fills `lanes` with the window at row `y` and column `x` of the output, not pooled yet. Returns the sums.
///
/// `input` is as long as its shape. Nothing is filled where `lanes` have other than four words for each two taps.
pub fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, lanes: &mut [u32]) -> [i32; 4] {
    let kernel = operands.pooled_kernel();
    let (row, column) = (y.wrapping_sub(operands.pad_above.into()), x.wrapping_sub(operands.window.left().into()));
    let mut window = Window { input, operands, row, column, is_inside: false };
    let [height, width, channels] = window.sides();
    let mut sums = [0; 4];
    if lanes.len() != 4 * (kernel * kernel * channels).div_ceil(2) {
        return sums;
    }
    window.is_inside = row < height && height - row > kernel && column < width && width - column > kernel;
    match channels {
        1 if kernel == 3 && window.is_inside => {
            // SAFETY: the window is four rows of four codes; the length of `lanes` was compared.
            unsafe { gather_3x3(window.pixel(row, column), width, lanes.as_mut_ptr(), &mut sums) }
        }
        1 if kernel == 3 => window.one_channel(lanes, &mut sums),
        _ if kernel == 3 && channels.is_multiple_of(4) => window.by_fours(lanes, &mut sums),
        _ => window.one_by_one(lanes, &mut sums),
    }
    sums
}

// Not inlined: what these need would be on the stack below the kernel's frame all the time.
impl Window<'_> {
    /// Height, width and channels of the input.
    fn sides(&self) -> [usize; 3] {
        let shape = self.operands.input;
        [shape.height.into(), shape.width.into(), shape.channels.into()]
    }

    /// A pixel that is inside of the input.
    fn pixel(&self, row: usize, column: usize) -> *const u8 {
        let [_, width, channels] = self.sides();
        self.input.as_ptr().wrapping_add(row.wrapping_mul(width).wrapping_add(column).wrapping_mul(channels))
    }

    /// A 3x3 kernel on one channel, where the window hangs over an edge: its codes are put together first.
    #[inline(never)]
    fn one_channel(&self, lanes: &mut [u32], sums: &mut [i32; 4]) {
        let [height, width, _] = self.sides();
        let mut row = self.row;
        let mut window = [[self.operands.pad_code; 4]; 4];
        for codes in &mut window {
            if row < height {
                let line = self.input.get(row * width..).and_then(|line| line.get(..width)).unwrap_or_default();
                for (right, code) in codes.iter_mut().enumerate() {
                    *code = *line.get(self.column.wrapping_add(right)).unwrap_or(code);
                }
            }
            row = row.wrapping_add(1);
        }
        // SAFETY: there are four rows of four codes, and `gather` compared the length of `lanes`.
        unsafe { gather_3x3(window.as_ptr().cast(), 4, lanes.as_mut_ptr(), sums) }
    }

    /// A 3x3 kernel on a number of channels that is a multiple of four.
    #[inline(never)]
    fn by_fours(&self, lanes: &mut [u32], sums: &mut [i32; 4]) {
        let ([height, width, channels], mut row) = (self.sides(), self.row);
        let outside = self.pixel_outside(lanes);
        let mut rows = [Row { pixels: [outside; 4], sums: [0; 2], neighbors: 0 }; 4];
        for (Row { pixels, neighbors, .. }, is) in rows.iter_mut().zip(NEIGHBORS) {
            *neighbors = is;
            if row < height {
                let (mut column, mut codes) = (self.column, self.pixel(row, self.column));
                for pixel in pixels {
                    if column < width {
                        *pixel = codes;
                    }
                    column = column.wrapping_add(1);
                    codes = codes.wrapping_add(channels);
                }
            }
            row = row.wrapping_add(1);
        }
        // SAFETY: a pixel is inside of the input, or at the end of `lanes`, whose length `gather` compared.
        unsafe { gather_3x3_by_fours(&mut rows, lanes.as_mut_ptr(), channels) }
        let [a, b, c, d] = &rows;
        let [a0, a1] = a.sums;
        let [d0, d1] = d.sums;
        let [m0, m1] = [b.sums[0].wrapping_add(c.sums[0]), b.sums[1].wrapping_add(c.sums[1])];
        let (upper, lower) = (m0.wrapping_add(a0), m0.wrapping_add(d0));
        let right = m1.wrapping_sub(m0);
        // The same as the sums of the differences, each column apart.
        *sums = [
            upper,
            right.wrapping_add(a1).wrapping_sub(a0),
            lower.wrapping_sub(upper),
            right.wrapping_add(d1).wrapping_sub(d0),
        ]
        .map(u32::cast_signed);
    }

    /// Any kernel on any number of channels: pixel by pixel, or where all are inside of the input, row by row.
    #[inline(never)]
    fn one_by_one(&self, lanes: &mut [u32], sums: &mut [i32; 4]) {
        let (kernel, [height, width, channels]) = (self.operands.pooled_kernel(), self.sides());
        let (columns, run) = if self.is_inside { (1, kernel * channels) } else { (kernel, channels) };
        let outside = self.pixel_outside(lanes);
        // A pixel and the one below it.
        let two_pixels = |row: usize, column: usize| {
            [row, row.wrapping_add(1)]
                .map(|row| if row < height && column < width { self.pixel(row, column) } else { outside })
        };
        let first = lanes.as_mut_ptr().cast::<u16>();
        let mut taps = 0;
        for row in (0..kernel).map(|below| self.row.wrapping_add(below)) {
            for column in (0..columns).map(|right| self.column.wrapping_add(right)) {
                let ([p0, p2], [p1, p3]) = (two_pixels(row, column), two_pixels(row, column.wrapping_add(1)));
                let next = first.wrapping_add(taps / 2 * LANES_PER_PAIR + taps % 2);
                // SAFETY: the pixels are inside of the input, or at the end of `lanes`, which `gather` found to suffice.
                unsafe { gather_taps(&[p0, p1, p2, p3], next, run, sums) }
                taps += run;
            }
        }
        if !taps.is_multiple_of(2)
            && let Some(last) = lanes.last_chunk_mut::<4>()
        {
            *last = last.map(|word| word & 0xFFFF);
        }
    }

    /// A pixel of padding at the end of the lanes.
    ///
    /// It is read from its first code to its last one while the lanes are filled from the first to the last, channel by channel.
    /// As a tap fills eight bytes, the last tap that a code takes part in comes before the lanes where that code is.
    #[inline(never)]
    fn pixel_outside(&self, lanes: &mut [u32]) -> *const u8 {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(lanes);
        let before = bytes.len().saturating_sub(self.operands.input.channels.into());
        let pixel = bytes.get_mut(before..).unwrap_or_default();
        if !self.is_inside {
            pixel.fill(self.operands.pad_code);
        }
        pixel.as_ptr()
    }
}

/// Taps one after the other at four positions: their codes, the differences, the sums of both.
///
/// `lanes` are at two bytes after a multiple of four where a pair's first tap was written before.
///
/// r0, r1, r3, lr codes at the four positions, r2 lanes, r4-r7 sums, r8-r11 codes, r12 taps left.
///
/// # Safety
/// There are so many codes at each position, one at least, and lanes for all of them: pairs, 16 bytes from one to the next.
#[unsafe(naked)]
unsafe extern "C" fn gather_taps(codes: &[*const u8; 4], lanes: *mut u16, taps: usize, sums: &mut [i32; 4]) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_TAP at
            ldrb r8, [r0], #1
            ldrb r9, [r1], #1
            ldrb r10, [r3], #1
            ldrb r11, [lr], #1
            sub r9, r9, r8
            sub r11, r11, r10
            sub r10, r10, r8
            strh r8, [r2, #\\at]
            strh r9, [r2, #\\at + 4]
            strh r10, [r2, #\\at + 8]
            strh r11, [r2, #\\at + 12]
            add r4, r4, r8
            add r5, r5, r9
            add r6, r6, r10
            add r7, r7, r11
        .endm
            push {{r3-r11, lr}}
            mov r12, r2
            mov r2, r1
            ldm r3, {{r4-r7}}
            ldm r0, {{r0, r1, r3, lr}}
            tst r2, #2
            bic r2, r2, #2
            bne 3f
        2:
            THIMBLE_TAP 0
            subs r12, r12, #1
            beq 4f
        3:
            THIMBLE_TAP 2
            add r2, r2, #16
            subs r12, r12, #1
            bne 2b
        4:
            pop {{r3}}
            stm r3, {{r4-r7}}
            pop {{r4-r11, pc}}
            .purgem THIMBLE_TAP
        ",
    )
}

/// Four pixels of a row under a 3x3 kernel at the four positions.
#[derive(Clone, Copy)]
#[repr(C)]
struct Row {
    pixels: [*const u8; 4],
    /// The sums of the first three, and of the last three.
    sums: [u32; 2],
    /// Of [`NEIGHBORS`].
    neighbors: u32,
}

/// Shifted left: carries where the kernel has a row above, and becomes zero where it has none here.
const NEIGHBORS: [u32; 4] = [1, 1 | 1 << 31, 1 | 1 << 31, 1 << 31];

/// A 3x3 kernel, four channels at a time: 309 instructions for 36 taps.
///
/// Of four rows of four pixels each is widened once. Two pixels side by side are the codes of a tap at `p0` and `p1` in one
/// row of the kernel, and at `p2` and `p3` in the row above: their difference is stored for both. The code at `p0` is read
/// back from the lanes for `p2 - p0`.
///
/// r0 zero, r1 lanes of the next tap, r2 those of the tap above, r3 channels done, r4 the row, r6-r7 and r8-r9 two pixels,
/// r10-r11 their difference, r5 a word, r12 and lr sums. Flags are those of a row's `neighbors`. The stack keeps the rows,
/// channels, and bytes of lanes from a tap to the next one.
///
/// # Safety
/// There are so many channels at each pixel, four at least and a multiple of four, and sixteen bytes of lanes for each two taps.
#[unsafe(naked)]
unsafe extern "C" fn gather_3x3_by_fours(rows: &mut [Row; 4], lanes: *mut u32, channels: usize) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_PIXEL at, ab, cd
            ldr r5, [r4, #4 * \\at]
            ldr r5, [r5, r3]
            .if \\at < 3
            usada8 r12, r5, r0, r12
            .endif
            .if \\at > 0
            usada8 lr, r5, r0, lr
            .endif
            uxtb16 r10, r5
            uxtb16 r11, r5, ror #8
            pkhbt \\ab, r10, r11, lsl #16
            pkhtb \\cd, r11, r10, asr #16
        .endm
        .macro THIMBLE_TAP ab, cd, next_ab, next_cd
            ssub16 r10, \\next_ab, \\ab
            ssub16 r11, \\next_cd, \\cd
            beq 4f
            strd \\ab, r10, [r1]
            strd \\cd, r11, [r1, #16]
        4:
            bcc 5f
            ldr r5, [r2]
            ssub16 r5, \\ab, r5
            strd r5, r10, [r2, #8]
            ldr r5, [r2, #16]
            ssub16 r5, \\cd, r5
            strd r5, r11, [r2, #24]
        5:
            ldr r10, [sp, #8]
            add r1, r1, r10
            add r2, r2, r10
        .endm
            push {{r4-r11, lr}}
            lsl r3, r2, #3
            push {{r0, r2, r3}}
            add r3, r3, r3, lsl #1
            sub r2, r1, r3
            mov r0, #0
            mov r3, #0
        2:  // Four channels.
            ldr r4, [sp]
        3:  // A row.
            ldr r5, [r4, #24]
            ldrd r12, lr, [r4, #16]
            lsls r5, r5, #1
            THIMBLE_PIXEL 0, r6, r7
            THIMBLE_PIXEL 1, r8, r9
            THIMBLE_TAP r6, r7, r8, r9
            THIMBLE_PIXEL 2, r6, r7
            THIMBLE_TAP r8, r9, r6, r7
            THIMBLE_PIXEL 3, r8, r9
            THIMBLE_TAP r6, r7, r8, r9
            strd r12, lr, [r4, #16]
            add.w r4, r4, #28
            bne.w 3b
            ldrd r5, r10, [sp, #4]
            add r10, r10, r10, lsl #1
            sub r1, r1, r10, lsl #2
            add r1, r1, #32
            sub r2, r1, r10
            add r3, r3, #4
            cmp r3, r5
            bne.w 2b
            add sp, sp, #12
            pop {{r4-r11, pc}}
            .purgem THIMBLE_TAP
            .purgem THIMBLE_PIXEL
        ",
    )
}

/// As [`gather_3x3_by_fours`], for the first layer of many a network: a 3x3 kernel on one channel, so that a word is a row.
///
/// First the sums, USADA8 adding the bytes of a row without its first or last. Then r4-r7 hold columns 0 and 2 of each
/// row, r8-r11 columns 1 and 3, and a pair of taps is packed out of two of those.
///
/// # Safety
/// From `codes` on there are four rows, `row_len` apart, of four codes; `lanes` has twenty words.
#[unsafe(naked)]
unsafe extern "C" fn gather_3x3(codes: *const u8, row_len: usize, lanes: *mut u32, sums: *mut [i32; 4]) {
    naked_asm!(
        cpu!(),
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
