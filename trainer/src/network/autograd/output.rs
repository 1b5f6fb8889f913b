//! The output of an operation: values, or what batch normalization makes of values, computed where it is read.
//!
//! At the sizes of a training step, memory is what a normalized convolution waits for. Its output is therefore never written:
//! the convolution's own values are, and each reader normalizes and activates those that it has just read.

use std::sync::{Arc, OnceLock};

use candle_core::{Device, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::buffers::{self, Buffer};
use super::channels::{self, Affine};
use super::{images_per_task, values};

/// The output of an operation, shared by those who read it: `[n, height, width, channels]`, or as its operation says.
#[derive(Clone)]
pub enum Output {
    /// The values.
    Values(Tensor),
    /// Values that are normalized and activated where they are read.
    Normalized(Arc<NormalizedValues>),
}

/// The values of a convolution, and what normalization and activation do to them.
pub struct NormalizedValues {
    shape: Shape,
    /// Before normalization.
    pub(super) values: Buffer,
    pub(super) affine: Affine,
    /// Means of the channels, repeated.
    pub(super) means: Vec<f32>,
    tensor: OnceLock<Tensor>,
}

/// Values in memory, and what is done to them where they are read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub values: &'a [f32],
    pub affine: Option<&'a Affine>,
}

impl From<Tensor> for Output {
    fn from(values: Tensor) -> Self {
        Self::Values(values)
    }
}

impl From<&Tensor> for Output {
    fn from(values: &Tensor) -> Self {
        Self::Values(values.clone())
    }
}

impl From<&Self> for Output {
    fn from(output: &Self) -> Self {
        output.clone()
    }
}

impl Output {
    /// The output of a normalized convolution, of this shape.
    pub(super) fn normalized(
        shape: impl Into<Shape>,
        values: Buffer,
        affine: Affine,
        means: &[f32],
    ) -> (Self, Arc<NormalizedValues>) {
        let (shape, means) = (shape.into(), channels::repeated(means));
        let normalized = Arc::new(NormalizedValues { shape, values, affine, means, tensor: OnceLock::new() });
        (Self::Normalized(normalized.clone()), normalized)
    }

    /// What is normalized where it is read.
    pub(super) fn as_normalized(&self) -> Option<&NormalizedValues> {
        match self {
            Self::Values(_) => None,
            Self::Normalized(normalized) => Some(normalized),
        }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        match self {
            Self::Values(values) => values.shape(),
            Self::Normalized(normalized) => &normalized.shape,
        }
    }

    /// Its values; those of a normalization are computed once.
    ///
    /// # Errors
    /// Those of candle.
    pub fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::Values(values) => Ok(values.clone()),
            Self::Normalized(normalized) => normalized.tensor(),
        }
    }

    /// The same values in one piece of memory.
    pub(super) fn contiguous(self) -> Result<Self> {
        match self {
            Self::Values(values) => Ok(Self::Values(values.contiguous()?)),
            Self::Normalized(_) => Ok(self),
        }
    }

    /// Lends the values as they are in memory, without a copy where they are contiguous.
    pub(super) fn with_source<T>(&self, read: impl FnOnce(Source<'_>) -> Result<T>) -> Result<T> {
        match self {
            Self::Normalized(normalized) => {
                read(Source { values: &normalized.values, affine: Some(&normalized.affine) })
            }
            Self::Values(tensor) => {
                let tensor = tensor.contiguous()?;
                let (storage, layout) = tensor.storage_and_layout();
                match &*storage {
                    Storage::Cpu(storage) => read(Source { values: values(storage, layout)?, affine: None }),
                    _ => candle_core::bail!("training runs on the CPU"),
                }
            }
        }
    }
}

impl NormalizedValues {
    fn tensor(&self) -> Result<Tensor> {
        if let Some(tensor) = self.tensor.get() {
            return Ok(tensor.clone());
        }
        let mut output = buffers::take(self.values.len());
        let n = self.shape.dims().first().copied().unwrap_or(1);
        let task = (images_per_task(n) * (self.values.len() / n.max(1))).max(1);
        let pairs = output.par_chunks_mut(task).zip(self.values.par_chunks(task));
        pairs.for_each(|(output, values)| channels::apply(&self.affine, values, output));
        let tensor = Tensor::from_vec(output, self.shape.clone(), &Device::Cpu)?;
        Ok(self.tensor.get_or_init(|| tensor).clone())
    }
}

impl Source<'_> {
    /// Writes the values of whole pixels as they are read, from `start` on.
    pub fn read(&self, start: usize, result: &mut [f32]) {
        let values = &self.values[start..][..result.len()];
        match self.affine {
            None => result.copy_from_slice(values),
            Some(affine) => channels::apply(affine, values, result),
        }
    }
}
