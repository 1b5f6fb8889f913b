//! Convolution: four rows of weights at a time at two positions, or at the four of a 2x2 max-pool.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;

use super::cpu::{cpu, in_words};
use super::gather::{gather, sum};
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::portable;
use crate::packing::{CODES_PER_VECTOR, ROWS_PER_GROUP};

/// What the assembly works on.
#[repr(C)]
struct Run {
    /// The codes under the filter at each position; without a pool at two of them.
    codes: [*const u8; 4],
    /// What sums start at: -128 times the sum of the codes.
    starts: [u32; 4],
    weights: *const u8,
    /// Vectors of weights in a row, but for the first one.
    more_vectors: usize,
    /// Groups of rows.
    groups: usize,
    table: *const u8,
    /// Where codes go: those of the first position, and of the second one without a pool.
    output: [*mut u8; 2],
    zero_point: u32,
    shift: u32,
    /// Bytes of weights in a group.
    group_len: usize,
}

/// A table of channels, padded, for a last group that is not full.
#[repr(align(4))]
struct LastTable([u8; 8 * ROWS_PER_GROUP]);

/// The groups of a layer: those that are full, and the last one that is not.
struct Groups<'m> {
    run: Run,
    full: usize,
    channels: usize,
    weights: &'m [u8],
    table: &'m [u8],
}

impl<'m> Groups<'m> {
    /// Of operands whose lengths fit.
    fn new(operands: &Conv2dOperands<'m>) -> Option<Self> {
        let (taps, channels) = (operands.taps(), usize::from(operands.output.channels));
        let group_len = ROWS_PER_GROUP * taps.checked_next_multiple_of(CODES_PER_VECTOR)?;
        let (weights, table) = (operands.weights, operands.channels.bytes());
        let fits = taps > 0
            && channels > 0
            && channels.div_ceil(ROWS_PER_GROUP).checked_mul(group_len) == Some(weights.len())
            && table.len() == 8 * channels
            && in_words(table);
        let run = Run {
            codes: [core::ptr::null(); 4],
            starts: [0; 4],
            weights: core::ptr::null(),
            more_vectors: (taps - 1) / CODES_PER_VECTOR,
            groups: 0,
            table: core::ptr::null(),
            output: [core::ptr::null_mut(); 2],
            zero_point: operands.rescale.zero_point.into(),
            shift: operands.rescale.shift.into(),
            group_len,
        };
        fits.then_some(Self { run, full: channels / ROWS_PER_GROUP, channels, weights, table })
    }

    /// Computes the codes of one position, or of `second` too, which follows it.
    ///
    /// # Safety
    /// The codes of `run` have as many bytes as a row of weights, padding included.
    #[inline]
    unsafe fn compute<const POOL: bool>(&mut self, codes: &mut [u8]) {
        let Self { run, full, channels, weights, table } = self;
        // A last position without a neighbor is computed twice.
        let second = if codes.len() < 2 * *channels { 0 } else { *channels };
        if codes.len() < *channels + second {
            return;
        }
        if *full > 0 {
            (run.weights, run.table, run.groups) = (weights.as_ptr(), table.as_ptr(), *full);
            run.output = [codes.as_mut_ptr(), codes.as_mut_ptr().wrapping_add(second)];
            // SAFETY: the caller's, and the lengths of weights, table and codes were compared.
            unsafe { all_groups::<POOL>(run) }
        }
        let done = *full * ROWS_PER_GROUP;
        if done == *channels {
            return;
        }
        let mut last = LastTable([0; 8 * ROWS_PER_GROUP]);
        let records = table.get(8 * done..).unwrap_or_default();
        last.0.iter_mut().zip(records).for_each(|(to, from)| *to = *from);
        let mut found = [[0; ROWS_PER_GROUP]; 2];
        let [first, other] = &mut found;
        (run.table, run.groups, run.output) = (last.0.as_ptr(), 1, [first.as_mut_ptr(), other.as_mut_ptr()]);
        run.weights = weights.as_ptr().wrapping_add(*full * run.group_len);
        // SAFETY: as before; the last group has all its weights.
        unsafe { all_groups::<POOL>(run) }
        for (codes, found) in codes.chunks_mut((*channels).max(1)).zip(found) {
            let rest = codes.get_mut(done..).unwrap_or_default();
            rest.iter_mut().zip(found).for_each(|(code, found)| *code = found);
        }
    }
}

