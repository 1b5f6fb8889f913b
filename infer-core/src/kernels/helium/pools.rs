//! Maximum and mean of each window, channel by channel: sixteen channels or four at a time.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, requantize};
use super::gather::span;
use crate::kernels::operands::{AveragePool2dOperands, MaxPool2dOperands};
use crate::kernels::portable::{Mean, each_mean};

/// What the assembly works on: the part of a window that is inside of the input.
#[repr(C)]
struct Run {
    codes: *const u8,
    /// Bytes from a column of the input to the next one.
    channels: usize,
    rows: usize,
    columns: usize,
    /// Bytes from the end of a row of the window to the next row.
    to_next_row: usize,
    output: *mut u8,
    /// Of a mean: what its sums begin with, what they are shifted by and multiplied with, and what is added.
    bias: i32,
    shift: u32,
    multiplier: i32,
    zero_point: u32,
}

/// The maximum of what each window has of the input, channel by channel.
pub fn max_pool2d(input: &[u8], operands: &MaxPool2dOperands, output: &mut [u8]) {
    let &MaxPool2dOperands { input: shape, output: maxima, size, window, pad_above } = operands;
    let ([down, along], [rows, columns]) = (window.stride.map(usize::from), size.map(usize::from));
    let (height, width) = (usize::from(shape.height), usize::from(shape.width));
    let channels = usize::from(shape.channels);
    if input.len() != shape.len() || output.len() != maxima.len() || maxima.channels != shape.channels {
        return;
    }
    let output_rows = output.chunks_exact_mut((usize::from(maxima.width) * channels).max(1));
    for (y, maxima) in output_rows.enumerate() {
        let [_, first_row, rows] = span(y * down, pad_above.into(), rows, height);
        for (x, maxima) in maxima.chunks_exact_mut(channels.max(1)).enumerate() {
            let [_, first_column, columns] = span(x * along, window.left().into(), columns, width);
            let run = Run {
                codes: input.as_ptr().wrapping_add((first_row * width + first_column) * channels),
                channels,
                // No code is less than that of no window.
                rows: if columns > 0 { rows } else { 0 },
                columns,
                to_next_row: (width - columns) * channels,
                output: maxima.as_mut_ptr(),
                bias: 0,
                shift: 0,
                multiplier: 0,
                zero_point: 0,
            };
            // SAFETY: rows and columns are inside of the input, and there is a code of output for each channel.
            unsafe { maxima_of_channels(&raw const run) }
        }
    }
}

/// The mean of what each window has of the input, channel by channel.
pub fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
    let (width, channels) = (usize::from(operands.input.width), usize::from(operands.input.channels));
    if input.len() != operands.input.len() {
        return;
    }
    each_mean(operands, output, |Mean { rows, columns, bias, multiplier }, means| {
        let empty = rows.is_empty() || columns.is_empty() || means.len() != channels;
        let run = Run {
            codes: input.as_ptr().wrapping_add((rows.start * width + columns.start) * channels),
            channels,
            rows: if empty { 0 } else { rows.len() },
            columns: columns.len(),
            to_next_row: (width - columns.len()) * channels,
            output: means.as_mut_ptr(),
            bias,
            shift: operands.rescale.shift.into(),
            multiplier,
            zero_point: operands.rescale.zero_point.into(),
        };
        if means.len() == channels {
            // SAFETY: rows and columns are inside of the input, and there is a code of output for each channel.
            unsafe { means_of_channels(&raw const run) }
        }
    });
}

/// Loads the codes of a window, position by position, and adds each to what is there: r0 what it works on, r1 the first code, r2
/// channels, r6 bytes from the end of a row to the next one, r8 columns. Uses r3-r5.
macro_rules! each_code {
    ($load:literal, $add:literal) => {
        concat!(
            "
            mov r3, r1
            ldr r4, [r0, #8]
            cbz r4, 5f
        3:
            mov r5, r8
        4:
            ",
            $load,
            "
            add r3, r3, r2
            ",
            $add,
            "
            subs r5, r5, #1
            bne 4b
            add r3, r3, r6
            subs r4, r4, #1
            bne 3b
        5:
            "
        )
    };
}

/// Sixteen channels at a time.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need.
#[unsafe(naked)]
unsafe extern "C" fn maxima_of_channels(run: *const Run) {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r8, lr}}
            ldrd r1, r2, [r0]
            ldr r8, [r0, #12]
            ldrd r6, r7, [r0, #16]
            wlstp.8 lr, r2, 6f
        2:
            vmov.i32 q0, #0
        ",
        each_code!("vldrb.u8 q1, [r3]", "vmax.u8 q0, q0, q1"),
        "
            add r1, r1, #16
            vstrb.8 q0, [r7], #16
            letp lr, 2b
        6:
            pop {{r4-r8, pc}}
        ",
    )
}

/// Four channels at a time.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need.
#[unsafe(naked)]
unsafe extern "C" fn means_of_channels(run: *const Run) {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r11, lr}}
            ldrd r1, r2, [r0]
            ldr r8, [r0, #12]
            ldrd r6, r7, [r0, #16]
            ldrd r9, r10, [r0, #24]
            ldrd r11, r12, [r0, #32]
            wlstp.32 lr, r2, 6f
        2:
            vdup.32 q0, r9
            vdup.32 q2, r11
        ",
        each_code!("vldrb.u32 q1, [r3]", "vadd.i32 q0, q0, q1"),
        "
            add r1, r1, #4
        ",
        requantize!("q0", "r10", "q2", "r12", "r7"),
        "
            letp lr, 2b
        6:
            pop {{r4-r11, pc}}
        ",
    )
}
