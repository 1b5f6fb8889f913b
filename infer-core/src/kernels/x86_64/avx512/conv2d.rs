//! Convolution in tiles of eight positions and two blocks.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __m512i, _mm_maskz_loadu_epi8, _mm_setzero_si128, _mm512_add_epi32, _mm512_castsi128_si512, _mm512_cmpge_epu8_mask,
    _mm512_inserti32x4, _mm512_mask_add_epi8, _mm512_maskz_mov_epi8, _mm512_max_epi32, _mm512_set1_epi8,
    _mm512_setzero_si512,
};
use core::marker::PhantomData;
use core::ops::Range;

use super::codes::{Requantize, clamp, records};
use super::cpu::{STEP, VECTOR, avx512, table};
use super::permute::{Job, Permute};
use super::sums::{Steps, added, sums};
use super::weights::Layout;
use crate::kernels::operands::Conv2dOperands;
use crate::kernels::shared::vectors::positions::{Patches, Runs, Tiles};
use crate::packing::ROWS_PER_BLOCK;

/// `BLOCKS` blocks of `rows` rows each at the positions, or the largest of each `UNIT` of them. `channel` is their first one.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
unsafe fn blocks<
    P: Permute,
    const BLOCKS: usize,
    const POSITIONS: usize,
    const UNIT: usize,
    const FULL: bool,
    const TAIL: bool,
>(
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
    let sums = unsafe { sums::<P, BLOCKS, POSITIONS, FULL, TAIL>(steps, weights, Layout::new(rows), starts) };
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
/// and a permutation closes the gaps between them.
struct Gather<'t> {
    patches: &'t Patches<'t, u8, 8>,
    gathered: &'t mut [u8],
}

impl Job for Gather<'_> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { patches, gathered } = self;
        let (codes, Runs { rows, row_len, run }) = (patches.codes(), patches.runs());
        let mut order: __m512i = bytemuck::must_cast(IDENTITY);
        let gap = avx512!(_mm512_set1_epi8((PART - run) as i8));
        for row in 1..rows {
            order = avx512!({
                let after = _mm512_cmpge_epu8_mask(bytemuck::must_cast(IDENTITY), _mm512_set1_epi8((row * run) as i8));
                _mm512_mask_add_epi8(order, after, order, gap)
            });
        }
        let taps = rows * run;
        let inside = u64::MAX >> (VECTOR - taps);
        let mask = u16::MAX >> (PART - run);
        for (position, start) in patches.starts().iter().enumerate() {
            let mut parts = [avx512!(_mm_setzero_si128()); 4];
            for (row, part) in parts.iter_mut().enumerate() {
                if row < rows {
                    // SAFETY: the runs are inside of the codes; the mask has bits for a run's bytes alone, and no others are read.
                    *part = unsafe { _mm_maskz_loadu_epi8(mask, codes.as_ptr().add(start + row * row_len).cast()) };
                }
            }
            let [a, b, c, d] = parts;
            // Not by way of memory: a load of what several stores wrote waits for them.
            let patch = avx512!({
                let low = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
                let parts = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(low, c), d);
                _mm512_maskz_mov_epi8(inside, P::any(parts, order))
            });
            let Some(gathered) = gathered.get_mut(position * taps.next_multiple_of(STEP)..) else { return };
            if let Some(gathered) = gathered.first_chunk_mut::<VECTOR>() {
                *gathered = bytemuck::must_cast(patch);
            }
        }
    }
}

/// The number of each byte.
const IDENTITY: [u8; VECTOR] = table!([u8; VECTOR], at => at);

/// Bytes of a fourth of a vector.
const PART: usize = 16;

/// Convolution in tiles of eight positions and two blocks.
pub struct Products<P>(PhantomData<P>);

impl<P: Permute> Tiles for Products<P> {
    type Code = u8;
    const POSITIONS: usize = 8;
    const STEP: usize = STEP;
    const TAILS: bool = true;

