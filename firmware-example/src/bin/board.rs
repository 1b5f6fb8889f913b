//! Classifies the pictures in flash on a board and logs what it costs.
//!
//! `cargo run --release --no-default-features --features nrf52840dk --bin board`

#![no_std]
#![no_main]

use defmt::{error, info};
use firmware_example::{Arena, Stopwatch, arch, model, pictures, stack, stopwatch};
use infer_core::{Error, KERNELS, Network, arena_len, input_len};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();

const _: () = assert!(input_len(MODEL) == pictures::PIXELS, "this model takes pictures of another size");

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
    let metadata = *network.metadata();
    info!("{} trained on {}, {} kernels", metadata.architecture, metadata.dataset, KERNELS);
    info!("arena {} bytes, stack while loading {} bytes", arena_len(MODEL), depth);
    for picture in pictures::of(metadata.dataset) {
        let stopwatch = Stopwatch::start();
        let class = network.classify(picture.pixels)?.class();
        let cost = stopwatch.elapsed();
        let name = |class| metadata.class_name(class).unwrap_or("?");
        info!("{} is a {}: {} {}", name(picture.label), name(class), cost, stopwatch::UNIT);
    }
    Ok(())
}
