//! Networks that others trained, from their files.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tflite`] | reads TFLite files |
//! | [`graph`] | what a file describes, whatever its format: tensors and operators |
//! | [`layers`](mod@layers) | makes layers with weights of that |
//! | [`weights`] | the weights of these layers |
//! | [`quantized`](mod@quantized) | an int8 network as a model file has it |
//! | [`float`](mod@float) | a network to be trained further |
//! | [`problem`] | what stands in the way |
//!
//! ```text
//! a TFLite file -> Graph -> Imported -> QuantizedModel -> model.bin
//!                                    -> FloatModel -> a run
//! ```

pub mod float;
pub mod graph;
pub mod layers;
pub mod problem;
pub mod quantized;
pub mod tflite;
pub mod weights;

pub use crate::network::record::Rounding;
pub use float::{Edge, FloatError, InputRange, edges, float};
pub use layers::{Imported, layers};
pub use problem::{Problem, Refused};
pub use quantized::quantized;
pub use weights::Weights;
