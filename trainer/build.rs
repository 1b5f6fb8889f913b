//! Lists infer-core's source for `trainer firmware`, which writes it beside the firmware that depends on it.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What the crate is built from, seen from its directory; of a directory all that is in it.
const CRATE: [&str; 4] = ["Cargo.toml", "README.md", "build.rs", "src"];

/// What belongs to it in the directory above.
const ABOVE: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    let directory = root.join("infer-core");
    if !directory.is_dir() {
        return Err(
            format!("there is no {}: the trainer is built in a clone of its repository", directory.display()).into()
        );
    }
    let mut files = Vec::new();
    for name in CRATE {
        println!("cargo::rerun-if-changed={}", directory.join(name).display());
        list(&directory.join(name), name, &mut files)?;
    }
    for name in ABOVE {
        list(&root.join(name), name, &mut files)?;
    }
    let mut source =
        String::from("/// Path in the crate's directory, and content.\nconst FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        // Debug spells a path as Rust reads it.
        writeln!(source, "    ({name:?}, include_bytes!({:?})),", path.canonicalize()?)?;
    }
    source.push_str("];\n");
    let workspace = root.join("Cargo.toml").canonicalize()?;
    writeln!(
        source,
        "/// The manifest that the crate's own refers to.\nconst WORKSPACE: &str = include_str!({workspace:?});"
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
