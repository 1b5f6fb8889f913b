//! The codes under a filter as 16-bit lanes at two positions, as [`unpooled`](super::unpooled) wants them: for each two taps a
//! word of the first position, then one of the second.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::naked_asm;
use core::mem::offset_of;

use super::cpu::cpu;
use crate::format::Window;
use crate::kernels::operands::Conv2dOperands;

/// Rows of codes, evenly spaced.
#[repr(C)]
pub struct Rows {
    /// Codes in a row, one at least.
    run: usize,
    /// How many rows, one at least.
    count: usize,
    /// Codes from the end of a row to the next one.
    to_next: usize,
}

/// What two neighbors meet that are inside of the input.
#[repr(C)]
pub struct Neighbors {
    /// The codes under the filter at a position.
    rows: Rows,
    /// Codes from a position to the next one.
    step: usize,
    /// Of a row, in [`CODES_AT_ONCE`]: codes of one position only, at the beginning and at the end; 0 where that does not divide them.
    own: usize,
    /// Codes of both.
    both: usize,
    /// Codes before those at the end that belong to none.
    gap: usize,
    /// Codes from the end of a row of two positions to the next one.
    to_next: usize,
    /// What widens them: the codes at the first position, lanes, this. Returns the first one's sum, and the second one's in the
    /// upper half.
    widen: unsafe extern "C" fn(*const u8, *mut u32, &Neighbors) -> u64,
}

/// Where [`Neighbors`] have what widens them.
pub const WIDEN: usize = offset_of!(Neighbors, widen);
/// And how far one is from the other.
pub const STEP: usize = offset_of!(Neighbors, step);

/// Codes that [`widen_two`] widens at once.
const CODES_AT_ONCE: usize = 8;

/// A filter that moves over its input, from one position of the output to the next.
pub struct Filter<'i> {
    input: &'i [u8],
    height: usize,
    width: usize,
    channels: usize,
    size: [usize; 2],
    stride: [usize; 2],
    /// Columns of padding to the left.
    padding: usize,
    pad_code: u8,
    /// Whether rows over an edge are left out: zeros add nothing to a sum.
    leaves_out: bool,
    /// Positions in a row of the output, and of those the ones before the first that hangs over on the right.
    positions: usize,
    inside: usize,
    /// The next position: how many are left in its row, the filter's first row and column, of the input, large numbers before the
    /// first ones, and the filter's rows, but for those that are left out.
    left: usize,
    row: usize,
    column: usize,
    rows: [usize; 2],
    /// The filter's rows at the position whose codes were last asked for.
    pub taken: [usize; 2],
    /// How those codes and those of the next position lie.
    pub neighbors: Neighbors,
}

impl<'i> Filter<'i> {
    /// None where the input is shorter than its shape, or the filter has no taps.
    #[inline(never)]
    pub fn new(input: &'i [u8], operands: &Conv2dOperands<'_>) -> Option<Self> {
        let (shape, Window { size, stride, .. }) = (operands.input, operands.window);
        let input = shape.checked_len().and_then(|len| input.get(..len as usize))?;
        let [mut height, mut width, channels] = [shape.height, shape.width, shape.channels].map(usize::from);
        let mut positions = usize::from(operands.output.width);
        if operands.window == Window::square(1, 1) && positions == width {
            // One row of pixels, which has no end between two positions.
            (height, width) = (1, width * height);
            positions *= usize::from(operands.output.height);
        }
        let ([rows, columns], [down, along]) = (size.map(usize::from), stride.map(usize::from));
        let (padding, run, step) = (usize::from(operands.window.left()), columns * channels, along * channels);
        let (one_column, to_next) = (columns == 1, (width * channels).wrapping_sub(run));
        let shares = channels.is_multiple_of(CODES_AT_ONCE) && (along == 1 || one_column);
        let mut filter = Self {
            input,
            height,
            width,
            channels,
            size: [rows, columns],
            stride: [down, along],
            padding,
            pad_code: operands.pad_code,
            leaves_out: operands.pad_code == 0,
            positions,
            inside: (width + padding).checked_sub(columns).map_or(0, |last| last / along.max(1) + 1).min(positions),
            left: positions,
            row: usize::from(operands.pad_above).wrapping_neg(),
            column: padding.wrapping_neg(),
            rows: [0, rows],
            taken: [0, rows],
            neighbors: Neighbors {
                rows: Rows { run, count: rows, to_next },
                step,
                own: if shares { channels / CODES_AT_ONCE } else { 0 },
                both: run.wrapping_sub(channels) / CODES_AT_ONCE,
                gap: if one_column { step.wrapping_sub(channels) } else { 0 },
                to_next: to_next.wrapping_sub(step),
                widen: widen_each,
            },
        };
        filter.leave_out();
        (operands.taps() > 0).then_some(filter)
    }

