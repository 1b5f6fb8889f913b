//! Networks of random shapes and weights: what no training would bring about, and every tail of every loop.

use infer_core::Shape;
use infer_core::format::{Codes, Input, Metadata, Padding};
use infer_core::operators::{AveragePool2d, Layer, MaxPool2d};
use infer_core::packing;
use proptest::prelude::*;
use trainer::image::parse_shape;
use trainer::network;
use trainer::network::layers::AveragePool;
use trainer::quantize::{QuantizedLayer, QuantizedModel, QuantizedRescale};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

/// A layer before the logits.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Output channels, kernel, same padding.
    Conv(u16, u8, bool),
    /// 2x2.
    MaxPool,
    /// Outputs.
    Dense(u16),
    /// Window, 0 for the whole input; stride.
    AveragePool(u8, u8),
}

/// Layers other than convolutions.
pub fn other_kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::MaxPool),
        1 => (1u16..=37).prop_map(Kind::Dense),
        1 => (0u8..=7, 1u8..=4).prop_map(|(window, stride)| Kind::AveragePool(window, stride)),
    ]
}

impl Kind {
    /// The layer with random numbers, which takes `shape` from that of its input to that of its output; `None` where it does not
    /// fit.
    pub(crate) fn layer(self, random: &mut ChaCha8Rng, shape: &mut Shape) -> Option<QuantizedLayer> {
        match self {
            Self::Conv(channels, kernel, same) => {
                let side = u16::from(kernel);
                if !same && (side > shape.height || side > shape.width) {
                    return None;
                }
                let taps = usize::from(kernel) * usize::from(kernel) * usize::from(shape.channels);
                let (rescale, relu, weights) = rows(random, channels, taps);
                let padding = if same { Padding::Same } else { Padding::Valid };
                let shrink = if same { 0 } else { side - 1 };
                *shape = Shape { height: shape.height - shrink, width: shape.width - shrink, channels };
                let conv = QuantizedLayer::Conv2d {
                    output_channels: channels,
                    kernel,
                    padding,
                    pool: false,
                    relu,
                    rescale,
                    weights,
                };
                Some(conv)
            }
            Self::MaxPool if shape.height < 2 || shape.width < 2 => None,
            Self::MaxPool => {
                *shape = Shape { height: shape.height / 2, width: shape.width / 2, ..*shape };
                Some(QuantizedLayer::Bare(Layer::MaxPool2d(MaxPool2d)))
            }
            Self::Dense(outputs) => {
                let (rescale, relu, weights) = rows(random, outputs, shape.len());
                *shape = Shape::flat(outputs);
                Some(QuantizedLayer::Dense { outputs, relu, rescale, weights })
            }
            Self::AveragePool(window, stride) => average_pool(random, window, stride, shape),
        }
    }

    /// The layer of an architecture that does this.
    #[must_use]
    pub fn described(self) -> network::Layer {
        match self {
            Self::Conv(channels, kernel, same) => {
                let padding = if same { network::Padding::Same } else { network::Padding::Valid };
                network::Layer::Conv(network::Conv { channels, kernel, padding, relu: false })
            }
            Self::MaxPool => network::Layer::MaxPool(network::MaxPool {}),
            Self::Dense(outputs) => network::Layer::Dense(network::Dense { outputs, relu: true }),
            Self::AveragePool(0, _) => {
                network::Layer::AveragePool(AveragePool { window: None, stride: None, global: true })
            }
            Self::AveragePool(window, stride) => {
                network::Layer::AveragePool(AveragePool { window: Some(window), stride: Some(stride), global: false })
            }
        }
    }
}

