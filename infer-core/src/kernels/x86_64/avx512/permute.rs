//! How bytes of a vector change places: by VPERMB where the processor has VBMI, else by the words that they are in.

#![allow(unsafe_code, reason = "instructions that not every x86-64 has")]
#![allow(clippy::indexing_slicing, reason = "each index is inside an array of fixed length, or was compared")]

use core::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_maskz_shuffle_epi8, _mm512_or_si512, _mm512_permutexvar_epi8,
    _mm512_permutexvar_epi16, _mm512_permutexvar_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_shuffle_epi8,
    _mm512_srli_epi16,
};

use super::cpu::{STEP, VECTOR, avx512, has_bytes, has_words, table};

/// What is compiled for a processor, given how bytes change places there.
pub trait Job {
    /// Inlined where all that it needs is there.
    fn run<P: Permute>(self);
}

/// How bytes change places.
pub trait Permute: Copy {
    /// Whether VPERMB is there, which takes any byte anywhere.
    const HAS_BYTES: bool;

    /// Whether the processor has this, next to VNNI.
    fn is_there() -> bool;

    /// Byte `i` is that with the number `order[i]`.
    fn any(bytes: __m512i, order: __m512i) -> __m512i;

    /// Where the weights of each row are, given the words that a pair of inputs takes, 1 to 4.
    fn order(words: usize) -> __m512i;

    /// Weights as they are in the file, in that order: row `i / 8` for input `i % 8`.
    fn ordered(packed: __m512i, order: __m512i) -> __m512i;

    /// The codes of each channel together, given those of a column's rows in the four parts of a vector.
    fn columns(rows: __m512i) -> __m512i;

    /// Does what is compiled for these processors. Asks no more whether this is one.
    fn run(job: impl Job);
}

/// Bytes by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Bytes;

/// Bytes of a word by VPSHUFB, and words.
#[derive(Clone, Copy, Debug)]
pub struct Words;

impl Permute for Bytes {
    const HAS_BYTES: bool = true;

    fn is_there() -> bool {
        has_bytes()
    }

    #[inline(always)]
    fn any(bytes: __m512i, order: __m512i) -> __m512i {
        avx512!(_mm512_permutexvar_epi8(order, bytes))
    }

    #[inline(always)]
    fn order(words: usize) -> __m512i {
        const ORDERS: [[u8; VECTOR]; 4] = [order(1), order(2), order(3), order(4)];
        bytemuck::must_cast(ORDERS[(words - 1) % ORDERS.len()])
    }

    #[inline(always)]
    fn ordered(packed: __m512i, order: __m512i) -> __m512i {
        avx512!(_mm512_permutexvar_epi8(order, packed))
    }

    #[inline(always)]
    fn columns(rows: __m512i) -> __m512i {
        avx512!(_mm512_permutexvar_epi8(bytemuck::must_cast(COLUMN), rows))
    }

    fn run(job: impl Job) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
        #[inline(never)]
        fn compiled(job: impl Job) {
            job.run::<Bytes>();
        }
        // SAFETY: jobs are given only where the processor has what they need.
        unsafe { compiled(job) }
    }
}

impl Permute for Words {
    const HAS_BYTES: bool = false;

    fn is_there() -> bool {
        has_words()
    }

    #[inline(always)]
    fn any(bytes: __m512i, order: __m512i) -> __m512i {
        avx512!({
            // The words that even bytes come from, those of odd ones, and where they are in them.
            let even = _mm512_srli_epi16::<1>(_mm512_and_si512(order, _mm512_set1_epi16(0xFF)));
            let odd = _mm512_srli_epi16::<9>(order);
            let in_word = _mm512_and_si512(order, _mm512_set1_epi8(1));
            let from = _mm512_or_si512(in_word, bytemuck::must_cast(WORD_STARTS));
            _mm512_or_si512(
                _mm512_maskz_shuffle_epi8(EVEN_BYTES, _mm512_permutexvar_epi16(even, bytes), from),
                _mm512_maskz_shuffle_epi8(!EVEN_BYTES, _mm512_permutexvar_epi16(odd, bytes), from),
            )
        })
    }

    #[inline(always)]
    fn order(words: usize) -> __m512i {
        const ORDERS: [[u16; VECTOR / 2]; 4] = [pairs(1), pairs(2), pairs(3), pairs(4)];
        bytemuck::must_cast(ORDERS[(words - 1) % ORDERS.len()])
    }

    #[inline(always)]
    fn ordered(packed: __m512i, order: __m512i) -> __m512i {
        // The two weights of a row that are in 32 bits, side by side.
        avx512!(_mm512_permutexvar_epi16(order, _mm512_shuffle_epi8(packed, bytemuck::must_cast(SIDE_BY_SIDE))))
    }

    #[inline(always)]
    fn columns(rows: __m512i) -> __m512i {
        // Four channels of each row in a part of the vector.
        avx512!(_mm512_shuffle_epi8(
            _mm512_permutexvar_epi32(bytemuck::must_cast(FOURS), rows),
            bytemuck::must_cast(COLUMN_OF_FOUR)
        ))
    }

    fn run(job: impl Job) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        #[inline(never)]
        fn compiled(job: impl Job) {
            job.run::<Words>();
        }
        // SAFETY: jobs are given only where the processor has what they need.
        unsafe { compiled(job) }
    }
}

/// Where the weights of row `i / 8` for input `i % 8` are, given the words that a pair of inputs takes.
const fn order(words: usize) -> [u8; VECTOR] {
    // Rows that there are not come out as anything.
    table!([u8; VECTOR], at => { let (row, input) = (at / STEP, at % STEP); (input / 2 * words * 4 + row / 2 * 4 + input % 2 * 2 + row % 2) % VECTOR })
}

/// The same of two inputs, whose weights of a row are side by side.
const fn pairs(words: usize) -> [u16; VECTOR / 2] {
    table!([u16; VECTOR / 2], at => { let (row, pair) = (at / 4, at % 4); ((pair * words + row / 2) * 2 + row % 2) % (VECTOR / 2) })
}

/// Every second byte.
const EVEN_BYTES: u64 = 0x5555_5555_5555_5555;

/// Where the word of each byte begins, in its part of a vector.
const WORD_STARTS: [u8; VECTOR] = table!([u8; VECTOR], at => at % 16 / 2 * 2);

/// In each 32 bits the bytes 0 and 2, then 1 and 3.
const SIDE_BY_SIDE: [u8; VECTOR] = table!([u8; VECTOR], at => at % 16 / 4 * 4 + at % 4 % 2 * 2 + at % 4 / 2);

/// Where the codes of each channel's column are, given its rows in the four parts of a vector.
const COLUMN: [u8; VECTOR] = table!([u8; VECTOR], at => at % 4 * 16 + at / 4);

/// Where 32 bits are, the columns of a matrix becoming its rows.
const FOURS: [u32; VECTOR / 4] = table!([u32; VECTOR / 4], at => at % 4 * 4 + at / 4);

/// The same of the bytes of each part of a vector.
const COLUMN_OF_FOUR: [u8; VECTOR] = table!([u8; VECTOR], at => at % 4 * 4 + at % 16 / 4);
