//! An interrupted training continues to the very bits that it would have come to.

use sha2::{Digest, Sha256};
use thimble_tests::garments::{first_garments, impatient};
use trainer::dataset::Dataset;
use trainer::network::Architecture;
use trainer::network::FloatModel;
use trainer::train::recipe::Recipe;
use trainer::train::score::Score;
use trainer::train::{CheckpointError, FitError, History, Unfinished, fit, resume};

/// 300 training images of garments: five steps of 64 an epoch.
fn small() -> Dataset {
    first_garments(300)
}

fn tiny() -> FloatModel {
    FloatModel::new(Architecture::built_in("tiny").unwrap(), 48).unwrap()
}

/// Everything that has a state, a schedule or a random draw.
fn strong() -> Recipe {
    Recipe { epochs: 4, mixup: 0.2, dropout: 0.2, average: 0.9, ..Recipe::built_in("strong").unwrap() }
}

/// All that must be the same: weights, best epoch, whether it stopped early, scores.
type Outcome = (Vec<Vec<f32>>, usize, bool, Vec<(Score, Score)>);

fn result(model: &FloatModel, history: &History) -> Outcome {
    let scores = history.epochs.iter().map(|epoch| (epoch.train, epoch.validation)).collect();
    (model.snapshot().unwrap().values().unwrap(), history.best_epoch, history.stopped_early, scores)
}

#[test]
fn an_interrupt_ends_a_training_whose_epochs_are_single_steps() {
    let (dataset, recipe) = (small(), Recipe { batch_size: 512, ..strong() });
    let (whole, model) = (tiny(), tiny());
    let expected = result(&whole, &fit(&whole, &dataset, &recipe, 7, None, &mut impatient(usize::MAX)).unwrap());
    let mut interrupted = impatient(2);
    let history = fit(&model, &dataset, &recipe, 7, None, &mut interrupted).unwrap();
    assert_eq!((history.epochs.len(), history.interrupted), (2, true));
    let from = interrupted.last.unwrap();
    let resumed = tiny();
    let history = resume(&resumed, &dataset, &recipe, 7, None, Some(&from), &mut impatient(usize::MAX)).unwrap();
    assert!(result(&resumed, &history) == expected);
    // After the last epoch there is nothing to interrupt.
    assert!(!fit(&tiny(), &dataset, &recipe, 7, None, &mut impatient(4)).unwrap().interrupted);
}

#[test]
fn a_training_that_was_interrupted_anywhere_comes_to_the_same_bits() {
    let (dataset, recipe) = (small(), strong());
    let whole = tiny();
    let history = fit(&whole, &dataset, &recipe, 7, None, &mut impatient(usize::MAX)).unwrap();
    assert!(!history.interrupted);
    let expected = result(&whole, &history);

    // Within the first epoch, at its end, within another, and again every three steps.
    for steps in [1, 5, 12, 3] {
        let mut from = None;
        let (mut parts, mut model) = (0, tiny());
        let history = loop {
            let mut observer = impatient(if parts == 0 || steps == 3 { steps } else { usize::MAX });
            let history = resume(&model, &dataset, &recipe, 7, None, from.as_ref(), &mut observer).unwrap();
            parts += 1;
            if !history.interrupted {
                break history;
            }
            let progress = Unfinished { checkpoint: observer.last, ..Unfinished::default() };
            from = Unfinished::from_bytes(&progress.to_bytes().unwrap()).unwrap().checkpoint;
            // A new process begins with a network of its own.
            model = FloatModel::new(Architecture::built_in("tiny").unwrap(), 1).unwrap();
        };
        assert!(parts > 1, "it was interrupted");
        assert_eq!(result(&model, &history), expected, "after {parts} parts, the first of {steps} steps");
    }
}

