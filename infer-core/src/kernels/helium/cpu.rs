//! What the files of this folder have in common.

/// Tells the assembler of the vectors, which the target's name leaves open. The compiler keeps to the target's own instructions.
macro_rules! cpu {
    () => {
        ".cpu cortex-m55"
    };
}
pub(super) use cpu;

/// Whether bytes are at a multiple of a word, as loads of vectors of words want them.
pub fn in_words(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(4)
}
