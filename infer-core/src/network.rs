//! A model that runs.

use core::ops::Range;

use crate::camera::Frame;
use crate::format::{Input, Metadata, Ports, Tensor};
use crate::header::Header;
use crate::kernels::ChosenKernels;
use crate::operators::{self, BRANCHES, OVERLAPS, Overlap, Rows, Step};
use crate::plan::{Checked, Decoded, Plan};
use crate::{Error, Output};

/// A checked model, its weights still in the file, and the memory it works in.
///
/// ```
/// use infer_core::{Network, arena_len, include_model, input_len};
/// # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
///
/// static MODEL: &[u8] = include_model!("model.bin");
/// let mut arena = [0; arena_len(MODEL)];
/// let mut network = Network::new(MODEL, &mut arena)?;
/// let pixels = [0; input_len(MODEL)];
/// let output = network.classify(&pixels)?;
/// assert!(output.class() < output.logits().len());
/// # Ok::<(), infer_core::Error>(())
/// ```
///
/// A program that runs one model, known when it is compiled, has no use for the operators of others and links none of them
/// this way:
///
/// ```
/// # use infer_core::{arena_len, operators_of};
/// # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
/// type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;
///
/// static MODEL: &[u8] = include_model!("model.bin");
/// let mut arena = [0; arena_len(MODEL)];
/// let network = Network::with_operators(MODEL, &mut arena)?;
/// # Ok::<(), infer_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Network<'m, 'a, const OPERATORS: u32 = { operators::ALL }> {
    plan: Plan<'m>,
    /// From its first word on, to the end of the last place; of the image's too, if there are as many bytes.
    arena: &'a mut [u8],
    /// Bytes given, for messages.
    given: usize,
    /// The least probability of an answer, as the header has it.
    threshold: f32,
}

impl<'m, 'a> Network<'m, 'a> {
    /// As [`with_operators`](Network::with_operators), for a model of any of them; of one whose layers round twice with the feature
    /// `twice-rounding` alone.
    ///
    /// # Errors
    /// As [`with_operators`](Network::with_operators); [`Error::OperatorsLeftOut`] only of a model that rounds twice.
    pub fn new(model: &'m [u8], arena: &'a mut [u8]) -> Result<Self, Error> {
        Self::with_operators(model, arena)
    }
}

impl<'m, 'a, const OPERATORS: u32> Network<'m, 'a, OPERATORS> {
    /// Checks `model` whole and lays out `arena`. Nothing is copied.
    ///
    /// `model` may be at any address and be followed by other bytes. `arena` needs
    /// [`arena_len`](crate::arena_len) bytes, at any address. Only the operators whose bits are in `OPERATORS` are linked;
    /// [`operators_of`](crate::operators_of) gives the bits of a model.
    ///
    /// # Errors
    /// Every variant of [`Error`] but [`Error::InputLength`]. What loads here can run: after this nothing about the
    /// model can fail.
    // Not inlined, nor is `classify_traced`: or else what loading needs would stay on the stack while classifying.
    #[inline(never)]
    pub fn with_operators(model: &'m [u8], arena: &'a mut [u8]) -> Result<Self, Error> {
        // One after the other, so that what one takes of the stack is free again for the next.
        let payload = Header::checked_payload(model, OPERATORS)?;
        let checked = Checked::new::<OPERATORS>(payload)?;
        checked.check_branches::<OPERATORS>(payload)?;
        let threshold = Header::check_claims(model, &checked)?;
        Self::of_checked(payload, &checked, threshold, arena)
    }

    #[inline(never)]
    fn of_checked(payload: &'m [u8], checked: &Checked, threshold: f32, arena: &'a mut [u8]) -> Result<Self, Error> {
        let too_small = Error::ArenaTooSmall { needed: checked.arena_len(), given: arena.len() };
        if arena.len() < checked.arena_len() {
            return Err(too_small);
        }
        let given = arena.len();
        let misaligned = arena.as_ptr().align_offset(align_of::<i32>());
        let end = if given < checked.arena_with_image_len() { checked.end() } else { checked.end_with_image() };
        let arena = arena.get_mut(misaligned..misaligned + end).ok_or(too_small)?;
        Ok(Self { plan: Plan::of_checked(payload, checked)?, arena, given, threshold })
    }

