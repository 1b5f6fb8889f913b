//! The training operations against plain loops in `f64`, and their gradients against finite differences of those.

use candle_core::{Device, Tensor, Var};
use candle_nn::Optimizer;
use trainer::network::autograd::{
    self, Activation, Conv2dOptions, ConvolutionOptions, Padding, Recorded, SoftTarget, Targets, Window,
};
use trainer::network::layers::{Add, AveragePool, Forward, Pair, Pool};
use trainer::network::{Architecture, FloatModel, Layer};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};
use trainer::train::adam::{Adam, AdamConfig};

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

/// Checks an operation: its output against `reference`, and the gradient of a random weighting of that output by each
/// argument.
fn check(
    what: &str,
    arguments: &[Values],
    shapes: &[&[usize]],
    operation: &dyn Fn(&[Var]) -> Tensor,
    reference: &dyn Fn(&[Values]) -> Values,
) {
    let variables: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
    let output = operation(&variables);
    assert_close(&flat(&output), &reference(arguments), &format!("{what}: output"));
    let weighting = random(output.elem_count(), 99);
    let loss = (&output * variable(&weighting, output.dims()).as_tensor()).unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    let reference_loss =
        |arguments: &[Values]| reference(arguments).iter().zip(&weighting).map(|(value, weight)| value * weight).sum();
    for (argument, variable) in variables.iter().enumerate() {
        let found = flat(gradients.get(variable).unwrap());
        assert_close(&found, &numeric(arguments, argument, &reference_loss), &format!("{what}: gradient {argument}"));
    }
}

