//! The bits of a model beside those of its operators.

/// Bit 31, beside those of operators: set where a stage reads more or other than the output of the stage before it.
pub const BRANCHES: u32 = 1 << 31;

/// Bit 30, beside those of operators: set where the output of a stage [overlaps](super::Overlap) an input.
pub const OVERLAPS: u32 = 1 << 30;

/// Bit 29, beside those of operators: set where weights are in the layout [`Winograd`](crate::format::Layout::Winograd).
pub const WINOGRAD: u32 = 1 << 29;

/// Bit 28, beside those of operators: set where weights are in the layout [`Vector`](crate::format::Layout::Vector).
pub const VECTOR: u32 = 1 << 28;

/// Bit 27, beside those of operators: set where sums are [rounded twice](crate::format::Requantize::TWICE).
pub const TWICE: u32 = 1 << 27;

/// Bit 26, beside those of operators: set where a convolution with compact weights that rounds once has a pool after it.
pub const POOLED: u32 = 1 << 26;

/// Bit 25, beside those of operators: set where a convolution with compact weights that rounds once has no pool after it.
pub const UNPOOLED: u32 = 1 << 25;

/// The bits of what only programs with the feature `twice-rounding` run: [`TWICE`], and the operator that rescales sums.
pub(crate) const TWO_ROUNDINGS: u32 = TWICE | 1 << 7;
