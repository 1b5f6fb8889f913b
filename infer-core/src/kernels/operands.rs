//! What kernels are given: plain arguments, and how much scratch each of them needs.
//!
//! Operators make these once everything in the file was checked; kernels know nothing else of a model.

use crate::format::{Layout, Requantize, Shape, Window};
use crate::packing::vector::{CODES_PER_VECTOR, ROWS_PER_GROUP};
use crate::packing::winograd::{CHANNELS_PER_GROUP, PRODUCTS};

/// Nonzero inputs, or pairs of inputs, that a fully connected kernel collects at a time, at least.
const SPARSE_ENTRIES: usize = 48;

/// Words of scratch of a fully connected kernel, at most.
const SPARSE_WORDS: usize = 386;

/// Rows whose sums a fully connected kernel keeps at a time where those of all take more scratch than it gets. Full blocks; the
/// list has 104 entries then.
const SPARSE_ROWS: usize = 176;

/// A convolution, with the max-pool after it if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dOperands<'m> {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out, after the pool.
    pub output: Shape,
    /// The kernel, its stride and its padding.
    pub window: Window,
    /// Rows of padding above these rows of the input.
    pub pad_above: u8,
    /// The code that surrounds the input: its zero point.
    pub pad_code: u8,
    /// Whether a 2x2 max-pool follows; only after a square kernel of stride 1.
    pub pool: bool,
    /// Zero point and left shift.
    pub rescale: Rescale,
    /// Bias and multiplier of each output channel.
    pub channels: ChannelTable<'m>,
    /// How the weights lie.
    pub layout: Layout,
    /// Weights `[output channels, rows * columns * input channels]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

impl Conv2dOperands<'_> {
    /// Weights of an output channel: products that an output sums up.
    #[must_use]
    pub const fn taps(&self) -> usize {
        let [rows, columns] = self.window.size;
        rows as usize * columns as usize * self.input.channels as usize
    }

    /// Height and width of a kernel before a pool.
    pub(super) const fn pooled_kernel(&self) -> usize {
        let [_, columns] = self.window.size;
        columns as usize
    }

    /// Words of scratch.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        if self.rescale.rounds_twice() {
            return self.rounded_twice_scratch();
        }
        match self.layout {
            Layout::Compact => conv2d_scratch(self.taps(), self.pool),
            Layout::Winograd => winograd_scratch(self.input.channels),
            Layout::Vector => vector_scratch(self.taps()),
        }
    }
}

impl Conv2dOperands<'_> {
    /// Of one that rounds twice: the codes under the filter at a position, the sums of its channels, with a pool those of another
    /// position too, and what the fully connected kernel takes that computes them.
    // Not inlined, for size.
    #[inline(never)]
    const fn rounded_twice_scratch(&self) -> usize {
        let positions = if self.pool { 2 } else { 1 };
        let sums = positions * self.output.channels as usize;
        self.taps().div_ceil(size_of::<u32>()) + sums + fully_connected_scratch(self.layout, self.output.channels)
    }
}

/// Positions whose codes under the filter are gathered at a time for weights in the layout [`Vector`](Layout::Vector).
pub(super) const PATCHES: usize = 4;

/// These codes, each position filled up to vectors.
pub(super) const fn vector_scratch(taps: usize) -> usize {
    PATCHES * taps.next_multiple_of(CODES_PER_VECTOR) / size_of::<u32>()
}

/// The codes under the filter, 16 bits each, at all positions of the window; without a pool at two positions.
pub(super) const fn conv2d_scratch(taps: usize, pool: bool) -> usize {
    let positions = if pool { 4 } else { 2 };
    positions * taps.next_multiple_of(2) / 2
}

/// Tiles of 2x2 outputs that a kernel of the layout [`Winograd`](Layout::Winograd) transforms at a time.
pub(super) const TILES: usize = 2;

/// The transformed codes under so many tiles, 16 bits each, and the channels of a pixel.
pub(super) const fn winograd_scratch(channels: u16) -> usize {
    let groups = channels as usize / CHANNELS_PER_GROUP;
    TILES * PRODUCTS * 2 * groups + groups
}

