//! The first 52 bytes of every model file, readable at compile time.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `THIMBLE` and a zero byte |
//! | 8 | 2 | format version |
//! | 10 | 2 | header length, 52 |
//! | 12 | 4 | payload length in bytes |
//! | 16 | 4 | arena length in bytes, the image being elsewhere |
//! | 20 | 4 | input length in bytes |
//! | 24 | 4 | number of classes |
//! | 28 | 4 | arena length in bytes with the image in the arena; no call takes it from there yet |
//! | 32 | 2 | layout, 0: that of weights is in their records |
//! | 34 | 2 | preprocessing, 0: the bytes of the image are the codes |
//! | 36 | 4 | temperature, an `f32`, 1/1024 to 1024: the scale of the logits was divided by it |
//! | 40 | 4 | threshold, an `f32`, 0 to 1: the least probability of an answer |
//! | 44 | 4 | operators, a bit each: bit `n` is set if a layer is operator `n` of the [registry](crate::operators), the highest seven where there are [branches](crate::operators::BRANCHES), [overlaps](crate::operators::OVERLAPS), [transformed weights](crate::operators::WINOGRAD), [weights in vectors](crate::operators::VECTOR), sums that are [rounded twice](crate::operators::TWICE), and convolutions [with](crate::operators::POOLED) and [without](crate::operators::UNPOOLED) a pool that have compact weights and round once |
//! | 48 | 4 | CRC-32 of the 48 bytes above and the payload |
//!
//! Layout and preprocessing have one value each today; a file with another one is refused. Temperature and threshold are those of
//! [`Output::decide`](crate::Output::decide): 1 and 0 in a file that states neither.
//!
//! All little-endian. The payload follows at once; what comes after it is not looked at, so that a slice of flash
//! longer than the model can be given as it is.

use crate::Crc32;
use crate::error::{Error, HeaderField};
use crate::operators::KNOWN;
use crate::plan::{Checked, Plan};

/// The first eight bytes of every model file.
pub const MAGIC: [u8; 8] = *b"THIMBLE\0";

/// The format version that this build writes and reads.
pub const FORMAT_VERSION: u16 = 5;

/// Bytes of the header.
pub const HEADER_LEN: usize = 52;

/// Bytes of the header that the checksum is over: those before it.
pub const CHECKSUMMED_LEN: usize = 48;

/// The lowest temperature that is accepted.
pub const LOWEST_TEMPERATURE: f32 = 1.0 / 1024.0;

/// The highest temperature that is accepted.
pub const HIGHEST_TEMPERATURE: f32 = 1024.0;

/// What the first 52 bytes hold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Bytes of the postcard payload after the header.
    pub payload_len: u32,
    /// Bytes of working memory that one inference needs, the image being elsewhere.
    pub arena_len: u32,
    /// Bytes of one input image, `height * width * channels`.
    pub input_len: u32,
    /// Number of classes, and so of logits.
    pub classes: u32,
    /// Bytes of working memory that holds the image too.
    pub arena_with_image_len: u32,
    /// 0: how weights are laid out is in their records.
    pub layout: u16,
    /// What is done to an image before it is an input: 0, nothing.
    pub preprocessing: u16,
    /// What the exporter divided the scale of the logits by, [`LOWEST_TEMPERATURE`] to [`HIGHEST_TEMPERATURE`]. Nothing is divided
    /// again: probabilities follow from the scale in the file.
    pub temperature: f32,
    /// The least probability of an answer, 0 to 1. The file may have higher ones for some classes.
    pub threshold: f32,
    /// Which operators there are, a bit each: [`operators_of`].
    pub operators: u32,
    /// CRC-32 of the 48 bytes before it and of the payload.
    pub crc32: u32,
}

