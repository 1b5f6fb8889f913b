//! The operations of the tutorial's networks: convolutions with ReLU and pool, dense layers, the loss.

use candle_core::{Device, Tensor, Var};
use trainer::network::autograd::{self, Conv2dOptions, Padding, SoftTarget, Targets};
use trainer::network::{Architecture, FloatModel};

use super::{Values, check, flat, random, variable};

/// Convolution, ReLU and max-pool one after the other.
struct ConvCase {
    n: usize,
    height: usize,
    width: usize,
    channels: usize,
    out: usize,
    kernel: usize,
    padding: Padding,
    relu: bool,
    pool: bool,
}

impl ConvCase {
    fn reference(&self, arguments: &[Values]) -> Values {
        let [x, weight, bias] = arguments else { unreachable!() };
        let &Self { n, height, width, channels, out, kernel, padding, relu, pool } = self;
        let (pad, overhang) = if padding == Padding::Same { ((kernel - 1) / 2, kernel - 1) } else { (0, 0) };
        let (rows, columns) = (height + overhang + 1 - kernel, width + overhang + 1 - kernel);
        let value = |image: usize, y: usize, x_at: usize, c: usize| {
            let inside = y >= pad && y - pad < height && x_at >= pad && x_at - pad < width;
            if inside { x[((image * height + y - pad) * width + x_at - pad) * channels + c] } else { 0.0 }
        };
        let sum = |image: usize, y: usize, x_at: usize, o: usize| {
            let mut sum = bias[o];
            for dy in 0..kernel {
                for dx in 0..kernel {
                    for c in 0..channels {
                        let weight = weight[((o * kernel + dy) * kernel + dx) * channels + c];
                        sum += weight * value(image, y + dy, x_at + dx, c);
                    }
                }
            }
            if relu { sum.max(0.0) } else { sum }
        };
        let window = if pool { 2 } else { 1 };
        let mut output = Vec::new();
        for image in 0..n {
            for y in (0..rows / window * window).step_by(window) {
                for x_at in (0..columns / window * window).step_by(window) {
                    for o in 0..out {
                        let positions =
                            (0..window * window).map(|at| sum(image, y + at / window, x_at + at % window, o));
                        output.push(positions.fold(f64::NEG_INFINITY, f64::max));
                    }
                }
            }
        }
        output
    }

    fn check(&self, what: &str) {
        let &Self { n, height, width, channels, out, kernel, padding, relu, pool } = self;
        let shapes: [&[usize]; 3] = [&[n, height, width, channels], &[out, kernel, kernel, channels], &[out]];
        let arguments: Vec<Values> =
            shapes.iter().zip(1..).map(|(shape, seed)| random(shape.iter().product(), seed)).collect();
        let options = Conv2dOptions { padding, relu, pool, input_gradient: true };
        let operation =
            |variables: &[Var]| autograd::conv2d(&variables[0], &variables[1], &variables[2], options).unwrap();
        check(what, &arguments, &shapes, &operation, &|arguments| self.reference(arguments));
    }
}

#[test]
fn convolution_and_its_gradients_are_those_of_plain_loops() {
    for (kernel, channels, out) in [(3, 1, 32), (1, 3, 5), (2, 2, 33), (5, 4, 7), (7, 1, 3)] {
        for padding in [Padding::Valid, Padding::Same] {
            for (relu, pool) in [(false, false), (true, false), (false, true), (true, true)] {
                let case = ConvCase { n: 3, height: 8, width: 9, channels, out, kernel, padding, relu, pool };
                case.check(&format!("{kernel}x{kernel}, {channels} to {out}, {padding:?}, relu {relu}, pool {pool}"));
            }
        }
    }
}

