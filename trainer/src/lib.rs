#![doc = include_str!("../README.md")]
//!
//! # The tour
//! Data flows one way through these modules, and [`pipeline`] is the way as one function:
//!
//! | module | what it holds |
//! |---|---|
//! | [`image`] | from an image file to a network's input |
//! | [`dataset`] | images and labels: files, download, the built-in set, the validation split |
//! | [`network`] | networks as data, one file for each operator, and the float model with its gradients |
//! | [`train`] | recipes, the training loop, learning from larger networks, and how good a model is |
//! | [`quantize`] | from float weights to codes |
//! | [`export`] | the model file, what it holds, and what it takes of a chip |
//! | [`import`] | networks that others trained, from their files |
//! | [`run`] | the directory that a run leaves behind |
//! | [`pipeline`] | train, calibrate, tune, export |
//! | [`report`] | figures and a page about a run |
//! | [`search`] | which network and recipe of many fits a chip best |
//! | [`support`] | what all of these use and none is about: files, limits, numbers, random streams |

pub mod dataset;
pub mod export;
pub mod image;
pub mod import;
pub mod network;
pub mod pipeline;
pub mod quantize;
pub mod report;
pub mod run;
pub mod search;
pub mod support;
pub mod train;
