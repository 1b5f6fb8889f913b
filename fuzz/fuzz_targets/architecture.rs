//! Any text as an architecture file.

#![no_main]

#[path = "../src/architecture.rs"]
mod architecture;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| architecture::check(bytes));