/// A convolution of each channel by itself.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2dOperands<'m> {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out.
    pub output: Shape,
    /// Output channels for each input channel.
    pub multiplier: u8,
    /// The kernel, its stride and its padding.
    pub window: Window,
    /// Rows of padding above these rows of the input.
    pub pad_above: u8,
    /// The code that surrounds the input: its zero point.
    pub pad_code: u8,
    /// Zero point and left shift.
    pub rescale: Rescale,
    /// Bias and multiplier of each output channel.
    pub channels: ChannelTable<'m>,
    /// How the weights lie.
    pub layout: Layout,
    /// Weights `[output channels, rows, columns]`, an `i8` each.
    pub weights: &'m [u8],
}

/// A max-pool that no convolution comes before.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dOperands {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out.
    pub output: Shape,
    /// Rows and columns of a window: those of `window`, or of the whole input.
    pub size: [u16; 2],
    /// Its stride and its padding.
    pub window: Window,
    /// Rows of padding above these rows of the input.
    pub pad_above: u8,
}

/// The mean of each window.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool2dOperands {
    /// Shape that goes in.
    pub input: Shape,
    /// Shape that comes out.
    pub output: Shape,
    /// Rows and columns of a window: those of `window`, or of the whole input.
    pub size: [u16; 2],
    /// Its stride and its padding.
    pub window: Window,
    /// Rows of padding above these rows of the input.
    pub pad_above: u8,
    /// The code of the input that means 0.
    pub input_zero_point: u8,
    /// What the sum of a window with one value is multiplied by, positive.
    pub multiplier: i32,
    /// Zero point and left shift.
    pub rescale: Rescale,
}

/// The sum of two inputs, value by value.
#[derive(Clone, Copy, Debug)]
pub struct AddOperands {
    /// Values of each input, and of the output.
    pub len: usize,
    /// What the values of each input are multiplied by, 1 to `2^22 - 1`.
    pub multipliers: [i32; 2],
    /// The code of each input that means 0.
    pub zero_points: [u8; 2],
    /// The code of the output that means 0.
    pub zero_point: u8,
    /// Bits that the sum is shifted right by, 1 to 23.
    pub shift: u8,
}

impl AddOperands {
    /// What a sum begins with: half of the step that is shifted out, without what the zero points of the inputs add up to.
    pub(super) const fn start(&self) -> i32 {
        let ([m1, m2], [zp1, zp2]) = (self.multipliers, self.zero_points);
        let half = 1i32.wrapping_shl(self.shift as u32) >> 1;
        half.wrapping_sub((zp1 as i32).wrapping_mul(m1)).wrapping_sub((zp2 as i32).wrapping_mul(m2))
    }
}

/// The sum of two inputs, value by value, each brought to a common scale before: `x * 2^20` times a multiplier, rounded, and so is what
/// becomes of the sum.
#[derive(Clone, Copy, Debug)]
pub struct AddRescaledOperands {
    /// Values of each input, and of the output.
    pub len: usize,
    /// The code of each input that means 0.
    pub zero_points: [u8; 2],
    /// What each input is multiplied by.
    pub inputs: [Scaling; 2],
    /// What the sum is multiplied by.
    pub sum: Scaling,
    /// The code of the output that means 0.
    pub zero_point: u8,
}

/// `2^-31` times a multiplier, [rounded twice](super::portable::round_twice).
#[derive(Clone, Copy, Debug)]
pub struct Scaling {
    /// The multiplier, positive.
    pub multiplier: i32,
    /// Right shift after it, 0 to 31; to the left before it where it is negative, down to -30.
    pub shift: i32,
}

/// A fully connected layer whose output is codes.
#[derive(Clone, Copy, Debug)]
pub struct DenseOperands<'m> {
    /// Values that come out.
    pub outputs: u16,
    /// Zero point and left shift.
    pub rescale: Rescale,
    /// Bias and multiplier of each output.
    pub channels: ChannelTable<'m>,
    /// How the weights lie.
    pub layout: Layout,
    /// Weights `[outputs, inputs]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

