//! Networks: their layers as data, the stages that these run in, and the float model.
//!
//! | module | what it holds |
//! |---|---|
//! | [`layers`] | one file for each operator |
//! | [`inputs`] | what layers and stages read |
//! | [`graph`] | the names of layers, and which layer each name is |
//! | [`architecture`], [`template`] | layers with the shapes between them, and the TOML files that they are read from |
//! | `hints` | what keys of other tools are called here |
//! | [`chain`] | which layers run as one, and what the codes between them mean |
//! | [`work`] | what a stage computes, counted |
//! | [`requantize`] | the integer multipliers and shifts that take sums to codes |
//! | [`record`] | layers in the numbers of the model file |
//! | [`autograd`] | the operations of a training step with their gradients |
//! | [`model`] | parameters, the forward and the backward pass |
//! | [`normalization`] | what a layer keeps of batch normalization, and how it is folded |

pub mod architecture;
pub mod autograd;
mod built_in;
pub mod chain;
mod error;
pub mod graph;
mod hints;
pub mod inputs;
pub mod layers;
pub mod model;
pub mod normalization;
pub mod record;
pub mod requantize;
pub mod template;
pub mod work;

pub use architecture::{Architecture, ShapedLayer};
pub use error::{ArchitectureError, MOST_PARAMETERS, MOST_VALUES};
pub use graph::Node;
pub use layers::{Conv, Dense, DepthwiseConv, Layer, MaxPool, Padding, Pair, Pool};
pub use model::FloatModel;
pub use template::{EXAMPLE_CLASSES, Template};
