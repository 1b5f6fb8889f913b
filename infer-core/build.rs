//! Names the core that the kernels are built for: the compiler's `cfg` has the DSP extension on nightly only, so the
//! name of the target has to hold it. Sets `cfg(for_size)` where `opt-level` is `s` or `z`. Hands the trainer the place of this source, which
//! `trainer firmware` writes beside the firmware that depends on it.

use std::env;

/// Kernels, and how the names of their targets begin.
const KERNELS: [(&str, &[&str]); 10] = [
    ("armv7em", &["thumbv7em-", "thumbv8m.main-none-eabihf"]),
    ("armv7m", &["thumbv7m-", "thumbv8m.main-"]),
    ("armv6m", &["thumbv6m-", "thumbv8m.base-"]),
    // Chosen by name alone: no target's name tells an M55 from an M33.
    ("helium", &[]),
    ("riscv", &["riscv32im"]),
    ("scalar", &["riscv32"]),
    ("x86_64", &["x86_64-"]),
    // Chosen by name alone: `x86_64` has wider vectors too, where the processor has them.
    ("sse2", &[]),
    ("aarch64", &["aarch64-"]),
    ("wasm", &["wasm32-"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut names: Vec<_> = KERNELS.iter().map(|(name, _)| format!("{name:?}")).collect();
    names.push("\"portable\"".to_owned());
    println!("cargo::rustc-check-cfg=cfg(kernels, values({}))", names.join(", "));
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(for_size)");
    if matches!(env::var("OPT_LEVEL").as_deref(), Ok("s" | "z")) {
        println!("cargo::rustc-cfg=for_size");
    }
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv8m.") {
        println!("cargo::rustc-cfg=armv8m");
    }
    let fits = |prefixes: &[&str]| prefixes.iter().any(|prefix| target.starts_with(prefix));
    let fitting = KERNELS.iter().find(|(_, prefixes)| fits(prefixes)).map_or("portable", |(name, _)| name);
    // Bare-metal targets of a host's processors can be without its vectors.
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let has = |feature: &str| features.split(',').any(|name| name == feature);
    let fitting = match fitting {
        "x86_64" if !has("sse2") => "portable",
        "aarch64" if !has("neon") => "portable",
        "wasm" if !has("simd128") => "portable",
        fitting => fitting,
    };
    // Whoever builds for a core without what its target's name suggests chooses by `RUSTFLAGS='--cfg kernels="…"'`.
    let chosen = env::var("CARGO_CFG_KERNELS").unwrap_or_else(|_| {
        println!("cargo::rustc-cfg=kernels={fitting:?}");
        fitting.to_owned()
    });
    if chosen != "portable" && KERNELS.iter().all(|(name, _)| *name != chosen) {
        println!("cargo::error=there are no kernels {chosen:?}; there are {}", names.join(", "));
    }
    println!("cargo::rustc-env=THIMBLE_KERNELS={chosen}");
    println!("cargo::metadata=SOURCE={}", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
}
