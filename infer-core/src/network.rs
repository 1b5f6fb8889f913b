//! A model that runs.

use crate::format::{Input, Metadata};
use crate::header::Header;
use crate::kernels::{ChosenKernels, Kernels};
use crate::plan::{Next, NumberedStage, Plan};
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
#[derive(Debug)]
pub struct Network<'m, 'a> {
    plan: Plan<'m>,
    logits: &'a mut [i32],
    scratch: &'a mut [u32],
    activations: &'a mut [u8],
}

impl<'m, 'a> Network<'m, 'a> {
    /// Checks `model` whole and lays out `arena`. Nothing is copied.
    ///
    /// `model` may be at any address and be followed by other bytes. `arena` needs
    /// [`arena_len`](crate::arena_len) bytes, at any address.
    ///
    /// # Errors
    /// Every variant of [`Error`] but [`Error::InputLength`]. What loads here can run: after this nothing about the
    /// model can fail.
    // Not inlined, nor is `classify_traced`: or else what loading needs would stay on the stack while classifying.
    #[inline(never)]
    pub fn new(model: &'m [u8], arena: &'a mut [u8]) -> Result<Self, Error> {
        let header = Header::parse(model)?;
        let plan = Plan::from_payload(header.checked_payload(model)?)?;
        let claims = [
            (16, header.arena_len, plan.arena_len()),
            (20, header.input_len, plan.input.shape.len()),
            (24, header.classes, usize::from(plan.classes)),
        ];
        for (offset, stated, actual) in claims {
            if stated as usize != actual {
                return Err(Error::HeaderClaim { offset, stated, actual: actual as u32 });
            }
        }
        let too_small = Error::ArenaTooSmall { needed: plan.arena_len(), given: arena.len() };
        if arena.len() < plan.arena_len() {
            return Err(too_small);
        }
        let misaligned = arena.as_ptr().align_offset(align_of::<i32>());
        let (_, aligned) = arena.split_at_mut_checked(misaligned).ok_or(too_small)?;
        let (logits, rest) = split_words(aligned, plan.classes.into()).ok_or(too_small)?;
        let (scratch, rest) = split_words(rest, plan.scratch_len()).ok_or(too_small)?;
        let activations = rest.get_mut(..plan.activations_len()).ok_or(too_small)?;
        Ok(Self { plan, logits, scratch, activations })
    }

    /// Classifies one image: `pixels` are codes `[height, width, channels]`, raw camera bytes for a model trained on
    /// them.
    ///
    /// # Errors
    /// [`Error::InputLength`] where `pixels` has another length than the input shape needs.
    pub fn classify(&mut self, pixels: &[u8]) -> Result<Output<'_>, Error> {
        self.classify_traced(pixels, |_, _| {})
    }

    /// As [`classify`](Self::classify), and shows `trace` what each layer put out: the index of the layer in the file
    /// and its codes. A convolution that is fused with the pool after it is shown as that pool.
    ///
    /// # Errors
    /// [`Error::InputLength`] where `pixels` has another length than the input shape needs.
    #[inline(never)]
    pub fn classify_traced(&mut self, pixels: &[u8], mut trace: impl FnMut(u8, &[u8])) -> Result<Output<'_>, Error> {
        let needed = self.plan.input.shape.len();
        if pixels.len() != needed {
            return Err(Error::InputLength { needed, given: pixels.len() });
        }
        // Neighbors in the chain are at opposite ends of the activations, so that both fit without a copy.
        let mut previous: Option<(End, usize)> = None;
        let mut stages = self.plan.stages();
        let last = loop {
            // No error here: `new` decoded them all before.
            // By reference, and without `?`: a copy would take as much stack again.
            let step = stages.decode();
            let NumberedStage { layer, stage } = match &step {
                Ok(Next::Stage(stage)) => stage,
                Ok(Next::Logits(last)) => break *last,
                Err(error) => return Err(*error),
            };
            let (input, output) = match previous {
                None => (pixels, front(self.activations, stage.output_len())),
                Some((End::Front, len)) => {
                    let (input, rest) = self.activations.split_at_mut(len.min(self.activations.len()));
                    (&*input, back(rest, stage.output_len()))
                }
                Some((End::Back, len)) => {
                    let (rest, input) = self.activations.split_at_mut(self.activations.len().saturating_sub(len));
                    (&*input, front(rest, stage.output_len()))
                }
            };
            stage.call::<ChosenKernels>(input, self.scratch, output);
            trace(*layer, output);
            let end = if matches!(previous, Some((End::Front, _))) { End::Back } else { End::Front };
            previous = Some((end, stage.output_len()));
        };
        let features = match previous {
            None => pixels,
            Some((End::Front, len)) => front(self.activations, len),
            Some((End::Back, len)) => back(self.activations, len),
        };
        ChosenKernels::logits(features, &last, self.scratch, self.logits);
        Ok(Output::new(self.logits, last.scale))
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
        self.plan.macs()
    }

    /// What was made of the model's layers.
    #[must_use]
    pub const fn plan(&self) -> &Plan<'m> {
        &self.plan
    }
}

/// The first `count` words of bytes that begin at a word, and the bytes after them.
fn split_words<W: bytemuck::AnyBitPattern + bytemuck::NoUninit>(
    bytes: &mut [u8],
    count: usize,
) -> Option<(&mut [W], &mut [u8])> {
    let (words, rest) = bytes.split_at_mut_checked(count * size_of::<W>())?;
    Some((bytemuck::try_cast_slice_mut(words).ok()?, rest))
}

/// Where in the activations the last output is.
#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

/// The first `len` bytes. The plan sized the activations, so the `min` never bites; it spares a panic path.
fn front(bytes: &mut [u8], len: usize) -> &mut [u8] {
    let end = len.min(bytes.len());
    bytes.split_at_mut(end).0
}

/// The last `len` bytes; as [`front`].
fn back(bytes: &mut [u8], len: usize) -> &mut [u8] {
    let start = bytes.len().saturating_sub(len);
    bytes.split_at_mut(start).1
}
