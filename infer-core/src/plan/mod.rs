//! The stages of a model in the order they run: every dimension, length, number and place is checked here, once.
//!
//! [`chain`] and [`place`] are the exporter's side: they write what is checked.

mod placement;

pub use placement::{Places, chain, place};

use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Input, MAX_STAGES, Metadata, Ports, Shape, Tensor, Thresholds};
use crate::operators::{self, BRANCHES, Flow, OVERLAPS, Overlap, Stage, Step, positive};

/// A stage with its ports and the index of its last layer.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct NumberedStage<'m> {
    /// Index of the layer, counted from 0; of the pool, where a convolution and a pool are one stage.
    pub layer: u8,
    /// What it reads and where it works.
    pub ports: Ports,
    /// What to compute.
    pub stage: Stage<'m>,
}

/// Where a stage works.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct StagePlaces {
    /// Index of the stage, counted from 0.
    pub number: u8,
    /// Index of its last layer, counted from 0.
    pub layer: u8,
    /// What it reads and where it works.
    pub ports: Ports,
    /// Bytes of its output; of logits, four times their number.
    pub output_len: usize,
    /// Bytes of its scratch.
    pub scratch_len: usize,
}

/// A payload that was checked whole: whatever is in here can run.
///
/// It keeps no table of stages, which would be kilobytes of stack: [`stages`](Self::stages) decodes them from the file
/// again whenever they are needed, a few hundred instructions each.
#[derive(Clone, Debug)]
pub struct Plan<'m> {
    /// Where the model comes from and what its answers mean.
    pub metadata: Metadata<'m>,
    /// What goes in.
    pub input: Input,
    records: Reader<'m>,
    checked: Checked,
}

/// What the checks of a payload find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub input_len: u32,
    pub classes: u16,
    stage_count: u8,
    /// Where the last place ends, in bytes from the first word of the arena; the image does not count.
    end: u32,
    /// Where the image begins, if it is in the arena.
    pub image: u32,
    /// Where the words begin that a frame is scaled in.
    pub frame_memory: u32,
    /// Where both end.
    image_end: u32,
    pub operators: u32,
}

impl Checked {
    /// Checks a payload, and refuses operators that are not in `OPERATORS`. What [`check_branches`](Self::check_branches) checks is left.
    // Not inlined, nor is that: what one of them needs of the stack is free again for the other, and when a plan is made.
    #[inline(never)]
    pub(crate) fn new<const OPERATORS: u32>(payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let metadata = reader.metadata().ok_or(Error::Payload { left: payload.len() })?;
        let names = metadata.class_names().count();
        let left = reader.left();
        let input = reader.input().ok_or(Error::Payload { left })?;
        let left = reader.left();
        let place = reader.word().ok_or(Error::Payload { left })?;
        let left = reader.left();
        let count = reader.word().ok_or(Error::Payload { left })?;
        if count == 0 || count > MAX_STAGES as u32 {
            return Err(Error::StageCount { found: count });
        }
        if !matches!(input.shape.checked_len(), Some(1..=MOST_IMAGE)) {
            return Err(Error::Dimensions { layer: 0 });
        }
        positive(0, input.codes.scale)?;
        let image = Tensor { source: 0, shape: input.shape, zero_point: input.codes.zero_point, place };
        if place > MOST_PLACE {
            return Err(Error::Place { layer: 0 });
        }
        let (frame_memory, image_end) = frame_memory(&input, bytes_of(&image));
        let (records, stage_count) = (reader, count as u8);
        let mut stages = Stages::new(records, stage_count, false);
        let mut decoded = Decoded::NONE;
        let mut previous = image;
        let (mut end, mut operators) = (0, 0);
        let classes = loop {
            let step = stages.decode::<OPERATORS>(&mut decoded);
            let step = match &step {
                Ok(step) => step,
                Err(error) => return Err(*error),
            };
            let Ports { input, second, .. } = &decoded.ports;
            if const { OPERATORS & BRANCHES > 0 } && (second.is_some() || input.source != previous.source) {
                operators |= BRANCHES;
            } else if second.is_some() || *input != previous {
                return Err(Error::Input { layer: decoded.layer });
            }
            operators |= step.operator::<OPERATORS>();
            previous = decoded.output(stages.number);
            end = decoded.check_places::<OPERATORS>(step, &mut operators)?.max(end);
            if let Step::Logits(logits) = step {
                break logits.classes;
            }
        };
        if stages.number < stages.count {
            return Err(Error::LogitsLayer { layer: stages.layer });
        }
        let left = stages.reader.left();
        if left > 0 && left != Thresholds::len(classes) {
            return Err(Error::PayloadLeftOver { bytes: left });
        }
        if names != usize::from(classes) {
            return Err(Error::ClassNames { names, classes: classes.into() });
        }
        let input_len = input.shape.len() as u32;
        Ok(Self { input_len, classes, stage_count, end, image: place, frame_memory, image_end, operators })
    }

