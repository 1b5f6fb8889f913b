#![no_std]
#![doc = include_str!("../README.md")]
//!
//! # What the programs share
//! | module | what it holds |
//! |---|---|
//! | [`linked`] | what is linked in: the model, and test images for it |
//! | [`frames`] | the file of those images |
//! | [`drawing`] | images as lines of characters |
//! | [`measure`] | what an inference costs: instructions, stack, flash |
//! | [`c_path`] | paths on the host |
//! | [`host`] | how a program ends: done, refused, a fault, a panic |

pub mod c_path;
pub mod drawing;
pub mod frames;
pub mod host;
pub mod linked;
pub mod measure;
