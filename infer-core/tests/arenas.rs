//! The arenas of known networks, planned with overlapping places, against what an ideal planner takes that lets no two values
//! overlap.
//!
//! `cargo test --release -p thimble-infer-core --test arenas -- --nocapture` prints the table of `docs/model-file.md`.

use infer_core::format::{Blob, Codes, Input, Metadata, Ports, Requantize, Window};
use infer_core::operators::{Add, AveragePool2d, Conv2d, DepthwiseConv2d, Layer, Logits, StageRecord};
use infer_core::packing::packed_len;
use infer_core::plan::{Places, Plan, place};
use infer_core::{Header, Network, Shape};

const CODES: Codes = Codes { scale: 0.1, zero_point: 0 };

/// A network with weights without a pattern.
struct Graph {
    name: &'static str,
    input: Shape,
    /// The output of each source: the image, then the stages.
    shapes: Vec<Shape>,
    stages: Vec<StageRecord<'static>>,
}

/// Numbers without a pattern (Marsaglia's xorshift).
fn bytes(len: usize) -> Vec<u8> {
    let mut state = len as u32 | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 13) as u8
    };
    core::iter::repeat_with(next).take(len).collect()
}

/// Weights that live as long as the program.
fn weights(len: usize) -> Blob<'static> {
    Blob::unpadded(Vec::leak(bytes(len)))
}

/// Multipliers that spread sums of so many products over the codes, and biases without which ReLU would leave only zeros.
fn requantize(channels: u16, taps: u32) -> Requantize<'static> {
    let step = f64::from(taps).sqrt() * 160.0;
    let record = [((96.0 * step) as i32).to_le_bytes(), ((f64::from(u32::MAX) / step) as i32).to_le_bytes()];
    let table = record.concat().repeat(channels.into());
    Requantize { codes: CODES, relu: true, shift: 0, channels: Blob::unpadded(Vec::leak(table)) }
}

/// An output of the sides of the input over the stride, rounded up, as TensorFlow pads.
fn same(input: Shape, size: [u8; 2], stride: u8) -> Window {
    let total = |side: u16, size: u8| {
        let stride = u16::from(stride);
        ((side.div_ceil(stride) - 1) * stride + u16::from(size)).saturating_sub(side) as u8
    };
    let [down, along] = [total(input.height, size[0]), total(input.width, size[1])];
    Window { size, stride: [stride; 2], padding: [down / 2, along / 2, down - down / 2, along - along / 2] }
}

impl Graph {
    fn new(name: &'static str, [height, width, channels]: [u16; 3]) -> Self {
        let input = Shape { height, width, channels };
        Self { name, input, shapes: vec![input], stages: Vec::new() }
    }

    /// The last value.
    fn last(&self) -> u8 {
        self.shapes.len() as u8 - 1
    }

    fn push(&mut self, ports: Ports, layer: Layer<'static>, shape: Shape) -> u8 {
        self.stages.push(StageRecord { ports, layer });
        self.shapes.push(shape);
        self.last()
    }

    fn conv(&mut self, from: u8, channels: u16, size: [u8; 2], stride: u8) -> u8 {
        let input = self.shapes[usize::from(from)];
        let window = same(input, size, stride);
        let taps = u32::from(size[0]) * u32::from(size[1]) * u32::from(input.channels);
        let weights = weights(packed_len(channels.into(), taps).unwrap() as usize);
        let conv = Conv2d {
            output_channels: channels,
            window,
            pool: false,
            requantize: requantize(channels, taps),
            layout: 0,
            weights,
        };
        let [height, width] = [input.height, input.width].map(|side| side.div_ceil(stride.into()));
        self.push(Ports::of(from), Layer::Conv2d(conv), Shape { height, width, channels })
    }

    fn depthwise(&mut self, from: u8, stride: u8) -> u8 {
        let input = self.shapes[usize::from(from)];
        let window = same(input, [3, 3], stride);
        let weights = weights(9 * usize::from(input.channels));
        let conv =
            DepthwiseConv2d { multiplier: 1, window, requantize: requantize(input.channels, 9), layout: 0, weights };
        let [height, width] = [input.height, input.width].map(|side| side.div_ceil(stride.into()));
        self.push(Ports::of(from), Layer::DepthwiseConv2d(conv), Shape { height, width, ..input })
    }

    fn add(&mut self, first: u8, second: u8) -> u8 {
        let add = Add { codes: CODES, relu: true, multipliers: [1 << 10; 2], shift: 11 };
        self.push(Ports::of_two(first, second), Layer::Add(add), self.shapes[usize::from(first)])
    }

    /// The mean of each channel and the logits.
    fn finish(mut self, classes: u16) -> Self {
        let last = self.last();
        let channels = self.shapes[usize::from(last)].channels;
        let multiplier = (1i32 << 30).to_le_bytes();
        let pool = AveragePool2d { window: Window::WHOLE, codes: CODES, shift: 2, multiplier };
        let means = self.push(Ports::of(last), Layer::AveragePool2d(pool), Shape::flat(channels));
        let weights = weights(packed_len(classes.into(), channels.into()).unwrap() as usize);
        let biases = Blob::unpadded(Vec::leak(vec![0; 4 * usize::from(classes)]));
        let logits = Logits { classes, scale: 1.0, biases, layout: 0, weights };
        self.push(Ports::of(means), Layer::Logits(logits), Shape::flat(classes));
        self
    }

