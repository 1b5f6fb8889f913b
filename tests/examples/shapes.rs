//! Draws a folder of pictures to train on, 300 of each of five shapes unless another number is given:
//! `cargo run --release -p thimble-tests --example shapes -- DIR [PER_CLASS]`

use std::error::Error;
use std::path::Path;

use thimble_tests::shapes::{self, CLASS_NAMES};

/// Rows and columns of a picture.
const SIDE: u32 = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (directory, per_class) = match &arguments[..] {
        [directory] => (directory, 300),
        [directory, per_class] => (directory, per_class.parse()?),
        _ => return Err("give DIR and, if you like, how many pictures of each class".into()),
    };
    shapes::write(Path::new(directory), 0..per_class, (SIDE, SIDE), "png")?;
    println!("{directory}: {per_class} pictures of each of {}", CLASS_NAMES.join(", "));
    Ok(())
}
