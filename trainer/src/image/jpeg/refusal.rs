//! Why a JPEG is not decoded.

use crate::image::error::PictureError;

/// That its content contradicts itself or ends too early.
pub fn damaged(reason: impl Into<String>) -> PictureError {
    PictureError::Damaged { reason: reason.into() }
}

/// That it is of a kind that is not read, named with its article.
pub fn unsupported(kind: &str) -> PictureError {
    PictureError::Unsupported { what: format!("{kind}; save it as a baseline or progressive JPEG in gray or color") }
}