/// Checks a layer without weights, as [`check`] does, given the shapes of its input and of its residual.
fn check_layer(layer: Layer, shapes: &[&[usize]], reference: &dyn Fn(&[Values]) -> Values) {
    let what = format!("{layer} of {shapes:?}");
    let arguments: Vec<Values> =
        shapes.iter().zip(1..).map(|(shape, seed)| random(shape.iter().product(), seed)).collect();
    let tensors: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
    let forward = Forward {
        input: &tensors[0],
        residual: tensors.get(1).map(|residual| residual.as_tensor()),
        parameters: None,
        fused: false,
        input_gradient: true,
    };
    let recorded = layer.operator().forward(forward).unwrap();
    assert_close(&flat(&recorded.output), &reference(&arguments), &format!("{what}: output"));
    let weighting = random(recorded.output.elem_count(), 99);
    let gradients = recorded.backward(&variable(&weighting, recorded.output.dims())).unwrap();
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
    for relu in [false, true] {
        let reference = |arguments: &[Values]| {
            let sums = arguments[0].iter().zip(&arguments[1]).map(|(one, other)| one + other);
            sums.map(|sum| if relu { sum.max(0.0) } else { sum }).collect()
        };
        let shape: &[usize] = &[2, 3, 4, 5];
        check_layer(Layer::Add(Add { relu, relu6: false }), &[shape, shape], &reference);
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

/// Checks an operation outside candle's graph, as [`check`] does. Arguments whose gradient is wanted come first: the input,
/// then the parameters in the order of their gradients.
fn check_recorded(
    what: &str,
    arguments: &[Values],
    shapes: &[&[usize]],
    operation: &dyn Fn(&[Var]) -> Recorded,
    reference: &dyn Fn(&[Values]) -> Values,
) {
    let variables: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
    let recorded = operation(&variables);
    assert_close(&flat(&recorded.output), &reference(arguments), &format!("{what}: output"));
    let weighting = random(recorded.output.elem_count(), 99);
    let gradients = recorded.backward(&variable(&weighting, recorded.output.dims())).unwrap();
    assert_eq!(gradients.parameters.len(), arguments.len() - 1, "{what}");
    let loss =
        |arguments: &[Values]| reference(arguments).iter().zip(&weighting).map(|(value, weight)| value * weight).sum();
    let found = gradients.input.iter().chain(&gradients.parameters);
    for (argument, gradient) in found.enumerate() {
        assert_eq!(gradient.dims(), shapes[argument], "{what}");
        assert_close(&flat(gradient), &numeric(arguments, argument, &loss), &format!("{what}: gradient {argument}"));
    }
}

/// The positions of a window over `height` rows and `width` columns, each with its taps that are inside: which of the
/// window's it is, and its pixel.
fn positions(window: Window, height: usize, width: usize) -> Vec<Vec<(usize, usize)>> {
    let Window { size, stride, padding: [above, left, below, right] } = window;
    let rows = (height + above + below - size[0]) / stride[0] + 1;
    let columns = (width + left + right - size[1]) / stride[1] + 1;
    let taps = |row: usize, column: usize| {
        let tap = |tap: usize| {
            let y = (row * stride[0] + tap / size[1]).checked_sub(above).filter(|&y| y < height)?;
            let x = (column * stride[1] + tap % size[1]).checked_sub(left).filter(|&x| x < width)?;
            Some((tap, y * width + x))
        };
        (0..size[0] * size[1]).filter_map(tap).collect()
    };
    (0..rows * columns).map(|position| taps(position / columns, position % columns)).collect()
}

/// A convolution with any window, and what follows it.
#[derive(Clone, Copy, Debug)]
struct GeneralCase {
    input: [usize; 4],
    out: usize,
    window: Window,
    /// Output channels of each input channel, of a depthwise convolution.
    multiplier: Option<usize>,
    activation: Activation,
}

impl GeneralCase {
    fn weight_shape(&self) -> [usize; 4] {
        let [_, _, _, channels] = self.input;
        let out = self.multiplier.map_or(self.out, |multiplier| channels * multiplier);
        [out, self.window.size[0], self.window.size[1], if self.multiplier.is_some() { 1 } else { channels }]
    }

    fn options(&self) -> ConvolutionOptions {
        let Self { window, activation, .. } = *self;
        ConvolutionOptions { window, depthwise: self.multiplier.is_some(), activation, input_gradient: true }
    }

    fn positions(&self) -> Vec<Vec<(usize, usize)>> {
        positions(self.window, self.input[1], self.input[2])
    }

    /// Sums without bias, given the positions of the window.
    fn sums(&self, positions: &[Vec<(usize, usize)>], x: &[f64], weight: &[f64]) -> Values {
        let [n, _, _, channels] = self.input;
        let [out, _, _, read] = self.weight_shape();
        let taps = self.window.size[0] * self.window.size[1];
        let mut output = Vec::new();
        for image in x.chunks(x.len() / n) {
            for position in positions {
                for o in 0..out {
                    let first = self.multiplier.map_or(0, |multiplier| o / multiplier);
                    let tap = |&(tap, pixel): &(usize, usize)| -> f64 {
                        let values = &image[pixel * channels + first..][..read];
                        values.iter().zip(&weight[(o * taps + tap) * read..]).map(|(x, weight)| x * weight).sum()
                    };
                    output.push(position.iter().map(tap).sum());
                }
            }
        }
        output
    }

    fn activate(&self, value: f64) -> f64 {
        match self.activation {
            Activation::None => value,
            Activation::Relu => value.max(0.0),
            Activation::Relu6 => value.clamp(0.0, 6.0),
        }
    }

    /// Input, weight and as many values per channel as asked for, with values on both sides of an activation's ends.
    fn arguments(&self, seed: u64, vectors: usize) -> Vec<Values> {
        let [out, ..] = self.weight_shape();
        let mut arguments =
            vec![random(self.input.iter().product(), seed), random(self.weight_shape().iter().product(), seed + 1)];
        arguments.extend((0..vectors as u64).map(|index| random(out, seed + 2 + index)));
        if self.activation == Activation::Relu6 {
            arguments[1].iter_mut().for_each(|weight| *weight *= 4.0);
        }
        arguments
    }

    fn check(&self, seed: u64) {
        let [out, ..] = self.weight_shape();
        let shapes: [&[usize]; 3] = [&self.input, &self.weight_shape(), &[out]];
        let operation = |variables: &[Var]| {
            autograd::convolution_recorded(&variables[0], &variables[1], &variables[2], self.options()).unwrap()
        };
        let positions = self.positions();
        let reference = |arguments: &[Values]| {
            let sums = self.sums(&positions, &arguments[0], &arguments[1]);
            let biased = sums.iter().zip(arguments[2].iter().cycle());
            biased.map(|(sum, bias)| self.activate(sum + bias)).collect()
        };
        check_recorded(&format!("{self:?}, {seed}"), &self.arguments(seed, 1), &shapes, &operation, &reference);
    }

    fn check_normalized(&self, seed: u64) {
        const EPSILON: f32 = 1e-3;
        let [out, ..] = self.weight_shape();
        let shapes: [&[usize]; 4] = [&self.input, &self.weight_shape(), &[out], &[out]];
        let operation = |variables: &[Var]| {
            let [input, weight, shift, scale] = variables else { unreachable!() };
            autograd::convolution_batch_norm_recorded(input, weight, scale, shift, EPSILON, self.options()).unwrap().0
        };
        let moments = |sums: &[f64], channel: usize| {
            let values: Values = sums.iter().skip(channel).step_by(out).copied().collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count)
        };
        let positions = self.positions();
        let reference = |arguments: &[Values]| {
            let sums = self.sums(&positions, &arguments[0], &arguments[1]);
            let moments: Vec<_> = (0..out).map(|channel| moments(&sums, channel)).collect();
            let normalized = |(index, sum): (usize, &f64)| {
                let (mean, variance) = moments[index % out];
                let normal = (sum - mean) / (variance + f64::from(EPSILON)).sqrt();
                self.activate(normal * arguments[3][index % out] + arguments[2][index % out])
            };
            sums.iter().enumerate().map(normalized).collect()
        };
        let mut arguments = self.arguments(seed, 2);
        if self.activation == Activation::Relu6 {
            arguments[2].iter_mut().for_each(|shift| *shift += 3.0);
            arguments[3].iter_mut().for_each(|scale| *scale *= 4.0);
        }
        let what = format!("batch normalization of {self:?}, {seed}");
        check_recorded(&what, &arguments, &shapes, &operation, &reference);

        let variables: Vec<Var> = arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
        let [input, weight, shift, scale] = &variables[..] else { unreachable!() };
        let (_, statistics) =
            autograd::convolution_batch_norm_recorded(input, weight, scale, shift, EPSILON, self.options()).unwrap();
        let sums = self.sums(&positions, &arguments[0], &arguments[1]);
        let expected: Vec<_> = (0..out).map(|channel| moments(&sums, channel)).collect();
        let of = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Values>();
        let means: Values = expected.iter().map(|(mean, _)| *mean).collect();
        let variances: Values = expected.iter().map(|(_, variance)| *variance).collect();
        assert_close(&of(&statistics.mean), &means, &format!("{what}: means"));
        assert_close(&of(&statistics.variance), &variances, &format!("{what}: variances"));
        assert_eq!(statistics.count, sums.len() / out, "{what}");
    }
}

const VALID: [usize; 4] = [0; 4];

/// Windows, and the height and width of inputs: odd ones, strides that do not divide, padding that differs by side.
const WINDOWS: [(Window, [usize; 2]); 12] = [
    (Window { size: [1, 1], stride: [1, 1], padding: VALID }, [5, 3]),
    (Window { size: [1, 1], stride: [2, 2], padding: VALID }, [5, 6]),
    (Window { size: [1, 1], stride: [3, 1], padding: [1, 0, 0, 2] }, [4, 5]),
    (Window { size: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1] }, [5, 7]),
    (Window { size: [3, 3], stride: [2, 2], padding: [0, 0, 1, 1] }, [6, 6]),
    (Window { size: [3, 3], stride: [2, 3], padding: [1, 0, 0, 2] }, [7, 8]),
    (Window { size: [2, 5], stride: [1, 2], padding: [0, 3, 1, 1] }, [4, 9]),
    (Window { size: [15, 1], stride: [4, 1], padding: [7, 0, 6, 0] }, [11, 3]),
    (Window { size: [1, 15], stride: [1, 2], padding: [0, 4, 0, 9] }, [2, 9]),
    (Window { size: [4, 3], stride: [3, 4], padding: VALID }, [9, 10]),
    (Window { size: [5, 4], stride: [2, 1], padding: [2, 1, 2, 2] }, [3, 4]),
    (Window { size: [3, 3], stride: [1, 1], padding: VALID }, [3, 3]),
];