impl DenseOperands<'_> {
    /// Words of scratch.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        // Where it rounds twice, sums are kept until they all are there.
        let sums = if self.rescale.rounds_twice() { self.outputs as usize } else { 0 };
        sums + fully_connected_scratch(self.layout, self.outputs)
    }
}

/// The last layer.
#[derive(Clone, Copy, Debug)]
pub struct LogitsOperands<'m> {
    /// Number of classes.
    pub classes: u16,
    /// Real value of one step of a logit.
    pub scale: f32,
    /// `i32` biases, little-endian, one per class.
    pub biases: &'m [u8],
    /// How the weights lie.
    pub layout: Layout,
    /// Weights `[classes, inputs]`, [packed](crate::packing).
    pub weights: &'m [u8],
}

impl LogitsOperands<'_> {
    /// Words of scratch.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        fully_connected_scratch(self.layout, self.classes)
    }
}

/// The list of nonzero inputs with its end mark, two words an entry, and a sum for each row that is computed at a time; of vectors the
/// sums of two groups at a time.
pub(super) const fn fully_connected_scratch(layout: Layout, rows: u16) -> usize {
    let rows = rows as usize;
    match layout {
        Layout::Compact | Layout::Winograd if sparse_rows(rows) < rows => SPARSE_WORDS,
        Layout::Compact | Layout::Winograd => 2 * (SPARSE_ENTRIES + 1) + rows.next_multiple_of(2),
        Layout::Vector => rows.next_multiple_of(2 * ROWS_PER_GROUP),
    }
}

/// Rows that a fully connected kernel computes at a time, of so many.
pub(super) const fn sparse_rows(rows: usize) -> usize {
    if rows > SPARSE_WORDS - 2 * (SPARSE_ENTRIES + 1) { SPARSE_ROWS } else { rows }
}

/// The part of requantizing that is the same for all channels of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    /// Added after the multiplication.
    pub zero_point: u8,
    /// Left shift before it, 0 to 31; or [`Requantize::TWICE`], which kernels of [`rounded_twice`](super::rounded_twice) take alone.
    pub shift: u8,
}

impl Rescale {
    /// Whether the layer rounds twice.
    #[must_use]
    pub const fn rounds_twice(self) -> bool {
        self.shift == Requantize::TWICE
    }
}

/// Bias and multiplier of each output channel, read from wherever they are in the file; with a shift each where a layer rounds twice.
#[derive(Clone, Copy, Debug)]
pub struct ChannelTable<'m>(&'m [u8]);

impl<'m> ChannelTable<'m> {
    /// A table, a record of eight bytes for each channel: bias and multiplier, little-endian.
    #[must_use]
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    /// The table as it is in the file.
    #[must_use]
    pub const fn bytes(self) -> &'m [u8] {
        self.0
    }

    /// `(bias, multiplier)` of each channel in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (i32, i32)> + use<'m> {
        self.0.as_chunks::<8>().0.iter().map(|&[b0, b1, b2, b3, m0, m1, m2, m3]| {
            (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]))
        })
    }

    /// Of a layer that rounds twice: the bytes of all biases, and what each channel's sums are multiplied by.
    pub fn of_two_roundings(self) -> (&'m [u8], impl ExactSizeIterator<Item = Scaling> + Clone + use<'m>) {
        let len = self.0.len() / 3;
        let (biases, rest) = self.0.split_at_checked(len).unwrap_or_default();
        let (multipliers, shifts) = rest.split_at_checked(len).unwrap_or_default();
        let scalings =
            multipliers.as_chunks::<4>().0.iter().zip(shifts.as_chunks::<4>().0).map(|(multiplier, shift)| Scaling {
                multiplier: i32::from_le_bytes(*multiplier),
                shift: i32::from_le_bytes(*shift),
            });
        (biases, scalings)
    }
}
