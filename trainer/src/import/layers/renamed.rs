//! What becomes no layer: padding, other dimensions, probabilities at the end, codes at the edges.

use super::codes::codes_of;
use super::{Builder, End, Stopped, Value, stop, stop_at, without_batch};
use crate::import::graph::Operator;
use crate::network::inputs::Source;

impl Builder<'_, '_> {
    pub(super) fn pad(&mut self, operator: &Operator) -> Result<(), Stopped> {
        let mut value = self.spatial(operator, 0)?;
        let Some((index, padding)) = self.constant(operator, 1)? else { return stop("it has no padding") };
        let sides: Option<Vec<usize>> = padding
            .codes()
            .map(|sides| sides.into_iter().map(|side| usize::try_from(side).ok()).collect())
            .unwrap_or(None);
        let Some(&[0, 0, above, below, left, right, 0, 0]) = sides.as_deref() else {
            return stop_at(index, "only padding of height and width is supported");
        };
        let own = value.padding;
        value.padding = [own[0] + above, own[1] + left, own[2] + below, own[3] + right];
        let output = operator.outputs[0];
        if !self.is_same_meaning(&value, output)? {
            return stop("its output has other codes than its input; convert the network again");
        }
        self.values[output] = Some(value);
        Ok(())
    }

    pub(super) fn reshape(&mut self, operator: &Operator) -> Result<(), Stopped> {
        let mut value = self.value(operator, 0)?;
        let output = operator.outputs[0];
        let dimensions =
            without_batch(&self.graph.tensors[output].dimensions).or_else(|reason| stop_at(output, reason))?;
        if value.padding != [0; 4] {
            return stop("it reads what PAD has padded; padding is supported before a convolution, and nowhere else");
        }
        if dimensions.iter().product::<usize>() != value.dimensions.iter().product::<usize>() {
            return stop_at(output, "it has another number of values than what is reshaped");
        }
        if !self.is_same_meaning(&value, output)? {
            return stop("its output has other codes than its input; convert the network again");
        }
        // An image has the shape that the first layer reads.
        if value.source == Source::Image
            && let [height, width, channels] = dimensions[..]
        {
            value.shape = [height, width, channels];
            self.image = value.shape;
        }
        value.dimensions = dimensions;
        self.values[output] = Some(value);
        Ok(())
    }

    /// Whether a tensor has the codes that a value has.
    pub(super) fn is_same_meaning(&self, value: &Value, tensor: usize) -> Result<bool, Stopped> {
        let tensor_codes = match self.graph.tensors[tensor].kind.is_byte() {
            true => Some(codes_of(&self.graph.tensors[tensor]).or_else(|reason| stop_at(tensor, reason))?),
            false => None,
        };
        Ok(tensor_codes == value.codes)
    }

    pub(super) fn end(&mut self, operator: &Operator, end: End, factor: f32) -> Result<(), Stopped> {
        let mut value = self.value(operator, 0)?;
        if !(factor.is_finite() && factor > 0.0) {
            return stop(format!("a factor of {factor} before the softmax"));
        }
        if end == End::Logistic && value.shape != [1, 1, 1] {
            return stop(format!(
                "it makes {} independent probabilities; softmax over classes is supported, and LOGISTIC of a single output, which is two \
                 classes",
                value.shape.iter().product::<usize>()
            ));
        }
        value.end = Some(end);
        self.logit_factor *= factor;
        self.values[operator.outputs[0]] = Some(value);
        Ok(())
    }

    /// QUANTIZE and DEQUANTIZE at the edges: the same codes under another name.
    pub(super) fn convert(&mut self, operator: &Operator) -> Result<(), Stopped> {
        let Some(input) = operator.inputs.first().copied().flatten() else { return stop("it has no input") };
        // Behind a softmax too.
        let Some(mut value) = self.values[input].clone() else { return self.missing(input) };
        let output = operator.outputs[0];
        let tensor = &self.graph.tensors[output];
        let codes = match tensor.kind.is_byte() {
            true => Some(codes_of(tensor).or_else(|reason| stop_at(output, reason))?),
            false => None,
        };
        match (value.codes, codes) {
            // Real values of an image: bytes of it are codes from here on.
            (None, Some(_)) if value.source == Source::Image => value.codes = codes,
            (Some(_), None) => {}
            (Some(own), Some(other)) if own == other => {}
            (Some(_), Some(_)) if value.end.is_some() => {}
            (None, None) => {}
            (Some(_), Some(_)) => {
                return stop_at(
                    output,
                    "it changes the codes inside of the network; only one at the input or the output, between int8 and uint8, is supported",
                );
            }
            (None, Some(_)) => {
                return stop_at(
                    output,
                    "part of the network computes with floating point; convert all of it to int8, or none",
                );
            }
        }
        self.values[output] = Some(value);
        Ok(())
    }
}
