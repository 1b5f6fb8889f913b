//! A model file with one bit flipped, for every bit of header and payload, and what becomes of it: refused, or run.
//!
//! The checksum is repaired, so that the checks after it are what refuses; a flip inside of the checksum stays as it is.
//! firmware-tests's program `flips` does the same on a chip and writes an [`Fate`] for each bit.

use std::ops::Range;

use infer_core::header::{CHECKSUMMED_LEN, HEADER_LEN};
use infer_core::{Crc32, Error, Header, Network};

/// Where the checksum is in the header.
pub const CHECKSUM: Range<usize> = CHECKSUMMED_LEN..HEADER_LEN;

/// What became of one flip, in two words, so that a chip can report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Whether it was refused.
    pub refused: bool,
    /// CRC-32 of the refusal as text, or of the logits.
    pub digest: u32,
}

impl Fate {
    /// Of what loading and running came to.
    #[must_use]
    pub fn of(result: &Result<Vec<i32>, Error>) -> Self {
        let bytes = match result {
            Ok(logits) => logits.iter().flat_map(|logit| logit.to_le_bytes()).collect(),
            Err(error) => error.to_string().into_bytes(),
        };
        Self { refused: result.is_err(), digest: Crc32::new().update(&bytes).finish() }
    }
}

/// `file` with a bit flipped, counted from the lowest bit of the first byte, and the checksum repaired.
#[must_use]
pub fn flipped(file: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = file.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    if !CHECKSUM.contains(&(bit / 8)) {
        repair(&mut flipped);
    }
    flipped
}

/// Makes the checksum right, if there are as many bytes as the header states.
pub fn repair(file: &mut [u8]) {
    let payload_len = u32::from_le_bytes([file[12], file[13], file[14], file[15]]) as usize;
    let payload = HEADER_LEN.checked_add(payload_len).and_then(|end| file.get(HEADER_LEN..end));
    if let Some(payload) = payload {
        let crc = Crc32::new().update(&file[..CHECKSUM.start]).update(payload).finish();
        file[CHECKSUM].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Loads a model, in an arena as long as the honest file's, and runs an image.
///
/// # Errors
/// Whatever infer-core refuses.
pub fn load_and_run(model: &[u8], honest: &Header, pixels: &[u8]) -> Result<Vec<i32>, Error> {
    let mut arena = vec![0xA5; honest.arena_len as usize];
    let mut network = Network::new(model, &mut arena)?;
    Ok(network.classify(pixels)?.logits().to_vec())
}