#[test]
fn dense_layers_and_their_gradients_are_those_of_plain_loops() {
    for (n, inputs, outputs, relu) in [(1, 1, 1, false), (5, 7, 3, true), (32, 20, 11, true), (4, 33, 10, false)] {
        let arguments = [random(n * inputs, 1), random(outputs * inputs, 2), random(outputs, 3)];
        let shapes: [&[usize]; 3] = [&[n, inputs], &[outputs, inputs], &[outputs]];
        let reference = |arguments: &[Values]| {
            let [x, weight, bias] = arguments else { unreachable!() };
            let row = |x: &[f64]| -> Values {
                let sums = weight.chunks(inputs).zip(bias);
                let sums = sums.map(|(row, bias)| bias + row.iter().zip(x).map(|(weight, x)| weight * x).sum::<f64>());
                sums.map(|sum| if relu { sum.max(0.0) } else { sum }).collect()
            };
            x.chunks(inputs).flat_map(row).collect()
        };
        let operation =
            |variables: &[Var]| autograd::dense(&variables[0], &variables[1], &variables[2], relu, true).unwrap();
        check(&format!("dense {n} x {inputs} to {outputs}"), &arguments, &shapes, &operation, &reference);
    }
}

#[test]
fn cross_entropy_and_its_gradient_are_those_of_plain_loops() {
    let (n, classes) = (6, 10);
    let labels: Vec<u32> = (0..n).map(|index| (index * 3 % classes) as u32).collect();
    let logits: Values = random(n * classes, 5).into_iter().map(|logit| 8.0 * logit).collect();
    let reference = |arguments: &[Values]| {
        let rows = arguments[0].chunks(classes).zip(&labels);
        let losses =
            rows.map(|(row, &label)| row.iter().map(|logit| logit.exp()).sum::<f64>().ln() - row[label as usize]);
        vec![losses.sum::<f64>() / n as f64]
    };
    let operation =
        |variables: &[Var]| autograd::softmax_cross_entropy(&variables[0], Targets::Labels(labels.to_vec())).unwrap();
    check("cross-entropy", std::slice::from_ref(&logits), &[&[n, classes]], &operation, &reference);

    // Half of the label, the rest over all classes.
    let share = |label: u32, class: usize| 0.5 / classes as f64 + if class == label as usize { 0.5 } else { 0.0 };
    let shares = labels.iter().flat_map(|&label| (0..classes).map(move |class| (label, class)));
    let shares: Vec<f32> = shares.map(|(label, class)| share(label, class) as f32).collect();
    let reference = |arguments: &[Values]| {
        let rows = arguments[0].chunks(classes).zip(&labels);
        let losses = rows.map(|(row, &label)| {
            let hit: f64 = row.iter().enumerate().map(|(class, logit)| share(label, class) * logit).sum();
            row.iter().map(|logit| logit.exp()).sum::<f64>().ln() - hit
        });
        vec![losses.sum::<f64>() / n as f64]
    };
    let operation = |variables: &[Var]| {
        let targets = Targets::Soft(vec![SoftTarget::alone(shares.clone())]);
        autograd::softmax_cross_entropy(&variables[0], targets).unwrap()
    };
    check("cross-entropy with shares", std::slice::from_ref(&logits), &[&[n, classes]], &operation, &reference);

    // The target of a label, and that of a teacher at a temperature.
    let targets = [(0.25, 1.0), (0.75, 3.0)];
    let reference = |arguments: &[Values]| {
        let losses = arguments[0].chunks(classes).zip(shares.chunks(classes)).map(|(row, shares)| {
            let weighted = targets.map(|(weight, temperature): (f64, f64)| {
                let cold: Values = row.iter().map(|logit| logit / temperature).collect();
                let hit: f64 = cold.iter().zip(shares).map(|(logit, &share)| f64::from(share) * logit).sum();
                weight * temperature.powi(2) * (cold.iter().map(|logit| logit.exp()).sum::<f64>().ln() - hit)
            });
            weighted.iter().sum::<f64>()
        });
        vec![losses.sum::<f64>() / n as f64]
    };
    let operation = |variables: &[Var]| {
        let soft_target = |(weight, temperature): (f64, f64)| SoftTarget {
            shares: shares.clone(),
            temperature: temperature as f32,
            weight: weight as f32,
        };
        autograd::softmax_cross_entropy(&variables[0], Targets::Soft(targets.map(soft_target).to_vec())).unwrap()
    };
    check("cross-entropy with two soft targets", &[logits], &[&[n, classes]], &operation, &reference);
}

