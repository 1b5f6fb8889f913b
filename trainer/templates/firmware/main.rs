//! Classifies what the camera returns, and logs class, probability and time.
//!
//! `cargo run --release` does so on the board, `cargo emulate` without one.

#![no_std]
#![no_main]

#[cfg_attr(feature = "emulator", path = "emulator.rs")]
mod board;
mod camera;

use board::{Stopwatch, info};
use infer_core::{arena_len, include_model, operators_of};
use static_cell::ConstStaticCell;

/// The model, aligned, in flash.
static MODEL: &[u8] = include_model!("../model.bin");

/// A network of the operators that this model has: no others are linked.
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

/// All the RAM that an inference takes besides its stack. The model states how much that is.
static ARENA: ConstStaticCell<[u8; arena_len(MODEL)]> = ConstStaticCell::new([0; arena_len(MODEL)]);

#[board::entry]
fn main() -> ! {
    board::init();
    // Once, and not for each image: this checks the whole file.
    let mut network = match Network::with_operators(MODEL, ARENA.take()) {
        Ok(network) => network,
        Err(error) => {
            info!("model.bin: {}", error);
            board::stop();
        }
    };
    let metadata = network.metadata(); // a copy, which does not borrow the network
    info!("{} trained on {}", metadata.architecture, metadata.dataset);
    loop {
        let image = camera::capture();
        let stopwatch = Stopwatch::start();
        let output = match network.classify(image) {
            Ok(output) => output,
            Err(error) => {
                info!("camera: {}", error);
                board::stop();
            }
        };
        let cost = stopwatch.elapsed();
        for best in output.top_k::<1>() {
            let class = metadata.class_name(best.class).unwrap_or("?");
            let tenths = (1000.0 * best.probability + 0.5) as u32; // of a percent
            info!("{}: {}.{} %, {}", class, tenths / 10, tenths % 10, cost);
        }
        board::pause();
    }
}
