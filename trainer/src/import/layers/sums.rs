//! Layers without windows: dense ones, and sums of two activations.

use super::{Builder, Stopped, Value, side, stop, stop_at};
use crate::import::graph::{Activation, Operator};
use crate::network::inputs::Source;
use crate::network::layers::Add;
use crate::network::{Dense, Layer};

impl Builder<'_, '_> {
    pub(super) fn dense(&mut self, operator: &Operator, activation: Activation) -> Result<(), Stopped> {
        let value = self.value(operator, 0)?;
        if value.padding != [0; 4] {
            return stop("it reads what PAD has padded; padding is supported before a convolution, and nowhere else");
        }
        let Some((weights_index, tensor)) = self.constant(operator, 1)? else { return stop("it has no weights") };
        let [outputs, inputs] = tensor.dimensions[..] else {
            return stop_at(weights_index, "weights of a dense layer have two dimensions");
        };
        let values: usize = value.shape.iter().product();
        if inputs != values {
            return stop_at(
                weights_index,
                format!(
                    "weights for {inputs} values, but the input has {values}; layers along one dimension of several are not supported"
                ),
            );
        }
        let weights = self.rows(operator, &value, outputs, 0)?;
        let (codes, relu, relu6) = self.after(operator, activation)?;
        if relu6 && codes.is_none() {
            return stop("ReLU6 after a dense layer is not supported; use ReLU, or a convolution of 1x1");
        }
        let layer = Layer::Dense(Dense { outputs: side(outputs, "outputs")?, relu: relu || relu6 });
        self.push(operator, &[&value], layer, Some(weights), [1, 1, outputs], codes)
    }

    pub(super) fn sum(&mut self, operator: &Operator, activation: Activation) -> Result<(), Stopped> {
        let (first, second) = (self.value(operator, 0)?, self.value(operator, 1)?);
        if first.shape != second.shape {
            return stop("it adds activations of two shapes; both must have the same");
        }
        if first.source == second.source {
            return stop("it adds an activation to itself; weights twice as large before it do the same");
        }
        if first.padding != [0; 4] || second.padding != [0; 4] {
            return stop("it adds what PAD has padded; padding is supported before a convolution, and nowhere else");
        }
        let (codes, relu, relu6) = self.after(operator, activation)?;
        // The residual is the one that is not the layer before, if any is.
        let is_before =
            |value: &Value| self.nodes.len().checked_sub(1).is_some_and(|last| value.source == Source::Output(last));
        let reads = if is_before(&second) { [&second, &first] } else { [&first, &second] };
        self.push(operator, &reads, Layer::Add(Add { relu, relu6 }), None, first.shape, codes)
    }
}
