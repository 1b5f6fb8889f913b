//! Chooses the memory layout and finds the model.
//!
//! Link arguments are given here and not in `.cargo/config.toml`, where `RUSTFLAGS` from outside would replace them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The layout of each board, by feature.
const BOARDS: [(&str, &str); 4] = [
    ("NRF52840DK", "nrf52840dk.x"),
    ("PICO", "pico.x"),
    ("STM32F4", "stm32f4.x"),
    // In QEMU, where the others run on metal.
    ("MICROBIT", "microbit.x"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    link_arguments()?;
    find_model()?;
    Ok(())
}

fn link_arguments() -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let mut boards = BOARDS.iter().filter(|(feature, _)| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some());
    let layout = match (boards.next(), boards.next()) {
        (Some(_), Some(_)) => return Err("more than one board is chosen by feature; choose one".into()),
        (Some((_, layout)), None) => layout,
        (None, _) if env::var_os("CARGO_FEATURE_BOARD").is_some() => {
            return Err("no board is chosen by feature; name one of README's instead of `board`".into());
        }
        (None, _) if target.starts_with("thumbv8m") => "mps2-an505.x",
        (None, _) if target.starts_with("thumb") => "mps2.x",
        (None, _) if target.starts_with("riscv32") => "virt.x",
        (None, _) => return Err(format!("no memory layout for {target}: build for one of README's targets").into()),
    };
    let layout = Path::new("memory").join(layout);
    println!("cargo:rerun-if-changed={}", layout.display());
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy(&layout, out_dir.join("memory.x"))?;
    println!("cargo:rustc-link-search={}", out_dir.display());
    if layout.ends_with("mps2-an505.x") {
        println!("cargo:rustc-cfg=mps2_an505");
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
    Ok(())
}

/// Tells the programs where the model is, by `THIMBLE_MODEL_PATH` and `cfg(model)`. Where there is none, those that
/// link it stop with a message of their own, and `hot_swap` builds all the same.
fn find_model() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=THIMBLE_MODEL");
    let named = env::var_os("THIMBLE_MODEL").unwrap_or_else(|| "../model.bin".into());
    let path = std::path::absolute(named)?;
    println!("cargo:rerun-if-changed={}", path.display());
    println!("cargo:rustc-env=THIMBLE_MODEL_PATH={}", path.display());
    if path.is_file() {
        println!("cargo:rustc-cfg=model");
    }
    Ok(())
}
