//! A small model in parts, to be broken in one place, and written without asking infer-core first.

use infer_core::Shape;
use infer_core::format::{Blob, Codes, Input, Requantize, Window};
use infer_core::header::Header;
use infer_core::operators::{Conv2d, Dense, Layer, Logits, StageRecord};
use infer_core::plan::{Places, Plan, chain, place};
use thimble_tests::random_model::metadata;

/// A model of one convolution, one dense layer and the logits, to be broken in one place.
pub(crate) struct Parts {
    pub(crate) input: Input,
    pub(crate) conv: Conv2d<'static>,
    pub(crate) dense: Dense<'static>,
    pub(crate) logits: Logits<'static>,
    pub(crate) classes: &'static str,
}

pub(crate) const CODES: Codes = Codes { scale: 0.5, zero_point: 0 };
/// Bias 0 and multiplier 1, for up to four channels.
pub(crate) const CHANNELS: &[u8] =
    &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
pub(crate) const ZEROS: &[u8] = &[0; 4096];

impl Parts {
    pub(crate) fn new() -> Self {
        let requantize = |channels: usize| Requantize {
            codes: CODES,
            relu: true,
            shift: 0,
            channels: Blob::unpadded(&CHANNELS[..8 * channels]),
        };
        Self {
            input: Input::new(Shape { height: 4, width: 4, channels: 1 }, CODES),
            conv: Conv2d {
                output_channels: 2,
                window: Window::square(3, 1),
                pool: false,
                requantize: requantize(2),
                layout: 0,
                weights: Blob::unpadded(&ZEROS[..20]),
            },
            dense: Dense { outputs: 4, requantize: requantize(4), layout: 0, weights: Blob::unpadded(&ZEROS[..32]) },
            logits: Logits {
                classes: 2,
                scale: 0.1,
                biases: Blob::unpadded(&ZEROS[..8]),
                layout: 0,
                weights: Blob::unpadded(&ZEROS[..8]),
            },
            classes: "a\nb",
        }
    }

    pub(crate) fn layers(&self) -> Vec<Layer<'static>> {
        vec![Layer::Conv2d(self.conv), Layer::Dense(self.dense), Layer::Logits(self.logits)]
    }

    /// Written without asking infer-core first.
    pub(crate) fn file(&self, layers: &[Layer<'_>]) -> Vec<u8> {
        let (image_place, stages) = self.stages(layers, Places::Apart);
        self.file_of(image_place, &stages)
    }

    pub(crate) fn stages<'m>(&self, layers: &[Layer<'m>], places: Places) -> (u32, Vec<StageRecord<'m>>) {
        let mut stages: Vec<_> = chain(layers.iter().copied()).collect();
        (place(&self.input, &mut stages, places), stages)
    }

    pub(crate) fn file_of(&self, image_place: u32, stages: &[StageRecord<'_>]) -> Vec<u8> {
        let mut payload = postcard::to_allocvec(&metadata(self.classes)).unwrap();
        payload = postcard::to_extend(&self.input, payload).unwrap();
        payload = postcard::to_extend(&image_place, payload).unwrap();
        payload = postcard::to_extend(&(stages.len() as u32), payload).unwrap();
        for stage in stages {
            payload = postcard::to_extend(stage, payload).unwrap();
        }
        with_payload(&payload)
    }

    /// The bytes of each stage in the payload.
    pub(crate) fn stage_lens(&self) -> Vec<usize> {
        let (_, stages) = self.stages(&self.layers(), Places::Apart);
        stages.iter().map(|stage| postcard::to_allocvec(stage).unwrap().len()).collect()
    }
}

/// After a header that is true of it, as far as that can be.
pub(crate) fn with_payload(payload: &[u8]) -> Vec<u8> {
    let claims = Header { payload_len: payload.len() as u32, ..Header::NEUTRAL };
    let claims = Plan::from_payload(payload).map_or(claims, |plan| Header::of(payload, &plan));
    [&claims.with_checksum_of(payload).to_bytes()[..], payload].concat()
}
