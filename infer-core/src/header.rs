//! The first 32 bytes of every model file, readable at compile time.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `THIMBLE` and a zero byte |
//! | 8 | 2 | format version |
//! | 10 | 2 | header length, 32 |
//! | 12 | 4 | payload length in bytes |
//! | 16 | 4 | arena length in bytes |
//! | 20 | 4 | input length in bytes |
//! | 24 | 4 | number of classes |
//! | 28 | 4 | CRC-32 of the 28 bytes above and the payload |
//!
//! All little-endian. The payload follows at once; what comes after it is not looked at, so that a slice of flash
//! longer than the model can be given as it is.

use crate::{Crc32, Error};

/// The first eight bytes of every model file.
pub const MAGIC: [u8; 8] = *b"THIMBLE\0";

/// The format version that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;

/// Bytes of the header.
pub const HEADER_LEN: usize = 32;

/// Bytes of the header that the checksum is over: those before it.
pub const CHECKSUMMED_LEN: usize = 28;

/// What the first 32 bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Bytes of the postcard payload after the header.
    pub payload_len: u32,
    /// Bytes of working memory that one inference needs.
    pub arena_len: u32,
    /// Bytes of one input image, `height * width * channels`.
    pub input_len: u32,
    /// Number of classes, and so of logits.
    pub classes: u32,
    /// CRC-32 of the 28 bytes before it and of the payload.
    pub crc32: u32,
}

impl Header {
    /// Reads a header. The checksum is compared in [`Network::new`](crate::Network::new), not here.
    ///
    /// # Errors
    /// [`Error::Truncated`] below 32 bytes, [`Error::NotAModel`], [`Error::NewerVersion`], [`Error::OlderVersion`],
    /// [`Error::HeaderLength`].
    pub const fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some(b) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(Error::Truncated { needed: HEADER_LEN, given: bytes.len() });
        };
        let mut at = 0;
        while at < MAGIC.len() {
            #[expect(
                clippy::indexing_slicing,
                reason = "a const fn has no iterators; the loop stays inside both arrays"
            )]
            if b[at] != MAGIC[at] {
                return Err(Error::NotAModel);
            }
            at += 1;
        }
        let version = u16::from_le_bytes([b[8], b[9]]);
        if version > FORMAT_VERSION {
            return Err(Error::NewerVersion { found: version, supported: FORMAT_VERSION });
        }
        if version < FORMAT_VERSION {
            return Err(Error::OlderVersion { found: version, supported: FORMAT_VERSION });
        }
        let header_len = u16::from_le_bytes([b[10], b[11]]);
        if header_len as usize != HEADER_LEN {
            return Err(Error::HeaderLength { found: header_len });
        }
        Ok(Self {
            payload_len: u32::from_le_bytes([b[12], b[13], b[14], b[15]]),
            arena_len: u32::from_le_bytes([b[16], b[17], b[18], b[19]]),
            input_len: u32::from_le_bytes([b[20], b[21], b[22], b[23]]),
            classes: u32::from_le_bytes([b[24], b[25], b[26], b[27]]),
            crc32: u32::from_le_bytes([b[28], b[29], b[30], b[31]]),
        })
    }

    /// The header as it is in the file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..CHECKSUMMED_LEN].copy_from_slice(&self.checksummed_bytes());
        bytes[CHECKSUMMED_LEN..].copy_from_slice(&self.crc32.to_le_bytes());
        bytes
    }

    /// The same header with the checksum that belongs to `payload`.
    #[must_use]
    pub fn with_checksum_of(self, payload: &[u8]) -> Self {
        Self { crc32: Crc32::new().update(&self.checksummed_bytes()).update(payload).finish(), ..self }
    }

    fn checksummed_bytes(&self) -> [u8; CHECKSUMMED_LEN] {
        let mut bytes = [0; CHECKSUMMED_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(HEADER_LEN as u16).to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.arena_len.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.input_len.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.classes.to_le_bytes());
        bytes
    }

    /// The payload after this header, with its checksum compared.
    pub(crate) fn checked_payload<'m>(&self, model: &'m [u8]) -> Result<&'m [u8], Error> {
        let needed = HEADER_LEN.saturating_add(self.payload_len as usize);
        let (Some(header), Some(payload)) = (model.first_chunk::<CHECKSUMMED_LEN>(), model.get(HEADER_LEN..needed))
        else {
            return Err(Error::Truncated { needed, given: model.len() });
        };
        let computed = Crc32::new().update(header).update(payload).finish();
        if computed == self.crc32 { Ok(payload) } else { Err(Error::Checksum { stored: self.crc32, computed }) }
    }
}

/// Bytes of arena that `model` needs, for sizing a static buffer at compile time.
///
/// # Panics
/// Where `model` is no model: in a constant, where this function belongs, that is a compile error. At run time ask
/// [`Header::parse`].
#[must_use]
pub const fn arena_len(model: &[u8]) -> usize {
    match Header::parse(model) {
        Ok(header) => header.arena_len as usize,
        Err(_) => not_a_model(),
    }
}

/// Bytes of one input image of `model`, for sizing a static buffer at compile time.
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn input_len(model: &[u8]) -> usize {
    match Header::parse(model) {
        Ok(header) => header.input_len as usize,
        Err(_) => not_a_model(),
    }
}

/// Number of classes of `model`, for sizing a static buffer at compile time.
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn classes_len(model: &[u8]) -> usize {
    match Header::parse(model) {
        Ok(header) => header.classes as usize,
        Err(_) => not_a_model(),
    }
}

#[expect(clippy::panic, reason = "a compile error is what these functions are for")]
const fn not_a_model() -> ! {
    panic!("these bytes are not a model file that this version of infer-core reads")
}

/// Bytes at an address that is a multiple of 16; what [`include_model!`](crate::include_model) makes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct AlignedBytes<B: ?Sized>(pub B);

/// Places a model file in the binary (on a microcontroller: in flash), aligned for the fastest kernels.
///
/// The path is relative to the file that names it, as with `include_bytes!`.
///
/// ```
/// # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
/// static MODEL: &[u8] = include_model!("model.bin");
/// const ARENA: usize = infer_core::arena_len(MODEL);
/// assert_eq!(MODEL.as_ptr() as usize % 16, 0);
/// assert!(ARENA < 1024);
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        const ALIGNED: &$crate::AlignedBytes<[u8]> = &$crate::AlignedBytes(*include_bytes!($path));
        &ALIGNED.0
    }};
}
