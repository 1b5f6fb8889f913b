//! Kernels for hosts: eight rows at a time in vectors, whatever those are.
//!
//! A block's weights for a pair of inputs are 16 bytes: eight 16-bit lanes, each the weights of two rows, the even row's in its
//! low byte, plus 128, and the odd row's in its high byte. Taken apart, each half times the pair of inputs, neighbors
//! added, is four sums. Wider vectors hold that of several blocks.

pub mod add;
pub mod average_pool;
pub mod conv2d;
pub mod dense;
pub mod depthwise;
pub mod lanes;
pub mod positions;

/// The kernels of hosts in vectors, for a set of kernels: its vectors of so many blocks, the lanes of depthwise convolutions, what its
/// functions are compiled for, and whether the processor has that. Layers that find no room are portable.
#[allow(unused_macros, reason = "each core takes what it needs")]
macro_rules! vector_kernels {
    ($set:ty, $vector:ty, $blocks:literal, $lanes:literal, [$($feature:meta)?], $is_there:expr) => {
        #[allow(unsafe_code, unused_unsafe, reason = "some functions are compiled for what the processor may not have")]
        impl $crate::kernels::Kernels for $set {
            fn conv2d(
                input: &[u8],
                operands: &$crate::kernels::operands::Conv2dOperands<'_>,
                scratch: &mut [u32],
                output: &mut [u8],
            ) {
                use $crate::kernels::shared::vectors::{conv2d::Tile, positions};
                type Tiles = Tile<$vector, $blocks>;

                $(#[$feature])?
                fn compiled(
                    input: &[u8],
                    operands: &$crate::kernels::operands::Conv2dOperands<'_>,
                    room: &mut [u16],
                    output: &mut [u8],
                ) {
                    positions::conv2d::<Tiles>(input, operands, room, output);
                }
                let is_computed = $is_there
                    && positions::with_conv2d_room::<Tiles>(operands, &mut |room| {
                        // SAFETY: the processor has what it is compiled for.
                        unsafe { compiled(input, operands, room, output) }
                    });
                if !is_computed {
                    $crate::kernels::portable::conv2d(input, operands, scratch, output);
                }
            }

            fn depthwise_conv2d(
                input: &[u8],
                operands: &$crate::kernels::operands::DepthwiseConv2dOperands<'_>,
                output: &mut [u8],
            ) {
                use $crate::kernels::shared::vectors::{depthwise, positions};

                $(#[$feature])?
                fn compiled(
                    input: &[u8],
                    operands: &$crate::kernels::operands::DepthwiseConv2dOperands<'_>,
                    room: &mut [u8],
                    output: &mut [u8],
                ) {
                    depthwise::depthwise_conv2d::<$lanes>(input, operands, room, output);
                }
                let needed = depthwise::needed::<$lanes>(operands).filter(|_| $is_there);
                let is_computed = needed.is_some_and(|needed| {
                    positions::with_room(needed, &mut |room| {
                        // SAFETY: the processor has what it is compiled for.
                        unsafe { compiled(input, operands, room, output) }
                    })
                });
                if !is_computed {
                    $crate::kernels::portable::depthwise_conv2d(input, operands, output);
                }
            }

            fn average_pool2d(
                input: &[u8],
                operands: &$crate::kernels::operands::AveragePool2dOperands,
                output: &mut [u8],
            ) {
                $(#[$feature])?
                fn compiled(
                    input: &[u8],
                    operands: &$crate::kernels::operands::AveragePool2dOperands,
                    output: &mut [u8],
                ) {
                    $crate::kernels::shared::vectors::average_pool::average_pool2d::<$lanes>(input, operands, output);
                }
                if $is_there {
                    // SAFETY: the processor has what it is compiled for.
                    unsafe { compiled(input, operands, output) }
                } else {
                    $crate::kernels::portable::average_pool2d(input, operands, output);
                }
            }

            fn add(other: &[u8], operands: &$crate::kernels::operands::AddOperands, sums: &mut [u8]) {
                $(#[$feature])?
                fn compiled(other: &[u8], operands: &$crate::kernels::operands::AddOperands, sums: &mut [u8]) {
                    $crate::kernels::shared::vectors::add::add(other, operands, sums);
                }
                if $is_there {
                    // SAFETY: the processor has what it is compiled for.
                    unsafe { compiled(other, operands, sums) }
                } else {
                    $crate::kernels::portable::add(other, operands, sums);
                }
            }

            fn dense(
                input: &[u8],
                operands: &$crate::kernels::operands::DenseOperands<'_>,
                scratch: &mut [u32],
                output: &mut [u8],
            ) {
                $(#[$feature])?
                fn compiled(
                    input: &[u8],
                    operands: &$crate::kernels::operands::DenseOperands<'_>,
                    scratch: &mut [u32],
                    output: &mut [u8],
                ) {
                    $crate::kernels::shared::vectors::dense::dense::<$vector, $blocks>(input, operands, scratch, output);
                }
                if $is_there {
                    // SAFETY: the processor has what it is compiled for.
                    unsafe { compiled(input, operands, scratch, output) }
                } else {
                    $crate::kernels::portable::dense(input, operands, scratch, output);
                }
            }

            fn logits(
                input: &[u8],
                operands: &$crate::kernels::operands::LogitsOperands<'_>,
                scratch: &mut [u32],
                output: &mut [i32],
            ) {
                $(#[$feature])?
                fn compiled(
                    input: &[u8],
                    operands: &$crate::kernels::operands::LogitsOperands<'_>,
                    scratch: &mut [u32],
                    output: &mut [i32],
                ) {
                    $crate::kernels::shared::vectors::dense::logits::<$vector, $blocks>(input, operands, scratch, output);
                }
                if $is_there {
                    // SAFETY: the processor has what it is compiled for.
                    unsafe { compiled(input, operands, scratch, output) }
                } else {
                    $crate::kernels::portable::logits(input, operands, scratch, output);
                }
            }
        }
    };
}
#[allow(unused_imports, reason = "each core takes what it needs")]
pub(in crate::kernels) use vector_kernels;
