//! From a graph of tensors and operators to layers with weights, whatever format the graph came from.
//!
//! Operators become layers one by one, in the order they run. What only renames numbers becomes nothing: a reshape, padding before a
//! convolution, a softmax at the end. What stands in the way is collected, so that a user sees all of it at once.

mod codes;
mod network;
mod numbers;
mod renamed;
mod sums;
mod windows;

use infer_core::Shape;
use infer_core::format::Codes;

use self::codes::codes_of;
use super::graph::{Graph, Kind, Operation, Operator, Tensor};
use super::problem::{Problem, Refused};
use super::weights::Weights;
use crate::network::inputs::Source;
use crate::network::{Architecture, Layer, Node};

/// A network as layers.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its layers; the output of the last one is the logits.
    pub architecture: Architecture,
    /// The weights of each layer that has some.
    pub weights: Vec<Option<Weights>>,
    /// What the codes of each layer's output mean, if the file has codes; `None` of a layer that passes on those it gets, and of
    /// the last one.
    pub codes: Vec<Option<Codes>>,
    /// What the bytes of an image mean, if the file has codes.
    pub input: Option<Codes>,
    /// What the file's own outputs mean before a softmax, if they are codes: what its logits are rounded to.
    pub output: Option<Codes>,
    /// What the file multiplies logits by before it takes the softmax.
    pub logit_factor: f32,
}

/// What flows from one operator to the next.
#[derive(Clone, Debug)]
struct Value {
    /// The layer that computes it.
    source: Source,
    /// Height, width and channels as the layer puts them out.
    shape: [usize; 3],
    /// Its dimensions in the file, without the batch.
    dimensions: Vec<usize>,
    codes: Option<Codes>,
    /// Zeros around it that a convolution is to see: above, left, below, right.
    padding: [usize; 4],
    /// What was done to it that only a network's output may have.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Softmax,
    Logistic,
}

/// The layers of a graph that is called `name`. `input` is the shape of an image where the file does not have three dimensions for it.
///
/// # Errors
/// [`Refused`], with everything in the graph that is not supported.
pub fn layers(name: &str, graph: &Graph<'_>, input: Option<Shape>) -> Result<Imported, Refused> {
    let mut builder = Builder::new(graph);
    builder.start(input)?;
    // One reason for each operator; those behind one that is not supported are still looked at where they can be.
    let mut problems = Vec::new();
    for (number, operator) in graph.operators.iter().enumerate() {
        if let Err(Stopped { tensor, reason }) = builder.add(number, operator) {
            operator.outputs.iter().for_each(|&output| builder.refused[output] = true);
            // What reads an activation that could not be made is not to blame.
            if let Some(reason) = reason {
                let tensor = tensor.and_then(|index| graph.tensors.get(index)).map(shown);
                problems.push(Problem { operator: Some((number, operator.name.clone())), tensor, reason });
            }
        }
    }
    if problems.is_empty() { builder.finish(name) } else { Err(Refused(problems)) }
}

/// A tensor as a message names it.
fn shown(tensor: &Tensor<'_>) -> String {
    format!("{:?} of {} {}", tensor.name, tensor.shape(), tensor.kind)
}

/// Why an operator becomes no layer.
struct Stopped {
    tensor: Option<usize>,
    /// `None` where the reason is that of an operator before it.
    reason: Option<String>,
}

fn stop<T>(reason: impl Into<String>) -> Result<T, Stopped> {
    Err(Stopped { tensor: None, reason: Some(reason.into()) })
}

fn stop_at<T>(tensor: usize, reason: impl Into<String>) -> Result<T, Stopped> {
    Err(Stopped { tensor: Some(tensor), reason: Some(reason.into()) })
}

struct Builder<'g, 'a> {
    graph: &'g Graph<'a>,
    /// Of each tensor that is an activation, once it is computed.
    values: Vec<Option<Value>>,
    /// Whether the operator that computes a tensor was refused.
    refused: Vec<bool>,
    /// Constants that are dequantized before they are used, by the tensor that they become.
    constants: Vec<Option<usize>>,
    /// Whether a tensor holds sides of shapes: what a reshape is given, and its own output states.
    shapes: Vec<bool>,
    image: [usize; 3],
    nodes: Vec<Node>,
    weights: Vec<Option<Weights>>,
    codes: Vec<Option<Codes>>,
    /// The operator of each layer, for messages.
    operators: Vec<usize>,
    current: usize,
    logit_factor: f32,
}

impl<'g, 'a> Builder<'g, 'a> {
    fn new(graph: &'g Graph<'a>) -> Self {
        Self {
            graph,
            values: vec![None; graph.tensors.len()],
            refused: vec![false; graph.tensors.len()],
            constants: vec![None; graph.tensors.len()],
            shapes: vec![false; graph.tensors.len()],
            image: [0; 3],
            nodes: Vec::new(),
            weights: Vec::new(),
            codes: Vec::new(),
            operators: Vec::new(),
            current: 0,
            logit_factor: 1.0,
        }
    }

