//! The least probabilities of single classes: what a file may have after its last stage.

/// Thresholds of classes that have their own, two bytes a class, little-endian, in steps of 2^-16; empty where there is no table.
///
/// An answer has to reach its class's own threshold and that of the [header](crate::Header::threshold), so that a class with 0 has
/// that of the header alone. Any bytes are such a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Thresholds<'m> {
    bytes: &'m [u8],
}

impl<'m> Thresholds<'m> {
    /// Those of a file: two bytes for each class, or none.
    #[must_use]
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes of a table for so many classes.
    #[must_use]
    pub const fn len(classes: u16) -> usize {
        size_of::<u16>() * classes as usize
    }

    /// The bytes in the file.
    #[must_use]
    pub const fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// The class's own threshold, 0 where it has none.
    #[must_use]
    pub fn of(&self, class: usize) -> f32 {
        let (steps, _) = self.bytes.as_chunks();
        steps.get(class).map_or(0.0, |&steps| Self::probability(u16::from_le_bytes(steps)))
    }

    /// What so many steps of 2^-16 are, exactly.
    #[must_use]
    pub const fn probability(steps: u16) -> f32 {
        steps as f32 / 65536.0
    }
}
