//! Pictures on their way into a network: gathered by index, bytes to floats.

use candle_core::{Device, Result, Tensor};

use crate::data::Images;

/// Real value of one step of a pixel: 0 to 255 becomes 0 to 1.
pub const PIXEL_SCALE: f32 = 1.0 / 255.0;

/// Pictures `[n, height, width, channels]`, 0 to 1, and labels `[n]`.
///
/// # Errors
/// Those of candle.
pub fn gather(images: &Images, indices: &[usize]) -> Result<(Tensor, Tensor)> {
    let shape = images.shape();
    let mut pixels = Vec::with_capacity(indices.len() * shape.len());
    let mut labels = Vec::with_capacity(indices.len());
    for &index in indices {
        pixels.extend(images.image(index).iter().map(|&pixel| f32::from(pixel) * PIXEL_SCALE));
        labels.push(u32::from(images.label(index)));
    }
    let dimensions = (indices.len(), shape.height, shape.width, shape.channels);
    Ok((Tensor::from_vec(pixels, dimensions, &Device::Cpu)?, Tensor::from_vec(labels, indices.len(), &Device::Cpu)?))
}
