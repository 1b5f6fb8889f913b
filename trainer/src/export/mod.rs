//! The model file, and what it takes of a chip.
//!
//! | module | what it holds |
//! |---|---|
//! | [`model_file`] | the bytes of `model.bin`, written and read |
//! | [`decision`] | its temperature and thresholds: how sure an answer has to be |
//! | [`layout`] | in which layout weights are written |
//! | [`inspect`] | what such a file holds |
//! | [`firmware`] | a project that runs a model on a chip |
//! | [`frames`] | test images for firmware to classify |
//! | [`test_image`] | images to try a model with |
//! | [`hardware`] | chips, and what a network takes of them |

pub mod decision;
pub mod firmware;
pub mod frames;
pub mod hardware;
pub mod inspect;
pub mod layout;
pub mod model_file;
pub mod test_image;
