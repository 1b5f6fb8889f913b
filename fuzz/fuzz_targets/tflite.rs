//! Any bytes as a TFLite file.

#![no_main]

#[path = "../src/tflite.rs"]
mod tflite;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tflite::check(bytes));
