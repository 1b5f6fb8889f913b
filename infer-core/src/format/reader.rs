//! Decodes the payload, value by value, with postcard; records are put together from these values.
//!
//! What serde derives for whole records is larger on a Cortex-M by a tenth of all that a program needs to load and
//! classify. The two cannot drift apart unseen: the trainer writes every file by way of serde's records, and the oracle
//! of the tests reads it so. A number that is written with more bytes than it needs is read here, and refused by serde.

use serde::Deserialize;

use crate::camera::Preprocessing;

use super::{Blob, Codes, Input, Metadata, Ports, Requantize, Shape, Tensor, Window};

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

    /// These bytes.
    pub const fn rest(&self) -> &'m [u8] {
        self.rest
    }

    pub fn metadata(&mut self) -> Option<Metadata<'m>> {
        Some(Metadata {
            trainer: self.text()?,
            dataset: self.text()?,
            architecture: self.text()?,
            class_lines: self.text()?,
            images: self.text()?,
            float_test_accuracy: self.optional_float()?,
            int8_test_accuracy: self.optional_float()?,
        })
    }

    pub fn input(&mut self) -> Option<Input> {
        let (shape, codes) = (self.shape()?, self.codes()?);
        Some(Input { shape, codes, preprocessing: Preprocessing::from_bytes(self.fixed()?)? })
    }

    /// Whether they can be decoded.
    #[inline(never)]
    pub fn ports(&mut self, ports: &mut Ports) -> bool {
        self.read_ports(ports).is_some()
    }

    fn read_ports(&mut self, ports: &mut Ports) -> Option<()> {
        ports.second = None;
        self.tensor(&mut ports.input)?;
        if self.flag()? {
            self.tensor(ports.second.insert(ports.input))?;
        }
        ports.output = self.word()?;
        ports.scratch = self.word()?;
        Some(())
    }

    #[inline(never)]
    fn tensor(&mut self, tensor: &mut Tensor) -> Option<()> {
        tensor.source = self.byte()?;
        tensor.shape = self.shape()?;
        tensor.zero_point = self.byte()?;
        tensor.place = self.word()?;
        Some(())
    }

    #[inline(never)]
    fn shape(&mut self) -> Option<Shape> {
        Some(Shape { height: self.half()?, width: self.half()?, channels: self.half()? })
    }

    #[inline(never)]
    pub fn window(&mut self) -> Option<Window> {
        let &[rows, columns, down, along, above, left, below, right] = self.chunk()?;
        Some(Window { size: [rows, columns], stride: [down, along], padding: [above, left, below, right] })
    }

    // Inlined, as loading needs most of the stack where it is called.
    #[inline(always)]
    pub fn requantize(&mut self) -> Option<Requantize<'m>> {
        Some(Requantize { codes: self.codes()?, relu: self.flag()?, shift: self.byte()?, channels: self.blob()? })
    }

    pub fn codes(&mut self) -> Option<Codes> {
        Some(Codes { scale: self.float()?, zero_point: self.byte()? })
    }

    pub fn blob(&mut self) -> Option<Blob<'m>> {
        let padding = self.bytes()?;
        // What aligns words is shorter than one, and carries nothing.
        if padding.len() > 3 || padding.iter().any(|&byte| byte != 0) {
            return None;
        }
        Some(Blob { padding, data: self.bytes()? })
    }

    #[inline(never)]
    fn text(&mut self) -> Option<&'m str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    #[inline(never)]
    fn bytes(&mut self) -> Option<&'m [u8]> {
        // Not a length of `usize`, which has more bytes on a host than on a chip.
        let len = self.word()? as usize;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn optional_float(&mut self) -> Option<Option<f32>> {
        Some(if self.flag()? { Some(self.float()?) } else { None })
    }

    #[inline(never)]
    pub fn float(&mut self) -> Option<f32> {
        self.value()
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.value()
    }

    pub fn half(&mut self) -> Option<u16> {
        u16::try_from(self.word()?).ok()
    }

    #[inline(never)]
    pub fn word(&mut self) -> Option<u32> {
        self.value()
    }

    fn chunk<const LEN: usize>(&mut self) -> Option<&'m [u8; LEN]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(bytes)
    }

    /// Four bytes.
    pub fn fixed(&mut self) -> Option<[u8; 4]> {
        self.chunk().copied()
    }

    #[inline(never)]
    pub fn byte(&mut self) -> Option<u8> {
        self.value()
    }

    fn value<T: Deserialize<'m>>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(value)
    }
}
