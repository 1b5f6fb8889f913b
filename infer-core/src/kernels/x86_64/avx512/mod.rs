//! Vectors of 512 bits on x86-64: AVX-512 with VNNI and VBMI, used where the processor reports them when the program runs.
//!
//! A block's weights for eight inputs are 64 bytes as they are in the file. VPERMB brings them into the order that
//! VPDPBUSD multiplies them in: for each row two lanes of four weights. An XOR takes the 128 out of even rows. So a vector
//! times eight codes, which a broadcast puts into each 64 bits, is 64 products, and a row's sum is that of two neighbors.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

mod depthwise;

use core::arch::x86_64::{
    __cpuid_count, __m512i, _mm_cvtsi32_si128, _mm_maskz_loadu_epi8, _mm_setzero_si128, _mm512_add_epi32,
    _mm512_add_epi64, _mm512_and_si512, _mm512_broadcastq_epi64, _mm512_castps_si512, _mm512_castsi128_si512,
    _mm512_castsi512_ps, _mm512_castsi512_si128, _mm512_cmpge_epu8_mask, _mm512_cvtepi64_epi32, _mm512_dpbusd_epi32,
    _mm512_inserti32x4, _mm512_loadu_si512, _mm512_mask_add_epi8, _mm512_mask_loadu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_maskz_permutexvar_epi8, _mm512_max_epi32, _mm512_mul_epi32, _mm512_packs_epi32, _mm512_packus_epi16,
    _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_ps, _mm512_sll_epi32, _mm512_srli_epi64, _mm512_xor_si512,
};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::kernels::contract::Kernels;
use crate::kernels::operands::{
    AddOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands, LogitsOperands, Rescale,
};
use crate::kernels::portable;
use crate::kernels::shared::vectors::positions::{self, Patches, Runs, Tiles};
use crate::kernels::shared::vectors::{add, average_pool, depthwise as shared_depthwise};
use crate::packing::{ROWS_PER_BLOCK, packed_len};

cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl", "avx512vbmi");

/// 1 where the processor has what these kernels need, 2 where it has not, 0 before it was asked.
static FOUND: AtomicU8 = AtomicU8::new(0);

/// Whether the processor has what these kernels need; only the first call has to find out.
#[inline]
pub fn is_there() -> bool {
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            // Bit 11 is VNNI.
            let found = avx512::get() && __cpuid_count(7, 0).ecx & 1 << 11 != 0;
            FOUND.store(if found { 1 } else { 2 }, Ordering::Relaxed);
            found
        }
        found => found == 1,
    }
}

/// Instructions of AVX-512, in functions that are inlined where they are compiled for it.
macro_rules! avx512 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers; these functions are used only below, where the processor has what they need.
        unsafe { $value }
    };
}

/// Codes that a vector of weights is multiplied with.
const STEP: usize = 8;

/// Bytes of a vector.
const VECTOR: usize = 64;

/// How the weights of a block are read, given the words that a pair of inputs takes: four, or fewer of the last block.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes for eight inputs.
    step_len: usize,
    /// Where each weight comes from.
    order: __m512i,
}

/// Where the weights of row `i / 8` for input `i % 8` are, given the words that a pair of inputs takes.
const fn order(words: usize) -> [u8; VECTOR] {
    let mut order = [0; VECTOR];
    let mut at = 0;
    while at < VECTOR {
        let (row, input) = (at / 8, at % 8);
        // Rows that there are not come out as anything.
        order[at] = ((input / 2 * words * 4 + row / 2 * 4 + input % 2 * 2 + row % 2) % VECTOR) as u8;
        at += 1;
    }
    order
}

const ORDERS: [[u8; VECTOR]; 4] = [order(1), order(2), order(3), order(4)];

/// The bit that the 128 of even rows changes.
const SIGNS: [u64; 8] =
    [0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0, 0x8080_8080_8080_8080, 0];

impl Layout {
    /// That of a block of so many rows, 1 to 8.
    #[inline(always)]
    fn new(rows: usize) -> Self {
        let words = rows.div_ceil(2).max(1);
        Self { step_len: 4 * STEP / 2 * words, order: bytemuck::must_cast(ORDERS[(words - 1) % ORDERS.len()]) }
    }

