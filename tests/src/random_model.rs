//! Networks of random shapes and weights: what no training would bring about, and every tail of every loop.

use infer_core::Shape;
use infer_core::format::{Codes, Input, Layout, Metadata, Requantize, Window};
use infer_core::operators::{AveragePool2d, Layer, MaxPool2d};
use infer_core::packing;
use proptest::prelude::*;
use trainer::network::layers::{self, AveragePool, Conv, Dense, DepthwiseConv, MaxPool};
use trainer::network::record::Rounding;
use trainer::network::{self, Pair};
use trainer::quantize::{QuantizedLayer, QuantizedModel, Requantization};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

/// A layer before the logits.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Output channels, kernel.
    Conv(u16, Window),
    /// Output channels for each input channel, kernel.
    Depthwise(u8, Window),
    /// Window.
    MaxPool(Window),
    /// Outputs.
    Dense(u16),
    /// Window.
    AveragePool(Window),
}

/// The window of a pool that is fused with the convolution before it, where it can be.
pub const HALVES: Window = Window::square(2, 2);

/// The most multiply-accumulates of a layer, or values in the windows of a pool: the oracle is slow.
const MOST_WORK: usize = 1 << 21;

/// Layers other than convolutions over all channels.
pub fn other_kinds() -> impl Strategy<Value = Kind> {
    let pools = || prop_oneof![4 => windows(1..=4), 1 => windows(1..=9), 1 => Just(Window::WHOLE)];
    prop_oneof![
        1 => Just(Kind::MaxPool(HALVES)),
        1 => pools().prop_map(Kind::MaxPool),
        1 => (1u16..=37).prop_map(Kind::Dense),
        1 => pools().prop_map(Kind::AveragePool),
        3 => depthwise(),
    ]
}

/// Depthwise convolutions, half of them of 3x3 with a stride of 1 or 2, which some cores have kernels of their own for.
fn depthwise() -> impl Strategy<Value = Kind> {
    let of_three = (1u8..=2, any::<bool>(), any::<[u8; 4]>()).prop_map(|(stride, is_same, any)| {
        let padding = if is_same { [1; 4] } else { any.map(|side| side % 3) };
        Kind::Depthwise(1, Window { size: [3; 2], stride: [stride; 2], padding })
    });
    let of_any_kernel = (prop_oneof![2 => Just(1u8), 1 => 1u8..=3], kernels())
        .prop_map(|(multiplier, window)| Kind::Depthwise(multiplier, window));
    prop_oneof![of_three, of_any_kernel]
}

/// Windows of convolutions.
pub fn kernels() -> impl Strategy<Value = Window> {
    windows(1..=4)
}

