//! The training loop on small data: early stopping, divergence, quantization of what was never trained.

use candle_core::{Device, Tensor};
use infer_core::{Header, Network};
use thimble_tests::garments::first_garments;
use thimble_tests::random_model::metadata;
use trainer::dataset::{Dataset, Images, garments};
use trainer::network::FloatModel;
use trainer::network::{Architecture, Conv, Dense, Layer, MaxPool, Padding};
use trainer::quantize::{Calibration, QuantizeError, QuantizedModel, Range, calibrate};
use trainer::train::average::Average;
use trainer::train::balance::Balance;
use trainer::train::evaluate;
use trainer::train::recipe::{Distillation, Monitor, Recipe};
use trainer::train::score::Score;
use trainer::train::teacher::Teacher;
use trainer::train::{Epoch, FitError, Observer, fit};

#[derive(Default)]
struct Record {
    steps: Vec<(usize, usize)>,
    best: Vec<bool>,
}

impl Observer for Record {
    fn step(&mut self, epoch: usize, seen: usize, _: usize, _: Score) {
        self.steps.push((epoch, seen));
    }
    fn epoch(&mut self, _: &Epoch, is_best: bool) {
        self.best.push(is_best);
    }
}

/// 500 training images of garments.
fn small() -> Dataset {
    first_garments(500)
}

fn mlp() -> FloatModel {
    FloatModel::new(Architecture::built_in("mlp").unwrap(), 48).unwrap()
}

fn tutorial() -> Recipe {
    Recipe::built_in("tutorial").unwrap()
}

#[test]
fn every_image_is_seen_in_every_epoch_the_tail_too() {
    let mut record = Record::default();
    let recipe = Recipe { epochs: 2, ..tutorial() };
    fit(&mlp(), &small(), &recipe, 48, None, &mut record).unwrap();
    assert_eq!(record.steps.len(), 2 * 500usize.div_ceil(32));
    assert_eq!(record.steps[14..17], [(1, 480), (1, 500), (2, 32)]);
}

#[test]
fn training_stops_after_patience_epochs_without_improvement_and_restores_the_best() {
    let dataset = small();
    let model = mlp();
    let mut record = Record::default();
    // No epoch can improve on the first by a loss of 1000.
    let recipe = Recipe { epochs: 50, patience: 3, min_delta: 1000.0, ..tutorial() };
    let history = fit(&model, &dataset, &recipe, 48, None, &mut record).unwrap();
    assert_eq!((history.epochs.len(), history.best_epoch, history.stopped_early), (4, 1, true));
    assert_eq!(record.best, [true, false, false, false]);
    let restored = evaluate::float(&model, &dataset.validation).unwrap().score;
    assert_eq!(restored, history.epochs[0].validation);
    assert_ne!(restored, history.epochs[3].validation, "training continued after the best epoch");
}

#[test]
fn the_average_of_the_weights_is_what_is_validated_and_kept() {
    let dataset = small();
    let validate = |average| {
        let model = mlp();
        let recipe = Recipe { epochs: 2, average, ..tutorial() };
        let history = fit(&model, &dataset, &recipe, 48, None, &mut Record::default()).unwrap();
        let kept = evaluate::float(&model, &dataset.validation).unwrap().score;
        assert_eq!(kept, history.epochs[history.best_epoch - 1].validation);
        history
    };
    let (plain, averaged) = (validate(0.0), validate(0.9));
    // Averaging changes what is kept, never the steps themselves.
    assert_eq!(plain.epochs[1].train, averaged.epochs[1].train);
    assert_ne!(plain.epochs[1].validation, averaged.epochs[1].validation);
}

#[test]
fn an_average_weighs_each_step_against_all_before() {
    let model = mlp();
    let mut average = Average::new(&model, 0.25).unwrap();
    let bias = &model.variables()[1];
    let set = |value: f32| bias.set(&Tensor::full(value, 350, &Device::Cpu).unwrap()).unwrap();
    // Of zeros, 0.1 is kept at the first step, 2/11 at the second, a quarter at the third as nothing more than that may be.
    for value in [1.0, 2.0, 3.0] {
        set(value);
        average.update(&model).unwrap();
    }
    model.restore(&average.snapshot().unwrap()).unwrap();
    let expected = [1.0, 2.0, 3.0]
        .into_iter()
        .zip([0.1, 2.0 / 11.0, 0.25])
        .fold(0.0, |mean, (value, kept)| kept * mean + (1.0 - kept) * value);
    let found = bias.to_vec1::<f32>().unwrap()[0];
    assert!((f64::from(found) - expected).abs() < 1e-6, "{found}, expected {expected}");
}