    /// Weights as they are in the file, in the order of rows.
    #[inline(always)]
    fn unpack(self, packed: __m512i) -> __m512i {
        avx512!(_mm512_xor_si512(_mm512_permutexvar_epi8(self.order, packed), bytemuck::must_cast(SIGNS)))
    }
}

/// The first bytes, at most `most`, and `others` for the rest.
#[inline(always)]
fn part(bytes: &[u8], most: usize, others: __m512i) -> __m512i {
    let len = bytes.len().min(most).min(VECTOR);
    let mask = if len == VECTOR { u64::MAX } else { (1 << len) - 1 };
    // SAFETY: the mask has bits for bytes of the slice alone, and no others are read.
    unsafe { _mm512_mask_loadu_epi8(others, mask, bytes.as_ptr().cast()) }
}

/// How a tile is read, compared with the lengths of runs and weights.
#[derive(Clone, Copy)]
struct Steps<'c, const POSITIONS: usize> {
    codes: &'c [u8],
    starts: &'c [usize; POSITIONS],
    rows: usize,
    row_len: usize,
    /// Steps of a row for which all weights and codes are there.
    whole: usize,
    /// Codes after them, in a row alone: at most eight.
    rest: usize,
}

impl<'c, const POSITIONS: usize> Steps<'c, POSITIONS> {
    /// `None` where codes or the weights of a block, which has `block_len` bytes, end too early.
    #[inline(always)]
    fn new(patches: &Patches<'c, u8, POSITIONS>, block_len: usize, step_len: usize) -> Option<Self> {
        let Runs { rows, row_len, run } = patches.runs();
        let whole = (run / STEP).min(block_len.checked_div(step_len)?);
        let rest = (run - STEP * whole).min(STEP);
        let needed = rows.checked_mul(whole)?.checked_mul(step_len)?;
        let fits = needed <= block_len && (rows == 1 || rest == 0);
        fits.then_some(Self { codes: patches.codes(), starts: patches.starts(), rows, row_len, whole, rest })
    }
}

/// For each block and position the sums of its rows, which begin with `biases`: two lanes of 32 bits a row, still to be added.
/// All rows of a block are there if `FULL`; there are codes after the last whole step if `TAIL`.
///
/// # Safety
/// The blocks have the length that `steps` were made for.
#[inline(always)]
unsafe fn sums<const BLOCKS: usize, const POSITIONS: usize, const FULL: bool, const TAIL: bool>(
    steps: &Steps<'_, POSITIONS>,
    blocks: [&[u8]; BLOCKS],
    layout: Layout,
    biases: [__m512i; BLOCKS],
) -> [[__m512i; POSITIONS]; BLOCKS] {
    let mut sums = [[biases[0]; POSITIONS]; BLOCKS];
    for (sums, bias) in sums.iter_mut().zip(biases) {
        *sums = [bias; POSITIONS];
    }
    let &Steps { codes, starts, rows, row_len, whole, rest } = steps;
    let step_len = if FULL { VECTOR } else { layout.step_len };
    let mut at = 0;
    for row in 0..rows {
        for step in 0..whole {
            let mut weights = [bytemuck::must_cast([0u8; VECTOR]); BLOCKS];
            for (weights, block) in weights.iter_mut().zip(blocks) {
                // SAFETY: the steps of all rows together take no more than the blocks' length.
                let packed = unsafe { block.as_ptr().add(at) };
                *weights = layout.unpack(if FULL {
                    // SAFETY: as above; there are 64 bytes for each step.
                    unsafe { _mm512_loadu_si512(packed.cast()) }
                } else {
                    // SAFETY: as above; no bytes are read where the mask has no bit.
                    unsafe { _mm512_maskz_loadu_epi8(u64::MAX >> (VECTOR - step_len), packed.cast()) }
                });
            }
            let first = row * row_len + STEP * step;
            for (position, start) in starts.iter().enumerate() {
                // SAFETY: the last step of the last row ends in the codes.
                let codes = unsafe { codes.as_ptr().add(start + first).cast::<i64>().read_unaligned() };
                multiply_add(&mut sums, position, avx512!(_mm512_set1_epi64(codes)), weights);
            }
            at += step_len;
        }
    }
    if TAIL {
        let mut weights = [bytemuck::must_cast([0u8; VECTOR]); BLOCKS];
        for (weights, block) in weights.iter_mut().zip(blocks) {
            // Past the end 0, with the 128 of even rows.
            let zeros = avx512!(_mm512_set1_epi16(0x80));
            *weights = layout.unpack(part(block.get(at..).unwrap_or_default(), step_len, zeros));
        }
        let mask = u16::from(u8::MAX >> (STEP - rest.clamp(1, STEP)));
        for (position, start) in starts.iter().enumerate() {
            // SAFETY: there is a row, which has so many codes after its whole steps; no others are read.
            let codes = unsafe { _mm_maskz_loadu_epi8(mask, codes.as_ptr().add(start + STEP * whole).cast()) };
            multiply_add(&mut sums, position, avx512!(_mm512_broadcastq_epi64(codes)), weights);
        }
    }
    sums
}

