//! What every part of the trainer uses and no part is about.
//!
//! | module | what it holds |
//! |---|---|
//! | [`text`] | numbers as people read them |

pub mod text;
