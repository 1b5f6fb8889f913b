//! Model files whose answer is the same whatever the image.

use infer_core::Shape;
use infer_core::format::{Blob, Codes, Input};
use infer_core::operators::{Layer, Logits};
use trainer::export::model_file::encode;

use crate::random_model::metadata;

/// A network of one value in, which gives these logits of that scale: they are its biases.
///
/// # Panics
/// Where the trainer refuses it.
#[must_use]
pub fn constant(logits: &[i32], scale: f32) -> Vec<u8> {
    let biases: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    let weights = vec![0; 2 * logits.len().next_multiple_of(2)];
    let layer = Layer::Logits(Logits {
        classes: logits.len() as u16,
        scale,
        biases: Blob::unpadded(&biases),
        layout: 0,
        weights: Blob::unpadded(&weights),
    });
    let names: Vec<String> = (0..logits.len()).map(|class| class.to_string()).collect();
    let input = Input::new(Shape { height: 1, width: 1, channels: 1 }, Codes { scale: 1.0, zero_point: 0 });
    encode(&metadata(&names.join("\n")), &input, &[layer]).unwrap()
}