/// Adds the products of eight codes at a position and their weights.
#[inline(always)]
fn multiply_add<const BLOCKS: usize, const POSITIONS: usize>(
    sums: &mut [[__m512i; POSITIONS]; BLOCKS],
    position: usize,
    codes: __m512i,
    weights: [__m512i; BLOCKS],
) {
    for (sums, weights) in sums.iter_mut().zip(weights) {
        sums[position] = avx512!(_mm512_dpbusd_epi32(sums[position], codes, weights));
    }
}

/// A row's sum in the lower half of its 64 bits.
#[inline(always)]
fn added(sums: __m512i) -> __m512i {
    avx512!(_mm512_add_epi32(sums, _mm512_srli_epi64::<32>(sums)))
}

/// What the accumulators of a layer become.
#[derive(Clone, Copy)]
struct Requantize {
    shift: u8,
    /// What rounds, and the zero point.
    constant: __m512i,
}

impl Requantize {
    #[inline(always)]
    fn new(rescale: Rescale) -> Self {
        let constant = i64::from(rescale.zero_point) << 32 | 1 << 31;
        Self { shift: rescale.shift & 31, constant: avx512!(_mm512_set1_epi64(constant)) }
    }

    /// Codes that are not clamped yet, in the upper half of 64 bits; accumulators and multipliers are in the lower half.
    #[inline(always)]
    fn scale(self, mut accumulators: __m512i, multipliers: __m512i) -> __m512i {
        if self.shift > 0 {
            accumulators = avx512!(_mm512_sll_epi32(accumulators, _mm_cvtsi32_si128(self.shift.into())));
        }
        avx512!(_mm512_add_epi64(_mm512_mul_epi32(accumulators, multipliers), self.constant))
    }
}

/// Where [`clamp`] finds the code of row `i % 8` of vector `i / 8`.
const CLAMPED: [u8; VECTOR] = {
    let mut order = [0; VECTOR];
    let mut at = 0;
    while at < VECTOR {
        let (vector, row) = (at / 8, at % 8);
        order[at] = (row / 2 * 16 + 2 * vector + row % 2) as u8;
        at += 1;
    }
    order
};

/// The upper halves of 64 bits, two of each vector in turns.
#[inline(always)]
fn upper_halves(a: __m512i, b: __m512i) -> __m512i {
    avx512!(_mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b))))
}

/// The codes of eight vectors of eight rows each, clamped.
#[inline(always)]
fn clamp(codes: [__m512i; 8]) -> [[u8; ROWS_PER_BLOCK]; 8] {
    let [a, b, c, d, e, f, g, h] = codes;
    let clamped = avx512!({
        let first = _mm512_packs_epi32(upper_halves(a, b), upper_halves(c, d));
        let second = _mm512_packs_epi32(upper_halves(e, f), upper_halves(g, h));
        _mm512_permutexvar_epi8(bytemuck::must_cast(CLAMPED), _mm512_packus_epi16(first, second))
    });
    bytemuck::must_cast(clamped)
}

