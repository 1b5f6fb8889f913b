//! Any bytes as a TFLite file: refused with a message, or a network whose model file loads.

use infer_core::format::Metadata;
use trainer::export::model_file;
use trainer::import::{self, FloatError, Imported, InputRange, Rounding, tflite};

/// Imports a file, and encodes it where it is an int8 network.
///
/// # Panics
/// Where the trainer does, or returns what is not so.
pub fn check(bytes: &[u8]) {
    let imported = match tflite::read(bytes).and_then(|graph| import::layers("imported", &graph, None)) {
        Ok(imported) => imported,
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            return;
        }
    };
    let architecture = &imported.architecture;
    assert_eq!(imported.weights.len(), architecture.layers.len());
    for rounding in [Rounding::Once, Rounding::Twice] {
        quantize(&imported, rounding);
    }
}

/// Takes its numbers over, and encodes them.
fn quantize(imported: &Imported, rounding: Rounding) {
    let architecture = &imported.architecture;
    match import::quantized(imported, rounding) {
        Ok(Some(quantized)) => {
            let class_lines = vec!["class"; architecture.classes()].join("\n");
            let metadata = Metadata {
                trainer: "",
                dataset: "",
                architecture: "",
                class_lines: &class_lines,
                images: "",
                float_test_accuracy: None,
                int8_test_accuracy: None,
            };
            if let Ok(model) = quantized.encode(&metadata) {
                model_file::check(&model).expect("what is written is what is read");
            }
        }
        Ok(None) => {
            if let Err(FloatError::Candle(error)) = import::float(imported, InputRange::UNIT) {
                panic!("weights have the dimensions of their layers: {error}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
