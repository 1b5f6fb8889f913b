//! Runs a model that is not linked in: it is data at an address, checked when the program begins.
//!
//! `THIMBLE_LOAD=../model.bin,addr=0x200000 cargo run --release --bin hot_swap [-- OFFSET [ARENA [MACS]]]`
//!
//! OFFSET is where the model begins, counted from the start of its region (any address will do, odd ones too); ARENA is
//! the bytes of working memory that it gets; MACS is how many multiply-accumulates there is time for.

#![no_std]
#![no_main]

use firmware_example::drawing::Plain;
use firmware_example::host::{Arguments, Failure, println};
use firmware_example::{Arena, flash, linked, program};
use infer_core::Network;

/// As much as this program has to spare for models that it does not know yet.
static ARENA: Arena<{ 16 * 1024 }> = Arena::new();

/// The work that this program has time for: about a second of an M4F at 64 MHz.
const MOST_MACS: u64 = 32_000_000;

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let number = |default: u64| match arguments.next() {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Failure::Usage("hot_swap [OFFSET [ARENA [MACS]]], all of them numbers")),
    };
    let arena = ARENA.take();
    let offset = number(0)? as usize;
    let arena_len = number(arena.len() as u64)? as usize;
    let most_macs = number(MOST_MACS)?;
    let arena = arena.get_mut(..arena_len).ok_or(Failure::Usage("hot_swap: ARENA is 16384 at most"))?;

    let model = flash::model_region(offset);
    let mut network = Network::new(model, arena)?;
    // An inference cannot be stopped half way, so that one that takes too long must not begin.
    if network.macs() > most_macs {
        return Err(Failure::TooMuchWork { macs: network.macs(), most: most_macs });
    }
    let metadata = network.metadata();
    let (architecture, dataset) = (Plain(metadata.architecture), Plain(metadata.dataset));
    println!("{architecture} trained on {dataset}, found at {:#x}", model.as_ptr().addr());
    let name = |class| Plain(metadata.class_name(class).unwrap_or("?"));
    let (mut right, mut count) = (0, 0);
    for frame in linked::frames(&network)? {
        let class = network.classify(frame.pixels)?.class();
        println!("  {:12} {}", name(frame.class), name(class));
        (right, count) = (right + usize::from(class == frame.class), count + 1);
    }
    println!("{right} of {count} right");
    Ok(())
}
