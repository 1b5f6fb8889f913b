//! The operations of a training step, each with its own gradient. Activations are `f32`, `[n, height, width, channels]`,
//! channels innermost, as on the chip.
//!
//! candle's own convolution computes the gradient of raw images too, and uses one core for one input channel; its
//! max-pool gives the maximum a quarter of its gradient.
//!
//! | module | what it holds |
//! |---|---|
//! | `conv2d` | convolution of stride 1 with ReLU and a 2x2 max-pool as one operation: what the tutorial's networks have |
//! | `convolution` | convolution and depthwise convolution with any window, and batch normalization |
//! | `channels` | passes over maps, each channel with numbers of its own |
//! | `pools`, `max_pool2d` | pools with any window, and the 2x2 max-pool alone |
//! | `dense`, `matrix` | fully connected layers, and their products |
//! | `add`, `dropout`, `cross_entropy` | the other operations |
//! | `recorded`, `backward` | operations that ran, and the way back through them |
//! | `output`, `buffers` | the output of an operation, and its memory |
//! | `window`, `statistics` | what operations are told, and what they tell |
//!
//! Every sum is taken in an order that depends on shapes alone, never on how many threads there are or which ends
//! first: the same inputs give the same bits.

mod add;
mod backward;
mod buffers;
mod channels;
mod conv2d;
mod convolution;
mod cross_entropy;
mod dense;
mod dropout;
mod matrix;
mod max_pool2d;
mod output;
mod pools;
mod recorded;
mod statistics;
mod window;

use candle_core::{CpuStorage, Layout, Result, Tensor};

pub use add::add_recorded;
pub use backward::Backward;
pub use buffers::KeptMemory;
pub use conv2d::{Conv2dOptions, Padding, conv2d, conv2d_recorded};
pub use convolution::{Activation, ConvolutionOptions, convolution_batch_norm_recorded, convolution_recorded};
pub use cross_entropy::{SoftTarget, Targets, softmax_cross_entropy, softmax_cross_entropy_recorded};
pub use dense::{dense, dense_recorded};
pub use dropout::dropout_recorded;
pub use max_pool2d::{max_pool2d, max_pool2d_recorded};
pub use output::Output;
pub use pools::{pool_average_recorded, pool_max_recorded};
pub use recorded::{Gradients, Recorded};
pub use statistics::BatchStatistics;
pub use window::Window;

/// The values of a contiguous `f32` operand.
pub(crate) fn values<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("operand of shape {:?} is not contiguous", layout.shape()),
    }
}

/// Lends the values of a contiguous `f32` tensor on the CPU, without a copy.
pub(crate) fn with_values<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => read(values(storage, layout)?),
        _ => candle_core::bail!("training runs on the CPU"),
    }
}

/// The value within the range. One that is not a number stays what it is.
#[inline(always)]
fn clamp(value: f32, (low, high): (f32, f32)) -> f32 {
    // Each of these is one instruction, which `max` and `min` are not.
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

/// Images that one task takes of a batch of `n`: a fixed share, so that sums come out the same on any machine.
fn images_per_task(n: usize) -> usize {
    n.div_ceil(16).max(1)
}