    /// Finds the rows of the filter in a row of positions.
    fn leave_out(&mut self) {
        let ([rows, _], row, height) = (self.size, self.row, self.height);
        let mut above = if row < height { 0 } else { row.wrapping_neg() };
        if !above.is_multiple_of(2) && !self.neighbors.rows.run.is_multiple_of(2) {
            // The first tap that is left would be a pair's second one.
            above = 0;
        }
        let inside = [above, rows.min(height.wrapping_sub(row))];
        self.rows = if self.leaves_out && inside[0] < inside[1] { inside } else { [0, rows] };
    }

    /// Moves so many positions, of which at most the last one ends a row.
    pub fn advance(&mut self, positions: usize) {
        let [down, along] = self.stride;
        self.left = self.left.wrapping_sub(positions);
        self.column = self.column.wrapping_add(positions * along);
        if self.left == 0 {
            self.left = self.positions;
            self.column = self.padding.wrapping_neg();
            self.row = self.row.wrapping_add(down);
            self.leave_out();
        }
    }

    /// How many times two positions are inside of the input, from the next one on, before the end of its row.
    pub fn pairs_inside(&self) -> usize {
        let [from, to] = self.rows;
        let first = self.row.wrapping_add(from);
        if first < self.height && first + (to - from) <= self.height && self.column < self.width {
            self.inside.saturating_sub(self.positions - self.left) / 2
        } else {
            0
        }
    }

    /// The codes under the filter at the next position, which is [inside](Self::pairs_inside).
    pub fn codes(&mut self) -> *const u8 {
        self.taken = self.rows;
        let [from, to] = self.taken;
        let Neighbors { rows, own, widen, .. } = &mut self.neighbors;
        rows.count = to - from;
        *widen = match *rows {
            _ if *own > 0 => widen_two,
            Rows { run: 9, count, .. } if count % 2 > 0 => widen_nines,
            _ => widen_each,
        };
        let row = self.row.wrapping_add(from).wrapping_mul(self.width);
        let start = row.wrapping_add(self.column).wrapping_mul(self.channels);
        self.input.get(start..).unwrap_or_default().as_ptr()
    }

    /// Pairs of taps before those that were last taken, and how many those are.
    pub fn pairs(&self) -> [usize; 2] {
        let ([from, to], run) = (self.taken, self.neighbors.rows.run);
        [from * run / 2, ((to - from) * run).div_ceil(2)]
    }

    /// Fills the lanes of both positions with the codes under the filter at the next position and at the one after it, or at that
    /// position twice if it is `alone`. Returns the sums.
    pub fn gather_two(&mut self, alone: bool, lanes: &mut [u32]) -> [u32; 2] {
        let (row, column, rows) = (self.row, self.column, self.rows);
        self.advance(1);
        let [below, right] = if alone { [row, column] } else { [self.row, self.column] };
        let same = alone || rows == self.rows;
        self.taken = if same { rows } else { [0, self.size[0]] };
        if !alone {
            self.advance(1);
        }
        let first = self.gather(row, column, lanes);
        [first, self.gather(below, right, lanes.get_mut(1..).unwrap_or_default())]
    }

