//! Times inference on one thread: `cargo run --release -p thimble-infer-core --example inference [--layers] MODEL.bin...`
//!
//! Prints the microseconds of an image, the shortest of many runs, for each model; with `--layers` those of each layer too. No
//! code of the image is zero.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use infer_core::Network;

/// How long each model is timed.
const TIME: Duration = Duration::from_secs(2);

/// About how long the runs between two looks at the clock take: short, so that some are not interrupted.
const UNINTERRUPTED: Duration = Duration::from_micros(100);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (flags, models): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    for model in models {
        let name = Path::new(&model).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&model)?;
        let mut arena = vec![0; infer_core::arena_len(&bytes)];
        let mut network = Network::new(&bytes, &mut arena)?;
        let image: Vec<u8> = (0..network.input().shape.len()).map(|at| (at * at * 7 % 251 + 1) as u8).collect();
        let mut best = Duration::MAX;
        let mut runs = 1;
        let start = Instant::now();
        while start.elapsed() < TIME {
            let begin = Instant::now();
            for _ in 0..runs {
                black_box(network.classify(black_box(&image))?);
            }
            best = best.min(begin.elapsed() / runs);
            runs = (UNINTERRUPTED.as_nanos() / best.as_nanos().max(1)).max(1) as u32;
        }
        println!("{name} {:.2}", microseconds(best));
        if flags.iter().any(|flag| flag == "--layers") {
            layers(&mut network, &image)?;
        }
    }
    Ok(())
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Prints the shortest time of each layer.
fn layers(network: &mut Network<'_, '_>, image: &[u8]) -> Result<(), Failure> {
    let names: Vec<String> =
        network.plan().stages().map(|stage| format!("layer {} {}", stage.layer, stage.stage.name())).collect();
    let mut best = vec![Duration::MAX; names.len()];
    for _ in 0..2000 {
        let (mut number, mut begin) = (0, Instant::now());
        network.classify_traced(image, |_, codes| {
            black_box(codes);
            let now = Instant::now();
            if let Some(best) = best.get_mut(number) {
                *best = (*best).min(now - begin);
            }
            number += 1;
            begin = Instant::now();
        })?;
    }
    for (name, best) in names.iter().zip(best) {
        println!("    {name:<28} {:>8.2}", microseconds(best));
    }
    Ok(())
}
