//! From a camera's frame to the input of a network: the same bytes on every target.
//!
//! | module | what it holds |
//! |---|---|
//! | `frame` | [`Frame`] and [`Format`]: views of what a camera delivered |
//! | `preprocessing` | [`Preprocessing`]: how a frame becomes the input, as the model file has it |
//! | `geometry` | which part of a frame goes where |
//! | `pixel` | the pixels of each format as gray or RGB |
//! | `scale` | one row of a frame, scaled and weighted |
//! | `resampler` | rows to an input, all at once or a [`Resampler`] |
//!
//! The arithmetic, formula by formula, is in `docs/camera.md`.

mod frame;
mod geometry;
mod pixel;
mod preprocessing;
mod resampler;
mod scale;

pub use frame::{Format, Frame};
pub use pixel::luma;
pub use preprocessing::{Preprocessing, Resize, Rotation, YuvRange};
pub use resampler::Resampler;
