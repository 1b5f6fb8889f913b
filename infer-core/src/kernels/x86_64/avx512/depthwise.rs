//! Depthwise convolution of 3x3: a lane of 32 bits is a channel, and its bytes are the codes of a column under the kernel.
//!
//! Three rows of a column are loaded into a vector, a [permutation](super::permute) brings each channel's codes together, and VPDPBUSD multiplies them
//! with a column of the kernel. With a stride of 1 a column serves three positions.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi32_si128, _mm_mask_storeu_epi8, _mm_maskz_loadu_epi8, _mm512_add_epi64,
    _mm512_castsi128_si512, _mm512_cvtusepi32_epi8, _mm512_dpbusd_epi32, _mm512_inserti32x4, _mm512_mask_blend_epi32,
    _mm512_mask_permutexvar_epi8, _mm512_maskz_permutex2var_epi8, _mm512_max_epi32, _mm512_mul_epi32,
    _mm512_permutex2var_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sll_epi32, _mm512_srli_epi64,
};
use core::marker::PhantomData;

use super::cpu::{VECTOR, avx512};
use super::permute::{Job, Permute};
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::shared::vectors::depthwise;
use crate::kernels::shared::vectors::positions::Band;

/// Channels of a vector.
const LANES: usize = 16;

/// Taps of a kernel.
const TAPS: usize = 9;

/// Bytes of the weights of a vector's channels.
const WEIGHTS: usize = TAPS * LANES;

/// Three bytes of four: kernels have three rows.
const ROWS: u64 = 0x7777_7777_7777_7777;

/// The bytes of a column of the kernels: where they are in the weights, in two vectors from the first byte on or in the one that
/// ends with the last; and which are in the latter.
const fn column(column: usize) -> ([u8; VECTOR], u64) {
    let (mut order, mut last) = ([0; VECTOR], 0);
    let mut at = 0;
    while at < VECTOR {
        let from = at / 4 * TAPS + at % 4 * 3 + column;
        if at % 4 == 3 {
            // No weight.
        } else if from < 2 * VECTOR {
            order[at] = from as u8;
        } else {
            order[at] = (from - (WEIGHTS - VECTOR)) as u8;
            last |= 1 << at;
        }
        at += 1;
    }
    (order, last)
}

const COLUMNS: [([u8; VECTOR], u64); 3] = [column(0), column(1), column(2)];

/// The even lanes of two vectors.
const EVEN: [u32; LANES] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];

/// The odd lanes of two vectors.
const ODD: [u32; LANES] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31];

/// Whether it is a kernel of 3x3 with one output channel for each of the input.
pub fn is_computed(operands: &DepthwiseConv2dOperands<'_>) -> bool {
    let channels = operands.input.channels;
    operands.window.size == [3, 3]
        && operands.multiplier == 1
        && operands.output.channels == channels
        && channels > 0
        && operands.weights.len() == TAPS * usize::from(channels)
        && operands.channels.bytes().len() == 8 * usize::from(channels)
}

/// Convolution of each channel by itself, if it [is computed](is_computed).
pub struct Depthwise<'t> {
    pub input: &'t [u8],
    pub operands: &'t DepthwiseConv2dOperands<'t>,
    pub room: &'t mut [u8],
    pub output: &'t mut [u8],
}

