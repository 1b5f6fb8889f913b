//! Search: the best networks and recipes of a space that a chip has room for.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parameter`], `entry` | names, values and domains; how a file writes them |
//! | [`space`] | the file of a space |
//! | [`candidate`], [`layers`] | values as a network file and a recipe |
//! | [`budget`] | what a candidate takes of a chip, before it is trained |
//! | [`smallest`] | whether anything fits, known before a search begins |
//! | [`trial`] | the training of a candidate, and what it reports |
//! | [`pareto`], [`ranking`] | which trials did better, by one objective or several, within limits |
//! | [`sampler`] | which candidate is next |
//! | [`halving`] | which trials end early |
//! | [`state`] | every trial, in a file that survives any end |
//! | [`engine`] | all of this, several trials at a time |
//! | [`record`] | a search as its directory has it |
//! | [`importance`], `scatter`, [`page`] | what the accuracy depends on; the page of a search |
//! | [`optuna`], [`storage_url`] | a study of many machines: the script that runs its trials, and its storage |
//!
//! Trials are processes of their own, `trainer search --trial`: of the engine here, or of workers on any machine.

pub mod budget;
pub mod candidate;
pub mod engine;
mod entry;
pub mod error;
pub mod halving;
pub mod importance;
pub mod layers;
pub mod optuna;
pub mod page;
pub mod parameter;
pub mod pareto;
pub mod ranking;
pub mod record;
pub mod sampler;
mod scatter;
pub mod smallest;
pub mod space;
pub mod state;
pub mod storage_url;
pub mod trial;

pub use budget::{DataFacts, Limits, Requirements};
pub use candidate::Candidate;
pub use error::{CandidateError, SpaceError};
pub use halving::Halving;
pub use parameter::{Domain, Parameter, Value, Values};
pub use ranking::{Goals, Objective};
pub use sampler::SamplerKind;
pub use space::Space;
pub use trial::{Trial, TrialEvent, TrialRequest};
