//! The shape of an activation.

use serde::{Deserialize, Serialize};

/// Height, width and channels of an activation, stored `[height, width, channels]`, channels innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Values per pixel.
    pub channels: u16,
}

impl Shape {
    /// A flat vector of `channels` values.
    #[must_use]
    pub const fn flat(channels: u16) -> Self {
        Self { height: 1, width: 1, channels }
    }

    /// Number of values, `None` where it does not fit in 32 bits.
    #[must_use]
    pub const fn checked_len(self) -> Option<u32> {
        match (self.height as u32).checked_mul(self.width as u32) {
            Some(pixels) => pixels.checked_mul(self.channels as u32),
            None => None,
        }
    }

    /// Number of values.
    ///
    /// Wraps where [`checked_len`](Self::checked_len) is `None`; no shape of a loaded network is that large.
    #[must_use]
    pub const fn len(self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }

    /// Number of values, however large the shape.
    pub(crate) const fn values(self) -> u64 {
        self.height as u64 * self.width as u64 * self.channels as u64
    }

    /// Whether there is no value at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.height == 0 || self.width == 0 || self.channels == 0
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}
