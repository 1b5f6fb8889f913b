//! The operators: what a layer is in the file, what is checked, what it needs, and which kernel it calls.
//!
//! Each has a file with all of that, and a line in the registry below. From the registry follow [`Layer`], the records of
//! a file, and [`Stage`], what runs.

mod conv2d;
mod dense;
mod logits;
mod max_pool2d;
mod operator;

use serde::{Deserialize, Serialize};

pub use conv2d::Conv2d;
pub use dense::Dense;
pub use logits::Logits;
pub use max_pool2d::MaxPool2d;
pub(crate) use operator::Flow;

use crate::Error;
use crate::format::reader::Reader;
use crate::kernels::Kernels;
use crate::kernels::operands::{Conv2dOperands, DenseOperands, LogitsOperands, MaxPool2dOperands};
use operator::{Call, Record};

/// From a line for each operator, with its number in the file, its record and its kernel's operands: all that asks which
/// operator it is. The last one gives the logits and is no stage.
macro_rules! registry {
    (
        $($(#[$doc:meta])* $number:literal $name:ident($record:ty) -> $operands:ty,)*
        last $(#[$last_doc:meta])* $last_number:literal $last:ident($last_record:ty) -> $last_operands:ty,
    ) => {
        /// A layer as it is in the file.
        ///
        /// Not `#[non_exhaustive]`: what reads or writes layers has to decide about each, and a new one does not compile
        /// before that.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum Layer<'a> {
            $($(#[$doc])* $name($record),)*
            $(#[$last_doc])*
            $last($last_record),
        }

        /// One kernel call that puts out codes.
        #[derive(Clone, Copy, Debug)]
        pub enum Stage<'a> {
            $($(#[$doc])* $name($operands),)*
        }

        impl Stage<'_> {
            /// The operator's name, for people.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(operands) => operands.name(),)*
                }
            }

            /// Bytes that come out.
            #[must_use]
            pub fn output_len(&self) -> usize {
                match self {
                    $(Self::$name(operands) => operands.output_len(),)*
                }
            }

            /// Words of working memory.
            #[must_use]
            pub fn scratch_len(&self) -> usize {
                match self {
                    $(Self::$name(operands) => Call::scratch_len(operands),)*
                }
            }

            /// Calls the kernel, of [`ChosenKernels`](crate::kernels::ChosenKernels) or of others that are to be compared.
            #[inline]
            pub fn call<K: Kernels>(&self, input: &[u8], scratch: &mut [u32], output: &mut [u8]) {
                match self {
                    $(Self::$name(operands) => operands.call::<K>(input, scratch, output),)*
                }
            }
        }

        impl<'a> Step<'a> {
            /// Reads a layer's record and checks it.
            #[inline]
            pub(crate) fn read(
                reader: &mut Reader<'a>,
                layer: u8,
                flow: &mut Flow,
                checked: bool,
            ) -> Result<Self, Error> {
                let unread = Error::Payload { left: reader.left() };
                match reader.word() {
                    $(Some($number) => {
                        let record = <$record>::read(reader).ok_or(unread)?;
                        record.operands(layer, flow, checked).map(|operands| Self::Stage(Stage::$name(operands)))
                    })*
                    Some($last_number) => {
                        let record = <$last_record>::read(reader).ok_or(unread)?;
                        record.operands(layer, flow, checked).map(Self::Logits)
                    }
                    _ => Err(unread),
                }
            }
        }

        /// Multiply-accumulates of a layer, across which it takes `flow`; `None` where it cannot be read or is refused.
        pub(crate) fn macs<'a>(reader: &mut Reader<'a>, layer: u8, flow: &mut Flow) -> Option<u64> {
            let input = flow.shape;
            let weights_per_output = match reader.word()? {
                $($number => {
                    let record = <$record>::read(reader)?;
                    record.operands(layer, flow, true).ok()?;
                    record.weights_per_output(input)
                })*
                $last_number => {
                    let record = <$last_record>::read(reader)?;
                    record.operands(layer, flow, true).ok()?;
                    record.weights_per_output(input)
                }
                _ => return None,
            };
            Some(flow.shape.values() * weights_per_output)
        }
    };
}

registry! {
    /// Two-dimensional convolution, stride 1, with its activation.
    0 Conv2d(Conv2d<'a>) -> Conv2dOperands<'a>,
    /// Maximum of each 2x2 window, stride 2; an odd last row or column is left out.
    1 MaxPool2d(MaxPool2d) -> MaxPool2dOperands,
    /// Fully connected layer with its activation.
    2 Dense(Dense<'a>) -> DenseOperands<'a>,
    last
    /// The last fully connected layer: its accumulators are the logits.
    3 Logits(Logits<'a>) -> LogitsOperands<'a>,
}

/// What a layer becomes.
pub(crate) enum Step<'a> {
    /// A kernel call that puts out codes.
    Stage(Stage<'a>),
    /// The last one.
    Logits(LogitsOperands<'a>),
}

impl<'a> Step<'a> {
    /// Takes the next layer too, if it is a max-pool that the stage's kernel runs along; whether it was.
    ///
    /// The maximum of the accumulators is taken first and requantized once, and the large map between the two never exists.
    /// As every multiplier is positive, that gives the same bits as running the layers apart.
    #[inline]
    pub(crate) fn fuse(&mut self, reader: &mut Reader<'a>, layer: u8, flow: &mut Flow) -> Result<bool, Error> {
        let Self::Stage(Stage::Conv2d(conv)) = self else { return Ok(false) };
        if !reader.take_byte(MAX_POOL_2D) {
            return Ok(false);
        }
        conv.output = MaxPool2d.operands(layer, flow, true)?.output;
        conv.pool = true;
        Ok(true)
    }
}

/// The whole record of a max-pool: its number, which fits in one byte of a varint.
const MAX_POOL_2D: u8 = 1;
