//! How sure a model file's answers are, whether they are right as often as they claim, and how sure they have to be.
//!
//! | module | what it holds |
//! |---|---|
//! | [`logits`] | the logits of images, and the answers that follow from them at a temperature |
//! | [`temperature`] | the temperature that makes probabilities true on validation images |
//! | [`reliability`] | how far probabilities are from the share of right answers |
//! | [`rejection`] | the threshold of "none of these", and what it costs and saves |
//! | [`settle`] | all of it for a model file that is to be exported |

pub mod logits;
pub mod rejection;
pub mod reliability;
pub mod settle;
pub mod temperature;

pub use logits::{Answer, Judged, Logits};
pub use settle::{Calibrated, Confidence, ConfidenceMetrics, Rejection, RejectionMetrics};
