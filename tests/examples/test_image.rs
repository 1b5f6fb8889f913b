//! Writes a test image of Fashion-MNIST as a file, from those that firmware-example keeps in flash: the ankle boot that README
//! has a model look at.
//! `cargo run --release -p thimble-tests --example test_image -- docs/ankle-boot.png`

#[allow(dead_code, reason = "some of it only programs for chips use")]
#[path = "../../firmware-example/src/frames.rs"]
mod frames;

use std::error::Error;

use frames::Frames;
use image::GrayImage;

/// An image for each class.
const FRAMES: &[u8] = include_bytes!("../../trainer/assets/frames/fashion-mnist.frames");

/// The class of ankle boots.
const ANKLE_BOOT: usize = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give the file to write, such as docs/ankle-boot.png")?;
    let mut frames = Frames::parse(FRAMES).map_err(|refusal| refusal.to_string())?;
    let (height, width) = (frames.shape().height.into(), frames.shape().width.into());
    let boot = frames.find(|frame| frame.class == ANKLE_BOOT).ok_or("no ankle boot")?;
    let image = GrayImage::from_raw(width, height, boot.pixels.to_vec()).ok_or("not a gray image")?;
    Ok(image.save(path)?)
}
