//! Lists infer-core's source for `trainer firmware`, which writes it beside the firmware that depends on it: the very source that this
//! program is built with, in a clone of the repository as from a registry.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What the crate is built from, seen from its directory; of a directory all that is in it.
const CRATE: [&str; 6] = ["Cargo.toml", "README.md", "build.rs", "src", "LICENSE-APACHE", "LICENSE-MIT"];

fn main() -> Result<(), Box<dyn Error>> {
    // The build script of infer-core has it from cargo.
    let directory = PathBuf::from(env::var("DEP_THIMBLE_INFER_CORE_SOURCE")?);
    let mut files = Vec::new();
    for name in CRATE {
        println!("cargo::rerun-if-changed={}", directory.join(name).display());
        list(&directory.join(name), name, &mut files)?;
    }
    let mut source =
        String::from("/// Path in the crate's directory, and content.\nconst FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        // Debug spells a path as Rust reads it.
        writeln!(source, "    ({name:?}, include_bytes!({:?})),", path.canonicalize()?)?;
    }
    // In a package nothing refers to a workspace any more.
    let refers = fs::read_to_string(directory.join("Cargo.toml"))?.contains("workspace = true");
    let workspace = match refers {
        true => format!("include_str!({:?})", directory.join("../Cargo.toml").canonicalize()?),
        false => "\"\"".to_owned(),
    };
    writeln!(
        source,
        "];\n/// The manifest of the workspace that the crate's own refers to; empty where it refers to none.\n\
         const WORKSPACE: &str = {workspace};"
    )?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("infer_core.rs"), source)?;
    Ok(())
}

/// Adds a file, or those in a directory, in the order of their names.
fn list(path: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    if !path.is_dir() {
        files.push((name.to_owned(), path.to_owned()));
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?);
    }
    names.sort();
    for below in names {
        list(&path.join(&below), &format!("{name}/{below}"), files)?;
    }
    Ok(())
}
