//! What a stage computes, counted: what an estimate of its instructions is made of.

use serde::Deserialize;

/// What a kernel does, counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Which kernel.
    pub kernel: Kernel,
    /// Rows of weights, of a kernel with weights.
    pub rows: usize,
    /// Values of the output: each is requantized.
    pub outputs: usize,
    /// Values that are read, and multiplied with each row: as often as a window covers them. Padding counts where a kernel
    /// computes with it as with any value.
    pub inputs: usize,
    /// Those of windows that hang over an edge, of a kernel that computes them in another way.
    pub edges: usize,
    /// Rows of windows: the values of each are read one after the other. 0 of a kernel without windows.
    pub runs: usize,
    /// Positions of the output, all channels of a position together.
    pub places: usize,
}

/// From a list of kernels, each with its key in a table of costs: the kernels, and what there is one of for each.
macro_rules! kernels {
    ($($(#[$doc:meta])* $Name:ident $key:ident,)*) => {
        /// What is computed in one call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kernel {
            $($(#[$doc])* $Name,)*
        }

        impl Kernel {
            /// All kernels.
            pub const ALL: &[Self] = &[$(Self::$Name,)*];

            /// Its key in a table of costs.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self {
                    $(Self::$Name => stringify!($key),)*
                }
            }
        }

        /// Something of each kernel.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct PerKernel<T> {
            $($(#[$doc])* pub $key: T,)*
        }

        impl<T> PerKernel<T> {
            /// That of a kernel.
            #[must_use]
            pub fn of(&self, kernel: Kernel) -> &T {
                match kernel {
                    $(Kernel::$Name => &self.$key,)*
                }
            }
        }
    };
}

kernels! {
    /// Convolution.
    Conv conv,
    /// Convolution with the max-pool after it.
    ConvPool conv_pool,
    /// Convolution of 3x3 with transformed weights. Its inputs are those that are multiplied with each row, 16 for each channel at each
    /// tile of 2x2 outputs; its places are the tiles.
    Winograd winograd,
    /// The same with the max-pool after it.
    WinogradPool winograd_pool,
    /// Convolution with weights in vectors. Its inputs are all under the filter, filled up to vectors.
    VectorConv vector_conv,
    /// The same with the max-pool after it.
    VectorConvPool vector_conv_pool,
    /// Convolution of each channel by itself.
    DepthwiseConv depthwise_conv,
    /// The same with kernels of 3x3 and a stride of 1 or 2, for which chips have kernels that keep a channel's weights in registers and
    /// read each input once for all outputs of a row. Its inputs are those that are read so, its runs the rows of each channel.
    DepthwiseConv3x3 depthwise_conv_3x3,
    /// Convolution of each channel by itself with weights in vectors.
    VectorDepthwiseConv vector_depthwise_conv,
    /// Max-pool by itself, of windows of 2x2 side by side.
    MaxPool max_pool,
    /// Max-pool of other windows.
    WindowMaxPool window_max_pool,
    /// Fully connected layer.
    Dense dense,
    /// The same with weights in vectors.
    VectorDense vector_dense,
    /// Sum of two inputs.
    Add add,
    /// Mean of each window.
    AveragePool average_pool,
}

impl Work {
    /// Things that are counted.
    pub const COUNTS: usize = 6;

    /// Multiply-accumulates, outputs, inputs, those at edges, runs and places, where so many rows are computed together.
    #[must_use]
    pub fn counts(&self, block: usize) -> [f64; Self::COUNTS] {
        let Self { kernel: _, rows, outputs, inputs, edges, runs, places } = *self;
        let macs = inputs * rows.next_multiple_of(block.max(1));
        [macs, outputs, inputs, edges, runs, places].map(|count| count as f64)
    }
}
