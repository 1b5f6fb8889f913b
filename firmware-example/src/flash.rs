//! What is in flash: the program, and a model that is not part of it.
#![allow(unsafe_code, reason = "the linker knows where flash begins and ends, Rust does not")]

use crate::arch;

/// Bytes of flash that the program takes: code, constants with a linked model among them, initial values of statics.
#[must_use]
pub fn used() -> usize {
    unsafe extern "C" {
        static __sidata: u32;
        static __sdata: u32;
        static __edata: u32;
    }
    let initial_values = &raw const __edata as usize - &raw const __sdata as usize;
    &raw const __sidata as usize + initial_values - arch::flash_start()
}

/// Bytes of flash that the program takes besides a model, which may be in flash or in other memory.
#[must_use]
pub fn used_besides(model: &[u8]) -> usize {
    let (start, used) = (arch::flash_start(), used());
    let is_inside = (start..start + used).contains(&model.as_ptr().addr());
    if is_inside { used - model.len() } else { used }
}

/// The memory that is set apart for a model of its own, from `offset` on to its end; nothing where that is outside.
#[cfg(not(feature = "board"))]
#[must_use]
pub fn model_region(offset: usize) -> &'static [u8] {
    unsafe extern "C" {
        static _model_start: u8;
        static _model_end: u8;
    }
    let start = &raw const _model_start;
    let len = &raw const _model_end as usize - start as usize;
    // SAFETY: the linker places nothing in this region and the program writes nothing to it: plain bytes, whatever
    // was put there before it began to run.
    let region = unsafe { core::slice::from_raw_parts(start, len) };
    region.get(offset..).unwrap_or_default()
}
