//! What an operation knows of a batch that it normalizes over.

/// Mean and variance of each channel over a batch, as batch normalization used them.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// `[out]`.
    pub mean: Vec<f32>,
    /// Biased: the mean of the squared distances from the mean. `[out]`.
    pub variance: Vec<f32>,
    /// Values of a channel, `n * rows * columns`.
    pub count: usize,
}
