//! Cross-validation: the fit that answers never saw the image, the same bytes each time, and after an interruption anywhere.

use trainer::dataset::{Dataset, ImageShape, Images};
use trainer::export::decision::Decision;
use trainer::image::Preprocessing;
use trainer::network::{Architecture, FloatModel};
use trainer::pipeline::{Observer, Outcome, Pipeline};
use trainer::quantize::Method;
use trainer::run::{RunConfig, RunDirectory};
use trainer::support::rng::{Purpose, RngExt, stream};
use trainer::train::balance::Balance;
use trainer::train::confidence::rejection::{RejectAt, Unreachable};
use trainer::train::confidence::temperature::Fitted;
use trainer::train::confidence::{ChosenBy, Confidence, ConfidenceMetrics, Logits, Rejection};
use trainer::train::folds::{CrossValidated, CrossValidation, FoldFit, FoldPart, Folds, OutOfFold};
use trainer::train::recipe::{Monitor, Recipe};
use trainer::train::score::Score;
use trainer::train::{self, Epoch, Unfinished, evaluate};

const SHAPE: ImageShape = ImageShape { height: 4, width: 4, channels: 1 };

/// So many images of two classes, which differ by less than their noise.
fn gray(images: usize, seed: u64) -> Images {
    let mut generator = stream(seed, Purpose::Garments, 0);
    let labels: Vec<u16> = (0..images).map(|image| u16::from(image % 3 == 0)).collect();
    let mut pixel = |class: u16| {
        let noise: i32 = (0..4).map(|_| generator.random_range(-30..=30)).sum();
        (110 + 40 * i32::from(class) + noise).clamp(0, 255) as u8
    };
    let pixels = labels.iter().flat_map(|&class| (0..SHAPE.len()).map(|_| pixel(class)).collect::<Vec<u8>>()).collect();
    Images::new(SHAPE, pixels, labels).with_names((0..images).map(|image| format!("{image}.png")))
}

fn dataset() -> Dataset {
    dataset_of(90)
}

/// With so many training images.
fn dataset_of(images: usize) -> Dataset {
    let train = gray(images, 1);
    Dataset {
        name: "gray".to_owned(),
        class_names: ["common", "rare"].map(str::to_owned).to_vec(),
        preprocessing: Preprocessing::Bytes,
        validation: train.subset(&[]),
        test: gray(60, 2),
        train,
    }
}

fn recipe() -> Recipe {
    Recipe {
        epochs: 40,
        patience: 20,
        learning_rate: 0.1,
        mixup: 0.2,
        balance: Balance::Weights,
        ..Recipe::built_in("tutorial").unwrap()
    }
}

/// A threshold at which so many of the accepted answers out of fold are right.
fn rejection() -> Rejection {
    Rejection { at: RejectAt::Precision(PRECISION), per_class: false, unknown: None }
}

const PRECISION: f64 = 0.85;

fn config(dataset: &Dataset) -> RunConfig {
    let layers = "name = \"one\"\ninput = [4, 4, 1]\n[[layers]]\ndense = { outputs = 2 }";
    let architecture = Architecture::from_toml(layers).unwrap();
    RunConfig {
        folds: Some(3),
        calibration_methods: vec![Method::Range],
        rejection: Some(rejection()),
        ..RunConfig::new(&architecture, recipe(), dataset, 48).unwrap()
    }
}

/// Interrupts after so many steps, and keeps the last state and what it saw.
struct Impatient {
    left: usize,
    last: Unfinished,
    parts: Vec<FoldPart>,
    result: Option<CrossValidated>,
}

impl Impatient {
    fn after(steps: usize) -> Self {
        Self { left: steps, last: Unfinished::default(), parts: Vec::new(), result: None }
    }
}

impl Observer for Impatient {
    fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {
        self.left = self.left.saturating_sub(1);
    }
    fn epoch(&mut self, _: &Epoch, _: bool) {}
    fn is_interrupted(&self) -> bool {
        self.left == 0
    }
    fn fold(&mut self, part: FoldPart) {
        self.parts.push(part);
    }
    fn cross_validated(&mut self, result: &CrossValidated) {
        self.result = Some(result.clone());
    }
    fn unfinished(&mut self, state: &Unfinished) {
        self.last = Unfinished::from_bytes(&state.to_bytes().unwrap()).unwrap();
    }
}

