//! Trains image classifiers, quantizes them and writes the model file that `infer-core` runs.
//!
//! Data flows one way through these modules:
//!
//! | module | what it holds |
//! |---|---|
//! | [`preprocess`] | from a picture file to a network's input |
//! | [`data`] | pictures and labels: files, download, the built-in set, the validation split |
//! | [`network`] | networks as data, their stages, and the float model |
//! | [`recipe`] | how a network is trained |
//! | [`augment`], [`batch`] | pictures, moved and mixed, to tensors |
//! | [`ops`], [`adam`], [`schedule`], [`average`] | the operations with their gradients, the optimizer, its step sizes, the mean of its weights |
//! | [`fit`](mod@fit) | the training loop |
//! | [`teacher`] | learning from larger networks |
//! | [`evaluate`], [`interval`] | loss, accuracy, confusion; of float models and of model files; how uncertain an accuracy is |
//! | [`quantize`] | from float weights to codes |
//! | [`model_file`] | the bytes of `model.bin` |
//! | [`pipeline`] | all of that in order: train, calibrate, tune, export |
//! | [`inspect`] | what such a file holds |
//! | [`frames`] | test images for firmware to classify |
//! | [`hardware`] | chips, and what a network takes of them |
//! | [`run`] | the directory that a run leaves behind |
//! | [`report`] | figures and a page about it |
//! | [`bounded_file`], [`whole_file`] | files that are read up to a limit, and files that appear whole or not at all |
//! | [`printable`], [`tensor_error`] | names that a terminal can show, errors of candle on one line |
//! | [`limits`], [`memory`] | what a file may ask of the host, and what the host has |
//! | [`number`] | figures in files, which can all be read again |
//! | [`support`] | what is about no part of this |
//! | [`rng`] | everything random, from one seed |

pub mod adam;
pub mod augment;
pub mod average;
pub mod batch;
pub mod bounded_file;
pub mod data;
pub mod evaluate;
pub mod fit;
pub mod frames;
pub mod hardware;
pub mod inspect;
pub mod interval;
pub mod limits;
pub mod memory;
pub mod model_file;
pub mod network;
pub mod number;
pub mod ops;
pub mod pipeline;
pub mod preprocess;
pub mod printable;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod rng;
pub mod run;
pub mod schedule;
pub mod support;
pub mod teacher;
pub mod tensor_error;
mod vector;
pub mod whole_file;
