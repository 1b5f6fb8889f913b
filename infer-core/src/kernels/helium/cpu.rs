//! What the files of this folder have in common.

/// Tells the assembler of the vectors, which the target's name leaves open. The compiler keeps to the target's own instructions.
macro_rules! cpu {
    () => {
        ".cpu cortex-m55"
    };
}
pub(super) use cpu;

/// Four sums become codes, given registers: of the sums, the left shift, the multipliers, the zero point, and where codes go.
macro_rules! requantize {
    ($sums:literal, $shift:literal, $multipliers:literal, $zero_point:literal, $codes:literal) => {
        concat!(
            "vshl.s32 ",
            $sums,
            ", ",
            $shift,
            "\n",
            "vrmulh.s32 ",
            $sums,
            ", ",
            $sums,
            ", ",
            $multipliers,
            "\n",
            "vadd.i32 ",
            $sums,
            ", ",
            $sums,
            ", ",
            $zero_point,
            "\n",
            "vqmovunb.s32 ",
            $sums,
            ", ",
            $sums,
            "\n",
            "vqmovnb.u16 ",
            $sums,
            ", ",
            $sums,
            "\n",
            "vstrb.32 ",
            $sums,
            ", [",
            $codes,
            "], #4\n",
        )
    };
}
pub(super) use requantize;

/// Whether bytes are at a multiple of a word, as loads of vectors of words want them.
pub fn in_words(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}
