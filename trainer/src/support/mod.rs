//! What every part of the trainer uses and no part is about.
//!
//! | module | what it holds |
//! |---|---|
//! | [`bounded_file`], [`whole_file`] | files that are read up to a limit, and files that appear whole or not at all |
//! | [`limits`], [`memory`] | what a file may require of the host, and what the host has |
//! | [`number`], [`text`] | figures in files, which can all be read again; numbers as people read them, and tables |
//! | [`interval`] | how uncertain an accuracy is |
//! | [`printable`], [`tensor_error`] | names that a terminal can show, errors of candle on one line |
//! | [`rng`] | everything random, from one seed |
//! | [`shell`] | commands that people copy |
//! | `vector` | loops compiled for the vector units of the host too |

pub mod bounded_file;
pub mod interval;
pub mod limits;
pub mod memory;
pub mod number;
pub mod printable;
pub mod rng;
pub mod shell;
pub mod tensor_error;
pub mod text;
pub(crate) mod vector;
pub mod whole_file;