/// Windows of up to 15 rows and columns, most of them small, with these strides or with a stride of 1.
fn windows(strides: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Window> {
    let size = || prop_oneof![4 => 1u8..=3, 2 => 1u8..=7, 1 => 1u8..=15];
    let stride = (strides.clone(), strides);
    let strides = prop_oneof![3 => Just([1; 2]), 2 => stride.prop_map(|(down, along)| [down, along])];
    let sizes = prop_oneof![
        1 => size().prop_map(|side| [side; 2]),
        1 => (size(), size()).prop_map(|(rows, columns)| [rows, columns]),
    ];
    (sizes, strides, 0u8..=3, any::<[u8; 4]>()).prop_map(|(size, stride, padding, any)| {
        let [rows, columns] = size;
        let padding = match padding {
            0 => [0; 4],
            // As large as the input at a stride of 1, the smaller half before.
            1 | 2 => [(rows - 1) / 2, (columns - 1) / 2, rows / 2, columns / 2],
            _ => [any[0] % rows, any[1] % columns, any[2] % rows, any[3] % columns],
        };
        Window { size, stride, padding }
    })
}

/// A square kernel of stride 1: with an output as large as the input, or without padding.
#[must_use]
pub const fn square(side: u8, is_same: bool) -> Window {
    let window = Window::square(side, 1);
    if is_same { Window { padding: [(side - 1) / 2, (side - 1) / 2, side / 2, side / 2], ..window } } else { window }
}

/// A kernel under which the output has the sides of the input over the stride, rounded up, as TensorFlow pads.
#[must_use]
pub fn same(input: Shape, [rows, columns]: [u8; 2], stride: u8) -> Option<Window> {
    let (size, stride) = (Pair { rows, columns }, Pair::both(stride));
    let placed = layers::Window { size, stride, padding: network::Padding::Same }.on("kernel", input).ok()?;
    Some(Window { size: size.axes(), stride: stride.axes(), padding: placed.padding().map(|side| side as u8) })
}

/// The shape of a window's output of `channels`; `None` where it does not fit.
fn output(window: &Window, input: Shape, channels: u16) -> Option<Shape> {
    if *window == Window::WHOLE {
        return Some(Shape::flat(channels));
    }
    let [above, left, below, right] = window.padding.map(u16::from);
    let [rows, columns] = window.size.map(u16::from);
    let [down, along] = window.stride.map(u16::from);
    let height = (input.height + above + below).checked_sub(rows)? / down + 1;
    let width = (input.width + left + right).checked_sub(columns)? / along + 1;
    let shape = Shape { height, width, channels };
    (shape.len() * usize::from(rows * columns) <= MOST_WORK).then_some(shape)
}

impl Kind {
    /// A [`square`] convolution.
    #[must_use]
    pub const fn square(channels: u16, side: u8, is_same: bool) -> Self {
        Self::Conv(channels, square(side, is_same))
    }

    /// A max-pool that is fused with the convolution before it, where it can be.
    pub const HALVES: Self = Self::MaxPool(HALVES);

    /// The layer with random numbers, which takes `shape` from that of its input to that of its output; `None` where it does not
    /// fit, or is too much work.
    pub(crate) fn layer(self, random: &mut ChaCha8Rng, shape: &mut Shape) -> Option<QuantizedLayer> {
        let input = *shape;
        match self {
            Self::Conv(channels, window) => {
                let taps = window.size.map(usize::from).iter().product::<usize>() * usize::from(input.channels);
                let output = output(&window, input, channels)?;
                if output.len() * taps > MOST_WORK {
                    return None;
                }
                let (requantize, relu, weights) = rows(random, channels, taps);
                *shape = output;
                Some(QuantizedLayer::Conv2d {
                    output_channels: channels,
                    window,
                    pool: false,
                    relu,
                    requantize,
                    layout: Layout::Compact,
                    weights,
                })
            }
            Self::Depthwise(multiplier, window) => {
                let channels = input.channels.checked_mul(multiplier.into())?;
                *shape = output(&window, input, channels)?;
                let taps = window.size.map(usize::from).iter().product();
                let (requantize, relu, weights) = plain_rows(random, channels, taps);
                let weights = weights.into_iter().map(i8::cast_unsigned).collect();
                Some(QuantizedLayer::DepthwiseConv2d {
                    multiplier,
                    window,
                    relu,
                    requantize,
                    layout: Layout::Compact,
                    weights,
                })
            }
            Self::MaxPool(window) => {
                *shape = output(&window, input, input.channels)?;
                Some(QuantizedLayer::Bare(Layer::MaxPool2d(MaxPool2d { window })))
            }
            Self::Dense(outputs) => {
                let (requantize, relu, weights) = rows(random, outputs, shape.len());
                *shape = Shape::flat(outputs);
                Some(QuantizedLayer::Dense { outputs, relu, requantize, layout: Layout::Compact, weights })
            }
            Self::AveragePool(window) => average_pool(random, window, shape),
        }
    }

    /// The layer of an architecture that does this.
    #[must_use]
    pub fn described(self) -> network::Layer {
        let moving = |window: &Window| {
            let layers::Window { size, stride, padding } = window.into();
            (size, stride, padding)
        };
        match self {
            Self::Conv(channels, window) => {
                let (kernel, stride, padding) = moving(&window);
                network::Layer::Conv(Conv { channels, kernel, stride, padding, ..Conv::default() })
            }
            Self::Depthwise(multiplier, window) => {
                let (kernel, stride, padding) = moving(&window);
                let conv = DepthwiseConv { multiplier, kernel, stride, padding, ..DepthwiseConv::default() };
                network::Layer::DepthwiseConv(conv)
            }
            Self::MaxPool(window) => network::Layer::MaxPool(MaxPool((&window).into())),
            Self::Dense(outputs) => network::Layer::Dense(Dense { outputs, relu: true }),
            Self::AveragePool(window) => network::Layer::AveragePool(AveragePool((&window).into())),
        }
    }
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
        4 => (1u16..=19, kernels()).prop_map(|(channels, window)| Kind::Conv(channels, window)),
        5 => other_kinds(),
    ];
    // Some are wider than what a kernel computes at once.
    let sides = prop_oneof![7 => (1u16..=13, 1u16..=13), 1 => (1u16..=5, 20u16..=60)];
    let input = (sides, prop_oneof![2 => Just(1u16), 1 => 2u16..=9]);
    let layers = prop::collection::vec(kind, 0..=5);
    (input, prop_oneof![Just(0u8), any::<u8>()], layers, 1u16..=21, any::<u64>()).prop_map(
        |(((height, width), channels), zero_point, layers, classes, seed)| RandomModel {
            input: Shape { height, width, channels },
            zero_point,
            layers,
            classes,
            seed,
        },
    )
}

