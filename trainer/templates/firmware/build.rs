//! Names the linker scripts: those of the board, or with the feature `emulator` those of QEMU's machine.
//!
//! They are named here and not in `.cargo/config.toml`, where a `RUSTFLAGS` in the environment would replace them.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let project = env::var("CARGO_MANIFEST_DIR").unwrap();
    let is_emulated = env::var_os("CARGO_FEATURE_EMULATOR").is_some();
{%- if esp_hal %}
    if is_emulated {
        println!("cargo:rerun-if-changed=emulator/memory.x");
        println!("cargo:rustc-link-search={project}/emulator");
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    } else {
        // esp-hal's own.
        println!("cargo:rustc-link-arg-bins=-Tlinkall.x");
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
{%- else %}
    let place = if is_emulated { "emulator" } else { "board" };
    println!("cargo:rerun-if-changed={place}/memory.x");
    println!("cargo:rustc-link-search={project}/{place}");
{%- if riscv %}
    println!("cargo:rustc-link-arg-bins=-Tmemory.x");
{%- else %}
    // Otherwise the linker moves sections to page boundaries, for an operating system that is not there.
    println!("cargo:rustc-link-arg-bins=--nmagic");
{%- endif %}
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    if !is_emulated {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
{%- endif %}
}
