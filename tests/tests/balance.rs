//! Classes of unequal size: with a balance the rare one is recognized, and nothing else about training changes.

use thimble_tests::garments::first_garments;
use trainer::dataset::{Dataset, ImageShape, Images};
use trainer::image::Preprocessing;
use trainer::network::{Architecture, FloatModel};
use trainer::support::rng::{ChaCha8Rng, Purpose, RngExt, stream};
use trainer::train::balance::Balance;
use trainer::train::recipe::{Distillation, Monitor, Recipe};
use trainer::train::teacher::Teacher;
use trainer::train::{Checkpoint, Epoch, History, Observer, Unfinished, evaluate, fit, resume};

const SHAPE: ImageShape = ImageShape { height: 4, width: 4, channels: 1 };

/// So many images of each class: gray, those of the second brighter by less than the noise.
fn gray(counts: [usize; 2], generator: &mut ChaCha8Rng) -> Images {
    let labels: Vec<u16> = counts.into_iter().enumerate().flat_map(|(class, n)| vec![class as u16; n]).collect();
    let mut pixel = |class: u16| {
        let noise: i32 = (0..4).map(|_| generator.random_range(-60..=60)).sum();
        (110 + 25 * i32::from(class) + noise).clamp(0, 255) as u8
    };
    let pixels = labels.iter().flat_map(|&class| (0..SHAPE.len()).map(|_| pixel(class)).collect::<Vec<u8>>()).collect();
    Images::new(SHAPE, pixels, labels)
}

/// 400 training images of the common class, 40 of the rare one, and as many of both to test on.
fn unbalanced() -> Dataset {
    let mut generator = stream(48, Purpose::Garments, 0);
    Dataset {
        name: "gray".to_owned(),
        class_names: ["common", "rare"].map(str::to_owned).to_vec(),
        preprocessing: Preprocessing::Bytes,
        train: gray([400, 40], &mut generator),
        validation: gray([100, 10], &mut generator),
        test: gray([500, 500], &mut generator),
    }
}

fn network(seed: u64) -> FloatModel {
    let layers = "name = \"one\"\ninput = [4, 4, 1]\n[[layers]]\ndense = { outputs = 2 }";
    FloatModel::new(Architecture::from_toml(layers).unwrap(), seed).unwrap()
}

fn recipe(balance: Balance) -> Recipe {
    Recipe { balance, epochs: 40, patience: 40, learning_rate: 1e-2, ..Recipe::built_in("tutorial").unwrap() }
}

/// Interrupts after so many steps, and keeps the last state.
struct Impatient {
    left: usize,
    last: Option<Checkpoint>,
}

impl Impatient {
    fn after(steps: usize) -> Self {
        Self { left: steps, last: None }
    }
}

