#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![doc = include_str!("../README.md")]
//!
//! # The tour
//! A model travels through these modules in this order:
//!
//! | module | what it holds |
//! |---|---|
//! | [`header`] | the first 52 bytes, readable at compile time: [`arena_len`], [`include_model!`] |
//! | [`format`](mod@format) | the payload: metadata, input, and what the records of layers are made of |
//! | [`packing`] | the layouts of the weights, and the packing that the trainer does |
//! | [`operators`] | what a layer is: its record, its checks, its kernel; a file an operator |
//! | [`plan`] | the stages in the order they run, each value in its place of the arena: planned at export, checked at load |
//! | [`kernels`] | the arithmetic, one file per kind of core, chosen in one place |
//! | [`network`] | [`Network`]: load, classify, trace |
//! | [`camera`] | from the frame of a camera to the input of a network |
//! | [`output`] | [`Output`]: class, decision, logits, probabilities, top k; [`Smoother`]: a decision over frames |
//! | [`error`](mod@error) | every refusal, with its numbers |

pub mod camera;
pub mod error;
pub mod format;
pub mod header;
pub mod kernels;
pub mod network;
pub mod operators;
pub mod output;
pub mod packing;
pub mod plan;

pub use error::{Error, HeaderField};
pub use format::crc32::Crc32;
pub use format::{Metadata, Shape};
pub use header::{AlignedBytes, Header, arena_len, arena_with_image_len, classes_len, input_len, operators_of};
pub use kernels::KERNELS;
pub use network::Network;
pub use output::{Output, Ranked, Smoother, Smoothing};
