//! Runs networks of any shape, read from a file on the host, and writes their logits back, for `on_chip compare-shapes`.
//!
//! `cargo run --release --bin shapes -- BUNDLE LOGITS`
//!
//! Model, arena and image are between fences, by turns after the first one, shifted by 0 to 3 bytes, and right before the
//! second one: a kernel that reads or writes a byte too many takes a fault.

#![no_std]
#![no_main]

use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Fenced, program};
use infer_core::{Header, Network};

/// Images of each network.
const IMAGES: usize = 3;

/// A network, its arena, an image, at the most.
static MODEL: Fenced<{ 257 * 1024 }> = Fenced::new();
static ARENA: Fenced<{ 65 * 1024 }> = Fenced::new();
static IMAGE: Fenced<{ 16 * 1024 }> = Fenced::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let (Some(bundle), Some(logits)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("shapes BUNDLE LOGITS"));
    };
    let (mut bundle, mut logits) = (InputFile::open(bundle)?, ResultFile::create(logits)?);
    let (model, arena, image) = (MODEL.take(), ARENA.take(), IMAGE.take());
    let mut networks = 0;
    let mut len = [0; 4];
    while bundle.read(&mut len)? {
        let file = place(model, u32::from_le_bytes(len), networks).ok_or(Failure::TooLarge("a network"))?;
        if !bundle.read(file)? {
            return Err(Failure::Incomplete);
        }
        let header = Header::parse(file)?;
        let pixels = place(image, header.input_len, networks).ok_or(Failure::TooLarge("an image"))?;
        let arena = place(arena, header.arena_len, networks / 4).ok_or(Failure::TooLarge("an arena"))?;
        let mut network = Network::new(file, arena)?;
        for _ in 0..IMAGES {
            if !bundle.read(pixels)? {
                return Err(Failure::Incomplete);
            }
            logits.write_logits(network.classify(pixels)?.logits())?;
        }
        networks += 1;
    }
    println!("{networks} networks");
    if networks == 0 { Err(Failure::Empty) } else { Ok(()) }
}

/// `len` bytes of `memory`, at its start or at its end.
fn place(memory: &mut [u8], len: u32, turn: usize) -> Option<&mut [u8]> {
    let len = len as usize;
    let start = if turn.is_multiple_of(2) { turn / 2 % 4 } else { memory.len().checked_sub(len)? };
    memory.get_mut(start..)?.get_mut(..len)
}
