//! Times a training step, layer by layer: `cargo run --release -p thimble-tests --example training_step [resnet8|mobilenet] [batch]`
//!
//! The networks are those of MLPerf Tiny, built from the operations of the trainer: ResNet-8 of 32x32x3 and 10 classes, MobileNet
//! of width 0.25 of 96x96x3 and 10 classes. Times are the shortest of all steps; GFLOP/s count two for a multiply-add.

use std::time::{Duration, Instant};

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::Optimizer;
use trainer::network::autograd::{self, Activation, Backward, ConvolutionOptions, Output, Recorded, Targets, Window};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};
use trainer::train::adam::{Adam, AdamConfig};

const CLASSES: usize = 10;

/// Steps that are timed.
const STEPS: usize = 20;

enum Kind {
    Convolution {
        options: ConvolutionOptions,
        weight: Var,
        scale: Var,
        shift: Var,
    },
    /// Of the output before it and that of another one.
    Add,
    AveragePool(Window),
    Dense {
        weight: Var,
        bias: Var,
    },
}

struct Layer {
    name: String,
    kind: Kind,
    /// The output that it reads, and the residual; 0 is the images, and layer `n` gives output `n + 1`.
    input: usize,
    residual: Option<usize>,
    /// Of an image, forward.
    macs: usize,
    forward: Duration,
    backward: Duration,
}

struct Network {
    layers: Vec<Layer>,
    /// Height, width and channels of each output.
    shapes: Vec<[usize; 3]>,
    random: ChaCha8Rng,
}

impl Network {
    fn new(shape: [usize; 3]) -> Self {
        Self { layers: Vec::new(), shapes: vec![shape], random: ChaCha8Rng::seed_from_u64(48) }
    }