/// Networks of convolutions that have the layout Winograd, but for those after an odd number of channels, some with a pool.
pub fn transformed_models() -> impl Strategy<Value = RandomModel> {
    let padding = prop_oneof![2 => Just([1; 4]), 1 => Just([0; 4]), 1 => prop::array::uniform4(0u8..=2)];
    let window = padding.prop_map(|padding| Window { padding, ..Window::square(3, 1) });
    let channels = prop_oneof![3 => (1u16..=6).prop_map(|groups| 4 * groups), 1 => 1u16..=19];
    let conv = (channels, window, any::<bool>()).prop_map(|(channels, window, pool)| {
        let pool = if pool { Some(Kind::HALVES) } else { None };
        [Some(Kind::Conv(channels, window)), pool]
    });
    let layers = prop::collection::vec(conv, 1..=3);
    let input = (1u16..=13, 1u16..=13, prop_oneof![7 => 1u16..=9, 1 => 18u16..=24]);
    (input, any::<u8>(), layers, any::<u64>()).prop_map(|((height, width, groups), zero_point, layers, seed)| {
        RandomModel {
            input: Shape { height, width, channels: 4 * groups },
            zero_point,
            layers: layers.into_iter().flatten().flatten().collect(),
            classes: 7,
            seed,
        }
    })
}

/// Networks of depthwise convolutions on whole vectors of eight channels, mostly of 3x3, for kernels that have no others.
pub fn depthwise_models() -> impl Strategy<Value = RandomModel> {
    let padding = prop_oneof![2 => Just([1; 4]), 1 => Just([0; 4]), 1 => prop::array::uniform4(0u8..=2)];
    let three = (prop::array::uniform2(1u8..=2), padding).prop_map(|(stride, padding)| Window {
        size: [3; 2],
        stride,
        padding,
    });
    let window = prop_oneof![3 => three, 1 => windows(1..=3)];
    let layers = prop::collection::vec(window.prop_map(|window| Kind::Depthwise(1, window)), 1..=3);
    let input = (1u16..=13, 1u16..=13, 1u16..=4);
    (input, any::<u8>(), layers, any::<u64>()).prop_map(|((height, width, vectors), zero_point, layers, seed)| {
        let input = Shape { height, width, channels: 8 * vectors };
        RandomModel { input, zero_point, layers, classes: 7, seed }
    })
}