fn run(dataset: &Dataset, from: Unfinished, observer: &mut Impatient) -> Option<Outcome> {
    let pipeline = Pipeline { config: &config(dataset), dataset, teacher: None, start: None, unknown: None };
    pipeline.run(from, observer).unwrap()
}

/// All that must be the same.
fn result(outcome: Outcome) -> (Vec<u8>, Vec<Vec<f32>>, (CrossValidated, OutOfFold)) {
    let weights = outcome.model.snapshot().unwrap().values().unwrap();
    (outcome.file, weights, outcome.cross_validation.unwrap())
}

#[test]
fn the_length_and_the_accuracy_come_from_fits_that_left_the_images_out() {
    let dataset = dataset();
    let mut observer = Impatient::after(usize::MAX);
    let outcome = run(&dataset, Unfinished::default(), &mut observer).unwrap();
    let parts: Vec<_> = observer.parts.iter().map(|part| (part.fold, part.folds, part.train, part.held_out)).collect();
    assert_eq!(parts, [(1, 3, 60, 30), (2, 3, 60, 30), (3, 3, 60, 30)]);
    let (cross_validated, out_of_fold) = outcome.cross_validation.clone().unwrap();
    assert_eq!(observer.result.as_ref(), Some(&cross_validated));

    let mut best = cross_validated.best_epochs.clone();
    best.sort_unstable();
    assert_eq!((cross_validated.epochs, outcome.history.epochs.len()), (best[1], best[1]));
    assert_eq!(outcome.history.best_epoch, best[1], "the last epoch is kept");
    assert!(outcome.history.epochs.iter().all(|epoch| epoch.validation.accuracy.is_nan()));

    // The logits are those of a fit that this test makes of the other folds, after the same epoch.
    let folds = Folds::draw(&dataset.train, &dataset.class_names, 3, 48).unwrap();
    let fits = &observer.last.folds;
    assert_eq!(fits.len(), 3);
    for (fold, fit) in fits.iter().enumerate() {
        let part = folds.part(&dataset, fold);
        let length = cross_validated.epochs.min(fit.epochs.len());
        let model = FloatModel::new(config(&dataset).architecture().unwrap(), 48).unwrap();
        let without = Dataset { validation: part.train.subset(&[]), ..part.clone() };
        struct Nobody;
        impl train::Observer for Nobody {
            fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {}
            fn epoch(&mut self, _: &Epoch, _: bool) {}
        }
        train::resume_for(&model, &without, &recipe(), 48, length, None, &mut Nobody).unwrap();
        let mut logits = Vec::new();
        evaluate::float_by(&model, &part.validation, |inputs| {
            let output = model.forward(inputs)?;
            logits.extend(output.to_vec2::<f32>()?);
            Ok(output)
        })
        .unwrap();
        let held_out: Vec<_> = out_of_fold.images.iter().filter(|image| image.fold == fold).collect();
        assert_eq!(held_out.iter().map(|image| image.logits.clone()).collect::<Vec<_>>(), logits, "fold {fold}");
        let names: Vec<&str> = (0..part.train.len()).map(|image| part.train.name(image).unwrap()).collect();
        assert!(held_out.iter().all(|image| !names.contains(&&*image.file)), "trained on and held out");
    }
    let right = out_of_fold.images.iter().filter(|image| evaluate::argmax(&image.logits) == image.class).count();
    assert_eq!((cross_validated.score.accuracy, cross_validated.images), (right as f64 / 90.0, 90));
    assert!(cross_validated.score.accuracy_interval.unwrap().contains(right as f64 / 90.0));
    assert!(right > 60, "{right} of 90");

    let home = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(Some(&home.path().join("run")), "run").unwrap();
    let metrics = outcome.write(&directory, &dataset, directory.model()).unwrap();
    assert_eq!((metrics.images.train, metrics.images.validation), (90, 0));
    assert_eq!(directory.out_of_fold(2).unwrap().unwrap(), out_of_fold);
    assert_eq!(directory.read_metrics().unwrap().cross_validation.unwrap(), cross_validated);
}

