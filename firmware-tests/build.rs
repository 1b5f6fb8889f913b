//! Chooses the memory layout of the emulated core or the board; the model is found as `firmware-example` finds it.
//!
//! Link arguments are given here and not in `.cargo/config.toml`, where `RUSTFLAGS` from outside would replace them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "a build script of its own, with a main function")]
#[path = "../firmware-example/build.rs"]
mod example;

/// The layout of each board, by feature.
const BOARDS: [(&str, &str); 4] = [
    ("NRF52840DK", "memory/nrf52840dk.x"),
    ("PICO", "memory/pico.x"),
    ("STM32F4", "memory/stm32f4.x"),
    // Emulated; the others are boards.
    ("MICROBIT", "memory/microbit.x"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../firmware-example/build.rs");
    let target = env::var("TARGET")?;
    println!("cargo:rerun-if-env-changed=THIMBLE_CORE");
    let layout = Path::new(layout(&target)?);
    println!("cargo:rerun-if-changed={}", layout.display());
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(layout, out_dir.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out_dir.display());
    // Emulated boards whose clock differs, and whose memory protection unit does.
    for board in ["mps2-an505", "mps3-an547"] {
        if layout.file_stem().is_some_and(|stem| stem == board) {
            println!("cargo:rustc-cfg={}", board.replace('-', "_"));
        }
    }
    if target.starts_with("riscv32") {
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    } else {
        // Otherwise the linker moves sections to page boundaries, for an operating system that is not there.
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_BOARD").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
    example::link_model(&fs::read_to_string(layout)?)
}

/// The memory layout for a target and the chosen features.
fn layout(target: &str) -> Result<&'static str, Box<dyn Error>> {
    let mut boards = BOARDS.iter().filter(|(feature, _)| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some());
    match (boards.next(), boards.next()) {
        (Some(_), Some(_)) => Err("more than one board is chosen by feature; choose one".into()),
        (Some((_, layout)), None) => Ok(layout),
        (None, _) if env::var_os("CARGO_FEATURE_BOARD").is_some() => {
            Err("no board is chosen by feature; name one of README's instead of `board`".into())
        }
        // Two cores have this target in common.
        (None, _) if target.starts_with("thumbv8m") && env::var("THIMBLE_CORE").is_ok_and(|core| core == "M55") => {
            Ok("memory/mps3-an547.x")
        }
        (None, _) if target.starts_with("thumbv8m") => Ok("memory/mps2-an505.x"),
        (None, _) if target.starts_with("thumb") => Ok("../firmware-example/memory.x"),
        (None, _) if target.starts_with("riscv32") => Ok("memory/virt.x"),
        (None, _) => Err(format!("no memory layout for {target}: build for one of README's targets").into()),
    }
}
