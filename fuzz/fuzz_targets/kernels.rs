//! Networks of any shape and any numbers, and what the kernels make of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::kernels::check(bytes));
