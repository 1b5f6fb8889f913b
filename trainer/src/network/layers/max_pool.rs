//! Maximum of each window, or of the whole input; one of 2x2 after a convolution is part of that one's stage.

use std::fmt;

use candle_core::Result as CandleResult;
use infer_core::format::{Blob, Layout};
use infer_core::{Shape, operators};
use serde::{Deserialize, Serialize};

use super::convolution::shape_of;
use super::operator::{Arithmetic, Forward, Operator, Variants, WeightShape};
use super::pool::Pool;
use super::window::{Covered, Pair, Placed};
use crate::network::autograd::{self, Recorded};
use crate::network::record::{LayerRecord, Numbers, NumbersError, QuantizedLayer, Scaling};
use crate::network::work::{Kernel, Work};

/// Maximum of each window: of 2x2, side by side, unless it has others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaxPool(pub Pool);

/// The window of a pool without one.
const DEFAULT: Option<Pair> = Some(Pair::both(2));

impl MaxPool {
    fn placed(&self, input: Shape) -> Result<Placed, String> {
        self.0.on(DEFAULT, input)
    }
}

impl Variants for MaxPool {
    type File = Self;

    fn from_file(file: Self) -> Option<Self> {
        Some(file)
    }

    fn widened(self, _: f64) -> Option<Self> {
        Some(self)
    }

    fn folded(self) -> Self {
        self
    }

    fn with_named_padding(self, input: Shape) -> Self {
        Self(self.0.with_named_padding(DEFAULT, input))
    }
}

impl Operator for MaxPool {
    fn check(&self) -> Result<(), String> {
        self.0.check(DEFAULT)
    }

    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(self.placed(input)?.output(input.channels))
    }

    fn weights(&self, _: Shape) -> Option<WeightShape> {
        None
    }

    fn is_pool(&self) -> bool {
        let two = Pair::both(2);
        let Pool { window, stride, padding, global } = self.0;
        window.unwrap_or(two) == two && stride.unwrap_or(two) == two && padding.is_valid() && !global
    }

    fn absorbs_pool(&self) -> bool {
        false
    }

    fn takes_residual(&self) -> bool {
        false
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::Choice
    }

    fn is_homogeneous(&self) -> bool {
        true
    }

    fn takes_dropout(&self) -> bool {
        false
    }

    fn forward(&self, forward: Forward<'_>) -> CandleResult<Recorded> {
        forward.no_parameters(self)?;
        if self.is_pool() {
            return autograd::max_pool2d_recorded(&forward.input.tensor()?);
        }
        match self.placed(shape_of(forward.input)?) {
            Ok(placed) => autograd::pool_max_recorded(&forward.input.tensor()?.contiguous()?, placed.trained()),
            Err(reason) => candle_core::bail!("{self}: input {:?}: {reason}", forward.input.shape()),
        }
    }

    fn quantized(&self, input: Shape, numbers: Numbers, _: bool) -> Result<QuantizedLayer, NumbersError> {
        match numbers {
            Numbers::Codes { .. } => {
                let placed = self.placed(input).map_err(|_| NumbersError::Wrong)?;
                let record = operators::MaxPool2d { window: self.0.recorded(&placed) };
                Ok(QuantizedLayer::Bare(operators::Layer::MaxPool2d(record)))
            }
            Numbers::Requantized { .. } | Numbers::Logits { .. } => Err(NumbersError::Wrong),
        }
    }

    fn has_layout(&self, layout: Layout, _: Shape) -> bool {
        layout == Layout::Compact
    }

    fn work(&self, input: Shape, output: Shape, _: bool, _: Layout) -> Work {
        let places = usize::from(output.height) * usize::from(output.width);
        let kernel = if self.is_pool() { Kernel::MaxPool } else { Kernel::WindowMaxPool };
        let Covered { values, rows, .. } = self.placed(input).map(|placed| placed.covered(input)).unwrap_or_default();
        let inputs = values * usize::from(input.channels);
        Work { kernel, rows: 0, outputs: output.len(), inputs, edges: 0, runs: rows, places }
    }
}

impl From<&operators::MaxPool2d> for MaxPool {
    fn from(record: &operators::MaxPool2d) -> Self {
        Self(Pool::from(&record.window))
    }
}

impl<'a> LayerRecord<'a> for operators::MaxPool2d {
    fn scaling(&self) -> Scaling<'a> {
        Scaling::OfInput
    }

    fn blobs(&mut self) -> Vec<&mut Blob<'a>> {
        Vec::new()
    }
}

impl fmt::Display for MaxPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("max-pool")?;
        self.0.shown(DEFAULT, f)
    }
}
