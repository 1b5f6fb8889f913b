//! Draws the first test pictures of each class with what a model says about them, as README shows it:
//! `cargo run --release -p thimble-tests --example contact_sheet -- model.bin docs/contact-sheet.svg`

use std::error::Error;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use infer_core::Network;
use thimble_tests::pictures;

const ROWS: usize = 4;
/// Pixels of a drawn picture, and of the cell around it with its two lines of text.
const SIDE: usize = 64;
const CELL: (usize, usize) = (86, 104);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, path] = &arguments[..] else { return Err("give MODEL.bin and OUT.svg".into()) };
    let model = std::fs::read(model)?;
    let mut arena = vec![0; infer_core::Header::parse(&model)?.arena_len as usize];
    let mut network = Network::new(&model, &mut arena)?;
    let names: Vec<&str> = network.metadata().class_names().collect();
    let dataset = pictures::dataset();
    let test = &dataset.test;

    let (width, height) = (names.len() * CELL.0, ROWS * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"10\" text-anchor=\"middle\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (class, name) in names.iter().enumerate() {
        let of_class = (0..test.len()).filter(|&index| usize::from(test.label(index)) == class);
        for (row, index) in of_class.take(ROWS).enumerate() {
            let best = network.classify(test.image(index))?.top_k::<1>()[0];
            let right = best.class == class;
            let color = if right { "#1a7f37" } else { "#cf222e" };
            let (x, y) = (class * CELL.0 + (CELL.0 - SIDE) / 2, row * CELL.1 + 4);
            let center = x + SIDE / 2;
            let image = BASE64_STANDARD.encode(png(test.image(index), test.shape().width, test.shape().height)?);
            writeln!(
                svg,
                "<image x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{image}\"/>"
            )?;
            writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"{color}\" \
                 stroke-width=\"2\"/>"
            )?;
            let said = format!("{} {:.0}%", names[best.class], 100.0 * best.probability);
            writeln!(svg, "<text x=\"{center}\" y=\"{}\" fill=\"{color}\">{said}</text>", y + SIDE + 13)?;
            if !right {
                writeln!(svg, "<text x=\"{center}\" y=\"{}\" fill=\"#57606a\">is: {name}</text>", y + SIDE + 25)?;
            }
        }
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg)?;
    println!("{path}: {ROWS} test pictures of each of {} classes of {}", names.len(), dataset.name);
    Ok(())
}

fn png(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}