#[test]
fn the_strong_recipe_repeats_itself_to_the_bit() {
    let train = |seed| {
        let model = FloatModel::new(Architecture::built_in("tiny").unwrap(), 48).unwrap();
        let recipe = Recipe { epochs: 1, mixup: 0.2, dropout: 0.2, ..Recipe::built_in("strong").unwrap() };
        fit(&model, &small(), &recipe, seed, None, &mut Record::default()).unwrap();
        model.variables().iter().map(|variable| variable.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect()
    };
    let first: Vec<Vec<f32>> = train(48);
    assert_eq!(first, train(48));
    assert_ne!(first, train(49));
}

#[test]
fn a_student_learns_the_answers_of_its_teacher_whatever_its_labels_are() {
    let dataset = small();
    let mut mislabeled = dataset.clone();
    let wrong = dataset.train.labels().iter().map(|label| (label + 1) % 10).collect();
    let pixels = (0..dataset.train.len()).flat_map(|index| dataset.train.image(index).unwrap().into_owned()).collect();
    mislabeled.train = Images::new(dataset.train.shape(), pixels, wrong);
    let accuracy = |model: &FloatModel| evaluate::float(model, &dataset.validation).unwrap().score.accuracy;
    let learn = |dataset: &Dataset, weight: f64, teacher: Option<&Teacher>| {
        let model = mlp();
        let distillation = Distillation { weight, temperature: 2.0 };
        let recipe = Recipe { epochs: 8, patience: 8, distillation, ..tutorial() };
        fit(&model, dataset, &recipe, 48, teacher, &mut Record::default()).unwrap();
        model
    };

    let learned = learn(&dataset, 1.0, None);
    let known = accuracy(&learned);
    let teacher = Teacher::new(vec![(learned, Balance::None)]);
    let students = [0.0, 1.0].map(|weight| accuracy(&learn(&mislabeled, weight, Some(&teacher))));
    assert!(students[0] < 0.3, "believes its labels: {}", students[0]);
    assert!(students[1] > known - 0.05, "follows its teacher: {} of {known}", students[1]);
}

#[test]
fn a_monitored_accuracy_chooses_its_own_epoch() {
    let dataset = small();
    let recipe = |monitor| Recipe { epochs: 6, monitor, ..tutorial() };
    let history = fit(&mlp(), &dataset, &recipe(Monitor::Accuracy), 48, None, &mut Record::default()).unwrap();
    let accuracies: Vec<f64> = history.epochs.iter().map(|epoch| epoch.validation.accuracy).collect();
    let best = accuracies.iter().copied().fold(0.0, f64::max);
    assert_eq!(accuracies[history.best_epoch - 1], best);
    assert!(accuracies[..history.best_epoch - 1].iter().all(|&accuracy| accuracy < best), "the first of equals");
}

#[test]
fn a_loss_that_is_no_number_stops_with_its_step() {
    let recipe = Recipe { learning_rate: 1e30, ..tutorial() };
    let error = fit(&mlp(), &small(), &recipe, 48, None, &mut Record::default()).unwrap_err();
    let message = error.to_string();
    let FitError::NotFinite { epoch, step, loss, .. } = error else { panic!("{message}") };
    assert!(epoch == 1 && step > 1 && !loss.is_finite());
    assert!(
        message.contains(&format!("at epoch 1, step {step}")) && message.contains("try a smaller --lr"),
        "{message}"
    );
}

#[test]
fn different_seeds_give_different_weights_and_the_same_seed_the_same() {
    let first = |seed| {
        let model = FloatModel::new(Architecture::built_in("cnn").unwrap(), seed).unwrap();
        model
            .variables()
            .iter()
            .map(|variable| variable.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(first(48), first(48));
    assert_ne!(first(48), first(49));
    let weights = &first(48)[0];
    let limit = (6.0f32 / (9.0 + 9.0 * 32.0)).sqrt();
    assert!(weights.iter().all(|weight| weight.abs() <= limit), "Glorot's limit");
    assert!(weights.iter().any(|weight| weight.abs() > 0.9 * limit));
    assert!(first(48)[1].iter().all(|&bias| bias == 0.0), "zero biases");
}

#[test]
fn weights_that_are_no_numbers_are_not_exported() {
    let model = mlp();
    let ranges = vec![Range { low: 0.0, high: 1.0 }.into(); 2];
    QuantizedModel::new(&model, &ranges).unwrap();
    model.variables()[2].set(&Tensor::full(f32::NAN, (10, 350), &Device::Cpu).unwrap()).unwrap();
    assert!(matches!(QuantizedModel::new(&model, &ranges), Err(QuantizeError::NotFinite { layer: 1 })));
}

#[test]
fn scales_that_no_multiplier_expresses_are_refused_by_layer() {
    let tiny_range = vec![Range { low: 0.0, high: 1e-30 }.into(); 2];
    let error = QuantizedModel::new(&mlp(), &tiny_range).unwrap_err();
    assert!(
        matches!(error, QuantizeError::Multiplier { layer: 0, .. } | QuantizeError::Overflow { layer: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_layer_whose_accumulators_could_overflow_is_refused_by_channel() {
    let text = "name = \"wide\"\ninput = [300, 300, 1]\nlayers = [{ dense = { outputs = 2 } }]";
    let model = FloatModel::new(Architecture::from_toml(text).unwrap(), 48).unwrap();
    model.variables()[0].set(&Tensor::full(1f32, (2, 90_000), &Device::Cpu).unwrap()).unwrap();
    let message = QuantizedModel::new(&model, &[]).unwrap_err().to_string();
    let expected = "layer 0, channel 0: accumulators can reach 2914650000, which does not fit 32 bits; the layer has too many inputs: \
         a smaller --input, or a pool before it";
    assert_eq!(message, expected);
}

#[test]
fn the_order_of_channels_in_the_file_changes_no_logit_and_lets_zeros_meet() {
    let conv = |channels, padding| Layer::Conv(Conv::square(channels, 3, padding, true));
    let dense = |outputs, relu| Layer::Dense(Dense { outputs, relu });
    let stack = [
        conv(8, Padding::Same),
        conv(12, Padding::Valid),
        Layer::MaxPool(MaxPool::default()),
        dense(20, true),
        dense(10, false),
    ];
    let architecture = Architecture::new("stack".to_owned(), mlp().architecture().input, &stack).unwrap();
    let (images, _) = garments::draw(garments::SEED);
    for model in [mlp(), FloatModel::new(architecture, 48).unwrap()] {
        let ordered = calibrate(&model, &images, 48).unwrap();
        let unordered: Vec<Calibration> = ordered.iter().map(|calibration| calibration.range.into()).collect();
        assert_ne!(ordered, unordered);
        let [ordered, unordered] = [ordered, unordered].map(|calibration| run(&model, &calibration, &images));
        assert_eq!(ordered.logits, unordered.logits);
        assert!(ordered.zero_pairs > unordered.zero_pairs, "{} {}", ordered.zero_pairs, unordered.zero_pairs);
    }
}

struct Ran {
    logits: Vec<Vec<i32>>,
    zero_pairs: usize,
}

/// Ten images through the quantized model, and how many pairs of codes were zero on the way.
fn run(model: &FloatModel, calibration: &[Calibration], images: &Images) -> Ran {
    let file =
        QuantizedModel::new(model, calibration).unwrap().encode(&metadata("0\n1\n2\n3\n4\n5\n6\n7\n8\n9")).unwrap();
    let mut arena = vec![0; Header::parse(&file).unwrap().arena_len as usize];
    let mut network = Network::new(&file, &mut arena).unwrap();
    let mut zero_pairs = 0;
    let logits = (0..10).map(|index| {
        let output = network
            .classify_traced(&images.image(index).unwrap(), |_, codes| {
                zero_pairs += codes.chunks(2).filter(|pair| pair.iter().all(|&code| code == 0)).count();
            })
            .unwrap();
        output.logits().to_vec()
    });
    Ran { logits: logits.collect(), zero_pairs }
}

#[test]
fn a_calibration_of_another_network_is_refused_by_layer() {
    let range = Range { low: 0.0, high: 1.0 };
    let foreign = Calibration { range, channel_order: vec![0, 1, 1] };
    let result = QuantizedModel::new(&mlp(), &[foreign]);
    assert!(matches!(result, Err(QuantizeError::Calibration { layer: 0, channels: 350 })));
    assert!(matches!(QuantizedModel::new(&mlp(), &[]), Err(QuantizeError::Calibration { layer: 0, .. })));
}
