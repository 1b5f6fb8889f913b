//! The windows of convolutions and pools: their size, the steps between them, what surrounds the input, and what of
//! that follows for an input.

use std::fmt;

use infer_core::{Shape, format};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::network::autograd;

/// Rows and columns. In a file one number where both are the same, else `[rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Along the height.
    pub rows: u8,
    /// Along the width.
    pub columns: u8,
}

/// What surrounds the input of a layer with windows. In a file `"valid"`, `"same"`, or `[above, left, below, right]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: every window is inside.
    #[default]
    Valid,
    /// As much as gives `ceil(side / stride)` rows and columns of output: of
    /// `max((ceil(side / stride) - 1) * stride + size - side, 0)` the smaller half before and the larger half after
    /// (TensorFlow's rule).
    Same,
    /// So many rows above and below, and columns left and right.
    Explicit {
        /// Rows above.
        above: u8,
        /// Columns left.
        left: u8,
        /// Rows below.
        below: u8,
        /// Columns right.
        right: u8,
    },
}

/// Windows, for any input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of a window.
    pub size: Pair,
    /// Rows and columns from one window to the next.
    pub stride: Pair,
    /// What surrounds the input.
    pub padding: Padding,
}

/// Windows on an input, each axis in numbers: rows, then columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Size of a window.
    pub size: [u16; 2],
    /// Steps from one window to the next.
    pub stride: [u16; 2],
    /// Padding before the input: above and left.
    pub before: [u16; 2],
    /// Padding after it: below and right.
    pub after: [u16; 2],
    /// Windows that there are.
    pub output: [u16; 2],
}

/// What windows cover of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Values of a channel that are inside the input, each as often as a window covers it.
    pub values: usize,
    /// The same of rows, each with all columns of a window.
    pub rows: usize,
    /// Windows that are not all inside.
    pub over_edges: usize,
}

impl Pair {
    /// One number for both.
    #[must_use]
    pub const fn both(number: u8) -> Self {
        Self { rows: number, columns: number }
    }

    /// The number, where both are the same.
    #[must_use]
    pub fn square(self) -> Option<u8> {
        (self.rows == self.columns).then_some(self.rows)
    }

    /// Rows, then columns.
    #[must_use]
    pub const fn axes(self) -> [u8; 2] {
        [self.rows, self.columns]
    }

    /// Whether both are 1, as a stride is unless a file gives another.
    #[must_use]
    pub fn is_one(&self) -> bool {
        *self == Self::both(1)
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::both(1)
    }
}

impl Padding {
    /// Whether it is `"valid"`, as that of a pool is unless a file gives another.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        *self == Self::Valid
    }

    /// Padding before and after an axis with `side` values.
    fn around(self, axis: usize, side: u16, size: u16, stride: u16) -> (u16, u16) {
        match self {
            Self::Valid => (0, 0),
            Self::Same => {
                let covered = u32::from(side.div_ceil(stride).saturating_sub(1)) * u32::from(stride) + u32::from(size);
                // Less than a window.
                let total = covered.saturating_sub(side.into()) as u16;
                (total / 2, total - total / 2)
            }
            Self::Explicit { above, left, below, right } => {
                let [before, after] = if axis == 0 { [above, below] } else { [left, right] };
                (before.into(), after.into())
            }
        }
    }
}

impl Window {
    /// Refuses numbers that no input fits. `what` is a window in a message: `kernel` or `window`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, what: &str, most_size: u8, most_stride: u8) -> Result<(), String> {
        let Self { size, stride, padding } = *self;
        for side in size.axes() {
            if !(1..=most_size).contains(&side) {
                return Err(format!("{what} {side} is not 1 to {most_size}"));
            }
        }
        for step in stride.axes() {
            if !(1..=most_stride).contains(&step) {
                return Err(format!("stride {step} is not 1 to {most_stride}"));
            }
        }
        if let Padding::Explicit { above, left, below, right } = padding {
            for (side, padded) in [(size.rows, above.max(below)), (size.columns, left.max(right))] {
                if padded >= side {
                    return Err(format!("padding {padded} is not less than the {what}'s {side} on that axis"));
                }
            }
        }
        Ok(())
    }

    /// Where they lie on an input.
    ///
    /// # Errors
    /// Where not one of them fits.
    pub fn on(&self, what: &str, input: Shape) -> Result<Placed, String> {
        let [size, stride] = [self.size, self.stride].map(|pair| pair.axes().map(u16::from));
        let mut placed = Placed { size, stride, before: [0; 2], after: [0; 2], output: [0; 2] };
        for (axis, side) in [input.height, input.width].into_iter().enumerate() {
            let (before, after) = self.padding.around(axis, side, size[axis], stride[axis]);
            let padded = u32::from(side) + u32::from(before) + u32::from(after);
            let Some(left) = padded.checked_sub(size[axis].into()) else {
                return Err(format!("a {what} of {}x{} does not fit into it", size[0], size[1]));
            };
            let count = left / u32::from(stride[axis]) + 1;
            let count = u16::try_from(count).map_err(|_| format!("there are {count} windows along one side of it"))?;
            (placed.before[axis], placed.after[axis], placed.output[axis]) = (before, after, count);
        }
        Ok(placed)
    }
}

