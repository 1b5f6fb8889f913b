//! The memory of a model that is not linked in.
#![allow(unsafe_code, reason = "the linker knows where the region begins and ends, Rust does not")]

/// The memory that is set apart for a model of its own.
#[must_use]
pub fn model_region() -> &'static [u8] {
    unsafe extern "C" {
        static _model_start: u8;
        static _model_end: u8;
    }
    let start = &raw const _model_start;
    let len = &raw const _model_end as usize - start as usize;
    // SAFETY: the linker places nothing in this region and the program writes nothing to it: plain bytes, whatever
    // was put there before it began to run.
    unsafe { core::slice::from_raw_parts(start, len) }
}
