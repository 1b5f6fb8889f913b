//! Training: from images and a network without knowledge to one with it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`recipe`], [`schedule`] | the numbers of a training, and nothing that works by them |
//! | `built_in` | the recipes that are part of the program |
//! | `recipe_error` | why a recipe is refused |
//! | `recipe_parts` | parts of a recipe: what is monitored, Adam's numbers, distillation, rounded training |
//! | `recipe_override` | what of a recipe is different for a network, a teacher, or few images |
//! | [`size`] | a recipe for sets of any size |
//! | [`augment`] | images changed at random, to tensors |
//! | [`balance`] | classes of unequal size |
//! | [`adam`], [`average`] | the optimizer, and the mean of its weights |
//! | [`teacher`] | learning from larger networks |
//! | [`initial`] | starting from the weights of another network |
//! | [`fit`](mod@fit) | the training loop |
//! | [`folds`] | cross-validation: each image is held out once |
//! | `history`, `observer`, `error` | what it did, its observer, why it stops |
//! | `training`, `targets` | its steps, and what a step learns |
//! | [`first_batch`](mod@first_batch) | the first images as the network sees them |
//! | [`checkpoint`] | the state of a training, in a file |
//! | [`selection`] | whether the validation images distinguish the epochs |
//! | [`score`] | loss and accuracy, over images and over classes, and how certain they are |
//! | [`confusion`] | which classes are taken for which, and the worst of them |
//! | [`evaluate`] | the answers of float models and of model files |
//! | [`confidence`] | whether probabilities are true, and when an answer is "none of these" |

pub mod adam;
pub mod augment;
pub mod average;
pub mod balance;
mod built_in;
pub mod checkpoint;
pub mod confidence;
pub mod confusion;
mod error;
pub mod evaluate;
pub mod first_batch;
pub mod fit;
pub mod folds;
mod history;
pub mod initial;
mod observer;
pub mod recipe;
mod recipe_error;
mod recipe_override;
mod recipe_parts;
pub mod schedule;
pub mod score;
pub mod selection;
pub mod size;
mod targets;
pub mod teacher;
mod training;

pub use checkpoint::{Checkpoint, CheckpointError, Unfinished};
pub use error::FitError;
pub use fit::{fit, improve, resume, resume_for};
pub use history::{Epoch, History};
pub use observer::Observer;
