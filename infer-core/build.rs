//! Tells the kernels which core they are built for: the compiler's `cfg` knows the DSP extension on nightly only, so the
//! name of the target has to say it.

use std::env;

/// Kernels, and how the names of their targets begin.
const KERNELS: [(&str, &[&str]); 1] = [("armv7em", &["thumbv7em-"])];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut names: Vec<_> = KERNELS.iter().map(|(name, _)| format!("{name:?}")).collect();
    names.push("\"portable\"".to_owned());
    println!("cargo::rustc-check-cfg=cfg(kernels, values({}))", names.join(", "));
    // Whoever builds for a core without what its target's name suggests chooses by `RUSTFLAGS='--cfg kernels="…"'`.
    if env::var_os("CARGO_CFG_KERNELS").is_some() {
        return;
    }
    let target = env::var("TARGET").unwrap_or_default();
    let fits = |prefixes: &[&str]| prefixes.iter().any(|prefix| target.starts_with(prefix));
    let name = KERNELS.iter().find(|(_, prefixes)| fits(prefixes)).map_or("portable", |(name, _)| name);
    println!("cargo::rustc-cfg=kernels={name:?}");
}
