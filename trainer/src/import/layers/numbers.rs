//! Weights, biases and codes of an operator, checked.

use infer_core::format::Codes;

use super::codes::codes_of;
use super::{Builder, Stopped, Value, all_finite, stop, stop_at};
use crate::import::graph::{Activation, Kind, Operator, Quantization};
use crate::import::weights::Weights;

impl Builder<'_, '_> {
    /// The weights of an operator, a row for each output.
    pub(super) fn rows(
        &self,
        operator: &Operator,
        value: &Value,
        outputs: usize,
        axis: usize,
    ) -> Result<Weights, Stopped> {
        let Some((index, tensor)) = self.constant(operator, 1)? else { return stop("it has no weights") };
        let bias = self.constant(operator, 2)?;
        if let Some((bias_index, bias)) = bias
            && bias.values() != Some(outputs)
        {
            return stop_at(bias_index, format!("{outputs} biases are needed"));
        }
        // Output channels are the innermost dimension of depthwise weights, and the outermost of all others.
        let in_rows = |outermost: bool, count: usize| -> Vec<Vec<usize>> {
            let taps = count / outputs.max(1);
            let place = |row: usize, tap: usize| if outermost { row * taps + tap } else { tap * outputs + row };
            (0..outputs).map(|row| (0..taps).map(|tap| place(row, tap)).collect()).collect()
        };
        if value.codes.is_none() {
            let Some(values) = tensor.real_values() else {
                return stop_at(index, format!("weights of {}", tensor.kind));
            };
            all_finite(index, "weights", &values)?;
            let rows = in_rows(axis == 0, values.len())
                .into_iter()
                .map(|row| row.into_iter().map(|place| values[place]).collect())
                .collect();
            let biases = match bias {
                None => vec![0.0; outputs],
                Some((index, bias)) => {
                    let Some(biases) = bias.real_values() else {
                        return stop_at(index, format!("biases of {}", bias.kind));
                    };
                    all_finite(index, "biases", &biases)?;
                    biases
                }
            };
            return Ok(Weights::Real { rows, biases });
        }
        let (Some(codes), true, Some(Quantization { scales, zero_points, axis: stated })) =
            (tensor.codes(), tensor.kind.is_byte(), &tensor.quantization)
        else {
            return stop_at(
                index,
                format!("weights of {} for activations in bytes; convert the network to int8", tensor.kind),
            );
        };
        if scales.len() != 1 && (scales.len() != outputs || *stated != axis) {
            return stop_at(
                index,
                format!(
                    "{} scales along dimension {stated}; one for each output channel, or one for all, is supported",
                    scales.len()
                ),
            );
        }
        if let Some(scale) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return stop_at(index, format!("a scale of {scale}"));
        }
        let zero = |row: usize| zero_points.get(if zero_points.len() == 1 { 0 } else { row }).copied().unwrap_or(0);
        let mut rows = Vec::with_capacity(outputs);
        for (row, places) in in_rows(axis == 0, codes.len()).into_iter().enumerate() {
            let shifted = places.into_iter().map(|place| i8::try_from(codes[place].saturating_sub(zero(row))));
            let Ok(shifted) = shifted.collect::<Result<Vec<i8>, _>>() else {
                return stop_at(
                    index,
                    format!(
                        "weights with a zero point of {}, which bytes cannot represent without it; convert the network to int8",
                        zero(row)
                    ),
                );
            };
            rows.push(shifted);
        }
        let scales = (0..outputs).map(|row| f64::from(scales[if scales.len() == 1 { 0 } else { row }])).collect();
        let biases = match bias {
            None => vec![0; outputs],
            Some((_, bias)) if bias.kind == Kind::Int32 => bias.codes().unwrap_or_default(),
            Some((index, bias)) => {
                return stop_at(index, format!("biases of {}; 32-bit integers are supported", bias.kind));
            }
        };
        Ok(Weights::Codes { rows, scales, biases })
    }

    /// What the codes of an operator's output mean, and which activation follows.
    pub(super) fn after(
        &self,
        operator: &Operator,
        activation: Activation,
    ) -> Result<(Option<Codes>, bool, bool), Stopped> {
        let output = operator.outputs[0];
        let tensor = &self.graph.tensors[output];
        let [relu, relu6] = match activation {
            Activation::None => [false, false],
            Activation::Relu => [true, false],
            Activation::Relu6 => [false, true],
            Activation::Other(name) => return stop(format!("{name} after it; ReLU and ReLU6 are supported")),
        };
        if tensor.kind == Kind::Float32 {
            return Ok((None, relu, relu6));
        }
        if !tensor.kind.is_byte() {
            return stop_at(output, format!("activations of {}; int8, uint8 and float32 are supported", tensor.kind));
        }
        let codes = codes_of(tensor).or_else(|reason| stop_at(output, reason))?;
        if (relu || relu6) && codes.zero_point != 0 {
            return stop_at(
                output,
                format!(
                    "ReLU ends at code {} of 0 to 255, and only one that ends at the lowest code is supported",
                    codes.zero_point
                ),
            );
        }
        // Rounded as TFLite rounds it.
        if relu6 && (6.0 / codes.scale).round() < 255.0 {
            return stop_at(
                output,
                format!(
                    "ReLU6 ends at code {} of 0 to 255, and only one that ends at the highest code is supported",
                    (6.0 / codes.scale).round()
                ),
            );
        }
        Ok((Some(codes), relu, relu6))
    }
}
