//! Names the linker scripts and finds the model and its test images.
//!
//! Link arguments are given here and not in `.cargo/config.toml`, where `RUSTFLAGS` from outside would replace them.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Flash that a program takes besides a model and its images, at most.
const PROGRAM: u64 = 256 << 10;

/// What every model file begins with.
const MAGIC: [u8; 8] = *b"THIMBLE\0";

/// Where the header of a model file states the length of the arena.
const ARENA_AT: u64 = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let layout = "memory.x";
    println!("cargo:rerun-if-changed={layout}");
    let directory = env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo:rustc-link-search={directory}");
    // Otherwise the linker moves sections to page boundaries, for an operating system that is not there.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    link_model(&fs::read_to_string(layout)?)
}

/// Finds the model and its images, and checks that the board has room for them. `firmware-tests` does the same, with the
/// layouts of other boards.
pub fn link_model(layout: &str) -> Result<(), Box<dyn Error>> {
    let model = find_model()?;
    if model.is_file() && first_bytes(&model) != Some(MAGIC) {
        let model = model.display();
        return Err(format!("{model}: not a model file: it does not begin with THIMBLE; trainer fit writes one").into());
    }
    let frames = find_frames(&model)?;
    let ram = region(layout, "RAM")?;
    let arena = header_word(&model, ARENA_AT).unwrap_or(0);
    if arena > ram {
        return Err(format!("{}: its arena takes {arena} bytes, the board's RAM has {ram}", model.display()).into());
    }
    choose_memory(layout, file_len(&model) + frames.as_deref().map_or(0, file_len))
}

/// Gives the programs the path of the model, by `THIMBLE_MODEL_PATH` and `cfg(model)`. Where there is none, those that
/// link it stop with a message of their own, and `hot_swap` builds all the same.
fn find_model() -> Result<PathBuf, Box<dyn Error>> {
    let named = match (variable("THIMBLE_RUN"), variable("THIMBLE_MODEL")) {
        (Some(_), Some(_)) => return Err("THIMBLE_RUN and THIMBLE_MODEL both name a model; set one of them".into()),
        (Some(run), None) if !run.is_dir() => {
            let above = Path::new("..").join(&run);
            let advice = if above.is_dir() { format!("; did you mean {}?", above.display()) } else { String::new() };
            let (run, here) = (run.display(), env::current_dir()?);
            return Err(format!("THIMBLE_RUN={run}: no such directory, seen from {}{advice}", here.display()).into());
        }
        (Some(run), None) => run.join("model.bin"),
        (None, named) => named.unwrap_or_else(|| "../model.bin".into()),
    };
    let path = std::path::absolute(named)?;
    println!("cargo:rerun-if-changed={}", path.display());
    println!("cargo:rustc-env=THIMBLE_MODEL_PATH={}", path.display());
    if path.is_file() {
        println!("cargo:rustc-cfg=model");
    }
    Ok(path)
}

/// Gives the programs the path of the test images, by `THIMBLE_FRAMES_PATH` and `cfg(frames)`: the file that
/// `THIMBLE_FRAMES` names, or else the one that `fit` leaves next to the model of a run.
fn find_frames(model: &Path) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let path = match variable("THIMBLE_FRAMES") {
        Some(named) if !named.is_file() => {
            return Err(format!("THIMBLE_FRAMES={}: there is no such file", named.display()).into());
        }
        Some(named) => named,
        // A file that is not there is not watched: cargo would build everything again each time.
        None => match model.with_file_name("frames.bin") {
            neighbor if neighbor.is_file() => neighbor,
            _ => return Ok(None),
        },
    };
    let path = std::path::absolute(path)?;
    println!("cargo:rerun-if-changed={}", path.display());
    println!("cargo:rustc-env=THIMBLE_FRAMES_PATH={}", path.display());
    println!("cargo:rustc-cfg=frames");
    Ok(Some(path))
}

/// Where the emulated board's flash has no room for model and images, they go to its external memory.
fn choose_memory(layout: &str, bytes: u64) -> Result<(), Box<dyn Error>> {
    if bytes + PROGRAM <= region(layout, "FLASH")? || !layout.contains("EXTERNAL") {
        return Ok(());
    }
    let external = region(layout, "EXTERNAL")?;
    if bytes > external {
        return Err(format!("model and images take {bytes} bytes, the emulated board has {external}").into());
    }
    println!("cargo:rerun-if-env-changed=THIMBLE_CORE");
    if env::var("THIMBLE_CORE").is_ok_and(|core| core == "M7") {
        return Err(format!("model and images take {bytes} bytes, the emulated M7 has no room for them").into());
    }
    println!("cargo:rustc-cfg=external_memory");
    Ok(())
}

/// The length of a memory region in the text of a layout, as in `RAM : ORIGIN = 0x20000000, LENGTH = 4M`.
fn region(layout: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let of_region = |line: &&str| line.split_once(':').is_some_and(|(before, _)| before.trim() == name);
    let length =
        layout.lines().find(of_region).and_then(|line| line.rsplit_once("LENGTH = ")).map(|(_, length)| length);
    // Of a difference, as in `2M - 0x100`, the first number is near enough.
    let length = length.and_then(|length| length.split_whitespace().next()).unwrap_or_default();
    let (digits, unit) = match length.strip_suffix('M') {
        Some(digits) => (digits, 1 << 20),
        None => (length.strip_suffix('K').ok_or_else(|| format!("no length of {name} in the memory layout"))?, 1 << 10),
    };
    Ok(digits.parse::<u64>()? * unit)
}

/// A number in the header of a model file.
fn header_word(model: &Path, offset: u64) -> Option<u64> {
    let mut file = fs::File::open(model).ok()?;
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes).into())
}

fn first_bytes(path: &Path) -> Option<[u8; 8]> {
    let mut bytes = [0; 8];
    fs::File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn file_len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// An environment variable that names a file or a directory.
fn variable(name: &str) -> Option<PathBuf> {
    println!("cargo:rerun-if-env-changed={name}");
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