/// The [layers](single_layer) that each core's costs are measured with.
pub const MEASURED: &[&str] = &[
    "conv:12x12x16:32:3:same",
    "conv:28x28x1:32:3:valid",
    "conv:14x14x8:16:5:valid",
    "conv:16x16x3:16:3:same",
    "conv:8x8x32:64:3:same",
    "conv:8x8x16:32:1:same",
    "conv:7x7x32:10:3:valid",
    "conv-pool:12x12x16:32:3:same",
    "conv-pool:28x28x1:32:3:valid",
    "conv-pool:14x14x8:16:5:valid",
    "conv-pool:32x32x3:16:3:same",
    "conv-pool:8x8x32:64:3:same",
    "conv-pool:8x8x16:32:1:same",
    "conv-pool:14x14x32:10:3:same",
    "max-pool:24x24x8",
    "max-pool:12x12x32",
    "max-pool:28x28x1",
    "add:12x12x16",
    "add:24x24x8",
    "add:28x28x1",
    "average-pool:24x24x8:2:2",
    "average-pool:12x12x32:3:1",
    "average-pool:8x8x64:0:1",
    "average-pool:28x28x1:2:2",
    "dense:28x28x1:350",
    "dense:28x28x1:100",
    "dense:13x13x32:100",
    "dense:1x1x256:10",
    "dense:7x7x64:10",
    "dense:1x1x100:37",
];

/// `conv:HxWxC:CHANNELS:KERNEL:PADDING`, `conv-pool:…`, `max-pool:HxWxC`, `average-pool:HxWxC:WINDOW:STRIDE`,
/// `dense:HxWxC:OUTPUTS`: the input, and the layers that the kernels run as one.
#[must_use]
pub fn single_layer(name: &str) -> Option<(Shape, Vec<Kind>)> {
    let parts: Vec<&str> = name.split(':').collect();
    let conv = |channels: &str, kernel: &str, padding: &str| {
        Some(Kind::Conv(channels.parse().ok()?, kernel.parse().ok()?, padding == "same"))
    };
    let layers = match parts[..] {
        ["conv", _, channels, kernel, padding] => vec![conv(channels, kernel, padding)?],
        ["conv-pool", _, channels, kernel, padding] => vec![conv(channels, kernel, padding)?, Kind::MaxPool],
        ["max-pool", _] => vec![Kind::MaxPool],
        ["average-pool", _, window, stride] => vec![Kind::AveragePool(window.parse().ok()?, stride.parse().ok()?)],
        ["dense", _, outputs] => vec![Kind::Dense(outputs.parse().ok()?)],
        _ => return None,
    };
    Some((parse_shape(parts[1]).ok()?, layers))
}

/// A network to be filled with random numbers.
#[derive(Clone, Debug)]
pub struct RandomModel {
    /// Shape of an image.
    pub input: Shape,
    /// Zero point of its pixels.
    pub zero_point: u8,
    /// The layers before the logits.
    pub layers: Vec<Kind>,
    /// Number of classes.
    pub classes: u16,
    /// What weights and images are drawn from.
    pub seed: u64,
}

/// Networks of up to five layers; layers that do not fit after each other are left out.
pub fn random_models() -> impl Strategy<Value = RandomModel> {
    let kind = prop_oneof![
        4 => (1u16..=19, 1u8..=7, any::<bool>()).prop_map(|(channels, kernel, same)| Kind::Conv(channels, kernel, same)),
        5 => other_kinds(),
    ];
    let input = (1u16..=13, 1u16..=13, prop_oneof![2 => Just(1u16), 1 => 2u16..=9]);
    let layers = prop::collection::vec(kind, 0..=5);
    (input, prop_oneof![Just(0u8), any::<u8>()], layers, 1u16..=21, any::<u64>()).prop_map(
        |((height, width, channels), zero_point, layers, classes, seed)| RandomModel {
            input: Shape { height, width, channels },
            zero_point,
            layers,
            classes,
            seed,
        },
    )
}

impl RandomModel {
    /// The model file.
    ///
    /// # Panics
    /// Where infer-core refuses it: then this builder or infer-core is wrong.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut shape = self.input;
        let mut layers = Vec::new();
        for &kind in &self.layers {
            let Some(layer) = kind.layer(&mut random, &mut shape) else { continue };
            // As the trainer has it: a pool runs with the convolution before it.
            match (kind, layers.pop()) {
                (Kind::MaxPool, Some(conv @ QuantizedLayer::Conv2d { pool: false, .. })) => {
                    layers.push(conv.with_pool())
                }
                (_, before) => {
                    layers.extend(before);
                    layers.push(layer);
                }
            }
        }
        let biases: Vec<u8> =
            (0..self.classes).flat_map(|_| random.random_range(-100_000i32..100_000).to_le_bytes()).collect();
        let (_, _, weights) = rows(&mut random, self.classes, shape.len());
        layers.push(QuantizedLayer::Logits { classes: self.classes, scale: 0.001, biases, weights });
        let input = Input { shape: self.input, codes: Codes { scale: 1.0 / 255.0, zero_point: self.zero_point } };
        let names: Vec<String> = (0..self.classes).map(|class| format!("class {class}")).collect();
        QuantizedModel::chain(input, layers).encode(&metadata(&names.join("\n"))).unwrap()
    }

    /// A random image: all zeros, sparse, or dense.
    #[must_use]
    pub fn image(&self, index: u64) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ (index + 1));
        let zeros = [1.0, 0.6, 0.0][index as usize % 3];
        (0..self.input.len()).map(|_| if random.random_bool(zeros) { 0 } else { random.random() }).collect()
    }
}

