//! Quantization-aware fine-tuning: what is trained is what the file computes, gradients pass straight through, and no
//! network ends worse than it began.

use candle_core::{Device, Tensor, Var};
use infer_core::format::Codes;
use infer_core::{Header, Network};
use thimble_tests::garments::first_garments;
use thimble_tests::random_model::metadata;
use trainer::dataset::Dataset;
use trainer::dataset::batch;
use trainer::network::Architecture;
use trainer::network::FloatModel;
use trainer::network::autograd::{self, Conv2dOptions, Padding, Targets};
use trainer::quantize::aware::{FineTuning, Gain, TuneError, Tuned};
use trainer::quantize::choose::score;
use trainer::quantize::rounding::FakeQuantizer;
use trainer::quantize::{Calibration, QuantizeError, QuantizedModel, Range, calibrate};
use trainer::train::evaluate::{self, argmax};
use trainer::train::recipe::{QuantizationAware, Recipe};
use trainer::train::score::Score;
use trainer::train::{Epoch, History, Observer, fit};

const CLASSES: &str = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9";

#[derive(Default)]
struct Record {
    steps: Vec<(usize, usize)>,
    epochs: Vec<(usize, bool, bool)>,
}

impl Observer for Record {
    fn step(&mut self, epoch: usize, seen: usize, _: usize, _: Score) {
        self.steps.push((epoch, seen));
    }
    fn epoch(&mut self, epoch: &Epoch, is_best: bool) {
        self.epochs.push((epoch.epoch, epoch.quantized, is_best));
    }
}

/// A recipe of so many epochs, and so many that follow with rounded numbers.
fn recipe(epochs: usize, quantization_aware: QuantizationAware) -> Recipe {
    Recipe { epochs, quantization_aware, ..Recipe::built_in("tutorial").unwrap() }
}

fn aware(epochs: usize, learning_rate: f64) -> QuantizationAware {
    QuantizationAware { epochs, learning_rate }
}

/// A network trained for an epoch, and what is known of it.
struct Trained {
    model: FloatModel,
    history: History,
    calibration: Vec<Calibration>,
}

impl Trained {
    fn new(name: &str, dataset: &Dataset, recipe: &Recipe) -> Self {
        let model = FloatModel::new(Architecture::built_in(name).unwrap(), 48).unwrap();
        let history = fit(&model, dataset, recipe, 48, None, &mut Record::default()).unwrap();
        let calibration = calibrate(&model, &dataset.train, 48).unwrap();
        Self { model, history, calibration }
    }

    fn mlp(dataset: &Dataset) -> Self {
        Self::new("mlp", dataset, &recipe(1, aware(0, 1e-4)))
    }

    fn tune(&mut self, dataset: &Dataset, recipe: &Recipe, seed: u64) -> (Result<Option<Gain>, TuneError>, Record) {
        let mut record = Record::default();
        let calibration = &self.calibration;
        let quantized = QuantizedModel::new(&self.model, calibration).unwrap();
        let before = score(&quantized, self.model.architecture().classes(), &dataset.validation).unwrap();
        let tuning = FineTuning { dataset, recipe, seed, teacher: None, calibration, before };
        let tuned = tuning.run(&mut self.model, &mut self.history, None, &mut record);
        if let Ok(Some(Tuned { gain, quantized })) = &tuned {
            let again = gain.kept.then(|| QuantizedModel::new(&self.model, calibration).unwrap());
            assert_eq!(*quantized, again, "what is given back is the model that was kept");
        }
        (tuned.map(|tuned| tuned.map(|tuned| tuned.gain)), record)
    }
}

