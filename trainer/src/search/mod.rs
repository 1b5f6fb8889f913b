//! Search: the best networks and recipes of a space that a chip has room for.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parameter`], `entry` | names, values and domains; how a file writes them |
//! | [`space`] | the file of a space |
//! | [`candidate`], [`layers`] | values as a network file and a recipe |
//! | [`budget`] | what a candidate takes of a chip, before it is trained |
//! | [`trial`] | the training of a candidate, and what it reports |
//! | [`optuna`], [`storage_url`] | a study of many machines: its storage, and the script that runs its trials |

pub mod budget;
pub mod candidate;
mod entry;
pub mod error;
pub mod layers;
pub mod optuna;
pub mod parameter;
pub mod space;
pub mod storage_url;
pub mod trial;

pub use budget::{DataFacts, Limits, Requirements};
pub use candidate::Candidate;
pub use error::{CandidateError, SpaceError};
pub use parameter::{Domain, Parameter, Value, Values};
pub use space::Space;
pub use trial::{Trial, TrialEvent, TrialRequest};
