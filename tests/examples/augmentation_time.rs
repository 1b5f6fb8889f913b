//! How much longer a training step takes with every option of `[augment]`: `small` at 32x32x3, batches of 32.
//! `cargo run --release -p thimble-tests --example augmentation_time`
//!
//! Steps with and without are taken in turns; times are the shortest and the median.

use std::time::{Duration, Instant};

use candle_core::Result;
use candle_nn::Optimizer;
use infer_core::Shape;
use trainer::dataset::{ImageShape, Images};
use trainer::network::autograd::Targets;
use trainer::network::{FloatModel, Template};
use trainer::support::rng::{Purpose, RngExt, stream};
use trainer::train::adam::{Adam, AdamConfig};
use trainer::train::recipe::Augment;

const BATCH: usize = 32;

/// Steps that are timed, of each kind.
const STEPS: usize = 200;

fn main() -> Result<()> {
    let side = 32;
    let shape = ImageShape { height: side, width: side, channels: 3 };
    let mut generator = stream(48, Purpose::Garments, 0);
    let pixels = (0..BATCH * shape.len()).map(|_| generator.random()).collect();
    let images = Images::new(shape, pixels, (0..BATCH as u16).map(|image| image % 10).collect());
    let input = Shape { height: side as u16, width: side as u16, channels: 3 };
    let template = Template::built_in("small").map_err(candle_core::Error::wrap)?;
    let architecture = template.architecture(input, 10).map_err(candle_core::Error::wrap)?;
    let model = FloatModel::new(architecture, 48)?;
    let config = AdamConfig { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 };
    let mut adam = Adam::new(model.variables(), config)?;
    let indices: Vec<usize> = (0..BATCH).collect();
    let mut times = [Vec::new(), Vec::new()];
    for step in 0..STEPS {
        for (times, augment) in times.iter_mut().zip([Augment::default(), Augment::EVERYTHING]) {
            let start = Instant::now();
            let batch = augment.gather(&images, &indices, &mut stream(48, Purpose::Augment, step as u64))?;
            let pass = model.loss_and_gradients(&batch.inputs, Targets::Labels(batch.labels), None)?;
            adam.step(&pass.gradients)?;
            times.push(start.elapsed());
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
    for (name, at) in [("shortest", 0), ("median", STEPS / 2)] {
        let [without, with] = [&times[0], &times[1]].map(|times| milliseconds(times[at]));
        println!("{name}: {without:.2} ms a step without, {with:.2} ms with every option: {:.2} times", with / without);
    }
    Ok(())
}
