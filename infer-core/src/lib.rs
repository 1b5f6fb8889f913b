#![no_std]
//! Inference.
