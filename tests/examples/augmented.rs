//! Draws what a recipe makes of training images, the image itself first in each row:
//! `cargo run --release -p thimble-tests --example augmented -- docs/augmented.svg`

use std::error::Error;

use thimble_tests::images;
use thimble_tests::sheet::{SIDE, Sheet};
use trainer::support::rng::{Purpose, stream};
use trainer::train::recipe::Augment;

const COLUMNS: usize = 9;
const CELL: usize = SIDE + 6;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = &arguments[..] else { return Err("give OUT.svg".into()) };
    let dataset = images::dataset();
    let train = &dataset.train;
    let nothing = Augment::default();
    let rows = [
        ("flip", Augment { flip: 0.5, ..nothing }),
        ("shift", Augment { shift: 2, ..nothing }),
        ("erase", Augment { erase: 0.5, ..nothing }),
        ("all", Augment { flip: 0.5, shift: 2, erase: 0.5, ..nothing }),
    ];
    let mut sheet = Sheet::new(SIDE + COLUMNS * CELL, rows.len() * CELL);
    for (row, (name, augment)) in rows.into_iter().enumerate() {
        sheet.text((SIDE / 2, row * CELL + CELL / 2), name, "#24292f");
        for column in 0..COLUMNS {
            let mut generator = stream(48, Purpose::Augment, column as u64);
            let pixels =
                if column == 0 { nothing } else { augment }.image(&train.image(row)?, train.shape(), &mut generator);
            let color = if column == 0 { "#0969da" } else { "#d0d7de" };
            sheet.image((SIDE + column * CELL, row * CELL + 3), &pixels, train.shape(), color);
        }
    }
    std::fs::write(path, sheet.finish())?;
    println!("{path}: training images of {} and what augmentation makes of them", dataset.name);
    Ok(())
}
