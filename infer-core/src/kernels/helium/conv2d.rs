//! Convolution: four rows of weights at a time at two positions, or at the four of a 2x2 max-pool.

#![allow(unsafe_code, reason = "vectors are out of reach otherwise")]

use core::arch::naked_asm;
use core::mem::offset_of;
use core::ops::Range;
use core::ptr::{null, null_mut};

use super::cpu::{cpu, in_words, requantize};
use super::gather::gather;
use crate::format::Window;
use crate::kernels::operands::{Conv2dOperands, PATCHES};
use crate::kernels::portable;
use crate::packing::vector::{CODES_PER_VECTOR, ROWS_PER_GROUP};

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
    /// Groups of rows that are left.
    groups_left: usize,
    /// Groups of four rows.
    groups: usize,
    /// Where codes go: those of the first position, and of the second one without a pool.
    output: [*mut u8; 2],
    zero_point: u32,
    shift: u32,
    /// Bytes of weights in a group.
    group_len: usize,
    /// Bias and multiplier of each channel.
    table: *const u8,
    /// Rows of a last group that has not four; their channels, with others after them, and where their codes go first.
    last_rows: usize,
    last_table: *const u8,
    in_last: usize,
    output_of_last: [*mut u8; 2],
    last_codes: [u8; 20],
    /// The codes under the filter at the first position of all.
    source: *const u8,
    /// Bytes from one position to the next, and from two positions of a pool to those below.
    step: usize,
    down: usize,
    /// Rows of the filter that are copied to `patches`; 0 where `source` has all codes under the filter in a row.
    rows: usize,
    /// Bytes from one row of the source to the next, and of a row of the filter.
    row_len: usize,
    row_bytes: usize,
    patches: *mut u8,
    patch_len: usize,
    /// Codes under the filter.
    taps: usize,
    /// Two positions each, or windows of a pool: how often.
    count: usize,
    channels: usize,
    /// Of a pool: the codes of a position under which every code is 0, once there was one. All such have the same.
    zeros: *const u8,
}

/// A convolution whose lengths fit each other, on its way through the positions.
struct Convolution<'a> {
    input: &'a [u8],
    operands: &'a Conv2dOperands<'a>,
    run: Run,
    /// Room for the codes under the filter at [`PATCHES`] positions.
    patches: &'a mut [u8],
    output: &'a mut [u8],
    channels: usize,
    /// A position whose codes under the filter are in the first patch; it waits for another one.
    waiting: Option<usize>,
}

/// A table of channels for a last group that is not full.
#[repr(align(4))]
struct LastTable([u8; 8 * ROWS_PER_GROUP]);

/// Convolution, and the 2x2 maximum after it if the operands have one.
pub fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let (taps, channels) = (operands.taps(), usize::from(operands.output.channels));
    let patch_len = taps.next_multiple_of(CODES_PER_VECTOR);
    let group_len = ROWS_PER_GROUP * patch_len;
    let (weights, table) = (operands.weights, operands.channels.bytes());
    let fits = taps > 0
        && channels > 0
        && channels.div_ceil(ROWS_PER_GROUP).checked_mul(group_len) == Some(weights.len())
        && table.len() == 8 * channels
        && in_words(table)
        && input.len() == operands.input.len()
        && output.len() == operands.output.len();
    let patches = bytemuck::cast_slice_mut(scratch).get_mut(..PATCHES * patch_len);
    let Some(patches) = patches.filter(|_| fits) else {
        portable::conv2d_vector(input, operands, scratch, output);
        return;
    };
    if taps < patch_len {
        // What a patch is filled up with.
        patches.fill(0);
    }
    let full_rows = channels - channels % ROWS_PER_GROUP;
    let mut last_table = LastTable([0; 8 * ROWS_PER_GROUP]);
    let records = table.get(8 * full_rows..).unwrap_or_default();
    last_table.0.iter_mut().zip(records).for_each(|(to, from)| *to = *from);
    let run = Run {
        codes: [null(); 4],
        starts: [0; 4],
        weights: weights.as_ptr(),
        more_vectors: (taps - 1) / CODES_PER_VECTOR,
        groups_left: 0,
        groups: channels / ROWS_PER_GROUP,
        output: [null_mut(); 2],
        zero_point: operands.rescale.zero_point.into(),
        shift: operands.rescale.shift.into(),
        group_len,
        table: table.as_ptr(),
        last_rows: channels - full_rows,
        last_table: last_table.0.as_ptr(),
        in_last: 0,
        output_of_last: [null_mut(); 2],
        last_codes: [0; 20],
        source: null(),
        step: 0,
        down: 0,
        rows: 0,
        row_len: usize::from(operands.input.width) * usize::from(operands.input.channels),
        row_bytes: 0,
        patches: null_mut(),
        patch_len,
        taps,
        count: 0,
        channels,
        zeros: null(),
    };
    let mut convolution = Convolution { input, operands, run, patches, output, channels, waiting: None };
    if operands.pool { convolution.pooled() } else { convolution.unpooled() }
}