fn values(model: &FloatModel) -> Vec<Vec<f32>> {
    model.variables().iter().map(|variable| flat(variable)).collect()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn file(model: &FloatModel, calibration: &[Calibration]) -> Vec<u8> {
    QuantizedModel::new(model, calibration).unwrap().encode(&metadata(CLASSES)).unwrap()
}

/// A convolution without ReLU, so that a zero point is not 0, one without a pool, a pool by itself, two dense layers.
const EVERYTHING: &str = "name = \"everything\"\ninput = [28, 28, 1]\n
    [[layers]]\nconv = { channels = 6, kernel = 3, padding = \"same\", relu = false }
    [[layers]]\nmax_pool = {}
    [[layers]]\nmax_pool = {}
    [[layers]]\nconv = { channels = 8, kernel = 3, padding = \"same\", relu = true }
    [[layers]]\ndense = { outputs = 20, relu = true }
    [[layers]]\ndense = { outputs = 10 }";

#[test]
fn a_rounded_model_puts_out_the_codes_of_the_file() {
    let dataset = first_garments(1000);
    for architecture in [Architecture::built_in("tiny").unwrap(), Architecture::from_toml(EVERYTHING).unwrap()] {
        let mut model = FloatModel::new(architecture, 48).unwrap();
        fit(&model, &dataset, &recipe(1, aware(0, 1e-4)), 48, None, &mut Record::default()).unwrap();
        // Channels as they are, so that codes compare one by one.
        let calibration: Vec<Calibration> =
            calibrate(&model, &dataset.train, 48).unwrap().iter().map(|calibration| calibration.range.into()).collect();
        let file = file(&model, &calibration);
        let mut arena = vec![0; Header::parse(&file).unwrap().arena_len as usize];
        let mut network = Network::new(&file, &mut arena).unwrap();
        model.set_rounding(Some(Box::new(FakeQuantizer::new(model.architecture(), &calibration).unwrap())));

        let (mut count, mut different, mut other_classes) = (0, 0, 0);
        for index in 0..dataset.validation.len() {
            let (input, _) = batch::gather(&dataset.validation, &[index]).unwrap();
            let (rounded, logits) = codes(&model, &calibration, &input);
            let mut integers = Vec::new();
            let output = network
                .classify_traced(&dataset.validation.image(index).unwrap(), |_, codes| {
                    integers.extend(codes.iter().map(|&code| i32::from(code)));
                })
                .unwrap();
            assert_eq!(rounded.len(), integers.len());
            count += integers.len();
            different += rounded.iter().zip(&integers).filter(|(one, other)| one != other).count();
            other_classes += usize::from(argmax(&logits) != output.class());
        }
        // Sums of floats and of integers part where a sum is next to a tie.
        assert!(different * 10_000 < count, "{different} of {count} codes");
        assert!(other_classes * 200 <= dataset.validation.len(), "{other_classes} classes");
    }
}

/// The codes of all layers one after the other, and the logits.
fn codes(model: &FloatModel, calibration: &[Calibration], input: &Tensor) -> (Vec<i32>, Vec<f32>) {
    let layers = &model.architecture().layers;
    let mut rounded = Vec::new();
    let mut flow = Codes { scale: 1.0, zero_point: 0 };
    let logits = model.forward_traced(input, |layer, activation| {
        if layers[layer].parameters() > 0 {
            flow = calibration[layer].range.codes();
        }
        if layer + 1 < layers.len() {
            let code = |value: &f32| (value / flow.scale).round() as i32 + i32::from(flow.zero_point);
            rounded.extend(flat(activation).iter().map(code));
        }
        Ok(())
    });
    (rounded, flat(&logits.unwrap()))
}

/// `i8` weights and back as `docs/quantization.md` describes it, the gradient that of the weights.
fn straight_through(weight: &Var, one_scale: bool) -> Tensor {
    let largest = |row: &[f32]| row.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let rows = weight.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    let all = largest(&rows.concat());
    let round = |row: &Vec<f32>| -> Vec<f32> {
        let scale = f64::from(if one_scale { all } else { largest(row) }) / 127.0;
        row.iter().map(|&value| ((f64::from(value) / scale).round() * scale) as f32).collect()
    };
    let rounded: Vec<f32> = rows.iter().flat_map(round).collect();
    let rounded = Tensor::from_vec(rounded, weight.shape(), &Device::Cpu).unwrap();
    (weight.as_tensor() + (rounded - weight.as_tensor()).unwrap().detach()).unwrap()
}

/// Codes and back: what is clipped has no gradient, all else that of the value.
fn clipped_straight_through(x: &Tensor, codes: Codes) -> Tensor {
    let steps = |value: f32| (value / codes.scale + 0.5).floor() + f32::from(codes.zero_point);
    let kept: Vec<f32> =
        flat(x).into_iter().map(|value| if (0.0..=255.0).contains(&steps(value)) { 1.0 } else { 0.0 }).collect();
    let kept = Tensor::from_vec(kept, x.shape(), &Device::Cpu).unwrap();
    let value = |value| (steps(value).clamp(0.0, 255.0) - f32::from(codes.zero_point)) * codes.scale;
    let rounded: Vec<f32> = flat(x).into_iter().map(value).collect();
    let rounded = Tensor::from_vec(rounded, x.shape(), &Device::Cpu).unwrap();
    let flowing = (x * kept).unwrap();
    (&flowing + (rounded - &flowing).unwrap().detach()).unwrap()
}

/// Against the same operations in candle's graph, where rounding is `x + (round(x) - x)` with a constant in brackets.
#[test]
fn gradients_pass_straight_through_weights_and_codes_and_stop_at_what_was_clipped() {
    let dataset = first_garments(64);
    let mut model = FloatModel::new(Architecture::from_toml(EVERYTHING).unwrap(), 48).unwrap();
    let (inputs, labels) = batch::gather(&dataset.train, &(0..32).collect::<Vec<_>>()).unwrap();
    let targets = Targets::Labels(labels.to_vec1().unwrap());
    // Half of what the values span, so that many are clipped, below and above.
    let calibration: Vec<Calibration> = calibrate(&model, &dataset.train, 48)
        .unwrap()
        .iter()
        .map(|Calibration { range, .. }| Range { low: range.low / 2.0, high: range.high / 2.0 }.into())
        .collect();
    model.set_rounding(Some(Box::new(FakeQuantizer::new(model.architecture(), &calibration).unwrap())));

    let conv = |x: &Tensor, index: usize, padding, relu, pool| {
        let options = Conv2dOptions { padding, relu, pool, input_gradient: true };
        let parameters = model.parameters()[index].as_ref().unwrap();
        let output =
            autograd::conv2d(x, &straight_through(&parameters.weight, false), &parameters.bias, options).unwrap();
        clipped_straight_through(&output, calibration[index].range.codes())
    };
    let dense = |x: &Tensor, index: usize, relu, one_scale| {
        let parameters = model.parameters()[index].as_ref().unwrap();
        let weight = straight_through(&parameters.weight, one_scale);
        autograd::dense(&x.flatten_from(1).unwrap(), &weight, &parameters.bias, relu, true).unwrap()
    };
    let first = conv(&inputs, 0, Padding::Same, false, true);
    let second = conv(&autograd::max_pool2d(&first).unwrap(), 3, Padding::Same, true, false);
    let third = clipped_straight_through(&dense(&second, 4, true, false), calibration[4].range.codes());
    let logits = dense(&third, 5, false, true);
    let expected = autograd::softmax_cross_entropy(&logits, targets.clone()).unwrap().backward().unwrap();

    let pass = model.loss_and_gradients(&inputs, targets.clone(), None).unwrap();
    model.set_rounding(None);
    let unrounded = model.loss_and_gradients(&inputs, targets, None).unwrap();
    for variable in model.variables() {
        let [found, expected, unrounded] =
            [&pass.gradients, &expected, &unrounded.gradients].map(|store| flat(store.get(&variable).unwrap()));
        let size = expected.iter().fold(0f32, |size, value| size.max(value.abs()));
        let distance = |other: &[f32]| {
            other.iter().zip(&expected).fold(0f32, |most, (one, other)| most.max((one - other).abs())) / size
        };
        assert!(distance(&found) < 1e-4, "{:?}: {}", variable.shape(), distance(&found));
        assert!(distance(&unrounded) > 1e-2, "{:?}: clipping changes nothing", variable.shape());
    }
}

#[test]
fn a_network_that_codes_ruin_recovers_and_training_without_rounding_does_not_do_it() {
    let dataset = first_garments(5700);
    let mut run = Trained::mlp(&dataset);
    // A unit that is loud whatever the image, and that no later unit reads: the same function, but its layer's range leaves all
    // others two codes or three.
    let [_, bias, next, _] = &run.model.variables()[..] else { unreachable!() };
    set_column(bias, 350, 7, 2000.0);
    set_column(next, 350, 7, 0.0);
    run.calibration = calibrate(&run.model, &dataset.train, 48).unwrap();
    let float = evaluate::float(&run.model, &dataset.validation).unwrap().score.accuracy;
    let weights = run.model.snapshot().unwrap();
    let recipe = recipe(1, aware(3, 1e-3));
    let Gain { before, after, kept } = run.tune(&dataset, &recipe, 48).0.unwrap().unwrap();
    let found = on_validation(&run.model, &run.calibration, &dataset);

    run.model.restore(&weights).unwrap();
    let unaware = Recipe { epochs: 3, learning_rate: 1e-3, ..recipe };
    fit(&run.model, &dataset, &unaware, 48, None, &mut Record::default()).unwrap();
    let unaware = on_validation(&run.model, &calibrate(&run.model, &dataset.train, 48).unwrap(), &dataset);
    let accuracies = [float, before.accuracy, after.accuracy, unaware.accuracy];
    assert!(float > 0.9 && before.accuracy < 0.3 && unaware.accuracy < 0.6 && after.accuracy > 0.85, "{accuracies:?}");
    assert_eq!((kept, found), (true, after));
}

/// Sets a column of a matrix with rows of so many.
fn set_column(variable: &Var, columns: usize, column: usize, value: f32) {
    let mut values = flat(variable);
    values.chunks_mut(columns).for_each(|row| row[column] = value);
    variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu).unwrap()).unwrap();
}

fn on_validation(model: &FloatModel, calibration: &[Calibration], dataset: &Dataset) -> Score {
    evaluate::int8(&file(model, calibration), &dataset.validation).unwrap().score
}

#[test]
fn fine_tuning_that_does_harm_leaves_the_weights_as_they_were() {
    let dataset = first_garments(500);
    let mut run = Trained::mlp(&dataset);
    let weights = values(&run.model);
    let (gain, record) = run.tune(&dataset, &recipe(1, aware(2, 1.0)), 48);
    let Gain { before, after, kept } = gain.unwrap().unwrap();
    assert!(!kept && after.loss > before.loss, "{before:?} {after:?}");
    assert_eq!(values(&run.model), weights);
    assert_eq!(on_validation(&run.model, &run.calibration, &dataset), before);
    assert_eq!((run.history.epochs.len(), run.history.best_epoch), (3, 1));
    assert_eq!(record.epochs, [(2, true, false), (3, true, false)], "no epoch is called the best");
    assert!(!run.model.is_rounded());
}

#[test]
fn its_epochs_follow_those_before_and_the_best_is_kept() {
    let dataset = first_garments(500);
    let mut run = Trained::mlp(&dataset);
    let (gain, record) = run.tune(&dataset, &recipe(1, aware(2, 1e-3)), 48);
    let Gain { before, after, kept } = gain.unwrap().unwrap();
    assert!(kept && after.loss < before.loss, "{before:?} {after:?}");
    let epochs: Vec<(usize, bool)> = run.history.epochs.iter().map(|epoch| (epoch.epoch, epoch.quantized)).collect();
    assert_eq!((epochs, run.history.best_epoch), (vec![(1, false), (2, true), (3, true)], 3));
    assert_eq!(record.epochs, [(2, true, true), (3, true, true)]);
    assert_eq!(record.steps[0], (2, 32));
    // What was rounded in training is the file, but for ties.
    assert!((run.history.epochs[2].validation.loss - after.loss).abs() < 1e-3);
}

#[test]
fn without_epochs_nothing_happens() {
    let dataset = first_garments(500);
    let mut run = Trained::mlp(&dataset);
    let weights = values(&run.model);
    let (gain, record) = run.tune(&dataset, &recipe(1, aware(0, 1e-3)), 48);
    assert_eq!((gain.unwrap(), record.steps.len()), (None, 0));
    assert_eq!((values(&run.model), run.history.epochs.len()), (weights, 1));
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_cores() {
    let dataset = first_garments(300);
    let strong = Recipe { epochs: 1, quantization_aware: aware(2, 1e-3), ..Recipe::built_in("strong").unwrap() };
    let train = |seed, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut run = Trained::new("tiny", &dataset, &strong);
            let gain = run.tune(&dataset, &strong, seed).0.unwrap().unwrap();
            assert!(gain.kept, "or else nothing of what is compared was fine-tuned");
            (values(&run.model), file(&run.model, &run.calibration))
        })
    };
    let first = train(48, 1);
    assert!(first == train(48, 3));
    assert!(first.0 != train(49, 1).0);
}

#[test]
fn training_that_diverges_stops_with_its_epoch_and_names_the_number_to_change() {
    let dataset = first_garments(500);
    for (learning_rate, expected) in [
        (1e38, "at epoch 2, step 2: quantization-aware training has diverged; "),
        (1e30, "quantization-aware training has diverged by epoch 2: layer 0: its weights and activations differ "),
    ] {
        let error = Trained::mlp(&dataset).tune(&dataset, &recipe(1, aware(1, learning_rate)), 48).0.unwrap_err();
        let message = error.to_string();
        let ending = format!("; try a smaller learning_rate under [quantization_aware] (it is {learning_rate})");
        assert!(message.contains(expected) && message.ends_with(&ending), "{message}");
        assert!(matches!(error, TuneError::NotFinite { epoch: 2, .. } | TuneError::Diverged { epoch: 2, .. }));
    }
}

#[test]
fn a_calibration_of_another_network_is_refused_by_layer() {
    let error = FakeQuantizer::new(&Architecture::built_in("mlp").unwrap(), &[]).unwrap_err();
    assert!(matches!(error, QuantizeError::Calibration { layer: 0, channels: 350 }), "{error}");
}
