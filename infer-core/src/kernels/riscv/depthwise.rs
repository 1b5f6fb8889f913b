//! Convolution of each channel by itself with a 3x3 kernel: a channel's weights stay in registers for all of its rows.
//!
//! A row of output is a walk along three rows of input. With a stride of 1 a column of three codes ends one sum, continues the
//! next one and begins a third; with a stride of 2 every other column ends a sum and begins the next. Padding is a row that
//! does not move on: each of its columns is the same byte.

use core::arch::naked_asm;

use super::assembly::{end_of_macros, macros};
use crate::format::Window;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::portable;

/// What all channels have in common.
#[repr(C)]
struct Plane {
    /// Bytes of a row of the input.
    row_len: usize,
    /// Rows of the input.
    height: usize,
    /// Bytes from a pixel to the next one.
    channels: usize,
    /// Rows of the output, one at least.
    rows: usize,
    /// Bytes of a row of the output.
    output_row_len: usize,
    /// Columns of padding on the left.
    left: usize,
    /// Bytes of a row of outputs whose columns are all inside or on the left.
    inside: usize,
    /// Bytes of the outputs after them, some of whose columns are padding on the right.
    after: usize,
    /// Columns inside that are left for these; with a stride of 2 only.
    last_columns: usize,
    /// Rows from those of an output to those of the next one, and their bytes.
    down: [usize; 2],
    /// The row that the kernel begins at; what is less than 0 wraps.
    first_row: usize,
    /// The zero point of the output.
    zero_point: u32,
    /// The left shift before the multiplication, less than 32.
    shift: u32,
    /// What padding has.
    pad_code: u32,
}

/// A channel, from its first code, weight and output on.
#[repr(C)]
struct Channel {
    input: *const u8,
    weights: *const [u8; 9],
    output: *mut u8,
    bias: i32,
    multiplier: i32,
}

/// Convolution of each channel by itself.
#[inline(never)]
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
    let Some(plane) = plane(input, operands, output) else {
        portable::depthwise_conv2d(input, operands, output);
        return;
    };
    let by_two = operands.window.stride == [operands.window.stride[0], 2];
    let weights = operands.weights.as_chunks::<9>().0.iter();
    for (index, (weights, (bias, multiplier))) in (0..plane.channels).zip(weights.zip(operands.channels.iter())) {
        let channel = Channel {
            input: input.as_ptr().wrapping_add(index),
            weights,
            output: output.as_mut_ptr().wrapping_add(index),
            bias,
            multiplier,
        };
        // SAFETY: `plane` compared the lengths: each row of the input has as many columns as the walks along it, which look at
        // rows inside of the input only, and each row of the output has as many columns as a walk writes.
        unsafe {
            if by_two {
                codes::<2>(&raw const plane, &raw const channel);
            } else {
                codes::<1>(&raw const plane, &raw const channel);
            }
        }
    }
}

/// `None` where there are no walks for these operands.
fn plane(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &[u8]) -> Option<Plane> {
    let Window { size, stride: [down, along], padding: [_, left, _, right] } = operands.window;
    let channels = usize::from(operands.input.channels);
    let (width, rows) = (usize::from(operands.input.width), usize::from(operands.output.height));
    let (left, down) = (usize::from(left), usize::from(down));
    let has_walk = operands.multiplier == 1
        && size == [3; 2]
        && (along == 1 || along == 2)
        && left.max(right.into()) <= 2
        // The columns that end no sum are inside, or on the left.
        && width >= 2
        && channels > 0
        && rows > 0
        && operands.input.channels == operands.output.channels;
    if !has_walk {
        return None;
    }
    // Outputs whose last column is inside, and all of them.
    let steps = |columns: usize| (columns - 3) / usize::from(along).max(1) + 1;
    let inside = if left + width < 3 { 0 } else { steps(left + width) };
    let all = usize::from(operands.output.width);
    let fits = left + width + usize::from(right) >= 3 && all == steps(left + width + usize::from(right));
    let row_len = width * channels;
    let height = usize::from(operands.input.height);
    if !fits || input.len() < height * row_len || output.len() < rows * all * channels {
        return None;
    }
    Some(Plane {
        row_len,
        height,
        channels,
        rows,
        output_row_len: all * channels,
        left,
        inside: inside * channels,
        after: (all - inside) * channels,
        last_columns: left + width - (2 * inside + 1).min(left + width),
        down: [down, down * row_len],
        first_row: 0usize.wrapping_sub(operands.pad_above.into()),
        zero_point: operands.rescale.zero_point.into(),
        shift: u32::from(operands.rescale.shift) % 32,
        pad_code: operands.pad_code.into(),
    })
}

