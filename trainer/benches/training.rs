//! What a training step is made of, at the tutorial's shapes and batch 32, each beside candle's own operation:
//! `cargo bench -p thimble-trainer`

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::Optimizer;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use trainer::dataset::batch;
use trainer::dataset::garments;
use trainer::network::Architecture;
use trainer::network::FloatModel;
use trainer::network::autograd::{self, Conv2dOptions, Padding, Targets};
use trainer::train::adam::{Adam, AdamConfig};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 32;

fn random(shape: &[usize]) -> Var {
    Var::randn(0f32, 0.1, shape, &Device::Cpu).unwrap()
}

/// Forward, and backward from the sum of the output.
fn both(forward: impl Fn() -> Result<Tensor>) {
    forward().unwrap().sum_all().unwrap().backward().unwrap();
}

fn convolution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv2d + relu + max-pool");
    for (side, channels, out) in [(28, 1, 32), (14, 16, 32)] {
        let shapes = format!("{side}x{side}x{channels} to {out}");
        // Images need no gradient, what comes from a layer does.
        let input_gradient = channels > 1;
        let (x, weight, bias) =
            (random(&[BATCH, side, side, channels]), random(&[out, 3, 3, channels]), random(&[out]));
        let options = Conv2dOptions { padding: Padding::Valid, relu: true, pool: true, input_gradient };
        let ours = || autograd::conv2d(&x, &weight, &bias, options);
        let (candle_x, candle_weight) = (random(&[BATCH, channels, side, side]), random(&[out, channels, 3, 3]));
        let candle_input = if input_gradient { candle_x.as_tensor().clone() } else { candle_x.as_detached_tensor() };
        let candle = || {
            let sums = candle_input.conv2d(&candle_weight, 0, 1, 1, 1)?;
            sums.broadcast_add(&bias.reshape((1, out, 1, 1))?)?.relu()?.max_pool2d(2)
        };
        group.bench_function(BenchmarkId::new("ours, forward", &shapes), |bencher| bencher.iter(|| ours().unwrap()));
        group
            .bench_function(BenchmarkId::new("candle, forward", &shapes), |bencher| bencher.iter(|| candle().unwrap()));
        group.bench_function(BenchmarkId::new("ours, both ways", &shapes), |bencher| bencher.iter(|| both(ours)));
        group.bench_function(BenchmarkId::new("candle, both ways", &shapes), |bencher| bencher.iter(|| both(candle)));
    }
}

fn dense(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dense + relu");
    for (inputs, outputs) in [(784, 350), (5408, 100), (350, 10)] {
        let shapes = format!("{inputs} to {outputs}");
        let (x, weight, bias) = (random(&[BATCH, inputs]), random(&[outputs, inputs]), random(&[outputs]));
        let ours = || autograd::dense(&x, &weight, &bias, true, true);
        let candle = || x.matmul(&weight.t()?)?.broadcast_add(&bias)?.relu();
        group.bench_function(BenchmarkId::new("ours, forward", &shapes), |bencher| bencher.iter(|| ours().unwrap()));
        group
            .bench_function(BenchmarkId::new("candle, forward", &shapes), |bencher| bencher.iter(|| candle().unwrap()));
        group.bench_function(BenchmarkId::new("ours, both ways", &shapes), |bencher| bencher.iter(|| both(ours)));
        group.bench_function(BenchmarkId::new("candle, both ways", &shapes), |bencher| bencher.iter(|| both(candle)));
    }
}

fn optimizer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("adam, 540,800 parameters");
    let value = random(&[100, 5408]);
    let gradients = value.sum_all().unwrap().backward().unwrap();
    let config = AdamConfig { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let mut ours = Adam::new(vec![value.clone()], config).unwrap();
    group.bench_function("ours", |bencher| bencher.iter(|| ours.step(&gradients).unwrap()));
    let config = candle_nn::ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
    let mut candle = candle_nn::AdamW::new(vec![value.clone()], config).unwrap();
    group.bench_function("candle", |bencher| bencher.iter(|| candle.step(&gradients).unwrap()));
}

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("training step");
    let (images, _) = garments::draw(garments::SEED);
    let indices: Vec<usize> = (0..BATCH).collect();
    for name in ["mlp", "cnn"] {
        let model = FloatModel::new(Architecture::built_in(name).unwrap(), 48).unwrap();
        let config = AdamConfig { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
        let mut adam = Adam::new(model.variables(), config).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (inputs, labels) = batch::gather(&images, &indices).unwrap();
                adam.step(
                    &model
                        .loss_and_gradients(&inputs, Targets::Labels(labels.to_vec1().unwrap()), None)
                        .unwrap()
                        .gradients,
                )
                .unwrap();
            });
        });
    }
}

criterion_group!(benches, convolution, dense, optimizer, step);
criterion_main!(benches);
