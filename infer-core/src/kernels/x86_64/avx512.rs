//! Vectors of 512 bits on x86-64: AVX-512 with VNNI and VBMI, used where the processor reports them when the program runs.
//!
//! A block's weights for eight inputs are 64 bytes as they are in the file. VPERMB brings them into the order that
//! VPDPBUSD multiplies them in: for each row two lanes of four weights. An XOR takes the 128 out of even rows. So a vector
//! times eight codes, which a broadcast puts into each 64 bits, is 64 products, and a row's sum is that of two neighbors.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __cpuid_count, __m512i, _mm_cvtsi32_si128, _mm_cvtsi128_si64, _mm512_add_epi32, _mm512_add_epi64,
    _mm512_cvtepi64_epi32, _mm512_cvtusepi64_epi8, _mm512_dpbusd_epi32, _mm512_mask_loadu_epi8, _mm512_max_epi32,
    _mm512_max_epi64, _mm512_mul_epi32, _mm512_permutexvar_epi8, _mm512_set1_epi16, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sll_epi32, _mm512_srai_epi64, _mm512_srli_epi64, _mm512_xor_si512,
};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::kernels::contract::Kernels;
use crate::kernels::operands::{Conv2dOperands, DenseOperands, LogitsOperands, Rescale};
use crate::kernels::shared::vectors::positions::{self, Patches, Tiles};
use crate::packing::{ROWS_PER_BLOCK, packed_len};

cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vbmi");

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
    /// What takes the 128 out.
    signs: __m512i,
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

impl Layout {
    /// That of a block of so many rows, 1 to 8.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new(rows: usize) -> Self {
        let words = rows.div_ceil(2);
        let order = bytemuck::must_cast(ORDERS[(words.max(1) - 1) % ORDERS.len()]);
        let signs = bytemuck::must_cast([
            0x8080_8080_8080_8080u64,
            0,
            0x8080_8080_8080_8080,
            0,
            0x8080_8080_8080_8080,
            0,
            0x8080_8080_8080_8080,
            0,
        ]);
        Self { step_len: 16 * words, order, signs }
    }

    /// The weights for the eight inputs from `at`, a multiple of `step_len`, on; zeros past the end.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn load(self, block: &[u8], at: usize) -> __m512i {
        let bytes = block.get(at..).unwrap_or_default();
        let packed = match bytes.first_chunk::<VECTOR>() {
            Some(bytes) if self.step_len == VECTOR => bytemuck::must_cast(*bytes),
            _ => part(bytes, self.step_len, _mm512_set1_epi16(0x80)),
        };
        _mm512_xor_si512(_mm512_permutexvar_epi8(self.order, packed), self.signs)
    }
}

/// The first bytes, at most `most`, and `others` for the rest.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn part(bytes: &[u8], most: usize, others: __m512i) -> __m512i {
    let len = bytes.len().min(most).min(VECTOR);
    let mask = if len == VECTOR { u64::MAX } else { (1 << len) - 1 };
    // SAFETY: the mask has bits for bytes of the slice alone, and no others are read.
    unsafe { _mm512_mask_loadu_epi8(others, mask, bytes.as_ptr().cast()) }
}

/// For each block and position the sums of its rows, 64 bits each, the upper half of which means nothing.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
#[inline]
fn sums<const BLOCKS: usize, const POSITIONS: usize>(
    patches: &Patches<'_, u8, POSITIONS>,
    blocks: [&[u8]; BLOCKS],
    layout: Layout,
) -> [[__m512i; POSITIONS]; BLOCKS] {
    let mut sums = [[_mm512_setzero_si512(); POSITIONS]; BLOCKS];
    let mut at = 0;
    for row in 0..patches.rows {
        let Some(runs) = patches.row(row) else { return sums };
        let mut steps = [&[] as &[[u8; STEP]]; POSITIONS];
        for (steps, run) in steps.iter_mut().zip(runs) {
            // All of the same length, as the compiler sees it: one comparison for all.
            let Some(all) = run.as_chunks().0.get(..patches.run / STEP) else { return sums };
            *steps = all;
        }
        for step in 0..patches.run / STEP {
            let mut codes = [[0; STEP]; POSITIONS];
            for (codes, steps) in codes.iter_mut().zip(steps) {
                *codes = steps[step];
            }
            add(&mut sums, blocks, layout, at, codes);
            at += layout.step_len;
        }
        let rest = patches.run % STEP;
        if rest > 0 {
            let mut codes = [[0; STEP]; POSITIONS];
            for (codes, run) in codes.iter_mut().zip(runs) {
                let last = run.get(run.len() - rest..).unwrap_or_default();
                codes.iter_mut().zip(last).for_each(|(code, &last)| *code = last);
            }
            add(&mut sums, blocks, layout, at, codes);
        }
    }
    for sums in sums.as_flattened_mut() {
        *sums = _mm512_add_epi32(*sums, _mm512_srli_epi64::<32>(*sums));
    }
    sums
}

