//! Reads images from a file on the host and writes back, for `on_chip compare-decisions` to check, what is decided of each, and what
//! of all up to it: a class, or -1 for none of these. Then prints what a decision costs.
//!
//! `cargo run --release --bin decisions -- IMAGES DECISIONS`

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Arena, Stopwatch, model, program};
use infer_core::{Network, Smoother, Smoothing, arena_len, classes_len, input_len};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();
static IMAGE: Arena<{ input_len(MODEL) }> = Arena::new();

const SMOOTHER: Smoother<{ classes_len(MODEL) }> = Smoother::new(Smoothing::DEFAULT).unwrap();

/// How often a piece of work is done to be measured: a stopwatch counts in steps of some dozens of instructions.
const TIMES: u32 = 1000;

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let (Some(images), Some(decisions)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("decisions IMAGES DECISIONS"));
    };
    let mut network = Network::new(MODEL, ARENA.take())?;
    let (mut images, mut decisions) = (InputFile::open(images)?, ResultFile::create(decisions)?);
    let pixels = IMAGE.take();
    let mut smoother = SMOOTHER;
    let number = |decision: Option<usize>| decision.map_or(-1, |class| class as i32);
    let mut count = 0;
    while images.read(pixels)? {
        let decision = network.classify(pixels)?.decide();
        decisions.write_logits(&[number(decision), number(smoother.update(decision))])?;
        count += 1;
    }
    if count == 0 {
        return Err(Failure::Empty);
    }
    let output = network.classify(pixels)?;
    let loops = instructions(|| ());
    let decide = instructions(|| {
        black_box(black_box(output).decide());
    }) - loops;
    // The search for the highest logit, the exponentials and their sum; and one exponential more, for the one probability.
    let softmax = instructions(|| black_box(output).probabilities(black_box(&mut [0.0]))) - loops;
    let class = instructions(|| {
        black_box(black_box(output).class());
    }) - loops;
    let update = instructions(|| {
        black_box(smoother.update(black_box(Some(1))));
    }) - loops;
    let classes = output.logits().len() as u32;
    let besides = decide - (softmax - class) / (classes + 1) * classes;
    println!(
        "{{\"decide\":{decide},\"softmax\":{softmax},\"besides_softmax\":{besides},\"class\":{class},\"update\":{update}}}"
    );
    Ok(())
}

/// Instructions of a piece of work, the loop around it included.
fn instructions(mut work: impl FnMut()) -> u32 {
    let stopwatch = Stopwatch::start();
    for _ in 0..TIMES {
        work();
    }
    stopwatch.elapsed() / TIMES
}
