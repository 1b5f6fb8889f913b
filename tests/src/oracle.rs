//! The arithmetic contract once more: in `i64`, layer by layer, nothing fused, every value kept, no line shared with infer-core's kernels.
//!
//! It trusts the file: hostile ones are infer-core's business. Where numbers of a file make an accumulator leave 32 bits, it reports
//! so instead of wrapping.

use infer_core::format::{self, Blob, Input, Layout, Metadata, Requantize};
use infer_core::operators::{Layer, StageRecord};
use serde::Deserialize;

use crate::decisions::DecisionOracle;

/// What a network computes for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The output codes of each layer before the logits.
    pub layers: Vec<Vec<u8>>,
    /// One per class.
    pub logits: Vec<i64>,
    /// Whether an accumulator, shifted, did not fit in 32 bits: kernels wrap there, so that theirs are other numbers.
    pub overflows: bool,
}

/// A model file, its weights unpacked to plain matrices.
pub struct Oracle {
    shape: [usize; 3],
    input_zero_point: i64,
    stages: Vec<Stage>,
    /// What decides whether an answer is sure enough.
    pub decision: DecisionOracle,
}

/// A stage as the file has it, without places: every value is kept.
struct Stage {
    /// What it reads: 0 is the image, `n` the output of stage `n - 1`.
    sources: Vec<usize>,
    step: Step,
}

enum Step {
    Conv {
        window: Window,
        rows: Vec<Vec<i64>>,
        requantize: Requantization,
        pool: bool,
    },
    DepthwiseConv {
        window: Window,
        multiplier: usize,
        rows: Vec<Vec<i64>>,
        requantize: Requantization,
    },
    MaxPool {
        window: Window,
    },
    Dense {
        rows: Vec<Vec<i64>>,
        requantize: Requantization,
    },
    Add {
        multipliers: [i64; 2],
        shift: u32,
        zero_point: i64,
    },
    AddRescaled {
        scalings: [Twice; 3],
        zero_point: i64,
    },
    /// `zero_points`: those of the input and of the output while it is computed, where it says so.
    AveragePool {
        window: Window,
        requantize: Requantization,
        zero_points: Option<[i64; 2]>,
    },
    Logits {
        rows: Vec<Vec<i64>>,
        biases: Vec<i64>,
    },
}

/// A window that moves over an input.
#[derive(Clone, Copy)]
struct Window {
    size: [usize; 2],
    stride: [usize; 2],
    /// Above and to the left.
    before: [usize; 2],
    /// Rows and columns of positions.
    positions: [usize; 2],
}

struct Requantization {
    zero_point: i64,
    shift: u32,
    /// Bias and multiplier of each channel.
    channels: Vec<(i64, i64)>,
    /// Of each channel, where the layer rounds twice.
    twice: Vec<Twice>,
}

/// A multiplier of 31 bits and the right shift after it.
#[derive(Clone, Copy)]
struct Twice {
    multiplier: i64,
    shift: i64,
    /// As fully connected layers do.
    rounds_once: bool,
}

/// Codes `[height, width, channels]`.
struct Value {
    shape: [usize; 3],
    zero_point: i64,
    codes: Vec<i64>,
}

/// The logits of one image.
#[must_use]
pub fn logits(model: &[u8], pixels: &[u8]) -> Vec<i64> {
    Oracle::new(model).run(pixels).logits
}

