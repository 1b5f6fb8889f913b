//! What networks cost that are read from a file on the host, for `on_chip fit-costs`: of each a line with its number there,
//! instructions of its last layer before the logits and of an inference, and the stack, loading included.
//!
//! `cargo run --release --bin costs -- BUNDLE`
//!
//! The program holds the operators of the model that is linked in, and leaves out networks that have others.

#![no_std]
#![no_main]

use firmware_tests::files::InputFile;
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Fenced, Stopwatch, model, program, stack};
use infer_core::{Header, operators_of};

/// As [`infer_core::operators_of`]: a bit for each operator.
const OPERATORS: u32 = operators_of(model!());
type Network<'m, 'a> = infer_core::Network<'m, 'a, OPERATORS>;

/// A network, its arena, an image, at the most.
static MODEL: Fenced<{ 768 * 1024 }> = Fenced::new();
static ARENA: Fenced<{ 96 * 1024 }> = Fenced::new();
static IMAGE: Fenced<{ 48 * 1024 }> = Fenced::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let Some(bundle) = arguments.next() else { return Err(Failure::Usage("costs BUNDLE")) };
    let mut bundle = InputFile::open(bundle)?;
    let (model, arena, image) = (MODEL.take(), ARENA.take(), IMAGE.take());
    let mut len = [0; 4];
    let mut number = 0;
    while bundle.read(&mut len)? {
        let file = model.get_mut(..u32::from_le_bytes(len) as usize).ok_or(Failure::TooLarge("a network"))?;
        if !bundle.read(file)? {
            return Err(Failure::Incomplete);
        }
        let header = Header::parse(file)?;
        let pixels = image.get_mut(..header.input_len as usize).ok_or(Failure::TooLarge("an image"))?;
        if !bundle.read(pixels)? {
            return Err(Failure::Incomplete);
        }
        if header.operators & !OPERATORS == 0 {
            measure(number, file, pixels, arena)?;
        }
        number += 1;
    }
    if number == 0 { Err(Failure::Empty) } else { Ok(()) }
}

/// Prints what a network costs on an image.
fn measure(number: usize, file: &[u8], pixels: &[u8], arena: &mut [u8]) -> Result<(), Failure> {
    let (total, stack) = stack::used_by(|| {
        let mut network = Network::with_operators(file, &mut *arena)?;
        let stopwatch = Stopwatch::start();
        network.classify(pixels)?;
        Ok::<_, infer_core::Error>(stopwatch.elapsed())
    });
    let total = total?;
    let mut network = Network::with_operators(file, arena)?;
    let mut layer = 0;
    let mut stopwatch = Stopwatch::start();
    network.classify_traced(pixels, |_, _| {
        layer = stopwatch.elapsed();
        stopwatch = Stopwatch::start();
    })?;
    println!("{number} {layer} {total} {stack}");
    Ok(())
}
