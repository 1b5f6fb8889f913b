//! Channels of an activation that a depthwise convolution reads: each gets its share of the codes, and the float network stays the same to
//! the bit.

use candle_core::{D, Device, Tensor};
use infer_core::format::Metadata;
use trainer::dataset::{ImageShape, Images};
use trainer::network::{Architecture, FloatModel};
use trainer::quantize::choose::choose;
use trainer::quantize::{Calibration, Method, QuantizedModel, calibrate, equalize};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};
use trainer::train::evaluate;

const SHAPE: ImageShape = ImageShape { height: 8, width: 8, channels: 1 };

/// What of each channel of the first layer batch normalization would leave in the weights, powers of two and others.
const FACTORS: [f32; 4] = [1.0, 0.01, 0.3, 0.0625];

fn network(layers: &str) -> FloatModel {
    let text = format!("name = \"mine\"\ninput = [8, 8, 1]\nlayers = [{layers}, {{ dense = {{ outputs = 3 }} }}]");
    FloatModel::new(Architecture::from_toml(&text).unwrap(), 48).unwrap()
}

fn images() -> Images {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let pixels = (0..200 * SHAPE.len()).map(|_| random.random_range(0..=255)).collect();
    Images::new(SHAPE, pixels, vec![0; 200])
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Multiplies the rows of a layer's weights, and of its bias, which is not left at zero.
fn multiply(model: &FloatModel, layer: usize, of_row: impl Fn(usize) -> f32) {
    let parameters = model.parameters()[layer].as_ref().unwrap();
    for (variable, add) in [(&parameters.weight, 0.0), (&parameters.bias, 0.02)] {
        let mut values = values(variable);
        let inputs = values.len() / variable.dim(0).unwrap();
        for (row, values) in values.chunks_exact_mut(inputs).enumerate() {
            values.iter_mut().for_each(|value| *value = (*value + add) * of_row(row));
        }
        variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu).unwrap()).unwrap();
    }
}

fn logits(model: &FloatModel, images: &Images) -> Vec<u32> {
    let pixels: Vec<f32> =
        (0..images.len()).flat_map(|index| images.image(index).unwrap().to_vec()).map(f32::from).collect();
    let inputs = Tensor::from_vec(pixels, (images.len(), 8, 8, 1), &Device::Cpu).unwrap();
    values(&model.forward(&(inputs / 255.0).unwrap()).unwrap()).into_iter().map(f32::to_bits).collect()
}

/// The highest value of each channel of a layer's output.
fn highest(model: &FloatModel, images: &Images, layer: usize) -> Vec<f32> {
    let mut found = Vec::new();
    evaluate::float_by(model, images, |inputs| {
        model.forward_traced(inputs, |at, activation| {
            if at == layer {
                let channels = activation.dim(D::Minus1)?;
                found.resize(channels, 0.0);
                for sample in values(activation).chunks_exact(channels) {
                    found.iter_mut().zip(sample).for_each(|(most, value)| *most = f32::max(*most, value.abs()));
                }
            }
            Ok(())
        })
    })
    .unwrap();
    found
}

/// That each channel of the first layer spans more than half of what the largest spans.
fn assert_equal_shares(model: &FloatModel, images: &Images) {
    let channels = highest(model, images, 0);
    let most = channels.iter().copied().fold(0.0, f32::max);
    assert!(
        channels.iter().all(|&channel| channel > most / 2.0),
        "{}: {channels:?}",
        model.architecture().layers[0].layer
    );
}

/// How far the probabilities of the model file are from those of the float network, in the mean.
fn cost(model: &FloatModel, images: &Images) -> f32 {
    let calibration: Vec<Calibration> = calibrate(model, images, 48).unwrap();
    let metadata = Metadata {
        trainer: "",
        dataset: "",
        architecture: "",
        class_lines: "a\nb\nc",
        images: "",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    };
    let file = QuantizedModel::new(model, &calibration).unwrap().encode(&metadata).unwrap();
    let (float, int8) = (evaluate::float(model, images).unwrap(), evaluate::int8(&file, images).unwrap());
    let distance = float.probabilities.iter().zip(&int8.probabilities).map(|(float, int8)| (float - int8).abs());
    distance.sum::<f32>() / images.len() as f32
}

