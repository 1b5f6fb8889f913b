//! Runs a model that is not linked in: it is data at an address, checked when the program begins.
//!
//! `THIMBLE_LOAD=../model.bin,addr=0x200000 cargo run --release --bin hot_swap [-- OFFSET [ARENA]]`
//!
//! OFFSET is where the model begins, counted from the start of its region (any address will do, odd ones too); ARENA is
//! the bytes of working memory that it gets.

#![no_std]
#![no_main]

use firmware_example::host::{Arguments, Failure, println};
use firmware_example::{Arena, flash, pictures, program};
use infer_core::Network;

/// As much as this program has to spare for models that it does not know yet.
static ARENA: Arena<{ 16 * 1024 }> = Arena::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let number = |default| match arguments.next() {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Failure::Usage("hot_swap [OFFSET [ARENA]], both in bytes")),
    };
    let offset = number(0)?;
    let arena = ARENA.take();
    let arena_len = number(arena.len())?;
    let arena = arena.get_mut(..arena_len).ok_or(Failure::Usage("hot_swap: ARENA is 16384 at most"))?;

    let model = flash::model_region(offset);
    let mut network = Network::new(model, arena)?;
    let metadata = *network.metadata();
    println!("{} trained on {}, found at {:#x}", metadata.architecture, metadata.dataset, model.as_ptr().addr());
    let (mut right, mut count) = (0, 0);
    for picture in pictures::of(metadata.dataset) {
        let class = network.classify(picture.pixels)?.class();
        println!(
            "  {:12} {}",
            metadata.class_name(picture.label).unwrap_or("?"),
            metadata.class_name(class).unwrap_or("?")
        );
        (right, count) = (right + usize::from(class == picture.label), count + 1);
    }
    println!("{right} of {count} right");
    Ok(())
}
