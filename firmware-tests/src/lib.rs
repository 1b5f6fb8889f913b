#![no_std]
#![doc = include_str!("../README.md")]
//!
//! # What the programs share
//! | module | what it holds |
//! |---|---|
//! | [`arena`] | the one mutable static: working memory that is handed out once |
//! | [`arch`] | the core: entry, faults, counter, stack pointer |
//! | `fenced` | in QEMU: memory whose bounds the memory protection unit keeps |
//! | [`stopwatch`] | instructions in QEMU, cycles on boards |
//! | [`stack`] | how deep a piece of work goes, by paint |
//! | [`linked`], [`frames`] | `firmware-example`'s: the model and test images that are linked in |
//! | `flash` | the region of a model that is not linked in |
//! | `host` | in QEMU: a program's arguments and its end |
//! | `link_proof` | a panic handler that does not link |
//! | `files` | in QEMU: images and results on the host |
//! | `trace` | in QEMU: where a trace begins and ends |

#[cfg(not(any(feature = "emulator", feature = "board", feature = "link-proof")))]
compile_error!("choose where to run: feature emulator, or one of the boards nrf52840dk, pico, stm32f4");
#[cfg(any(
    all(feature = "emulator", feature = "board"),
    all(feature = "emulator", feature = "link-proof"),
    all(feature = "board", feature = "link-proof"),
))]
compile_error!("emulator, a board and link-proof exclude each other: add --no-default-features");

#[cfg_attr(target_arch = "arm", path = "arch/cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "arch/riscv.rs")]
pub mod arch;
pub mod arena;
#[cfg(feature = "board")]
mod board;
#[cfg(feature = "emulator")]
#[path = "../../firmware-example/src/c_path.rs"]
pub mod c_path;
#[cfg(feature = "emulator")]
pub mod fenced;
#[cfg(feature = "emulator")]
pub mod files;
#[cfg(not(feature = "board"))]
pub mod flash;
#[path = "../../firmware-example/src/frames.rs"]
pub mod frames;
#[cfg(feature = "emulator")]
pub mod host;
#[cfg(feature = "link-proof")]
mod link_proof;
#[path = "../../firmware-example/src/linked.rs"]
pub mod linked;
pub mod stack;
pub mod stopwatch;
#[cfg(feature = "emulator")]
pub mod trace;

pub use arena::Arena;
#[cfg(feature = "emulator")]
pub use fenced::Fenced;
pub use stopwatch::Stopwatch;
