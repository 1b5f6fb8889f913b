//! Training.
pub mod architecture;
pub mod model_file;
pub mod recipe;
pub mod rng;
