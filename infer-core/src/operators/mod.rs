//! The operators: what a layer is in the file, what is checked, what it needs, and which kernel it calls.
//!
//! Each has a file with all of that, and a line in the registry below. From the registry follow [`Layer`], the records of
//! a file, and [`Stage`], what runs.

mod add;
mod add_rescaled;
mod average_pool2d;
pub(crate) mod bits;
mod conv2d;
mod dense;
mod depthwise_conv2d;
mod logits;
mod max_pool2d;
mod operator;
mod window;

use serde::{Deserialize, Serialize};

pub use add::Add;
pub use add_rescaled::AddRescaled;
pub use average_pool2d::AveragePool2d;
pub use bits::{BRANCHES, OVERLAPS, POOLED, TWICE, UNPOOLED, VECTOR, WINOGRAD};
pub use conv2d::Conv2d;
pub use dense::Dense;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use logits::Logits;
pub use max_pool2d::MaxPool2d;
pub use operator::{BAND_ROWS, Band, Overlap, Rows};
pub(crate) use operator::{Flow, positive};

use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Layout, Ports, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::{
    AddOperands, AddRescaledOperands, AveragePool2dOperands, Conv2dOperands, DenseOperands, DepthwiseConv2dOperands,
    LogitsOperands, MaxPool2dOperands,
};
use operator::{Call, Record};

/// The bits of layouts.
const LAYOUTS: u32 = WINOGRAD | VECTOR;

/// The bit of a layout, of those in `OPERATORS`; none of the one that every program reads.
#[inline(always)]
const fn bit<const OPERATORS: u32>(layout: Layout) -> u32 {
    match layout {
        _ if const { OPERATORS & LAYOUTS == 0 } => 0,
        Layout::Compact => 0,
        Layout::Winograd => WINOGRAD,
        Layout::Vector => VECTOR,
    }
}

