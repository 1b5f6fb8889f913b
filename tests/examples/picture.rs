//! Writes a test picture of Fashion-MNIST as a file, from those that firmware-example keeps in flash: the ankle boot that README
//! has a model look at.
//! `cargo run --release -p thimble-tests --example picture -- docs/ankle-boot.png`

use std::error::Error;

use image::GrayImage;

/// A byte for the class, then the pixels, for each class.
const PICTURES: &[u8] = include_bytes!("../../firmware-example/pictures/fashion-mnist.pictures");

/// Rows and columns.
const SIDE: u32 = 28;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give the file to write, such as docs/ankle-boot.png")?;
    let boot =
        PICTURES.chunks_exact(1 + (SIDE * SIDE) as usize).find(|record| record[0] == 9).ok_or("no ankle boot")?;
    let picture = GrayImage::from_raw(SIDE, SIDE, boot[1..].to_vec()).ok_or("not a picture of that size")?;
    Ok(picture.save(path)?)
}