/// Bias and multiplier of each of at most eight channels from `channel` on, in the lower half of 64 bits.
#[inline(always)]
fn records<const FULL: bool>(table: &[u8], channel: usize, rows: usize) -> [__m512i; 2] {
    avx512!({
        let table = table.get(8 * channel..).unwrap_or_default();
        let records = if FULL {
            bytemuck::must_cast(table.first_chunk().copied().unwrap_or([0u8; VECTOR]))
        } else {
            part(table, 8 * rows, _mm512_setzero_si512())
        };
        let lower = _mm512_set1_epi64(0xFFFF_FFFF);
        [_mm512_and_si512(records, lower), _mm512_srli_epi64::<32>(records)]
    })
}

/// `BLOCKS` blocks of `rows` rows each at the positions, or the largest of each `UNIT` of them. `channel` is their first one.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn blocks<const BLOCKS: usize, const POSITIONS: usize, const UNIT: usize, const FULL: bool, const TAIL: bool>(
    steps: &Steps<'_, POSITIONS>,
    operands: &Conv2dOperands<'_>,
    weights: [&[u8]; BLOCKS],
    [channel, rows]: [usize; 2],
    output: &mut [u8],
) {
    let zero = avx512!(_mm512_setzero_si512());
    let (mut biases, mut multipliers) = ([zero; BLOCKS], [zero; BLOCKS]);
    for (block, (bias, multipliers)) in biases.iter_mut().zip(&mut multipliers).enumerate() {
        [*bias, *multipliers] = records::<FULL>(operands.channels.bytes(), channel + block * ROWS_PER_BLOCK, rows);
    }
    // Sums begin with the bias. Under a pool it is added to the largest: where sums wrap, that is not the same.
    let starts = if UNIT == 1 { biases } else { [zero; BLOCKS] };
    // SAFETY: the caller's.
    let sums = unsafe { sums::<BLOCKS, POSITIONS, FULL, TAIL>(steps, weights, Layout::new(rows), starts) };
    let channels = usize::from(operands.output.channels);
    let requantize = Requantize::new(operands.rescale);
    // No loop over blocks, which the compiler would not unroll: sums stay in registers.
    let mut scaled = [[zero; POSITIONS]; 2];
    scaled[0] = scale_units::<POSITIONS, UNIT>(sums[0], requantize, biases[0], multipliers[0]);
    if BLOCKS == 2 {
        let [bias, multipliers] = [biases[BLOCKS - 1], multipliers[BLOCKS - 1]];
        scaled[1] = scale_units::<POSITIONS, UNIT>(sums[BLOCKS - 1], requantize, bias, multipliers);
    }
    let unit = |block: usize, unit: usize| if unit < POSITIONS / UNIT { scaled[block][unit] } else { zero };
    // The blocks of a position one after the other.
    let one = clamp(if BLOCKS == 2 {
        [unit(0, 0), unit(1, 0), unit(0, 1), unit(1, 1), unit(0, 2), unit(1, 2), unit(0, 3), unit(1, 3)]
    } else {
        [unit(0, 0), unit(0, 1), unit(0, 2), unit(0, 3), unit(0, 4), unit(0, 5), unit(0, 6), unit(0, 7)]
    });
    put_out::<BLOCKS, FULL>(&one, 0..POSITIONS / UNIT, [channel, channels, rows], output);
    if BLOCKS == 2 && POSITIONS / UNIT > 4 {
        let other = [unit(0, 4), unit(1, 4), unit(0, 5), unit(1, 5), unit(0, 6), unit(1, 6), unit(0, 7), unit(1, 7)];
        put_out::<BLOCKS, FULL>(&clamp(other), 4..POSITIONS / UNIT, [channel, channels, rows], output);
    }
}

/// The sums of a block at all positions, or the largest of each `UNIT` of them, as [`clamp`] takes them.
#[inline(always)]
fn scale_units<const POSITIONS: usize, const UNIT: usize>(
    sums: [__m512i; POSITIONS],
    requantize: Requantize,
    bias: __m512i,
    multipliers: __m512i,
) -> [__m512i; POSITIONS] {
    let mut scaled = sums;
    for unit in 0..POSITIONS / UNIT {
        let mut largest = added(sums[unit * UNIT]);
        for index in 1..UNIT {
            largest = avx512!(_mm512_max_epi32(largest, added(sums[unit * UNIT + index])));
        }
        if UNIT > 1 {
            largest = avx512!(_mm512_add_epi32(largest, bias));
        }
        scaled[unit] = requantize.scale(largest, multipliers);
    }
    scaled
}

