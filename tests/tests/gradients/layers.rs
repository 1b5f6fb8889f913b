//! Layers without weights.

use trainer::network::Layer;
use trainer::network::autograd::Output;
use trainer::network::layers::{Add, AveragePool, Forward, Pair, Pool};

use super::{Values, assert_close, flat, numeric, random, variable};

/// Random values, of which two may add up to more than ReLU6 passes.
fn beyond_six(count: usize, seed: u64) -> Values {
    random(count, seed).into_iter().map(|value| 4.0 * value).collect()
}

/// Checks a layer without weights, as [`check`] does, given the shapes of its input and of its residual.
fn check_layer(layer: Layer, shapes: &[&[usize]], reference: &dyn Fn(&[Values]) -> Values) {
    let what = format!("{layer} of {shapes:?}");
    let arguments: Vec<Values> =
        shapes.iter().zip(1..).map(|(shape, seed)| beyond_six(shape.iter().product(), seed)).collect();
    let tensors: Vec<Output> =
        arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape).as_tensor().into()).collect();
    let forward =
        Forward { input: &tensors[0], residual: tensors.get(1), parameters: None, fused: false, input_gradient: true };
    let recorded = layer.operator().forward(forward).unwrap();
    assert_close(&flat(&recorded.output.tensor().unwrap()), &reference(&arguments), &format!("{what}: output"));
    let weighting = random(recorded.output.shape().elem_count(), 99);
    let gradients = recorded.backward(&variable(&weighting, recorded.output.shape().dims())).unwrap();
    assert!(gradients.parameters.is_empty(), "{what}");
    let loss =
        |arguments: &[Values]| reference(arguments).iter().zip(&weighting).map(|(value, weight)| value * weight).sum();
    let gradients = [gradients.input, gradients.residual].into_iter().flatten();
    assert_eq!(gradients.clone().count(), shapes.len(), "{what}");
    for (argument, gradient) in gradients.enumerate() {
        assert_close(&flat(&gradient), &numeric(&arguments, argument, &loss), &format!("{what}: gradient {argument}"));
    }
}

#[test]
fn an_add_gives_both_of_its_inputs_the_gradient_of_the_sum() {
    for (relu, relu6) in [(false, false), (true, false), (false, true)] {
        let reference = |arguments: &[Values]| {
            let sums = arguments[0].iter().zip(&arguments[1]).map(|(one, other)| one + other);
            sums.map(|sum| match (relu, relu6) {
                (_, true) => sum.clamp(0.0, 6.0),
                (true, false) => sum.max(0.0),
                (false, false) => sum,
            })
            .collect()
        };
        let shape: &[usize] = &[2, 3, 4, 5];
        check_layer(Layer::Add(Add { relu, relu6 }), &[shape, shape], &reference);
    }
}

#[test]
fn an_average_pool_shares_the_gradient_of_a_mean_among_its_window() {
    let [n, height, width, channels] = [2, 5, 7, 3];
    let windows = [(Some(2), None), (Some(3), Some(1)), (Some(2), Some(3)), (None, None)];
    for (window, stride) in windows {
        let [pair, steps] = [window, stride].map(|side| side.map(Pair::both));
        let pool = AveragePool(Pool { window: pair, stride: steps, global: window.is_none(), ..Pool::default() });
        let side = window.map(usize::from);
        let [rows, columns] = side.map_or([height, width], |side| [side; 2]);
        let stride = stride.map(usize::from).or(side).unwrap_or(1);
        let reference = |arguments: &[Values]| {
            let mut output = Vec::new();
            for image in 0..n {
                for y in (0..=height - rows).step_by(stride) {
                    for x in (0..=width - columns).step_by(stride) {
                        for c in 0..channels {
                            let at = |dy, dx| arguments[0][((image * height + y + dy) * width + x + dx) * channels + c];
                            let sum: f64 = (0..rows * columns).map(|tap| at(tap / columns, tap % columns)).sum();
                            output.push(sum / (rows * columns) as f64);
                        }
                    }
                }
            }
            output
        };
        check_layer(Layer::AveragePool(pool), &[&[n, height, width, channels]], &reference);
    }
}