impl Oracle {
    /// Reads a model file.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn new(model: &[u8]) -> Self {
        let header = usize::from(u16::from_le_bytes(model[10..12].try_into().unwrap()));
        let length = u32::from_le_bytes(model[12..16].try_into().unwrap()) as usize;
        let mut rest = &model[header..header + length];
        let _: Metadata = take(&mut rest);
        let input: Input = take(&mut rest);
        let _image_place: u32 = take(&mut rest);
        let count: u32 = take(&mut rest);
        let shape = [input.shape.height, input.shape.width, input.shape.channels].map(usize::from);
        let mut shapes = vec![shape];
        let mut stages = Vec::new();
        let mut scale = 0.0;
        for _ in 0..count {
            let StageRecord { ports, layer } = take(&mut rest);
            let read = [Some(ports.input), ports.second];
            let sources: Vec<usize> = read.iter().flatten().map(|read| usize::from(read.source)).collect();
            let [height, width, channels] = shapes[sources[0]];
            let (step, shape) = match layer {
                Layer::Conv2d(conv) => {
                    let window = Window::new(conv.window, [height, width]);
                    let taps = window.size[0] * window.size[1] * channels;
                    let rows = match Layout::numbered(conv.layout).unwrap() {
                        Layout::Winograd => untransform(conv.weights, conv.output_channels.into(), channels),
                        layout => matrix(layout, conv.weights, conv.output_channels.into(), taps),
                    };
                    let by = if conv.pool { 2 } else { 1 };
                    let [height, width] = window.positions;
                    let shape = [height / by, width / by, conv.output_channels.into()];
                    let requantize = Requantization::read(conv.requantize);
                    (Step::Conv { window, rows, requantize, pool: conv.pool }, shape)
                }
                Layer::DepthwiseConv2d(conv) => {
                    let window = Window::new(conv.window, [height, width]);
                    let weights: Vec<i64> =
                        conv.weights.data.iter().map(|&byte| i64::from(byte.cast_signed())).collect();
                    let taps = window.size[0] * window.size[1];
                    let multiplier = usize::from(conv.multiplier);
                    let rows: Vec<_> = match Layout::numbered(conv.layout).unwrap() {
                        Layout::Vector => (0..multiplier * channels)
                            .map(|channel| {
                                let vector = weights.chunks(8 * taps).nth(channel / 8).unwrap();
                                (0..taps).map(|tap| vector[8 * tap + channel % 8]).collect()
                            })
                            .collect(),
                        _ => weights.chunks(taps).map(<[i64]>::to_vec).collect(),
                    };
                    assert_eq!(rows.len(), multiplier * channels);
                    let shape = [window.positions[0], window.positions[1], rows.len()];
                    let requantize = Requantization::read(conv.requantize);
                    (Step::DepthwiseConv { window, multiplier, rows, requantize }, shape)
                }
                Layer::MaxPool2d(pool) => {
                    let window = Window::new(pool.window, [height, width]);
                    (Step::MaxPool { window }, [window.positions[0], window.positions[1], channels])
                }
                Layer::Dense(dense) => {
                    let layout = Layout::numbered(dense.layout).unwrap();
                    let rows = matrix(layout, dense.weights, dense.outputs.into(), height * width * channels);
                    let mut requantize = Requantization::read(dense.requantize);
                    requantize.twice.iter_mut().for_each(|scaling| scaling.rounds_once = true);
                    (Step::Dense { rows, requantize }, [1, 1, dense.outputs.into()])
                }
                Layer::Add(add) => {
                    let (multipliers, shift) = (add.multipliers.map(i64::from), add.shift.into());
                    let zero_point = add.codes.zero_point.into();
                    (Step::Add { multipliers, shift, zero_point }, [height, width, channels])
                }
                Layer::AddRescaled(add) => {
                    let scaling = |index: usize| Twice {
                        multiplier: i32::from_le_bytes(add.multipliers[index]).into(),
                        shift: add.shifts[index].into(),
                        rounds_once: false,
                    };
                    let zero_point = add.codes.zero_point.into();
                    (Step::AddRescaled { scalings: [0, 1, 2].map(scaling), zero_point }, [height, width, channels])
                }
                Layer::AveragePool2d(pool) => {
                    let window = Window::new(pool.window, [height, width]);
                    let shape = [window.positions[0], window.positions[1], channels];
                    let multiplier = i32::from_le_bytes(pool.multiplier).into();
                    let (shift, zero_point) = ((pool.shift % 128).into(), pool.codes.zero_point.into());
                    let requantize =
                        Requantization { zero_point, shift, channels: vec![(0, multiplier)], twice: Vec::new() };
                    let zero_points = (pool.shift >= 128).then_some([128; 2]);
                    (Step::AveragePool { window, requantize, zero_points }, shape)
                }
                Layer::Logits(last) => {
                    scale = last.scale;
                    let layout = Layout::numbered(last.layout).unwrap();
                    let rows = matrix(layout, last.weights, last.classes.into(), height * width * channels);
                    let words = last.biases.data.chunks(4);
                    let biases = words.map(|word| i32::from_le_bytes(word.try_into().unwrap()).into()).collect();
                    (Step::Logits { rows, biases }, [1, 1, last.classes.into()])
                }
            };
            shapes.push(shape);
            stages.push(Stage { sources, step });
        }
        let classes = shapes.last().unwrap()[2];
        assert!(rest.is_empty() || rest.len() == 2 * classes, "{} bytes after the last layer", rest.len());
        let threshold = f32::from_le_bytes(model[40..44].try_into().unwrap());
        let decision = DecisionOracle::new(scale, threshold, rest);
        Self { shape, input_zero_point: input.codes.zero_point.into(), stages, decision }
    }

    /// Computes every layer.
    ///
    /// # Panics
    /// Where `pixels` has not the length of the input.
    #[must_use]
    pub fn run(&self, pixels: &[u8]) -> Answer {
        assert_eq!(pixels.len(), self.shape.iter().product::<usize>());
        let codes = pixels.iter().map(|&pixel| i64::from(pixel)).collect();
        let mut values = vec![Value { shape: self.shape, zero_point: self.input_zero_point, codes }];
        let mut answer = Answer { layers: Vec::new(), logits: Vec::new(), overflows: false };
        for Stage { sources, step } in &self.stages {
            let input = &values[sources[0]];
            let [height, width, channels] = input.shape;
            let value = match step {
                Step::Conv { window, rows, requantize, pool } => {
                    let map = input.convolved(window, rows, requantize, &mut answer.overflows);
                    if *pool {
                        answer.layers.push(map.bytes());
                        let [height, width, _] = map.shape;
                        map.maxima(&Window::new(format::Window::square(2, 2), [height, width]))
                    } else {
                        map
                    }
                }
                Step::DepthwiseConv { window, multiplier, rows, requantize } => {
                    input.convolved_by_channel(window, *multiplier, rows, requantize, &mut answer.overflows)
                }
                Step::MaxPool { window } => input.maxima(window),
                Step::Dense { rows, requantize } => {
                    let sums = input.sums(rows);
                    answer.overflows |=
                        sums.iter().enumerate().any(|(channel, &sum)| requantize.overflows(channel, sum));
                    let codes = sums.iter().enumerate().map(|(channel, &sum)| requantize.code(channel, sum)).collect();
                    Value { shape: [1, 1, rows.len()], zero_point: requantize.zero_point, codes }
                }
                Step::Add { multipliers, shift, zero_point } => {
                    let inputs = [input, &values[sources[1]]];
                    let codes = (0..height * width * channels).map(|at| {
                        let products = inputs.iter().zip(multipliers).map(|(value, &multiplier)| {
                            i128::from(value.codes[at] - value.zero_point) * i128::from(multiplier)
                        });
                        // A half is rounded up: floor(x / 2^k + 1/2).
                        let doubled = 2 * products.sum::<i128>() + (1 << shift);
                        let rounded = doubled.div_euclid(2 << shift);
                        (rounded + i128::from(*zero_point)).clamp(0, 255) as i64
                    });
                    Value { shape: input.shape, zero_point: *zero_point, codes: codes.collect() }
                }
                Step::AddRescaled { scalings: [first, second, sum], zero_point } => {
                    let inputs = [(input, first), (&values[sources[1]], second)];
                    let codes = (0..height * width * channels).map(|at| {
                        let scaled = inputs
                            .map(|(value, scaling)| scaling.round((value.codes[at] - value.zero_point) * (1 << 20)));
                        (sum.round(scaled[0] + scaled[1]) + zero_point).clamp(0, 255)
                    });
                    Value { shape: input.shape, zero_point: *zero_point, codes: codes.collect() }
                }
                Step::AveragePool { window, requantize, zero_points } => {
                    input.averaged(window, requantize, *zero_points, &mut answer.overflows)
                }
                Step::Logits { rows, biases } => {
                    answer.logits = input.sums(rows).iter().zip(biases).map(|(sum, bias)| sum + bias).collect();
                    answer.overflows |= answer.logits.iter().any(|&logit| i32::try_from(logit).is_err());
                    continue;
                }
            };
            answer.layers.push(value.bytes());
            values.push(value);
        }
        answer
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        self.codes.iter().map(|&code| u8::try_from(code).unwrap()).collect()
    }

    fn sums(&self, rows: &[Vec<i64>]) -> Vec<i64> {
        rows.iter().map(|row| row.iter().zip(&self.codes).map(|(weight, code)| weight * code).sum()).collect()
    }

    /// The code of a channel at a row and a column; `None` outside.
    fn code(&self, [y, x]: [i64; 2], channel: usize) -> Option<i64> {
        let [height, width, channels] = self.shape;
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (y < height && x < width).then(|| self.codes[(y * width + x) * channels + channel])
    }

    fn convolved(&self, window: &Window, rows: &[Vec<i64>], requantize: &Requantization, overflows: &mut bool) -> Self {
        let channels = self.shape[2];
        window.each(rows.len(), requantize.zero_point, |taps, channel| {
            let mut sum = 0;
            for (tap, weight) in rows[channel].iter().enumerate() {
                sum += weight * self.code(taps[tap / channels], tap % channels).unwrap_or(self.zero_point);
            }
            *overflows |= requantize.overflows(channel, sum);
            requantize.code(channel, sum)
        })
    }

    fn convolved_by_channel(
        &self,
        window: &Window,
        multiplier: usize,
        rows: &[Vec<i64>],
        requantize: &Requantization,
        overflows: &mut bool,
    ) -> Self {
        window.each(rows.len(), requantize.zero_point, |taps, channel| {
            let code = |tap| self.code(tap, channel / multiplier).unwrap_or(self.zero_point);
            let sum = taps.iter().zip(&rows[channel]).map(|(&tap, weight)| weight * code(tap)).sum();
            *overflows |= requantize.overflows(channel, sum);
            requantize.code(channel, sum)
        })
    }

    fn averaged(
        &self,
        window: &Window,
        requantize: &Requantization,
        zero_points: Option<[i64; 2]>,
        overflows: &mut bool,
    ) -> Self {
        let [from, to] = zero_points.unwrap_or([self.zero_point, requantize.zero_point]);
        window.each(self.shape[2], requantize.zero_point, |taps, channel| {
            let codes: Vec<i64> = taps.iter().filter_map(|&tap| self.code(tap, channel)).collect();
            let sum = codes.iter().map(|code| code - from).sum();
            // The share of one value, to the nearest integer, a half rounded up.
            let values = codes.len() as i64;
            let multiplier = (requantize.channels[0].1 + values / 2) / values;
            let channels = vec![(0, multiplier)];
            let requantize = Requantization { channels, zero_point: to, shift: requantize.shift, twice: Vec::new() };
            *overflows |= requantize.overflows(0, sum);
            requantize.code(0, sum)
        })
    }

    fn maxima(&self, window: &Window) -> Self {
        window.each(self.shape[2], self.zero_point, |taps, channel| {
            taps.iter().filter_map(|&tap| self.code(tap, channel)).max().unwrap()
        })
    }
}

