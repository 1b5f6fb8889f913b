//! The arithmetic of the layers, one file per instruction set; this is the one place where it is chosen.
//!
//! Every file has the same four functions. `portable` defines what they mean: each other file is tested against it,
//! and both against the oracle. Slices have the lengths that [`stage`](crate::stage) checked; a kernel given
//! others leaves outputs as they were, and never panics.
//!
//! `scratch` is working memory that no kernel expects anything in. How much of it a stage gets is part of the file's
//! arena claim and so the same on every target, whether its kernels need it or not.

#[cfg(kernels = "armv7em")]
mod armv7em;
#[cfg(kernels = "armv7em")]
mod listed;
mod patch;
pub mod portable;
#[cfg(kernels = "armv7em")]
mod window;

#[cfg(kernels = "armv7em")]
pub use armv7em::{conv2d, dense, logits, max_pool2d};
#[cfg(kernels = "portable")]
pub use portable::{conv2d, dense, logits, max_pool2d};

/// The kernels that this build holds.
pub const KERNELS: &str = if cfg!(kernels = "armv7em") { "armv7em" } else { "portable" };

/// Non-zero pairs of inputs that a dense kernel lists at a time.
const LISTED_PAIRS: usize = 48;

/// Words of scratch for a convolution: the codes under the filter, 16 bits each, at all positions of the window.
#[must_use]
pub(crate) const fn conv2d_scratch(taps: usize, pool: bool) -> usize {
    let positions = if pool { 4 } else { 1 };
    positions * taps.next_multiple_of(2) / 2
}

/// Words of scratch for a fully connected layer: the list of non-zero pairs of inputs with its end mark, two words
/// each, and a sum for each row.
#[must_use]
pub(crate) const fn dense_scratch(rows: usize) -> usize {
    2 * (LISTED_PAIRS + 1) + rows.next_multiple_of(2)
}