    #[inline(always)]
    fn gather(patches: &Patches<'_, u8, 8>, gathered: &mut [u8]) -> bool {
        let Runs { rows, run, .. } = patches.runs();
        let fits = (1..=4).contains(&rows) && (1..=PART).contains(&run);
        if fits {
            P::run(Gather { patches, gathered });
        }
        fits
    }

    #[inline(always)]
    fn compute<const POSITIONS: usize, const UNIT: usize>(
        patches: &Patches<'_, u8, POSITIONS>,
        operands: &Conv2dOperands<'_>,
        output: &mut [u8],
    ) {
        let Runs { rows, run, .. } = patches.runs();
        if (rows * run).is_multiple_of(STEP) && operands.taps() == rows * run {
            P::run(Tile::<POSITIONS, UNIT, false> { patches, operands, output });
        } else {
            P::run(Tile::<POSITIONS, UNIT, true> { patches, operands, output });
        }
    }
}

/// All channels of a tile; there are codes after the last whole step if `TAIL`.
struct Tile<'t, const POSITIONS: usize, const UNIT: usize, const TAIL: bool> {
    patches: &'t Patches<'t, u8, POSITIONS>,
    operands: &'t Conv2dOperands<'t>,
    output: &'t mut [u8],
}

impl<const POSITIONS: usize, const UNIT: usize, const TAIL: bool> Job for Tile<'_, POSITIONS, UNIT, TAIL> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { patches, operands, output } = self;
        let rows = usize::from(operands.output.channels);
        let block_len = ROWS_PER_BLOCK * operands.taps().next_multiple_of(2);
        let Some(steps) = Steps::new(patches, block_len, VECTOR).filter(|steps| TAIL || steps.rest == 0) else {
            return;
        };
        let mut weights = operands.weights;
        let mut channel = 0;
        while channel + 2 * ROWS_PER_BLOCK <= rows {
            let Some((first, rest)) = weights.split_at_checked(block_len) else { return };
            let Some((second, rest)) = rest.split_at_checked(block_len) else { return };
            let (both, channels) = ([first, second], [channel, ROWS_PER_BLOCK]);
            // SAFETY: blocks of the length that the steps were made for.
            unsafe { blocks::<P, 2, POSITIONS, UNIT, true, TAIL>(&steps, operands, both, channels, output) };
            weights = rest;
            channel += 2 * ROWS_PER_BLOCK;
        }
        if channel + ROWS_PER_BLOCK <= rows {
            let Some((block, rest)) = weights.split_at_checked(block_len) else { return };
            let channels = [channel, ROWS_PER_BLOCK];
            // SAFETY: as above.
            unsafe { blocks::<P, 1, POSITIONS, UNIT, true, TAIL>(&steps, operands, [block], channels, output) };
            weights = rest;
            channel += ROWS_PER_BLOCK;
        }
        if channel < rows {
            let channels = [channel, rows - channel];
            P::run(LastBlock::<POSITIONS, UNIT> { patches, operands, block: weights, channels, output });
        }
    }
}

/// The last block, where it has fewer rows than the others.
struct LastBlock<'t, const POSITIONS: usize, const UNIT: usize> {
    patches: &'t Patches<'t, u8, POSITIONS>,
    operands: &'t Conv2dOperands<'t>,
    block: &'t [u8],
    channels: [usize; 2],
    output: &'t mut [u8],
}

impl<const POSITIONS: usize, const UNIT: usize> Job for LastBlock<'_, POSITIONS, UNIT> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { patches, operands, block, channels, output } = self;
        let [_, rows] = channels;
        let Some(steps) = Steps::new(patches, block.len(), Layout::<P>::new(rows).step_len) else { return };
        // SAFETY: the steps were made for this block.
        unsafe {
            if steps.rest == 0 {
                blocks::<P, 1, POSITIONS, UNIT, false, false>(&steps, operands, [block], channels, output);
            } else {
                blocks::<P, 1, POSITIONS, UNIT, false, true>(&steps, operands, [block], channels, output);
            }
        }
    }
}
