//! Networks whose lengths all fit each other, and whose shapes and numbers are any: these load, so the kernels are reached.

use infer_core::format::{Blob, Codes, Input, Layout, Metadata, Ports, Requantize, Shape, Window};
use infer_core::operators::{
    Add, AddRescaled, AveragePool2d, Conv2d, Dense, DepthwiseConv2d, Layer, Logits, MaxPool2d, StageRecord,
};
use infer_core::packing::{packed_len, vector, winograd};
use infer_core::plan::{Places, place};

use super::{payload, running};

/// Layers before the logits, at most.
const MOST_LAYERS: usize = 7;

/// Builds a network from bytes, and loads and runs it.
///
/// # Panics
/// Where infer-core does, or refuses it, or returns what is not so.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices { bytes, state: 0x9E37_79B9 };
    running::check(&payload::model(&network(&mut choices)));
}

/// How often a layer rounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Once,
    Twice,
}

/// Bytes, and when they are used up, numbers without a pattern that depend on the last of them.
struct Choices<'b> {
    bytes: &'b [u8],
    state: u32,
}

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        if let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            self.state = (self.state ^ u32::from(byte)).wrapping_mul(0x0100_0193) | 1;
            return byte;
        }
        // Marsaglia's xorshift.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        (self.state >> 13) as u8
    }

    fn up_to(&mut self, most: u16) -> u16 {
        1 + u16::from(self.byte()) % most
    }

    /// Many bytes: the same over and over, or any.
    fn many(&mut self, count: usize) -> Vec<u8> {
        match self.byte() % 4 {
            0 => vec![self.byte(); count],
            _ => (0..count).map(|_| self.byte()).collect(),
        }
    }

    fn rounding(&mut self) -> Rounding {
        if self.byte().is_multiple_of(4) { Rounding::Twice } else { Rounding::Once }
    }

    /// Bias and multiplier of each channel, and its shift where it rounds twice. Any bias: accumulators may wrap. Any multiplier that is
    /// positive, any shift of -30 to 31.
    fn channels(&mut self, count: u16, rounding: Rounding) -> Vec<u8> {
        let count = usize::from(count);
        let make_positive = |multiplier: &mut [u8]| {
            multiplier[0] |= 1;
            multiplier[3] &= 0x7F;
        };
        match rounding {
            Rounding::Once => {
                let mut table = self.many(8 * count);
                table.chunks_mut(8).for_each(|record| make_positive(&mut record[4..]));
                table
            }
            Rounding::Twice => {
                let mut table = self.many(12 * count);
                table[4 * count..8 * count].chunks_mut(4).for_each(make_positive);
                for shift in table[8 * count..].as_chunks_mut::<4>().0 {
                    *shift = (i32::from(shift[0]) % 62 - 30).to_le_bytes();
                }
                table
            }
        }
    }
}

/// The payload of a model file.
fn network(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut shape = Shape { height: choices.up_to(10), width: choices.up_to(11), channels: choices.up_to(9) };
    let zero_point = choices.byte();
    let input = Input { shape, codes: Codes { scale: 1.0, zero_point } };
    let count = usize::from(choices.byte()) % (MOST_LAYERS + 1);
    let (mut values, mut ports, mut layers) = (vec![shape], Vec::new(), Vec::new());
    for _ in 0..count {
        // Most read the last value.
        let source = if choices.byte().is_multiple_of(4) {
            usize::from(choices.byte()) % values.len()
        } else {
            values.len() - 1
        };
        shape = values[source];
        let alike: Vec<usize> = (0..values.len()).filter(|&other| other != source && values[other] == shape).collect();
        let kind = choices.byte() % 10;
        let (layer, second) = match kind {
            0..=2 => (conv2d(choices, &mut shape), None),
            3 | 4 if !alike.is_empty() => (add(choices), Some(alike[usize::from(choices.byte()) % alike.len()])),
            5 => (max_pool2d(choices, &mut shape), None),
            6 => (average_pool2d(choices, &mut shape), None),
            7 => (dense(choices, &mut shape), None),
            8 | 9 => (depthwise_conv2d(choices, &mut shape), None),
            _ => (conv2d(choices, &mut shape), None),
        };
        ports.push(second.map_or(Ports::of(source as u8), |second| Ports::of_two(source as u8, second as u8)));
        values.push(shape);
        layers.push(layer);
    }
    let classes = choices.up_to(21);
    shape = values[values.len() - 1];
    ports.push(Ports::of((values.len() - 1) as u8));
    layers.push(logits(choices, classes, shape));
    let metadata = Metadata {
        trainer: "",
        dataset: "",
        architecture: "",
        class_lines: &"\n".repeat(classes.into()),
        preprocessing: "",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    };
    let mut payload = postcard::to_allocvec(&metadata).expect("a vector has room");
    payload = postcard::to_extend(&input, payload).expect("a vector has room");
    let stage = |(&ports, layer): (&Ports, _)| StageRecord {
        ports,
        layer: postcard::from_bytes(layer).expect("it was just written"),
    };
    let mut stages: Vec<StageRecord<'_>> = ports.iter().zip(layers.iter().map(Vec::as_slice)).map(stage).collect();
    let places = if choices.byte() & 1 == 0 { Places::Apart } else { Places::Overlapping };
    let image_place = place(&input, &mut stages, places);
    payload = postcard::to_extend(&image_place, payload).expect("a vector has room");
    payload = postcard::to_extend(&(stages.len() as u32), payload).expect("a vector has room");
    for stage in &stages {
        payload = postcard::to_extend(stage, payload).expect("a vector has room");
    }
    payload
}