const CONV: &str = "{ conv = { channels = 4, kernel = 3, padding = \"same\" } }, ";
const CONV_RELU: &str = "{ conv = { channels = 4, kernel = 3, padding = \"valid\", relu = true } }, ";
const CONV_RELU6: &str = "{ conv = { channels = 4, kernel = 3, padding = \"valid\", relu6 = true } }, ";
const DEPTHWISE: &str = "{ depthwise_conv = { kernel = 3, padding = \"valid\" } }";
const DOUBLED: &str = "{ depthwise_conv = { kernel = 2, padding = \"valid\", multiplier = 2 } }";
const MAX_POOL: &str = "{ max_pool = {} }, ";
const AVERAGE_POOL: &str = "{ average_pool = { window = 2, stride = 2 } }, ";

#[test]
fn channels_get_their_share_of_the_codes_and_the_float_network_stays_the_same_to_the_bit() {
    let images = images();
    // As it is; by way of a pool that the convolution computes too; by way of one that it does not, with two rows for each channel.
    for (layers, reader) in [
        ([CONV_RELU, DEPTHWISE].concat(), 1),
        ([CONV, MAX_POOL, DEPTHWISE].concat(), 2),
        ([CONV, AVERAGE_POOL, DOUBLED].concat(), 2),
    ] {
        let model = network(&layers);
        let rows = model.parameters()[reader].as_ref().unwrap().bias.elem_count() / FACTORS.len();
        multiply(&model, 0, |row| FACTORS[row]);
        multiply(&model, reader, |row| 4.0 / FACTORS[row / rows]);
        let (before, rounded) = (logits(&model, &images), cost(&model, &images));

        equalize(&model, &images, 48).unwrap();
        assert_eq!(logits(&model, &images), before, "{layers}");
        assert_equal_shares(&model, &images);
        let now = cost(&model, &images);
        assert!(now < rounded / 3.0, "{layers}: {rounded} before, {now} now");

        let weights = model.to_safetensors().unwrap();
        equalize(&model, &images, 48).unwrap();
        assert_eq!(model.to_safetensors().unwrap(), weights, "{layers}: a second time");
    }
}

#[test]
fn what_calibrates_equalizes_first() {
    let images = images();
    let model = network(&[CONV_RELU, DEPTHWISE].concat());
    multiply(&model, 0, |row| FACTORS[row]);
    choose(&model, &images, &images, 48, &[Method::Range]).unwrap();
    assert_equal_shares(&model, &images);
}

#[test]
fn channels_that_another_layer_takes_as_they_are_stay_as_they_are() {
    let images = images();
    // Another convolution sums them up, ReLU6 ends at 6, and what is added has the scale of what it is added to.
    let added = "{ name = \"a\", conv = { channels = 4, kernel = 3, padding = \"same\" } }, \
                 { depthwise_conv = { kernel = 3, padding = \"same\" } }, { residual = \"a\", add = {} }";
    let summed = CONV.trim_end_matches(", ");
    for layers in [[CONV_RELU, summed].concat(), [CONV_RELU6, DEPTHWISE].concat(), added.to_owned()] {
        let model = network(&layers);
        multiply(&model, 0, |row| FACTORS[row]);
        let weights = model.to_safetensors().unwrap();
        equalize(&model, &images, 48).unwrap();
        assert_eq!(model.to_safetensors().unwrap(), weights, "{layers}");
    }
}

#[test]
fn channels_that_are_empty_or_nearly_so_are_left_alone() {
    let images = images();
    // Less than half a code, nothing, and no number.
    for factor in [1e-4, 0.0, f32::NAN] {
        let model = network(&[CONV_RELU, DEPTHWISE].concat());
        multiply(&model, 0, |row| if row == 2 { factor } else { 1.0 });
        let row = || values(&model.parameters()[1].as_ref().unwrap().weight)[18..27].to_vec();
        let before = row();
        equalize(&model, &images, 48).unwrap();
        assert_eq!(row(), before, "{factor}");
    }
}

#[test]
fn without_images_nothing_changes() {
    let model = network(&[CONV_RELU, DEPTHWISE].concat());
    let weights = model.to_safetensors().unwrap();
    equalize(&model, &Images::new(SHAPE, Vec::new(), Vec::new()), 48).unwrap();
    assert_eq!(model.to_safetensors().unwrap(), weights);
}