    /// Refuses inputs that are not the outputs of the stages that they name, or that were overwritten, in a payload whose stages can be
    /// decoded.
    #[inline(always)]
    pub(crate) fn check_branches<const OPERATORS: u32>(&self, payload: &[u8]) -> Result<(), Error> {
        if const { OPERATORS & BRANCHES > 0 } && self.operators & BRANCHES > 0 {
            check_branches::<OPERATORS>(payload)?;
        }
        Ok(())
    }

    /// Bytes of arena from its first word on: the end of the last place.
    pub(crate) const fn end(&self) -> usize {
        self.end as usize
    }

    /// The same, or the end of the image and of the memory for scaling frames if that is later.
    pub(crate) const fn end_with_image(&self) -> usize {
        if self.image_end > self.end { self.image_end as usize } else { self.end as usize }
    }

    /// As [`Plan::arena_len`].
    pub(crate) const fn arena_len(&self) -> usize {
        WORST_MISALIGNMENT + self.end as usize
    }

    /// As [`Plan::arena_with_image_len`].
    pub(crate) const fn arena_with_image_len(&self) -> usize {
        WORST_MISALIGNMENT + self.end_with_image()
    }
}

/// Where the memory for scaling frames begins: before the image where there is room, or else after it. Then, where the last of both
/// ends. What is there is overwritten when the network runs.
fn frame_memory(input: &Input, (image, image_end): Bytes) -> (u32, u32) {
    // An input has at most 2^30 values, and at most 2^16 of them in a row of three channels.
    let len = match input.shape.channels {
        1 | 3 => input.preprocessing.memory_words(input.shape) as u32 * 4,
        // It takes no frames.
        _ => 0,
    };
    if len <= image {
        return (0, image_end);
    }
    let place = image_end.next_multiple_of(4);
    (place, place + len)
}

impl<'m> Plan<'m> {
    /// Decodes and checks a payload.
    ///
    /// # Errors
    /// Every variant of [`Error`] that is about payload, layers, metadata.
    pub fn from_payload(payload: &'m [u8]) -> Result<Self, Error> {
        let checked = Checked::new::<{ operators::ALL }>(payload)?;
        checked.check_branches::<{ operators::ALL }>(payload)?;
        Self::of_checked(payload, &checked)
    }

    /// Decodes a payload that was checked.
    // Inlined, as a plan that is returned is two more plans on the stack.
    #[inline(always)]
    pub(crate) fn of_checked(payload: &'m [u8], checked: &Checked) -> Result<Self, Error> {
        // No error here: it was decoded before.
        let undecodable = Error::Payload { left: payload.len() };
        let mut reader = Reader::new(payload);
        let metadata = reader.metadata().ok_or(undecodable)?;
        let input = reader.input().ok_or(undecodable)?;
        let (Some(_place), Some(_count)) = (reader.word(), reader.word()) else { return Err(undecodable) };
        Ok(Self { metadata, input, records: reader, checked: *checked })
    }