    /// Classifies one image: `pixels` are codes `[height, width, channels]`, raw camera bytes for a model trained on
    /// them.
    ///
    /// # Errors
    /// [`Error::InputLength`] where `pixels` has another length than the input shape needs.
    pub fn classify(&mut self, pixels: &[u8]) -> Result<Output<'_>, Error> {
        self.classify_traced(pixels, |_, _| {})
    }

    /// As [`classify`](Self::classify), and shows `trace` the output of each layer: the index of the layer in the file
    /// and its codes. A convolution that is fused with the pool after it is shown as that pool. The logits are not shown.
    ///
    /// # Errors
    /// [`Error::InputLength`] where `pixels` has another length than the input shape needs.
    pub fn classify_traced(&mut self, pixels: &[u8], trace: impl FnMut(u8, &[u8])) -> Result<Output<'_>, Error> {
        let needed = self.plan.input.shape.len();
        if pixels.len() != needed {
            return Err(Error::InputLength { needed, given: pixels.len() });
        }
        self.run(Some(pixels), trace)
    }

    /// Classifies a frame of a camera: scales it to the input as the model's [preprocessing](crate::camera::Preprocessing) says, in
    /// the arena, and runs the network on that.
    ///
    /// The arena needs [`arena_with_image_len`](crate::arena_with_image_len) bytes for this.
    ///
    /// ```no_run
    /// use infer_core::camera::{Format, Frame};
    /// use infer_core::{Network, arena_with_image_len, include_model};
    /// # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
    ///
    /// static MODEL: &[u8] = include_model!("model.bin");
    /// let mut arena = [0; arena_with_image_len(MODEL)];
    /// let mut network = Network::new(MODEL, &mut arena)?;
    /// let buffer = [0; 160 * 120 * 2]; // what the driver of the camera filled
    /// let frame = Frame::new(Format::Rgb565Be, 160, 120, &buffer)?;
    /// let class = network.classify_frame(&frame)?.class();
    /// # Ok::<(), infer_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ArenaTooSmall`]; [`Error::InputChannels`] where the model's input is no image, [`Error::FrameShape`] where the model
    /// takes frames of its own size only.
    pub fn classify_frame(&mut self, frame: &Frame<'_>) -> Result<Output<'_>, Error> {
        self.scale_frame(frame)?;
        self.run(None, |_, _| {})
    }

    /// Scales a frame to the image's place in the arena, and returns it: what [`classify_frame`](Self::classify_frame) runs on.
    ///
    /// # Errors
    /// As [`classify_frame`](Self::classify_frame).
    #[inline(never)]
    pub fn scale_frame(&mut self, frame: &Frame<'_>) -> Result<&[u8], Error> {
        let Input { shape, preprocessing, .. } = &self.plan.input;
        let [image, memory] = self.plan.frame_places();
        let words = match shape.channels {
            1 | 3 => preprocessing.memory_words(*shape),
            // Refused below.
            _ => 0,
        };
        let places = [at(image, shape.len()), at(memory, words.wrapping_mul(size_of::<u32>()))];
        let too_small = Error::ArenaTooSmall { needed: self.plan.arena_with_image_len(), given: self.given };
        let Ok([pixels, memory]) = self.arena.get_disjoint_mut(places) else { return Err(too_small) };
        let Ok(memory) = bytemuck::try_cast_slice_mut(memory) else { return Err(too_small) };
        frame.to_input(preprocessing, *shape, memory, pixels)?;
        Ok(pixels)
    }

    /// Runs on an image, or on the one in the arena.
    #[inline(never)]
    fn run(&mut self, pixels: Option<&[u8]>, mut trace: impl FnMut(u8, &[u8])) -> Result<Output<'_>, Error> {
        let mut stages = self.plan.stages();
        let mut decoded = Decoded::NONE;
        let scale = 'stages: loop {
            let mut step = stages.decode::<OPERATORS>(&mut decoded);
            let mut number = 0;
            // The kernels are called in one place, because parts of them are inlined here.
            loop {
                // No error here: `new` decoded them all before.
                // By reference, and without `?`: a copy would take as much stack again.
                let step = match &mut step {
                    Ok(step) => step,
                    Err(error) => return Err(*error),
                };
                let Some(regions) = Regions::of_call::<OPERATORS>(number, step, pixels, self.arena, &decoded) else {
                    break;
                };
                let Regions { input, second, output, scratch } = regions;
                match step {
                    Step::Stage(stage) => {
                        stage.call_of::<ChosenKernels, OPERATORS>(input, second, scratch, output);
                    }
                    Step::Logits(last) => {
                        let Ok(logits) = bytemuck::try_cast_slice_mut(output) else { break };
                        last.call::<ChosenKernels, OPERATORS>(input, scratch, logits);
                        break 'stages last.scale;
                    }
                }
                number += 1;
            }
            // Nor here: `new` checked all places.
            let codes = self.arena.get(at(decoded.ports.output, decoded.output_len)).filter(|_| number > 0);
            let Some(codes) = codes else { return Err(Error::Place { layer: decoded.layer }) };
            trace(decoded.layer, codes);
        };
        // Borrowed once more: what is borrowed in a loop and returned would be borrowed in all of it.
        let logits = self.arena.get(at(decoded.ports.output, decoded.output_len));
        match logits.map(bytemuck::try_cast_slice) {
            Some(Ok(logits)) => Ok(Output::new(logits, scale, self.threshold, stages.thresholds())),
            Some(Err(_)) | None => Err(Error::Place { layer: decoded.layer }),
        }
    }

    /// Where the model comes from and what its answers mean. It borrows the model's bytes and not the network, so that it
    /// can be kept while the network classifies.
    #[must_use]
    pub const fn metadata(&self) -> Metadata<'m> {
        self.plan.metadata
    }

    /// The shape of an input and what its codes mean.
    #[must_use]
    pub const fn input(&self) -> Input {
        self.plan.input
    }

    /// Multiply-accumulates of one inference, for a program that takes models it does not know: what is too much work can
    /// be refused before [`classify`](Self::classify). As [`Plan::macs`].
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.plan.macs_of::<OPERATORS>()
    }

    /// What was made of the model's layers.
    #[must_use]
    pub const fn plan(&self) -> &Plan<'m> {
        &self.plan
    }
}

