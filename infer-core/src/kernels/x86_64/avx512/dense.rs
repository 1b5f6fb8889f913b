//! Fully connected layers: up to eight blocks at once.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{__m512i, _mm512_cvtepi64_epi32, _mm512_setzero_si512};

use super::codes::{Requantize, clamp, records};
use super::cpu::{VECTOR, avx512};
use super::permute::{Job, Permute};
use super::sums::{Steps, added, row_sums};
use super::weights::Layout;
use crate::kernels::operands::{DenseOperands, LogitsOperands};
use crate::kernels::shared::vectors::positions::Patches;
use crate::packing::{ROWS_PER_BLOCK, packed_len};

/// Fully connected layer.
pub struct Dense<'t> {
    pub input: &'t [u8],
    pub operands: &'t DenseOperands<'t>,
    pub output: &'t mut [u8],
}

impl Job for Dense<'_> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { input, operands, output } = self;
        let (table, requantize) = (operands.channels.bytes(), Requantize::new(operands.rescale));
        fully_connected::<P, _>(input, operands.weights, table.len() / 8, Codes { table, requantize, output });
    }
}

/// The last layer: accumulators as they are.
pub struct Logits<'t> {
    pub input: &'t [u8],
    pub operands: &'t LogitsOperands<'t>,
    pub output: &'t mut [i32],
}

impl Job for Logits<'_> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { input, operands, output } = self;
        let biases = operands.biases.as_chunks::<4>().0;
        fully_connected::<P, _>(input, operands.weights, biases.len(), Accumulators { biases, output });
    }
}

/// What becomes of sums. No closures: these are not inlined where they are compiled for what they need.
trait PutOut {
    /// What the sums of at most eight rows begin with, from `row` on.
    fn biases(&self, row: usize, rows: usize) -> __m512i;

    /// Puts out what the sums of so many rows become, from `row` on, eight in each vector.
    fn put_out(&mut self, row: usize, rows: usize, sums: [__m512i; MOST_BLOCKS]);
}

/// Sums become codes.
struct Codes<'t> {
    table: &'t [u8],
    requantize: Requantize,
    output: &'t mut [u8],
}

impl Codes<'_> {
    #[inline(always)]
    fn records(&self, row: usize, rows: usize) -> [__m512i; 2] {
        if rows == ROWS_PER_BLOCK {
            records::<true>(self.table, row, rows)
        } else {
            records::<false>(self.table, row, rows)
        }
    }
}

impl PutOut for Codes<'_> {
    #[inline(always)]
    fn biases(&self, row: usize, rows: usize) -> __m512i {
        let [bias, _] = self.records(row, rows);
        bias
    }

    #[inline(always)]
    fn put_out(&mut self, row: usize, rows: usize, mut sums: [__m512i; MOST_BLOCKS]) {
        for (block, sums) in sums.iter_mut().enumerate().take(rows.div_ceil(ROWS_PER_BLOCK)) {
            let first = block * ROWS_PER_BLOCK;
            let [_, multipliers] = self.records(row + first, (rows - first).min(ROWS_PER_BLOCK));
            *sums = self.requantize.scale(*sums, multipliers);
        }
        let codes = clamp(sums);
        let Some(output) = self.output.get_mut(row..row + rows) else { return };
        let (full, last) = output.as_chunks_mut::<ROWS_PER_BLOCK>();
        full.iter_mut().zip(codes).for_each(|(output, codes)| *output = codes);
        last.iter_mut().zip(codes.as_flattened()).for_each(|(output, &code)| *output = code);
    }
}

/// Sums, to which biases are added at the end.
struct Accumulators<'t> {
    biases: &'t [[u8; 4]],
    output: &'t mut [i32],
}

impl PutOut for Accumulators<'_> {
    #[inline(always)]
    fn biases(&self, _row: usize, _rows: usize) -> __m512i {
        avx512!(_mm512_setzero_si512())
    }

    #[inline(always)]
    fn put_out(&mut self, row: usize, rows: usize, sums: [__m512i; MOST_BLOCKS]) {
        let mut narrow = [[0i32; ROWS_PER_BLOCK]; MOST_BLOCKS];
        for (narrow, sums) in narrow.iter_mut().zip(sums) {
            *narrow = bytemuck::must_cast(avx512!(_mm512_cvtepi64_epi32(sums)));
        }
        let output = self.output.get_mut(row..).unwrap_or_default();
        let biases = self.biases.get(row..).unwrap_or_default();
        for ((logit, &sum), &bias) in output.iter_mut().zip(narrow.as_flattened()).zip(biases).take(rows) {
            *logit = sum.wrapping_add(i32::from_le_bytes(bias));
        }
    }
}

/// Blocks of a fully connected layer that are computed at once.
const MOST_BLOCKS: usize = 8;

/// The sums of all rows, at most eight blocks at once.
#[inline(always)]
fn fully_connected<P: Permute, O: PutOut>(input: &[u8], weights: &[u8], rows: usize, mut sink: O) {
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
        let mut sums = [avx512!(_mm512_setzero_si512()); MOST_BLOCKS];
        let (count, rest) = match blocks {
            8.. => (8, several::<P, O, 8, 1>(&steps, weights, block_len, &sink, row, &mut sums)),
            4.. => (4, several::<P, O, 4, 2>(&steps, weights, block_len, &sink, row, &mut sums)),
            2.. => (2, several::<P, O, 2, 4>(&steps, weights, block_len, &sink, row, &mut sums)),
            1 => (1, several::<P, O, 1, 4>(&steps, weights, block_len, &sink, row, &mut sums)),
            0 => {
                let layout = Layout::<P>::new(rows - row);
                let Some(steps) = Steps::new(&patches, weights.len(), layout.step_len) else { return };
                let bias = sink.biases(row, rows - row);
                // SAFETY: the steps were made for this block.
                let [last] = unsafe { row_sums::<P, 1, 4, false>(&steps, [weights], layout, [bias]) };
                sums[0] = added(last);
                sink.put_out(row, rows - row, sums);
                return;
            }
        };
        sink.put_out(row, count * ROWS_PER_BLOCK, sums);
        row += count * ROWS_PER_BLOCK;
        weights = rest;
    }
}

/// So many full blocks, from `row` on; returns the weights after them.
#[inline(always)]
fn several<'w, P: Permute, O: PutOut, const BLOCKS: usize, const PARTS: usize>(
    steps: &Steps<'_, 1>,
    mut weights: &'w [u8],
    block_len: usize,
    sink: &O,
    row: usize,
    sums: &mut [__m512i; MOST_BLOCKS],
) -> &'w [u8] {
    // Read before the weights, which drive all else out of the nearest cache.
    let mut biases = [sums[0]; BLOCKS];
    for (block, biases) in biases.iter_mut().enumerate() {
        *biases = sink.biases(row + block * ROWS_PER_BLOCK, ROWS_PER_BLOCK);
    }
    let mut blocks = [&[] as &[u8]; BLOCKS];
    for block in &mut blocks {
        let Some((first, rest)) = weights.split_at_checked(block_len) else { return &[] };
        (*block, weights) = (first, rest);
    }
    // SAFETY: blocks of the length that the steps were made for.
    let found = unsafe { row_sums::<P, BLOCKS, PARTS, true>(steps, blocks, Layout::new(ROWS_PER_BLOCK), biases) };
    for (sums, found) in sums.iter_mut().zip(found) {
        *sums = added(found);
    }
    weights
}
