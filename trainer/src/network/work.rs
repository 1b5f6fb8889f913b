//! What a stage computes, counted: what an estimate of its instructions is made of.

use serde::Deserialize;

/// What a kernel does, counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Which kernel.
    pub kernel: Kernel,
    /// Rows of weights, of a kernel with weights.
    pub rows: usize,
    /// Values that are put out: each is requantized.
    pub outputs: usize,
    /// Values that are read, and multiplied with each row: as often as a window covers them.
    pub inputs: usize,
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
    /// Convolution of each channel by itself.
    DepthwiseConv depthwise_conv,
    /// Max-pool by itself.
    MaxPool max_pool,
    /// Fully connected layer.
    Dense dense,
    /// Sum of two inputs.
    Add add,
    /// Mean of each window.
    AveragePool average_pool,
}

impl Work {
    /// Multiply-accumulates, outputs, inputs and places, where so many rows are computed together.
    #[must_use]
    pub fn counts(&self, block: usize) -> [f64; 4] {
        let macs = self.inputs * self.rows.next_multiple_of(block.max(1));
        [macs, self.outputs, self.inputs, self.places].map(|count| count as f64)
    }
}
