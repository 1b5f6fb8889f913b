//! Decodes the payload, value by value, with postcard; the records of [`format`](mod@crate::format) are put together here.
//!
//! What serde derives for whole records is larger on a Cortex-M by a tenth of all that a program needs to load and
//! classify. The two cannot drift apart unseen: the trainer writes every file by way of serde's records, and the oracle
//! of the tests reads it so.

use serde::Deserialize;

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
        let padding = self.bytes()?;
        // What aligns words is shorter than one, and carries nothing.
        if padding.len() > 3 || padding.iter().any(|&byte| byte != 0) {
            return None;
        }
        Some(Blob { padding, data: self.bytes()? })
    }

    fn text(&mut self) -> Option<&'m str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    #[inline(never)]
    fn bytes(&mut self) -> Option<&'m [u8]> {
        self.value()
    }

    fn optional_float(&mut self) -> Option<Option<f32>> {
        Some(if self.flag()? { Some(self.float()?) } else { None })
    }

    #[inline(never)]
    fn float(&mut self) -> Option<f32> {
        self.value()
    }

    fn flag(&mut self) -> Option<bool> {
        self.value()
    }

    fn half(&mut self) -> Option<u16> {
        u16::try_from(self.word()?).ok()
    }

    #[inline(never)]
    pub fn word(&mut self) -> Option<u32> {
        self.value()
    }

    #[inline(never)]
    fn byte(&mut self) -> Option<u8> {
        self.value()
    }

    fn value<T: Deserialize<'m>>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(value)
    }
}