/// The chain of operations outside candle's graph against the same operations inside it.
#[test]
fn a_models_gradients_are_those_of_candles_own_backward_pass() {
    let layers = "name = \"deep\"\ninput = [10, 10, 1]\n
        [[layers]]\nconv = { channels = 5, kernel = 3, padding = \"same\", relu = true }
        [[layers]]\nmax_pool = {}
        [[layers]]\nconv = { channels = 6, kernel = 2, padding = \"valid\", relu = true }
        [[layers]]\ndense = { outputs = 7, relu = true }
        [[layers]]\ndense = { outputs = 4 }";
    let model = FloatModel::new(Architecture::from_toml(layers).unwrap(), 48).unwrap();
    let inputs = variable(&random(3 * 100, 8), &[3, 10, 10, 1]);
    let labels = Tensor::new(&[0u32, 3, 1], &Device::Cpu).unwrap();

    let parameters: Vec<_> = model.parameters().iter().flatten().collect();
    let conv = |x: &Tensor, index: usize, padding, pool| {
        let options = Conv2dOptions { padding, relu: true, pool, input_gradient: true };
        autograd::conv2d(x, &parameters[index].weight, &parameters[index].bias, options).unwrap()
    };
    let dense = |x: &Tensor, index: usize, relu| {
        autograd::dense(x, &parameters[index].weight, &parameters[index].bias, relu, true).unwrap()
    };
    let features = conv(&conv(&inputs, 0, Padding::Same, true), 1, Padding::Valid, false);
    let logits = dense(&dense(&features.flatten_from(1).unwrap(), 2, true), 3, false);
    let loss = autograd::softmax_cross_entropy(&logits, Targets::Labels(labels.to_vec1().unwrap())).unwrap();
    let expected = loss.backward().unwrap();

    let pass = model.loss_and_gradients(&inputs, Targets::Labels(labels.to_vec1().unwrap()), None).unwrap();
    assert_eq!(pass.loss, loss.to_scalar::<f32>().unwrap());
    for variable in model.variables() {
        assert_eq!(flat(pass.gradients.get(&variable).unwrap()), flat(expected.get(&variable).unwrap()));
    }
}

#[test]
fn logits_of_any_size_give_a_finite_loss_and_gradient() {
    let logits = variable(&[1e30, -1e30, 0.0], &[1, 3]);
    let loss = autograd::softmax_cross_entropy(&logits, Targets::Labels(vec![0])).unwrap();
    assert_eq!(flat(&loss), [0.0]);
    assert_eq!(flat(loss.backward().unwrap().get(&logits).unwrap()), [0.0; 3]);
}

/// candle's own gives `[0, 0, 0, 0.25]`.
#[test]
fn a_pools_gradient_goes_whole_to_its_maximum() {
    let x = variable(&[1.0, 2.0, 3.0, 4.0], &[1, 2, 2, 1]);
    let gradients = autograd::max_pool2d(&x).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&x).unwrap()), [0.0, 0.0, 0.0, 1.0]);
    let equal = variable(&[7.0; 4], &[1, 2, 2, 1]);
    let gradients = autograd::max_pool2d(&equal).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&equal).unwrap()), [1.0, 0.0, 0.0, 0.0], "of equals the first");
}

#[test]
fn pools_and_their_gradients_are_those_of_plain_loops() {
    for (n, height, width, channels) in [(2, 4, 6, 3), (1, 5, 7, 2), (3, 2, 2, 1)] {
        let reference = |arguments: &[Values]| {
            let at = |image: usize, y: usize, x: usize, c: usize| {
                arguments[0][((image * height + y) * width + x) * channels + c]
            };
            let mut output = Vec::new();
            for image in 0..n {
                for y in (0..height / 2 * 2).step_by(2) {
                    for x in (0..width / 2 * 2).step_by(2) {
                        for c in 0..channels {
                            let (upper, lower) = (
                                at(image, y, x, c).max(at(image, y, x + 1, c)),
                                at(image, y + 1, x, c).max(at(image, y + 1, x + 1, c)),
                            );
                            output.push(upper.max(lower));
                        }
                    }
                }
            }
            output
        };
        let arguments = [random(n * height * width * channels, 4)];
        let operation = |variables: &[Var]| autograd::max_pool2d(&variables[0]).unwrap();
        check("max-pool", &arguments, &[&[n, height, width, channels]], &operation, &reference);
    }
}
