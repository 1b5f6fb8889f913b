//! Any bytes as a JPEG.

#![no_main]

#[path = "../src/jpeg.rs"]
mod jpeg;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| jpeg::check(bytes));