/// The most values of an activation, and the most rows or columns: layers that enlarge their input may follow each other.
const MOST_VALUES: usize = 4000;

/// A window of at most so many rows and columns, with a stride of at most `stride`, and `shape` as it makes it; nothing around
/// the input, and a window of 1, where another one would not fit or the output would be large.
fn window(choices: &mut Choices<'_>, shape: &mut Shape, most: u16, stride: u16) -> Window {
    let [rows, columns] = match choices.byte() % 4 {
        0 => [choices.up_to(most), choices.up_to(most)],
        1 => [choices.up_to(most); 2],
        _ => [choices.up_to(most.min(3)); 2],
    };
    let [down, along] = if choices.byte() & 1 == 0 { [1; 2] } else { [choices.up_to(stride), choices.up_to(stride)] };
    let [above, left, below, right] = match choices.byte() % 4 {
        0 => [0; 4],
        1 => [choices.up_to(rows) - 1, choices.up_to(columns) - 1, choices.up_to(rows) - 1, choices.up_to(columns) - 1],
        _ => [(rows - 1) / 2, (columns - 1) / 2, rows / 2, columns / 2],
    };
    let positions = |side: u16, padding: u16, window: u16, stride: u16| {
        (side + padding).checked_sub(window).map(|steps| steps / stride + 1)
    };
    let height = positions(shape.height, above + below, rows, down);
    let width = positions(shape.width, left + right, columns, along);
    if let (Some(height), Some(width)) = (height, width) {
        let output = Shape { height, width, ..*shape };
        if output.len() <= shape.len().max(MOST_VALUES) {
            *shape = output;
            return Window {
                size: [rows, columns].map(|side| side as u8),
                stride: [down, along].map(|stride| stride as u8),
                padding: [above, left, below, right].map(|side| side as u8),
            };
        }
    }
    Window::square(1, 1)
}

fn conv2d(choices: &mut Choices<'_>, shape: &mut Shape) -> Vec<u8> {
    let channels = shape.channels;
    let window = window(choices, shape, 15, 4);
    let [rows, columns] = window.size.map(u32::from);
    let takes_pool = rows == columns && window.stride == [1; 2] && shape.height > 1 && shape.width > 1;
    let pool = takes_pool && choices.byte() & 1 == 0;
    let by = if pool { 2 } else { 1 };
    let output_channels = choices.up_to(20);
    let taps = rows * columns * u32::from(channels);
    let layout = match choices.byte() & 3 {
        0 | 1 if winograd::takes(&window, channels) => Layout::Winograd,
        2 => Layout::Vector,
        _ => Layout::Compact,
    };
    let weights = choices.many(match layout {
        Layout::Compact | Layout::Vector => packed(layout, output_channels, taps),
        Layout::Winograd => {
            winograd::packed_len(output_channels.into(), channels.into()).expect("these are small") as usize
        }
    });
    let rounding = if layout == Layout::Winograd { Rounding::Once } else { choices.rounding() };
    let table = choices.channels(output_channels, rounding);
    let paddings = [choices.byte(), choices.byte()];
    let conv = Conv2d {
        output_channels,
        window,
        pool,
        requantize: requantize(choices, rounding, blob(paddings[0], &table)),
        layout: layout.number(),
        weights: blob(paddings[1], &weights),
    };
    *shape = Shape { height: shape.height / by, width: shape.width / by, channels: output_channels };
    postcard::to_allocvec(&Layer::Conv2d(conv)).expect("a vector has room")
}

fn depthwise_conv2d(choices: &mut Choices<'_>, shape: &mut Shape) -> Vec<u8> {
    let multiplier = if shape.channels > 64 { 1 } else { choices.up_to(3) };
    let window = window(choices, shape, 15, 4);
    shape.channels *= multiplier;
    let taps = window.size.map(usize::from).iter().product::<usize>();
    let layout = untransformed(choices);
    let weights = choices.many(match layout {
        Layout::Vector => vector::depthwise_len(shape.channels.into(), taps as u32).expect("these are small") as usize,
        Layout::Compact | Layout::Winograd => usize::from(shape.channels) * taps,
    });
    let rounding = choices.rounding();
    let table = choices.channels(shape.channels, rounding);
    let paddings = [choices.byte(), choices.byte()];
    let conv = DepthwiseConv2d {
        multiplier: multiplier as u8,
        window,
        requantize: requantize(choices, rounding, blob(paddings[0], &table)),
        layout: layout.number(),
        weights: blob(paddings[1], &weights),
    };
    postcard::to_allocvec(&Layer::DepthwiseConv2d(conv)).expect("a vector has room")
}

