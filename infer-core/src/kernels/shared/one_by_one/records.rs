//! Biases and multipliers of a block's rows, and what they make of sums.

use crate::kernels::operands::Rescale;
use crate::kernels::shared::sparse::Sparse;
use crate::packing::ROWS_PER_BLOCK;

/// Bias and multiplier of each row of a full block.
pub type Records = [[u32; 2]; ROWS_PER_BLOCK];

/// Records as they are where they are aligned, which they are in an aligned model, else a copy of them.
pub fn words<'r>(bytes: &'r [[u8; 8]; ROWS_PER_BLOCK], copy: &'r mut Records) -> &'r Records {
    if cfg!(target_endian = "little")
        && let Ok(words) = bytemuck::try_cast_ref(bytes)
    {
        return words;
    }
    copy_words(bytes, copy);
    copy
}

#[inline(never)]
fn copy_words(bytes: &[[u8; 8]; ROWS_PER_BLOCK], copy: &mut Records) {
    for (words, bytes) in copy.as_flattened_mut().iter_mut().zip(bytes.as_flattened().as_chunks().0) {
        *words = u32::from_le_bytes(*bytes);
    }
}

/// What becomes of a full block's sums.
pub struct Finish<'r> {
    /// Biases and multipliers.
    pub records: &'r Records,
    /// What is added to the sums of even rows: takes out the 128 that their weights have.
    pub start: u32,
    /// The part that is the same for all channels.
    pub rescale: Rescale,
}

impl Finish<'_> {
    /// What the sums begin with, those of even rows first.
    #[inline(always)]
    pub fn sums(&self) -> [u32; ROWS_PER_BLOCK] {
        let [[r0, _], [r1, _], [r2, _], [r3, _], [r4, _], [r5, _], [r6, _], [r7, _]] = *self.records;
        let [e0, e1, e2, e3] = [r0, r2, r4, r6].map(|bias| bias.wrapping_add(self.start));
        [e0, e1, e2, e3, r1, r3, r5, r7]
    }

    /// The codes of sums in that order.
    // Not inlined: multipliers would be read before the sums are made, and wait on the stack.
    #[inline(never)]
    pub fn codes<S: Sparse>(&self, sums: &[u32; ROWS_PER_BLOCK], codes: &mut [u8; ROWS_PER_BLOCK]) {
        let [e0, e1, e2, e3, o0, o1, o2, o3] = *sums;
        for ((code, sum), [_, multiplier]) in codes.iter_mut().zip([e0, o0, e1, o1, e2, o2, e3, o3]).zip(self.records) {
            *code = S::requantize(sum.cast_signed(), multiplier.cast_signed(), self.rescale);
        }
    }
}