    /// What runs, in order, before the logits. Those of a model that rounds twice end at once without the feature `twice-rounding`.
    #[must_use]
    pub fn stages(&self) -> Stages<'m> {
        Stages::new(self.records, self.checked.stage_count, true)
    }

    /// Where each stage works, the logits too.
    pub fn places(&self) -> impl Iterator<Item = StagePlaces> + use<'m> {
        let mut stages = self.stages();
        core::iter::from_fn(move || {
            let mut decoded = Decoded::NONE;
            // Past the last one there is no stage: an error, and the end.
            let scratch_len = stages.decode::<{ operators::ALL }>(&mut decoded).ok()?.scratch_bytes();
            let Decoded { layer, ports, output_len, .. } = decoded;
            Some(StagePlaces { number: stages.number - 1, layer, ports, output_len, scratch_len })
        })
    }

    /// Bytes that the inputs and the output of the stage with the most of them take. Logits and an image do not count.
    #[must_use]
    pub fn activations_len(&self) -> usize {
        let len = |stage: StagePlaces| {
            // The logits come last.
            let output = if stage.number + 1 == self.checked.stage_count { 0 } else { stage.output_len };
            let in_arena = stage.ports.inputs().filter(|read| read.source > 0);
            in_arena.fold(output, |sum, read| sum + read.shape.len())
        };
        self.places().map(len).max().unwrap_or_default()
    }

    /// Bytes of working memory of the stage that needs most.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        self.places().map(|stage| stage.scratch_len).max().unwrap_or_default()
    }

    /// The operators of the stages, a bit each: bit `n` is operator `n` of the [registry](crate::operators); with
    /// [`BRANCHES`] and [`OVERLAPS`].
    #[must_use]
    pub const fn operators(&self) -> u32 {
        self.checked.operators
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(&self) -> u16 {
        self.checked.classes
    }

    /// The classes' own thresholds: none where the file has no table of them. As [`stages`](Self::stages), all records are decoded.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds<'m> {
        let mut stages = self.stages();
        let mut decoded = Decoded::NONE;
        while matches!(stages.decode::<{ operators::ALL }>(&mut decoded), Ok(Step::Stage(_))) {}
        stages.thresholds()
    }

    /// Bytes of arena that an inference needs, at any address. The image stays where it is.
    #[must_use]
    pub const fn arena_len(&self) -> usize {
        self.checked.arena_len()
    }

    /// The places of the image and of the words that frames are scaled in, in bytes from the first word of the arena.
    pub(crate) const fn frame_places(&self) -> [u32; 2] {
        [self.checked.image, self.checked.frame_memory]
    }

    /// Bytes of arena that an inference needs, at any address, where a frame is scaled to the image's place in the arena.
    #[must_use]
    pub const fn arena_with_image_len(&self) -> usize {
        self.checked.arena_with_image_len()
    }

    /// Multiply-accumulates of one inference: of each layer its outputs times the weights that one output sums up. Padding
    /// counts, zeros that a kernel skips count too, pools and sums of two inputs do not. The trainer prints the same
    /// figure.
    ///
    /// It is computed from the file again with each call, in the time that a few hundred instructions a layer take.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.macs_of::<{ operators::ALL }>()
    }

    /// The same, of a plan that has no other `OPERATORS`.
    pub(crate) fn macs_of<const OPERATORS: u32>(&self) -> u64 {
        let mut reader = self.records;
        let mut macs = 0;
        for _ in 0..self.checked.stage_count {
            // There is one: `from_payload` decoded them all before.
            let mut ports = Ports::of(0);
            if reader.ports(&mut ports) {
                macs += operators::macs::<OPERATORS>(&mut reader, ports.input.shape).unwrap_or_default();
            }
        }
        macs
    }
}

const WORST_MISALIGNMENT: usize = align_of::<i32>() - 1;

