#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![doc = include_str!("../README.md")]
//!
//! # The tour
//! A model travels through these modules in this order:
//!
//! | module | what it holds |
//! |---|---|
//! | [`header`] | the 32 bytes in front, readable at compile time: [`arena_len`], [`include_model!`] |
//! | [`format`](mod@format) | the payload as it stands in the file: metadata, layers, borrowed weights |
//! | [`packing`] | the layout of the weights, and the packing that the trainer does |
//! | [`stage`] | what loading makes of the layers: checked, fused, ready to run |
//! | [`kernels`] | the arithmetic, one file per instruction set, chosen in one place |
//! | [`network`] | [`Network`]: load, classify, trace |
//! | [`output`] | [`Output`]: class, logits, probabilities, top k |
//! | [`error`](mod@error) | every refusal, with its numbers |

mod crc32;
pub mod error;
pub mod format;
pub mod header;
pub mod kernels;
pub mod network;
pub mod output;
pub mod packing;
mod reader;
pub mod stage;

pub use crc32::Crc32;
pub use error::Error;
pub use format::{Metadata, Shape};
pub use header::{AlignedBytes, Header, arena_len, classes_len, input_len};
pub use kernels::KERNELS;
pub use network::Network;
pub use output::{Output, Ranked};
