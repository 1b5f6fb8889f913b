//! Depthwise convolution of 3x3: a lane of 32 bits is a channel, and its bytes are the codes of a column under the kernel.
//!
//! Three rows of a column are loaded into a vector, VPERMB brings each channel's codes together, and VPDPBUSD multiplies them
//! with a column of the kernel. With a stride of 1 a column serves three positions.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi32_si128, _mm_mask_storeu_epi8, _mm_maskz_loadu_epi8, _mm512_add_epi64,
    _mm512_castsi128_si512, _mm512_cvtusepi32_epi8, _mm512_dpbusd_epi32, _mm512_inserti32x4, _mm512_mask_blend_epi32,
    _mm512_mask_permutexvar_epi8, _mm512_maskz_permutex2var_epi8, _mm512_maskz_permutexvar_epi8, _mm512_max_epi32,
    _mm512_mul_epi32, _mm512_permutex2var_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sll_epi32,
    _mm512_srli_epi64,
};

use super::VECTOR;
use crate::kernels::operands::DepthwiseConv2dOperands;
use crate::kernels::shared::vectors::depthwise;
use crate::kernels::shared::vectors::positions::Band;

/// Channels of a vector.
const LANES: usize = 16;

/// Taps of a kernel.
const TAPS: usize = 9;

/// Bytes of the weights of a vector's channels.
const WEIGHTS: usize = TAPS * LANES;

/// Where the codes of each channel's column are, given its rows in the four parts of a vector.
const COLUMN: [u8; VECTOR] = {
    let mut order = [0; VECTOR];
    let mut at = 0;
    while at < VECTOR {
        order[at] = (at % 4 * LANES + at / 4) as u8;
        at += 1;
    }
    order
};

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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
pub fn depthwise_conv2d(input: &[u8], operands: &DepthwiseConv2dOperands<'_>, room: &mut [u8], output: &mut [u8]) {
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
            let lanes = Lanes::new(operands, first, lanes_len);
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

/// What is the same for all positions.
struct Lanes {
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
}

impl Lanes {
    /// Of `len` lanes from channel `first` on; past the last channel the first one comes again.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    #[inline]
    fn new(operands: &DepthwiseConv2dOperands<'_>, first: usize, len: usize) -> Self {
        let (mut weights, mut records) = ([0; WEIGHTS], [0; 8 * LANES]);
        fill(&mut weights, operands.weights.get(TAPS * first..).unwrap_or_default());
        fill(&mut records, operands.channels.bytes().get(8 * first..).unwrap_or_default());
        let [a, b] = bytemuck::must_cast(*weights.first_chunk::<{ 2 * VECTOR }>().unwrap_or(&[0; 2 * VECTOR]));
        let last = bytemuck::must_cast(*weights.last_chunk::<VECTOR>().unwrap_or(&[0; VECTOR]));
        let mut columns = [a; 3];
        for (weights, (order, in_last)) in columns.iter_mut().zip(COLUMNS) {
            let order = bytemuck::must_cast(order);
            let found = _mm512_maskz_permutex2var_epi8(ROWS & !in_last, a, order, b);
            *weights = _mm512_mask_permutexvar_epi8(found, in_last, order, last);
        }
        let [a, b]: [__m512i; 2] = bytemuck::must_cast(records);
        let multipliers = _mm512_permutex2var_epi32(a, bytemuck::must_cast(ODD), b);
        let rescale = operands.rescale;
        Self {
            weights: columns,
            biases: _mm512_permutex2var_epi32(a, bytemuck::must_cast(EVEN), b),
            multipliers: [multipliers, _mm512_srli_epi64::<32>(multipliers)],
            shift: _mm_cvtsi32_si128((rescale.shift & 31).into()),
            constant: _mm512_set1_epi64(i64::from(rescale.zero_point) << 32 | 1 << 31),
            mask: u16::MAX >> (LANES - len.clamp(1, LANES)),
        }
    }

    /// `positions` of a row, given where the first one's codes begin, and how many codes further the next position, the next row and
    /// the next column are.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
    #[inline]
    fn row(&self, codes: &[u8], [next, row_len, channels]: [usize; 3], positions: usize, output: &mut [u8]) {
        let lanes = self.mask.count_ones() as usize;
        let last = (positions - 1) * next + 2 * (row_len + channels) + lanes;
        let last_output = (positions - 1) * channels + lanes;
        if codes.len() < last || output.len() < last_output {
            return;
        }
        let load = |column: usize| {
            let part = |row: usize| {
                // SAFETY: the last code of the last position was compared with the length; none but those of the mask are read.
                unsafe { _mm_maskz_loadu_epi8(self.mask, codes.as_ptr().add(column + row * row_len).cast()) }
            };
            let rows = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(part(0)), part(1));
            let rows = _mm512_inserti32x4::<2>(rows, part(2));
            _mm512_maskz_permutexvar_epi8(ROWS, bytemuck::must_cast(COLUMN), rows)
        };
        let [left, middle, right] = self.weights;
        let (mut a, mut b) = (load(0), load(channels));
        for position in 0..positions {
            let at = position * next;
            if position > 0 && next != channels {
                (a, b) = (load(at), load(at + channels));
            }
            let c = load(at + 2 * channels);
            let sums = _mm512_dpbusd_epi32(self.biases, a, left);
            let sums = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, b, middle), c, right);
            let codes = self.requantize(sums);
            // SAFETY: as for the codes.
            unsafe { _mm_mask_storeu_epi8(output.as_mut_ptr().add(position * channels).cast(), self.mask, codes) };
            (a, b) = (b, c);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    #[inline]
    fn requantize(&self, sums: __m512i) -> __m128i {
        let sums = _mm512_sll_epi32(sums, self.shift);
        let [even, odd] = self.multipliers;
        let even = _mm512_add_epi64(_mm512_mul_epi32(sums, even), self.constant);
        let odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), odd), self.constant);
        let codes = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64::<32>(even), odd);
        _mm512_cvtusepi32_epi8(_mm512_max_epi32(codes, _mm512_setzero_si512()))
    }
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