/// Patches of small filters, which the scratch has no room for.
#[repr(align(4))]
struct SmallPatches([u8; 4 * CODES_PER_VECTOR]);

/// Convolution, and the 2x2 maximum after it if the operands have one.
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let fits = input.len() == operands.input.len() && output.len() == operands.output.len();
    let Some(mut groups) = Groups::new(operands).filter(|_| fits) else {
        portable::conv2d(input, operands, scratch, output);
        return;
    };
    let positions = if operands.pool { 4 } else { 2 };
    let patch_len = operands.taps().next_multiple_of(CODES_PER_VECTOR);
    let mut small = SmallPatches([0; 4 * CODES_PER_VECTOR]);
    let scratch: &mut [u8] = bytemuck::cast_slice_mut(scratch);
    let patches = if scratch.len() < positions * patch_len { &mut small.0 } else { scratch };
    let Some(patches) = patches.get_mut(..positions * patch_len) else { return };
    if operands.pool {
        pooled(input, operands, &mut groups, patches, output);
    } else {
        unpooled(input, operands, &mut groups, patches, output);
    }
}

fn pooled(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    groups: &mut Groups<'_>,
    patches: &mut [u8],
    output: &mut [u8],
) {
    let patch_len = patches.len() / 4;
    for (position, codes) in groups.run.codes.iter_mut().enumerate() {
        *codes = patches.as_ptr().wrapping_add(position * patch_len);
    }
    let width = usize::from(operands.output.width).max(1);
    let channels = groups.channels;
    let mut rows = output.chunks_exact_mut((width * channels).max(1));
    for (y, row) in (&mut rows).enumerate() {
        for (x, codes) in row.chunks_exact_mut(channels.max(1)).enumerate() {
            for (index, (patch, start)) in
                patches.chunks_exact_mut(patch_len.max(1)).zip(&mut groups.run.starts).enumerate()
            {
                let sum = gather(input, operands, 2 * y + index / 2, 2 * x + index % 2, patch);
                *start = sum.wrapping_mul(128).wrapping_neg();
            }
            // SAFETY: a patch has as many bytes as a row of weights.
            unsafe { groups.compute::<true>(codes) }
        }
    }
}

fn unpooled(
    input: &[u8],
    operands: &Conv2dOperands<'_>,
    groups: &mut Groups<'_>,
    patches: &mut [u8],
    output: &mut [u8],
) {
    let (taps, patch_len) = (operands.taps(), patches.len() / 2);
    let (width, channels) = (usize::from(operands.output.width).max(1), groups.channels.max(1));
    // A filter of one row and column without padding reads the input where it is.
    let pointwise = operands.window.size == [1; 2];
    let (mut y, mut x) = (0, 0);
    for codes in output.chunks_mut(2 * channels) {
        for (index, patch) in patches.chunks_exact_mut(patch_len.max(1)).enumerate() {
            if index == 1 && codes.len() < 2 * channels {
                continue;
            }
            let inside = if pointwise { pixel(input, operands, y, x, patch_len) } else { None };
            let (start, total) = match inside {
                Some(codes) => (codes.as_ptr(), sum(codes.get(..taps).unwrap_or_default())),
                None => (patch.as_ptr(), gather(input, operands, y, x, patch)),
            };
            for (codes, start_at) in groups.run.codes.iter_mut().zip(&mut groups.run.starts).skip(index) {
                (*codes, *start_at) = (start, total.wrapping_mul(128).wrapping_neg());
            }
            x += 1;
            if x == width {
                (y, x) = (y + 1, 0);
            }
        }
        // SAFETY: a patch has as many bytes as a row of weights, and so has what `pixel` found.
        unsafe { groups.compute::<false>(codes) }
    }
}

