//! What the files of this folder have in common.

/// Tells the assembler of a core whose target's name leaves the extension open.
#[cfg(armv8m)]
macro_rules! cpu {
    () => {
        ".cpu cortex-m33"
    };
}
/// The target's name is enough.
#[cfg(not(armv8m))]
macro_rules! cpu {
    () => {
        ""
    };
}
pub(super) use cpu;

/// Pairs of taps whose sums are exact without a fold.
pub const PAIRS_PER_FOLD: usize = 128;

/// Whether bytes are at a multiple of a word, as LDRD and LDM want them.
pub fn in_words(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}