/// Batches, input channels and output channels or multipliers, so that blocks of 8 and of 16 channels, and tasks of more
/// than one image, come with and without a rest.
const CHANNELS: [(usize, usize, usize); 4] = [(1, 3, 5), (3, 1, 17), (2, 9, 8), (19, 2, 3)];

const ACTIVATIONS: [Activation; 3] = [Activation::None, Activation::Relu, Activation::Relu6];

fn general_cases() -> Vec<(GeneralCase, u64)> {
    let mut cases = Vec::new();
    for (index, (window, [height, width])) in WINDOWS.into_iter().enumerate() {
        for (seed, (n, channels, out)) in CHANNELS.into_iter().enumerate() {
            let activation = ACTIVATIONS[(index + seed) % 3];
            let case = GeneralCase { input: [n, height, width, channels], out, window, multiplier: None, activation };
            let multiplier = Some((index + seed) % 3 + 1);
            let seed = 10 * (index * CHANNELS.len() + seed) as u64;
            cases.push((case, seed));
            cases.push((GeneralCase { multiplier, ..case }, seed + 5));
        }
    }
    // Values of a channel that no window of the batch differs in: one image, one pixel.
    let (window, [height, width]) = WINDOWS[11];
    for (seed, activation) in ACTIVATIONS.into_iter().enumerate() {
        let case = GeneralCase { input: [1, height, width, 4], out: 3, window, multiplier: None, activation };
        cases.push((case, 1000 + 10 * seed as u64));
    }
    cases
}

