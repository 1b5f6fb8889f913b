//! Writes the fixtures of infer-core, the one that its examples include and those of its tests:
//! `cargo run --release -p thimble-tests --example tiny_model`

use std::fs;
use std::path::Path;

use thimble_tests::{miri_models, tiny};

fn main() -> std::io::Result<()> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infer-core/tests/fixtures");
    fs::write(fixtures.join("tiny.bin"), tiny::model().file())?;
    let small = fixtures.join("small");
    fs::create_dir_all(&small)?;
    for (name, fixture) in miri_models::fixtures() {
        fs::write(small.join(format!("{name}.bin")), fixture)?;
    }
    Ok(())
}
