//! The parts that a folder of images may have.

/// What folders of parts may be called: to train on, to validate on, to test on.
pub const PARTS: [&[&str]; 3] = [&["train", "training"], &["val", "valid", "validation"], &["test", "testing"]];

/// Which of the [`PARTS`] a folder of this name is.
pub fn part_of(name: &str) -> Option<usize> {
    PARTS.iter().position(|names| names.contains(&&*name.to_lowercase()))
}
