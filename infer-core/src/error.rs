//! Every reason to refuse a model, an arena or an input.

use core::fmt;

use crate::format::Window;
use crate::operators::bits::TWO_ROUNDINGS;

/// Why a model was refused, or an input.
///
/// Flat, `Copy` and small, so that firmware can print it, store it or send it. `layer` counts the layers of the file
/// from 0.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The bytes end inside the header or inside the payload that the header announces.
    Truncated {
        /// Bytes the file should have.
        needed: usize,
        /// Bytes there are.
        given: usize,
    },
    /// The bytes do not begin with [`header::MAGIC`](crate::header::MAGIC): this is no model file, or not where it
    /// should be.
    NotAModel,
    /// The file was written for a newer format than this build reads: update the firmware, or export with an older
    /// trainer.
    NewerVersion {
        /// Format version of the file.
        found: u16,
        /// The format version this build reads.
        supported: u16,
    },
    /// The file was written for an older format than this build reads: export the model again.
    OlderVersion {
        /// Format version of the file.
        found: u16,
        /// The format version this build reads.
        supported: u16,
    },
    /// The header states another length than this format's header has.
    HeaderLength {
        /// Length stated in the file.
        found: u16,
        /// Length of this format's header.
        needed: u16,
    },
    /// The CRC-32 over header and payload is not the stored one: the file was damaged.
    Checksum {
        /// CRC-32 stored in the file.
        stored: u32,
        /// CRC-32 of what is there.
        computed: u32,
    },
    /// The payload is not the postcard encoding that this format version describes.
    Payload {
        /// Bytes that are left where something cannot be decoded.
        left: usize,
    },
    /// Bytes are left over between the last layer and the end of the payload.
    PayloadLeftOver {
        /// How many.
        bytes: usize,
    },
    /// There are no stages, or more than [`format::MAX_STAGES`](crate::format::MAX_STAGES).
    StageCount {
        /// Stages in the file.
        found: u32,
    },
    /// A dimension is zero, or a layer's output would be too large to count.
    Dimensions {
        /// The layer; the image's are reported as layer 0 too.
        layer: u8,
    },
    /// A window is empty, has no stride, or is beyond what its operator takes; as much padding as a window, or a window larger than
    /// its input with padding.
    Window {
        /// The layer.
        layer: u8,
        /// The window in the file.
        window: Window,
    },
    /// A max-pool is part of a convolution whose stride is not 1, or whose kernel is not square.
    FusedPool {
        /// The layer of the convolution.
        layer: u8,
    },
    /// The weights are not as many bytes as the layer's dimensions need.
    WeightLength {
        /// The layer.
        layer: u8,
        /// Bytes that the dimensions need.
        needed: usize,
        /// Bytes in the file.
        given: usize,
    },
    /// The weights are in a layout that this build does not know, or that such a layer does not have.
    Layout {
        /// The layer.
        layer: u8,
        /// Number of the layout in the file: [`format::Layout`](crate::format::Layout).
        layout: u8,
    },
    /// The table of biases and multipliers, and of shifts where sums are rounded twice, has not one entry per output channel.
    ChannelTableLength {
        /// The layer.
        layer: u8,
        /// Bytes that the output channels need.
        needed: usize,
        /// Bytes in the file.
        given: usize,
    },
    /// A multiplier is zero or negative; or, of an addition, not less than `2^22`.
    Multiplier {
        /// The layer.
        layer: u8,
        /// The output channel; of an addition, the input, 0 or 1; of one that rescales, 2 for the sum.
        channel: u16,
    },
    /// A shift is over 31; or, of an addition, not 1 to 23; or, of a channel whose sums are rounded twice, not -30 to 31.
    Shift {
        /// The layer.
        layer: u8,
        /// Shift in the file, its lowest byte.
        shift: u8,
    },
    /// A scale is not a positive finite number.
    Scale {
        /// The layer; the input's scale is reported as layer 0 too.
        layer: u8,
    },
    /// The zero point of the output of a layer with ReLU must be 0.
    ReluZeroPoint {
        /// The layer.
        layer: u8,
        /// Zero point in the file.
        zero_point: u8,
    },
    /// The logits layer must be there once, and last.
    LogitsLayer {
        /// The layer that is out of place.
        layer: u8,
    },
    /// A layer reads one input where its operator takes two, or two where it takes one, or the same one twice.
    InputCount {
        /// The layer.
        layer: u8,
    },
    /// A layer reads what is not the output of an earlier stage: another shape, zero point or place than that of the stage it names.
    Input {
        /// The layer.
        layer: u8,
    },
    /// What a layer reads was overwritten before.
    Overwritten {
        /// The layer.
        layer: u8,
    },
    /// A layer's inputs, output and scratch overlap where its operator does not allow it, or one of them is not at a
    /// word where it has to be, or its place is past 2^30.
    Place {
        /// The layer; the image's place is reported as layer 0 too.
        layer: u8,
    },
    /// The two inputs of an addition have not the same shape.
    InputShapes {
        /// The layer.
        layer: u8,
    },
    /// The metadata has another number of class names than the logits have classes.
    ClassNames {
        /// Names in the metadata.
        names: usize,
        /// Classes of the logits layer.
        classes: usize,
    },
    /// The header states other lengths of arena or input, another number of classes or other operators than the stages need.
    HeaderClaim {
        /// What it states.
        field: HeaderField,
        /// The figure in the header.
        stated: u32,
        /// The figure that the stages need.
        actual: u32,
    },
    /// The header asks for what this build cannot do.
    HeaderSetting {
        /// What for.
        field: HeaderField,
    },
    /// The header has a temperature or a threshold that is none: out of range, or not a number.
    HeaderRange {
        /// Which field.
        field: HeaderField,
    },
    /// The program was built without operators that the model has, or without the second rounding of its sums:
    /// [`Network::with_operators`](crate::Network::with_operators).
    OperatorsLeftOut {
        /// Which, a bit each: bit `n` is operator `n` of the [registry](crate::operators); with
        /// [`BRANCHES`](crate::operators::BRANCHES) and [`OVERLAPS`](crate::operators::OVERLAPS).
        operators: u32,
    },
    /// The arena given to [`Network::new`](crate::Network::new) is too small for this model.
    ArenaTooSmall {
        /// Bytes that the model needs: [`arena_len`](crate::arena_len).
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The input is not as long as the model's input shape needs.
    InputLength {
        /// Bytes that the model's input shape needs.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The model takes no frames: its input is neither gray nor RGB.
    InputChannels {
        /// Channels of the input.
        channels: u16,
    },
    /// A frame without pixels.
    FrameSize {
        /// Pixels of a row.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The rows of a frame overlap.
    FrameStride {
        /// Bytes of a row.
        needed: usize,
        /// Bytes from row to row.
        given: usize,
    },
    /// There are fewer bytes than the frame has, or than its row has.
    FrameLength {
        /// Bytes that it has.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The frame has another size than the input, and the model's preprocessing does not scale.
    FrameShape {
        /// Pixels of a row.
        width: u16,
        /// Rows.
        height: u16,
        /// Pixels that a row needs.
        needed_width: u16,
        /// Rows that are needed.
        needed_height: u16,
    },
    /// There is too little memory for the sums of a row.
    FrameMemory {
        /// Words that are needed.
        needed: usize,
        /// Words given.
        given: usize,
    },
    /// A frame that is turned by 90 or 270 degrees has no row of the input complete before its last row: it needs memory for a whole
    /// input.
    RotationNeedsInput,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, given } => {
                write!(f, "model truncated: {needed} bytes expected, {given} given; copy the whole file")
            }
            Self::NotAModel => f.write_str("not a model file: it does not begin with \"THIMBLE\""),
            Self::NewerVersion { found, supported } => {
                write!(
                    f,
                    "model format version {found} is newer than version {supported}, which this build reads; \
                     update the reader or export with an older trainer"
                )
            }
            Self::OlderVersion { found, supported } => {
                write!(
                    f,
                    "model format version {found} is older than version {supported}, which this build reads; \
                     export the model again"
                )
            }
            Self::HeaderLength { found, needed } => {
                write!(f, "model header states a length of {found} bytes, not {needed}")
            }
            Self::Checksum { stored, computed } => {
                write!(
                    f,
                    "model damaged: CRC-32 is {computed:08x}, the file states {stored:08x}; copy or export it again"
                )
            }
            Self::Payload { left } => write!(f, "model payload cannot be decoded, {left} bytes before its end"),
            Self::PayloadLeftOver { bytes } => write!(f, "model payload has {bytes} bytes after its last layer"),
            Self::StageCount { found } => {
                write!(f, "model has {found} stages; 1 to {} can be run", crate::format::MAX_STAGES)
            }
            Self::Dimensions { layer } => write!(f, "layer {layer}: a dimension is zero or too large"),
            Self::Window { layer, window: Window { size: [rows, columns], stride, padding } } => write!(
                f,
                "layer {layer}: a window of {rows}x{columns} with strides {stride:?} and padding {padding:?} is not \
                 supported, or does not fit its input"
            ),
            Self::FusedPool { layer } => {
                write!(
                    f,
                    "layer {layer}: a max-pool is fused with a convolution of another stride than 1, or not square"
                )
            }
            Self::WeightLength { layer, needed, given } => {
                write!(f, "layer {layer}: {given} bytes of weights where its dimensions need {needed}")
            }
            Self::Layout { layer, layout } => {
                write!(
                    f,
                    "layer {layer}: its weights are in layout {layout}, which this build does not know or such a layer \
                     does not have; update the reader or export with --layout compact"
                )
            }
            Self::ChannelTableLength { layer, needed, given } => {
                write!(f, "layer {layer}: channel table of {given} bytes where its channels need {needed}")
            }
            Self::Multiplier { layer, channel } => {
                write!(f, "layer {layer}: the multiplier of channel {channel} is out of range")
            }
            Self::Shift { layer, shift } => write!(f, "layer {layer}: a shift of {shift} is out of range"),
            Self::Scale { layer } => write!(f, "layer {layer}: a scale is not a positive finite number"),
            Self::ReluZeroPoint { layer, zero_point } => {
                write!(f, "layer {layer}: ReLU with zero point {zero_point}; it must be 0")
            }
            Self::LogitsLayer { layer } => {
                write!(f, "layer {layer}: the layer that gives the logits must be there once, as the last")
            }
            Self::InputCount { layer } => {
                write!(f, "layer {layer}: it reads another number of inputs than its operator takes, or one twice")
            }
            Self::Input { layer } => {
                write!(f, "layer {layer}: an input is not the output of the stage that it names")
            }
            Self::Overwritten { layer } => {
                write!(f, "layer {layer}: another layer has overwritten what it reads")
            }
            Self::Place { layer } => {
                write!(f, "layer {layer}: a place is misaligned, past 2^30, or overlaps another one")
            }
            Self::InputShapes { layer } => write!(f, "layer {layer}: its two inputs have different shapes"),
            Self::ClassNames { names, classes } => write!(f, "model names {names} classes and distinguishes {classes}"),
            Self::HeaderClaim { field, stated, actual } => {
                write!(f, "model header states {stated} {field} where the layers need {actual}")
            }
            Self::HeaderSetting { field } => {
                write!(f, "model header has a {field} that this build does not know; update the reader")
            }
            Self::HeaderRange { field } => {
                write!(f, "model header has a {field} that is out of range; export the model again")
            }
            Self::OperatorsLeftOut { operators } => write!(
                f,
                "this program lacks operators of the model (bits {operators:#x}); \
                 build it with `operators_of` this model, or use `Network::new`{}",
                if operators & TWO_ROUNDINGS == 0 { "" } else { ", with the feature twice-rounding" }
            ),
            Self::ArenaTooSmall { needed, given } => {
                write!(f, "arena too small: the model needs {needed} bytes, {given} given; size it by arena_len")
            }
            Self::InputChannels { channels } => {
                write!(f, "the model's input has {channels} channels; a frame becomes one of 1 (gray) or 3 (RGB)")
            }
            Self::FrameSize { width, height } => write!(f, "a frame {width} wide and {height} high has no pixels"),
            Self::FrameStride { needed, given } => {
                write!(f, "the rows of the frame are {needed} bytes long, but begin every {given} bytes")
            }
            Self::FrameLength { needed, given } => write!(f, "the frame needs {needed} bytes, {given} were given"),
            Self::FrameShape { width, height, needed_width, needed_height } => write!(
                f,
                "the frame is {width} wide and {height} high, and the model takes only what is {needed_width} wide and {needed_height} \
                 high: it was trained without resizing"
            ),
            Self::FrameMemory { needed, given } => {
                write!(f, "scaling a frame takes {needed} words of memory, {given} were given")
            }
            Self::RotationNeedsInput => f.write_str(
                "a frame that is turned by 90 or 270 degrees cannot be scaled row by row: give it as a whole",
            ),
            Self::InputLength { needed, given } => {
                write!(f, "input of {given} bytes where the model's input shape needs {needed}")
            }
        }
    }
}

impl core::error::Error for Error {}

/// A field of the header, for messages.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeaderField {
    /// [`Header::arena_len`](crate::Header::arena_len).
    ArenaLen,
    /// [`Header::input_len`](crate::Header::input_len).
    InputLen,
    /// [`Header::classes`](crate::Header::classes).
    Classes,
    /// [`Header::arena_with_image_len`](crate::Header::arena_with_image_len).
    ArenaWithImageLen,
    /// [`Header::layout`](crate::Header::layout).
    Layout,
    /// [`Header::preprocessing`](crate::Header::preprocessing).
    Preprocessing,
    /// [`Header::temperature`](crate::Header::temperature).
    Temperature,
    /// [`Header::threshold`](crate::Header::threshold).
    Threshold,
    /// [`Header::operators`](crate::Header::operators).
    Operators,
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArenaLen => "bytes of arena",
            Self::InputLen => "bytes of input",
            Self::Classes => "classes",
            Self::ArenaWithImageLen => "bytes of arena with the image",
            Self::Layout => "layout",
            Self::Preprocessing => "preprocessing",
            Self::Temperature => "temperature",
            Self::Threshold => "threshold",
            Self::Operators => "as bits of operators",
        })
    }
}