/// The window of a pool: the whole input, or any.
fn pool_window(choices: &mut Choices<'_>, shape: &mut Shape) -> Window {
    if choices.byte().is_multiple_of(4) {
        *shape = Shape::flat(shape.channels);
        return Window::WHOLE;
    }
    window(choices, shape, 18, 20)
}

fn max_pool2d(choices: &mut Choices<'_>, shape: &mut Shape) -> Vec<u8> {
    let layer = Layer::MaxPool2d(MaxPool2d { window: pool_window(choices, shape) });
    postcard::to_allocvec(&layer).expect("a vector has room")
}

/// Any numbers that are in range.
fn add(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut multiplier = || u32::from_le_bytes([choices.byte(), choices.byte(), choices.byte() % 64, 0]).max(1);
    let multipliers = [multiplier(), multiplier()];
    let relu = choices.byte() & 1 == 1;
    let zero_point = if relu { 0 } else { choices.byte() };
    let codes = Codes { scale: 1.0, zero_point };
    if choices.byte() & 1 == 0 {
        let multiplier =
            |choices: &mut Choices<'_>| [choices.byte() | 1, choices.byte(), choices.byte(), choices.byte() & 0x7F];
        let multipliers = [multiplier(choices), multiplier(choices), multiplier(choices)];
        let shifts = [choices.byte() % 32, choices.byte() % 32, choices.byte() % 32];
        let layer = Layer::AddRescaled(AddRescaled { codes, relu, multipliers, shifts });
        return postcard::to_allocvec(&layer).expect("a vector has room");
    }
    let shift = 1 + choices.byte() % 23;
    let layer = Layer::Add(Add { codes, relu, multipliers, shift });
    postcard::to_allocvec(&layer).expect("a vector has room")
}

fn average_pool2d(choices: &mut Choices<'_>, shape: &mut Shape) -> Vec<u8> {
    let pool = AveragePool2d {
        window: pool_window(choices, shape),
        codes: Codes { scale: 1.0, zero_point: choices.byte() },
        shift: (choices.byte() % 32) | (choices.byte() & AveragePool2d::ABOUT_128),
        multiplier: [choices.byte() | 1, choices.byte(), choices.byte(), choices.byte() & 0x7F],
    };
    postcard::to_allocvec(&Layer::AveragePool2d(pool)).expect("a vector has room")
}

fn dense(choices: &mut Choices<'_>, shape: &mut Shape) -> Vec<u8> {
    let outputs = choices.up_to(40);
    let layout = untransformed(choices);
    let weights = choices.many(packed(layout, outputs, shape.len() as u32));
    let rounding = choices.rounding();
    let table = choices.channels(outputs, rounding);
    let paddings = [choices.byte(), choices.byte()];
    let requantize = requantize(choices, rounding, blob(paddings[0], &table));
    *shape = Shape::flat(outputs);
    let layer =
        Layer::Dense(Dense { outputs, requantize, layout: layout.number(), weights: blob(paddings[1], &weights) });
    postcard::to_allocvec(&layer).expect("a vector has room")
}

fn logits(choices: &mut Choices<'_>, classes: u16, shape: Shape) -> Vec<u8> {
    let layout = untransformed(choices);
    let weights = choices.many(packed(layout, classes, shape.len() as u32));
    let biases = choices.many(4 * usize::from(classes));
    let paddings = [choices.byte(), choices.byte()];
    // Any positive finite scale, subnormal ones too.
    let bits = u32::from_le_bytes([choices.byte(), choices.byte(), choices.byte(), choices.byte()]);
    let scale = f32::from_bits(1 + bits % (f32::MAX.to_bits() - 1));
    let layer = Layer::Logits(Logits {
        classes,
        scale,
        biases: blob(paddings[0], &biases),
        layout: layout.number(),
        weights: blob(paddings[1], &weights),
    });
    postcard::to_allocvec(&layer).expect("a vector has room")
}

fn requantize<'a>(choices: &mut Choices<'_>, rounding: Rounding, channels: Blob<'a>) -> Requantize<'a> {
    let relu = choices.byte() & 1 == 1;
    let zero_point = if relu { 0 } else { choices.byte() };
    let shift = match rounding {
        Rounding::Once => choices.byte() % 32,
        Rounding::Twice => Requantize::TWICE,
    };
    Requantize { codes: Codes { scale: 1.0, zero_point }, relu, shift, channels }
}

/// Bytes of a matrix that is not transformed.
fn packed(layout: Layout, rows: u16, inputs: u32) -> usize {
    let len = if layout == Layout::Vector { vector::packed_len } else { packed_len };
    len(rows.into(), inputs).expect("these are small") as usize
}

/// Of layers whose weights are not transformed.
fn untransformed(choices: &mut Choices<'_>) -> Layout {
    if choices.byte() & 1 == 0 { Layout::Compact } else { Layout::Vector }
}

/// Data at any alignment.
fn blob(padding: u8, data: &[u8]) -> Blob<'_> {
    Blob { padding: &[0; 3][..usize::from(padding % 4)], data }
}