/// Adds the products of eight codes at each position and the weights from `at` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
#[inline]
fn add<const BLOCKS: usize, const POSITIONS: usize>(
    sums: &mut [[__m512i; POSITIONS]; BLOCKS],
    blocks: [&[u8]; BLOCKS],
    layout: Layout,
    at: usize,
    codes: [[u8; STEP]; POSITIONS],
) {
    let mut weights = [_mm512_setzero_si512(); BLOCKS];
    for (weights, block) in weights.iter_mut().zip(blocks) {
        *weights = layout.load(block, at);
    }
    for (position, codes) in codes.into_iter().enumerate() {
        let codes = _mm512_set1_epi64(i64::from_le_bytes(codes));
        for (sums, weights) in sums.iter_mut().zip(weights) {
            sums[position] = _mm512_dpbusd_epi32(sums[position], codes, weights);
        }
    }
}

/// The codes of a block, given its sums, and the records of its rows.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn requantize(sums: __m512i, records: __m512i, rescale: Rescale) -> [u8; ROWS_PER_BLOCK] {
    let shift = _mm_cvtsi32_si128((rescale.shift & 31).into());
    let accumulators = _mm512_sll_epi32(_mm512_add_epi32(sums, records), shift);
    let products = _mm512_mul_epi32(accumulators, _mm512_srli_epi64::<32>(records));
    let rounded = _mm512_srai_epi64::<32>(_mm512_add_epi64(products, _mm512_set1_epi64(1 << 31)));
    let codes = _mm512_add_epi64(rounded, _mm512_set1_epi64(rescale.zero_point.into()));
    let codes = _mm512_cvtusepi64_epi8(_mm512_max_epi64(codes, _mm512_setzero_si512()));
    _mm_cvtsi128_si64(codes).to_le_bytes()
}

/// `BLOCKS` blocks of `rows` rows each at the positions, or the largest of each `UNIT` of them. `channel` is their first one.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
#[inline]
fn blocks<const BLOCKS: usize, const POSITIONS: usize, const UNIT: usize>(
    patches: &Patches<'_, u8, POSITIONS>,
    operands: &Conv2dOperands<'_>,
    weights: [&[u8]; BLOCKS],
    rows: usize,
    channel: usize,
    output: &mut [u8],
) {
    let sums = sums::<BLOCKS, POSITIONS>(patches, weights, Layout::new(rows));
    let channels = usize::from(operands.output.channels);
    for (block, sums) in sums.iter().enumerate() {
        let channel = channel + block * ROWS_PER_BLOCK;
        let records = operands.channels.bytes().get(8 * channel..).unwrap_or_default();
        let records = part(records, 8 * rows, _mm512_setzero_si512());
        for (unit, sums) in sums.as_chunks::<UNIT>().0.iter().enumerate() {
            let mut largest = sums[0];
            for &sums in &sums[1..] {
                largest = _mm512_max_epi32(largest, sums);
            }
            let codes = requantize(largest, records, operands.rescale);
            let Some(output) = output.get_mut(unit * channels + channel..) else { return };
            match output.first_chunk_mut() {
                Some(output) if rows == ROWS_PER_BLOCK => *output = codes,
                _ => output.iter_mut().zip(codes).take(rows).for_each(|(output, code)| *output = code),
            }
        }
    }
}

/// Convolution in tiles of eight positions and two blocks.
struct Products;

impl Tiles for Products {
    type Code = u8;
    const POSITIONS: usize = 8;
    const STEP: usize = STEP;

    #[inline(always)]
    fn compute<const POSITIONS: usize, const UNIT: usize>(
        patches: &Patches<'_, u8, POSITIONS>,
        operands: &Conv2dOperands<'_>,
        output: &mut [u8],
    ) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
        fn compiled<const POSITIONS: usize, const UNIT: usize>(
            patches: &Patches<'_, u8, POSITIONS>,
            operands: &Conv2dOperands<'_>,
            output: &mut [u8],
        ) {
            let rows = usize::from(operands.output.channels);
            let block_len = ROWS_PER_BLOCK * operands.taps().next_multiple_of(2);
            let mut weights = operands.weights;
            let mut channel = 0;
            while channel + 2 * ROWS_PER_BLOCK <= rows {
                let Some((first, rest)) = weights.split_at_checked(block_len) else { return };
                let Some((second, rest)) = rest.split_at_checked(block_len) else { return };
                blocks::<2, POSITIONS, UNIT>(patches, operands, [first, second], ROWS_PER_BLOCK, channel, output);
                weights = rest;
                channel += 2 * ROWS_PER_BLOCK;
            }
            while channel < rows {
                let count = ROWS_PER_BLOCK.min(rows - channel);
                let (block, rest) = weights.split_at_checked(block_len).unwrap_or((weights, &[]));
                blocks::<1, POSITIONS, UNIT>(patches, operands, [block], count, channel, output);
                weights = rest;
                channel += count;
            }
        }
        // SAFETY: these tiles are used below only, where the processor has what they need.
        unsafe { compiled::<POSITIONS, UNIT>(patches, operands, output) }
    }
}

