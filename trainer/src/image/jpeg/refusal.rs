//! Why a JPEG is not decoded.

use crate::image::error::ImageError;

/// That its content contradicts itself or ends too early.
pub fn damaged(reason: impl Into<String>) -> ImageError {
    ImageError::Damaged { reason: reason.into() }
}

/// That it is of a kind that is not read, named with its article.
pub fn unsupported(kind: &str) -> ImageError {
    ImageError::Unsupported { what: format!("{kind}; save it as a baseline or progressive JPEG in gray or color") }
}
