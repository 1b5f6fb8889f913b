//! What is true of any bytes whatever: a function for each fuzz target, which panics where it is not.
//!
//! cargo-fuzz calls them with what it makes up; `tests/tests/fuzz_seeds.rs` calls them with the seeds that are kept, on any
//! compiler. `idx.rs`, `architecture.rs`, `jpeg.rs` and `tflite.rs`, which need the
//! trainer, are no modules of this crate but of those targets.
//!
//! | module | its bytes are |
//! |---|---|
//! | [`model`] | a model file |
//! | [`header`] | a header, before an honest payload |
//! | [`payload`] | a payload, after a header that is true of it |
//! | [`kernels`] | shapes and numbers of a network |
//! | [`camera`] | a frame, its format, size and stride, and a preprocessing |
//! | [`running`] | what [`model`], [`payload`] and [`kernels`] do with a file that loads |

pub mod camera;
pub mod header;
pub mod kernels;
pub mod model;
pub mod payload;
pub mod running;
