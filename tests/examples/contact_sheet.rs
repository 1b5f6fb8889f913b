//! Draws the first test images of each class with the answers of a model, as README shows them:
//! `cargo run --release -p thimble-tests --example contact_sheet -- model.bin docs/contact-sheet.svg`

use std::error::Error;

use infer_core::Network;
use thimble_tests::images;
use thimble_tests::sheet::{SIDE, Sheet};

const ROWS: usize = 4;
/// Pixels of the cell around an image with its two lines of text.
const CELL: (usize, usize) = (86, 104);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, path] = &arguments[..] else { return Err("give MODEL.bin and OUT.svg".into()) };
    let model = std::fs::read(model)?;
    let mut arena = vec![0; infer_core::Header::parse(&model)?.arena_len as usize];
    let mut network = Network::new(&model, &mut arena)?;
    let names: Vec<&str> = network.metadata().class_names().collect();
    let dataset = images::dataset();
    let test = &dataset.test;

    let mut sheet = Sheet::new(names.len() * CELL.0, ROWS * CELL.1);
    for (class, name) in names.iter().enumerate() {
        let of_class = (0..test.len()).filter(|&index| usize::from(test.label(index)) == class);
        for (row, index) in of_class.take(ROWS).enumerate() {
            let best = network.classify(&test.image(index)?)?.top_k::<1>()[0];
            let right = best.class == class;
            let color = if right { "#1a7f37" } else { "#cf222e" };
            let (x, y) = (class * CELL.0 + (CELL.0 - SIDE) / 2, row * CELL.1 + 4);
            let center = x + SIDE / 2;
            sheet.image((x, y), &test.image(index)?, test.shape(), color);
            let answer = format!("{} {:.0}%", names[best.class], 100.0 * best.probability);
            sheet.text((center, y + SIDE + 13), &answer, color);
            if !right {
                sheet.text((center, y + SIDE + 25), &format!("is: {name}"), "#57606a");
            }
        }
    }
    std::fs::write(path, sheet.finish())?;
    println!("{path}: {ROWS} test images of each of {} classes of {}", names.len(), dataset.name);
    Ok(())
}
