//! Operations that remember what they need for their gradients, outside candle's graph.
//!
//! candle's own backward pass adds each gradient to a fresh tensor of zeros, on threads that spin while they wait: at
//! batch 32 that took longer than all the arithmetic of the step. Here gradients go from operation to operation, and are
//! added only where an output has more than one reader.

use candle_core::{CustomOp1, CustomOp3, Result, Tensor};

use super::channels::Reductions;
use super::output::Output;
use super::statistics::BatchStatistics;

/// An operation that ran, with what went in and what came out.
pub struct Recorded {
    /// What came out.
    pub output: Output,
    /// Mean and variance of the batch, of an operation that normalizes over it.
    pub statistics: Option<BatchStatistics>,
    operation: Kind,
}

/// An operation that ran and kept what its gradients need.
pub(super) trait Operation: Send + Sync {
    /// The gradients of the arguments, given that of the output, in its shape, and its sums where they are already known.
    fn backward(&self, gradient: &Tensor, sums: Option<Vec<Reductions>>) -> Result<Gradients>;
}

/// What an operation's arguments receive; `None` for those that need no gradient.
pub struct Gradients {
    /// Of the activation that went in.
    pub input: Option<Tensor>,
    /// Of the second one, of an operation with two.
    pub residual: Option<Tensor>,
    /// Of the parameters, in the order that the operation states; empty where there are none.
    pub parameters: Vec<Tensor>,
    /// The sums of the input's gradient that a normalization takes, of the images of each task, where it gave the input: taken
    /// while the gradient was in the cache.
    pub(super) sums: Option<Vec<Reductions>>,
}

impl Gradients {
    /// Those of an operation of one activation.
    pub(super) fn of(input: Option<Tensor>, parameters: Vec<Tensor>) -> Self {
        Self { input, residual: None, parameters, sums: None }
    }
}

enum Kind {
    Own(Box<dyn Operation>),
    One { input: Tensor, operation: Box<dyn CustomOp1> },
    Three { input: Tensor, weight: Tensor, bias: Tensor, operation: Box<dyn CustomOp3> },
    Both { first: Box<Recorded>, second: Box<Recorded> },
}

impl Recorded {
    /// An operation that ran and gave `output`.
    pub(super) fn new(output: impl Into<Output>, operation: impl Operation + 'static) -> Self {
        Self { output: output.into(), statistics: None, operation: Kind::Own(Box::new(operation)) }
    }

    /// The same operation with the statistics of its batch.
    #[must_use]
    pub(crate) fn with_statistics(self, statistics: BatchStatistics) -> Self {
        Self { statistics: Some(statistics), ..self }
    }

    /// Runs an operation of one argument.
    ///
    /// # Errors
    /// Those of candle.
    pub(crate) fn one(input: &Tensor, operation: impl CustomOp1 + 'static) -> Result<Self> {
        let output = input.apply_op1_no_bwd(&operation)?;
        Ok(Self {
            output: output.into(),
            statistics: None,
            operation: Kind::One { input: input.clone(), operation: Box::new(operation) },
        })
    }

    pub(super) fn three(
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        operation: impl CustomOp3 + 'static,
    ) -> Result<Self> {
        let output = input.apply_op3_no_bwd(weight, bias, &operation)?;
        let (input, weight, bias) = (input.clone(), weight.clone(), bias.clone());
        Ok(Self {
            output: output.into(),
            statistics: None,
            operation: Kind::Three { input, weight, bias, operation: Box::new(operation) },
        })
    }

    /// This operation and `next`, an operation on its output, as one. At most one of them has parameters.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let output = next.output.clone();
        let statistics = self.statistics.clone().or_else(|| next.statistics.clone());
        Self { output, statistics, operation: Kind::Both { first: Box::new(self), second: Box::new(next) } }
    }

    /// The gradients of the arguments, given that of the output, in any shape of as many values.
    ///
    /// # Errors
    /// Those of candle.
    pub fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        self.backward_summed(gradient, None)
    }

    /// As [`backward`](Self::backward), with the sums of the gradient where they are already known.
    pub(super) fn backward_summed(&self, gradient: &Tensor, sums: Option<Vec<Reductions>>) -> Result<Gradients> {
        let gradient = gradient.reshape(self.output.shape())?;
        match &self.operation {
            Kind::Own(operation) => operation.backward(&gradient, sums),
            Kind::One { input, operation } => {
                let input = operation.bwd(input, &self.output.tensor()?, &gradient)?;
                Ok(Gradients::of(input, Vec::new()))
            }
            Kind::Three { input, weight, bias, operation } => {
                let (input, weight, bias) = operation.bwd(input, weight, bias, &self.output.tensor()?, &gradient)?;
                Ok(Gradients::of(input, [weight, bias].into_iter().flatten().collect()))
            }
            Kind::Both { first, second } => {
                let Gradients { input, mut parameters, sums, .. } = second.backward_summed(&gradient, sums)?;
                let Some(gradient) = input else { return Ok(Gradients::of(input, parameters)) };
                let first = first.backward_summed(&gradient, sums)?;
                parameters.extend(first.parameters);
                Ok(Gradients { parameters, ..first })
            }
        }
    }
}