/// Writes the codes of `BLOCKS` blocks at some of the positions, of so many `rows`.
#[inline(always)]
fn put_out<const BLOCKS: usize, const FULL: bool>(
    codes: &[[u8; ROWS_PER_BLOCK]; 8],
    units: Range<usize>,
    [channel, channels, rows]: [usize; 3],
    output: &mut [u8],
) {
    for (unit, codes) in units.zip(codes.as_chunks::<BLOCKS>().0) {
        let Some(output) = output.get_mut(unit * channels + channel..) else { return };
        if FULL {
            let Some(output) = output.as_chunks_mut::<ROWS_PER_BLOCK>().0.first_chunk_mut() else { return };
            *output = *codes;
        } else {
            output.iter_mut().zip(codes.as_flattened()).take(rows).for_each(|(output, &code)| *output = code);
        }
    }
}

/// Puts the runs of each position together: at most four of at most 16 codes. They are loaded into the four parts of a vector,
/// and VPERMB closes the gaps between them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn gather(patches: &Patches<'_, u8, 8>, gathered: &mut [u8]) {
    let (codes, Runs { rows, row_len, run }) = (patches.codes(), patches.runs());
    let mut order: __m512i = bytemuck::must_cast(IDENTITY);
    let gap = _mm512_set1_epi8((PART - run) as i8);
    for row in 1..rows {
        let after = _mm512_cmpge_epu8_mask(bytemuck::must_cast(IDENTITY), _mm512_set1_epi8((row * run) as i8));
        order = _mm512_mask_add_epi8(order, after, order, gap);
    }
    let taps = rows * run;
    let inside = u64::MAX >> (VECTOR - taps);
    let mask = u16::MAX >> (PART - run);
    for (position, start) in patches.starts().iter().enumerate() {
        let mut parts = [_mm_setzero_si128(); 4];
        for (row, part) in parts.iter_mut().enumerate() {
            if row < rows {
                // SAFETY: the runs are inside of the codes; the mask has bits for a run's bytes alone, and no others are read.
                *part = unsafe { _mm_maskz_loadu_epi8(mask, codes.as_ptr().add(start + row * row_len).cast()) };
            }
        }
        let [a, b, c, d] = parts;
        // Not by way of memory: a load of what several stores wrote waits for them.
        let low = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
        let parts = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(low, c), d);
        let patch = _mm512_maskz_permutexvar_epi8(inside, order, parts);
        let Some(gathered) = gathered.get_mut(position * taps.next_multiple_of(STEP)..) else { return };
        if let Some(gathered) = gathered.first_chunk_mut::<VECTOR>() {
            *gathered = bytemuck::must_cast(patch);
        }
    }
}

/// The number of each byte.
const IDENTITY: [u8; VECTOR] = {
    let mut numbers = [0; VECTOR];
    let mut at = 0;
    while at < VECTOR {
        numbers[at] = at as u8;
        at += 1;
    }
    numbers
};

/// Bytes of a fourth of a vector.
const PART: usize = 16;

/// Convolution in tiles of eight positions and two blocks.
struct Products;

impl Tiles for Products {
    type Code = u8;
    const POSITIONS: usize = 8;
    const STEP: usize = STEP;
    const TAILS: bool = true;

    #[inline(always)]
    fn gather(patches: &Patches<'_, u8, 8>, gathered: &mut [u8]) -> bool {
        let Runs { rows, run, .. } = patches.runs();
        let fits = (1..=4).contains(&rows) && (1..=PART).contains(&run);
        if fits {
            // SAFETY: these tiles are used below only, where the processor has what they need.
            unsafe { gather(patches, gathered) }
        }
        fits
    }

    #[inline(always)]
    fn compute<const POSITIONS: usize, const UNIT: usize>(
        patches: &Patches<'_, u8, POSITIONS>,
        operands: &Conv2dOperands<'_>,
        output: &mut [u8],
    ) {
        // SAFETY: these tiles are used below only, where the processor has what they need.
        unsafe {
            let Runs { rows, run, .. } = patches.runs();
            if (rows * run).is_multiple_of(STEP) && operands.taps() == rows * run {
                tile::<POSITIONS, UNIT, false>(patches, operands, output);
            } else {
                tile::<POSITIONS, UNIT, true>(patches, operands, output);
            }
        }
    }
}