impl Job for Depthwise<'_> {
    #[inline(always)]
    fn run<P: Permute>(self) {
        let Self { input, operands, room, output } = self;
        let [down, along] = operands.window.stride.map(usize::from);
        let (channels, width) = (usize::from(operands.input.channels), usize::from(operands.output.width));
        let row_len = width * channels;
        if output.len() != operands.output.len() {
            return;
        }
        // Few channels fill the lanes with those of the next columns, where that is without a gap.
        let columns = LANES / channels.clamp(1, LANES);
        let columns = if along == 1 && columns * channels == LANES && width >= columns { columns } else { 1 };
        let lanes_len = (columns * channels).min(LANES);
        let Some(mut bands) = depthwise::bands(input, operands, room.len()) else { return };
        while let Some(Band { codes, row_len: band_row_len, rows }) = bands.next(room) {
            let Some(output) = output.get_mut(rows.start * row_len..rows.end * row_len) else { return };
            for channel in (0..channels).step_by(LANES) {
                // The last lanes end with the channels: some are computed twice.
                let first = channel.min(channels - lanes_len.min(channels));
                let lanes = Lanes::<P>::new(operands, first, lanes_len);
                for (row, output) in output.chunks_exact_mut(row_len.max(1)).enumerate() {
                    let Some(codes) = codes.get(row * down * band_row_len + first..) else { return };
                    let step = [along * channels, band_row_len, channels];
                    if columns == 1 {
                        lanes.row(codes, step, width, output.get_mut(first..).unwrap_or_default());
                        continue;
                    }
                    let mut column = 0;
                    while column < width {
                        let here = column.min(width - columns) * channels;
                        let (codes, output) = (codes.get(here..), output.get_mut(here..));
                        lanes.row(codes.unwrap_or_default(), step, 1, output.unwrap_or_default());
                        column += columns;
                    }
                }
            }
        }
    }
}

/// What is the same for all positions.
struct Lanes<P> {
    /// A column of the kernels each.
    weights: [__m512i; 3],
    biases: __m512i,
    /// Of even lanes and of odd ones, in the lower half of 64 bits.
    multipliers: [__m512i; 2],
    shift: __m128i,
    /// What rounds, and the zero point.
    constant: __m512i,
    /// The lanes that there are.
    mask: u16,
    permute: PhantomData<P>,
}

impl<P: Permute> Lanes<P> {
    /// Of `len` lanes from channel `first` on; past the last channel the first one comes again.
    #[inline(always)]
    fn new(operands: &DepthwiseConv2dOperands<'_>, first: usize, len: usize) -> Self {
        let (mut weights, mut records) = ([0; WEIGHTS], [0; 8 * LANES]);
        fill(&mut weights, operands.weights.get(TAPS * first..).unwrap_or_default());
        fill(&mut records, operands.channels.bytes().get(8 * first..).unwrap_or_default());
        let columns = if P::HAS_BYTES { columns_by_bytes(&weights) } else { columns_one_by_one(&weights) };
        let [a, b]: [__m512i; 2] = bytemuck::must_cast(records);
        let multipliers = avx512!(_mm512_permutex2var_epi32(a, bytemuck::must_cast(ODD), b));
        let rescale = operands.rescale;
        Self {
            weights: columns,
            biases: avx512!(_mm512_permutex2var_epi32(a, bytemuck::must_cast(EVEN), b)),
            multipliers: [multipliers, avx512!(_mm512_srli_epi64::<32>(multipliers))],
            shift: avx512!(_mm_cvtsi32_si128((rescale.shift & 31).into())),
            constant: avx512!(_mm512_set1_epi64(i64::from(rescale.zero_point) << 32 | 1 << 31)),
            mask: u16::MAX >> (LANES - len.clamp(1, LANES)),
            permute: PhantomData,
        }
    }

