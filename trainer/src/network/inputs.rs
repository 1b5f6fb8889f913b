//! What layers and stages read: one input or two, and where each comes from.

/// What a layer or a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs<T> {
    /// What all of them read.
    pub input: T,
    /// What an add adds to it.
    pub residual: Option<T>,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The image.
    Image,
    /// The output of an earlier one: a layer's is the index of a layer, a stage's that of a stage, both counted from 0.
    Output(usize),
}

impl<T> Inputs<T> {
    /// One input.
    pub fn one(input: T) -> Self {
        Self { input, residual: None }
    }

    /// The same of what `convert` makes of each.
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Inputs<U> {
        Inputs { input: convert(self.input), residual: self.residual.map(convert) }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.input).chain(&self.residual)
    }
}
