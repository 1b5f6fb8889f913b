//! Chips: what they have, what a network takes of it, and about how long it runs on them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`chip`] | the chips of `hardware/chips.toml` and the cores of `hardware/cores.toml` |
//! | [`board`] | what a project for a chip has to know besides |
//! | [`emulator`] | the machines that cores are emulated on |
//! | [`footprint`] | flash and RAM that a network takes, before it is trained; budgets |
//! | [`instructions`] | about how many instructions an inference takes |

pub mod board;
pub mod chip;
pub mod emulator;
pub mod footprint;
pub mod instructions;

pub use board::{Board, Start};
pub use chip::{Chip, ChipError, Core, Program, chips, cores, time};
pub use emulator::{Emulator, Memory};
pub use footprint::{Budget, BudgetError, Footprint};
