//! The arithmetic of the operators: one file or folder per kind of core, named as the value of `cfg(kernels)` that
//! chooses it.
//!
//! [`Kernels`] is what a set of kernels has and `portable` what each kernel computes: the kernels of hosts are tested
//! against it, those of chips and itself against the oracle. [`operands`] is all that they know of a model. `shared`
//! holds what several cores have in common. [`rounded_twice`] are layers that compute what TFLite's reference kernels do. This file is the one place where a core is chosen.

mod contract;
pub mod operands;
pub mod portable;
pub mod rounded_twice;
#[allow(dead_code, reason = "each core takes what it needs")]
mod shared;
#[cfg(test)]
mod tests;

#[cfg(kernels = "aarch64")]
mod aarch64;
#[cfg(kernels = "armv6m")]
mod armv6m;
// Those of Helium use them too.
#[cfg(any(kernels = "armv7em", kernels = "helium"))]
mod armv7em;
#[cfg(kernels = "armv7m")]
mod armv7m;
#[cfg(kernels = "helium")]
mod helium;
#[cfg(kernels = "riscv")]
mod riscv;
// Tested wherever tests run: plain Rust.
#[cfg(any(kernels = "scalar", test))]
mod scalar;
#[cfg(kernels = "wasm")]
mod wasm;
// For those of SSE2 alone, the wider ones are left out of the program.
#[cfg(any(kernels = "x86_64", kernels = "sse2"))]
#[cfg_attr(kernels = "sse2", allow(dead_code, unused_imports, reason = "the narrowest vectors are chosen"))]
mod x86_64;

#[cfg(kernels = "aarch64")]
use aarch64::Aarch64 as Chosen;
#[cfg(kernels = "armv6m")]
use armv6m::Armv6m as Chosen;
#[cfg(kernels = "armv7em")]
use armv7em::Armv7em as Chosen;
#[cfg(kernels = "armv7m")]
use armv7m::Armv7m as Chosen;
#[cfg(kernels = "helium")]
use helium::Helium as Chosen;
#[cfg(kernels = "portable")]
use portable::Portable as Chosen;
#[cfg(kernels = "riscv")]
use riscv::Riscv as Chosen;
#[cfg(kernels = "scalar")]
use scalar::Scalar as Chosen;
#[cfg(kernels = "wasm")]
use wasm::Wasm as Chosen;
#[cfg(kernels = "sse2")]
use x86_64::Sse2 as Chosen;
#[cfg(kernels = "x86_64")]
use x86_64::X86_64 as Chosen;

// Vectors that are not chosen where the processor has wider ones, for the tests.
#[cfg(all(test, kernels = "x86_64"))]
use x86_64::{Avx2 as Middle, Sse2 as Narrow};
#[cfg(all(test, kernels = "x86_64"))]
type WithoutBytes = x86_64::Avx512<x86_64::Words>;
#[cfg(all(test, not(kernels = "x86_64")))]
use {Chosen as Narrow, Chosen as Middle, Chosen as WithoutBytes};

pub use contract::Kernels;

/// The kernels of the core that this build is for.
pub type ChosenKernels = Chosen;

/// Their name.
pub const KERNELS: &str = env!("THIMBLE_KERNELS");