impl Convolution<'_> {
    /// All windows of a pool.
    fn pooled(&mut self) {
        let Window { size: [rows, columns], .. } = self.operands.window;
        let (height, width) = (usize::from(self.operands.output.height), usize::from(self.operands.output.width));
        // The window of a pool is one row and column larger than the filter.
        let rows_inside = inside(2, self.operands.pad_above, usize::from(rows) + 1, self.operands.input.height, height);
        let columns_inside =
            inside(2, self.operands.window.left(), usize::from(columns) + 1, self.operands.input.width, width);
        for y in 0..height {
            let first = y * width;
            let run = if rows_inside.contains(&y) { columns_inside.clone() } else { 0..0 };
            for x in (0..run.start).chain(run.end..width) {
                for (index, patch) in self.patches.chunks_exact_mut(self.run.patch_len.max(1)).enumerate() {
                    gather(self.input, self.operands, 2 * y + index / 2, 2 * x + index % 2, patch);
                }
                self.compute_patches([first + x; 2]);
            }
            if !run.is_empty() {
                self.compute_inside(2 * y, 2 * run.start, first + run.start, run.len());
            }
        }
    }

    /// All positions without a pool.
    fn unpooled(&mut self) {
        let Window { size: [rows, columns], stride: [down, along], .. } = self.operands.window;
        let (mut height, mut width) =
            (usize::from(self.operands.output.height), usize::from(self.operands.output.width));
        let mut rows_inside = inside(down, self.operands.pad_above, rows.into(), self.operands.input.height, height);
        let mut columns_inside =
            inside(along, self.operands.window.left(), columns.into(), self.operands.input.width, width);
        let same = self.operands.input.height == self.operands.output.height
            && self.operands.input.width == self.operands.output.width;
        if same && (rows, columns, down, along) == (1, 1, 1, 1) && rows_inside.len() == height {
            // Rows follow each other.
            (width, height) = (width * height, 1);
            (rows_inside, columns_inside) = (0..1, 0..width);
        }
        for y in 0..height {
            let first = y * width;
            let mut run = if rows_inside.contains(&y) { columns_inside.clone() } else { 0..0 };
            let pairs = run.len() / 2;
            run.end = run.start + 2 * pairs;
            for x in (0..run.start).chain(run.end..width) {
                self.compute_one(first + x);
            }
            if pairs > 0 {
                self.compute_inside(y, run.start, first + run.start, pairs);
            }
        }
        if let Some(position) = self.waiting.take() {
            let (first, others) = self.patches.split_at_mut(self.run.patch_len.min(self.patches.len()));
            others.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
            self.compute_patches([position; 2]);
        }
    }

    /// Where the codes under the filter begin, of a position inside of the input.
    fn start(&self, y: usize, x: usize) -> usize {
        let [down, along] = self.operands.window.stride.map(usize::from);
        let row = y * down - usize::from(self.operands.pad_above);
        let column = x * along - usize::from(self.operands.window.left());
        row * self.run.row_len + column * usize::from(self.operands.input.channels)
    }

    /// So many times two neighbors, or windows of a pool, from row `y` and column `x` of the output, not pooled yet, on. All are
    /// inside of the input.
    fn compute_inside(&mut self, y: usize, x: usize, position: usize, count: usize) {
        let channels = usize::from(self.operands.input.channels);
        let Window { size: [rows, columns], stride: [_, along], .. } = self.operands.window;
        let start = self.start(y, x);
        let run = &mut self.run;
        (run.row_bytes, run.rows) = (usize::from(columns) * channels, rows.into());
        // Codes in a row, in whole vectors, are read where they are; the second row of positions of a pool has other neighbors.
        if rows == 1 && run.taps == run.patch_len && !self.operands.pool {
            run.rows = 0;
        }
        (run.step, run.down, run.count) = (usize::from(along) * channels, run.row_len, count);
        // Positions that wait for another one have the first two patches.
        let own = if self.operands.pool { 0 } else { 2 * run.patch_len };
        run.patches = self.patches.as_mut_ptr().wrapping_add(own);
        run.source = self.input.as_ptr().wrapping_add(start);
        let first = position * self.channels;
        let last = first + if self.operands.pool { 1 } else { 2 } * count * self.channels;
        let Some(codes) = self.output.get_mut(first..last) else { return };
        self.run.output = [codes.as_mut_ptr(), codes.as_mut_ptr().wrapping_add(self.channels)];
        self.compute();
    }

    /// A position that is not inside of the input, or has no neighbor: two such are computed together.
    fn compute_one(&mut self, position: usize) {
        // Of its own row, even where rows are walked through as one.
        let width = usize::from(self.operands.output.width).max(1);
        let (y, x) = (position / width, position % width);
        let room = if self.waiting.is_some() { self.run.patch_len } else { 0 };
        let Some(patch) = self.patches.get_mut(room..) else { return };
        gather(self.input, self.operands, y, x, patch);
        match self.waiting.take() {
            Some(first) => self.compute_patches([first, position]),
            None => self.waiting = Some(position),
        }
    }

    /// The positions that the patches belong to.
    fn compute_patches(&mut self, positions: [usize; 2]) {
        let run = &mut self.run;
        (run.source, run.step, run.down, run.rows, run.count) =
            (self.patches.as_ptr(), run.patch_len, 2 * run.patch_len, 0, 1);
        let channels = self.channels;
        if positions.iter().any(|position| (position + 1) * channels > self.output.len()) {
            return;
        }
        let output = self.output.as_mut_ptr();
        run.output = positions.map(|position| output.wrapping_add(position * channels));
        self.compute();
    }

    fn compute(&mut self) {
        // SAFETY: weights and table have as many bytes as all rows need, the codes under the filter at each position are in the
        // input or in a patch, and there is a code of output for each channel.
        unsafe {
            if self.operands.pool {
                positions::<true>(&raw mut self.run);
            } else {
                positions::<false>(&raw mut self.run);
            }
        }
    }
}

