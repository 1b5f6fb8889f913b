//! A model with thresholds, and what a core decided with it.

use std::fs;

use infer_core::{Header, Network, Smoothing};
use thimble_tests::decisions::SmootherOracle;
use thimble_tests::oracle::Oracle;
use trainer::export::decision::Decision;

use super::Outcome;

/// Writes the model with thresholds near the probabilities that it gives to these images: half of its answers are accepted, or about
/// that.
pub fn write_thresholds(model: &str, images: &str, copy: &str) -> Outcome<()> {
    let (file, images) = (fs::read(model)?, fs::read(images)?);
    let header = Header::parse(&file)?;
    let mut arena = vec![0; header.arena_len as usize];
    let mut network = Network::new(&file, &mut arena)?;
    let mut probabilities = vec![Vec::new(); header.classes as usize];
    for pixels in images.chunks_exact(header.input_len as usize) {
        if let Some(best) = network.classify(pixels)?.top_k::<1>().first() {
            probabilities[best.class].push(best.probability);
        }
    }
    let median = |mut of_class: Vec<f32>| {
        of_class.sort_by(f32::total_cmp);
        of_class.get(of_class.len() / 2).copied().unwrap_or_default()
    };
    let class_thresholds: Vec<f32> = probabilities.into_iter().map(median).collect();
    // One that some classes have, and others not.
    let threshold = median(class_thresholds.clone());
    Ok(fs::write(copy, Decision { temperature: 1.0, threshold, class_thresholds }.apply(&file)?)?)
}

/// Checks every decision, the chip's against infer-core's here and against the oracle's.
pub fn compare(model: &str, images: &str, decisions: &str) -> Outcome<()> {
    let (model, images, decisions) = (fs::read(model)?, fs::read(images)?, fs::read(decisions)?);
    let header = Header::parse(&model)?;
    let image_len = header.input_len as usize;
    let (words, _) = decisions.as_chunks();
    let found: Vec<i32> = words.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
    let count = images.len() / image_len;
    if count == 0 || found.len() != 2 * count {
        return Err(format!("{} decisions where {count} images need {}", found.len(), 2 * count).into());
    }
    let mut arena = vec![0; header.arena_len as usize];
    let mut network = Network::new(&model, &mut arena)?;
    let oracle = Oracle::new(&model);
    let Smoothing { shift, enter, leave } = Smoothing::DEFAULT;
    let mut smoother = SmootherOracle::new(header.classes as usize, shift, enter, leave);
    let number = |decision: Option<usize>| decision.map_or(-1, |class| class as i32);
    let (mut different, mut accepted) = (0, 0);
    for (index, (pixels, chip)) in images.chunks_exact(image_len).zip(found.chunks_exact(2)).enumerate() {
        let output = network.classify(pixels)?;
        let host = output.decide();
        let expected = oracle.decision.decide(&output.logits().iter().map(|&logit| logit.into()).collect::<Vec<_>>());
        let smoothed = smoother.update(expected);
        accepted += usize::from(host.is_some());
        if host != expected || chip != [number(expected), number(smoothed)] {
            different += 1;
            eprintln!("image {index}: chip {chip:?}, host {host:?}, oracle {expected:?}, smoothed {smoothed:?}");
        }
    }
    println!("{count} images, {accepted} accepted, {different} mismatches");
    if different == 0 { Ok(()) } else { Err("the chip decides otherwise than the host".into()) }
}
