//! TFLite files: FlatBuffers of TensorFlow Lite's schema, version 3, today's LiteRT.

mod operators;
mod schema;

use self::operators::{NAMES, operation};
use self::schema::IDENTIFIER;
use super::graph::{Graph, Kind, Operator, Quantization, Tensor};
use super::problem::{Problem, Refused};

/// Operators and tensors of a file at most: a hundred times those of a large classifier.
const MOST_OPERATORS: usize = 4096;
const MOST_TENSORS: usize = 16_384;

/// What a file is in place of a TFLite file, and what to do about it.
fn other_format(bytes: &[u8]) -> &'static str {
    const CONVERT: [(&[u8], &str); 3] = [
        (
            b"\x89HDF\r\n\x1a\n",
            ", but HDF5, as Keras' .h5; load it in Keras and convert it with tf.lite.TFLiteConverter.from_keras_model",
        ),
        (
            b"PK\x03\x04",
            ", but a zip archive, as Keras' .keras; load it in Keras and convert it with tf.lite.TFLiteConverter.from_keras_model",
        ),
        (b"THIMBLE", ", but a model file already: eval, predict and firmware take it as it is"),
    ];
    let found = CONVERT.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map_or(
        ": its fifth to eighth byte are not TFL3; convert networks of other tools (Keras, ONNX, PyTorch) to TFLite",
        |(_, text)| text,
    )
}

/// What a file describes.
///
/// # Errors
/// [`Refused`]: it is no TFLite file, or is damaged, or holds more than one network. What its operators are is not
/// judged here.
pub fn read(bytes: &[u8]) -> Result<Graph<'_>, Refused> {
    if bytes.get(4..8) != Some(IDENTIFIER) {
        return Err(Problem::of_file(format!("this is not a TFLite file{}", other_format(bytes))).into());
    }
    let model = schema::read(bytes).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_end_matches(['.', ' ']).to_owned();
        Problem::of_file(format!("the file is damaged: {first}"))
    })?;
    let damaged = |what: String| Refused::from(Problem::of_file(format!("the file is damaged: {what}")));
    let subgraphs = model.subgraphs().ok_or_else(|| damaged("it has no network".to_owned()))?;
    if subgraphs.len() > 1 {
        let reason = format!(
            "it has {} subgraphs, as of control flow or of several signatures; convert one network alone, without while and if",
            subgraphs.len()
        );
        return Err(Problem::of_file(reason).into());
    }
    let subgraph = subgraphs.iter().next().ok_or_else(|| damaged("it has no network".to_owned()))?;
    let tensors = subgraph.tensors().map_or_else(Vec::new, |tensors| tensors.iter().collect());
    let operators = subgraph.operators().map_or_else(Vec::new, |operators| operators.iter().collect());
    for (what, count, most) in
        [("operators", operators.len(), MOST_OPERATORS), ("tensors", tensors.len(), MOST_TENSORS)]
    {
        if count > most {
            return Err(Problem::of_file(format!("it has {count} {what}, and at most {most} are read")).into());
        }
    }
    let buffers = model.buffers();
    let mut graph = Graph::default();
    for (index, tensor) in tensors.iter().enumerate() {
        let read =
            read_tensor(tensor, bytes, |buffer| buffers.filter(|all| buffer < all.len()).map(|all| all.get(buffer)));
        graph.tensors.push(read.map_err(|unread| match unread {
            Unread::Damaged(what) => damaged(format!("tensor {index}: {what}")),
            Unread::Dynamic(shape) => {
                let reason = format!(
                    "its shape {shape:?} is dynamic, as negative sides are; convert the network with a fixed input shape"
                );
                Problem { operator: None, tensor: Some(format!("{:?}", tensor.name().unwrap_or_default())), reason }
                    .into()
            }
        })?);
    }
    let known = |index: i32| usize::try_from(index).ok().filter(|&index| index < tensors.len());
    let all_known = |indices: Option<flatbuffers::Vector<'_, i32>>| -> Option<Vec<usize>> {
        indices.map_or(Some(Vec::new()), |indices| indices.iter().map(known).collect())
    };
    let outside = || damaged("it names a tensor that does not exist".to_owned());
    graph.inputs = all_known(subgraph.inputs()).ok_or_else(outside)?;
    graph.outputs = all_known(subgraph.outputs()).ok_or_else(outside)?;
    let codes = model.operator_codes();
    for (index, operator) in operators.iter().enumerate() {
        let code = operator.opcode_index() as usize;
        let code = codes.filter(|codes| code < codes.len()).map(|codes| codes.get(code));
        let code = code.ok_or_else(|| damaged(format!("operator {index} is of a kind that does not exist")))?;
        // Files of before 2020 have the number in a byte, later ones in both if it fits there.
        let number = code.builtin_code().unwrap_or(0).max(i32::from(code.deprecated_builtin_code().unwrap_or(0)));
        let custom = code.custom_code().filter(|_| number == operators::CUSTOM);
        let name = custom.map_or_else(
            || {
                usize::try_from(number)
                    .ok()
                    .and_then(|number| NAMES.get(number))
                    .map_or_else(|| format!("number {number}"), |&name| name.to_owned())
            },
            |custom| format!("custom operator {custom:?}"),
        );
        let inputs =
            operator.inputs().into_iter().map(|index| if index == -1 { Some(None) } else { known(index).map(Some) });
        graph.operators.push(Operator {
            name,
            operation: operation(number, operator.options()),
            inputs: inputs.collect::<Option<_>>().ok_or_else(outside)?,
            outputs: operator.outputs().into_iter().map(known).collect::<Option<_>>().ok_or_else(outside)?,
        });
    }
    Ok(graph)
}

