//! A small model, of which a chip flips every bit, and what became of each flip there and here.
//!
//! A bundle is as in [`shapes`], with one image.

use std::fs;

use infer_core::Header;
use thimble_tests::bit_flips::{Fate, flipped, load_and_run};
use thimble_tests::tiny;

use crate::{Outcome, shapes};

/// Writes the model and its image.
pub fn write(bundle: &str) -> Outcome<()> {
    let model = tiny::model();
    fs::write(bundle, shapes::bundled(&model.file(), 2..3, |index| model.image(index))?)?;
    Ok(())
}

/// Checks the fate of every flip.
pub fn compare(fates: &str) -> Outcome<()> {
    let model = tiny::model();
    let (file, pixels) = (model.file(), model.image(2));
    let honest = Header::parse(&file)?;
    let fates = fs::read(fates)?;
    let words: Vec<u32> = fates.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    let flips = 8 * file.len();
    if words.len() != 2 * flips || fates.len() != 4 * words.len() {
        return Err(format!("{} bytes of fates where {flips} flips need {}", fates.len(), 8 * flips).into());
    }
    let (mut refused, mut different) = (0, 0);
    for (bit, words) in words.chunks(2).enumerate() {
        let result = load_and_run(&flipped(&file, bit), &honest, &pixels);
        let host = Fate::of(&result);
        let chip = Fate { refused: words[0] != 0, digest: words[1] };
        refused += usize::from(host.refused);
        if chip != host {
            different += 1;
            eprintln!("bit {bit}: chip {chip:x?}, host {host:x?}, {result:?}");
        }
    }
    println!("{flips} flips, here {refused} refused and {} run, {different} mismatches", flips - refused);
    if different == 0 { Ok(()) } else { Err("the chip makes something else of a flipped bit than the host".into()) }
}
