#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![doc = include_str!("../README.md")]
//!
//! # A model in steps
//! **How much memory it takes** is in the first bytes of the file, which are read when the program is compiled. A budget can be, too:
//!
//! ```
//! use infer_core::{arena_len, include_model, input_len};
//! # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
//!
//! static MODEL: &[u8] = include_model!("model.bin");
//! const RAM: usize = arena_len(MODEL) + input_len(MODEL);
//! const _: () = assert!(RAM <= 16 * 1024, "the next model is too large for this chip");
//! ```
//!
//! **Loading** checks the whole file, once. What is wrong is an [`Error`] with its numbers:
//!
//! ```
//! use infer_core::{Error, Network, arena_len, include_model};
//! # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
//!
//! static MODEL: &[u8] = include_model!("model.bin");
//! let mut arena = [0; arena_len(MODEL)];
//! let mut damaged = MODEL.to_vec();
//! damaged[MODEL.len() / 2] ^= 1;
//! assert!(matches!(Network::new(&damaged, &mut arena), Err(Error::Checksum { .. })));
//! let half = &mut arena[..arena_len(MODEL) / 2];
//! assert!(matches!(Network::new(MODEL, half), Err(Error::ArenaTooSmall { .. })));
//! ```
//!
//! **A model from outside**, which an update put into flash, is any model: besides the memory its work has to be bounded.
//!
//! ```
//! use infer_core::{Network, arena_len, include_model};
//! # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
//! # static SECTOR: &[u8] = include_model!("model.bin");
//! const MOST_MACS: u64 = 1_000_000; // that there is time for
//! let mut arena = [0; 8192];
//! let network = Network::new(SECTOR, &mut arena)?;
//! assert!(network.macs() <= MOST_MACS);
//! println!("{} of {}", network.metadata().architecture, network.metadata().dataset);
//! # Ok::<(), infer_core::Error>(())
//! ```
//!
//! **Frames of a camera**, of another size and format than the input, are scaled by [`Network::classify_frame`], with the bytes that the host
//! makes of the same frame. [`Smoother`] makes one decision of those of several frames.
//!
//! **The output of each layer** shows where two machines differ, or a layer that is always zero:
//!
//! ```
//! use infer_core::{Network, arena_len, include_model, input_len};
//! # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
//!
//! static MODEL: &[u8] = include_model!("model.bin");
//! let mut arena = [0; arena_len(MODEL)];
//! let mut network = Network::new(MODEL, &mut arena)?;
//! let output = network.classify_traced(&[200; input_len(MODEL)], |layer, codes| {
//!     let zeros = codes.iter().filter(|code| **code == 0).count();
//!     println!("layer {layer}: {zeros} of {} codes are zero", codes.len());
//! })?;
//! println!("logits {:?}", output.logits());
//! # Ok::<(), infer_core::Error>(())
//! ```
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
