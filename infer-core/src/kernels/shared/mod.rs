//! What several cores have in common.
//!
//! | module | what it is | used by |
//! |---|---|---|
//! | `patch` | the codes under a filter | all |
//! | `window` | the same at the four positions of a 2x2 max-pool | microcontrollers |
//! | `sparse` | fully connected layers that visit nonzero inputs only | microcontrollers |
//! | `one_by_one` | kernels of cores that multiply one code by one weight at a time | `armv6m`, `armv7m`, `scalar`; its records by `riscv` |
//! | `winograd` | convolutions of 3x3 with weights in the layout of that name | all |
//! | `vectors` | kernels of cores with vectors | `aarch64`, `wasm`, `x86_64` |

pub mod one_by_one;
pub mod patch;
pub mod sparse;
pub mod vectors;
pub mod window;
pub mod winograd;

use super::operands::Conv2dOperands;
use crate::packing::packed_len;

/// Taps of a convolution's filter, if all lengths fit each other and none is zero.
pub fn taps_if_lengths_fit(operands: &Conv2dOperands<'_>, output: &[u8]) -> Option<usize> {
    let taps = operands.taps();
    let rows = operands.output.channels;
    let needed = packed_len(rows.into(), u32::try_from(taps).ok()?)?;
    let fits = needed as usize == operands.weights.len()
        && operands.channels.bytes().len() == 8 * usize::from(rows)
        && output.len() == operands.output.len();
    (fits && taps > 0 && rows > 0).then_some(taps)
}

/// As `chunks`, which in the eyes of the linker can divide by a length of zero.
pub fn parts(mut bytes: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (part, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
        bytes = rest;
        (!part.is_empty()).then_some(part)
    })
}
