//! From a graph of tensors and operators to layers with weights, whatever format the graph came from.
//!
//! Operators become layers one by one, in the order they run. What only renames numbers becomes nothing: a reshape, padding before a
//! convolution, a softmax at the end. What stands in the way is collected, so that a user sees all of it at once.

use infer_core::Shape;
use infer_core::format::Codes;

use super::graph::{Activation, Graph, Kind, Operation, Operator, Quantization, Tensor, Windows};
use super::problem::{Problem, Refused};
use super::weights::Weights;
use crate::network::graph::ConnectionError;
use crate::network::inputs::Source;
use crate::network::layers::convolution::MOST_SIZE;
use crate::network::layers::{Add, AveragePool};
use crate::network::{
    Architecture, ArchitectureError, Conv, Dense, DepthwiseConv, Layer, MaxPool, Node, Padding, Pair, Pool,
};

/// A network as layers.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its layers; the last one puts out the logits.
    pub architecture: Architecture,
    /// The weights of each layer that has some.
    pub weights: Vec<Option<Weights>>,
    /// What the codes that each layer puts out mean, if the file has codes; `None` of a layer that passes on those it gets, and of
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
                stop_at(tensor, "it reads a constant where an activation is expected")
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
                "it reads an activation in other dimensions than the layer before it puts out; only the image may be reshaped, and what a dense \
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

    fn conv(
        &mut self,
        operator: &Operator,
        windows: Windows,
        activation: Activation,
        depthwise: bool,
    ) -> Result<(), Stopped> {
        let value = self.spatial(operator, 0)?;
        let Some((weights_index, tensor)) = self.constant(operator, 1)? else { return stop("it has no weights") };
        let [first, rows, columns, last] = tensor.dimensions[..] else {
            return stop_at(weights_index, "weights of a convolution have four dimensions");
        };
        let channels = value.shape[2];
        let outputs = if depthwise { last } else { first };
        let fits = if depthwise { first == 1 && channels > 0 && last % channels == 0 } else { last == channels };
        if !fits || outputs == 0 {
            let reason =
                format!("weights that do not fit {channels} input channels; groups of channels are not supported");
            return stop_at(weights_index, reason);
        }
        // With one input channel both are the same, and the kernels of a convolution are faster.
        let is_depthwise = depthwise && channels > 1;
        let mut rows_of_weights = self.rows(operator, &value, outputs, if depthwise { 3 } else { 0 })?;
        let size = [rows, columns];
        let stride = byte_pair(windows.stride, "a stride")?;
        let dilation = byte_pair(windows.dilation, "a dilation")?;
        let spread = [0, 1].map(|axis| (size[axis].max(1) - 1) * usize::from(dilation.axes()[axis]) + 1);
        if spread != size {
            let inner = if depthwise { 1 } else { channels };
            rows_of_weights.dilate(size, dilation.axes().map(usize::from), inner);
        }
        if spread.iter().any(|&side| side > usize::from(MOST_SIZE)) {
            let of = match spread == size {
                true => String::new(),
                false => format!(", which is {rows}x{columns} with a dilation of {dilation}"),
            };
            return stop(format!("a kernel of {}x{}{of}; kernels have 15x15 taps at most", spread[0], spread[1]));
        }
        let kernel = Pair { rows: spread[0] as u8, columns: spread[1] as u8 };
        let (padding, shape) = self.placed(&value, spread, windows, outputs)?;
        let (codes, relu, relu6) = self.after(operator, activation)?;
        let layer = if is_depthwise {
            let multiplier = u8::try_from(outputs / channels).or_else(|_| {
                stop(format!("{} output channels for each input channel, and at most 255", outputs / channels))
            })?;
            Layer::DepthwiseConv(DepthwiseConv {
                multiplier,
                kernel,
                stride,
                padding,
                relu,
                relu6,
                ..DepthwiseConv::default()
            })
        } else {
            Layer::Conv(Conv {
                channels: side(outputs, "output channels")?,
                kernel,
                stride,
                padding,
                relu,
                relu6,
                ..Conv::default()
            })
        };
        self.push(operator, &[&value], layer, Some(rows_of_weights), shape, codes)
    }

    /// Padding and output of windows on an activation.
    fn placed(
        &self,
        value: &Value,
        size: [usize; 2],
        windows: Windows,
        channels: usize,
    ) -> Result<(Padding, [usize; 3]), Stopped> {
        let [above, left, below, right] = value.padding;
        let is_padded = value.padding != [0; 4];
        if is_padded && windows.is_same {
            return stop("it is padded twice, by PAD and by its own padding; use one of them");
        }
        let strides = [0, 1].map(|axis| usize::try_from(windows.stride[axis]).unwrap_or(0).max(1));
        let padded = [value.shape[0] + above + below, value.shape[1] + left + right];
        let positions = |axis: usize| match windows.is_same {
            true => Some(padded[axis].div_ceil(strides[axis])),
            false => padded[axis].checked_sub(size[axis]).map(|rest| rest / strides[axis] + 1),
        };
        let (Some(rows), Some(columns)) = (positions(0), positions(1)) else {
            return stop(format!("windows of {}x{} on {}x{}", size[0], size[1], padded[0], padded[1]));
        };
        let padding = match windows.is_same {
            true => Padding::Same,
            false if !is_padded => Padding::Valid,
            false => {
                let side = |side: usize| u8::try_from(side).or_else(|_| stop(format!("padding of {side}")));
                Padding::Explicit { above: side(above)?, left: side(left)?, below: side(below)?, right: side(right)? }
            }
        };
        Ok((padding, [rows, columns, channels]))
    }

    fn dense(&mut self, operator: &Operator, activation: Activation) -> Result<(), Stopped> {
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
                    "weights for {inputs} values, where {values} come in; layers along one dimension of several are not supported"
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

    fn sum(&mut self, operator: &Operator, activation: Activation) -> Result<(), Stopped> {
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

    fn pool(
        &mut self,
        operator: &Operator,
        windows: Windows,
        activation: Activation,
        is_maximum: bool,
    ) -> Result<(), Stopped> {
        let value = self.spatial(operator, 0)?;
        let size = byte_pair(windows.size, "a window side")?;
        let stride = byte_pair(windows.stride, "a stride")?;
        if value.padding != [0; 4] {
            return stop("PAD before a pool: zeros would count in its windows; use the pool's own padding");
        }
        let (padding, shape) = self.placed(&value, size.axes().map(usize::from), windows, value.shape[2])?;
        let (codes, relu, relu6) = self.after(operator, activation)?;
        if (relu || relu6) && codes.is_none() {
            return stop("an activation behind a pool is not supported; put it before");
        }
        let pool = Pool { window: Some(size), stride: (stride != size).then_some(stride), padding, global: false };
        if is_maximum && codes != value.codes {
            return stop("a maximum whose output has other codes than its input; convert the network again");
        }
        let layer = if is_maximum { Layer::MaxPool(MaxPool(pool)) } else { Layer::AveragePool(AveragePool(pool)) };
        self.push(operator, &[&value], layer, None, shape, codes)
    }

    fn mean(&mut self, operator: &Operator) -> Result<(), Stopped> {
        // With a height of 1, as of Conv1D, height and width may be one dimension.
        let value = match self.value(operator, 0)? {
            value if value.shape[0] == 1 && value.dimensions == value.shape[1..] => value,
            _ => self.spatial(operator, 0)?,
        };
        let Some((index, axes)) = self.constant(operator, 1)? else { return stop("it has no dimensions to go over") };
        let rank = value.dimensions.len() as i64;
        let from_the_first = |axis: i64| if axis < 0 { axis.saturating_add(rank + 1) } else { axis };
        let mut axes: Vec<i64> = axes.codes().unwrap_or_default().into_iter().map(from_the_first).collect();
        axes.sort_unstable();
        if axes != (1..rank).collect::<Vec<i64>>() {
            return stop_at(
                index,
                format!("a mean over dimensions {axes:?}; only one over height and width, [1, 2], is supported"),
            );
        }
        if value.padding != [0; 4] {
            return stop("it reads what PAD has padded; padding is supported before a convolution, and nowhere else");
        }
        let (codes, ..) = self.after(operator, Activation::None)?;
        let layer = Layer::AveragePool(AveragePool(Pool::global()));
        self.push(operator, &[&value], layer, None, [1, 1, value.shape[2]], codes)
    }

    fn pad(&mut self, operator: &Operator) -> Result<(), Stopped> {
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

    fn reshape(&mut self, operator: &Operator) -> Result<(), Stopped> {
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
    fn is_same_meaning(&self, value: &Value, tensor: usize) -> Result<bool, Stopped> {
        let tensor_codes = match self.graph.tensors[tensor].kind.is_byte() {
            true => Some(codes_of(&self.graph.tensors[tensor]).or_else(|reason| stop_at(tensor, reason))?),
            false => None,
        };
        Ok(tensor_codes == value.codes)
    }

    fn end(&mut self, operator: &Operator, end: End, factor: f32) -> Result<(), Stopped> {
        let mut value = self.value(operator, 0)?;
        if !(factor.is_finite() && factor > 0.0) {
            return stop(format!("a factor of {factor} before the softmax"));
        }
        if end == End::Logistic && value.shape != [1, 1, 1] {
            return stop(format!(
                "it makes {} independent probabilities; supported are softmax over classes, and LOGISTIC of a single output, which is two \
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
    fn convert(&mut self, operator: &Operator) -> Result<(), Stopped> {
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
                    "it changes the codes inside of the network; supported is one at the edges, between int8 and uint8",
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

    /// The weights of an operator, a row for each output.
    fn rows(&self, operator: &Operator, value: &Value, outputs: usize, axis: usize) -> Result<Weights, Stopped> {
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
                    "{} scales along dimension {stated}; supported is one for each output channel, or one for all",
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
                        "weights with a zero point of {}, which bytes do not hold without it; convert the network to int8",
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
    fn after(&self, operator: &Operator, activation: Activation) -> Result<(Option<Codes>, bool, bool), Stopped> {
        let output = operator.outputs[0];
        let tensor = &self.graph.tensors[output];
        let [relu, relu6] = match activation {
            Activation::None => [false, false],
            Activation::Relu => [true, false],
            Activation::Relu6 => [false, true],
            Activation::Other(name) => return stop(format!("{name} behind it; supported are ReLU and ReLU6")),
        };
        if tensor.kind == Kind::Float32 {
            return Ok((None, relu, relu6));
        }
        if !tensor.kind.is_byte() {
            return stop_at(output, format!("activations of {}; supported are int8, uint8 and float32", tensor.kind));
        }
        let codes = codes_of(tensor).or_else(|reason| stop_at(output, reason))?;
        if (relu || relu6) && codes.zero_point != 0 {
            return stop_at(
                output,
                format!(
                    "ReLU ends at code {} of 0 to 255, and supported is one that ends at the lowest code",
                    codes.zero_point
                ),
            );
        }
        // Rounded as TFLite rounds it.
        if relu6 && (6.0 / codes.scale).round() < 255.0 {
            return stop_at(
                output,
                format!(
                    "ReLU6 ends at code {} of 0 to 255, and supported is one that ends at the highest code",
                    (6.0 / codes.scale).round()
                ),
            );
        }
        Ok((Some(codes), relu, relu6))
    }

    /// The network, once all operators are layers.
    fn finish(mut self, name: &str) -> Result<Imported, Refused> {
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
                "an output of {height}x{width}x{channels}; a classifier puts out one number for each class"
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

/// What the codes of an activation mean: unsigned bytes, as they are here, are 128 more than signed ones.
fn codes_of(tensor: &Tensor<'_>) -> Result<Codes, String> {
    let Some(Quantization { scales, zero_points, .. }) = &tensor.quantization else {
        return Err("bytes without a scale".to_owned());
    };
    let [scale] = scales[..] else { return Err(format!("an activation with {} scales", scales.len())) };
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("a scale of {scale}"));
    }
    let offset = if tensor.kind == Kind::Int8 { 128 } else { 0 };
    let stated = zero_points.first().copied().unwrap_or(0);
    let zero_point = stated.checked_add(offset).and_then(|point| u8::try_from(point).ok());
    zero_point.map_or_else(
        || Err(format!("a zero point of {stated}, which {} does not hold", tensor.kind)),
        |zero_point| Ok(Codes { scale, zero_point }),
    )
}

fn byte_pair(axes: [i32; 2], what: &str) -> Result<Pair, Stopped> {
    let byte = |number: i32| match u8::try_from(number) {
        Ok(byte) if byte > 0 => Ok(byte),
        _ => stop(format!("{what} of {number}")),
    };
    Ok(Pair { rows: byte(axes[0])?, columns: byte(axes[1])? })
}

fn side(count: usize, what: &str) -> Result<u16, Stopped> {
    u16::try_from(count).or_else(|_| stop(format!("{count} {what}, and at most 65,535")))
}
