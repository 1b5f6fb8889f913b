//! What the codes of an activation mean.

use infer_core::format::Codes;

use crate::import::graph::{Kind, Quantization, Tensor};

/// What the codes of an activation mean: unsigned bytes, as they are here, are 128 more than signed ones.
pub(super) fn codes_of(tensor: &Tensor<'_>) -> Result<Codes, String> {
    let Some(Quantization { scales, zero_points, .. }) = &tensor.quantization else {
        return Err("bytes without a scale".to_owned());
    };
    let [scale] = scales[..] else { return Err(format!("an activation with {} scales", scales.len())) };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("a scale of {scale}"));
    }
    let offset = if tensor.kind == Kind::Int8 { 128 } else { 0 };
    let stated = zero_points.first().copied().unwrap_or(0);
    let zero_point = stated.checked_add(offset).and_then(|point| u8::try_from(point).ok());
    zero_point.map_or_else(
        || Err(format!("a zero point of {stated}, which {} cannot represent", tensor.kind)),
        |zero_point| Ok(Codes { scale, zero_point }),
    )
}
