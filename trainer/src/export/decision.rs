//! How sure an answer has to be: the temperature and the thresholds of a model file.

use infer_core::format::{Input, Metadata, Thresholds};
use infer_core::header::{HEADER_LEN, Header};
use infer_core::operators::{Layer, StageRecord};
use serde::{Deserialize, Serialize};

use super::model_file::ModelFileError;

/// Temperature and thresholds, as `run.json` has them and a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What the scale of the logits is divided by; 1 changes nothing.
    pub temperature: f32,
    /// The least probability of an answer, 0 to 1; with 0 every answer is given.
    pub threshold: f32,
    /// The same for each class, where that is higher; of no classes, or of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_thresholds: Vec<f32>,
}

impl Default for Decision {
    fn default() -> Self {
        Self { temperature: 1.0, threshold: 0.0, class_thresholds: Vec::new() }
    }
}

/// Steps of 2^-16 that a class's own threshold is written in.
const STEPS: f32 = 65536.0;

impl Decision {
    /// The decision of a model file.
    ///
    /// # Errors
    /// Where infer-core refuses it.
    pub fn of_file(file: &[u8]) -> Result<Self, infer_core::Error> {
        let Header { temperature, threshold, payload_len, classes, .. } = Header::parse(file)?;
        let end = HEADER_LEN.saturating_add(payload_len as usize);
        let truncated = infer_core::Error::Truncated { needed: end, given: file.len() };
        let payload = file.get(HEADER_LEN..end).ok_or(truncated)?;
        let own = infer_core::plan::Plan::from_payload(payload)?.thresholds();
        let own = |class| own.of(class as usize);
        let class_thresholds: Vec<f32> = (0..classes).map(own).collect();
        let is_of_all = class_thresholds.iter().all(|&threshold| threshold == 0.0);
        Ok(Self { temperature, threshold, class_thresholds: if is_of_all { Vec::new() } else { class_thresholds } })
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        *self == Self::default()
    }

    /// A model file that decides so: `file` with the scale of its logits divided by the temperature, and with these thresholds in place
    /// of its own. Logits are the same integers; the header has the product of all temperatures that the scale was divided by.
    ///
    /// # Errors
    /// [`ModelFileError::Refused`] where infer-core refuses `file`, or a number here that is out of its range.
    pub fn apply(&self, file: &[u8]) -> Result<Vec<u8>, ModelFileError> {
        if self.is_neutral() && Self::of_file(file).map_err(ModelFileError::Refused)?.is_neutral() {
            return Ok(file.to_vec());
        }
        let header = Header::parse(file).map_err(ModelFileError::Refused)?;
        let payload = file.get(HEADER_LEN..).and_then(|payload| payload.get(..header.payload_len as usize));
        let payload = payload.unwrap_or_default();
        let mut rest = after::<u32>(after::<u32>(after::<Input>(after::<Metadata<'_>>(payload)?)?)?)?;
        let (mut last, mut logits) = (rest, None);
        while logits.is_none() {
            let (stage, behind) = postcard::take_from_bytes::<StageRecord<'_>>(rest)?;
            (last, rest) = (rest, behind);
            if let StageRecord { ports, layer: Layer::Logits(layer) } = stage {
                logits = Some((ports, layer));
            }
        }
        let mut changed = payload[..payload.len() - last.len()].to_vec();
        if let Some((ports, mut layer)) = logits {
            layer.scale /= self.temperature;
            // As long as it was, so that everything stays at its multiple of four.
            changed = postcard::to_extend(&StageRecord { ports, layer: Layer::Logits(layer) }, changed)?;
        }
        if self.class_thresholds.iter().any(|&threshold| threshold > 0.0) {
            changed.extend(self.class_thresholds.iter().flat_map(|&threshold| steps(threshold).to_le_bytes()));
        }
        let header = Header {
            payload_len: changed.len() as u32,
            temperature: header.temperature * self.temperature,
            threshold: self.threshold,
            ..header
        };
        let mut file = header.with_checksum_of(&changed).to_bytes().to_vec();
        file.extend_from_slice(&changed);
        match infer_core::Network::new(&file, &mut []) {
            Ok(_) | Err(infer_core::Error::ArenaTooSmall { .. }) => Ok(file),
            Err(error) => Err(ModelFileError::Refused(error)),
        }
    }

    /// A threshold as a class's own can be in a file: in steps of 2^-16, rounded up as far as there are any.
    #[must_use]
    pub fn in_steps(threshold: f32) -> f32 {
        Thresholds::probability(steps(threshold))
    }

    /// The threshold that the answers of a class have to reach.
    #[must_use]
    pub fn threshold_of(&self, class: usize) -> f32 {
        self.class_thresholds.get(class).map_or(self.threshold, |&own| own.max(self.threshold))
    }
}

fn steps(threshold: f32) -> u16 {
    (threshold * STEPS).ceil().clamp(0.0, STEPS - 1.0) as u16
}

/// What comes after a value.
fn after<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<&'de [u8], postcard::Error> {
    postcard::take_from_bytes::<T>(bytes).map(|(_, rest)| rest)
}

/// Thresholds of classes are multiples of a step.
const _: () = assert!(Thresholds::probability(1) * STEPS == 1.0);