/// The codes under a filter of one row and one column, if whole vectors of them can be read.
#[inline]
fn pixel<'i>(input: &'i [u8], operands: &Conv2dOperands<'_>, y: usize, x: usize, len: usize) -> Option<&'i [u8]> {
    let [down, along] = operands.window.stride;
    let y = (y * usize::from(down)).checked_sub(operands.pad_above.into())?;
    let x = (x * usize::from(along)).checked_sub(operands.window.left().into())?;
    let (height, width) = (usize::from(operands.input.height), usize::from(operands.input.width));
    if y >= height || x >= width {
        return None;
    }
    input.get((y * width + x) * usize::from(operands.input.channels)..)?.get(..len)
}

/// All groups of `run`: two positions, or the maximum of four.
///
/// r1 weights, r3 and r5 codes, r0, r2, r4, r6 sums of the first position, r8, r10, r12, lr those of the second one, r7 vectors
/// left, r9 `run`, r11 table.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need; the table is at a multiple of a word.
#[unsafe(naked)]
unsafe extern "C" fn all_groups<const POOL: bool>(run: *mut Run) {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_VECTOR op
            vldrb.u8 q0, [r3], #16
            vldrb.u8 q2, [r1], #16
            \\op r0, q0, q2
            vldrb.u8 q1, [r5], #16
            \\op r8, q1, q2
            vldrb.u8 q3, [r1], #16
            \\op r2, q0, q3
            vldrb.u8 q2, [r1], #16
            \\op r10, q1, q3
            \\op r4, q0, q2
            vldrb.u8 q3, [r1], #16
            \\op r12, q1, q2
            \\op r6, q0, q3
            \\op lr, q1, q3
        .endm
        .macro THIMBLE_SUMS at
            ldrd r3, r5, [r9, #\\at]
            ldr r7, [r9, #36]
            THIMBLE_VECTOR vmladav.u8
            b 4f
        3:
            THIMBLE_VECTOR vmladava.u8
        4:
            subs r7, r7, #1
            bpl 3b
            vmov q0[2], q0[0], r0, r4
            vmov q0[3], q0[1], r2, r6
            vmov q1[2], q1[0], r8, r12
            vmov q1[3], q1[1], r10, lr
            ldrd r0, r2, [r9, #\\at + 16]
            vadd.i32 q0, q0, r0
            vadd.i32 q1, q1, r2
        .endm
            push {{r4-r11, lr}}
            vpush {{d8-d9}}
            mov r9, r0
            ldr r1, [r9, #32]
            ldr r11, [r9, #44]
        2:
            THIMBLE_SUMS 0
        .if {pool}
            vmax.s32 q4, q0, q1
            ldr r7, [r9, #64]
            sub r1, r1, r7
            THIMBLE_SUMS 8
            vmax.s32 q0, q0, q1
            vmax.s32 q0, q0, q4
        .endif
            vld20.32 {{q2, q3}}, [r11]
            vld21.32 {{q2, q3}}, [r11]!
            ldrd r4, r6, [r9, #48]
            ldrd r8, r10, [r9, #56]
            ldr r12, [r9, #40]
            vadd.i32 q0, q0, q2
            vshl.s32 q0, r10
            vrmulh.s32 q0, q0, q3
            vadd.i32 q0, q0, r8
            vqmovunb.s32 q0, q0
            vqmovnb.u16 q0, q0
            vstrb.32 q0, [r4], #4
        .if {pool} == 0
            vadd.i32 q1, q1, q2
            vshl.s32 q1, r10
            vrmulh.s32 q1, q1, q3
            vadd.i32 q1, q1, r8
            vqmovunb.s32 q1, q1
            vqmovnb.u16 q1, q1
            vstrb.32 q1, [r6], #4
        .endif
            strd r4, r6, [r9, #48]
            subs r12, r12, #1
            str r12, [r9, #40]
            bne.w 2b
            vpop {{d8-d9}}
            pop {{r4-r11, pc}}
            .purgem THIMBLE_VECTOR
            .purgem THIMBLE_SUMS
        ",
        pool = const POOL as usize,
    )
}