impl Window {
    fn new(window: format::Window, input: [usize; 2]) -> Self {
        let size = if window.size == [0, 0] { input } else { window.size.map(usize::from) };
        let (stride, padding) = (window.stride.map(usize::from), window.padding.map(usize::from));
        let positions =
            [0, 1].map(|axis| (input[axis] + padding[axis] + padding[axis + 2] - size[axis]) / stride[axis] + 1);
        Self { size, stride, before: [padding[0], padding[1]], positions }
    }

    /// A value of so many channels: `code` gives that of a channel, given the rows and columns of the input in the window.
    fn each(&self, channels: usize, zero_point: i64, mut code: impl FnMut(&[[i64; 2]], usize) -> i64) -> Value {
        let [height, width] = self.positions;
        let mut codes = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let mut taps = Vec::new();
            for (row, column) in (0..self.size[0]).flat_map(|row| (0..self.size[1]).map(move |column| (row, column))) {
                let from = [y * self.stride[0] + row, x * self.stride[1] + column];
                taps.push([0, 1].map(|axis| from[axis] as i64 - self.before[axis] as i64));
            }
            codes.extend((0..channels).map(|channel| code(&taps, channel)));
        }
        Value { shape: [height, width, channels], zero_point, codes }
    }
}

impl Requantization {
    fn read(requantize: Requantize<'_>) -> Self {
        let word = |bytes: &[u8]| i64::from(i32::from_le_bytes(bytes.try_into().unwrap()));
        let zero_point = requantize.codes.zero_point.into();
        if requantize.shift == Requantize::TWICE {
            let words: Vec<i64> = requantize.channels.data.chunks(4).map(word).collect();
            let count = words.len() / 3;
            return Self {
                zero_point,
                shift: 0,
                channels: words[..count].iter().map(|&bias| (bias, 0)).collect(),
                twice: (0..count)
                    .map(|channel| Twice {
                        multiplier: words[count + channel],
                        shift: words[2 * count + channel],
                        rounds_once: false,
                    })
                    .collect(),
            };
        }
        let records = requantize.channels.data.chunks(8);
        Self {
            zero_point,
            shift: requantize.shift.into(),
            channels: records.map(|record| (word(&record[..4]), word(&record[4..]))).collect(),
            twice: Vec::new(),
        }
    }

