//! Training.
pub mod rng;
