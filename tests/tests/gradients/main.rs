//! The training operations against plain loops in `f64`, and their gradients against finite differences of those.

mod adam;
mod any_window;
mod fused;
mod layers;

use candle_core::{Device, Tensor, Var};
use trainer::network::autograd::Recorded;
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

type Values = Vec<f64>;

fn random(count: usize, seed: u64) -> Values {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // What `f32` holds exactly, so that both sides start from the same numbers.
    (0..count).map(|_| f64::from(random.random_range(-1.0f32..1.0))).collect()
}

fn variable(values: &[f64], shape: &[usize]) -> Var {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Values {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = 2e-4 * (1.0 + expected.abs());
        assert!((found - expected).abs() < tolerance, "{what}[{index}]: {found}, expected {expected}");
    }
}

/// `d loss / d values[argument]` by central differences.
fn numeric(arguments: &[Values], argument: usize, loss: &dyn Fn(&[Values]) -> f64) -> Values {
    const STEP: f64 = 1e-6;
    (0..arguments[argument].len())
        .map(|index| {
            let at = |offset: f64| {
                let mut arguments = arguments.to_vec();
                arguments[argument][index] += offset;
                loss(&arguments)
            };
            (at(STEP) - at(-STEP)) / (2.0 * STEP)
        })
        .collect()
}

/// Checks the output of an operation against `reference`, and the gradients of a random weighting of it, which `gradients` gives
/// for that weighting, argument by argument.
fn check_against(
    what: &str,
    arguments: &[Values],
    reference: &dyn Fn(&[Values]) -> Values,
    output: &Tensor,
    gradients: impl FnOnce(&Tensor) -> Vec<Tensor>,
) {
    assert_close(&flat(output), &reference(arguments), &format!("{what}: output"));
    let weighting = random(output.elem_count(), 99);
    let loss =
        |arguments: &[Values]| reference(arguments).iter().zip(&weighting).map(|(value, weight)| value * weight).sum();
    let found = gradients(variable(&weighting, output.dims()).as_tensor());
    assert_eq!(found.len(), arguments.len(), "{what}");
    for (argument, gradient) in found.iter().enumerate() {
        assert_close(&flat(gradient), &numeric(arguments, argument, &loss), &format!("{what}: gradient {argument}"));
    }
}

/// Checks an operation in candle's graph.
fn check(
    what: &str,
    arguments: &[Values],
    shapes: &[&[usize]],
    operation: &dyn Fn(&[Var]) -> Tensor,
    reference: &dyn Fn(&[Values]) -> Values,
) {
    let variables: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
    let output = operation(&variables);
    check_against(what, arguments, reference, &output, |weighting| {
        let gradients = (&output * weighting).unwrap().sum_all().unwrap().backward().unwrap();
        variables.iter().map(|variable| gradients.get(variable).unwrap().clone()).collect()
    });
}

/// Checks an operation outside of it, whose arguments are its input, then its parameters in the order of their gradients.
fn check_recorded(
    what: &str,
    arguments: &[Values],
    shapes: &[&[usize]],
    operation: &dyn Fn(&[Var]) -> Recorded,
    reference: &dyn Fn(&[Values]) -> Values,
) {
    let variables: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
    let recorded = operation(&variables);
    check_against(what, arguments, reference, &recorded.output.tensor().unwrap(), |weighting| {
        let gradients = recorded.backward(weighting).unwrap();
        let found: Vec<Tensor> = gradients.input.into_iter().chain(gradients.parameters).collect();
        for (gradient, shape) in found.iter().zip(shapes) {
            assert_eq!(gradient.dims(), *shape, "{what}");
        }
        found
    });
}
