//! The arithmetic of the layers, one file per instruction set; this is the one place where it is chosen.
//!
//! Every file has the same four functions. `portable` defines what they mean: each other file is tested against it,
//! and both against the oracle. Slices have the lengths that [`stage`](crate::stage) checked; a kernel given
//! others leaves outputs as they were, and never panics.

mod portable;

pub use portable::{conv2d, dense, logits, max_pool2d};

/// The kernels that this build holds.
pub const KERNELS: &str = "portable";