/// Calls `put_out` with the first row of each block, its number of rows and their sums.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
#[inline]
fn fully_connected(input: &[u8], weights: &[u8], rows: usize, mut put_out: impl FnMut(usize, usize, __m512i)) {
    let needed = (u32::try_from(rows).ok()).zip(u32::try_from(input.len()).ok()).and_then(|(r, i)| packed_len(r, i));
    if needed.is_none_or(|needed| needed as usize != weights.len()) {
        return;
    }
    let patches = Patches { codes: input, starts: [0], rows: 1, row_len: 0, run: input.len() };
    let block_len = ROWS_PER_BLOCK * input.len().next_multiple_of(2);
    let mut weights = weights;
    let mut row = 0;
    while row + 8 * ROWS_PER_BLOCK <= rows {
        row = several::<8>(&patches, &mut weights, block_len, row, &mut put_out);
    }
    if row + 4 * ROWS_PER_BLOCK <= rows {
        row = several::<4>(&patches, &mut weights, block_len, row, &mut put_out);
    }
    if row + 2 * ROWS_PER_BLOCK <= rows {
        row = several::<2>(&patches, &mut weights, block_len, row, &mut put_out);
    }
    if row + ROWS_PER_BLOCK <= rows {
        row = several::<1>(&patches, &mut weights, block_len, row, &mut put_out);
    }
    if row < rows {
        let [[sums]] = sums::<1, 1>(&patches, [weights], Layout::new(rows - row));
        put_out(row, rows - row, sums);
    }
}

/// So many full blocks; returns the row after them.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
#[inline]
fn several<const BLOCKS: usize>(
    patches: &Patches<'_, u8, 1>,
    weights: &mut &[u8],
    block_len: usize,
    row: usize,
    put_out: &mut impl FnMut(usize, usize, __m512i),
) -> usize {
    let mut blocks = [&[] as &[u8]; BLOCKS];
    for block in &mut blocks {
        let (first, rest) = weights.split_at_checked(block_len).unwrap_or_default();
        (*block, *weights) = (first, rest);
    }
    for (block, [sums]) in sums::<BLOCKS, 1>(patches, blocks, Layout::new(ROWS_PER_BLOCK)).into_iter().enumerate() {
        put_out(row + block * ROWS_PER_BLOCK, ROWS_PER_BLOCK, sums);
    }
    row + BLOCKS * ROWS_PER_BLOCK
}

/// See the [module](self). Where the processor has not what they need, these kernels do nothing.
#[derive(Clone, Copy, Debug)]
pub struct Avx512;

impl Avx512 {
    /// Whether the convolution was computed; it has to be elsewhere where its rows or its filters are very long.
    pub fn try_conv2d(input: &[u8], operands: &Conv2dOperands<'_>, output: &mut [u8]) -> bool {
        is_there() && positions::conv2d::<Products>(input, operands, output)
    }
}

impl Kernels for Avx512 {
    fn dense(input: &[u8], operands: &DenseOperands<'_>, _scratch: &mut [u32], output: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
        fn compiled(input: &[u8], operands: &DenseOperands<'_>, output: &mut [u8]) {
            let table = operands.channels.bytes();
            fully_connected(input, operands.weights, table.len() / 8, |row, rows, sums| {
                let records = part(table.get(8 * row..).unwrap_or_default(), 8 * rows, _mm512_setzero_si512());
                let codes = requantize(sums, records, operands.rescale);
                let output = output.get_mut(row..).unwrap_or_default();
                output.iter_mut().zip(codes).take(rows).for_each(|(output, code)| *output = code);
            });
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        }
    }

    fn logits(input: &[u8], operands: &LogitsOperands<'_>, _scratch: &mut [u32], output: &mut [i32]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
        fn compiled(input: &[u8], operands: &LogitsOperands<'_>, output: &mut [i32]) {
            let biases = operands.biases.as_chunks::<4>().0;
            fully_connected(input, operands.weights, biases.len(), |row, rows, sums| {
                let sums: [i32; ROWS_PER_BLOCK] = bytemuck::must_cast(_mm512_cvtepi64_epi32(sums));
                let output = output.get_mut(row..).unwrap_or_default();
                let biases = biases.get(row..).unwrap_or_default();
                for ((logit, sum), &bias) in output.iter_mut().zip(sums).zip(biases).take(rows) {
                    *logit = sum.wrapping_add(i32::from_le_bytes(bias));
                }
            });
        }
        if is_there() {
            // SAFETY: the processor has what it needs.
            unsafe { compiled(input, operands, output) }
        }
    }
}