/// All channels of a tile; there are codes after the last whole step if `TAIL`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
fn tile<const POSITIONS: usize, const UNIT: usize, const TAIL: bool>(
    patches: &Patches<'_, u8, POSITIONS>,
    operands: &Conv2dOperands<'_>,
    output: &mut [u8],
) {
    let rows = usize::from(operands.output.channels);
    let block_len = ROWS_PER_BLOCK * operands.taps().next_multiple_of(2);
    let Some(steps) = Steps::new(patches, block_len, VECTOR).filter(|steps| TAIL || steps.rest == 0) else { return };
    let mut weights = operands.weights;
    let mut channel = 0;
    while channel + 2 * ROWS_PER_BLOCK <= rows {
        let Some((first, rest)) = weights.split_at_checked(block_len) else { return };
        let Some((second, rest)) = rest.split_at_checked(block_len) else { return };
        let (both, channels) = ([first, second], [channel, ROWS_PER_BLOCK]);
        // SAFETY: blocks of the length that the steps were made for.
        unsafe { blocks::<2, POSITIONS, UNIT, true, TAIL>(&steps, operands, both, channels, output) };
        weights = rest;
        channel += 2 * ROWS_PER_BLOCK;
    }
    if channel + ROWS_PER_BLOCK <= rows {
        let Some((block, rest)) = weights.split_at_checked(block_len) else { return };
        let channels = [channel, ROWS_PER_BLOCK];
        // SAFETY: as above.
        unsafe { blocks::<1, POSITIONS, UNIT, true, TAIL>(&steps, operands, [block], channels, output) };
        weights = rest;
        channel += ROWS_PER_BLOCK;
    }
    if channel < rows {
        last_block::<POSITIONS, UNIT>(patches, operands, weights, [channel, rows - channel], output);
    }
}

/// The last block, where it has fewer rows than the others.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
#[inline(never)]
fn last_block<const POSITIONS: usize, const UNIT: usize>(
    patches: &Patches<'_, u8, POSITIONS>,
    operands: &Conv2dOperands<'_>,
    block: &[u8],
    channels: [usize; 2],
    output: &mut [u8],
) {
    let [_, rows] = channels;
    let Some(steps) = Steps::new(patches, block.len(), Layout::new(rows).step_len) else { return };
    // SAFETY: the steps were made for this block.
    unsafe {
        if steps.rest == 0 {
            blocks::<1, POSITIONS, UNIT, false, false>(&steps, operands, [block], channels, output);
        } else {
            blocks::<1, POSITIONS, UNIT, false, true>(&steps, operands, [block], channels, output);
        }
    }
}

/// Blocks of a fully connected layer that are computed at once.
const MOST_BLOCKS: usize = 8;

/// Calls `put_out` with the first row of at most eight blocks, the number of their rows, and the sums of each, which begin with
/// what `bias` finds for the rows from one on, as many as are asked for.
#[inline(always)]
fn fully_connected(
    input: &[u8],
    weights: &[u8],
    rows: usize,
    bias: impl Fn(usize, usize) -> __m512i,
    mut put_out: impl FnMut(usize, usize, [__m512i; MOST_BLOCKS]),
) {
    let needed = u32::try_from(rows).ok().zip(u32::try_from(input.len()).ok());
    let needed = needed.and_then(|(rows, inputs)| packed_len(rows, inputs));
    if needed.is_none_or(|needed| needed as usize != weights.len()) {
        return;
    }
    let patches = Patches::all(input);
    let block_len = ROWS_PER_BLOCK * input.len().next_multiple_of(2);
    let Some(steps) = Steps::new(&patches, block_len, VECTOR) else { return };
    let mut weights = weights;
    let mut row = 0;
    while row < rows {
        let blocks = (rows - row) / ROWS_PER_BLOCK;
        let full_bias = |first: usize| bias(row + first, ROWS_PER_BLOCK);
        let mut sums = [avx512!(_mm512_setzero_si512()); MOST_BLOCKS];
        let (count, rest) = match blocks {
            8.. => (8, several::<8, 1>(&steps, weights, block_len, full_bias, &mut sums)),
            4.. => (4, several::<4, 2>(&steps, weights, block_len, full_bias, &mut sums)),
            2.. => (2, several::<2, 4>(&steps, weights, block_len, full_bias, &mut sums)),
            1 => (1, several::<1, 4>(&steps, weights, block_len, full_bias, &mut sums)),
            0 => {
                let layout = Layout::new(rows - row);
                let Some(steps) = Steps::new(&patches, weights.len(), layout.step_len) else { return };
                // SAFETY: the steps were made for this block.
                let [last] = unsafe { row_sums::<1, 4, false>(&steps, [weights], layout, [bias(row, rows - row)]) };
                sums[0] = added(last);
                put_out(row, rows - row, sums);
                return;
            }
        };
        put_out(row, count * ROWS_PER_BLOCK, sums);
        row += count * ROWS_PER_BLOCK;
        weights = rest;
    }
}