    /// The image.
    fn start(&mut self, stated: Option<Shape>) -> Result<(), Refused> {
        let [index] = self.graph.inputs[..] else {
            let count = self.graph.inputs.len();
            return Err(Problem::of_file(format!("it has {count} inputs; a classifier has one, the image")).into());
        };
        if self.graph.outputs.len() != 1 {
            let count = self.graph.outputs.len();
            return Err(Problem::of_file(format!("it has {count} outputs; a classifier has one, its classes")).into());
        }
        let tensor = &self.graph.tensors[index];
        let refused = |reason: String| Problem { operator: None, tensor: Some(shown(tensor)), reason };
        if !tensor.kind.is_byte() && tensor.kind != Kind::Float32 {
            return Err(refused("the input is neither bytes nor 32-bit floating point".to_owned()).into());
        }
        let dimensions = without_batch(&tensor.dimensions).map_err(refused)?;
        let values: usize = dimensions.iter().product();
        let shape = match (stated, &dimensions[..]) {
            (Some(shape), _) if shape.len() == values => {
                [shape.height.into(), shape.width.into(), shape.channels.into()]
            }
            (Some(shape), _) => {
                return Err(refused(format!("the input has {values} values, and {shape} are {}", shape.len())).into());
            }
            (None, &[height, width, channels]) => [height, width, channels],
            (None, &[height, width]) => [height, width, 1],
            (None, &[values]) => [1, 1, values],
            (None, _) => return Err(refused("the input has more than height, width and channels".to_owned()).into()),
        };
        let codes = match tensor.kind.is_byte() {
            true => Some(codes_of(tensor).map_err(refused)?),
            false => None,
        };
        self.image = shape;
        self.values[index] =
            Some(Value { source: Source::Image, shape, dimensions, codes, padding: [0; 4], end: None });
        Ok(())
    }

    /// Makes layers of an operator.
    fn add(&mut self, number: usize, operator: &Operator) -> Result<(), Stopped> {
        self.current = number;
        if self.computes_a_shape(operator) {
            operator.outputs.iter().for_each(|&output| self.shapes[output] = true);
            return Ok(());
        }
        if let Operation::Unsupported(reason) = operator.operation {
            return stop(reason);
        }
        let [output] = operator.outputs[..] else {
            return stop(format!("it has {} outputs", operator.outputs.len()));
        };
        match operator.operation {
            Operation::Unsupported(reason) => stop(reason),
            Operation::Shape => stop("it reads no activation"),
            // Weights that the file has in fewer bits.
            Operation::Dequantize if self.constant_input(operator).is_some() => {
                self.constants[output] = self.constant_input(operator);
                Ok(())
            }
            Operation::Conv(windows, activation) => self.conv(operator, windows, activation, false),
            Operation::DepthwiseConv(windows, activation) => self.conv(operator, windows, activation, true),
            Operation::Dense(activation) => self.dense(operator, activation),
            Operation::Add(activation) => self.sum(operator, activation),
            Operation::AveragePool(windows, activation) => self.pool(operator, windows, activation, false),
            Operation::MaxPool(windows, activation) => self.pool(operator, windows, activation, true),
            Operation::Mean => self.mean(operator),
            Operation::Pad => self.pad(operator),
            Operation::Reshape => self.reshape(operator),
            Operation::Softmax(factor) => self.end(operator, End::Softmax, factor),
            Operation::Logistic => self.end(operator, End::Logistic, 1.0),
            Operation::Quantize | Operation::Dequantize => self.convert(operator),
        }
    }

    /// Whether an operator takes the shape of an activation, or computes with nothing but such shapes and constants.
    fn computes_a_shape(&self, operator: &Operator) -> bool {
        let mut inputs = operator.inputs.iter().copied().flatten();
        if operator.operation == Operation::Shape {
            return inputs.all(|input| self.values[input].is_some() || self.refused[input]);
        }
        inputs.clone().any(|input| self.shapes[input])
            && inputs.all(|input| self.shapes[input] || self.graph.tensors[input].data.is_some())
    }

    /// The constant that is an operator's first input.
    fn constant_input(&self, operator: &Operator) -> Option<usize> {
        let index = (*operator.inputs.first()?)?;
        self.constants[index].or_else(|| self.graph.tensors[index].data.is_some().then_some(index))
    }