    /// Fills the lanes of a position, of which `lanes` begins with the first word, with the codes under the filter at a row and a
    /// column of the input. Returns their sum.
    #[inline(never)]
    fn gather(&self, row: usize, column: usize, lanes: &mut [u32]) -> u32 {
        let ([from, to], [_, columns]) = (self.taken, self.size);
        // Columns that hang over on the left, those that are inside, those that hang over on the right.
        let left = if column < self.width { 0 } else { column.wrapping_neg().min(columns) };
        let column = column.wrapping_add(left);
        let inside = (columns - left).min(self.width.saturating_sub(column));
        let mut lanes = Lanes { lanes: bytemuck::cast_slice_mut(lanes), taps: 0, sum: 0 };
        for row in (from..to).map(|below| row.wrapping_add(below)) {
            let start = row.wrapping_mul(self.width).wrapping_add(column).wrapping_mul(self.channels);
            let codes = self.input.get(start..).and_then(|codes| codes.get(..inside * self.channels));
            let codes = codes.filter(|_| row < self.height).unwrap_or_default();
            let before = if codes.is_empty() { columns } else { left };
            lanes.fill(self.pad_code, before * self.channels);
            lanes.copy(codes);
            lanes.fill(self.pad_code, columns * self.channels - before * self.channels - codes.len());
        }
        lanes.sum
    }
}

/// The lanes of a position, filled from the first tap on.
struct Lanes<'l> {
    lanes: &'l mut [u16],
    /// Taps so far.
    taps: usize,
    /// Their sum.
    sum: u32,
}

impl Lanes<'_> {
    /// Where the next lane is, if there is room for so many taps more; none if that is no tap.
    fn room(&mut self, taps: usize) -> Option<*mut u16> {
        let (next, last) = (self.taps, self.taps + taps.checked_sub(1)?);
        self.taps += taps;
        // Both lanes of the last pair are written.
        self.lanes.get_mut(next / 2 * 4 + next % 2..last / 2 * 4 + 2).map(<[u16]>::as_mut_ptr)
    }

    fn fill(&mut self, code: u8, taps: usize) {
        if let Some(lanes) = self.room(taps) {
            self.sum = self.sum.wrapping_add(u32::from(code).wrapping_mul(taps as u32));
            // SAFETY: there is room.
            unsafe { fill(lanes, taps, code.into()) }
        }
    }

    fn copy(&mut self, codes: &[u8]) {
        if let Some(lanes) = self.room(codes.len()) {
            // SAFETY: there is room, and it is one row.
            self.sum = self.sum.wrapping_add(unsafe {
                widen(codes.as_ptr(), lanes, &Rows { run: codes.len(), count: 1, to_next: 0 })
            });
        }
    }
}

