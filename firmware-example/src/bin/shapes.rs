//! Runs networks of any shape, read from a file on the host, and writes their logits back, for `on_chip compare-shapes`.
//!
//! `cargo run --release --bin shapes -- BUNDLE LOGITS`

#![no_std]
#![no_main]

use firmware_example::files::{InputFile, ResultFile};
use firmware_example::host::{Arguments, Failure, println};
use firmware_example::{Arena, program};
use infer_core::{Header, Network};

/// Pictures of each network.
const PICTURES: usize = 3;

/// A network, its arena, a picture, at the most; and what they are shifted by.
static MODEL: Arena<{ 256 * 1024 + 4 }> = Arena::new();
static ARENA: Arena<{ 64 * 1024 + 4 }> = Arena::new();
static PICTURE: Arena<{ 16 * 1024 }> = Arena::new();

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
        // Model and arena may stand at any address.
        let file = model.get_mut(networks % 4..).and_then(|model| model.get_mut(..u32::from_le_bytes(len) as usize));
        let file = file.ok_or(Failure::TooLarge("a network"))?;
        if !bundle.read(file)? {
            return Err(Failure::Incomplete);
        }
        let pixels =
            picture.get_mut(..Header::parse(file)?.input_len as usize).ok_or(Failure::TooLarge("a picture"))?;
        let mut network = Network::new(file, arena.get_mut(networks / 4 % 4..).unwrap_or_default())?;
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
