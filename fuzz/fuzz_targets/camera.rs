//! Any bytes as a frame of a camera.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::camera::check(bytes));