impl RandomModel {
    /// The model file.
    ///
    /// # Panics
    /// Where infer-core refuses it: then this builder or infer-core is wrong.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        self.file_in(Layout::Compact)
    }

    /// The same with the weights in a layout, where layers have it.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn file_in(&self, layout: Layout) -> Vec<u8> {
        self.file_rounded(layout, Rounding::Once)
    }

    /// The same, rounded so.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn file_rounded(&self, layout: Layout, rounding: Rounding) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut shape = self.input;
        let mut layers = Vec::new();
        for &kind in &self.layers {
            let input = shape;
            let Some(layer) = kind.layer(&mut random, &mut shape) else { continue };
            let layer = rounded(layer, rounding).with_layout(layout, input);
            // As the trainer has it: a pool runs with the convolution before it.
            match (kind, layers.pop()) {
                (Kind::MaxPool(HALVES), Some(conv @ QuantizedLayer::Conv2d { window, pool: false, .. }))
                    if takes_pool(&window) =>
                {
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
        let logits =
            QuantizedLayer::Logits { classes: self.classes, scale: 0.001, biases, layout: Layout::Compact, weights };
        layers.push(logits.with_layout(layout, shape));
        let input = Input::new(self.input, Codes { scale: 1.0 / 255.0, zero_point: self.zero_point });
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

/// Whether a max-pool may be fused with such a convolution.
pub(crate) fn takes_pool(window: &Window) -> bool {
    window.stride == [1; 2] && window.size[0] == window.size[1]
}

/// An average pool whose sums no input overflows, shifted or not; none where its window does not fit.
fn average_pool(random: &mut ChaCha8Rng, window: Window, shape: &mut Shape) -> Option<QuantizedLayer> {
    let sides = if window == Window::WHOLE { [shape.height, shape.width] } else { window.size.map(u16::from) };
    *shape = output(&window, *shape, shape.channels)?;
    let values = i32::from(sides[0]) * i32::from(sides[1]);
    let shift = random.random_range(0..=(i32::MAX / (255 * values)).ilog2()) as u8;
    let scale = random.random_range(0.3..3.0) * (32.0 - f64::from(shift)).exp2();
    let multiplier = (scale.clamp(1.0, f64::from(i32::MAX)) as i32).to_le_bytes();
    let codes = Codes { scale: 0.1, zero_point: random.random() };
    let record = AveragePool2d { window, codes, shift, multiplier };
    Some(QuantizedLayer::Bare(Layer::AveragePool2d(record)))
}

/// A layer that rounds once, rounded so.
#[must_use]
pub fn rounded(mut layer: QuantizedLayer, rounding: Rounding) -> QuantizedLayer {
    match &mut layer {
        _ if rounding == Rounding::Once => {}
        QuantizedLayer::Conv2d { requantize, .. }
        | QuantizedLayer::DepthwiseConv2d { requantize, .. }
        | QuantizedLayer::Dense { requantize, .. } => *requantize = twice(requantize),
        QuantizedLayer::Bare(Layer::AveragePool2d(pool)) => pool.shift |= AveragePool2d::ABOUT_128,
        QuantizedLayer::Bare(_) | QuantizedLayer::Logits { .. } => {}
    }
    layer
}

/// Records that round twice, of those that round once: `acc * 2^shift * m / 2^32` with all bits of the multiplier in use.
#[must_use]
fn twice(requantize: &Requantization) -> Requantization {
    let mut words: [Vec<i32>; 3] = Default::default();
    for record in requantize.channels.as_chunks::<8>().0 {
        let [bias, multiplier] = [0, 4].map(|at| i32::from_le_bytes([0, 1, 2, 3].map(|byte| record[at + byte])));
        let zeros = multiplier.leading_zeros() as i32 - 1;
        let shift = zeros + 1 - i32::from(requantize.shift);
        // Where no such shift is in a file, another multiplier.
        let (zeros, shift) = if (-30..=31).contains(&shift) { (zeros, shift) } else { (0, 31) };
        for (words, word) in words.iter_mut().zip([bias, multiplier << zeros, shift]) {
            words.push(word);
        }
    }
    let channels = words.concat().into_iter().flat_map(i32::to_le_bytes).collect();
    Requantization { codes: requantize.codes, shift: Requantize::TWICE, channels }
}

/// Metadata with these classes.
#[must_use]
pub fn metadata(class_lines: &str) -> Metadata<'_> {
    Metadata {
        trainer: "0",
        dataset: "random",
        architecture: "random",
        class_lines,
        images: "",
        float_test_accuracy: None,
        int8_test_accuracy: Some(0.5),
    }
}

/// Requantization and packed weights of a layer whose accumulators no input overflows, shifted or not.
pub(crate) fn rows(random: &mut ChaCha8Rng, outputs: u16, inputs: usize) -> (Requantization, bool, Vec<u8>) {
    let (requantize, relu, weights) = plain_rows(random, outputs, inputs);
    let mut packed = vec![0; packing::packed_len(outputs.into(), inputs as u32).unwrap() as usize];
    packing::pack(&weights, inputs, &mut packed);
    (requantize, relu, packed)
}

/// The same with the weights as they are.
fn plain_rows(random: &mut ChaCha8Rng, outputs: u16, inputs: usize) -> (Requantization, bool, Vec<i8>) {
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
    (Requantization { codes: Codes { scale: 0.1, zero_point }, shift, channels }, relu, weights)
}
