//! Instructions and stack that loading takes: `Network::with_operators`, which checks the whole file. A line of JSON.
//!
//! `cargo run --release --bin loading`

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_tests::host::{Failure, println};
use firmware_tests::{Arena, Stopwatch, model, program, stack};
use infer_core::{Network, arena_len, operators_of};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arena = ARENA.take();
    // The compiler must not know the file, or it would leave out checks that this one passes.
    let (loaded, stack) = stack::used_by(|| {
        let stopwatch = Stopwatch::start();
        Network::<{ operators_of(MODEL) }>::with_operators(black_box(MODEL), &mut *arena)?;
        Ok::<_, infer_core::Error>(stopwatch.elapsed())
    });
    println!(
        "{{\"model_bytes\":{},\"loading_instructions\":{},\"loading_stack_bytes\":{stack}}}",
        MODEL.len(),
        loaded?
    );
    Ok(())
}