/// Why a tensor is not read.
enum Unread {
    /// What is wrong with it.
    Damaged(String),
    /// Its shape, negative where a side is not known.
    Dynamic(Vec<i32>),
}

impl From<String> for Unread {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

fn read_tensor<'a>(
    tensor: &schema::Tensor<'a>,
    file: &'a [u8],
    buffer: impl Fn(usize) -> Option<schema::Buffer<'a>>,
) -> Result<Tensor<'a>, Unread> {
    let name: String = tensor.name().unwrap_or_default().chars().take(200).collect();
    // A signature says which sides the file leaves open; of the batch, which is the first, 1 is taken.
    let stated: Vec<i32> = tensor.shape().map_or_else(Vec::new, |shape| shape.iter().collect());
    let open = tensor.shape_signature().map_or_else(Vec::new, |shape| shape.iter().collect::<Vec<i32>>());
    if open.iter().skip(1).any(|&side| side < 0) {
        return Err(Unread::Dynamic(open));
    }
    let dimensions =
        stated.iter().map(|&side| usize::try_from(side).map_err(|_| format!("{name:?}: a side of {side}")));
    let kind = match tensor.kind().unwrap_or(0) {
        0 => Kind::Float32,
        1 => Kind::Float16,
        2 => Kind::Int32,
        3 => Kind::UInt8,
        4 => Kind::Int64,
        5 => Kind::Other("string"),
        6 => Kind::Other("bool"),
        7 => Kind::Other("int16"),
        9 => Kind::Int8,
        10 => Kind::Other("float64"),
        17 => Kind::Other("int4"),
        _ => Kind::Other("of another type"),
    };
    let quantization = tensor.quantization().and_then(|parameters| {
        let scales: Vec<f32> = parameters.scale()?.iter().collect();
        let zero_points = parameters.zero_point().map_or_else(Vec::new, |points| points.iter().collect());
        let axis = usize::try_from(parameters.quantized_dimension().unwrap_or(0)).unwrap_or(usize::MAX - 1);
        (!scales.is_empty()).then_some(Quantization { scales, zero_points, axis })
    });
    let data = match tensor.buffer().unwrap_or(0) as usize {
        // By convention the buffer of everything that is not constant.
        0 => None,
        index => {
            let buffer = buffer(index).ok_or_else(|| format!("{name:?}: its buffer does not exist"))?;
            match (buffer.offset().unwrap_or(0), buffer.size().unwrap_or(0)) {
                // Of files over 2 GB, behind the tables.
                (offset @ 2.., size) => {
                    let place = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
                    let data = place.and_then(|(offset, size)| file.get(offset..offset.checked_add(size)?));
                    Some(data.ok_or_else(|| format!("{name:?}: its data are outside of the file"))?)
                }
                _ => buffer.data().map(|data| data.bytes()).filter(|data| !data.is_empty()),
            }
        }
    };
    let dimensions = dimensions.collect::<Result<Vec<usize>, String>>()?;
    let tensor = Tensor { name, dimensions, kind, quantization, data };
    if let (Some(data), Some(bytes)) = (tensor.data, tensor.kind.bytes()) {
        let needed = tensor.values().and_then(|values| values.checked_mul(bytes));
        if needed != Some(data.len()) {
            let reason = format!("{:?}: {} bytes for {} of {}", tensor.name, data.len(), tensor.shape(), tensor.kind);
            return Err(reason.into());
        }
    }
    Ok(tensor)
}
