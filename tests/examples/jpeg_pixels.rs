//! Writes `tests/src/jpeg_pixels.gz`: what libjpeg decodes the JPEGs of `thimble_tests::jpeg::cases` to, each in every layout.
//! `cargo run --release -p thimble-tests --example jpeg_pixels`; needs `djpeg`, of Debian's package libjpeg-turbo-progs.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use thimble_tests::jpeg::{Drawing, SIZE, cases};

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/jpeg_pixels.gz"));
    let directory = tempfile::tempdir()?;
    let (mut pixels, mut files) = (Vec::new(), 0);
    for case in cases() {
        let layouts = case.layouts();
        files += layouts.len();
        let mut decoded = Vec::with_capacity(layouts.len());
        for layout in &layouts {
            decoded.push(djpeg(&directory.path().join("case.jpg"), &case.file(layout).bytes, &case)?);
        }
        if decoded.iter().any(|pixels| *pixels != decoded[0]) {
            return Err(
                format!("djpeg decodes layouts of {:?} {:?} to different pixels", case.factors, case.color).into()
            );
        }
        pixels.append(&mut decoded[0]);
    }
    let mut packed = GzEncoder::new(File::create(path)?, Compression::best());
    packed.write_all(&pixels)?;
    let len = packed.finish()?.metadata()?.len();
    println!("{files} files, {} bytes of pixels, {len} packed", pixels.len());
    Ok(())
}

/// Pixels of a file. A case with less than three components is gray.
fn djpeg(path: &Path, jpeg: &[u8], case: &Drawing) -> Result<Vec<u8>, Box<dyn Error>> {
    std::fs::write(path, jpeg)?;
    let output = Command::new("djpeg").arg("-pnm").arg(path).output()?;
    if !output.status.success() || !output.stderr.is_empty() {
        let (factors, message) = (&case.factors, String::from_utf8_lossy(&output.stderr));
        return Err(format!("djpeg on {factors:?} {:?}: {message}", case.color).into());
    }
    let channels = if case.factors.len() == 1 { 1 } else { 3 };
    let len = (SIZE.0 * SIZE.1) as usize * channels;
    // A header of text precedes them.
    Ok(output.stdout.get(output.stdout.len().saturating_sub(len)..).unwrap_or_default().to_vec())
}
