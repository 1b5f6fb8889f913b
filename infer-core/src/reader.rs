//! Decodes the payload: postcard's encoding of the records in [`format`](mod@crate::format), read by hand.
//!
//! What serde derives for the same records is larger on a Cortex-M by a tenth of all that a program needs to load and
//! classify. The two cannot drift apart unseen: the trainer writes every file by way of serde, and the oracle of the
//! tests reads it so.

use crate::format::{Blob, Codes, Conv2d, Dense, Input, Layer, Logits, Metadata, Padding, Requantize, Shape};

/// The whole record of a pool: its number in the enum, which fits in one byte of a varint.
const MAX_POOL_2D: u8 = 1;

/// The part of a payload that is not decoded yet. Where it is no such record, each method gives `None`.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'m> {
    rest: &'m [u8],
}

impl<'m> Reader<'m> {
    pub const fn new(payload: &'m [u8]) -> Self {
        Self { rest: payload }
    }

    /// Bytes that are left.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn metadata(&mut self) -> Option<Metadata<'m>> {
        Some(Metadata {
            trainer: self.text()?,
            dataset: self.text()?,
            architecture: self.text()?,
            class_lines: self.text()?,
            preprocessing: self.text()?,
            float_test_accuracy: self.optional_float()?,
            int8_test_accuracy: self.optional_float()?,
        })
    }

    pub fn input(&mut self) -> Option<Input> {
        let shape = Shape { height: self.half()?, width: self.half()?, channels: self.half()? };
        Some(Input { shape, codes: self.codes()? })
    }

    pub fn layer(&mut self) -> Option<Layer<'m>> {
        Some(match self.word()? {
            0 => Layer::Conv2d(Conv2d {
                output_channels: self.half()?,
                kernel: self.byte()?,
                padding: match self.word()? {
                    0 => Padding::Valid,
                    1 => Padding::Same,
                    _ => return None,
                },
                requantize: self.requantize()?,
                weights: self.blob()?,
            }),
            number if number == u32::from(MAX_POOL_2D) => Layer::MaxPool2d,
            2 => Layer::Dense(Dense { outputs: self.half()?, requantize: self.requantize()?, weights: self.blob()? }),
            3 => Layer::Logits(Logits {
                classes: self.half()?,
                scale: self.float()?,
                biases: self.blob()?,
                weights: self.blob()?,
            }),
            _ => return None,
        })
    }

    /// Takes the next layer if it is a pool; whether it was.
    pub fn max_pool2d(&mut self) -> bool {
        let [MAX_POOL_2D, rest @ ..] = self.rest else { return false };
        self.rest = rest;
        true
    }

    #[inline(never)]
    fn requantize(&mut self) -> Option<Requantize<'m>> {
        Some(Requantize { codes: self.codes()?, relu: self.flag()?, shift: self.byte()?, channels: self.blob()? })
    }

    fn codes(&mut self) -> Option<Codes> {
        Some(Codes { scale: self.float()?, zero_point: self.byte()? })
    }

    fn blob(&mut self) -> Option<Blob<'m>> {
        Some(Blob { padding: self.bytes()?, data: self.bytes()? })
    }

    fn text(&mut self) -> Option<&'m str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    #[inline(never)]
    fn bytes(&mut self) -> Option<&'m [u8]> {
        let len = self.word()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn optional_float(&mut self) -> Option<Option<f32>> {
        Some(if self.flag()? { Some(self.float()?) } else { None })
    }

    #[inline(never)]
    fn float(&mut self) -> Option<f32> {
        let (&bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(f32::from_le_bytes(bytes))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn half(&mut self) -> Option<u16> {
        u16::try_from(self.word()?).ok()
    }

    /// A varint: seven bits a byte, the lowest first; the top bit says that more follow.
    #[inline(never)]
    pub fn word(&mut self) -> Option<u32> {
        let mut word = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7F);
            if bits > u32::MAX >> shift {
                return None;
            }
            word |= bits << shift;
            if byte < 0x80 {
                return Some(word);
            }
        }
        None
    }

    #[inline(never)]
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }
}