    /// The activation that an operator has as input number `index`.
    fn value(&self, operator: &Operator, index: usize) -> Result<Value, Stopped> {
        let Some(tensor) = operator.inputs.get(index).copied().flatten() else {
            return stop(format!("it has no input {index}"));
        };
        match &self.values[tensor] {
            Some(Value { end: Some(_), .. }) => {
                stop_at(tensor, "probabilities are supported as a network's output, and not inside of it")
            }
            Some(value) => Ok(value.clone()),
            None if self.graph.tensors[tensor].data.is_some() || self.constants[tensor].is_some() => {
                stop_at(tensor, "it reads a constant, but an activation is expected")
            }
            None => self.missing(tensor),
        }
    }

    /// That an activation is not there.
    fn missing<T>(&self, tensor: usize) -> Result<T, Stopped> {
        match self.refused[tensor] {
            true => Err(Stopped { tensor: Some(tensor), reason: None }),
            false => stop_at(tensor, "no operator before this one computes it"),
        }
    }

    /// An activation with height, width and channels.
    fn spatial(&self, operator: &Operator, index: usize) -> Result<Value, Stopped> {
        let value = self.value(operator, index)?;
        let is_its_own = value.dimensions.len() == 3 && value.dimensions == value.shape;
        if is_its_own {
            Ok(value)
        } else {
            stop(
                "it reads an activation in other dimensions than the output of the layer before it; only the image may be reshaped, and what a dense \
                 layer reads. Conv1D of padding \"causal\" is such: use Conv2D of 1xN, with ZeroPadding2D before",
            )
        }
    }

    /// A constant, as input number `index`; `None` where it is left out.
    fn constant(&self, operator: &Operator, index: usize) -> Result<Option<(usize, &'g Tensor<'a>)>, Stopped> {
        let Some(stated) = operator.inputs.get(index).copied().flatten() else { return Ok(None) };
        let tensor = self.constants[stated].unwrap_or(stated);
        match &self.graph.tensors[tensor] {
            constant if constant.data.is_some() => Ok(Some((tensor, constant))),
            _ => stop_at(tensor, "it is computed by the network, and has to be a constant"),
        }
    }

    /// Adds a layer, and its output as a value.
    fn push(
        &mut self,
        operator: &Operator,
        reads: &[&Value],
        layer: Layer,
        weights: Option<Weights>,
        shape: [usize; 3],
        codes: Option<Codes>,
    ) -> Result<(), Stopped> {
        let output = operator.outputs[0];
        let mut node = Node::new(layer);
        let before = match self.nodes.len() {
            0 => Source::Image,
            count => Source::Output(count - 1),
        };
        if let [first, rest @ ..] = reads {
            node.input = if first.source == before { None } else { self.name(first.source) };
            node.residual = rest.first().and_then(|second| self.name(second.source));
        }
        let passes_on = matches!(layer, Layer::MaxPool(_));
        self.nodes.push(node);
        self.weights.push(weights);
        self.codes.push(codes.filter(|_| !passes_on));
        self.operators.push(self.current);
        let stated = without_batch(&self.graph.tensors[output].dimensions).or_else(|reason| stop_at(output, reason))?;
        let count: usize = shape.iter().product();
        if stated.iter().product::<usize>() != count {
            let [height, width, channels] = shape;
            return stop_at(output, format!("its inputs give {height}x{width}x{channels}"));
        }
        let source = Source::Output(self.nodes.len() - 1);
        self.values[output] = Some(Value { source, shape, dimensions: stated, codes, padding: [0; 4], end: None });
        Ok(())
    }

    /// The name by which a layer is read that is not the one before, given to it here.
    fn name(&mut self, source: Source) -> Option<String> {
        match source {
            Source::Image => Some("image".to_owned()),
            Source::Output(layer) => {
                let name = self.nodes.get_mut(layer)?.name.get_or_insert_with(|| format!("layer {layer}"));
                Some(name.clone())
            }
        }
    }
}

/// Refuses numbers that are none.
fn all_finite(tensor: usize, what: &str, numbers: &[f32]) -> Result<(), Stopped> {
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(number) => stop_at(tensor, format!("{what} of {number}; the training of this network has diverged")),
        None => Ok(()),
    }
}

/// Dimensions without a batch of one.
fn without_batch(dimensions: &[usize]) -> Result<Vec<usize>, String> {
    let inner = match dimensions {
        [1, inner @ ..] if !inner.is_empty() => inner,
        [batch, inner @ ..] if inner.len() == 3 => {
            return Err(format!("a batch of {batch}; convert the network for one image at a time"));
        }
        all => all,
    };
    match inner.iter().any(|&side| side == 0 || side > usize::from(u16::MAX)) {
        true => Err("a side of its shape is 0 or over 65,535".to_owned()),
        false => Ok(inner.to_vec()),
    }
}

fn side(count: usize, what: &str) -> Result<u16, Stopped> {
    u16::try_from(count).or_else(|_| stop(format!("{count} {what}, and at most 65,535")))
}