impl Observer for Impatient {
    fn step(&mut self, _: usize, _: usize, _: usize, _: trainer::train::score::Score) {
        self.left = self.left.saturating_sub(1);
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn is_interrupted(&self) -> bool {
        self.left == 0
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.last = Some(checkpoint);
    }
}

fn whole() -> Impatient {
    Impatient::after(usize::MAX)
}

/// The recalls of both classes on the test images, of a network trained so.
fn recalls(dataset: &Dataset, recipe: &Recipe, teacher: Option<&Teacher>) -> [f64; 2] {
    let model = network(48);
    fit(&model, dataset, recipe, 48, teacher, &mut whole()).unwrap();
    let confusion = evaluate::float(&model, &dataset.test).unwrap().confusion(&dataset.test, 2);
    [0, 1].map(|class| confusion.recall(class).unwrap())
}

#[test]
fn a_rare_class_is_recognized_with_a_balance_and_hardly_without() {
    let dataset = unbalanced();
    let [common, rare] = recalls(&dataset, &recipe(Balance::None), None);
    assert!(common > 0.95 && rare < 0.7, "without a balance {common} and {rare}");
    for balance in [Balance::Weights, Balance::Sampling, Balance::Logits] {
        let [balanced_common, balanced_rare] = recalls(&dataset, &recipe(balance), None);
        assert!(balanced_rare > rare + 0.15, "{balance:?}: {balanced_rare}, without {rare}");
        assert!(balanced_common + balanced_rare > common + rare, "{balance:?}: {balanced_common}, {balanced_rare}");
    }
}

#[test]
fn weights_and_logits_work_beside_label_smoothing_mixup_and_a_teacher() {
    let dataset = unbalanced();
    let teacher = Teacher::new(vec![(network(7), Balance::None)]);
    let distillation = Distillation { weight: 0.3, temperature: 2.0 };
    let plain = |balance| Recipe { label_smoothing: 0.1, mixup: 0.2, distillation, ..recipe(balance) };
    for teacher in [None, Some(&teacher)] {
        let [_, rare] = recalls(&dataset, &plain(Balance::None), teacher);
        for balance in [Balance::Weights, Balance::Logits] {
            let [_, balanced] = recalls(&dataset, &plain(balance), teacher);
            assert!(balanced > rare + 0.05, "{balance:?}: {balanced}, without a balance {rare}");
        }
    }
}

/// Of a balanced teacher the logits are adjusted as the student's are: otherwise the student would be adjusted twice.
#[test]
fn logits_of_a_balanced_teacher_are_adjusted_too() {
    let dataset = unbalanced();
    let learned = network(7);
    fit(&learned, &dataset, &recipe(Balance::Weights), 48, None, &mut whole()).unwrap();
    let weights = learned.snapshot().unwrap();
    let of = |balance| {
        let teacher = network(7);
        teacher.restore(&weights).unwrap();
        let recipe = Recipe { distillation: Distillation { weight: 1.0, temperature: 1.0 }, ..recipe(Balance::Logits) };
        recalls(&dataset, &recipe, Some(&Teacher::new(vec![(teacher, balance)])))
    };
    let [common, rare] = of(Balance::Weights);
    assert!((common - rare).abs() < 0.15, "{common} and {rare}");
    let [twice_common, twice_rare] = of(Balance::None);
    assert!(twice_common + twice_rare < common + rare - 0.1, "{twice_common} and {twice_rare}");
}

#[test]
fn classes_of_one_size_are_trained_to_the_same_bits_with_a_monitor_of_their_accuracy() {
    let dataset = first_garments(500);
    let mlp = || FloatModel::new(Architecture::built_in("tiny").unwrap(), 48).unwrap();
    let history = |monitor| -> History {
        let recipe = Recipe { epochs: 4, monitor, ..Recipe::built_in("tutorial").unwrap() };
        fit(&mlp(), &dataset, &recipe, 48, None, &mut whole()).unwrap()
    };
    let scores =
        |history: &History| -> Vec<_> { history.epochs.iter().map(|epoch| (epoch.train, epoch.validation)).collect() };
    let balanced = history(Monitor::BalancedAccuracy);
    assert_eq!(scores(&balanced), scores(&history(Monitor::Loss)), "what is watched changes no step");
    let accuracy = |epoch: &Epoch| epoch.validation.balanced.unwrap().accuracy;
    let most = balanced.epochs.iter().map(accuracy).fold(0.0, f64::max);
    let first = balanced.epochs.iter().position(|epoch| accuracy(epoch) == most).unwrap();
    assert_eq!(balanced.best_epoch, first + 1);
}

#[test]
fn a_balanced_training_that_was_interrupted_comes_to_the_same_bits() {
    let dataset = unbalanced();
    for balance in [Balance::Weights, Balance::Sampling, Balance::Logits] {
        let recipe = Recipe { epochs: 3, mixup: 0.2, ..recipe(balance) };
        let expected = network(48);
        fit(&expected, &dataset, &recipe, 48, None, &mut whole()).unwrap();
        for steps in [1, 14, 20] {
            let mut observer = Impatient::after(steps);
            fit(&network(48), &dataset, &recipe, 48, None, &mut observer).unwrap();
            let unfinished = Unfinished { checkpoint: observer.last, ..Unfinished::default() };
            let from = Unfinished::from_bytes(&unfinished.to_bytes().unwrap()).unwrap().checkpoint;
            let model = network(1);
            resume(&model, &dataset, &recipe, 48, None, from.as_ref(), &mut whole()).unwrap();
            let values = |model: &FloatModel| model.snapshot().unwrap().values().unwrap();
            assert_eq!(values(&model), values(&expected), "{balance:?} after {steps} steps");
        }
    }
}