/// The positions of a row, or of a column, under which a filter of `size` is inside of the input; with a stride of 2 for a pool, whose
/// window is larger by one.
fn inside(stride: u8, padding: u8, size: usize, side: u16, positions: usize) -> Range<usize> {
    let (stride, padding) = (usize::from(stride).max(1), usize::from(padding));
    let first = padding.div_ceil(stride).min(positions);
    let end = (usize::from(side) + padding).checked_sub(size).map_or(0, |last| last / stride + 1);
    first..end.clamp(first, positions)
}

/// All groups of rows at so many times two positions, or at so many times the four of a pool, the largest sum of which is requantized.
///
/// r1 weights, r3 and r5 codes, r0, r2, r4, r6 sums of the first position, r8, r10, r12, lr those of the second one, r7 vectors
/// left, r9 `run`, r11 table.
///
/// # Safety
/// Every pointer of `run` leads to as many bytes as its numbers need; the table is at a multiple of a word.
#[unsafe(naked)]
unsafe extern "C" fn positions<const POOL: bool>(run: *mut Run) {
    naked_asm!(
        cpu!(),
        "
        // The codes under the filter at position `at`, from r3 on, to r1. r2 position, r4 step, r6 `patch_len`, r7 `row_len`, r8
        // `row_bytes`, r10 rows.
        .macro THIMBLE_COPY at
            str r1, [r9, #{codes} + 4 * \\at]
            add r12, r1, r6
            mov r0, #0
            cmp r8, #16
            bhi 3f
            vctp.8 r8
            dls lr, r10
        2:
            vpsttt
            vldrbt.u8 q0, [r3]
            vaddvat.u8 r0, q0
            vstrbt.8 q0, [r1]
            add r3, r3, r7
            add r1, r1, r8
            le lr, 2b
            b 5f
        3:
            mov r5, r10
        4:
            mov r11, r1
            mov lr, r3
            add r3, r3, r7
            add r1, r1, r8
            mov r4, lr
            dlstp.8 lr, r8
        2:
            vldrb.u8 q0, [r4], #16
            vaddva.u8 r0, q0
            vstrb.8 q0, [r11], #16
            letp lr, 2b
            subs r5, r5, #1
            bne 4b
        5:
            lsl r0, r0, #7
            rsb r0, r0, #0
            str r0, [r9, #{starts} + 4 * \\at]
            mov r1, r12
        .endm
        // Where the codes under the filter are at positions `at` and the next one, from r2 on, and their sums.
        .macro THIMBLE_FIND at
            add r5, r2, r4
            mov r3, r2
            strd r3, r5, [r9, #{codes} + 4 * \\at]
            mov r0, #0
            mov r6, #0
            ldr r7, [r9, #{taps}]
            dlstp.8 lr, r7
        2:
            vldrb.u8 q0, [r3], #16
            vaddva.u8 r0, q0
            vldrb.u8 q1, [r5], #16
            vaddva.u8 r6, q1
            letp lr, 2b
            lsl r0, r0, #7
            lsl r6, r6, #7
            rsb r0, r0, #0
            rsb r6, r6, #0
            strd r0, r6, [r9, #{starts} + 4 * \\at]
        .endm
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
            ldrd r3, r5, [r9, #{codes} + 4 * \\at]
            ldr r7, [r9, #{more_vectors}]
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
            ldrd r0, r2, [r9, #{starts} + 4 * \\at]
            vadd.i32 q0, q0, r0
            vadd.i32 q1, q1, r2
        .endm
            push {{r4-r11, lr}}
            vpush {{d8-d9}}
            mov r9, r0
        1:
            ldr r10, [r9, #{rows}]
            cmp r10, #0
            bne 6f
            ldr r2, [r9, #{source}]
            ldr r4, [r9, #{step}]
            THIMBLE_FIND 0
        .if {pool}
            ldr r7, [r9, #{down}]
            add r2, r2, r7
            THIMBLE_FIND 2
        .endif
            b 7f
        6:
            ldrd r7, r8, [r9, #{row_len}]
            ldrd r1, r6, [r9, #{patches}]
            ldr r3, [r9, #{source}]
            THIMBLE_COPY 0
            ldrd r3, r4, [r9, #{source}]
            add r3, r3, r4
            THIMBLE_COPY 1
        .if {pool}
            ldr r3, [r9, #{source}]
            ldr r4, [r9, #{down}]
            add r3, r3, r4
            THIMBLE_COPY 2
            ldrd r3, r4, [r9, #{source}]
            add r3, r3, r4
            ldr r4, [r9, #{down}]
            add r3, r3, r4
            THIMBLE_COPY 3
        .endif
        7:
            ldrd r3, r4, [r9, #{source}]
            add r3, r3, r4, lsl #1
            str r3, [r9, #{source}]
            ldr r1, [r9, #{weights}]
            ldr r11, [r9, #{table}]
            ldr r12, [r9, #{groups}]
            ldrd r4, r6, [r9, #{output}]
            str r12, [r9, #{groups_left}]
        .if {pool}
            ldrd r2, r3, [r9, #{starts}]
            ldrd r5, r7, [r9, #{starts} + 8]
            orr r2, r2, r3
            orr r5, r5, r7
            orrs r2, r2, r5
            bne 3f
            ldr r2, [r9, #{zeros}]
            cbnz r2, 2f
            str r4, [r9, #{zeros}]
            b 3f
        2:
            ldr r3, [r9, #{channels}]
            add r5, r4, r3
            dlstp.8 lr, r3
        4:
            vldrb.u8 q0, [r2], #16
            vstrb.8 q0, [r4], #16
            letp lr, 4b
            mov r4, r5
            b.w 9f
        3:
        .endif
            cmp r12, #0
            beq.w 8f
        2:
            THIMBLE_SUMS 0
        .if {pool}
            vmax.s32 q4, q0, q1
            ldr r7, [r9, #{group_len}]
            sub r1, r1, r7
            THIMBLE_SUMS 2
            vmax.s32 q0, q0, q1
            vmax.s32 q0, q0, q4
        .endif
            vld20.32 {{q2, q3}}, [r11]
            vld21.32 {{q2, q3}}, [r11]!
            ldrd r4, r6, [r9, #{output}]
            ldrd r8, r10, [r9, #{zero_point}]
            ldr r12, [r9, #{groups_left}]
            vadd.i32 q0, q0, q2
        ",
        requantize!("q0", "r10", "q3", "r8", "r4"),
        "
        .if {pool} == 0
            vadd.i32 q1, q1, q2
        ",
        requantize!("q1", "r10", "q3", "r8", "r6"),
        "
        .endif
            strd r4, r6, [r9, #{output}]
            subs r12, r12, #1
            str r12, [r9, #{groups_left}]
            bne.w 2b
        8:  // The last rows, where they are not four.
            ldrd r7, r11, [r9, #{last_rows}]
            ldr r8, [r9, #{in_last}]
            cbz r7, 9f
            eors r8, r8, #1
            str r8, [r9, #{in_last}]
            beq 5f
            strd r4, r6, [r9, #{output_of_last}]
            add r4, r9, #{last_codes}
            add r6, r4, #4
            strd r4, r6, [r9, #{output}]
            mov r12, #1
            str r12, [r9, #{groups_left}]
            b.w 2b
        5:
            ldrd r4, r6, [r9, #{output_of_last}]
            add r3, r9, #{last_codes}
            vctp.8 r7
            vldrb.u8 q0, [r3]
            vldrb.u8 q1, [r3, #4]
            vpst
            vstrbt.8 q0, [r4]
            add r4, r4, r7
        .if {pool} == 0
            vpst
            vstrbt.8 q1, [r6]
            add r6, r6, r7
        .endif
        9:
        .if {pool} == 0
            // Those of the first position end where those of the second one begin.
            sub r7, r6, r4
            mov r4, r6
            add r6, r6, r7
        .endif
            strd r4, r6, [r9, #{output}]
            ldr r8, [r9, #{count}]
            subs r8, r8, #1
            str r8, [r9, #{count}]
            bne.w 1b
            vpop {{d8-d9}}
            pop {{r4-r11, pc}}
            .purgem THIMBLE_COPY
            .purgem THIMBLE_FIND
            .purgem THIMBLE_VECTOR
            .purgem THIMBLE_SUMS
        ",
        pool = const POOL as usize,
        codes = const offset_of!(Run, codes),
        starts = const offset_of!(Run, starts),
        weights = const offset_of!(Run, weights),
        more_vectors = const offset_of!(Run, more_vectors),
        groups_left = const offset_of!(Run, groups_left),
        groups = const offset_of!(Run, groups),
        output = const offset_of!(Run, output),
        zero_point = const offset_of!(Run, zero_point),
        group_len = const offset_of!(Run, group_len),
        table = const offset_of!(Run, table),
        last_rows = const offset_of!(Run, last_rows),
        in_last = const offset_of!(Run, in_last),
        output_of_last = const offset_of!(Run, output_of_last),
        last_codes = const offset_of!(Run, last_codes),
        source = const offset_of!(Run, source),
        step = const offset_of!(Run, step),
        down = const offset_of!(Run, down),
        rows = const offset_of!(Run, rows),
        row_len = const offset_of!(Run, row_len),
        patches = const offset_of!(Run, patches),
        taps = const offset_of!(Run, taps),
        count = const offset_of!(Run, count),
        channels = const offset_of!(Run, channels),
        zeros = const offset_of!(Run, zeros),
    )
}