/// From a line for each operator, with its number in the file, its record and its kernel's operands: all that depends on which
/// operator it is. The first one gives the logits and is no stage.
macro_rules! registry {
    (
        last $(#[$last_doc:meta])* $last_number:literal $last:ident($last_record:ty) -> $last_operands:ty,
        $($(#[$doc:meta])* $number:literal $name:ident($record:ty) -> $operands:ty,)*
    ) => {
        /// A layer as it is in the file.
        ///
        /// Not `#[non_exhaustive]`: what reads or writes layers has to decide about each, and a new one does not compile
        /// before that.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum Layer<'a> {
            $(#[$last_doc])*
            $last($last_record),
            $($(#[$doc])* $name($record),)*
        }

        // In the file a record begins with its number, and serde's number of it is its position in `Layer`.
        const _: () = {
            let mut numbers: &[u32] = &[$last_number, $($number,)*];
            let mut position = 0;
            while let [number, rest @ ..] = numbers {
                assert!(*number == position, "operators are numbered from 0 in the order of the registry");
                assert!(position < UNPOOLED.trailing_zeros(), "the bits of operators end where others begin");
                numbers = rest;
                position += 1;
            }
        };

        /// All operators that there are, a bit each: bit `n` is operator `n`; with [`BRANCHES`], [`OVERLAPS`], [`WINOGRAD`],
        /// [`VECTOR`], [`TWICE`], [`POOLED`] and [`UNPOOLED`].
        pub const KNOWN: u32 =
            BRANCHES | OVERLAPS | WINOGRAD | VECTOR | TWICE | POOLED | UNPOOLED | (1 << $last_number) $(| 1 << $number)*;

        /// The bit of the operator that gives the logits.
        const LOGITS: u32 = 1 << $last_number;

        /// A stage whose output is codes: every one but the logits.
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

            /// Layers that it computes at once.
            #[must_use]
            pub fn layers(&self) -> u8 {
                match self {
                    $(Self::$name(operands) => operands.layers(),)*
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

            /// How its output may overlap an input.
            #[must_use]
            pub fn overlap(&self) -> Overlap {
                match self {
                    $(Self::$name(operands) => operands.overlap(),)*
                }
            }

            /// Makes it compute a [band](Rows::band) of its output alone.
            pub fn set_rows(&mut self, band: &Band) {
                match self {
                    $(Self::$name(operands) => operands.set_rows(band),)*
                }
            }

            /// Makes the second input the first one, where the output may be [in place](Overlap::InPlace).
            pub fn swap_inputs(&mut self) {
                match self {
                    $(Self::$name(operands) => operands.swap_inputs(),)*
                }
            }

            /// As [`call`](Self::call), and links no kernels but those of `OPERATORS`. There are no stages of others.
            #[inline]
            pub(crate) fn call_of<K: Kernels, const OPERATORS: u32>(
                &self,
                input: &[u8],
                second: &[u8],
                scratch: &mut [u32],
                output: &mut [u8],
            ) {
                match self {
                    $(Self::$name(operands) => {
                        if const { holds(OPERATORS, $number) } {
                            operands.call::<K, OPERATORS>(input, second, scratch, output);
                        }
                    })*
                }
            }

            /// The bits of the operator, of its layout, of its rounding and of its kernel.
            fn operator<const OPERATORS: u32>(&self) -> u32 {
                match self {
                    $(Self::$name(operands) => {
                        let twice = if const { OPERATORS & TWICE > 0 } && operands.rounds_twice() { TWICE } else { 0 };
                        1 << $number | bit::<OPERATORS>(operands.layout()) | twice | operands.kernel_bit()
                    })*
                }
            }
        }

        impl<'a> Layer<'a> {
            /// What the layer becomes if its lengths fit its inputs, for the exporter. Loops over channels are left to
            /// loading.
            pub(crate) fn step(&self, layer: u8, ports: &Ports, output: &mut Flow) -> Result<Step<'a>, Error> {
                match self {
                    Self::$last(record) => {
                        check::<KNOWN, _>(layer, ports, record)?;
                        record.operands::<KNOWN>(layer, ports, output, true).map(Step::Logits)
                    }
                    $(Self::$name(record) => {
                        check::<KNOWN, _>(layer, ports, record)?;
                        record.operands::<KNOWN>(layer, ports, output, true).map(|operands| Step::Stage(Stage::$name(operands)))
                    })*
                }
            }
        }

        impl<'a> Step<'a> {
            /// Reads a record and checks it. Records of others than `OPERATORS` cannot be read.
            #[inline]
            pub(crate) fn read<const OPERATORS: u32>(
                reader: &mut Reader<'a>,
                layer: u8,
                ports: &Ports,
                output: &mut Flow,
                checked: bool,
            ) -> Result<Self, Error> {
                let unread = Error::Payload { left: reader.left() };
                match reader.word() {
                    // Every model has logits, so that they are always linked.
                    Some($last_number) => {
                        let record = <$last_record>::read(reader).ok_or(unread)?;
                        check::<OPERATORS, _>(layer, ports, &record)?;
                        record.operands::<OPERATORS>(layer, ports, output, checked).map(Self::Logits)
                    }
                    $(Some($number) if const { holds(OPERATORS, $number) } => {
                        let record = <$record>::read(reader).ok_or(unread)?;
                        check::<OPERATORS, _>(layer, ports, &record)?;
                        let operands = record.operands::<OPERATORS>(layer, ports, output, checked);
                        operands.map(|operands| Self::Stage(Stage::$name(operands)))
                    })*
                    _ => Err(unread),
                }
            }
        }

        /// Multiply-accumulates of a record that was checked before; `None` where it cannot be read.
        pub(crate) fn macs<'a, const OPERATORS: u32>(reader: &mut Reader<'a>, input: Shape) -> Option<u64> {
            match reader.word()? {
                $last_number => Some(<$last_record>::read(reader)?.macs(input)),
                $($number if const { holds(OPERATORS, $number) } => Some(<$record>::read(reader)?.macs(input)),)*
                _ => None,
            }
        }
    };
}

registry! {
    last
    /// The last fully connected layer: its accumulators are the logits.
    0 Logits(Logits<'a>) -> LogitsOperands<'a>,
    /// Two-dimensional convolution with its activation, and the 2x2 max-pool after it.
    1 Conv2d(Conv2d<'a>) -> Conv2dOperands<'a>,
    /// Maximum of each window, or of the whole input.
    2 MaxPool2d(MaxPool2d) -> MaxPool2dOperands,
    /// Fully connected layer with its activation.
    3 Dense(Dense<'a>) -> DenseOperands<'a>,
    /// Sum of two inputs, with its activation.
    4 Add(Add) -> AddOperands,
    /// Mean of each window, or of the whole input.
    5 AveragePool2d(AveragePool2d) -> AveragePool2dOperands,
    /// Two-dimensional convolution of each channel by itself, with its activation.
    6 DepthwiseConv2d(DepthwiseConv2d<'a>) -> DepthwiseConv2dOperands<'a>,
    /// Sum of two inputs, each rounded before it is added, with its activation.
    7 AddRescaled(AddRescaled) -> AddRescaledOperands,
}

/// Those of models that round once: without [`TWICE`], and without the addition that goes with it.
pub const ROUNDED_ONCE: u32 = KNOWN & !bits::TWO_ROUNDINGS;

/// Those that [`Network::new`](crate::Network::new) links: [`KNOWN`] with the feature `twice-rounding`, else [`ROUNDED_ONCE`].
pub const ALL: u32 = if cfg!(feature = "twice-rounding") { KNOWN } else { ROUNDED_ONCE };

/// Whether `operators` has the bit of an operator.
const fn holds(operators: u32, number: u32) -> bool {
    operators >> number & 1 == 1
}

impl Stage<'_> {
    /// Calls the kernel, of [`ChosenKernels`](crate::kernels::ChosenKernels) or of others that are to be compared.
    /// `second` is empty where there is no second input, and where the first of two inputs is in `output` and `input` is
    /// the second.
    #[inline]
    pub fn call<K: Kernels>(&self, input: &[u8], second: &[u8], scratch: &mut [u32], output: &mut [u8]) {
        self.call_of::<K, KNOWN>(input, second, scratch, output);
    }
}

/// The layout of that number, which was found to be one that there is, of a program that holds such `OPERATORS`.
#[inline(always)]
fn layout<const OPERATORS: u32>(number: u8) -> Layout {
    if const { OPERATORS & LAYOUTS == 0 } { Layout::Compact } else { Layout::numbered(number).unwrap_or_default() }
}

/// Refuses another number of inputs than the operator takes, and the same input twice; and a layout of weights that such a layer
/// does not have, or the program.
#[inline(always)]
fn check<'m, const OPERATORS: u32, R: Record<'m>>(layer: u8, ports: &Ports, record: &R) -> Result<(), Error> {
    let number = record.layout();
    let has = |layout| record.has(layout, ports.input.shape);
    let has_layout = const { OPERATORS & LAYOUTS > 0 } && Layout::numbered(number).is_some_and(has);
    inputs(layer, ports, R::TWO_INPUTS, if has_layout { Layout::Compact.number() } else { number })
}

/// Refuses layouts other than the compact one.
fn inputs(layer: u8, ports: &Ports, two: bool, layout: u8) -> Result<(), Error> {
    let fits = match ports.second {
        Some(second) => two && second.source != ports.input.source,
        None => !two,
    };
    if layout != Layout::Compact.number() {
        Err(Error::Layout { layer, layout })
    } else if fits {
        Ok(())
    } else {
        Err(Error::InputCount { layer })
    }
}

/// What a record becomes.
pub(crate) enum Step<'a> {
    /// A kernel call whose output is codes.
    Stage(Stage<'a>),
    /// The last one.
    Logits(LogitsOperands<'a>),
}

impl Step<'_> {
    /// The bits of the operator, of its layout, of its rounding and of its kernel.
    pub(crate) fn operator<const OPERATORS: u32>(&self) -> u32 {
        match self {
            Self::Stage(stage) => stage.operator::<OPERATORS>(),
            Self::Logits(logits) => LOGITS | bit::<OPERATORS>(logits.layout),
        }
    }

    /// Layers that it computes at once.
    pub(crate) fn layers(&self) -> u8 {
        match self {
            Self::Stage(stage) => stage.layers(),
            Self::Logits(_) => 1,
        }
    }

    /// Bytes that come out.
    pub(crate) fn output_len(&self) -> usize {
        match self {
            Self::Stage(stage) => stage.output_len(),
            Self::Logits(logits) => usize::from(logits.classes) * size_of::<i32>(),
        }
    }

    /// Bytes of working memory.
    pub(crate) fn scratch_bytes(&self) -> usize {
        let words = match self {
            Self::Stage(stage) => stage.scratch_len(),
            Self::Logits(logits) => logits.scratch_len(),
        };
        words * size_of::<u32>()
    }

    /// How its output may overlap an input.
    pub(crate) fn overlap(&self) -> Overlap {
        match self {
            Self::Stage(stage) => stage.overlap(),
            Self::Logits(_) => Overlap::Apart,
        }
    }
}

/// A stage as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StageRecord<'a> {
    /// What it reads and where it works.
    pub ports: Ports,
    /// What it computes.
    #[serde(borrow)]
    pub layer: Layer<'a>,
}
