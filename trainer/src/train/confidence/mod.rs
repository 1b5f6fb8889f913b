//! How sure a model file's answers are, whether they are right as often as they claim, and how sure they have to be.
//!
//! | module | what it holds |
//! |---|---|
//! | [`choosing`] | the images by which temperature and threshold are chosen: validation images, or folds of the training images |
//! | [`logits`] | the logits of images, and the answers that follow from them at a temperature |
//! | [`temperature`] | the temperature that makes probabilities true on images that were not trained on |
//! | [`reliability`] | how far probabilities are from the share of right answers |
//! | [`coverage`] | how accurate the most confident answers are, however many are kept |
//! | [`rejection`] | the threshold of "none of these", and what it costs and saves |
//! | [`settle`] | all of it for a model file that is to be exported |

pub mod choosing;
pub mod coverage;
pub mod logits;
pub mod rejection;
pub mod reliability;
pub mod settle;
pub mod temperature;

pub use choosing::{Choosing, ChosenBy};
pub use logits::{Answer, Judged, Logits};
pub use settle::{Calibrated, Confidence, ConfidenceMetrics, Rejection, RejectionMetrics};
