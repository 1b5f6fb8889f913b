//! The optimizer against its papers.

use candle_core::Var;
use candle_nn::Optimizer;
use trainer::train::adam::{Adam, AdamConfig};

use super::{flat, random, variable};

/// Kingma and Ba 2015, algorithm 1, word for word.
#[test]
fn adam_takes_the_steps_of_its_paper() {
    let config = AdamConfig { learning_rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let count = 40_000;
    let start = random(count, 1);
    let value = variable(&start, &[count]);
    let mut adam = Adam::new(vec![value.clone()], config).unwrap();
    let (mut theta, mut first, mut second) = (start, vec![0.0; count], vec![0.0; count]);
    for step in 1..=10 {
        let gradient = random(count, 100 + step);
        let loss = (value.as_tensor() * variable(&gradient, &[count]).as_tensor()).unwrap().sum_all().unwrap();
        adam.backward_step(&loss).unwrap();
        for (((theta, first), second), gradient) in theta.iter_mut().zip(&mut first).zip(&mut second).zip(&gradient) {
            *first = config.beta1 * *first + (1.0 - config.beta1) * gradient;
            *second = config.beta2 * *second + (1.0 - config.beta2) * gradient * gradient;
            let corrected_first = *first / (1.0 - config.beta1.powi(step as i32));
            let corrected_second = *second / (1.0 - config.beta2.powi(step as i32));
            *theta -= config.learning_rate * corrected_first / (corrected_second.sqrt() + config.epsilon);
        }
    }
    for (found, expected) in flat(&value).iter().zip(&theta) {
        assert!((found - expected).abs() < 3e-6, "{found}, expected {expected}");
    }
    assert_eq!((adam.steps(), adam.moments().len()), (10, 1));
}

/// Loshchilov and Hutter 2019: apart from the gradient, and in proportion to the learning rate.
#[test]
fn weight_decay_shrinks_weights_and_leaves_biases_alone() {
    let config = AdamConfig { learning_rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.5 };
    let (weight, bias) = (variable(&[2.0, -4.0], &[1, 2]), variable(&[2.0, -4.0], &[2]));
    let mut adam = Adam::new(vec![weight.clone(), bias.clone()], config).unwrap();
    // A gradient next to nothing, so that nothing else moves.
    let loss = (weight.sum_all().unwrap() + bias.sum_all().unwrap()).unwrap() * 1e-30;
    adam.backward_step(&loss.unwrap()).unwrap();
    assert_eq!(flat(&weight), [1.9, -3.8].map(|value: f64| f64::from(value as f32)));
    assert_eq!(flat(&bias), [2.0, -4.0]);
}

#[test]
fn adam_continues_from_a_saved_state_as_if_it_had_not_stopped() {
    let config = AdamConfig { learning_rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let step = |adam: &mut Adam, value: &Var, seed: u64| {
        let weighting = variable(&random(64, seed), &[64]);
        adam.backward_step(&(value.as_tensor() * weighting.as_tensor()).unwrap().sum_all().unwrap()).unwrap();
    };
    let whole = variable(&random(64, 1), &[64]);
    let mut adam = Adam::new(vec![whole.clone()], config).unwrap();
    (1..=6).for_each(|seed| step(&mut adam, &whole, seed));

    let halves = variable(&random(64, 1), &[64]);
    let mut first = Adam::new(vec![halves.clone()], config).unwrap();
    (1..=3).for_each(|seed| step(&mut first, &halves, seed));
    let mut second = Adam::new(vec![halves.clone()], config).unwrap();
    second.restore(first.steps(), first.moments()).unwrap();
    (4..=6).for_each(|seed| step(&mut second, &halves, seed));
    assert_eq!(flat(&whole), flat(&halves));
    assert!(second.restore(1, Vec::new()).is_err(), "the state of another model");
}