/// Widens rows of codes: 18 instructions for eight codes. Returns their sum.
///
/// Lanes are at two bytes after a multiple of four where a pair's first tap was written before. The second lane of a last pair
/// that is not full becomes zero.
///
/// r0 codes, r1 lanes, r2 codes in a row, r3 rows left, r4 bytes from the end of a row to the next one, r5 codes left in the
/// row, r6 sum, r7 zero, r8 a word, r9-r12 lanes.
///
/// # Safety
/// There are so many rows of so many codes, one at least, and lanes for all of them: pairs, eight bytes from one to the next.
#[unsafe(naked)]
unsafe extern "C" fn widen(codes: *const u8, lanes: *mut u16, rows: &Rows) -> u32 {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_FOUR
            ldr r8, [r0], #4
            uxtb16 r9, r8
            uxtb16 r10, r8, ror #8
            usada8 r6, r8, r7, r6
            pkhbt r11, r9, r10, lsl #16
            pkhtb r12, r10, r9, asr #16
            str r11, [r1], #8
            str r12, [r1], #8
        .endm
            push {{r4-r11, lr}}
            ldm r2, {{r2-r4}}
            mov r6, #0
            mov r7, #0
        2:  // A row.
            mov r5, r2
            tst r1, #2
            beq 3f
            ldrb r8, [r0], #1
            strh r8, [r1], #6
            add r6, r6, r8
            sub r5, r5, #1
        3:
            subs r5, r5, #8
            blo 5f
        4:
            THIMBLE_FOUR
            THIMBLE_FOUR
            subs r5, r5, #8
            bhs 4b
        5:
            tst r5, #4
            beq 6f
            THIMBLE_FOUR
        6:
            tst r5, #2
            beq 7f
            ldrh r8, [r0], #2
            usada8 r6, r8, r7, r6
            ubfx r9, r8, #8, #8
            uxtb r8, r8
            pkhbt r8, r8, r9, lsl #16
            str r8, [r1], #8
        7:
            tst r5, #1
            beq 8f
            ldrb r8, [r0], #1
            add r6, r6, r8
            str r8, [r1], #2
        8:
            add r0, r0, r4
            subs r3, r3, #1
            bne 2b
            mov r0, r6
            pop {{r4-r11, pc}}
            .purgem THIMBLE_FOUR
        ",
    )
}

/// Widens the codes of two positions, one after the other. Returns both sums.
///
/// # Safety
/// There are as many rows of codes as `neighbors` describes, and lanes for all at two positions.
unsafe extern "C" fn widen_each(codes: *const u8, lanes: *mut u32, neighbors: &Neighbors) -> u64 {
    let &Neighbors { ref rows, step, .. } = neighbors;
    // SAFETY: as above; the second position is a step further on, and so are its lanes by a word.
    unsafe {
        let first = widen(codes, lanes.cast(), rows);
        let second = widen(codes.wrapping_add(step), lanes.wrapping_add(1).cast(), rows);
        u64::from(second) << 32 | u64::from(first)
    }
}

