//! What a stage computes, counted: what an estimate of its instructions is made of.

/// What a kernel does, counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Which kernel.
    pub kernel: Kernel,
    /// Rows of weights; none of a max-pool.
    pub rows: usize,
    /// Values that are put out: each is requantized.
    pub outputs: usize,
    /// Values that are read, and multiplied with each row: of a convolution as often as a window covers them.
    pub inputs: usize,
    /// Places that outputs stand at, all channels of a place together: those that a window is laid on.
    pub places: usize,
}

/// What is computed in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Convolution.
    Conv,
    /// Convolution with the max-pool after it.
    ConvPool,
    /// Max-pool by itself.
    MaxPool,
    /// Fully connected layer.
    Dense,
}

impl Work {
    /// Multiply-accumulates, outputs, inputs and places, where so many rows are computed together.
    #[must_use]
    pub fn counts(&self, block: usize) -> [f64; 4] {
        let macs = self.inputs * self.rows.next_multiple_of(block.max(1));
        [macs, self.outputs, self.inputs, self.places].map(|count| count as f64)
    }
}
