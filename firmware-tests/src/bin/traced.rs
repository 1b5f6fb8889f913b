//! Classifies images between two marks, `trace_begins` and `trace_ends`, which a trace of the emulator shows: `../cycles.sh` models
//! cycles from what it executed in between.
//!
//! `cargo run --release --bin traced IMAGES`

#![no_std]
#![no_main]

use firmware_tests::files::InputFile;
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::trace::{trace_begins, trace_ends};
use firmware_tests::{Arena, model, program};
use infer_core::{KERNELS, arena_len, input_len, operators_of};

static MODEL: &[u8] = model!();
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();
static IMAGE: Arena<{ input_len(MODEL) }> = Arena::new();

program!(main);

fn main() -> Result<(), Failure> {
    let pixels = IMAGE.take();
    let mut network = Network::with_operators(MODEL, ARENA.take())?;
    let mut file = InputFile::open(Arguments::from_host()?.next().ok_or(Failure::Empty)?)?;
    let mut images = 0;
    while file.read(pixels)? {
        trace_begins();
        let classified = network.classify(pixels);
        trace_ends();
        classified?;
        images += 1;
    }
    println!("{{\"model\":\"{}\",\"kernels\":\"{KERNELS}\",\"images\":{images}}}", network.metadata().architecture);
    Ok(())
}
