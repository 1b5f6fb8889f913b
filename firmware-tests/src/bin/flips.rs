//! Flips every single bit of a small model, one after the other, repairs the checksum, and loads and runs the result; writes
//! what became of each flip, for `on_chip compare-flips`.
//!
//! `cargo run --release --bin flips -- BUNDLE FATES [overrun | hang]`
//!
//! Model, arena and image are right before a fence: a byte read or written too many is a fault. A flip that takes longer than
//! [`MOST_INSTRUCTIONS`] ends the program. `overrun` and `hang` do what must not happen, to see that both guards work.

#![no_std]
#![no_main]

use core::fmt::{self, Write};

use firmware_tests::arch::watchdog;
use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Fenced, program};
use infer_core::header::{CHECKSUMMED_LEN, HEADER_LEN};
use infer_core::{Crc32, Error, Header, Network};

/// Instructions that loading and running a flipped model may take; the intact one takes a hundredth of these.
const MOST_INSTRUCTIONS: u32 = 5_000_000;

static MODEL: Fenced<1024> = Fenced::new();
static ARENA: Fenced<4096> = Fenced::new();
static IMAGE: Fenced<1024> = Fenced::new();

program!(main);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::from_host()?;
    let (Some(bundle), Some(fates)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("flips BUNDLE FATES [overrun | hang]"));
    };
    let (mut bundle, mut fates) = (InputFile::open(bundle)?, ResultFile::create(fates)?);
    let mut len = [0; 4];
    if !bundle.read(&mut len)? {
        return Err(Failure::Empty);
    }
    let model = last(MODEL.take(), u32::from_le_bytes(len)).ok_or(Failure::TooLarge("the model"))?;
    if !bundle.read(model)? {
        return Err(Failure::Incomplete);
    }
    let header = Header::parse(model)?;
    let arena = last(ARENA.take(), header.arena_len).ok_or(Failure::TooLarge("the arena"))?;
    let pixels = last(IMAGE.take(), header.input_len).ok_or(Failure::TooLarge("the image"))?;
    if !bundle.read(pixels)? {
        return Err(Failure::Incomplete);
    }
    match arguments.next() {
        None => {}
        Some("overrun") => MODEL.read_after(),
        Some("hang") => {
            watchdog::start(MOST_INSTRUCTIONS);
            loop {
                core::hint::spin_loop();
            }
        }
        Some(_) => return Err(Failure::Usage("flips BUNDLE FATES [overrun | hang]")),
    }

    let whole = Crc32::new().update(model).finish();
    let (mut refused, mut unrepaired, mut most) = (0, 0, 0);
    let flips = 8 * model.len();
    for bit in 0..flips {
        flip(model, bit);
        watchdog::start(MOST_INSTRUCTIONS);
        unrepaired += usize::from(load_and_run(model, arena, pixels).0);
        let stored = repair(model, bit / 8);
        let (ran, digest) = load_and_run(model, arena, pixels);
        most = most.max(watchdog::stop());
        refused += usize::from(!ran);
        fates.write(&u32::from(!ran).to_le_bytes())?;
        fates.write(&digest.to_le_bytes())?;
        if let (Some(stored), Some(field)) = (stored, model.get_mut(CHECKSUMMED_LEN..HEADER_LEN)) {
            field.copy_from_slice(&stored);
        }
        flip(model, bit);
    }
    // What is lent once is not lent again.
    assert!(MODEL.take().is_empty() && ARENA.take().is_empty() && IMAGE.take().is_empty());
    let intact = Crc32::new().update(model).finish() == whole;
    println!("{flips} flips, {refused} refused and {} run, {most} instructions for one at most", flips - refused);
    println!("{unrepaired} run where the checksum is not repaired");
    if !intact {
        println!("the model was written to");
    }
    assert!(intact && unrepaired == 0);
    Ok(())
}

/// The last bytes of `memory`.
fn last(memory: &mut [u8], len: u32) -> Option<&mut [u8]> {
    let start = memory.len().checked_sub(len as usize)?;
    memory.get_mut(start..)
}

fn flip(model: &mut [u8], bit: usize) {
    if let Some(byte) = model.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

/// Makes the checksum right, unless it is what was flipped or there are not as many bytes as the header states. Returns the one
/// before it.
fn repair(model: &mut [u8], flipped: usize) -> Option<[u8; 4]> {
    if (CHECKSUMMED_LEN..HEADER_LEN).contains(&flipped) {
        return None;
    }
    let payload_len = u32::from_le_bytes(*model.get(12..)?.first_chunk()?);
    let payload = model.get(HEADER_LEN..HEADER_LEN.checked_add(payload_len as usize)?)?;
    let crc = Crc32::new().update(model.get(..CHECKSUMMED_LEN)?).update(payload).finish();
    let field = model.get_mut(CHECKSUMMED_LEN..)?.first_chunk_mut()?;
    Some(core::mem::replace(field, crc.to_le_bytes()))
}

/// Whether it ran, and the CRC-32 of its logits, or of the refusal as text.
fn load_and_run(model: &[u8], arena: &mut [u8], pixels: &[u8]) -> (bool, u32) {
    match logits(model, arena, pixels) {
        Ok(digest) => (true, digest.finish()),
        Err(error) => {
            let mut digest = Digest(Crc32::new());
            let _ = write!(digest, "{error}");
            (false, digest.0.finish())
        }
    }
}

fn logits(model: &[u8], arena: &mut [u8], pixels: &[u8]) -> Result<Crc32, Error> {
    let mut network = Network::new(model, arena)?;
    let logits = network.classify(pixels)?.logits();
    Ok(logits.iter().fold(Crc32::new(), |digest, logit| digest.update(&logit.to_le_bytes())))
}

/// The checksum of text.
struct Digest(Crc32);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.update(text.as_bytes());
        Ok(())
    }
}
