//! Draws a folder of images to train on, 300 of each of five shapes, 32x32 pixels, unless other numbers are given:
//! `cargo run --release -p thimble-tests --example shapes -- DIR [PER_CLASS [SIDE]]`

use std::error::Error;
use std::path::Path;

use thimble_tests::shapes::{self, CLASS_NAMES};

/// Images of each class, and rows and columns of each, unless others are given.
const DEFAULTS: (usize, u32) = (300, 32);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (directory, per_class, side) = match &arguments[..] {
        [directory] => (directory, DEFAULTS.0, DEFAULTS.1),
        [directory, per_class] => (directory, per_class.parse()?, DEFAULTS.1),
        [directory, per_class, side] => (directory, per_class.parse()?, side.parse()?),
        _ => return Err("give DIR and, if you like, how many images of each class, and their side in pixels".into()),
    };
    shapes::write(Path::new(directory), 0..per_class, (side, side), "png")?;
    println!("{directory}: {per_class} images of each of {}", CLASS_NAMES.join(", "));
    Ok(())
}
