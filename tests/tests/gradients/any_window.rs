//! Convolutions and pools with any window, and batch normalization.

use candle_core::Var;
use trainer::network::autograd::{self, Activation, ConvolutionOptions, Output, Recorded, Window};

use super::{Values, assert_close, check_recorded, flat, random, variable};

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
            autograd::convolution_recorded(variables[0].as_tensor(), &variables[1], &variables[2], self.options())
                .unwrap()
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
            autograd::convolution_batch_norm_recorded(input.as_tensor(), weight, scale, shift, EPSILON, self.options())
                .unwrap()
                .0
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
            autograd::convolution_batch_norm_recorded(input.as_tensor(), weight, scale, shift, EPSILON, self.options())
                .unwrap();
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
const WINDOWS: [(Window, [usize; 2]); 13] = [
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
    (Window { size: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] }, [4, 1]),
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

/// The bits of the output of an operation and of its gradients.
fn bits_of(recorded: &Recorded) -> Vec<u32> {
    let output = recorded.output.tensor().unwrap();
    let gradients = recorded.backward(&variable(&random(output.elem_count(), 99), output.dims())).unwrap();
    let tensors = [output].into_iter().chain(gradients.input).chain(gradients.parameters);
    tensors.flat_map(|tensor| flat(&tensor)).map(|value| (value as f32).to_bits()).collect()
}

#[test]
fn an_input_that_is_normalized_where_it_is_read_gives_the_bits_of_its_values() {
    for (batch, channels, outputs) in [(35, 6, 20), (3, 8, 16), (2, 17, 9)] {
        for multiplier in [None, Some(1), Some(2)] {
            for (window, [height, width]) in WINDOWS {
                let input = [batch, height, width, channels];
                let case = GeneralCase { input, out: outputs, window, multiplier, activation: Activation::Relu };
                let pointwise = Window { size: [1, 1], stride: [1, 1], padding: VALID };
                let first = GeneralCase { input, out: channels, window: pointwise, multiplier: None, ..case };
                let run = |case: &GeneralCase, input: &Output, seed: u64| {
                    let arguments = case.arguments(seed, 2);
                    let [out, ..] = case.weight_shape();
                    let [weight, shift, scale] = [(1, &case.weight_shape()[..]), (2, &[out]), (3, &[out])]
                        .map(|(index, shape)| variable(&arguments[index], shape));
                    let plain = autograd::convolution_recorded(input, &weight, &shift, case.options()).unwrap();
                    let options = case.options();
                    let (normalized, _) =
                        autograd::convolution_batch_norm_recorded(input, &weight, &scale, &shift, 1e-3, options)
                            .unwrap();
                    [plain, normalized]
                };
                let x = variable(&random(input.iter().product(), 5), &input);
                let [_, normalized] = run(&first, &x.as_tensor().into(), 7);
                let values = Output::from(normalized.output.tensor().unwrap());
                for (read, expected) in run(&case, &normalized.output, 8).iter().zip(&run(&case, &values, 8)) {
                    assert!(bits_of(read) == bits_of(expected), "{case:?}");
                }
                let sum = |one: &Output| autograd::add_recorded(one, x.as_tensor(), Activation::Relu).unwrap();
                assert!(bits_of(&sum(&normalized.output)) == bits_of(&sum(&values)), "{case:?}: add");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
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
                    let x = x.as_tensor();
                    bits.extend(bits_of(&autograd::convolution_recorded(x, weight, shift, options).unwrap()));
                    let (recorded, statistics) =
                        autograd::convolution_batch_norm_recorded(x, weight, scale, shift, 1e-3, options).unwrap();
                    bits.extend(bits_of(&recorded));
                    bits.extend(statistics.mean.iter().chain(&statistics.variance).map(|value| value.to_bits()));
                    bits.extend(bits_of(&autograd::pool_max_recorded(x, window).unwrap()));
                    bits.extend(bits_of(&autograd::pool_average_recorded(x, window).unwrap()));
                }
            }
            bits
        })
    };
    let one = bits(1);
    assert!(bits(2) == one && bits(7) == one);
}
