//! Classifies test pictures with the model in flash and shows what it costs.
//!
//! `cargo run --release`

#![no_std]
#![no_main]

use firmware_example::host::{Failure, println};
use firmware_example::{Arena, Stopwatch, flash, model, pictures, program, stack};
use infer_core::{KERNELS, Network, arena_len, input_len};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();

const _: () = assert!(
    input_len(MODEL) == pictures::PIXELS,
    "this model takes pictures of another size than those in flash: run it with `parity` or `bench`"
);

program!(main);

fn main() -> Result<(), Failure> {
    let arena = ARENA.take();
    let (network, stack) = stack::used_by(|| Network::new(MODEL, arena));
    let mut network = network?;
    let (mut stack, mut most_instructions) = (stack, 0);
    let (mut right, mut count) = (0, 0);
    let metadata = *network.metadata();
    println!("{} trained on {} by {}\n", metadata.architecture, metadata.dataset, metadata.trainer);
    for picture in pictures::of(metadata.dataset) {
        let stopwatch = Stopwatch::start();
        network.classify(picture.pixels)?;
        let instructions = stopwatch.elapsed();
        let (output, depth) = stack::used_by(|| network.classify(picture.pixels));
        let output = output?;
        (stack, most_instructions) = (stack.max(depth), most_instructions.max(instructions));
        (right, count) = (right + usize::from(output.class() == picture.label), count + 1);

        let name = |class| metadata.class_name(class).unwrap_or("?");
        let best = output.top_k::<3>();
        for (number, line) in pictures::lines(picture.pixels).enumerate() {
            match (number, number.checked_sub(5).and_then(|rank| best.get(rank))) {
                (1, _) => println!("{line}  true       {}", name(picture.label)),
                (2, _) => println!("{line}  predicted  {}{}", name(output.class()), verdict(&picture, output.class())),
                (_, Some(ranked)) => {
                    println!("{line}  {:5.1}%  {}", 100.0 * ranked.probability, name(ranked.class));
                }
                (9, _) => println!("{line}  {instructions} instructions"),
                _ => println!("{line}"),
            }
        }
    }
    println!("{right} of {count} right with {KERNELS} kernels\n");
    println!("instructions per picture  {most_instructions:8} at most");
    println!("arena                     {:8} bytes", arena_len(MODEL));
    println!("stack                     {stack:8} bytes at most, loading included");
    println!("model in flash            {:8} bytes", MODEL.len());
    println!("flash besides             {:8} bytes, printing and pictures included", flash::used() - MODEL.len());
    Ok(())
}

fn verdict(picture: &pictures::Picture, class: usize) -> &'static str {
    if picture.label == class { "" } else { "  (wrong)" }
}
