//! Classifies what the camera returns, and logs class, probability and time.
//!
//! `cargo run --release` does so on the board, `cargo emulate` without one.

#![no_std]
#![no_main]

#[cfg_attr(feature = "emulator", path = "emulator.rs")]
mod board;
mod camera;

use board::{Stopwatch, info};
use infer_core::{Error, {% if takes_frames %}arena_with_image_len{% else %}arena_len{% endif %}, include_model, operators_of};
use static_cell::ConstStaticCell;

/// The model, aligned, in flash.
static MODEL: &[u8] = include_model!("../model.bin");

/// A network with the operators of this model: no others are linked.
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

/// All the RAM that an inference takes besides its stack{% if takes_frames %}, the scaled frame included{% endif %}. The model file states how much that is.
const ARENA_LEN: usize = {% if takes_frames %}arena_with_image_len{% else %}arena_len{% endif %}(MODEL);
static ARENA: ConstStaticCell<[u8; ARENA_LEN]> = ConstStaticCell::new([0; ARENA_LEN]);

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
    let metadata = network.metadata();
    info!("{} trained on {}", metadata.architecture, metadata.dataset);
    loop {
        if let Err(error) = classify(&mut network) {
            info!("camera: {}", error);
            board::stop();
        }
        board::pause();
    }
}

{% if takes_frames -%}
/// Takes a frame, scales it to the model's input, classifies it, and logs the answer and the cost.
{%- else -%}
/// Takes an input, classifies it, and logs the answer and the cost.
{%- endif %}
fn classify(network: &mut Network<'_, '_>) -> Result<(), Error> {
    let metadata = network.metadata(); // a copy, which does not borrow the network
{%- if takes_frames %}
    let frame = camera::capture()?;
    let stopwatch = Stopwatch::start();
    let output = network.classify_frame(&frame)?;
{%- else %}
    let input = camera::capture();
    let stopwatch = Stopwatch::start();
    let output = network.classify(input)?;
{%- endif %}
    let cost = stopwatch.elapsed();
    for best in output.top_k::<1>() {
        let class = metadata.class_name(best.class).unwrap_or("?");
        let tenths = (1000.0 * best.probability + 0.5) as u32;
        let (percent, tenth) = (tenths / 10, tenths % 10);
        // Less probable than the threshold in the model file; `infer_core::Smoother` decides over several frames.
        let is_known = output.decide().is_some();
        let guess = if is_known {
            ""
        } else {
            "none of these, best guess "
        };
        info!("{}{}: {}.{} %, {}", guess, class, percent, tenth, cost);
    }
    Ok(())
}
