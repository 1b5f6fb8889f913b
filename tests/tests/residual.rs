//! Networks in which an output has more than one reader, and of all operators: gradients, training, and what flows to the chip.

use candle_core::{Device, Tensor, Var};
use infer_core::Metadata;
use thimble_tests::garments::{self, Silent};
use thimble_tests::random_model::metadata;
use thimble_tests::to_the_file::{assert_oracle_equality, model_file};
use trainer::export::hardware::Footprint;
use trainer::export::inspect::Listing;
use trainer::network::autograd::{self, Conv2dOptions, Padding, Targets};
use trainer::network::{Architecture, FloatModel};
use trainer::quantize::{QuantizedModel, calibrate};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};
use trainer::train::recipe::Recipe;
use trainer::train::{evaluate, fit};

const LABELS: [u32; 3] = [0, 3, 1];

/// A residual block whose shortcut has a convolution of its own, around one whose shortcut has none. Every named layer is read
/// twice.
fn residual(relu: bool) -> Architecture {
    let text = format!(
        "name = \"residual\"
        input = [6, 5, 2]
        layers = [
            {{ conv = {{ channels = 4, kernel = 3, padding = \"same\", relu = {relu} }}, name = \"stem\" }},
            {{ conv = {{ channels = 4, kernel = 3, padding = \"same\", relu = {relu} }} }},
            {{ conv = {{ channels = 4, kernel = 3, padding = \"same\" }} }},
            {{ add = {{ relu = {relu} }}, residual = \"stem\", name = \"sum\" }},
            {{ conv = {{ channels = 6, kernel = 3, padding = \"same\" }}, name = \"long\" }},
            {{ conv = {{ channels = 6, kernel = 1, padding = \"same\" }}, input = \"sum\" }},
            {{ add = {{ relu = {relu} }}, residual = \"long\" }},
            {{ dense = {{ outputs = 4 }} }},
        ]"
    );
    Architecture::from_toml(&text).unwrap()
}

/// Adds one after the other, whose inputs have other readers too: each gradient goes to several outputs.
fn adds() -> Architecture {
    let text = "name = \"adds\"
        input = [6, 5, 2]
        layers = [
            { conv = { channels = 4, kernel = 3, padding = \"same\" }, name = \"a\" },
            { conv = { channels = 4, kernel = 3, padding = \"same\" }, name = \"b\" },
            { add = {}, residual = \"a\", name = \"c\" },
            { conv = { channels = 4, kernel = 3, padding = \"same\" } },
            { add = {}, residual = \"b\" },
            { add = {}, residual = \"c\" },
            { dense = { outputs = 4 } },
        ]";
    Architecture::from_toml(text).unwrap()
}

fn images() -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let values: Vec<f32> = (0..3 * 60).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, (3, 6, 5, 2), &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Without ReLU, so that the loss is smooth and `f32` is exact enough.
#[test]
fn gradients_through_a_graph_are_those_of_finite_differences() {
    for architecture in [residual(false), adds()] {
        assert_finite_differences(architecture);
    }
}

fn assert_finite_differences(architecture: Architecture) {
    const STEP: f32 = 1e-2;
    let model = FloatModel::new(architecture, 48).unwrap();
    let pass = || model.loss_and_gradients(&images(), Targets::Labels(LABELS.to_vec()), None).unwrap();
    let gradients = pass().gradients;
    for (at, variable) in model.variables().iter().enumerate() {
        let (start, shape) = (flat(variable), variable.dims());
        let found = flat(gradients.get(variable).unwrap());
        for index in (0..start.len()).step_by(7) {
            let loss_at = |offset: f32| {
                let mut values = start.clone();
                values[index] += offset;
                variable.set(&Tensor::from_slice(&values, shape, &Device::Cpu).unwrap()).unwrap();
                f64::from(pass().loss)
            };
            let expected = (loss_at(STEP) - loss_at(-STEP)) / f64::from(2.0 * STEP);
            loss_at(0.0);
            let difference = (f64::from(found[index]) - expected).abs();
            assert!(
                difference < 2e-4 * (1.0 + expected.abs()),
                "variable {at}[{index}]: {} and {expected}",
                found[index]
            );
        }
    }
}

/// The same network in candle's own graph, ReLU included.
#[test]
fn gradients_through_a_graph_are_those_of_candles_own_backward_pass() {
    let model = FloatModel::new(residual(true), 48).unwrap();
    let parameters: Vec<_> = model.parameters().iter().map(Option::as_ref).collect();
    let conv = |x: &Tensor, index: usize, relu| {
        let options = Conv2dOptions { padding: Padding::Same, relu, pool: false, input_gradient: true };
        let own = parameters[index].unwrap();
        autograd::conv2d(x, &own.weight, &own.bias, options).unwrap()
    };
    let add = |one: &Tensor, other: &Tensor| (one + other).unwrap().relu().unwrap();
    let images = Var::from_tensor(&images()).unwrap();
    let stem = conv(&images, 0, true);
    let sum = add(&conv(&conv(&stem, 1, true), 2, false), &stem);
    let joined = add(&conv(&sum, 5, false), &conv(&sum, 4, false));
    let own = parameters[7].unwrap();
    let logits = autograd::dense(&joined.flatten_from(1).unwrap(), &own.weight, &own.bias, false, true).unwrap();
    let expected = autograd::softmax_cross_entropy(&logits, Targets::Labels(LABELS.to_vec())).unwrap();
    let gradients = expected.backward().unwrap();

    let pass = model.loss_and_gradients(&images, Targets::Labels(LABELS.to_vec()), None).unwrap();
    assert_eq!(pass.loss, expected.to_scalar::<f32>().unwrap());
    for (at, variable) in model.variables().iter().enumerate() {
        let (found, expected) = (pass.gradients.get(variable).unwrap(), gradients.get(variable).unwrap());
        for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
            // Sums of two gradients are taken in another order.
            assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "variable {at}: {found} and {expected}");
        }
    }
}

#[test]
fn a_trace_shows_every_layer_of_a_graph_once_and_in_order() {
    let model = FloatModel::new(residual(true), 48).unwrap();
    let mut seen = Vec::new();
    let logits = model
        .forward_traced(&images(), |index, activation| {
            seen.push((index, activation.dims().to_vec()));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((&seen[3].1[..], &seen[6].1[..]), (&[3, 6, 5, 4][..], &[3, 6, 5, 6][..]));
    assert_eq!(logits.dims(), [3, 4]);
}

const CLASSES: &str = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9";

/// Two residual blocks after a pool.
const BLOCKS: &str = "
    { conv = { channels = 8, kernel = 3, padding = \"same\", relu = true } },
    { max_pool = {} },
    { max_pool = {}, name = \"stem\" },
    { conv = { channels = 8, kernel = 3, padding = \"same\", relu = true } },
    { conv = { channels = 8, kernel = 3, padding = \"same\" } },
    { add = { relu = true }, residual = \"stem\", name = \"sum\" },
    { conv = { channels = 12, kernel = 3, padding = \"same\" }, name = \"long\" },
    { conv = { channels = 12, kernel = 1, padding = \"same\" }, input = \"sum\" },
    { add = { relu = true }, residual = \"long\" },";

fn classifier(layers: &str) -> Architecture {
    let text = format!("name = \"residual\"\ninput = [28, 28, 1]\nlayers = [{layers} {{ dense = {{}} }}]");
    Architecture::from_toml(&text).unwrap()
}

/// Units of a dense layer that other layers read as channels.
const UNITS: &str = "
    { max_pool = {} },
    { dense = { outputs = 16, relu = true }, name = \"units\" },
    { depthwise_conv = { kernel = 3, padding = \"same\" } },
    { conv = { channels = 16, kernel = 1, padding = \"same\" } },
    { add = { relu = true }, residual = \"units\" },
    { average_pool = { global = true } },";

/// Trains a network and compares its file with the oracle and with the float network.
fn from_training_to_logits(layers: &str) -> Vec<u8> {
    let dataset = garments::garments();
    let mut model = FloatModel::new(classifier(layers), 48).unwrap();
    let recipe = Recipe { epochs: 2, ..Recipe::built_in("tutorial").unwrap() };
    fit(&model, &dataset, &recipe, 48, None, &mut Silent).unwrap();
    model.fold().unwrap();
    let file = model_file(&model, &dataset, 48);
    assert_oracle_equality(&file, &dataset.test.subset(&(0..50).collect::<Vec<_>>()));
    let images = &dataset.validation;
    let float = evaluate::float(&model, images).unwrap();
    let int8 = evaluate::int8(&file, images).unwrap();
    let [float_accuracy, int8_accuracy] = [&float, &int8].map(|answers| answers.score.over(images.len()).accuracy);
    assert!(float_accuracy > 0.4, "{float_accuracy}: it has learned");
    // Of 300 images, which two epochs have taught a network little about.
    assert!((float_accuracy - int8_accuracy).abs() < 0.03, "{float_accuracy} and {int8_accuracy}");
    assert!(int8.agreement(&float) > 0.94, "{}", int8.agreement(&float));
    file
}

#[test]
fn a_residual_network_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits(BLOCKS);
}

#[test]
fn layers_that_read_a_dense_layer_are_trained_and_give_the_oracles_logits() {
    from_training_to_logits(UNITS);
}

#[test]
fn a_network_with_average_pools_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits(
        "{ conv = { channels = 12, kernel = 3, padding = \"same\" } }, { average_pool = { window = 3, stride = 2 } },
        { conv = { channels = 12, kernel = 3, padding = \"same\", relu = true } }, { average_pool = { window = 2 } },
        { conv = { channels = 16, kernel = 3, padding = \"same\", relu = true } }, { average_pool = { global = true } },",
    );
}

#[test]
fn a_network_of_every_operator_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits(
        "{ name = \"a\", conv = { channels = 8, kernel = [4, 3], stride = 2, padding = \"same\", batch_norm = true, relu6 = true } },
        { depthwise_conv = { kernel = 3, padding = \"same\", batch_norm = true, relu = true } },
        { conv = { channels = 8, kernel = 1, padding = \"same\", batch_norm = true } },
        { add = { relu6 = true }, residual = \"a\" },
        { depthwise_conv = { kernel = [3, 5], stride = [2, 1], multiplier = 2, padding = [1, 2, 0, 2], relu = true } },
        { conv = { channels = 12, kernel = 1, padding = \"same\", relu = true } },
        { max_pool = { window = 3, stride = 2, padding = \"same\" } },
        { average_pool = { window = [2, 3], stride = 1, padding = \"same\" } },
        { conv = { channels = 16, kernel = 3, padding = \"same\", batch_norm = true, relu = true } },
        { average_pool = { global = true } },",
    );
}

#[test]
fn a_pool_after_a_normalized_convolution_runs_with_it_on_the_chip() {
    let file = from_training_to_logits(
        "{ conv = { channels = 8, kernel = 3, padding = \"same\", batch_norm = true, relu = true } }, { max_pool = {} },
        { conv = { channels = 16, kernel = 3, padding = \"valid\", batch_norm = true, relu6 = true } }, { max_pool = {} },",
    );
    assert_eq!(Listing::new(&file).unwrap().stages.len(), 3, "two convolutions with their pools, and the logits");
}

#[test]
fn a_file_of_a_graph_is_listed_and_its_size_known_before() {
    let model = FloatModel::new(classifier(BLOCKS), 48).unwrap();
    let calibration = calibrate(&model, &garments::garments().validation, 48).unwrap();
    let metadata = Metadata { float_test_accuracy: Some(0.5), ..metadata(CLASSES) };
    let file = QuantizedModel::new(&model, &calibration).unwrap().encode(&metadata).unwrap();
    let listing = Listing::new(&file).unwrap();
    let names: Vec<&str> = listing.layers.iter().map(|layer| layer.name.as_str()).collect();
    let expected: Vec<String> = model.architecture().layers.iter().map(|layer| layer.layer.to_string()).collect();
    assert_eq!(names, expected);
    assert_eq!(listing.macs, model.architecture().macs());
    assert!(listing.layers[8].scales.unwrap().smallest_weight.is_none(), "an add has codes and no weights");
    let footprint = Footprint::of(model.architecture(), &[], &metadata).unwrap();
    assert_eq!((footprint.arena, footprint.model), (listing.arena.bytes, file.len()));
}