    fn parameter(&mut self, shape: &[usize], limit: f32) -> Var {
        let values = (0..shape.iter().product()).map(|_| self.random.random_range(-limit..limit)).collect::<Vec<_>>();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn push(
        &mut self,
        name: String,
        kind: Kind,
        reads: (usize, Option<usize>),
        macs: usize,
        shape: [usize; 3],
    ) -> usize {
        let (input, residual) = reads;
        let (forward, backward) = (Duration::MAX, Duration::MAX);
        self.layers.push(Layer { name, kind, input, residual, macs, forward, backward });
        self.shapes.push(shape);
        self.layers.len()
    }

    /// With batch normalization and the padding that PyTorch's `(kernel - 1) / 2` gives.
    fn convolution(
        &mut self,
        input: usize,
        out: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
        relu: bool,
    ) -> usize {
        let [height, width, channels] = self.shapes[input];
        let pad = (kernel - 1) / 2;
        let side = |side: usize| (side + 2 * pad - kernel) / stride + 1;
        let shape = [side(height), side(width), out];
        let read = if depthwise { 1 } else { channels };
        let window = Window { size: [kernel; 2], stride: [stride; 2], padding: [pad; 4] };
        let activation = if relu { Activation::Relu } else { Activation::None };
        let options = ConvolutionOptions { window, depthwise, activation, input_gradient: input > 0 };
        let weight = self.parameter(&[out, kernel, kernel, read], (6.0 / (kernel * kernel * read) as f32).sqrt());
        let scale = Var::ones(out, candle_core::DType::F32, &Device::Cpu).unwrap();
        let shift = Var::zeros(out, candle_core::DType::F32, &Device::Cpu).unwrap();
        let name =
            format!("{}{kernel}x{kernel}/{stride} {channels} to {out}", if depthwise { "depthwise " } else { "" });
        let macs = shape.iter().product::<usize>() * kernel * kernel * read;
        self.push(name, Kind::Convolution { options, weight, scale, shift }, (input, None), macs, shape)
    }

    fn add(&mut self, input: usize, residual: usize) -> usize {
        self.push("add".into(), Kind::Add, (input, Some(residual)), 0, self.shapes[input])
    }

    fn head(&mut self, input: usize) {
        let [height, width, channels] = self.shapes[input];
        let window = Window { size: [height, width], stride: [1, 1], padding: [0; 4] };
        let input = self.push("average pool".into(), Kind::AveragePool(window), (input, None), 0, [1, 1, channels]);
        let (weight, bias) = (self.parameter(&[CLASSES, channels], 0.1), self.parameter(&[CLASSES], 0.1));
        let kind = Kind::Dense { weight, bias };
        self.push("dense".into(), kind, (input, None), channels * CLASSES, [1, 1, CLASSES]);
    }

    fn resnet8() -> Self {
        let mut network = Self::new([32, 32, 3]);
        let mut input = network.convolution(0, 16, 3, 1, false, true);
        for (out, stride) in [(16, 1), (32, 2), (64, 2)] {
            let body = network.convolution(input, out, 3, stride, false, true);
            let body = network.convolution(body, out, 3, 1, false, false);
            let short = if stride == 1 { input } else { network.convolution(input, out, 1, stride, false, false) };
            input = network.add(body, short);
        }
        network.head(input);
        network
    }

    fn mobilenet() -> Self {
        let mut network = Self::new([96, 96, 3]);
        let mut input = network.convolution(0, 8, 3, 2, false, true);
        let rest = [(128, 1); 5];
        let first = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)];
        for (out, stride) in first.into_iter().chain(rest).chain([(256, 2), (256, 1)]) {
            let channels = network.shapes[input][2];
            input = network.convolution(input, channels, 3, stride, true, true);
            input = network.convolution(input, out, 1, 1, false, true);
        }
        network.head(input);
        network
    }

    fn variables(&self) -> Vec<Var> {
        let of = |layer: &Layer| match &layer.kind {
            Kind::Convolution { weight, scale, shift, .. } => vec![weight.clone(), shift.clone(), scale.clone()],
            Kind::Dense { weight, bias } => vec![weight.clone(), bias.clone()],
            Kind::Add | Kind::AveragePool(_) => Vec::new(),
        };
        self.layers.iter().flat_map(of).collect()
    }

    /// One step; what each layer took, where it is the shortest time so far.
    fn step(&mut self, images: &Tensor, labels: &[u32], adam: &mut Adam) -> Result<f32> {
        let mut outputs = vec![Some(Output::from(images))];
        let mut records: Vec<Recorded> = Vec::new();
        for layer in &mut self.layers {
            let start = Instant::now();
            let Some(input) = outputs[layer.input].clone() else { candle_core::bail!("no input") };
            let recorded = match &layer.kind {
                Kind::Convolution { options, weight, scale, shift } => {
                    autograd::convolution_batch_norm_recorded(&input, weight, scale, shift, 1e-3, *options)?.0
                }
                Kind::Add => {
                    let residual = layer.residual.and_then(|residual| outputs[residual].clone());
                    let Some(residual) = residual else { candle_core::bail!("no residual") };
                    autograd::add_recorded(&input, &residual, Activation::Relu)?
                }
                Kind::AveragePool(window) => autograd::pool_average_recorded(&input.tensor()?, *window)?,
                Kind::Dense { weight, bias } => {
                    autograd::dense_recorded(&input.tensor()?.flatten_from(1)?, weight, bias, false, true)?
                }
            };
            drop(input);
            outputs.push(Some(recorded.output.clone()));
            records.push(recorded);
            layer.forward = layer.forward.min(start.elapsed());
        }
        let Some(Some(logits)) = outputs.pop() else { candle_core::bail!("no logits") };
        let logits = logits.tensor()?;
        drop(outputs);
        let recorded = autograd::softmax_cross_entropy_recorded(&logits, Targets::Labels(labels.to_vec()))?;
        let loss = recorded.output.tensor()?;
        let mut store = loss.backward()?;
        let mut backward = Backward::new(self.layers.len() + 1, recorded.backward(&loss.ones_like()?)?.input);
        for (index, layer) in self.layers.iter_mut().enumerate().rev() {
            let start = Instant::now();
            let Some(recorded) = records.pop() else { break };
            // Output 0 is the images, which need no gradient.
            let read = |output: usize| Some(output).filter(|&output| output > 0);
            let reads = [read(layer.input), layer.residual.and_then(read)];
            let parameters = backward.through(index + 1, recorded, reads)?;
            let own = match &layer.kind {
                Kind::Convolution { weight, scale, shift, .. } => vec![weight, shift, scale],
                Kind::Dense { weight, bias } => vec![weight, bias],
                Kind::Add | Kind::AveragePool(_) => Vec::new(),
            };
            own.into_iter().zip(parameters).for_each(|(variable, gradient)| {
                store.insert(variable, gradient);
            });
            layer.backward = layer.backward.min(start.elapsed());
        }
        adam.step(&store)?;
        loss.to_scalar()
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "resnet8".into());
    let batch = arguments.next().and_then(|batch| batch.parse().ok()).unwrap_or(64);
    let mut network = match name.as_str() {
        "mobilenet" => Network::mobilenet(),
        _ => Network::resnet8(),
    };
    let [height, width, channels] = network.shapes[0];
    let images = network.parameter(&[batch, height, width, channels], 1.0).as_detached_tensor();
    let labels: Vec<u32> = (0..batch as u32).map(|image| image % CLASSES as u32).collect();
    let config = AdamConfig { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let mut adam = Adam::new(network.variables(), config)?;
    let (mut shortest, mut first, mut last) = (Duration::MAX, None, 0.0);
    for _ in 0..STEPS {
        let start = Instant::now();
        last = network.step(&images, &labels, &mut adam)?;
        first = first.or(Some(last));
        shortest = shortest.min(start.elapsed());
    }
    println!("{:<28} {:>9} {:>9} {:>8} {:>9} {:>8}", "layer", "MMACs", "forward", "GFLOP/s", "backward", "GFLOP/s");
    let rate = |flops: usize, time: Duration| flops as f64 / time.as_secs_f64() / 1e9;
    let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
    for layer in &network.layers {
        let macs = layer.macs * batch;
        let passes = if layer.input == 0 { 1 } else { 2 };
        println!(
            "{:<28} {:>9.2} {:>9.3} {:>8.1} {:>9.3} {:>8.1}",
            layer.name,
            macs as f64 / 1e6,
            milliseconds(layer.forward),
            rate(2 * macs, layer.forward),
            milliseconds(layer.backward),
            rate(2 * passes * macs, layer.backward),
        );
    }
    let layers: Duration = network.layers.iter().map(|layer| layer.forward + layer.backward).sum();
    let passes = |layer: &Layer| if layer.input == 0 { 4 } else { 6 };
    let flops: usize = network.layers.iter().map(|layer| passes(layer) * layer.macs * batch).sum();
    println!(
        "{name}, batch {batch}: {:.2} ms a step ({:.1} GFLOP/s), {:.2} ms in the layers; loss {:.4} to {last:.4}",
        milliseconds(shortest),
        rate(flops, shortest),
        milliseconds(layers),
        first.unwrap_or(0.0),
    );
    Ok(())
}