    /// Bytes of the arena without the image, and the logits of an image.
    fn run(&self, places: Places) -> (usize, Vec<i32>) {
        let input = Input::new(self.input, CODES);
        let mut stages = self.stages.clone();
        let image_place = place(&input, &mut stages, places);
        let classes = self.shapes[self.shapes.len() - 1].channels;
        let metadata = Metadata {
            trainer: "",
            dataset: "",
            architecture: "",
            class_lines: &"\n".repeat(classes.into()),
            images: "",
            float_test_accuracy: None,
            int8_test_accuracy: None,
        };
        let mut payload = vec![0; 1 << 20];
        let mut end = 0;
        end += postcard::to_slice(&metadata, &mut payload[end..]).unwrap().len();
        end += postcard::to_slice(&input, &mut payload[end..]).unwrap().len();
        end += postcard::to_slice(&image_place, &mut payload[end..]).unwrap().len();
        end += postcard::to_slice(&(stages.len() as u32), &mut payload[end..]).unwrap().len();
        for stage in &stages {
            end += postcard::to_slice(stage, &mut payload[end..]).unwrap().len();
        }
        let plan = Plan::from_payload(&payload[..end]).unwrap();
        let file = [&Header::of(&payload[..end], &plan).to_bytes(), &payload[..end]].concat();
        let mut arena = vec![0xA5; plan.arena_len()];
        let mut network = Network::new(&file, &mut arena).unwrap();
        let logits = network.classify(&bytes(self.input.len())).unwrap().logits().to_vec();
        (plan.arena_len(), logits)
    }

    /// The most bytes that a stage holds: its inputs and its output, and what later stages read; without scratch and without
    /// the image. No planner takes less where no two values overlap.
    fn ideal(&self) -> usize {
        let read_last = |source: usize| {
            let reads = |stage: &StageRecord<'_>| stage.ports.inputs().any(|read| usize::from(read.source) == source);
            self.stages.iter().rposition(reads).map_or(source, |stage| stage + 1)
        };
        let held = |stage: usize| {
            let lives = |source: &usize| *source <= stage && stage <= read_last(*source);
            (1..self.shapes.len()).filter(lives).map(|source| self.shapes[source].len()).sum()
        };
        (1..=self.stages.len()).map(held).max().unwrap_or_default()
    }
}

/// MLPerf Tiny's visual wake words: MobileNet of a quarter of the width.
fn mobilenet() -> Graph {
    let mut graph = Graph::new("mobilenet 0.25, 96x96x3", [96, 96, 3]);
    let mut last = graph.conv(0, 8, [3, 3], 2);
    for (channels, stride) in [
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        (128, 1),
        (128, 1),
        (128, 1),
        (128, 1),
        (128, 1),
        (256, 2),
        (256, 1),
    ] {
        let depthwise = graph.depthwise(last, stride);
        last = graph.conv(depthwise, channels, [1, 1], 1);
    }
    graph.finish(2)
}

/// MLPerf Tiny's image classification.
fn resnet8() -> Graph {
    let mut graph = Graph::new("resnet8, 32x32x3", [32, 32, 3]);
    let mut last = graph.conv(0, 16, [3, 3], 1);
    for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
        let first = graph.conv(last, channels, [3, 3], stride);
        let second = graph.conv(first, channels, [3, 3], 1);
        let shortcut = if stride == 1 { last } else { graph.conv(last, channels, [1, 1], stride) };
        last = graph.add(second, shortcut);
    }
    graph.finish(10)
}

/// MLPerf Tiny's keyword spotting.
fn dscnn() -> Graph {
    let mut graph = Graph::new("dscnn, 49x10x1", [49, 10, 1]);
    let mut last = graph.conv(0, 64, [10, 4], 2);
    for _ in 0..4 {
        let depthwise = graph.depthwise(last, 1);
        last = graph.conv(depthwise, 64, [1, 1], 1);
    }
    graph.finish(12)
}

#[test]
fn arenas_of_known_networks_stay_below_their_bounds() {
    println!("| network | ideal, no two values overlap | apart | overlapping |");
    println!("|---|---|---|---|");
    for (graph, ideal, most) in [(mobilenet(), 55_296, 40_000), (resnet8(), 49_152, 36_000), (dscnn(), 16_000, 10_000)]
    {
        let ((apart, logits), (overlapping, again)) = (graph.run(Places::Apart), graph.run(Places::Overlapping));
        assert_eq!(logits, again, "{}", graph.name);
        assert!(logits.iter().any(|&logit| logit != logits[0]), "{}: {logits:?} prove nothing", graph.name);
        println!("| {} | {} | {apart} | {overlapping} |", graph.name, graph.ideal());
        assert_eq!(graph.ideal(), ideal, "{}", graph.name);
        assert!(overlapping <= most, "{}: {overlapping}", graph.name);
        assert!(overlapping <= apart, "{}", graph.name);
    }
}
