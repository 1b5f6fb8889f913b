//! Networks of any architecture with random weights under which no activation is zero: those that estimates of instructions
//! are made for, as kernels skip what is zero.

use infer_core::format::{Codes, Input, Layout};
use infer_core::packing;
use trainer::export::model_file::encode_stages;
use trainer::image::parse_shape;
use trainer::network::chain::{Stage, quantized_stages, with_layouts};
use trainer::network::record::{Numbers, Requantization, Rounding, WrongNumbers};
use trainer::network::{Architecture, Template};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

use crate::random_model::metadata;

/// The [networks](architecture) that are counted on each core, for estimates to be compared with.
pub const COUNTED: &[&str] = &[
    "mlp:28x28x1:10",
    "cnn:28x28x1:10",
    "small:28x28x1:10",
    "tiny:28x28x1:10",
    "resnet8:32x32x3:10",
    "mobilenet:96x96x3:2",
    "mobilenet:32x32x3:10",
    "dscnn:49x10x1:12",
    "dscnn:32x32x3:10",
    "fast:small:28x28x1:10",
    "fast:resnet8:32x32x3:10",
    "vector:mlp:28x28x1:10",
    "vector:cnn:28x28x1:10",
    "vector:small:28x28x1:10",
    "vector:tiny:28x28x1:10",
    "vector:resnet8:32x32x3:10",
    "vector:mobilenet:96x96x3:2",
    "vector:dscnn:49x10x1:12",
];

/// What weights and images are drawn from.
const SEED: u64 = 48;

/// `NAME:HxWxC:CLASSES[:WIDTH]`: a built-in architecture for such images and so many classes.
#[must_use]
pub fn architecture(name: &str) -> Option<Architecture> {
    let (name, input, classes, width) = match name.split(':').collect::<Vec<_>>()[..] {
        [name, input, classes] => (name, input, classes, None),
        [name, input, classes, width] => (name, input, classes, Some(width)),
        _ => return None,
    };
    let mut template = Template::built_in(name).ok()?;
    if let Some(width) = width {
        template = template.with_width(width.parse().ok()?).ok()?;
    }
    template.architecture(parse_shape(input).ok()?, classes.parse().ok()?).ok()
}

/// The model file.
///
/// # Panics
/// Where infer-core refuses it: then this builder or infer-core is wrong.
#[must_use]
pub fn model(architecture: &Architecture) -> Vec<u8> {
    model_in(architecture, Layout::Compact)
}

/// The same with the weights in a layout, where layers have it.
///
/// # Panics
/// As [`model`].
#[must_use]
pub fn model_in(architecture: &Architecture, layout: Layout) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let stages = quantized_stages(&architecture.stages(), |stage| Ok::<_, WrongNumbers>(numbers(stage, &mut random)));
    let input = Input::new(architecture.input, codes(1.0));
    let names: Vec<String> = (0..architecture.classes()).map(|class| format!("class {class}")).collect();
    let layouts = vec![layout; architecture.stages().len()];
    let stages = with_layouts(architecture, stages.unwrap(), &layouts);
    encode_stages(&metadata(&names.join("\n")), &input, &stages).unwrap()
}

/// A random image without zeros.
#[must_use]
pub fn image(architecture: &Architecture, index: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED ^ (index + 1));
    (0..architecture.input.len()).map(|_| random.random_range(1..=u8::MAX)).collect()
}

fn codes(scale: f32) -> Codes {
    Codes { scale: scale / 255.0, zero_point: 0 }
}

/// Numbers of a stage whose codes spread around 128 where those of its inputs do.
fn numbers(stage: &Stage<'_>, random: &mut ChaCha8Rng) -> Numbers {
    let Some(shape) = stage.layer.weights() else {
        // Half of a sum of two is as large as they are.
        let output = codes(if stage.reads.residual.is_some() { 2.0 } else { 1.0 });
        return Numbers::Codes { inputs: stage.reads.map(|_| codes(1.0)), output, rounding: Rounding::Once };
    };
    let (rows, inputs) = (shape.rows(), shape.fan_in());
    let weights: Vec<i8> = (0..rows * inputs).map(|_| random.random_range(-127..=127)).collect();
    let packed = if stage.layer.arithmetic().packs_rows() {
        let mut packed = vec![0; packing::packed_len(rows as u32, inputs as u32).unwrap() as usize];
        packing::pack(&weights, inputs, &mut packed);
        packed
    } else {
        weights.iter().map(|weight| weight.cast_unsigned()).collect()
    };
    if stage.is_last {
        return Numbers::Logits { scale: 0.001, biases: vec![0; 4 * rows], weights: packed };
    }
    // Sums differ by the root of the mean square of a weight, 73, times that of a code, 148, times the root of their number. With a
    // bias of eight times that, less what 128 everywhere adds up to, none is near 0; eight times that is the code 128.
    let deviation = 73.0 * 148.0 * (inputs as f64).sqrt();
    let multiplier = (128.0 / (8.0 * deviation) * 32f64.exp2()) as i32;
    let channels = weights.chunks(inputs).flat_map(|weights| {
        let mean: i32 = weights.iter().map(|&weight| 128 * i32::from(weight)).sum();
        [(8.0 * deviation) as i32 - mean, multiplier].map(i32::to_le_bytes).concat()
    });
    let requantize = Requantization { codes: codes(1.0), shift: 0, channels: channels.collect() };
    Numbers::Requantized { requantize, weights: packed }
}

#[cfg(test)]
mod tests {
    use infer_core::Network;
    use trainer::export::model_file;

    use super::*;

    #[test]
    fn no_activation_is_zero() {
        for name in ["tiny:28x28x1:10", "resnet8:16x16x3:10", "mobilenet:32x32x3:3:0.25", "dscnn:49x10x1:12"] {
            let architecture = architecture(name).unwrap();
            let file = model(&architecture);
            let mut arena = model_file::arena(&file).unwrap();
            let mut network = Network::new(&file, &mut arena).unwrap();
            let mut stages = 0;
            let count = |stage: u8, codes: &[u8]| {
                assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 0, "{name}: stage {stage}");
                stages += 1;
            };
            network.classify_traced(&image(&architecture, 0), count).unwrap();
            assert!(stages > 1, "{name}");
        }
    }

    #[test]
    fn what_is_no_name_of_an_architecture_is_none() {
        for name in
            ["tiny", "tiny:28x28:10", "giant:28x28x1:10", "tiny:28x28x1:0", "tiny:28x28x1:10:0", "tiny:2x2x1:10"]
        {
            assert_eq!(architecture(name), None, "{name}");
        }
    }
}