    /// Whether the accumulator, or what the shift makes of it, leaves 32 bits.
    fn overflows(&self, channel: usize, sum: i64) -> bool {
        let left = self.twice.get(channel).map_or(self.shift, |twice| u32::try_from(-twice.shift).unwrap_or(0));
        i32::try_from((sum + self.channels[channel].0) * (1 << left)).is_err()
    }

    /// `zp + round(acc * 2^shift * m / 2^32)`, a half rounded up, clamped to a code.
    fn code(&self, channel: usize, sum: i64) -> i64 {
        let (bias, multiplier) = self.channels[channel];
        if let Some(twice) = self.twice.get(channel) {
            return (self.zero_point + twice.round(sum + bias)).clamp(0, 255);
        }
        let shifted = (sum + bias) * (1 << self.shift);
        let product = i128::from(shifted) * i128::from(multiplier);
        let rounded = (product + (1 << 31)).div_euclid(1 << 32);
        (i128::from(self.zero_point) + rounded).clamp(0, 255) as i64
    }
}

impl Twice {
    /// `number * multiplier / 2^31`, a half rounded up, over `2^shift`, a half rounded away from zero.
    fn round(self, number: i64) -> i64 {
        let number = i128::from(number) * (1 << (-self.shift).max(0)) * i128::from(self.multiplier);
        if self.rounds_once {
            // floor(x / 2^k + 1/2)
            let step = 1i128 << (31 + self.shift.max(0));
            return (2 * number + step).div_euclid(2 * step) as i64;
        }
        let once = (2 * number + (1 << 31)).div_euclid(1 << 32);
        let step = 1 << self.shift.max(0);
        ((2 * once.abs() + step) / (2 * step) * once.signum()) as i64
    }
}

fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> T {
    let (value, after) = postcard::take_from_bytes(rest).unwrap();
    *rest = after;
    value
}

/// The matrix `[rows, inputs]` out of the layout of the file: blocks of eight rows; in a block, pair of inputs by pair of
/// inputs, for each two rows the bytes even a + 128, odd a, even b + 128, odd b.
fn unpack(weights: Blob<'_>, rows: usize, inputs: usize) -> Vec<Vec<i64>> {
    let mut bytes = weights.data.iter();
    let mut matrix = vec![vec![0; inputs + 1]; rows + 1];
    for first in (0..rows).step_by(8) {
        let last = (first + 8).min(rows + rows % 2);
        for a in (0..inputs).step_by(2) {
            for even in (first..last).step_by(2) {
                for input in [a, a + 1] {
                    matrix[even][input] = i64::from(*bytes.next().unwrap()) - 128;
                    matrix[even + 1][input] = i64::from(bytes.next().unwrap().cast_signed());
                }
            }
        }
    }
    assert_eq!(bytes.next(), None, "weights left over");
    matrix.truncate(rows);
    matrix.iter_mut().for_each(|row| row.truncate(inputs));
    matrix
}

/// The matrix `[rows, inputs]` in a layout that does not transform it.
fn matrix(layout: Layout, weights: Blob<'_>, rows: usize, inputs: usize) -> Vec<Vec<i64>> {
    match layout {
        Layout::Compact => unpack(weights, rows, inputs),
        Layout::Vector => vectors(weights, rows, inputs),
        Layout::Winograd => panic!("a matrix that is transformed"),
    }
}