/// As [`widen_each`], for rows of nine codes, as a 3x3 kernel has them on three channels: 129 instructions for 54 codes.
///
/// The ninth code of every second row shares a pair of taps with the first one of the row below.
///
/// r0 and r3 codes at both positions, r1 lanes, r2 bytes from the end of a row to the next one, r4 rows left, r5 zero, r6-r7 sums,
/// r8-r12 and lr words and lanes.
///
/// # Safety
/// As there; rows have nine codes, and their number is odd.
#[unsafe(naked)]
unsafe extern "C" fn widen_nines(codes: *const u8, lanes: *mut u32, neighbors: &Neighbors) -> u64 {
    naked_asm!(
        cpu!(),
        "
            push {{r4-r11, lr}}
            ldr r3, [r2, #{step}]
            ldrd r4, r2, [r2, #4]
            add r3, r0, r3
            mov r5, #0
            mov r6, #0
            mov r7, #0
        2:  // A row.
            .rept 2
            ldr r8, [r0], #4
            ldr r9, [r3], #4
            usada8 r6, r8, r5, r6
            usada8 r7, r9, r5, r7
            uxtb16 r10, r8
            uxtb16 r11, r9
            uxtb16 r8, r8, ror #8
            uxtb16 r9, r9, ror #8
            pkhbt r12, r10, r8, lsl #16
            pkhbt lr, r11, r9, lsl #16
            pkhtb r8, r8, r10, asr #16
            pkhtb r9, r9, r11, asr #16
            strd r12, lr, [r1], #8
            strd r8, r9, [r1], #8
            .endr
            tst r4, #1
            beq 3f
            ldrb r8, [r0], #1
            ldrb r9, [r3], #1
            add r6, r6, r8
            add r7, r7, r9
            subs r4, r4, #1
            beq 4f
            add r0, r0, r2
            add r3, r3, r2
            ldrb r10, [r0], #1
            ldrb r11, [r3], #1
            add r6, r6, r10
            add r7, r7, r11
            orr r8, r8, r10, lsl #16
            orr r9, r9, r11, lsl #16
            strd r8, r9, [r1], #8
            b 2b
        3:
            add r0, r0, r2
            add r3, r3, r2
            subs r4, r4, #1
            b 2b
        4:
            strd r8, r9, [r1]
            mov r0, r6
            mov r1, r7
            pop {{r4-r11, pc}}
        ",
        step = const STEP,
    )
}

/// Widens what two neighbors meet: 22 instructions for eight codes that both have in common. Returns the first one's sum, and
/// the second one's in the upper half.
///
/// r0 codes, r1 and r2 lanes, r3 eights of codes left, r4 zero, r5-r7 sums of the first position's own codes, of both, of the
/// second one's own; r8-r10 a word and its lanes, r11 and r12 eights of own codes and of both, lr bytes to the next row. The
/// stack keeps bytes before the codes at the end and rows left.
///
/// # Safety
/// There are as many rows of codes as `neighbors` describes, some of them own, and lanes for all at two positions: `lanes` begins
/// with the first one's, the second one's are a word further on.
#[unsafe(naked)]
unsafe extern "C" fn widen_two(codes: *const u8, lanes: *mut u32, neighbors: &Neighbors) -> u64 {
    naked_asm!(
        cpu!(),
        "
        .macro THIMBLE_WIDEN sum
            ldr r8, [r0], #4
            uxtb16 r9, r8
            uxtb16 r10, r8, ror #8
            usada8 \\sum, r8, r4, \\sum
            pkhbt r8, r9, r10, lsl #16
            pkhtb r9, r10, r9, asr #16
        .endm
        .macro THIMBLE_PUT lanes
            str r8, [\\lanes], #8
            str r9, [\\lanes], #8
        .endm
            push {{r4-r11, lr}}
            ldr r7, [r2, #4]
            ldrd r11, r12, [r2, #16]
            ldrd r6, lr, [r2, #24]
            push {{r6, r7}}
            add r2, r1, #4
            mov r4, #0
            mov r5, #0
            mov r6, #0
            mov r7, #0
        2:  // A row.
            mov r3, r11
        3:
            .rept 2
            THIMBLE_WIDEN r5
            THIMBLE_PUT r1
            .endr
            subs r3, r3, #1
            bne 3b
            movs r3, r12
            beq 5f
        4:
            .rept 2
            THIMBLE_WIDEN r6
            THIMBLE_PUT r1
            THIMBLE_PUT r2
            .endr
            subs r3, r3, #1
            bne 4b
        5:
            ldrd r8, r9, [sp]
            mov r3, r11
            add r0, r0, r8
            sub r9, r9, #1
            str r9, [sp, #4]
        6:
            .rept 2
            THIMBLE_WIDEN r7
            THIMBLE_PUT r2
            .endr
            subs r3, r3, #1
            bne 6b
            ldr r9, [sp, #4]
            add r0, r0, lr
            cmp r9, #0
            bne 2b
            add r0, r5, r6
            add r1, r6, r7
            add sp, sp, #8
            pop {{r4-r11, pc}}
            .purgem THIMBLE_WIDEN
            .purgem THIMBLE_PUT
        ",
    )
}

/// Fills lanes with a code.
///
/// # Safety
/// There are lanes for so many taps, one at least, as in [`widen`].
#[unsafe(naked)]
unsafe extern "C" fn fill(lanes: *mut u16, taps: usize, code: u32) {
    naked_asm!(
        cpu!(),
        "
            tst r0, #2
            beq 2f
            strh r2, [r0], #6
            subs r1, r1, #1
        2:
            orr r3, r2, r2, lsl #16
            subs r1, r1, #2
            blo 4f
        3:
            str r3, [r0], #8
            subs r1, r1, #2
            bhs 3b
        4:
            tst r1, #1
            it ne
            strne r2, [r0]
            bx lr
        ",
    )
}