    /// `positions` of a row, given where the first one's codes begin, and how many codes further the next position, the next row and
    /// the next column are.
    #[inline(always)]
    fn row(&self, codes: &[u8], [next, row_len, channels]: [usize; 3], positions: usize, output: &mut [u8]) {
        let lanes = self.mask.count_ones() as usize;
        let last = (positions - 1) * next + 2 * (row_len + channels) + lanes;
        let last_output = (positions - 1) * channels + lanes;
        if codes.len() < last || output.len() < last_output {
            return;
        }
        // SAFETY: the last code of the last position was compared with the length.
        let first = unsafe { [self.load(codes, row_len, 0), self.load(codes, row_len, channels)] };
        let [left, middle, right] = self.weights;
        let [mut a, mut b] = first;
        for position in 0..positions {
            let at = position * next;
            if position > 0 && next != channels {
                // SAFETY: as above.
                (a, b) = unsafe { (self.load(codes, row_len, at), self.load(codes, row_len, at + channels)) };
            }
            // SAFETY: as above.
            let c = unsafe { self.load(codes, row_len, at + 2 * channels) };
            let sums = avx512!({
                let sums = _mm512_dpbusd_epi32(self.biases, a, left);
                _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, b, middle), c, right)
            });
            let codes = self.requantize(sums);
            // SAFETY: as for the codes.
            unsafe { _mm_mask_storeu_epi8(output.as_mut_ptr().add(position * channels).cast(), self.mask, codes) };
            (a, b) = (b, c);
        }
    }

    /// The codes of a column under the kernel, together for each channel.
    ///
    /// # Safety
    /// From `column` on three rows have a code for each lane of the mask.
    #[inline(always)]
    unsafe fn load(&self, codes: &[u8], row_len: usize, column: usize) -> __m512i {
        // SAFETY: as above; none but those of the mask are read.
        let [a, b, c] = unsafe {
            let codes = codes.as_ptr().add(column);
            [
                _mm_maskz_loadu_epi8(self.mask, codes.cast()),
                _mm_maskz_loadu_epi8(self.mask, codes.add(row_len).cast()),
                _mm_maskz_loadu_epi8(self.mask, codes.add(2 * row_len).cast()),
            ]
        };
        // The weights of a fourth row are zero.
        P::columns(avx512!(_mm512_inserti32x4::<2>(_mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b), c)))
    }

    #[inline(always)]
    fn requantize(&self, sums: __m512i) -> __m128i {
        avx512!({
            let sums = _mm512_sll_epi32(sums, self.shift);
            let [even, odd] = self.multipliers;
            let even = _mm512_add_epi64(_mm512_mul_epi32(sums, even), self.constant);
            let odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), odd), self.constant);
            let codes = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64::<32>(even), odd);
            _mm512_cvtusepi32_epi8(_mm512_max_epi32(codes, _mm512_setzero_si512()))
        })
    }
}

/// The columns of the kernels by VPERMB.
#[inline(always)]
fn columns_by_bytes(weights: &[u8; WEIGHTS]) -> [__m512i; 3] {
    let [a, b] = bytemuck::must_cast(*weights.first_chunk::<{ 2 * VECTOR }>().unwrap_or(&[0; 2 * VECTOR]));
    let last = bytemuck::must_cast(*weights.last_chunk::<VECTOR>().unwrap_or(&[0; VECTOR]));
    let mut columns = [a; 3];
    for (weights, (order, in_last)) in columns.iter_mut().zip(COLUMNS) {
        let order = bytemuck::must_cast(order);
        *weights = avx512!({
            let found = _mm512_maskz_permutex2var_epi8(ROWS & !in_last, a, order, b);
            _mm512_mask_permutexvar_epi8(found, in_last, order, last)
        });
    }
    columns
}

/// The same, weight by weight.
#[inline(always)]
fn columns_one_by_one(weights: &[u8; WEIGHTS]) -> [__m512i; 3] {
    let mut columns = [[0u32; LANES]; 3];
    for (channel, weights) in weights.as_chunks::<TAPS>().0.iter().enumerate() {
        for (column, lanes) in columns.iter_mut().enumerate() {
            lanes[channel] = u32::from_le_bytes([weights[column], weights[3 + column], weights[6 + column], 0]);
        }
    }
    columns.map(bytemuck::must_cast)
}

/// Copies bytes over and over.
fn fill(filled: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().max(1);
    for filled in filled.chunks_mut(len) {
        let bytes = bytes.get(..filled.len()).unwrap_or_default();
        if bytes.len() == filled.len() {
            filled.copy_from_slice(bytes);
        }
    }
}
