//! What the proofs share: the oracle, random models, and the pictures that there are.
//!
//! | module | what it holds |
//! |---|---|
//! | [`oracle`] | the second, slow, obvious implementation of the arithmetic |
//! | [`random_model`] | networks of random shapes and weights, as files |
//! | [`random_graph`] | the same with branches |
//! | [`bit_flips`] | a model file with one bit flipped, for every bit, and what becomes of it |
//! | [`signed`] | model files with a signature behind them |
//! | [`miri_models`] | model files small enough for an interpreter |
//! | [`tiny`] | the model file that infer-core's own examples run |
//! | [`pictures`] | Fashion-MNIST where it is to be had, garments elsewhere |
//! | [`garments`](mod@garments) | the built-in set, and a training that nobody watches |
//! | [`image_files`] | image files: as `image` writes them, and kinds that none at hand writes |
//! | [`shapes`] | folders of pictures, drawn |
//! | [`sheet`] | pictures side by side, as SVG |
//! | [`idx_files`] | small IDX files, whole and broken |
//! | [`jpeg`] | JPEG files of every geometry, drawn, and the pixels that libjpeg makes of them |
//! | [`run_directory`] | run directories without a training run |

pub mod bit_flips;
pub mod garments;
pub mod idx_files;
pub mod image_files;
pub mod jpeg;
pub mod miri_models;
pub mod oracle;
pub mod pictures;
pub mod random_graph;
pub mod random_model;
pub mod run_directory;
pub mod shapes;
pub mod sheet;
pub mod signed;
pub mod tiny;
