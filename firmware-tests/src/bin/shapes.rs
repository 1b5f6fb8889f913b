//! Runs networks of any shape, read from a file on the host, and writes their logits back, for `on_chip compare-shapes`.
//!
//! `cargo run --release --bin shapes -- BUNDLE LOGITS`
//!
//! Model, arena and picture stand between fences, by turns at the one in front, shifted by 0 to 3 bytes, and right before the one
//! behind: a kernel that reads or writes a byte too many takes a fault.

#![no_std]
#![no_main]

use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Fenced, program};
use infer_core::{Header, Network};

/// Pictures of each network.
const PICTURES: usize = 3;

/// A network, its arena, a picture, at the most.
static MODEL: Fenced<{ 257 * 1024 }> = Fenced::new();
static ARENA: Fenced<{ 65 * 1024 }> = Fenced::new();
static PICTURE: Fenced<{ 16 * 1024 }> = Fenced::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let (Some(bundle), Some(logits)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("shapes BUNDLE LOGITS"));
    };
    let (mut bundle, mut logits) = (InputFile::open(bundle)?, ResultFile::create(logits)?);
    let (model, arena, picture) = (MODEL.take(), ARENA.take(), PICTURE.take());
    let mut networks = 0;
    let mut len = [0; 4];
    while bundle.read(&mut len)? {
        let file = place(model, u32::from_le_bytes(len), networks).ok_or(Failure::TooLarge("a network"))?;
        if !bundle.read(file)? {
            return Err(Failure::Incomplete);
        }
        let header = Header::parse(file)?;
        let pixels = place(picture, header.input_len, networks).ok_or(Failure::TooLarge("a picture"))?;
        let arena = place(arena, header.arena_len, networks / 4).ok_or(Failure::TooLarge("an arena"))?;
        let mut network = Network::new(file, arena)?;
        for _ in 0..PICTURES {
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

/// So many bytes of `memory`, at the front or at the back.
fn place(memory: &mut [u8], len: u32, turn: usize) -> Option<&mut [u8]> {
    let len = len as usize;
    let start = if turn.is_multiple_of(2) { turn / 2 % 4 } else { memory.len().checked_sub(len)? };
    memory.get_mut(start..)?.get_mut(..len)
}
