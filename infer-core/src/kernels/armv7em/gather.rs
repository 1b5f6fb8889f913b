//! The codes under a filter at the four positions of a 2x2 max-pool, as [`conv2d`](super::conv2d) wants them.
//!
//! For each two taps: their codes at the upper left position `p0`, then the differences `p1 - p0`, `p2 - p0` and `p3 - p2`, `p1`
//! being to the right, `p2` below, `p3` both: a maximum needs one full sum and three differences of sums, and a sum is
//! linear. The functions also return the sums of the four, which are all zero where, and only where, all codes are.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::cpu;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::window;

/// 16-bit lanes of a pair of taps at the four positions.
const LANES_PER_PAIR: usize = 8;

/// Fills `lanes` with the window at row `y` and column `x` of the output, not pooled yet. Returns the sums.
pub fn gather(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, lanes: &mut [u32]) -> [i32; 4] {
    let (kernel, channels) = (operands.pooled_kernel(), usize::from(operands.input.channels));
    if let Some(window) = window::inside(input, operands, y, x)
        && lanes.len() == 4 * (kernel * kernel * channels).div_ceil(2)
    {
        let mut sums = [0; 4];
        let row_len = usize::from(operands.input.width) * channels;
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
        over_an_edge(input, operands, y, x, bytemuck::cast_slice_mut(lanes))
    }
}

/// As [`gather`], where the window hangs over an edge.
// Not inlined: what it needs would be on the stack below the kernel's frame all the time.
#[inline(never)]
fn over_an_edge(input: &[u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, lanes: &mut [u16]) -> [i32; 4] {
    let mut sums = [0; 4];
    lanes.fill(0);
    let mut next = 0;
    window::each_tap_over_an_edge(input, operands, y, x, &mut |codes| {
        let [p0, p1, p2, p3] = codes.map(i32::from);
        if let Some([a, _, b, _, c, _, d]) = lanes.get_mut(next..next + LANES_PER_PAIR - 1) {
            let values = [p0, p1 - p0, p2 - p0, p3 - p2];
            [*a, *b, *c, *d] = values.map(|value| value as u16);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        next += if next.is_multiple_of(2) { 1 } else { LANES_PER_PAIR - 1 };
    });
    sums
}

/// The tap at the same place of four positions: their codes, the differences, the sums of both.
///
/// r0 codes of the upper row, r1 of the lower one, r2 lanes, r3 channels, r4-r7 sums, r12 taps left in the row, lr how
/// far the lanes went last: 2 bytes inside of a pair, 14 to the next one. The stack keeps rows left, bytes from the end
/// of a row's taps to the next row, taps in a row.
///
/// # Safety
/// From `codes` on there are `kernel + 1` rows, `row_len` apart, of `kernel + 1` pixels of as many `channels`, one at least;
/// `lanes` has four words for each two taps.
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
        cpu!(),
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
