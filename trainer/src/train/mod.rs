//! Training: from images and a network without knowledge to one with it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`recipe`], [`schedule`] | the numbers of a training, and nothing that works by them |
//! | `recipe_error` | why a recipe is refused |
//! | [`size`] | a recipe for sets of any size |
//! | [`augment`] | images changed at random, to tensors |
//! | [`adam`], [`average`] | the optimizer, and the mean of its weights |
//! | [`teacher`] | learning from larger networks |
//! | [`initial`] | starting from the weights of another network |
//! | [`fit`](mod@fit) | the training loop |
//! | `history`, `observer`, `error` | what it did, its observer, why it stops |
//! | `training`, `targets` | its steps, and what a step learns |
//! | [`checkpoint`] | the state of a training, in a file |
//! | [`selection`] | whether the validation images distinguish the epochs |
//! | [`score`] | loss and accuracy, and how certain they are |
//! | [`evaluate`] | loss, accuracy, confusion; of float models and of model files |

pub mod adam;
pub mod augment;
pub mod average;
pub mod checkpoint;
mod error;
pub mod evaluate;
pub mod fit;
mod history;
pub mod initial;
mod observer;
pub mod recipe;
mod recipe_error;
pub mod schedule;
pub mod score;
pub mod selection;
pub mod size;
mod targets;
pub mod teacher;
mod training;

pub use checkpoint::{Checkpoint, CheckpointError, Unfinished};
pub use error::FitError;
pub use fit::{fit, improve, resume};
pub use history::{Epoch, History};
pub use observer::Observer;
