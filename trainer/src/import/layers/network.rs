//! The network, once all operators are layers.

use infer_core::Shape;

use super::{Builder, End, Imported, Value, shown};
use crate::import::problem::{Problem, Refused};
use crate::import::weights::Weights;
use crate::network::graph::ConnectionError;
use crate::network::inputs::Source;
use crate::network::{Architecture, ArchitectureError, Dense, Layer, Node};

impl Builder<'_, '_> {
    /// The network, once all operators are layers.
    pub(super) fn finish(mut self, name: &str) -> Result<Imported, Refused> {
        let output = self.graph.outputs[0];
        let value = self.values[output].clone();
        let refused = |reason: String| {
            let tensor = Some(shown(&self.graph.tensors[output]));
            Refused::from(Problem { operator: None, tensor, reason })
        };
        let Some(value) = value else {
            return Err(refused("the output is computed by no operator".to_owned()));
        };
        let Source::Output(last) = value.source else {
            return Err(refused("the output is the image".to_owned()));
        };
        let [1, 1, outputs] = value.shape else {
            let [height, width, channels] = value.shape;
            return Err(refused(format!(
                "an output of {height}x{width}x{channels}; a classifier has one output for each class"
            )));
        };
        let is_logistic = value.end == Some(End::Logistic);
        if outputs < 2 && !is_logistic {
            return Err(refused("a single output without LOGISTIC; a classifier has two classes or more".to_owned()));
        }
        let quantized = value.codes.filter(|_| self.codes.iter().any(Option::is_some));
        let puts_out_logits = matches!(self.nodes[last].layer, Layer::Dense(Dense { relu: false, .. }))
            && last + 1 == self.nodes.len()
            && self.weights[last].as_ref().is_some_and(Weights::has_one_scale);
        if !puts_out_logits {
            // Its codes are the logits: each class takes its own, once.
            let identity = Weights::identity(outputs, quantized.is_some());
            let mut node = Node::new(Layer::Dense(Dense { outputs: outputs as u16, relu: false }));
            if last + 1 != self.nodes.len() {
                node.input = self.name(value.source);
            }
            self.nodes.push(node);
            self.weights.push(Some(identity));
            self.codes.push(None);
            self.operators.push(self.operators.get(last).copied().unwrap_or(0));
        }
        let last = self.nodes.len() - 1;
        self.codes[last] = None;
        if is_logistic {
            // The logit of the first class is 0: then the probability of the second is the LOGISTIC of its own.
            self.nodes[last].layer = Layer::Dense(Dense { outputs: 2, relu: false });
            self.weights[last].iter_mut().for_each(Weights::put_zero_first);
        }
        let [height, width, channels] = self.image.map(|side| u16::try_from(side).unwrap_or(0));
        let shape = Shape { height, width, channels };
        let operators = self.operators;
        let architecture = Architecture::new(name.to_owned(), shape, &self.nodes).map_err(|error| {
            let layer = match &error {
                ArchitectureError::Layer { layer, .. }
                | ArchitectureError::TooLarge { layer, .. }
                | ArchitectureError::Numbers { layer, .. }
                | ArchitectureError::Connection { layer, .. } => Some(*layer),
                _ => None,
            };
            let operator = layer
                .and_then(|layer| operators.get(layer))
                .map(|&index| (index, self.graph.operators[index].name.clone()));
            let reason = match error {
                ArchitectureError::Layer { reason, .. } | ArchitectureError::Numbers { reason, .. } => reason,
                ArchitectureError::Connection { source: ConnectionError::NotRead, .. } => {
                    "nothing reads what it computes; convert the network without it".to_owned()
                }
                error => error.to_string(),
            };
            Problem { operator, tensor: None, reason }
        })?;
        let input =
            self.graph.inputs.first().and_then(|&input| self.values[input].as_ref()).and_then(|value| value.codes);
        // Where the file takes real values, the codes are those that it makes of them.
        let input = input.or_else(|| {
            let of_image = |value: &&Value| value.source == Source::Image && value.codes.is_some();
            self.values.iter().flatten().find(of_image).and_then(|value| value.codes)
        });
        Ok(Imported {
            architecture,
            weights: self.weights,
            codes: self.codes,
            input: input.filter(|_| quantized.is_some()),
            output: quantized,
            logit_factor: self.logit_factor,
        })
    }
}
