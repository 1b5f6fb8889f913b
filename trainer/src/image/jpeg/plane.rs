//! The samples of a component.

/// Samples of a component, of whole blocks.
#[derive(Default)]
pub(super) struct Plane {
    samples: Vec<u8>,
    /// Samples in a row, those after the right edge of the image included.
    stride: usize,
    /// Rows that are part of the image.
    pub(super) height: usize,
    /// Columns that are part of the image.
    pub(super) width: usize,
}

impl Plane {
    pub(super) fn new(extent: &super::frame::Extent) -> Self {
        let stride = 8 * extent.stored_wide as usize;
        Self {
            samples: vec![0; 8 * extent.stored_high as usize * stride],
            stride,
            height: extent.height as usize,
            width: extent.width as usize,
        }
    }

    /// Sets the samples of the block of a column and a row of blocks.
    pub(super) fn set_block(&mut self, x: usize, y: usize, samples: &[u8; 64]) {
        let start = 8 * (y * self.stride + x);
        for (row, samples) in self.samples[start..].chunks_mut(self.stride).zip(samples.as_chunks::<8>().0) {
            row[..8].copy_from_slice(samples);
        }
    }

    /// Sets all samples of a block to one value.
    pub(super) fn set_flat_block(&mut self, x: usize, y: usize, sample: u8) {
        self.set_block(x, y, &[sample; 64]);
    }

    /// A row of samples, those of the image only; the last one for rows below it.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y.min(self.height - 1) * self.stride..][..self.width]
    }
}