/// The codes of a channel: with a stride of 1, 32 instructions each.
///
/// s0-s8 weights, s9 bias, s10 sum that ends next, s11 sum after it; a0-a2 rows, a3-a5 how far their columns are apart, a6 output,
/// a7 its end, t0-t2 a column, t3 product, t4 twice the multiplier, t5 zero point, t6 255, ra channels. The stack keeps the
/// plane, the address and the number of the first row, the row of output, and rows to do.
///
/// # Safety
/// The plane's lengths are those of the channel's input and output.
#[unsafe(naked)]
unsafe extern "C" fn codes<const ALONG: usize>(plane: *const Plane, channel: *const Channel) {
    naked_asm!(
        macros!(),
        "
        .macro THIMBLE_LOAD
            lbu t0, 0(a0)
            lbu t1, 0(a1)
            lbu t2, 0(a2)
            add a0, a0, a3
            add a1, a1, a4
            add a2, a2, a5
        .endm
        .macro THIMBLE_COLUMN to, from, upper, middle, lower
            mul t3, t0, \\upper
            add \\to, \\from, t3
            mul t3, t1, \\middle
            add \\to, \\to, t3
            mul t3, t2, \\lower
            add \\to, \\to, t3
        .endm
        .macro THIMBLE_CODE
            THIMBLE_REQUANTIZED t3, s10, t4, t5, t6
            sb t3, 0(a6)
            add a6, a6, ra
        .endm
        .macro THIMBLE_PAD
            lw t0, 56(t3)
            mv t1, t0
            mv t2, t0
        .endm
        // Zeros add nothing to the sum of an output that is the only one left.
        .macro THIMBLE_LAST
            lw t0, 56(t3)
            add t1, a6, ra
            bnez t0, 4f
            bne t1, a7, 4f
            THIMBLE_CODE
            lw t3, 52(sp)
            j 9f
        .endm
            addi sp, sp, -80
            sw ra, 0(sp)
            THIMBLE_SAVED sw, 4
            sw a0, 52(sp)
            lw t0, 0(a1)
            lw t1, 4(a1)
            lw t2, 8(a1)
            lw s9, 12(a1)
            lw t4, 16(a1)
            lw t5, 48(a0)
            lw t3, 52(a0)
            lw ra, 8(a0)
            lw a2, 0(a0)
            lw a3, 44(a0)
            lw a4, 12(a0)
            mul a2, a2, a3
            add t0, t0, a2
            sw t0, 56(sp)
            sw a3, 60(sp)
            sw t2, 64(sp)
            sw a4, 68(sp)
            lb s0, 0(t1)
            lb s1, 1(t1)
            lb s2, 2(t1)
            lb s3, 3(t1)
            lb s4, 4(t1)
            lb s5, 5(t1)
            lb s6, 6(t1)
            lb s7, 7(t1)
            lb s8, 8(t1)
            beqz t3, 2f
            sll s0, s0, t3
            sll s1, s1, t3
            sll s2, s2, t3
            sll s3, s3, t3
            sll s4, s4, t3
            sll s5, s5, t3
            sll s6, s6, t3
            sll s7, s7, t3
            sll s8, s8, t3
            sll s9, s9, t3
        2:
            slli t4, t4, 1
            li t6, 255
        3:
            lw t3, 52(sp)
            lw a0, 56(sp)
            lw t0, 60(sp)
            lw t1, 0(t3)
            lw t2, 4(t3)
            add a1, a0, t1
            add a2, a1, t1
            mv a3, ra
            mv a4, ra
            mv a5, ra
            bltu t0, t2, 4f
            addi a0, t3, 56
            li a3, 0
        4:
            addi t0, t0, 1
            bltu t0, t2, 4f
            addi a1, t3, 56
            li a4, 0
        4:
            addi t0, t0, 1
            bltu t0, t2, 4f
            addi a2, t3, 56
            li a5, 0
        4:
            lw a6, 64(sp)
            lw a7, 24(t3)
            add a7, a7, a6
            lw s10, 20(t3)
            beqz s10, 4f
            THIMBLE_PAD
            .if {along} == 1
            mv s11, s9
            beqz t0, 31f
            .endif
            j 5f
        4:
            THIMBLE_LOAD
        5:
            .if {along} == 1
            THIMBLE_COLUMN s11, s9, s0, s3, s6
        31:
            lw t3, 52(sp)
            addi s10, s10, -1
            blez s10, 4f
            THIMBLE_PAD
            j 5f
        4:
            THIMBLE_LOAD
        5:
            THIMBLE_COLUMN s10, s11, s1, s4, s7
            THIMBLE_COLUMN s11, s9, s0, s3, s6
            beq a6, a7, 7f
        6:
            THIMBLE_LOAD
            THIMBLE_COLUMN s10, s10, s2, s5, s8
            THIMBLE_CODE
            THIMBLE_COLUMN s10, s11, s1, s4, s7
            THIMBLE_COLUMN s11, s9, s0, s3, s6
            bne a6, a7, 6b
        7:
            lw t3, 52(sp)
            lw t0, 64(sp)
            lw t1, 16(t3)
            add a7, t0, t1
            beq a6, a7, 9f
            THIMBLE_LAST
        4:
            addi a0, t3, 56
            mv a1, a0
            mv a2, a0
            li a3, 0
            li a4, 0
            li a5, 0
            j 6b
            .else
            mv s11, s10
            THIMBLE_COLUMN s10, s9, s0, s3, s6
            addi s11, s11, -2
            bnez s11, 4f
            lw t3, 52(sp)
            THIMBLE_PAD
            THIMBLE_COLUMN s10, s10, s1, s4, s7
            j 5f
        4:
            beq a6, a7, 7f
        6:
            THIMBLE_LOAD
            THIMBLE_COLUMN s10, s10, s1, s4, s7
        5:
            THIMBLE_LOAD
            THIMBLE_COLUMN s10, s10, s2, s5, s8
            THIMBLE_CODE
            THIMBLE_COLUMN s10, s9, s0, s3, s6
            bne a6, a7, 6b
        7:
            lw t3, 52(sp)
            lw t0, 64(sp)
            lw t1, 16(t3)
            add a7, t0, t1
            beq a6, a7, 9f
            lw s11, 32(t3)
            beqz s11, 4f
            THIMBLE_LOAD
            THIMBLE_COLUMN s10, s10, s1, s4, s7
            lw t3, 52(sp)
        4:
            THIMBLE_LAST
        4:
            addi a0, t3, 56
            mv a1, a0
            mv a2, a0
            li a3, 0
            li a4, 0
            li a5, 0
            beqz s11, 6b
            j 5b
            .endif
        9:
            sw a7, 64(sp)
            lw t0, 68(sp)
            addi t0, t0, -1
            beqz t0, 7f
            sw t0, 68(sp)
            lw t0, 36(t3)
            lw t1, 60(sp)
            add t0, t0, t1
            sw t0, 60(sp)
            lw t0, 40(t3)
            lw t1, 56(sp)
            add t0, t0, t1
            sw t0, 56(sp)
            j 3b
        7:
            lw ra, 0(sp)
            THIMBLE_SAVED lw, 4
            addi sp, sp, 80
            ret
            .purgem THIMBLE_LOAD
            .purgem THIMBLE_COLUMN
            .purgem THIMBLE_CODE
            .purgem THIMBLE_PAD
            .purgem THIMBLE_LAST
        ",
        end_of_macros!(),
        along = const ALONG,
    )
}
