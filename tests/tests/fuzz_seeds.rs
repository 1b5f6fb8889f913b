//! The seeds of the fuzz targets, through the same functions that the fuzzer calls, on any compiler.
//!
//! Whatever a fuzzer crashes on is kept as one more seed, so that it stays mended.

use std::fs;
use std::path::PathBuf;

use infer_core::{Header, Network};

#[path = "../../fuzz/src/architecture.rs"]
mod architecture;
#[path = "../../fuzz/src/idx.rs"]
mod idx;
#[path = "../../fuzz/src/lib.rs"]
mod infer_core_targets;
#[path = "../../fuzz/src/jpeg.rs"]
mod jpeg;
#[path = "../../fuzz/src/tflite.rs"]
mod tflite;

use infer_core_targets::{camera, header, kernels, model, payload};

/// The seeds of a target.
fn seeds(target: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds")).join(target);
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Calls `check` with every seed of a target.
fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let mut paths = seeds(target);
    paths.sort();
    assert!(paths.len() >= least, "only {} seeds of {target}", paths.len());
    for path in paths {
        // Printed where the check panics: which seed it was.
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
    }
}

#[test]
fn seeds_of_the_target_model_hold() {
    replay("model", 9, model::check);
}

/// How many seeds of a target are taken as what they are to be: where a format changes and they do not, targets return at once, and hold.
fn taken(target: &str, is_taken: impl Fn(&[u8]) -> bool) -> usize {
    seeds(target).iter().filter(|path| is_taken(&fs::read(path).unwrap())).count()
}

#[test]
fn seeds_are_of_the_format_that_is_read() {
    let loads = |file: &[u8]| Network::new(file, &mut vec![0; 1 << 20]).is_ok();
    assert!(taken("model", loads) >= 5);
    assert!(taken("header", |file| Header::parse(file).is_ok()) >= 5);
}

#[test]
fn a_seed_of_the_target_model_has_thresholds_of_classes() {
    let file = include_bytes!("../../fuzz/seeds/model/thresholds");
    let decision = trainer::export::decision::Decision::of_file(file).unwrap();
    assert_eq!((decision.threshold, decision.class_thresholds), (0.5, vec![0.5, 0.75, 0.5]));
}

#[test]
fn seeds_of_the_target_header_hold() {
    replay("header", 9, header::check);
}

#[test]
fn seeds_of_the_target_payload_hold() {
    replay("payload", 8, payload::check);
}

#[test]
fn seeds_of_the_target_kernels_hold() {
    replay("kernels", 8, kernels::check);
}

#[test]
fn seeds_of_the_target_camera_hold() {
    replay("camera", 14, camera::check);
}

#[test]
fn seeds_of_the_target_idx_hold() {
    replay("idx", 6, idx::check);
}

#[test]
fn seeds_of_the_target_architecture_hold() {
    replay("architecture", 5, architecture::check);
}

#[test]
fn seeds_of_the_target_jpeg_hold() {
    replay("jpeg", 9, jpeg::check);
}

#[test]
fn networks_of_any_numbers_hold() {
    // Beginnings that the target makes whole networks of.
    for seed in 0..400u32 {
        let bytes: Vec<u8> =
            (0..24u32).map(|at| (seed.wrapping_mul(0x9E37_79B9).rotate_left(at) >> 24) as u8).collect();
        kernels::check(&bytes);
    }
}

#[test]
fn seeds_of_the_target_tflite_hold() {
    replay("tflite", 4, tflite::check);
}