/// So many full blocks; returns the weights after them.
#[inline(always)]
fn several<'w, const BLOCKS: usize, const PARTS: usize>(
    steps: &Steps<'_, 1>,
    mut weights: &'w [u8],
    block_len: usize,
    bias: impl Fn(usize) -> __m512i,
    sums: &mut [__m512i; MOST_BLOCKS],
) -> &'w [u8] {
    // Read before the weights, which drive all else out of the nearest cache.
    let mut biases = [sums[0]; BLOCKS];
    for (block, biases) in biases.iter_mut().enumerate() {
        *biases = bias(block * ROWS_PER_BLOCK);
    }
    let mut blocks = [&[] as &[u8]; BLOCKS];
    for block in &mut blocks {
        let Some((first, rest)) = weights.split_at_checked(block_len) else { return &[] };
        (*block, weights) = (first, rest);
    }
    // SAFETY: blocks of the length that the steps were made for.
    let found = unsafe { row_sums::<BLOCKS, PARTS, true>(steps, blocks, Layout::new(ROWS_PER_BLOCK), biases) };
    for (sums, found) in sums.iter_mut().zip(found) {
        *sums = added(found);
    }
    weights
}

/// As [`sums`], of one position, in `PARTS` sums each: a sum by itself would wait for each of its products.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn row_sums<const BLOCKS: usize, const PARTS: usize, const FULL: bool>(
    steps: &Steps<'_, 1>,
    blocks: [&[u8]; BLOCKS],
    layout: Layout,
    biases: [__m512i; BLOCKS],
) -> [__m512i; BLOCKS] {
    let zero = avx512!(_mm512_setzero_si512());
    let mut parts = [[zero; PARTS]; BLOCKS];
    for (parts, bias) in parts.iter_mut().zip(biases) {
        parts[0] = bias;
    }
    let step_len = if FULL { VECTOR } else { layout.step_len };
    let &Steps { codes, whole, rest, .. } = steps;
    for first in (0..whole).step_by(PARTS) {
        for part in 0..PARTS {
            let step = first + part;
            if PARTS > 1 && step >= whole {
                break;
            }
            // SAFETY: the steps take no more than the codes.
            let codes = unsafe { codes.as_ptr().add(STEP * step).cast::<i64>().read_unaligned() };
            let codes = avx512!(_mm512_set1_epi64(codes));
            for (parts, block) in parts.iter_mut().zip(blocks) {
                // SAFETY: nor more than the blocks' length; no bytes are read where the mask has no bit.
                let packed = unsafe {
                    let packed = block.as_ptr().add(step * step_len);
                    if FULL {
                        _mm512_loadu_si512(packed.cast())
                    } else {
                        _mm512_maskz_loadu_epi8(u64::MAX >> (VECTOR - step_len), packed.cast())
                    }
                };
                parts[part] = avx512!(_mm512_dpbusd_epi32(parts[part], codes, layout.unpack(packed)));
            }
        }
    }
    let mut sums = [zero; BLOCKS];
    for ((sums, parts), block) in sums.iter_mut().zip(parts).zip(blocks) {
        for part in parts {
            *sums = avx512!(_mm512_add_epi32(*sums, part));
        }
        if rest > 0 {
            // Past the end 0, with the 128 of even rows.
            let zeros = avx512!(_mm512_set1_epi16(0x80));
            let packed = part(block.get(whole * step_len..).unwrap_or_default(), step_len, zeros);
            let codes = part(codes.get(STEP * whole..).unwrap_or_default(), STEP, zero);
            let codes = avx512!(_mm512_broadcastq_epi64(_mm512_castsi512_si128(codes)));
            *sums = avx512!(_mm512_dpbusd_epi32(*sums, codes, layout.unpack(packed)));
        }
    }
    sums
}