/// The stages of a model, decoded from its file one after the other.
#[derive(Clone, Debug)]
pub struct Stages<'m> {
    /// The records that are not decoded yet.
    reader: Reader<'m>,
    /// The index of the first of them.
    number: u8,
    /// The index of its first layer.
    layer: u8,
    /// Stages to decode.
    count: u8,
    /// Whether all of them were decoded once before.
    checked: bool,
}

/// Where a stage works, and its output.
pub(crate) struct Decoded {
    /// Index of its last layer.
    pub layer: u8,
    pub ports: Ports,
    pub output: Flow,
    /// Bytes of the output; of logits, four times their number.
    pub output_len: usize,
}

/// The first byte of a place, and the byte after its last one.
type Bytes = (u32, u32);

impl Decoded {
    /// Before the first stage.
    pub(crate) const NONE: Self =
        Self { layer: 0, ports: Ports::of(0), output: Flow { shape: Shape::flat(0), zero_point: 0 }, output_len: 0 };

    /// Its output, for the stages that read it as `source`.
    fn output(&self, source: u8) -> Tensor {
        let Flow { shape, zero_point } = self.output;
        Tensor { source, shape, zero_point, place: self.ports.output }
    }

    /// Where its output and its scratch are.
    fn written(&self, step: &Step<'_>) -> [Bytes; 2] {
        let Ports { output, scratch, .. } = self.ports;
        [bytes_at(output, self.output_len), bytes_at(scratch, step.scratch_bytes())]
    }

    /// Refuses places that overlap and may not, or are not at a word where they have to be; the end of the last one. Sets
    /// the bit for [`OVERLAPS`] where the output overlaps an input as it may.
    #[inline(never)]
    fn check_places<const OPERATORS: u32>(&self, step: &Step<'_>, operators: &mut u32) -> Result<u32, Error> {
        let [output, scratch] = self.written(step);
        let mut fine = output.0 <= MOST_PLACE
            && scratch.0 <= MOST_PLACE
            && scratch.0.is_multiple_of(4)
            && (output.0.is_multiple_of(4) || !matches!(step, Step::Logits(_)))
            // One place for what is not there: at other ones, inside of others, it would seem to overlap.
            && (scratch.0 == 0 || scratch.0 < scratch.1)
            && !overlap(output, scratch);
        let mut overlapped = 0;
        for read in self.ports.inputs() {
            let input = bytes_of(read);
            fine &= !overlap(scratch, input);
            if overlap(output, input) {
                overlapped += 1;
                *operators |= OVERLAPS;
                fine &= const { OPERATORS & OVERLAPS > 0 }
                    && match step.overlap() {
                        Overlap::Apart => false,
                        Overlap::InPlace => output == input,
                        Overlap::Rows(rows) if output.0 > input.0 => {
                            input.0 as usize + rows.trail(read.shape, self.output.shape) <= output.0 as usize
                        }
                        Overlap::Rows(rows) => {
                            output.0 as usize + rows.lead(read.shape, self.output.shape) <= input.0 as usize
                        }
                    };
            }
        }
        if fine && overlapped < 2 { Ok(output.1.max(scratch.1)) } else { Err(Error::Place { layer: self.layer }) }
    }
}

/// The largest place that is accepted. Lengths are at most 2^30, so that every end fits 32 bits.
const MOST_PLACE: u32 = 1 << 30;

/// The longest image. Outputs are shorter: `countable` of the operators.
const MOST_IMAGE: u32 = 1 << 30;

/// What `len` bytes at a place take.
const fn bytes_at(place: u32, len: usize) -> Bytes {
    (place, place.wrapping_add(len as u32))
}

/// As [`bytes_at`].
const fn bytes_of(tensor: &Tensor) -> Bytes {
    bytes_at(tensor.place, tensor.shape.len())
}

