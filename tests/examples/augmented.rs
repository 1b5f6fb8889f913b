//! Draws what each option of `[augment]` makes of a training image, the image itself first:
//! `cargo run --release -p thimble-tests --example augmented -- docs/augmented.svg`
//!
//! Options of color are shown on an image that has some: the same, painted before a ground.

use std::error::Error;

use thimble_tests::images;
use thimble_tests::sheet::{SIDE, Sheet};
use trainer::dataset::ImageShape;
use trainer::support::rng::{Purpose, stream};
use trainer::train::recipe::Augment;

/// The image, and what becomes of it.
const COLUMNS: usize = 5;
const CELL: usize = SIDE + 6;
/// Place for an option's name.
const NAME: usize = 72;
/// Options next to each other.
const PANELS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = &arguments[..] else { return Err("give OUT.svg".into()) };
    let dataset = images::dataset();
    let (train, shape) = (&dataset.train, dataset.train.shape());
    let nothing = Augment::default();
    // Wide ranges, so that what they do is seen at this size.
    let options = [
        ("flip", Augment { flip: 0.5, ..nothing }),
        ("shift", Augment { shift: 3, ..nothing }),
        ("rotate", Augment { rotate: 30.0, ..nothing }),
        ("zoom", Augment { zoom: 0.4, ..nothing }),
        ("shear", Augment { shear: 25.0, ..nothing }),
        ("translate", Augment { translate: 0.2, ..nothing }),
        ("crop", Augment { crop: 0.6, ..nothing }),
        ("blur", Augment { blur: 1.5, ..nothing }),
        ("erase", Augment { erase: 0.9, ..nothing }),
        ("noise", Augment { noise: 0.15, ..nothing }),
        ("brightness", Augment { brightness: 0.5, ..nothing }),
        ("contrast", Augment { contrast: 0.7, ..nothing }),
        ("saturation", Augment { saturation: 0.9, ..nothing }),
        ("hue", Augment { hue: 90.0, ..nothing }),
        ("photographs", nothing.for_photographs()),
        ("and flip", Augment { flip: 0.5, ..nothing }.for_photographs()),
    ];
    let panel = NAME + COLUMNS * CELL;
    let mut sheet = Sheet::new(PANELS * panel, options.len().div_ceil(PANELS) * CELL);
    for (index, (name, augment)) in options.into_iter().enumerate() {
        let (left, top) = (index % PANELS * panel, index / PANELS * CELL);
        sheet.text((left + NAME / 2, top + CELL / 2), name, "#24292f");
        let gray = train.image(index)?;
        let (image, shape) = if augment.is_recolored() { painted(&gray, shape) } else { (gray.to_vec(), shape) };
        for column in 0..COLUMNS {
            let mut generator = stream(48, Purpose::Augment, column as u64);
            let pixels = if column == 0 { nothing } else { augment }.image(&image, shape, &mut generator);
            let color = if column == 0 { "#0969da" } else { "#d0d7de" };
            sheet.image((left + NAME + column * CELL, top + 3), &pixels, shape, color);
        }
    }
    std::fs::write(path, sheet.finish())?;
    println!("{path}: training images of {} and what augmentation makes of them", dataset.name);
    Ok(())
}

/// A gray image in orange, before a meadow under the sky.
fn painted(gray: &[u8], shape: ImageShape) -> (Vec<u8>, ImageShape) {
    let ground = |row: usize| if row * 3 < shape.height * 2 { [120, 170, 220] } else { [70, 130, 60] };
    let blend = |(at, &value): (usize, &u8)| {
        let share = (u16::from(value) * 3).min(255);
        let thing = [235, 120, 50].map(|color: u16| color * u16::from(value) / 255);
        let ground = ground(at / shape.width);
        [0, 1, 2].map(|channel| ((thing[channel] * share + ground[channel] * (255 - share)) / 255) as u8)
    };
    let pixels = gray.iter().enumerate().flat_map(blend).collect();
    (pixels, ImageShape { channels: 3, ..shape })
}
