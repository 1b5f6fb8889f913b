//! The sizes of a convolution, and where its filters are.

use crate::network::autograd::images_per_task;

/// All the sizes. An image is laid out with its padding, so that every filter position is inside.
#[derive(Clone, Copy)]
pub struct Geometry {
    pub n: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub out: usize,
    pub kernel: usize,
    pub pad: usize,
    pub padded_height: usize,
    pub padded_width: usize,
    /// 2 with a pool, 1 without.
    pub window: usize,
    /// Rows that come out.
    pub rows: usize,
    /// Columns that come out.
    pub columns: usize,
}

impl Geometry {
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub fn padded_len(&self) -> usize {
        self.padded_height * self.padded_width * self.channels
    }

    pub fn output_len(&self) -> usize {
        self.rows * self.columns * self.out
    }

    pub fn taps(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Images that one task takes: a fixed share of the batch, so that sums come out the same on any machine.
    pub fn images_per_task(&self) -> usize {
        images_per_task(self.n)
    }

    /// Where the filter's first tap is for a position of the window.
    pub fn corner(&self, row: usize, column: usize, position: usize) -> usize {
        let (y, x) = (row * self.window + position / 2, column * self.window + position % 2);
        (y * self.padded_width + x) * self.channels
    }

    pub fn pad_image(&self, image: &[f32], padded: &mut [f32]) {
        let row_len = self.width * self.channels;
        for (y, row) in image.chunks_exact(row_len).enumerate() {
            let start = ((y + self.pad) * self.padded_width + self.pad) * self.channels;
            padded[start..start + row_len].copy_from_slice(row);
        }
    }

    pub fn unpad_image(&self, padded: &[f32], image: &mut [f32]) {
        let row_len = self.width * self.channels;
        for (y, row) in image.chunks_exact_mut(row_len).enumerate() {
            let start = ((y + self.pad) * self.padded_width + self.pad) * self.channels;
            row.copy_from_slice(&padded[start..start + row_len]);
        }
    }
}
