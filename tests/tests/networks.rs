//! The built-in networks with residuals and depthwise convolutions, on color images, from training to the model file.

use infer_core::Shape;
use thimble_tests::garments::{Silent, impatient};
use thimble_tests::images;
use thimble_tests::to_the_file::{assert_oracle_equality, model_file};
use trainer::dataset::Dataset;
use trainer::network::{FloatModel, Template};
use trainer::train::recipe::Recipe;
use trainer::train::{fit, resume};

const SEED: u64 = 48;

/// Steps after which a training is interrupted: in its second epoch.
const INTERRUPTED: usize = 6;

fn network(name: &str) -> FloatModel {
    let shape = Shape { height: 32, width: 32, channels: 3 };
    FloatModel::new(Template::built_in(name).unwrap().architecture(shape, 10).unwrap(), SEED).unwrap()
}

/// Four steps an epoch.
fn first_images() -> Dataset {
    let mut dataset = images::color().clone();
    let first = |count: usize| (0..count).collect::<Vec<_>>();
    dataset.train = dataset.train.subset(&first(256));
    dataset.validation = dataset.validation.subset(&first(20));
    dataset
}

/// A fit, the same again, and one that was interrupted and resumed come to the same bits, and their file gives the oracle's logits.
fn from_training_to_logits(name: &str) {
    let dataset = first_images();
    let recipe = Recipe { epochs: 2, ..Recipe::built_in("strong").unwrap() };
    let weights = |model: &FloatModel| -> Vec<u32> {
        let values = model.snapshot().unwrap().values().unwrap();
        values.into_iter().flatten().map(f32::to_bits).collect()
    };
    let mut model = network(name);
    fit(&model, &dataset, &recipe, SEED, None, &mut Silent).unwrap();
    let expected = weights(&model);
    assert!(expected != weights(&network(name)), "{name}: it was trained");

    let again = network(name);
    fit(&again, &dataset, &recipe, SEED, None, &mut Silent).unwrap();
    assert!(weights(&again) == expected, "{name}: twice the same fit");

    let mut observer = impatient(INTERRUPTED);
    assert!(fit(&network(name), &dataset, &recipe, SEED, None, &mut observer).unwrap().interrupted);
    let (resumed, from) = (network(name), observer.last.unwrap());
    resume(&resumed, &dataset, &recipe, SEED, None, Some(&from), &mut Silent).unwrap();
    assert!(weights(&resumed) == expected, "{name}: interrupted and resumed");

    model.fold().unwrap();
    let file = model_file(&model, &dataset, SEED);
    assert_oracle_equality(&file, &dataset.test.subset(&[0, 1, 2, 3]));
}

#[test]
fn resnet8_comes_to_the_same_bits_however_it_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits("resnet8");
}

#[test]
fn sepnet10_comes_to_the_same_bits_however_it_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits("sepnet10");
}

#[test]
fn mobilenet_comes_to_the_same_bits_however_it_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits("mobilenet");
}

#[test]
fn dscnn_comes_to_the_same_bits_however_it_is_trained_and_gives_the_oracles_logits() {
    from_training_to_logits("dscnn");
}
