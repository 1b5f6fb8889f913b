//! Reads images from a file on the host and writes every logit back, for `on_chip compare` to check.
//!
//! `cargo run --release --bin parity -- IMAGES LOGITS`

#![no_std]
#![no_main]

use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Arena, model, program};
use infer_core::{Network, arena_len, input_len};

static MODEL: &[u8] = model!();
static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();
static IMAGE: Arena<{ input_len(MODEL) }> = Arena::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let (Some(images), Some(logits)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("parity IMAGES LOGITS"));
    };
    let mut network = Network::new(MODEL, ARENA.take())?;
    let (mut images, mut logits) = (InputFile::open(images)?, ResultFile::create(logits)?);
    let pixels = IMAGE.take();
    let mut count = 0;
    while images.read(pixels)? {
        logits.write_logits(network.classify(pixels)?.logits())?;
        count += 1;
    }
    println!("{count} images");
    if count == 0 { Err(Failure::Empty) } else { Ok(()) }
}