#[test]
fn a_run_interrupted_in_any_fold_or_after_them_comes_to_the_same_bytes() {
    let dataset = dataset();
    let mut whole = Impatient::after(usize::MAX);
    let expected = result(run(&dataset, Unfinished::default(), &mut whole).unwrap());
    assert_eq!(result(run(&dataset, Unfinished::default(), &mut Impatient::after(usize::MAX)).unwrap()), expected);
    let of_folds: usize = whole.last.folds.iter().map(|fit| 2 * fit.epochs.len()).sum();
    // Within the first fit, at the end of an epoch, in the second and third, and in the final training.
    for steps in [1, 2, of_folds / 2, of_folds - 1, of_folds + 1] {
        let mut interrupted = Impatient::after(steps);
        let outcome = run(&dataset, Unfinished::default(), &mut interrupted);
        assert!(outcome.is_none_or(|outcome| outcome.history.interrupted), "after {steps} steps");
        let over = |state: &Unfinished| state.folds.iter().filter(|fit: &&FoldFit| fit.is_over).count();
        let before = over(&interrupted.last);
        let mut resumed = Impatient::after(usize::MAX);
        let outcome = run(&dataset, interrupted.last, &mut resumed).unwrap();
        assert_eq!(result(outcome), expected, "after {steps} steps");
        assert_eq!(resumed.parts.len(), 3 - before, "fits that are over are not repeated");
    }
}

#[test]
fn a_fit_is_the_same_whatever_the_state_before_it_holds() {
    let dataset = dataset();
    let folds = Folds::draw(&dataset.train, &dataset.class_names, 3, 48).unwrap();
    assert_eq!(folds.count(), 3);
    let config = config(&dataset);
    let model = || FloatModel::new(config.architecture().map_err(candle_core::Error::wrap)?, 48);
    let validation = CrossValidation { dataset: &dataset, folds: &folds, recipe: &recipe(), seed: 48, model: &model };
    // The interface is that of a library too: it needs no run.
    struct Silent;
    impl train::folds::FoldObserver for Silent {
        fn begin(&mut self, _: FoldPart) {}
        fn step(&mut self, _: usize, _: usize, _: usize, _: Score) {}
        fn epoch(&mut self, _: &Epoch, _: bool) {}
        fn is_interrupted(&self) -> bool {
            false
        }
        fn unfinished(&mut self, _: &Unfinished) {}
        fn end(&mut self, _: &FoldFit) {}
    }
    let mut state = Unfinished::default();
    let first = validation.run(&mut state, &mut Silent).unwrap().unwrap();
    assert_eq!(validation.run(&mut state, &mut Silent).unwrap().unwrap(), first, "all fits are over");
    state.folds.truncate(1);
    assert_eq!(validation.run(&mut state, &mut Silent).unwrap().unwrap(), first);
}

