//! From a trained network to a model file, whose logits are the oracle's.

use rayon::prelude::*;
use trainer::dataset::{Dataset, Images};
use trainer::network::FloatModel;
use trainer::quantize::{QuantizedModel, calibrate, equalize};

use crate::oracle::Oracle;
use crate::random_model::metadata;

/// Images that one task classifies.
const TASK: usize = 250;

/// The model file of a network that is folded.
///
/// # Panics
/// Where it cannot be quantized.
#[must_use]
pub fn model_file(model: &FloatModel, dataset: &Dataset, seed: u64) -> Vec<u8> {
    equalize(model, &dataset.train, seed).unwrap();
    let calibration = calibrate(model, &dataset.train, seed).unwrap();
    let quantized = QuantizedModel::new(model, &calibration).unwrap();
    quantized.encode(&metadata(&dataset.class_names.join("\n"))).unwrap()
}

/// Compares infer-core's logits of all images with those of the oracle, which must not overflow.
///
/// # Panics
/// Where they differ.
pub fn assert_oracle_equality(file: &[u8], images: &Images) {
    let oracle = Oracle::new(file);
    (0..images.len()).collect::<Vec<_>>().par_chunks(TASK).for_each(|indices| {
        let mut arena = vec![0; infer_core::arena_len(file)];
        let mut network = infer_core::Network::new(file, &mut arena).unwrap();
        for &index in indices {
            let image = images.image(index).unwrap();
            let logits: Vec<i64> =
                network.classify(&image).unwrap().logits().iter().map(|&logit| logit.into()).collect();
            let expected = oracle.run(&image);
            assert_eq!(logits, expected.logits, "image {index}");
            assert!(!expected.overflows, "image {index}");
        }
    });
}