/// An average pool whose sums no input overflows, shifted or not; none where its window does not fit.
fn average_pool(random: &mut ChaCha8Rng, window: u8, stride: u8, shape: &mut Shape) -> Option<QuantizedLayer> {
    let sides = if window == 0 { [shape.height, shape.width] } else { [u16::from(window); 2] };
    let stride = if window == 0 { 1 } else { stride };
    let positions = |side: u16, window: u16| Some(side.checked_sub(window)? / u16::from(stride) + 1);
    (shape.height, shape.width) = (positions(shape.height, sides[0])?, positions(shape.width, sides[1])?);
    let values = i32::from(sides[0]) * i32::from(sides[1]);
    let shift = random.random_range(0..=(i32::MAX / (255 * values)).ilog2()) as u8;
    let scale = random.random_range(0.3..3.0) * (32.0 - f64::from(shift)).exp2() / f64::from(values);
    let multiplier = (scale.clamp(1.0, f64::from(i32::MAX)) as i32).to_le_bytes();
    let codes = Codes { scale: 0.1, zero_point: random.random() };
    let record = AveragePool2d { window, stride, codes, shift, multiplier };
    Some(QuantizedLayer::Bare(Layer::AveragePool2d(record)))
}

/// Metadata with these classes.
#[must_use]
pub fn metadata(class_lines: &str) -> Metadata<'_> {
    Metadata {
        trainer: "0",
        dataset: "random",
        architecture: "random",
        class_lines,
        preprocessing: "",
        float_test_accuracy: None,
        int8_test_accuracy: Some(0.5),
    }
}

/// Requantization and packed weights of a layer whose accumulators no input overflows, shifted or not.
pub(crate) fn rows(random: &mut ChaCha8Rng, outputs: u16, inputs: usize) -> (QuantizedRescale, bool, Vec<u8>) {
    let mut weights: Vec<i8> = (0..usize::from(outputs) * inputs).map(|_| random.random_range(-127..=127)).collect();
    if random.random_bool(0.1) {
        weights.iter_mut().for_each(|weight| *weight = if *weight < 0 { -128 } else { 127 });
    }
    let relu = random.random_bool(0.6);
    let zero_point = if relu { 0 } else { random.random() };
    let bound = 255 * 128 * inputs as i64;
    let most_shift = (i64::from(i32::MAX) / (2 * bound)).checked_ilog2().unwrap_or(0).min(31);
    let shift = if random.random_bool(0.5) { 0 } else { random.random_range(0..=most_shift) as u8 };
    let mut channels = Vec::new();
    for _ in 0..outputs {
        let bias = random.random_range(-bound..=bound) / 2;
        // Codes that spread over the range, saturate, or all vanish.
        let spread = f64::from(random.random_range(0.05f32..4.0));
        let typical = 74.0 * 148.0 * (inputs as f64).sqrt() * f64::from(shift).exp2();
        let multiplier = (spread * 128.0 / typical * 32f64.exp2()).clamp(1.0, f64::from(i32::MAX)) as i32;
        channels.extend_from_slice(&(bias as i32 / if relu { 8 } else { 1 }).to_le_bytes());
        channels.extend_from_slice(&multiplier.to_le_bytes());
    }
    let mut packed = vec![0; packing::packed_len(outputs.into(), inputs as u32).unwrap() as usize];
    packing::pack(&weights, inputs, &mut packed);
    (QuantizedRescale { codes: Codes { scale: 0.1, zero_point }, shift, channels }, relu, packed)
}