impl Header {
    /// Reads a header. The checksum is compared in [`Network::new`](crate::Network::new), not here.
    ///
    /// # Errors
    /// [`Error::Truncated`] below 52 bytes, [`Error::NotAModel`], [`Error::NewerVersion`], [`Error::OlderVersion`],
    /// [`Error::HeaderLength`].
    #[inline(never)]
    pub const fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (words, _) = bytes.as_chunks();
        let Some(words) = words.first_chunk() else {
            return Err(Error::Truncated { needed: HEADER_LEN, given: bytes.len() });
        };
        let [
            magic,
            magic_end,
            format,
            payload_len,
            arena_len,
            input_len,
            classes,
            arena_with_image_len,
            settings,
            temperature,
            threshold,
            operators,
            crc32,
        ] = words;
        let [m0, m1, m2, m3, m4, m5, m6, m7] = &MAGIC;
        if word(magic) != word(&[*m0, *m1, *m2, *m3]) || word(magic_end) != word(&[*m4, *m5, *m6, *m7]) {
            return Err(Error::NotAModel);
        }
        let (version, header_len) = halves(format);
        if version > FORMAT_VERSION {
            return Err(Error::NewerVersion { found: version, supported: FORMAT_VERSION });
        }
        if version < FORMAT_VERSION {
            return Err(Error::OlderVersion { found: version, supported: FORMAT_VERSION });
        }
        if header_len as usize != HEADER_LEN {
            return Err(Error::HeaderLength { found: header_len, needed: HEADER_LEN as u16 });
        }
        let (layout, preprocessing) = halves(settings);
        Ok(Self {
            payload_len: word(payload_len),
            arena_len: word(arena_len),
            input_len: word(input_len),
            classes: word(classes),
            arena_with_image_len: word(arena_with_image_len),
            layout,
            preprocessing,
            temperature: f32::from_bits(word(temperature)),
            threshold: f32::from_bits(word(threshold)),
            operators: word(operators),
            crc32: word(crc32),
        })
    }

    /// The header of `payload`, given what was checked of it.
    #[must_use]
    pub fn of(payload: &[u8], plan: &Plan<'_>) -> Self {
        let header = Self {
            payload_len: payload.len() as u32,
            arena_len: plan.arena_len() as u32,
            input_len: plan.input.shape.len() as u32,
            classes: plan.classes().into(),
            arena_with_image_len: plan.arena_with_image_len() as u32,
            operators: plan.operators(),
            ..Self::NEUTRAL
        };
        header.with_checksum_of(payload)
    }

    /// Sizes of nothing, and what the other fields are in a file that does not need them.
    pub const NEUTRAL: Self = Self {
        payload_len: 0,
        arena_len: 0,
        input_len: 0,
        classes: 0,
        arena_with_image_len: 0,
        layout: 0,
        preprocessing: 0,
        temperature: 1.0,
        threshold: 0.0,
        operators: 0,
        crc32: 0,
    };

    /// Compares the figures that `model` states with what its stages need, and returns its threshold.
    #[inline(never)]
    pub(crate) fn check_claims(model: &[u8], checked: &Checked) -> Result<f32, Error> {
        let header = Self::parse(model)?;
        for (field, stated, actual) in [
            (HeaderField::ArenaLen, header.arena_len, checked.arena_len() as u32),
            (HeaderField::InputLen, header.input_len, checked.input_len),
            (HeaderField::Classes, header.classes, checked.classes.into()),
            (HeaderField::ArenaWithImageLen, header.arena_with_image_len, checked.arena_with_image_len() as u32),
            (HeaderField::Operators, header.operators, checked.operators),
        ] {
            if stated != actual {
                return Err(Error::HeaderClaim { field, stated, actual });
            }
        }
        Ok(header.threshold)
    }

    /// Refuses what this build cannot do.
    const fn check_settings(&self) -> Result<(), Error> {
        // Bits of numbers that are not negative are in their order; those of negative ones and of NaN come after all of these.
        let temperature = self.temperature.to_bits();
        if self.layout != Self::NEUTRAL.layout {
            Err(Error::HeaderSetting { field: HeaderField::Layout })
        } else if self.preprocessing != Self::NEUTRAL.preprocessing {
            Err(Error::HeaderSetting { field: HeaderField::Preprocessing })
        } else if temperature < LOWEST_TEMPERATURE.to_bits() || temperature > HIGHEST_TEMPERATURE.to_bits() {
            Err(Error::HeaderRange { field: HeaderField::Temperature })
        } else if self.threshold.to_bits() > 1f32.to_bits() {
            Err(Error::HeaderRange { field: HeaderField::Threshold })
        } else {
            Ok(())
        }
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
        bytes[28..32].copy_from_slice(&self.arena_with_image_len.to_le_bytes());
        bytes[32..34].copy_from_slice(&self.layout.to_le_bytes());
        bytes[34..36].copy_from_slice(&self.preprocessing.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.temperature.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.threshold.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.operators.to_le_bytes());
        bytes
    }

    /// The payload of `model`, its checksum compared, if a program with these operators can run it.
    #[inline(never)]
    pub(crate) fn checked_payload(model: &[u8], operators: u32) -> Result<&[u8], Error> {
        let header = Self::parse(model)?;
        let needed = HEADER_LEN.saturating_add(header.payload_len as usize);
        let (Some(beginning), Some(payload)) = (model.first_chunk::<CHECKSUMMED_LEN>(), model.get(HEADER_LEN..needed))
        else {
            return Err(Error::Truncated { needed, given: model.len() });
        };
        let computed = Crc32::new().update(beginning).update(payload).finish();
        if computed != header.crc32 {
            return Err(Error::Checksum { stored: header.crc32, computed });
        }
        header.check_settings()?;
        let left_out = header.operators & KNOWN & !operators;
        if left_out == 0 { Ok(payload) } else { Err(Error::OperatorsLeftOut { operators: left_out }) }
    }
}

// A core that loads words from multiples of four only takes fourteen instructions for one of the file.
#[inline(never)]
const fn word(bytes: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*bytes)
}

/// The two halves of a word, the one at the lower address first.
const fn halves(bytes: &[u8; 4]) -> (u16, u16) {
    let word = word(bytes);
    (word as u16, (word >> 16) as u16)
}

/// Bytes of arena that `model` needs, for sizing a static buffer at compile time.
///
/// # Panics
/// Where `model` is no model: in a constant, where this function belongs, that is a compile error. At run time use
/// [`Header::parse`].
#[must_use]
pub const fn arena_len(model: &[u8]) -> usize {
    header_of(model).arena_len as usize
}

/// Bytes of arena that `model` needs where the image is in the arena too.
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn arena_with_image_len(model: &[u8]) -> usize {
    header_of(model).arena_with_image_len as usize
}

/// Bytes of one input image of `model`, for sizing a static buffer at compile time.
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn input_len(model: &[u8]) -> usize {
    header_of(model).input_len as usize
}

/// Number of classes of `model`, for sizing a static buffer at compile time.
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn classes_len(model: &[u8]) -> usize {
    header_of(model).classes as usize
}

/// The operators of `model`, a bit each, for a program that links no others: the parameter of
/// [`Network::with_operators`](crate::Network::with_operators).
///
/// # Panics
/// As [`arena_len`].
#[must_use]
pub const fn operators_of(model: &[u8]) -> u32 {
    header_of(model).operators
}

#[expect(clippy::panic, reason = "a compile error is what these functions are for")]
const fn header_of(model: &[u8]) -> Header {
    match Header::parse(model) {
        Ok(header) => header,
        Err(_) => panic!("these bytes are not a model file that this version of infer-core reads"),
    }
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
