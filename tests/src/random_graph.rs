//! Networks of random shapes, weights and branches, planned and as files.

use infer_core::format::{Codes, Input, Layout, Ports, Shape, Window};
use infer_core::operators::{Add, AddRescaled, Layer, StageRecord};
use infer_core::plan::Places;
use proptest::prelude::*;
use trainer::export::model_file::encode_graph;
use trainer::network::record::Rounding;
use trainer::quantize::QuantizedLayer;
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

use crate::random_model::{self, HALVES, kernels, metadata, other_kinds, rounded, rows, square, takes_pool};

/// A network to be filled with random numbers.
#[derive(Clone, Debug)]
pub struct RandomGraph {
    /// Shape of an image.
    pub input: Shape,
    /// Zero point of its pixels.
    pub zero_point: u8,
    /// What each stage before the logits is, a sum by [`Node::Add`] where two values have the same shape.
    pub nodes: Vec<Node>,
    /// Number of classes.
    pub classes: u16,
    /// What weights and images are drawn from.
    pub seed: u64,
}

/// A stage. `from` and `also` say what it reads: of the values that it may read, the one so many before the last one.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// Output channels, kernel, pool.
    Conv {
        /// What it reads.
        from: usize,
        /// Channels of its output.
        channels: u16,
        /// Its kernel.
        window: Window,
        /// Whether a max-pool runs with it, where it can.
        pool: bool,
    },
    /// 2x2.
    MaxPool {
        /// What it reads.
        from: usize,
    },
    /// Fully connected.
    Dense {
        /// What it reads.
        from: usize,
        /// Values of its output.
        outputs: u16,
    },
    /// What else there is in [`random_model`].
    Other {
        /// What it reads.
        from: usize,
        /// What it does.
        kind: random_model::Kind,
    },
    /// A sum; where no two values have the same shape, nothing.
    Add {
        /// What it reads.
        from: usize,
        /// What it reads besides.
        also: usize,
    },
}

/// Networks of up to twelve stages; those that do not fit are left out.
pub fn random_graphs() -> impl Strategy<Value = RandomGraph> {
    let from = || prop_oneof![5 => Just(0usize), 2 => Just(1), 1 => 0usize..6];
    // Most are like those that residuals are made of: as large as their input.
    let window = prop_oneof![
        4 => (1u8..=5, prop::bool::weighted(0.8)).prop_map(|(side, is_same)| square(side, is_same)),
        1 => kernels(),
    ];
    let conv = (from(), prop_oneof![3 => Just(3u16), 1 => 1u16..=9], window, any::<bool>()).prop_map(
        |(from, channels, window, pool)| Node::Conv { from, channels, window, pool: pool && window.size[0] < 3 },
    );
    let node = prop_oneof![
        6 => conv,
        1 => from().prop_map(|from| Node::MaxPool { from }),
        1 => (from(), 1u16..=9).prop_map(|(from, outputs)| Node::Dense { from, outputs }),
        1 => (from(), other_kinds()).prop_map(|(from, kind)| Node::Other { from, kind }),
        5 => (from(), 0usize..6).prop_map(|(from, also)| Node::Add { from, also }),
    ];
    let input = (1u16..=14, 1u16..=9, prop_oneof![Just(1u16), Just(3u16)]);
    (input, any::<u8>(), prop::collection::vec(node, 0..=12), 1u16..=9, any::<u64>()).prop_map(
        |((height, width, channels), zero_point, nodes, classes, seed)| RandomGraph {
            input: Shape { height, width, channels },
            zero_point,
            nodes,
            classes,
            seed,
        },
    )
}

/// A layer whose weights are compact: of a convolution in the first of these layouts, of others in the last one, where it has that.
fn in_layouts(layer: QuantizedLayer, layouts: &[Layout], input: Shape) -> QuantizedLayer {
    let is_conv = matches!(layer, QuantizedLayer::Conv2d { .. });
    match if is_conv { layouts.first() } else { layouts.last() } {
        Some(&layout) => layer.with_layout(layout, input),
        None => layer,
    }
}

/// The outputs of stages, and the stages.
struct Built {
    layouts: Vec<Layout>,
    rounding: Rounding,
    shapes: Vec<Shape>,
    stages: Vec<(Ports, Kind)>,
}

enum Kind {
    Owned(QuantizedLayer),
    Add(Add),
}

impl Built {
    /// The value so many before the last one.
    fn value(&self, before_last: usize) -> usize {
        self.shapes.len() - 1 - before_last % self.shapes.len()
    }

    fn push(&mut self, ports: Ports, kind: Kind, shape: Shape) {
        self.stages.push((ports, kind));
        self.shapes.push(shape);
    }