/// The slices of a kernel call. They do not overlap.
struct Regions<'i, 'r> {
    input: &'i [u8],
    /// Empty where there is none.
    second: &'i [u8],
    output: &'r mut [u8],
    scratch: &'r mut [u32],
}

impl<'i, 'r: 'i> Regions<'i, 'r> {
    /// At places of two inputs, output and scratch; `None` where a byte is in two of them.
    #[inline(never)]
    fn of(pixels: Option<&'i [u8]>, arena: &'r mut [u8], ports: &Ports, places: [Range<usize>; 4]) -> Option<Self> {
        let [input, second, output, scratch] = arena.get_disjoint_mut(places).ok()?;
        let mut regions = Self { input, second, output, scratch: bytemuck::try_cast_slice_mut(scratch).ok()? };
        if let Some(pixels) = pixels {
            if ports.input.source == 0 {
                regions.input = pixels;
            }
            if ports.second.as_ref().is_some_and(|second| second.source == 0) {
                regions.second = pixels;
            }
        }
        Some(regions)
    }

    /// The slices of the kernel call `number` of a stage, counted from 0; `None` after the last one. A stage whose output overlaps
    /// an input, in a way that loading found to be allowed, has several calls, and is set to compute the part of this one.
    #[inline(never)]
    fn of_call<const OPERATORS: u32>(
        number: usize,
        step: &mut Step<'_>,
        pixels: Option<&'i [u8]>,
        arena: &'r mut [u8],
        decoded: &Decoded,
    ) -> Option<Self> {
        if const { OPERATORS & OVERLAPS == 0 } && number > 0 {
            return None;
        }
        let Decoded { ports, output, output_len, .. } = decoded;
        let written = at(ports.output, *output_len);
        let in_arena = |tensor: &Tensor| in_arena(tensor, pixels);
        let first = in_arena(&ports.input);
        let is_chain = const { OPERATORS & BRANCHES == 0 };
        let second = ports.second.as_ref().filter(|_| !is_chain).map_or(0..0, in_arena);
        let is_over = |read: &Range<usize>| read.start < written.end && written.start < read.end;
        let mut places = [first, second, written.clone(), at(ports.scratch, step.scratch_bytes())];
        let [first, second, ..] = &mut places;
        if const { OPERATORS & (OVERLAPS | BRANCHES) == 0 } {
            let [input, _, output, scratch] = places;
            let [input, output, scratch] = arena.get_disjoint_mut([input, output, scratch]).ok()?;
            let scratch = bytemuck::try_cast_slice_mut(scratch).ok()?;
            let input = pixels.filter(|_| ports.input.source == 0).unwrap_or(input);
            return Some(Self { input, second: &[], output, scratch });
        }
        if const { OPERATORS & OVERLAPS == 0 } || (!is_over(first) && !is_over(second)) {
            return if number == 0 { Self::of(pixels, arena, ports, places) } else { None };
        }
        let Step::Stage(stage) = step else { return None };
        match stage.overlap() {
            Overlap::Apart => None,
            Overlap::InPlace if number > 0 || is_chain => None,
            Overlap::InPlace => {
                // The input under the output is not passed on; the kernel gets the other one as its input.
                let first_is_there = is_over(first);
                if !first_is_there {
                    stage.swap_inputs();
                    core::mem::swap(first, second);
                }
                *first = 0..0;
                let Regions { input, second, output, scratch } = Self::of(pixels, arena, ports, places)?;
                let other = if first_is_there {
                    second
                } else if ports.input.source == 0 && pixels.is_some() {
                    input
                } else {
                    second
                };
                Some(Self { input: other, second: &[], output, scratch })
            }
            Overlap::Rows(rows) => {
                // An output after its input is computed from its last row on.
                let number = if ports.output > ports.input.place {
                    Rows::bands(output.shape).checked_sub(number + 1)?
                } else {
                    number
                };
                let band = rows.band(number, ports.input.shape, output.shape)?;
                stage.set_rows(&band);
                let [input, _, output, _] = &mut places;
                *input = input.start.wrapping_add(band.input.start)..input.start.wrapping_add(band.input.end);
                *output = output.start.wrapping_add(band.output.start)..output.start.wrapping_add(band.output.end);
                Self::of(pixels, arena, ports, places)
            }
        }
    }
}

/// The bytes at a place.
fn at(place: u32, len: usize) -> Range<usize> {
    place as usize..(place as usize).wrapping_add(len)
}

/// The bytes of an input, none for an image that is elsewhere.
fn in_arena(tensor: &Tensor, pixels: Option<&[u8]>) -> Range<usize> {
    if tensor.source == 0 && pixels.is_some() { 0..0 } else { at(tensor.place, tensor.shape.len()) }
}
