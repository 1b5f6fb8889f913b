//! The payload of a model file: what postcard writes and reads, weights borrowed from the file.
//!
//! In this order: [`Metadata`], [`Input`], the place of the image, the number of stages, the
//! [stages](crate::operators::StageRecord) in the order they run, the [`Thresholds`] of classes that have their own; place and number
//! are varints. A stage begins with its
//! [`Ports`]: what it reads and where in the arena everything is. It repeats shape, zero point and place of its inputs, so
//! that nothing has to be looked up while it runs. That they agree with the stages that it names, and that what it reads
//! was not overwritten, is checked when the file is loaded.

pub(crate) mod crc32;
pub(crate) mod reader;
mod shape;
mod thresholds;

use serde::{Deserialize, Serialize, Serializer};

pub use shape::Shape;
pub use thresholds::Thresholds;

use crate::camera::Preprocessing;

/// Stages that a file may hold.
pub const MAX_STAGES: usize = 128;

/// Where a model comes from and what its answers mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Metadata<'a> {
    /// Version of the trainer that wrote the file.
    pub trainer: &'a str,
    /// Name of the data set the model was trained on.
    pub dataset: &'a str,
    /// Name of the architecture.
    pub architecture: &'a str,
    /// The names of the classes in the order of the logits, one per line; see [`class_names`](Self::class_names).
    pub class_lines: &'a str,
    /// What the trainer has to know of the images that the model was trained on; not interpreted here.
    pub images: &'a str,
    /// Accuracy of the float model on the test set, 0 to 1.
    pub float_test_accuracy: Option<f32>,
    /// Accuracy of this quantized model on the test set, 0 to 1.
    pub int8_test_accuracy: Option<f32>,
}

impl<'a> Metadata<'a> {
    /// The names of the classes in the order of the logits.
    ///
    /// By hand, as `str::lines` can panic in the eyes of the linker.
    pub fn class_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.class_lines;
        core::iter::from_fn(move || {
            let end = rest.bytes().position(|byte| byte == b'\n');
            let (name, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            rest = after.get(1..).unwrap_or_default();
            (end.is_some() || !name.is_empty()).then_some(name)
        })
    }

    /// The name of one class.
    #[must_use]
    pub fn class_name(&self, class: usize) -> Option<&'a str> {
        self.class_names().nth(class)
    }
}

/// What `u8` codes mean: `real = scale * (code - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Codes {
    /// Real value of one step.
    pub scale: f32,
    /// The code that means 0.
    pub zero_point: u8,
}

/// The network's input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Input {
    /// Shape of one image.
    pub shape: Shape,
    /// What its bytes mean.
    pub codes: Codes,
    /// How a frame becomes one.
    pub preprocessing: Preprocessing,
}

impl Input {
    /// An input that takes frames of its own size only, as they are.
    #[must_use]
    pub const fn new(shape: Shape, codes: Codes) -> Self {
        Self { shape, codes, preprocessing: Preprocessing::AS_IT_IS }
    }
}

/// An input of a stage, as that stage describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tensor {
    /// Where it comes from: 0 is the image, `n` the output of stage `n - 1`.
    pub source: u8,
    /// How many codes.
    pub shape: Shape,
    /// The code that means 0.
    pub zero_point: u8,
    /// Where it begins in the arena, in bytes.
    pub place: u32,
}

/// What a stage reads, and where it works. Places are in bytes from the first word of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ports {
    /// What it reads.
    pub input: Tensor,
    /// What it reads besides; another source.
    pub second: Option<Tensor>,
    /// Where its output begins; logits, at a multiple of four.
    pub output: u32,
    /// Where its scratch begins, at a multiple of four; 0 where it needs none.
    pub scratch: u32,
}

impl Ports {
    /// Of a stage that reads the output of stage `source - 1`, or the image. [`plan::place`](crate::plan::place) fills
    /// in the rest.
    #[must_use]
    pub const fn of(source: u8) -> Self {
        Self { input: Tensor::of(source), second: None, output: 0, scratch: 0 }
    }

    /// Of a stage that reads two of them.
    #[must_use]
    pub const fn of_two(source: u8, second: u8) -> Self {
        Self { second: Some(Tensor::of(second)), ..Self::of(source) }
    }

    /// Its one or two inputs.
    pub fn inputs(&self) -> impl Iterator<Item = &Tensor> {
        // Not `chain`, which is larger on a chip.
        let mut next = Some(&self.input);
        let mut second = self.second.as_ref();
        core::iter::from_fn(move || core::mem::replace(&mut next, second.take()))
    }

    pub(crate) fn inputs_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        core::iter::once(&mut self.input).chain(&mut self.second)
    }
}

impl Tensor {
    const fn of(source: u8) -> Self {
        Self { source, shape: Shape::flat(0), zero_point: 0, place: 0 }
    }
}