/// See the [module](self). Where the processor has not what they need, these convolutions are portable, and other kernels do nothing.
#[derive(Clone, Copy, Debug)]
pub struct Avx512;

impl Kernels for Avx512 {
    fn conv2d(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
        let is_computed = is_there()
            && positions::with_conv2d_room::<Products>(operands, &mut |room| {
                positions::conv2d::<Products>(input, operands, room, output);
            });
        if !is_computed {
            portable::conv2d(input, operands, scratch, output);
        }
    }

    fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, output: &mut [u8]) {
        let is_computed = depthwise::is_computed(operands)
            && is_there()
            && positions::with_room(shared_depthwise::room(operands), &mut |room| {
                // SAFETY: the processor has what it needs.
                unsafe { depthwise::depthwise_conv2d(input, operands, room, output) }
            });
        if !is_computed {
            portable::depthwise_conv2d(input, operands, output);
        }
    }

    fn average_pool2d(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        fn compiled(input: &[u8], operands: &AveragePool2dOperands, output: &mut [u8]) {
            average_pool::average_pool2d::<16>(input, operands, output);
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        }
    }

    fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        fn compiled(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
            add::add(other, operands, sums);
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(other, operands, sums) }
        }
    }

    fn dense(input: &[u8], operands: &DenseOperands<'_>, _scratch: &mut [u32], output: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
        fn compiled(input: &[u8], operands: &DenseOperands<'_>, output: &mut [u8]) {
            let table = operands.channels.bytes();
            let requantize = Requantize::new(operands.rescale);
            let bias = |row: usize, rows: usize| {
                let [bias, _] = if rows == ROWS_PER_BLOCK {
                    records::<true>(table, row, rows)
                } else {
                    records::<false>(table, row, rows)
                };
                bias
            };
            fully_connected(input, operands.weights, table.len() / 8, bias, |row, rows, sums| {
                let Some(output) = output.get_mut(row..row + rows) else { return };
                let mut scaled = sums;
                let (full, last) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
                for (block, scaled) in scaled.iter_mut().take(full.len()).enumerate() {
                    let [_, multipliers] = records::<true>(table, row + block * ROWS_PER_BLOCK, ROWS_PER_BLOCK);
                    *scaled = requantize.scale(*scaled, multipliers);
                }
                if !last.is_empty() {
                    let [_, multipliers] = records::<false>(table, row, rows);
                    scaled[0] = requantize.scale(scaled[0], multipliers);
                }
                let codes = clamp(scaled);
                full.iter_mut().zip(codes).for_each(|(output, codes)| *output = codes);
                last.iter_mut().zip(codes.as_flattened()).for_each(|(output, &code)| *output = code);
            });
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        }
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, _scratch: &mut [u32], output: &mut [i32]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
        fn compiled(input: &[u8], operands: &LogitsOperands<'_>, output: &mut [i32]) {
            let biases = operands.biases.as_chunks::<4>().0;
            fully_connected(
                input,
                operands.weights,
                biases.len(),
                |_, _| _mm512_setzero_si512(),
                |row, rows, sums| {
                    let mut narrow = [[0i32; ROWS_PER_BLOCK]; MOST_BLOCKS];
                    for (narrow, sums) in narrow.iter_mut().zip(sums) {
                        *narrow = bytemuck::must_cast(_mm512_cvtepi64_epi32(sums));
                    }
                    let output = output.get_mut(row..).unwrap_or_default();
                    let biases = biases.get(row..).unwrap_or_default();
                    for ((logit, &sum), &bias) in output.iter_mut().zip(narrow.as_flattened()).zip(biases).take(rows) {
                        *logit = sum.wrapping_add(i32::from_le_bytes(bias));
                    }
                },
            );
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        }
    }
}
