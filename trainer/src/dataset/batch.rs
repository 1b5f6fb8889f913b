//! Images on their way into a network: gathered by index, bytes to floats.

use candle_core::{Device, Result, Tensor};
use infer_core::format::Codes;

use crate::dataset::{ImageShape, Images};

/// Real value of one step of a pixel: 0 to 255 becomes 0 to 1.
pub const PIXEL_SCALE: f32 = 1.0 / 255.0;

/// What the bytes of an image mean as codes.
pub const PIXEL_CODES: Codes = Codes { scale: PIXEL_SCALE, zero_point: 0 };

/// Images `[n, height, width, channels]`, 0 to 1, and labels `[n]`.
///
/// # Errors
/// Those of candle, and where the images are in a file that cannot be read.
pub fn gather(images: &Images, indices: &[usize]) -> Result<(Tensor, Tensor)> {
    let mut pixels = Vec::with_capacity(indices.len() * images.shape().len());
    for &index in indices {
        pixels.extend_from_slice(&images.image(index)?);
    }
    let labels: Vec<u32> = indices.iter().map(|&index| images.label(index).into()).collect();
    Ok((inputs(&pixels, images.shape())?, Tensor::from_vec(labels, indices.len(), &Device::Cpu)?))
}

/// Images `[n, height, width, channels]`, 0 to 1, of as many bytes.
///
/// # Errors
/// Those of candle.
pub fn inputs(pixels: &[u8], shape: ImageShape) -> Result<Tensor> {
    let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) * PIXEL_SCALE).collect();
    let dimensions = (pixels.len() / shape.len(), shape.height, shape.width, shape.channels);
    Tensor::from_vec(values, dimensions, &Device::Cpu)
}
