//! Any bytes as the payload of a model file whose header is true.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::payload::check(bytes));