#[test]
fn fits_that_left_out_other_folds_are_refused() {
    let dataset = dataset();
    let mut whole = Impatient::after(usize::MAX);
    run(&dataset, Unfinished::default(), &mut whole).unwrap();
    for (folds, fits) in [(2, 3), (2, 1), (4, 3), (5, 1)] {
        let mut state = Unfinished { trained: None, checkpoint: None, ..whole.last.clone() };
        state.folds.truncate(fits);
        let config = RunConfig { folds: Some(folds), ..config(&dataset) };
        let pipeline = Pipeline { config: &config, dataset: &dataset, teacher: None, start: None, unknown: None };
        let error = pipeline.run(state, &mut Impatient::after(1)).err().unwrap();
        let expected = format!("{fits} fits of cross-validation, with other folds than the {folds} that run.json");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn temperature_and_threshold_come_from_the_answers_out_of_fold() {
    // One label in twelve is wrong, and the network is large enough to overfit to these: it is surer than it should be.
    let mut dataset = dataset_of(300);
    let labels = (0..300).map(|image| dataset.train.label(image) ^ u16::from(image % 12 == 5)).collect();
    let pixels = (0..300).flat_map(|image| dataset.train.image(image).unwrap().to_vec()).collect();
    dataset.train = Images::new(SHAPE, pixels, labels);
    let layers = "name = \"two\"\ninput = [4, 4, 1]\n[[layers]]\ndense = { outputs = 64, relu = true }\n[[layers]]\ndense = { outputs = 2 }";
    let architecture = Architecture::from_toml(layers).unwrap();
    let recipe = Recipe { epochs: 60, learning_rate: 0.02, mixup: 0.0, monitor: Monitor::Last, ..recipe() };
    let config = RunConfig {
        folds: Some(3),
        calibration_methods: vec![Method::Range],
        rejection: Some(rejection()),
        ..RunConfig::new(&architecture, recipe, &dataset, 48).unwrap()
    };
    let pipeline = Pipeline { config: &config, dataset: &dataset, teacher: None, start: None, unknown: None };
    let mut observer = Impatient::after(usize::MAX);
    let Outcome { confidence, cross_validation, file, .. } =
        pipeline.run(Unfinished::default(), &mut observer).unwrap().unwrap();
    let (_, out_of_fold) = cross_validation.unwrap();
    let metrics = confidence.metrics;
    assert_eq!((metrics.chosen_by, metrics.images()), (ChosenBy::Folds(3), "300 images in 3 folds".to_owned()));
    assert_eq!(confidence.decision, Decision::of_file(&file).unwrap());

    // Cross-entropy and probabilities of the logits that the run keeps, computed without the trainer.
    let probability = |logits: &[f32], class: usize, temperature: f32| {
        let of = |logit: f32| (f64::from(logit) / f64::from(temperature)).exp();
        of(logits[class]) / logits.iter().map(|&logit| of(logit)).sum::<f64>()
    };
    let loss = |temperature| {
        let of = |image: &train::folds::HeldOutImage| -probability(&image.logits, image.class, temperature).ln();
        out_of_fold.images.iter().map(of).sum::<f64>() / 300.0
    };
    let temperature = metrics.temperature;
    assert!((metrics.choosing.before.loss - loss(1.0)).abs() < 1e-6, "{} {}", metrics.choosing.before.loss, loss(1.0));
    assert!((metrics.choosing.after.loss - loss(temperature)).abs() < 1e-6);
    assert!(temperature > 1.05, "{temperature} {:?}", metrics.temperature_kept);
    for other in [0.97, 1.03] {
        assert!(loss(temperature * other) > loss(temperature), "{temperature}");
    }
    // Of images that the network was trained on it is rightly sure.
    let seen = Fitted::of(&Logits::of(&file, &dataset.train).unwrap(), dataset.train.labels());
    assert!(seen.temperature < 0.9 * temperature, "{seen:?} {temperature}");

    let rejected = metrics.rejection.unwrap();
    let sure: Vec<bool> = out_of_fold
        .images
        .iter()
        .filter_map(|image| {
            let class = evaluate::argmax(&image.logits);
            // The chip's exponential differs from this one by less than the gap between two answers.
            let is_sure = probability(&image.logits, class, temperature) >= f64::from(confidence.decision.threshold);
            is_sure.then_some(class == image.class)
        })
        .collect();
    let right = sure.iter().filter(|&&is_right| is_right).count();
    assert!(rejected.choosing.accepted.abs_diff(sure.len()) <= 2 && rejected.choosing.right.abs_diff(right) <= 2);
    assert!(rejected.choosing.accuracy().unwrap() >= PRECISION && rejected.choosing.accepted < 300, "{rejected:?}");

    // Without the folds there is nothing to choose by: no image was held out.
    let without = Confidence::settle(&file, &dataset, None, Some(&rejection()), None).unwrap();
    assert_eq!((without.metrics.chosen_by, without.metrics.temperature), (ChosenBy::Validation, 1.0));

    // The metrics of a run from before there were folds in them.
    let mut earlier = serde_json::to_value(&without.metrics).unwrap();
    let fields = earlier.as_object_mut().unwrap();
    fields.remove("chosen_by");
    let choosing = fields.remove("choosing").unwrap();
    fields.insert("validation".to_owned(), choosing);
    assert_eq!(serde_json::from_value::<ConfidenceMetrics>(earlier).unwrap(), without.metrics);
    assert_eq!(without.unreachable, Some(Unreachable::NoImages));
}
