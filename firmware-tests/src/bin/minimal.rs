//! The least that a program can be: load, classify, nothing else. Its size is what a model costs besides its file, and
//! that it links proves that neither can panic.
//!
//! `cargo build --release --no-default-features --features link-proof --bin minimal`

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_tests::{Arena, arch};
use infer_core::{Network, arena_len, input_len, operators_of};

/// Only its header is needed, for sizes and operators: the model itself is elsewhere in flash.
const HEADER: &[u8] = firmware_tests::model!();
static ARENA: Arena<{ arena_len(HEADER) }> = Arena::new();
static IMAGE: Arena<{ input_len(HEADER) }> = Arena::new();

#[arch::entry]
fn main() -> ! {
    // The compiler must not know the model, or it would leave out the checks that this one passes.
    let model = black_box(firmware_tests::flash::model_region());
    let pixels = black_box(IMAGE.take());
    if let Ok(mut network) = Network::<{ operators_of(HEADER) }>::with_operators(model, ARENA.take())
        && let Ok(output) = network.classify(pixels)
    {
        let class = black_box(output.class());
        #[cfg(feature = "with-a-panic")]
        let class = b"T-shirt/top"[class];
        black_box(class);
    }
    loop {
        core::hint::spin_loop();
    }
}