/// What a normalization keeps, and the average of it, is part of the state.
#[test]
fn a_normalized_network_that_was_interrupted_comes_to_the_same_bits() {
    let network = || {
        let text = "name = \"normalized\"
            input = [28, 28, 1]
            layers = [
                { conv = { channels = 4, kernel = 3, stride = 2, padding = \"same\", batch_norm = true, relu = true } },
                { depthwise_conv = { kernel = 3, stride = 2, padding = \"same\", batch_norm = true, relu6 = true } },
                { conv = { channels = 6, kernel = 1, padding = \"same\", batch_norm = true } },
                { average_pool = { global = true } },
                { dense = {} },
            ]";
        FloatModel::new(Architecture::from_toml(text).unwrap(), 48).unwrap()
    };
    let (dataset, recipe) = (small(), strong());
    let whole = network();
    let expected = result(&whole, &fit(&whole, &dataset, &recipe, 7, None, &mut impatient(usize::MAX)).unwrap());
    assert_eq!(whole.snapshot().unwrap().values().unwrap().len(), 3 * 5 + 2, "weights, biases, scales and statistics");
    for steps in [2, 5, 13] {
        let mut observer = impatient(steps);
        fit(&network(), &dataset, &recipe, 7, None, &mut observer).unwrap();
        let progress = Unfinished { checkpoint: observer.last, ..Unfinished::default() };
        let from = Unfinished::from_bytes(&progress.to_bytes().unwrap()).unwrap().checkpoint;
        let resumed = network();
        let history = resume(&resumed, &dataset, &recipe, 7, None, from.as_ref(), &mut impatient(usize::MAX)).unwrap();
        assert!(result(&resumed, &history) == expected, "after {steps} steps");
    }
}

#[test]
fn patience_is_part_of_where_training_stands() {
    let dataset = small();
    let recipe = Recipe { epochs: 60, patience: 2, learning_rate: 3e-3, ..Recipe::built_in("tutorial").unwrap() };
    let whole = tiny();
    let history = fit(&whole, &dataset, &recipe, 7, None, &mut impatient(usize::MAX)).unwrap();
    assert!(history.stopped_early && history.epochs.len() < 60);

    // From its very end there is nothing more to do; a step before it the same end is found.
    let steps = history.epochs.len() * 10;
    for steps in [steps, steps - 1] {
        let mut observer = impatient(steps);
        fit(&tiny(), &dataset, &recipe, 7, None, &mut observer).unwrap();
        let model = tiny();
        let from = observer.last.as_ref();
        let resumed = resume(&model, &dataset, &recipe, 7, None, from, &mut impatient(usize::MAX)).unwrap();
        assert_eq!(result(&model, &resumed), result(&whole, &history));
    }
}

#[test]
fn a_checkpoint_that_is_none_is_damaged_or_of_another_network_is_refused() {
    let (dataset, recipe) = (small(), strong());
    let mut observer = impatient(1);
    fit(&tiny(), &dataset, &recipe, 7, None, &mut observer).unwrap();
    let bytes = Unfinished { checkpoint: observer.last.clone(), ..Unfinished::default() }.to_bytes().unwrap();
    assert!(Unfinished::from_bytes(&bytes).is_ok());

    assert!(matches!(Unfinished::from_bytes(b"something else"), Err(CheckpointError::Unknown)));
    for at in [17, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(matches!(Unfinished::from_bytes(&damaged), Err(CheckpointError::Damaged)), "byte {at}");
        assert!(matches!(Unfinished::from_bytes(&bytes[..at]), Err(CheckpointError::Damaged)), "cut off at {at}");
    }

    // Lengths of more than all the memory there is, under a checksum that is right.
    let whole = bytes.strip_prefix(b"thimble training\x04").unwrap();
    let magic = &bytes[..bytes.len() - whole.len()];
    let claim = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    for payload in [
        claim.to_vec(),
        [&[0, 1][..], &claim].concat(),
        [&[0, 0, 1][..], &claim].concat(),
        [&[0, 1, 0, 0, 0, 0, 1][..], &claim].concat(),
    ] {
        let file = [magic, &Sha256::digest(&payload), &payload].concat();
        assert!(matches!(Unfinished::from_bytes(&file), Err(CheckpointError::Unknown)), "{payload:?}");
    }
    // A best epoch that never was.
    let mut impossible = observer.last.clone().unwrap();
    impossible.best.epoch = impossible.epochs.len() + 1;
    let impossible = Unfinished { checkpoint: Some(impossible), ..Unfinished::default() }.to_bytes().unwrap();
    assert!(matches!(Unfinished::from_bytes(&impossible), Err(CheckpointError::Unknown)));

    let mlp = FloatModel::new(Architecture::built_in("mlp").unwrap(), 48).unwrap();
    let from = observer.last.as_ref();
    let error = resume(&mlp, &dataset, &recipe, 7, None, from, &mut impatient(1)).unwrap_err();
    assert!(matches!(error, FitError::Checkpoint(CheckpointError::Other(_))), "{error}");
    let recipe = Recipe { average: 0.0, ..recipe };
    let error = resume(&tiny(), &dataset, &recipe, 7, None, from, &mut impatient(1)).unwrap_err().to_string();
    assert!(error.contains("only one of run and checkpoint has an average"), "{error}");
}