/// Whether two places have a byte in common.
const fn overlap(a: Bytes, b: Bytes) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// As [`Checked::check_branches`].
///
/// For an input that is not the output of the stage right before, all stages before are decoded once more.
#[inline(never)]
fn check_branches<const OPERATORS: u32>(payload: &[u8]) -> Result<(), Error> {
    // No error here: it was decoded before.
    let undecodable = Error::Payload { left: payload.len() };
    let mut records = Reader::new(payload);
    let (Some(_), Some(input), Some(place)) = (records.metadata(), records.input(), records.word()) else {
        return Err(undecodable);
    };
    let count = records.word().ok_or(undecodable)? as u8;
    let image = Tensor { source: 0, shape: input.shape, zero_point: input.codes.zero_point, place };
    let mut reading = Stages::new(records, count, true);
    let mut decoded = Decoded::NONE;
    let mut previous = image;
    while reading.number < count {
        reading.decode::<OPERATORS>(&mut decoded).map(|_| ())?;
        for read in decoded.ports.inputs().filter(|read| **read != previous) {
            let mut written = if read.source == 0 { Some(image) } else { None };
            let mut stages = Stages::new(records, count, true);
            let mut earlier = Decoded::NONE;
            while stages.number + 1 < reading.number {
                let step = stages.decode::<OPERATORS>(&mut earlier);
                let step = match &step {
                    Ok(step) => step,
                    Err(error) => return Err(*error),
                };
                if let Some(place) = written.as_ref().map(bytes_of)
                    && earlier.written(step).iter().any(|&there| overlap(there, place))
                {
                    return Err(Error::Overwritten { layer: decoded.layer });
                }
                if stages.number == read.source {
                    written = Some(earlier.output(read.source));
                }
            }
            if written.as_ref() != Some(read) {
                return Err(Error::Input { layer: decoded.layer });
            }
        }
        previous = decoded.output(reading.number);
    }
    Ok(())
}

impl<'m> Stages<'m> {
    const fn new(reader: Reader<'m>, count: u8, checked: bool) -> Self {
        Self { reader, number: 0, layer: 0, count, checked }
    }

    /// What comes after the last stage.
    pub(crate) const fn thresholds(&self) -> Thresholds<'m> {
        Thresholds::new(self.reader.rest())
    }

    /// The next stage, the logits at last; or whatever is wrong with their layers, if they were not checked before.
    #[inline(always)]
    pub(crate) fn decode<const OPERATORS: u32>(&mut self, decoded: &mut Decoded) -> Result<Step<'m>, Error> {
        let step = self.read::<OPERATORS>(decoded);
        if let Ok(step) = &step {
            decoded.output_len = step.output_len();
            decoded.layer = self.layer.wrapping_add(step.layers() - 1);
            // At most 255 layers: two in each of 127 stages, and the logits.
            self.layer = decoded.layer.wrapping_add(1);
        }
        step
    }

    // Not inlined: all operators' decoding and checking is in it, for loading and for running.
    #[inline(never)]
    fn read<const OPERATORS: u32>(&mut self, decoded: &mut Decoded) -> Result<Step<'m>, Error> {
        if self.number >= self.count {
            return Err(Error::LogitsLayer { layer: self.layer.saturating_sub(1) });
        }
        self.number += 1;
        let left = self.reader.left();
        if !self.reader.ports(&mut decoded.ports) {
            return Err(Error::Payload { left });
        }
        decoded.layer = self.layer;
        Step::read::<OPERATORS>(&mut self.reader, self.layer, &decoded.ports, &mut decoded.output, self.checked)
    }
}

/// Ends before the logits. A plan's stages decode without an error: each of them did before.
impl<'m> Iterator for Stages<'m> {
    type Item = NumberedStage<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut decoded = Decoded::NONE;
        match self.decode::<{ operators::ALL }>(&mut decoded) {
            Ok(Step::Stage(stage)) => Some(NumberedStage { layer: decoded.layer, ports: decoded.ports, stage }),
            Ok(Step::Logits(_)) | Err(_) => None,
        }
    }
}