impl Window {
    /// Its padding; [`Padding::Same`] where explicit padding is as much as that on such an input, and of a kernel of 1x1.
    pub(super) fn named_padding(&self, input: Shape) -> Padding {
        let around = |padding: Padding| {
            let axes = self.size.axes().into_iter().zip(self.stride.axes()).zip([input.height, input.width]);
            let axes = axes.enumerate();
            axes.map(move |(axis, ((size, stride), side))| padding.around(axis, side, size.into(), stride.into()))
        };
        let may_be_same = self.padding != Padding::Valid || self.size.is_one();
        if may_be_same && around(self.padding).eq(around(Padding::Same)) { Padding::Same } else { self.padding }
    }

    /// Padding, and the stride where it is not 1, for the name of a layer.
    pub(super) fn shown(&self) -> String {
        let padding = self.padding;
        match self.stride.square() {
            Some(1) => padding.to_string(),
            Some(step) => format!("{padding} stride {step}"),
            None => format!("{padding} stride {}", self.stride),
        }
    }
}

impl Placed {
    /// One window, the whole input.
    #[must_use]
    pub fn whole(input: Shape) -> Self {
        let size = [input.height, input.width];
        Self { size, stride: [1; 2], before: [0; 2], after: [0; 2], output: [1; 2] }
    }

    /// The shape that comes out, of so many channels.
    #[must_use]
    pub fn output(&self, channels: u16) -> Shape {
        Shape { height: self.output[0], width: self.output[1], channels }
    }

    /// The windows of the four positions of each 2x2 pool after these, of stride 1: `output` is that of the pool.
    #[must_use]
    pub fn pooled(&self, output: Shape) -> Self {
        let size = self.size.map(|side| side.saturating_add(1));
        Self { size, stride: [2; 2], output: [output.height, output.width], ..*self }
    }

    /// What of the input they cover.
    #[must_use]
    pub fn covered(&self, input: Shape) -> Covered {
        // Along an axis: values inside, and windows that are all inside.
        let axis = |axis: usize, side: u16| {
            let [size, stride, before] = [self.size, self.stride, self.before].map(|pair| usize::from(pair[axis]));
            (0..usize::from(self.output[axis])).fold((0, 0), |(values, whole), position| {
                let start = position * stride;
                let inside = (start + size).min(usize::from(side) + before).saturating_sub(start.max(before));
                (values + inside, whole + usize::from(inside == size))
            })
        };
        let ((rows, whole_rows), (columns, whole_columns)) = (axis(0, input.height), axis(1, input.width));
        let [height, width] = self.output.map(usize::from);
        Covered { values: rows * columns, rows: rows * width, over_edges: height * width - whole_rows * whole_columns }
    }

    /// Values of a window.
    #[must_use]
    pub fn values(&self) -> usize {
        usize::from(self.size[0]) * usize::from(self.size[1])
    }

    /// Padding above, left, below, right.
    #[must_use]
    pub fn padding(&self) -> [u16; 4] {
        [self.before[0], self.before[1], self.after[0], self.after[1]]
    }

    /// As training has it.
    pub(in crate::network) fn trained(&self) -> autograd::Window {
        autograd::Window {
            size: self.size.map(usize::from),
            stride: self.stride.map(usize::from),
            padding: self.padding().map(usize::from),
        }
    }

    /// As the model file has it, of numbers that [`Window::check`] accepts.
    pub(in crate::network) fn recorded(&self) -> format::Window {
        let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
        format::Window { size: self.size.map(byte), stride: self.stride.map(byte), padding: self.padding().map(byte) }
    }
}

impl From<&format::Window> for Window {
    fn from(record: &format::Window) -> Self {
        let [size, stride] = [record.size, record.stride].map(|[rows, columns]| Pair { rows, columns });
        let [above, left, below, right] = record.padding;
        let explicit = Padding::Explicit { above, left, below, right };
        // With a stride the padding of "same" depends on the input.
        let same = |before: u8, after: u8, size: u8| before == (size - 1) / 2 && after == size - 1 - before;
        // A kernel of 1x1 is both, and called what networks call it.
        let padding = match stride.is_one() && !size.axes().contains(&0) {
            true if same(above, below, size.rows) && same(left, right, size.columns) => Padding::Same,
            _ if record.padding == [0; 4] => Padding::Valid,
            true | false => explicit,
        };
        Self { size, stride, padding }
    }
}