/// A window that moves over an input: of a convolution, of a pool.
///
/// All positions at which it is inside of the padded input, from the upper left on; rows and columns that are left over
/// below and to the right are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Window {
    /// Rows and columns.
    pub size: [u8; 2],
    /// Rows and columns from one position to the next.
    pub stride: [u8; 2],
    /// Rows or columns of padding above, to the left, below and to the right; less than the window has.
    pub padding: [u8; 4],
}

impl Window {
    /// Of a pool: the whole input.
    pub const WHOLE: Self = Self { size: [0; 2], stride: [1; 2], padding: [0; 4] };

    /// A square window without padding.
    #[must_use]
    pub const fn square(size: u8, stride: u8) -> Self {
        Self { size: [size; 2], stride: [stride; 2], padding: [0; 4] }
    }

    /// Rows of padding above.
    #[must_use]
    pub const fn above(&self) -> u8 {
        let [above, ..] = self.padding;
        above
    }

    /// Columns of padding to the left.
    #[must_use]
    pub const fn left(&self) -> u8 {
        let [_, left, ..] = self.padding;
        left
    }
}

/// How the weights of a layer lie in the file. Whatever it is, a layer computes the same codes.
///
/// A record has its [number](Self::number).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// Of a depthwise convolution, kernel after kernel; else in [blocks of eight rows](crate::packing). A byte a weight.
    #[default]
    Compact,
    /// Of a convolution of 3x3 with a stride of 1: transformed, for [fewer multiplications](crate::packing::winograd).
    /// 32 bytes for each nine weights.
    Winograd,
    /// For [vectors](crate::packing::vector) that add up products of sixteen neighbors. A byte a weight, and a row of a matrix is filled
    /// up to a multiple of sixteen.
    Vector,
}

impl Layout {
    /// All layouts, by number.
    pub const ALL: [Self; 3] = [Self::Compact, Self::Winograd, Self::Vector];

    /// Its number in the file.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Compact => 0,
            Self::Winograd => 1,
            Self::Vector => 2,
        }
    }

    /// The layout of that number, if there is one.
    #[must_use]
    pub const fn numbered(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Compact),
            1 => Some(Self::Winograd),
            2 => Some(Self::Vector),
            _ => None,
        }
    }

    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Winograd => "winograd",
            Self::Vector => "vector",
        }
    }
}

/// How a layer's `i32` accumulators become `u8` codes:
/// `q = clamp(zero_point + (((acc << shift) as i64 * multiplier + 2^31) >> 32), 0, 255)`.
///
/// With [`Requantize::TWICE`] for its shift, a layer rounds twice, as TFLite's reference kernels do: a half up to the
/// multiplier's own precision, then a half away from zero. Each channel has a shift `s` of its own, to the right, or to the
/// left before the multiplication where it is negative:
///
/// ```text
/// t = ((acc << max(-s, 0)) as i64 * multiplier + 2^30) >> 31
/// q = clamp(zero_point + sign(t) * ((|t| + 2^(s - 1)) >> s), 0, 255)      s > 0; else zero_point + t
/// ```
///
/// A fully connected layer with that shift rounds once, as those kernels do, with all bits of its multiplier:
/// `q = clamp(zero_point + (((acc << max(-s, 0)) as i64 * multiplier + 2^(30 + r)) >> (31 + r)), 0, 255)`, `r = max(s, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Requantize<'a> {
    /// What the codes mean.
    pub codes: Codes,
    /// Whether the layer ends in ReLU. The clamp does it, as the zero point is then 0.
    pub relu: bool,
    /// Left shift of the accumulator, the same for all channels; 0 unless a multiplier would not fit otherwise. Or
    /// [`TWICE`](Self::TWICE).
    pub shift: u8,
    /// Bias and multiplier of each output channel, two little-endian `i32` a channel. Of a layer that rounds twice first all
    /// biases, then all multipliers, then all shifts, -30 to 31.
    #[serde(borrow)]
    pub channels: Blob<'a>,
}

impl Requantize<'_> {
    /// The [shift](Self::shift) of a layer that rounds twice.
    pub const TWICE: u8 = 0xFF;
}

/// Bytes that the exporter puts at a multiple of four from the beginning of the file, by the padding before them. Loading does not
/// check that; kernels take any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Blob<'a> {
    /// 0 to 3 zero bytes.
    #[serde(serialize_with = "as_bytes")]
    pub padding: &'a [u8],
    /// The bytes themselves.
    #[serde(serialize_with = "as_bytes")]
    pub data: &'a [u8],
}

impl<'a> Blob<'a> {
    /// A blob without padding yet.
    #[must_use]
    pub const fn unpadded(data: &'a [u8]) -> Self {
        Self { padding: &[], data }
    }
}

/// The same bytes on the wire as serde's own sequence of `u8`, written in one piece instead of byte by byte.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}