#[test]
fn convolutions_with_any_window_and_their_gradients_are_those_of_plain_loops() {
    general_cases().into_iter().for_each(|(case, seed)| case.check(seed));
}

#[test]
fn batch_normalization_and_its_gradients_are_those_of_plain_loops() {
    general_cases().into_iter().for_each(|(case, seed)| case.check_normalized(seed));
}

#[test]
fn pools_with_any_window_and_their_gradients_are_those_of_plain_loops() {
    let windows = WINDOWS.into_iter().filter(|(window, _)| window.size != [1, 15] && window.size != [15, 1]);
    for (index, (window, [height, width])) in windows.enumerate() {
        let (n, channels) = [(1, 3), (2, 1), (17, 2)][index % 3];
        let positions = positions(window, height, width);
        let arguments = [random(n * height * width * channels, index as u64)];
        let shape: &[usize] = &[n, height, width, channels];
        let of_windows = |arguments: &[Values], value: &dyn Fn(&mut dyn Iterator<Item = f64>, usize) -> f64| {
            let images = arguments[0].chunks(height * width * channels);
            let image = |image: &[f64]| -> Values {
                let places = positions.iter().flat_map(|taps| (0..channels).map(move |channel| (taps, channel)));
                let of = |(taps, channel): (&Vec<(usize, usize)>, usize)| {
                    value(&mut taps.iter().map(|(_, pixel)| image[pixel * channels + channel]), taps.len())
                };
                places.map(of).collect()
            };
            images.flat_map(image).collect()
        };
        let largest = |values: &mut dyn Iterator<Item = f64>, _: usize| values.reduce(f64::max).unwrap_or(0.0);
        let mean = |values: &mut dyn Iterator<Item = f64>, count: usize| values.sum::<f64>() / count.max(1) as f64;
        let operation = |variables: &[Var]| autograd::pool_max_recorded(&variables[0], window).unwrap();
        let reference = |arguments: &[Values]| of_windows(arguments, &largest);
        check_recorded(&format!("max of {window:?}"), &arguments, &[shape], &operation, &reference);
        let operation = |variables: &[Var]| autograd::pool_average_recorded(&variables[0], window).unwrap();
        let reference = |arguments: &[Values]| of_windows(arguments, &mean);
        check_recorded(&format!("mean of {window:?}"), &arguments, &[shape], &operation, &reference);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let of = |recorded: Recorded| -> Vec<u32> {
                let weighting = variable(&random(recorded.output.elem_count(), 99), recorded.output.dims());
                let gradients = recorded.backward(&weighting).unwrap();
                let tensors = [recorded.output].into_iter().chain(gradients.input).chain(gradients.parameters);
                tensors.flat_map(|tensor| flat(&tensor)).map(|value| (value as f32).to_bits()).collect()
            };
            let mut bits: Vec<u32> = Vec::new();
            for multiplier in [None, Some(1), Some(2)] {
                for (window, [height, width]) in WINDOWS {
                    let input = [35, height, width, 6];
                    let case = GeneralCase { input, out: 20, window, multiplier, activation: Activation::Relu };
                    let arguments = case.arguments(7, 2);
                    let [out, ..] = case.weight_shape();
                    let shapes: [&[usize]; 4] = [&input, &case.weight_shape(), &[out], &[out]];
                    let variables: Vec<Var> =
                        arguments.iter().zip(shapes).map(|(values, shape)| variable(values, shape)).collect();
                    let [x, weight, shift, scale] = &variables[..] else { unreachable!() };
                    let options = case.options();
                    bits.extend(of(autograd::convolution_recorded(x, weight, shift, options).unwrap()));
                    let (recorded, statistics) =
                        autograd::convolution_batch_norm_recorded(x, weight, scale, shift, 1e-3, options).unwrap();
                    bits.extend(of(recorded));
                    bits.extend(statistics.mean.iter().chain(&statistics.variance).map(|value| value.to_bits()));
                    bits.extend(of(autograd::pool_max_recorded(x, window).unwrap()));
                    bits.extend(of(autograd::pool_average_recorded(x, window).unwrap()));
                }
            }
            bits
        })
    };
    let one = bits(1);
    assert!(bits(2) == one && bits(7) == one);
}

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
