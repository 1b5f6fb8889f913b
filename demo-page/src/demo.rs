//! A model and what it works in.

use infer_core::camera::{Format, Frame, Preprocessing, Resize};
use infer_core::{Crc32, Error, Network};

use crate::memory::take;

/// Why nothing comes of it: the browser gives no more memory, or infer-core refuses the model or the image.
pub struct Failure;

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self
    }
}

/// A model that runs.
pub struct Demo {
    network: Network<'static, 'static>,
    /// How an image becomes an input.
    preprocessing: Preprocessing,
    /// What it is scaled in.
    scaling: &'static mut [u32],
    /// The bytes of an input, `[height, width, channels]`.
    pub input: &'static mut [u8],
    /// Of the last answer.
    pub logits: &'static mut [i32],
    /// Of the last answer.
    pub probabilities: &'static mut [f32],
    /// The outputs of the layers, one after the other, of the last answer that was traced.
    pub codes: &'static mut [u8],
    /// The probability that the last answer had to reach.
    pub threshold: f32,
}

/// Memory for so many values, all zero.
fn zeros<T: bytemuck::Pod>(len: usize) -> Result<&'static mut [T], Failure> {
    let bytes = len.checked_mul(size_of::<T>()).and_then(take).ok_or(Failure)?;
    bytemuck::try_cast_slice_mut(bytes).map_err(|_| Failure)
}

impl Demo {
    /// Checks a model whole, and takes the memory that it needs.
    pub fn load(model: &'static [u8]) -> Result<Self, Failure> {
        let needed = match Network::new(model, &mut []) {
            Err(Error::ArenaTooSmall { needed, .. }) => needed,
            Err(_) => return Err(Failure),
            Ok(_) => 0,
        };
        let network = Network::new(model, zeros(needed)?)?;
        let input = network.input();
        // Images are upright, however the camera of the chip is mounted.
        let Preprocessing { resize, background, .. } = input.preprocessing;
        let preprocessing = Preprocessing { resize, background, ..Preprocessing::AS_IT_IS };
        let classes = network.plan().classes().into();
        let codes = network.plan().places().map(|stage| stage.output_len).sum();
        Ok(Self {
            scaling: zeros(preprocessing.memory_words(input.shape))?,
            input: zeros(input.shape.len())?,
            logits: zeros(classes)?,
            probabilities: zeros(classes)?,
            codes: zeros(codes)?,
            network,
            preprocessing,
            threshold: 0.0,
        })
    }

    /// Makes an input of an image, `[height, width]` pixels of red, green, blue and one more byte, as a canvas gives them. `resize` is for a
    /// model that takes images of its own size only.
    pub fn scale(
        &mut self,
        image: &mut [u8],
        [width, height]: [u16; 2],
        resize: Resize,
        is_inverted: bool,
    ) -> Result<(), Failure> {
        let mut to = 0;
        for from in (0..image.len()).step_by(4) {
            // Each pixel goes to its own place, or to one before it.
            image.copy_within(from..from + 3, to);
            to += 3;
        }
        if is_inverted {
            image.iter_mut().for_each(|value| *value = !*value);
        }
        let frame = Frame::new(Format::Rgb888, width, height, image)?;
        let own = self.preprocessing;
        let resize = if own.resize == Resize::None { resize } else { own.resize };
        let shape = self.network.input().shape;
        Ok(frame.to_input(&Preprocessing { resize, ..own }, shape, self.scaling, self.input)?)
    }

    /// Classifies the input, and keeps the output of each layer. Returns the class; `None` means "none of these".
    pub fn classify(&mut self) -> Result<Option<usize>, Failure> {
        let Self { network, input, codes, logits, probabilities, threshold, .. } = self;
        let mut end = 0;
        let output = network.classify_traced(input, |_, put_out| {
            if let Some(place) = codes.get_mut(end..end + put_out.len()) {
                place.copy_from_slice(put_out);
            }
            end += put_out.len();
        })?;
        logits.copy_from_slice(output.logits());
        output.probabilities(probabilities);
        *threshold = output.threshold(output.class());
        Ok(output.decide())
    }

    /// Classifies the input so many times, to be timed.
    pub fn repeat(&mut self, times: u32) -> Result<(), Failure> {
        for _ in 0..times {
            core::hint::black_box(self.network.classify(core::hint::black_box(self.input))?.logits());
        }
        Ok(())
    }

    /// CRC-32 of the logits of inputs that follow each other, in little-endian bytes.
    pub fn checksum(&mut self, inputs: &[u8]) -> Result<u32, Failure> {
        let len = self.input.len();
        let mut crc = Crc32::new();
        for input in inputs.chunks_exact(len) {
            crc =
                self.network.classify(input)?.logits().iter().fold(crc, |crc, logit| crc.update(&logit.to_le_bytes()));
        }
        Ok(crc.finish())
    }
}
