//! Batch normalization: what a training step makes of it, what is kept, and that folding it changes no answer.

use candle_core::{Device, Tensor};
use trainer::network::autograd::Targets;
use trainer::network::model::Snapshot;
use trainer::network::normalization::EPSILON;
use trainer::network::{Architecture, FloatModel};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

const IMAGES: usize = 5;

fn network() -> FloatModel {
    let text = "name = \"normalized\"
        input = [6, 5, 2]
        layers = [
            { conv = { channels = 3, kernel = 3, stride = 2, padding = \"same\", batch_norm = true, relu = true } },
            { depthwise_conv = { kernel = 3, multiplier = 2, padding = \"same\", batch_norm = true } },
            { dense = { outputs = 4 } },
        ]";
    FloatModel::new(Architecture::from_toml(text).unwrap(), 48).unwrap()
}

fn images() -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let values: Vec<f32> = (0..IMAGES * 60).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, (IMAGES, 6, 5, 2), &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn step(model: &FloatModel) -> Tensor {
    let labels = Targets::Labels((0..IMAGES as u32).map(|image| image % 4).collect());
    model.loss_and_gradients(&images(), labels, None).unwrap().logits
}

/// Gives every parameter another value, so that no factor is one and no summand zero.
fn disturb(model: &FloatModel) {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for variable in model.state() {
        let values: Vec<f32> = flat(&variable).iter().map(|value| value + random.random_range(0.1f32..0.4)).collect();
        variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu).unwrap()).unwrap();
    }
}

#[test]
fn a_folded_network_gives_the_same_bits_and_has_weights_and_biases_alone() {
    let mut model = network();
    disturb(&model);
    for _ in 0..3 {
        step(&model);
    }
    let before = flat(&model.forward(&images()).unwrap());
    assert_eq!(model.state().len(), 12);
    model.fold().unwrap();
    assert_eq!(flat(&model.forward(&images()).unwrap()), before);
    assert_eq!((model.state().len(), model.variables().len()), (6, 6));

    let bytes = model.to_safetensors().unwrap();
    let read = FloatModel::from_safetensors(model.architecture().clone(), &bytes).unwrap();
    assert_eq!(flat(&read.forward(&images()).unwrap()), before);
}

#[test]
fn the_weights_of_a_network_that_is_not_folded_are_written_folded() {
    let mut model = network();
    disturb(&model);
    let written = model.to_safetensors().unwrap();
    model.fold().unwrap();
    assert_eq!(written, model.to_safetensors().unwrap());
}

#[test]
fn a_snapshot_of_another_state_is_refused() {
    let (model, mut folded) = (network(), network());
    folded.fold().unwrap();
    let snapshot: Snapshot = model.snapshot().unwrap();
    let message = folded.restore(&snapshot).unwrap_err().to_string();
    assert!(message.contains("weights of 12 variables, but the network has 6"), "{message}");
}

/// With statistics of the batch itself a step computes what the network answers once its running statistics are those.
#[test]
fn a_step_normalizes_by_the_batch_and_running_statistics_come_to_it() {
    let model = network();
    disturb(&model);
    let mut trained = Vec::new();
    for _ in 0..400 {
        trained = flat(&step(&model));
    }
    // The variance that is kept counts one value less than the batch has: 5 images of 3x3.
    let values = (IMAGES * 9) as f64;
    for parameters in model.parameters().iter().flatten() {
        let Some(normalization) = &parameters.normalization else { continue };
        let biased: Vec<f32> = flat(&normalization.variance)
            .iter()
            .map(|&variance| (f64::from(variance) * (values - 1.0) / values) as f32)
            .collect();
        assert!(biased.iter().all(|&variance| f64::from(variance) > 100.0 * EPSILON), "{biased:?}");
        normalization
            .variance
            .set(&Tensor::from_vec(biased, biased_len(normalization), &Device::Cpu).unwrap())
            .unwrap();
    }
    for (answer, trained) in flat(&model.forward(&images()).unwrap()).iter().zip(&trained) {
        assert!((answer - trained).abs() < 1e-4 * (1.0 + trained.abs()), "{answer} and {trained}");
    }
}

fn biased_len(normalization: &trainer::network::normalization::Normalization) -> usize {
    normalization.variance.elem_count()
}

#[test]
fn a_step_takes_up_a_tenth_of_the_batch() {
    let model = network();
    let running = |model: &FloatModel| {
        let normalization = model.parameters()[0].as_ref().unwrap().normalization.as_ref().unwrap();
        (flat(&normalization.mean), flat(&normalization.variance))
    };
    step(&model);
    let (means, variances) = running(&model);
    // From 0 and 1 on: a tenth of the batch's, which are those of a second step again as no weight has changed.
    step(&model);
    let (second_means, second_variances) = running(&model);
    for (first, second) in means.iter().zip(&second_means) {
        assert!((second - 1.9 * first).abs() < 1e-6, "{first} and {second}");
    }
    for (first, second) in variances.iter().zip(&second_variances) {
        let batch = (first - 0.9) / 0.1;
        assert!((second - (0.9 * first + 0.1 * batch)).abs() < 1e-6, "{first} and {second}");
    }
}