    fn add_node(&mut self, node: Node, random: &mut ChaCha8Rng) {
        match node {
            Node::Conv { from, channels, window, pool } => {
                let source = self.value(from);
                let mut shape = self.shapes[source];
                let Some(mut conv) = random_model::Kind::Conv(channels, window).layer(random, &mut shape) else {
                    return;
                };
                if pool && takes_pool(&window) && shape.height > 1 && shape.width > 1 {
                    shape = Shape { height: shape.height / 2, width: shape.width / 2, ..shape };
                    conv = conv.with_pool();
                }
                conv = in_layouts(rounded(conv, self.rounding), &self.layouts, self.shapes[source]);
                self.push(Ports::of(source as u8), Kind::Owned(conv), shape);
            }
            Node::MaxPool { from } => {
                self.add_node(Node::Other { from, kind: random_model::Kind::MaxPool(HALVES) }, random);
            }
            Node::Dense { from, outputs } => {
                let source = self.value(from);
                let (requantize, relu, weights) = rows(random, outputs, self.shapes[source].len());
                let dense = QuantizedLayer::Dense { outputs, relu, requantize, layout: Layout::Compact, weights };
                let dense = in_layouts(rounded(dense, self.rounding), &self.layouts, self.shapes[source]);
                self.push(Ports::of(source as u8), Kind::Owned(dense), Shape::flat(outputs));
            }
            Node::Other { from, kind } => {
                let source = self.value(from);
                let mut shape = self.shapes[source];
                if let Some(layer) = kind.layer(random, &mut shape) {
                    let layer = in_layouts(rounded(layer, self.rounding), &self.layouts, self.shapes[source]);
                    self.push(Ports::of(source as u8), Kind::Owned(layer), shape);
                }
            }
            Node::Add { from, also } => {
                let source = self.value(from);
                let shape = self.shapes[source];
                let alike: Vec<usize> =
                    (0..self.shapes.len()).filter(|&other| other != source && self.shapes[other] == shape).collect();
                if alike.is_empty() {
                    return;
                }
                let second = alike[alike.len() - 1 - also % alike.len()];
                let relu = random.random_bool(0.5);
                // As often as not about what the trainer takes, where the multipliers have 15 bits or a few more.
                let shift =
                    if random.random_bool(0.5) { random.random_range(12..=17) } else { random.random_range(1u8..=23) };
                // From nothing to what saturates, and at times as large as can be, of 15 bits or at all.
                let multiplier = |random: &mut ChaCha8Rng| match random.random_range(0..10) {
                    0 => random.random_range(1..1u32 << 22),
                    1..3 => random.random_range(1..1u32 << 15),
                    _ => (f64::from(random.random_range(0.05f32..2.0)) * f64::from(shift).exp2())
                        .clamp(1.0, 4_194_303.0) as u32,
                };
                let multipliers = [multiplier(random), multiplier(random)];
                let codes = Codes { scale: 0.1, zero_point: if relu { 0 } else { random.random() } };
                let add = Add { codes, relu, multipliers, shift };
                self.push(Ports::of_two(source as u8, second as u8), Kind::Add(add), shape);
            }
        }
    }
}

/// About the same sum, of rescaled inputs: `m / 2^22` and `2^(2 - k)`, the last multiplier with bits of the others.
fn rescaled(add: &Add) -> AddRescaled {
    let [first, second] = add.multipliers;
    let zeros = |multiplier: u32| multiplier.leading_zeros() - 1;
    let sum = 1 << 30 | first.wrapping_mul(second) >> 2;
    AddRescaled {
        codes: add.codes,
        relu: add.relu,
        multipliers: [first << zeros(first), second << zeros(second), sum].map(u32::to_le_bytes),
        shifts: [zeros(first) as u8 - 9, zeros(second) as u8 - 9, add.shift.saturating_sub(3)],
    }
}

impl RandomGraph {
    /// The model file.
    ///
    /// # Panics
    /// Where infer-core refuses it: then this builder, the planner or infer-core is wrong.
    #[must_use]
    pub fn file(&self, places: Places) -> Vec<u8> {
        self.file_in(&[], places)
    }

    /// The same with the weights of convolutions in the first of these layouts and of other layers in the last one, where they have it.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn file_in(&self, layouts: &[Layout], places: Places) -> Vec<u8> {
        self.file_rounded(layouts, places, Rounding::Once)
    }

    /// The same, rounded so.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn file_rounded(&self, layouts: &[Layout], places: Places, rounding: Rounding) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut built = Built { layouts: layouts.to_vec(), rounding, shapes: vec![self.input], stages: Vec::new() };
        for &node in &self.nodes {
            built.add_node(node, &mut random);
        }
        let features = built.shapes[built.shapes.len() - 1];
        let biases = (0..self.classes).flat_map(|_| random.random_range(-100_000i32..100_000).to_le_bytes()).collect();
        let (_, _, weights) = rows(&mut random, self.classes, features.len());
        let logits =
            QuantizedLayer::Logits { classes: self.classes, scale: 0.001, biases, layout: Layout::Compact, weights };
        let logits = in_layouts(logits, layouts, features);
        let last = (built.shapes.len() - 1) as u8;
        built.stages.push((Ports::of(last), Kind::Owned(logits)));
        let stages = built.stages.iter().map(|(ports, kind)| {
            let layer = match kind {
                Kind::Owned(layer) => layer.borrow(),
                Kind::Add(add) if rounding == Rounding::Twice => Layer::AddRescaled(rescaled(add)),
                Kind::Add(add) => Layer::Add(*add),
            };
            StageRecord { ports: *ports, layer }
        });
        let input = Input::new(self.input, Codes { scale: 1.0 / 255.0, zero_point: self.zero_point });
        let names: Vec<String> = (0..self.classes).map(|class| class.to_string()).collect();
        encode_graph(&metadata(&names.join("\n")), &input, stages.collect(), places).unwrap()
    }

    /// A random image: all zeros, sparse, or dense.
    #[must_use]
    pub fn image(&self, index: u64) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ (index + 1));
        let zeros = [1.0, 0.6, 0.0][index as usize % 3];
        (0..self.input.len()).map(|_| if random.random_bool(zeros) { 0 } else { random.random() }).collect()
    }
}