/// The matrix `[rows, inputs]` out of groups of four rows, sixteen inputs at a time, whose bytes have 128 added. The others are 0.
fn vectors(weights: Blob<'_>, rows: usize, inputs: usize) -> Vec<Vec<i64>> {
    let vectors: Vec<_> = weights.data.chunks(16).collect();
    assert_eq!(vectors.len(), rows.next_multiple_of(4) * inputs.div_ceil(16), "weights left over");
    let at = |row: usize, input: usize| {
        let group = row / 4 * inputs.div_ceil(16) + input / 16;
        i64::from(vectors[4 * group + row % 4][input % 16])
    };
    let padded = (0..rows.next_multiple_of(4)).flat_map(|row| (0..inputs.next_multiple_of(16)).map(move |i| (row, i)));
    for (row, input) in padded.filter(|&(row, input)| row >= rows || input >= inputs) {
        assert_eq!(at(row, input), 0, "row {row}, input {input}");
    }
    (0..rows).map(|row| (0..inputs).map(|input| at(row, input) - 128).collect()).collect()
}

/// The matrix `[rows, 3 * 3 * channels]` out of transformed kernels, from those of their elements that hold one weight or a
/// difference of two. The others must be what these weights make of them.
fn untransform(weights: Blob<'_>, rows: usize, channels: usize) -> Vec<Vec<i64>> {
    let groups = channels.div_ceil(4);
    let elements: Vec<i64> =
        weights.data.chunks(2).map(|bytes| i16::from_le_bytes(bytes.try_into().unwrap()).into()).collect();
    assert_eq!(elements.len(), rows.div_ceil(4) * 16 * groups * 16, "weights left over");
    // Block, column, row of the transformed kernel, group, odd channels or even ones, row, the later channel or the earlier one.
    let element = |row: usize, channel: usize, [i, j]: [usize; 2]| {
        let word = (((row / 4 * 4 + j) * 4 + i) * groups + channel / 4) * 2 + channel % 2;
        elements[2 * (4 * word + row % 4) + channel / 2 % 2]
    };
    let mut matrix = vec![vec![0; 9 * channels]; rows];
    for (row, channel) in (0..rows).flat_map(|row| (0..channels).map(move |channel| (row, channel))) {
        let at = |i, j| element(row, channel, [i, j]);
        let kernel = [
            [at(2, 2), at(2, 0) - at(2, 1), at(2, 3)],
            [at(0, 2) - at(1, 2), at(0, 0) - at(0, 1) - at(1, 0) + at(1, 1), at(0, 3) - at(1, 3)],
            [at(3, 2), at(3, 0) - at(3, 1), at(3, 3)],
        ];
        // Twice G.
        let g = [[1, 1, 1], [1, -1, 1], [2, 0, 0], [0, 0, 2]];
        for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
            let sum: i64 = (0..9).map(|tap| g[i][tap / 3] * kernel[tap / 3][tap % 3] * g[j][tap % 3]).sum();
            assert_eq!(4 * at(i, j), sum, "row {row}, channel {channel}, element {i}, {j}");
        }
        for (tap, &weight) in kernel.iter().flatten().enumerate() {
            matrix[row][tap * channels + channel] = weight / 4;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_up_on_both_sides_of_zero() {
        let requantize =
            |zero_point| Requantization { zero_point, shift: 0, channels: vec![(0, 1 << 31)], twice: Vec::new() };
        assert_eq!([1, 2, 3].map(|sum| requantize(0).code(0, sum)), [1, 1, 2]);
        assert_eq!([-1, -2, -3].map(|sum| requantize(9).code(0, sum)), [9, 8, 8]);
        assert_eq!([-100, 1000].map(|sum| requantize(9).code(0, sum)), [0, 255]);
    }

    #[test]
    fn a_second_half_is_rounded_away_from_zero() {
        let round = |number, shift| Twice { multiplier: 1 << 30, shift, rounds_once: false }.round(number);
        assert_eq!([1, 2, 3].map(|number| round(number, 0)), [1, 1, 2], "a half up");
        assert_eq!([-1, -2, -3].map(|number| round(number, 0)), [0, -1, -1]);
        assert_eq!([2, 6, 10].map(|number| round(number, 1)), [1, 2, 3]);
        assert_eq!([-2, -6, -10].map(|number| round(number, 1)), [-1, -2, -3]);
        assert_eq!(round(-5, -1), -5);
    }
}