/// `3x3`.
impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Valid => f.write_str("valid"),
            Self::Same => f.write_str("same"),
            Self::Explicit { above, left, below, right } => write!(f, "padding {above},{left},{below},{right}"),
        }
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.square() {
            Some(number) => number.serialize(serializer),
            None => self.axes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairVisitor)
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 255, or [rows, columns]")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Pair, E> {
        let number = u8::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))?;
        Ok(Pair::both(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Pair, E> {
        let number = u8::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?;
        Ok(Pair::both(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Pair, A::Error> {
        let [rows, columns] = numbers(sequence, &self)?;
        Ok(Pair { rows, columns })
    }
}

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Valid | Self::Same => serializer.collect_str(self),
            Self::Explicit { above, left, below, right } => [above, left, below, right].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PaddingVisitor)
    }
}

struct PaddingVisitor;

impl<'de> Visitor<'de> for PaddingVisitor {
    type Value = Padding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"valid\", \"same\", or [above, left, below, right]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Padding, E> {
        match name {
            "valid" => Ok(Padding::Valid),
            "same" => Ok(Padding::Same),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Padding, A::Error> {
        let [above, left, below, right] = numbers(sequence, &self)?;
        Ok(Padding::Explicit { above, left, below, right })
    }
}

/// Exactly so many numbers.
fn numbers<'de, A: SeqAccess<'de>, const N: usize>(
    mut sequence: A,
    expected: &dyn de::Expected,
) -> Result<[u8; N], A::Error> {
    let mut numbers = [0; N];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = sequence.next_element()?.ok_or_else(|| de::Error::invalid_length(index, expected))?;
    }
    match sequence.next_element::<de::IgnoredAny>()? {
        Some(_) => Err(de::Error::invalid_length(N + 1, expected)),
        None => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(size: u8, stride: u8, padding: Padding, side: u16) -> Placed {
        let window = Window { size: Pair::both(size), stride: Pair::both(stride), padding };
        window.on("kernel", Shape { height: side, width: side, channels: 1 }).unwrap()
    }

    /// `tf.nn.conv2d` on a side of so many values: outputs, and padding before and after.
    #[test]
    fn same_is_tensorflows_rule() {
        for (side, size, stride, outputs, before, after) in [
            (96, 3, 2, 48, 0, 1),
            (49, 10, 2, 25, 4, 5),
            (10, 4, 2, 5, 1, 1),
            (33, 3, 2, 17, 1, 1),
            (7, 1, 2, 4, 0, 0),
            (5, 4, 1, 5, 1, 2),
            (2, 5, 3, 1, 1, 2),
        ] {
            let placed = on(size, stride, Padding::Same, side);
            assert_eq!((placed.output[0], placed.before[0], placed.after[0]), (outputs, before, after), "{side}");
        }
    }

    #[test]
    fn explicit_padding_is_named_same_where_it_is_as_much() {
        let named = |size: u8, stride: u8, padding: Padding, side: u16| {
            let window = Window { size: Pair::both(size), stride: Pair::both(stride), padding };
            window.named_padding(Shape { height: side, width: side, channels: 1 })
        };
        let after = Padding::Explicit { above: 0, left: 0, below: 1, right: 1 };
        assert_eq!(named(3, 2, after, 96), Padding::Same);
        assert_eq!(named(3, 2, after, 33), after);
        assert_eq!(named(1, 2, Padding::Valid, 96), Padding::Same);
        assert_eq!(named(2, 2, Padding::Valid, 96), Padding::Valid);
    }

    #[test]
    fn valid_windows_are_inside_and_explicit_padding_is_added() {
        assert_eq!(on(3, 2, Padding::Valid, 10).output, [4, 4]);
        let explicit = Padding::Explicit { above: 1, left: 0, below: 2, right: 1 };
        assert_eq!(on(3, 2, explicit, 10).output, [6, 5]);
    }

    #[test]
    fn values_inside_are_counted_as_often_as_windows_cover_them() {
        let input = Shape { height: 5, width: 4, channels: 7 };
        let covered = |size, stride, padding| {
            let window = Window { size, stride: Pair::both(stride), padding };
            let Covered { values, rows, over_edges } = window.on("kernel", input).unwrap().covered(input);
            [values, rows, over_edges]
        };
        let [three, wide] = [Pair::both(3), Pair { rows: 1, columns: 3 }];
        // Of five rows 2, 3, 3, 3, 2 are inside; of four columns 2, 3, 3, 2.
        assert_eq!(covered(three, 1, Padding::Same), [13 * 10, 13 * 4, 20 - 3 * 2]);
        // Rows 2, 3, 2, as one is above; columns 3 and 2, as none is to the left.
        assert_eq!(covered(three, 2, Padding::Same), [7 * 5, 7 * 2, 6 - 1]);
        assert_eq!(covered(three, 1, Padding::Valid), [6 * 9, 6 * 3, 0]);
        assert_eq!(covered(wide, 1, Padding::Same), [5 * 10, 5 * 4, 5 * 2]);
        let whole = Placed::whole(input).covered(input);
        assert_eq!(whole, Covered { values: 20, rows: 5, over_edges: 0 });
    }

    /// A pool of 2x2 after a kernel of 3x3 sees 4x4 values: of five rows and four columns those of 2x2 pools hang over an edge, as
    /// the upper ones begin above it and the lower ones, whose last row is dropped, end inside.
    #[test]
    fn windows_of_a_pool_are_those_of_its_four_positions_together() {
        let input = Shape { height: 5, width: 8, channels: 1 };
        let window = Window { size: Pair::both(3), stride: Pair::both(1), padding: Padding::Same };
        let pooled = window.on("kernel", input).unwrap().pooled(Shape { height: 2, width: 4, channels: 9 });
        assert_eq!((pooled.size, pooled.stride, pooled.output), ([4; 2], [2; 2], [2, 4]));
        assert_eq!(pooled.covered(input).over_edges, 8 - 2);
    }

    #[test]
    fn numbers_that_no_input_fits_are_refused_with_their_limit() {
        let refuse = |size, stride, padding| {
            let window = Window { size, stride, padding };
            window.check("kernel", 15, 4).unwrap_err()
        };
        let three = Pair::both(3);
        assert_eq!(refuse(Pair { rows: 16, columns: 1 }, three, Padding::Same), "kernel 16 is not 1 to 15");
        assert_eq!(refuse(three, Pair { rows: 1, columns: 5 }, Padding::Same), "stride 5 is not 1 to 4");
        let padding = Padding::Explicit { above: 0, left: 3, below: 0, right: 0 };
        assert_eq!(refuse(three, three, padding), "padding 3 is not less than the kernel's 3 on that axis");
    }

    #[test]
    fn a_window_of_a_file_is_the_one_that_was_written() {
        for (size, stride, padding) in [
            (Pair::both(3), Pair::both(1), Padding::Same),
            (Pair { rows: 10, columns: 4 }, Pair::both(1), Padding::Same),
            (Pair::both(3), Pair::both(2), Padding::Valid),
            (Pair::both(3), Pair::both(1), Padding::Explicit { above: 2, left: 0, below: 0, right: 1 }),
        ] {
            let window = Window { size, stride, padding };
            let placed = window.on("kernel", Shape { height: 20, width: 20, channels: 1 }).unwrap();
            assert_eq!(Window::from(&placed.recorded()), window);
        }
        // With a stride, "same" on this input is what the file says in numbers.
        let window = Window { size: Pair::both(3), stride: Pair::both(2), padding: Padding::Same };
        let input = Shape { height: 20, width: 21, channels: 1 };
        let placed = window.on("kernel", input).unwrap();
        let read = Window::from(&placed.recorded());
        assert_eq!(read.padding, Padding::Explicit { above: 0, left: 1, below: 1, right: 1 });
        assert_eq!(read.on("kernel", input).unwrap(), placed);
    }

    #[test]
    fn files_have_one_number_or_two_and_padding_by_name_or_in_numbers() {
        let pair = |text: &str| serde_json::from_str::<Pair>(text).map_err(|error| error.to_string());
        assert_eq!(pair("3"), Ok(Pair::both(3)));
        assert_eq!(pair("[10, 4]"), Ok(Pair { rows: 10, columns: 4 }));
        for wrong in ["256", "-1", "[1]", "[1, 2, 3]", "\"3\""] {
            assert!(pair(wrong).unwrap_err().contains("or [rows, columns]"), "{wrong}");
        }
        assert_eq!(serde_json::to_string(&[Pair::both(3), Pair { rows: 1, columns: 2 }]).unwrap(), "[3,[1,2]]");
        let padding = |text: &str| serde_json::from_str::<Padding>(text).map_err(|error| error.to_string());
        for text in ["\"valid\"", "\"same\"", "[0,1,2,3]"] {
            assert_eq!(serde_json::to_string(&padding(text).unwrap()).unwrap(), text);
        }
        assert!(padding("\"full\"").unwrap_err().contains("or [above, left, below, right]"));
    }
}
