//! The arithmetic of the layers, one file per instruction set; this is the one place where it is chosen.
//!
//! Every file has the same four functions. `portable` defines what they mean: those of a desk are tested against it, those of
//! chips and itself against the oracle. Slices have the lengths that [`stage`](crate::stage) checked; a kernel given
//! others computes something else or nothing, and neither panics nor leaves its slices.
//!
//! `scratch` is working memory that no kernel expects anything in. How much of it a stage gets is part of the file's
//! arena claim and so the same on every target, whether its kernels need it or not.

#[cfg(kernels = "armv7em")]
mod armv7em;
#[cfg(any(kernels = "armv7em", kernels = "armv7m", kernels = "armv6m", kernels = "scalar"))]
mod listed;
mod patch;
pub mod portable;
#[cfg(any(kernels = "armv7m", kernels = "armv6m", kernels = "scalar"))]
mod scalar;
#[cfg(any(kernels = "x86_64", kernels = "aarch64"))]
mod simd;
#[cfg(test)]
mod tests;
#[cfg(not(kernels = "portable"))]
mod window;

#[cfg(kernels = "armv7em")]
use armv7em as chosen;
#[cfg(kernels = "portable")]
use portable as chosen;
#[cfg(any(kernels = "armv7m", kernels = "armv6m", kernels = "scalar"))]
use scalar as chosen;
#[cfg(any(kernels = "x86_64", kernels = "aarch64"))]
use simd as chosen;

pub use chosen::{conv2d, dense, logits, max_pool2d};

/// The kernels that this build holds.
pub const KERNELS: &str = env!("THIMBLE_KERNELS");

/// Entries that a list of a dense kernel's inputs that are not zero has room for.
const LISTED: usize = 48;

/// Words of scratch for a convolution: the codes under the filter, 16 bits each, at all positions of the window.
#[must_use]
pub(crate) const fn conv2d_scratch(taps: usize, pool: bool) -> usize {
    let positions = if pool { 4 } else { 1 };
    positions * taps.next_multiple_of(2) / 2
}

/// Words of scratch for a fully connected layer: the list of inputs that are not zero with its end mark, two words an
/// entry, and a sum for each row.
#[must_use]
pub(crate) const fn dense_scratch(rows: usize) -> usize {
    2 * (LISTED + 1) + rows.next_multiple_of(2)
}

/// Taps of a convolution's filter, if all lengths fit each other and none is zero.
#[cfg(not(kernels = "portable"))]
fn taps_if_lengths_fit(stage: &crate::stage::Conv2dStage<'_>, output: &[u8]) -> Option<usize> {
    let taps = usize::from(stage.kernel) * usize::from(stage.kernel) * usize::from(stage.input.channels);
    let rows = stage.output.channels;
    let needed = crate::packing::packed_len(rows.into(), u32::try_from(taps).ok()?)?;
    let fits = needed as usize == stage.weights.len()
        && stage.channels.bytes().len() == 8 * usize::from(rows)
        && output.len() == stage.output.len();
    (fits && taps > 0 && rows > 0).then_some(taps)
}

/// As `chunks`, which in the eyes of the linker can divide by a length of zero.
#[cfg(not(kernels = "portable"))]
fn parts(mut bytes: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (part, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
        bytes = rest;
        (!part.is_empty()).then_some(part)
    })
}
