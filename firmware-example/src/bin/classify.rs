//! Classifies test images with the model in flash and shows what it costs.
//!
//! `cargo run --release`, or `THIMBLE_RUN=../runs/NAME cargo run --release` for the model and the images of a run

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware_example::drawing::{Drawing, Plain};
use firmware_example::host::{Failure, finish};
use firmware_example::measure::{Stopwatch, flash_besides, stack_of};
use firmware_example::{linked, model};
use infer_core::{KERNELS, arena_len, operators_of};
use semihosting::println;

static MODEL: &[u8] = model!();

/// Of this model's operators, so that no others are linked.
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

/// Lines next to an image.
const LINES: usize = 11;

#[entry]
fn main() -> ! {
    // `entry` lends this static to `main`, once.
    static mut ARENA: [u8; arena_len(MODEL)] = [0; arena_len(MODEL)];
    finish(classify(ARENA))
}

fn classify(arena: &mut [u8]) -> Result<(), Failure> {
    let (network, stack) = stack_of(|| Network::with_operators(MODEL, arena));
    let mut network = network?;
    let (mut stack, mut most_instructions) = (stack, 0);
    let (mut right, mut count) = (0, 0);
    let metadata = network.metadata();
    let name = |class| Plain(metadata.class_name(class).unwrap_or("?"));
    println!(
        "{} trained on {} by {}, images of {}\n",
        Plain(metadata.architecture),
        Plain(metadata.dataset),
        Plain(metadata.trainer),
        network.input().shape
    );
    let frames = linked::frames(&network)?;
    let shape = frames.shape();
    for frame in frames {
        let stopwatch = Stopwatch::start();
        network.classify(frame.pixels)?;
        let instructions = stopwatch.elapsed();
        let (output, depth) = stack_of(|| network.classify(frame.pixels));
        let output = output?;
        (stack, most_instructions) = (stack.max(depth), most_instructions.max(instructions));
        (right, count) = (right + usize::from(output.class() == frame.class), count + 1);

        let best = output.top_k::<3>();
        let verdict = match output.decide() {
            None => "  (not sure: none of these)",
            Some(class) if class == frame.class => "",
            Some(_) => "  (wrong)",
        };
        let drawing = Drawing::new(shape, frame.pixels);
        for number in 0..drawing.rows().max(LINES) {
            let line = drawing.line(number);
            match (number, number.checked_sub(5).and_then(|rank| best.get(rank))) {
                (1, _) => println!("{line}  true       {}", name(frame.class)),
                (2, _) => println!("{line}  predicted  {}{verdict}", name(output.class())),
                (3, _) if !frame.name.is_empty() => println!("{line}  image      {}", Plain(frame.name)),
                (_, Some(ranked)) => println!("{line}  {:5.1}%  {}", 100.0 * ranked.probability, name(ranked.class)),
                (9, _) => println!("{line}  {instructions} instructions"),
                _ => println!("{line}"),
            }
        }
    }
    println!("{right} of {count} right with {KERNELS} kernels\n");
    println!("instructions per image    {most_instructions:8} at most");
    println!("arena                     {:8} bytes", arena_len(MODEL));
    println!("stack                     {stack:8} bytes at most, loading included");
    println!("model                     {:8} bytes", MODEL.len());
    println!("flash besides             {:8} bytes, printing and test images included", flash_besides(MODEL));
    Ok(())
}
