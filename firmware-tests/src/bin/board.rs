//! Classifies the test images in flash on a board and logs what it costs.
//!
//! `cargo run --release --no-default-features --features nrf52840dk --bin board`

#![no_std]
#![no_main]

use defmt::{Display2Format, error, info};
use firmware_tests::{Arena, Stopwatch, arch, linked, model, stack, stopwatch};
use infer_core::{Error, KERNELS, Network, arena_len};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();

#[arch::entry]
fn main() -> ! {
    if let Err(refusal) = classify() {
        error!("{}", refusal);
    }
    loop {
        cortex_m::asm::wfi();
    }
}

fn classify() -> Result<(), Error> {
    let arena = ARENA.take();
    let (network, depth) = stack::used_by(|| Network::new(MODEL, arena));
    let mut network = network?;
    let metadata = network.metadata();
    info!("{} trained on {}, {} kernels", metadata.architecture, metadata.dataset, KERNELS);
    info!("arena {} bytes, stack while loading {} bytes", arena_len(MODEL), depth);
    let frames = match linked::frames(&network) {
        Ok(frames) => frames,
        Err(reason) => {
            error!("{}", Display2Format(&reason));
            return Ok(());
        }
    };
    for frame in frames {
        let stopwatch = Stopwatch::start();
        let class = network.classify(frame.pixels)?.class();
        let cost = stopwatch.elapsed();
        let name = |class| metadata.class_name(class).unwrap_or("?");
        info!("{} is a {}: {} {}", name(frame.class), name(class), cost, stopwatch::UNIT);
    }
    Ok(())
}
