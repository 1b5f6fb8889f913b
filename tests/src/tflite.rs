//! TFLite files made by hand, for tests: the tables of the schema, written by the flatbuffers crate without types.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, VOffsetT, WIPOffset};

/// Element types by their numbers in the schema.
pub const FLOAT32: i8 = 0;
/// 32-bit integers.
pub const INT32: i8 = 2;
/// Signed bytes.
pub const INT8: i8 = 9;

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its dimensions.
    pub shape: Vec<i32>,
    /// Its element type.
    pub kind: i8,
    /// One scale, or one for each slice along `axis`; none of floats.
    pub scales: Vec<f32>,
    /// As many.
    pub zero_points: Vec<i64>,
    /// Along which dimension scales differ.
    pub axis: i32,
    /// Its bytes, if it is constant.
    pub data: Option<Vec<u8>>,
    /// Its shape with -1 for dynamic sides.
    pub signature: Option<Vec<i32>>,
}

/// Options of an operator, each field with its number in the schema.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Number of the union's member.
    pub member: u8,
    /// Fields of one byte.
    pub bytes: Vec<(VOffsetT, i8)>,
    /// Fields of four bytes.
    pub numbers: Vec<(VOffsetT, i32)>,
    /// Floating point fields.
    pub floats: Vec<(VOffsetT, f32)>,
}

/// An operator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its number in the schema.
    pub code: i32,
    /// Its name, if it is a custom one.
    pub custom: Option<String>,
    /// The tensors that it reads.
    pub inputs: Vec<i32>,
    /// The tensors that it writes.
    pub outputs: Vec<i32>,
    /// Its options.
    pub options: Options,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its tensors.
    pub tensors: Vec<Tensor>,
    /// Its operators.
    pub operators: Vec<Operator>,
    /// What the user gives.
    pub inputs: Vec<i32>,
    /// What the user gets.
    pub outputs: Vec<i32>,
    /// How often the network is in it.
    pub subgraphs: usize,
}

impl Tensor {
    /// An activation of signed bytes.
    #[must_use]
    pub fn codes(shape: &[i32], scale: f32, zero_point: i64) -> Self {
        Self {
            shape: shape.to_vec(),
            kind: INT8,
            scales: vec![scale],
            zero_points: vec![zero_point],
            axis: 0,
            data: None,
            signature: None,
        }
    }

    /// An activation of floating point.
    #[must_use]
    pub fn float(shape: &[i32]) -> Self {
        Self { kind: FLOAT32, scales: Vec::new(), zero_points: Vec::new(), ..Self::codes(shape, 1.0, 0) }
    }

    /// Weights of signed bytes with a scale for each slice along `axis`.
    #[must_use]
    pub fn weights(shape: &[i32], axis: i32, scales: &[f32], weights: &[i8]) -> Self {
        Self {
            scales: scales.to_vec(),
            zero_points: vec![0; scales.len()],
            axis,
            data: Some(weights.iter().map(|weight| weight.cast_unsigned()).collect()),
            ..Self::codes(shape, 1.0, 0)
        }
    }

    /// Constants of 32-bit integers.
    #[must_use]
    pub fn integers(numbers: &[i32]) -> Self {
        Self {
            kind: INT32,
            data: Some(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
            scales: Vec::new(),
            zero_points: Vec::new(),
            ..Self::codes(&[numbers.len() as i32], 1.0, 0)
        }
    }

    /// Constants of floating point.
    #[must_use]
    pub fn floats(shape: &[i32], numbers: &[f32]) -> Self {
        Self { data: Some(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()), ..Self::float(shape) }
    }
}

impl Operator {
    /// CONV_2D: padding 0 is `same`, activation 1 ReLU.
    #[must_use]
    pub fn conv(inputs: [i32; 3], output: i32, padding: i8, strides: [i32; 2], activation: i8) -> Self {
        let options = Options {
            member: 1,
            bytes: vec![(0, padding), (3, activation)],
            numbers: vec![(1, strides[1]), (2, strides[0]), (4, 1), (5, 1)],
            floats: Vec::new(),
        };
        Self { code: 3, custom: None, inputs: inputs.to_vec(), outputs: vec![output], options }
    }

    /// DEPTHWISE_CONV_2D.
    #[must_use]
    pub fn depthwise(inputs: [i32; 3], output: i32, padding: i8, strides: [i32; 2], activation: i8) -> Self {
        let options = Options {
            member: 2,
            bytes: vec![(0, padding), (4, activation)],
            numbers: vec![(1, strides[1]), (2, strides[0]), (3, 1), (5, 1), (6, 1)],
            floats: Vec::new(),
        };
        Self { code: 4, custom: None, inputs: inputs.to_vec(), outputs: vec![output], options }
    }

    /// FULLY_CONNECTED.
    #[must_use]
    pub fn dense(inputs: [i32; 3], output: i32, activation: i8) -> Self {
        let options = Options { member: 8, bytes: vec![(0, activation)], ..Options::default() };
        Self { code: 9, custom: None, inputs: inputs.to_vec(), outputs: vec![output], options }
    }

    /// One without options that are read.
    #[must_use]
    pub fn plain(code: i32, inputs: &[i32], output: i32) -> Self {
        Self { code, custom: None, inputs: inputs.to_vec(), outputs: vec![output], options: Options::default() }
    }

    /// SOFTMAX.
    #[must_use]
    pub fn softmax(input: i32, output: i32) -> Self {
        let options = Options { member: 9, floats: vec![(0, 1.0)], ..Options::default() };
        Self { code: 25, custom: None, inputs: vec![input], outputs: vec![output], options }
    }

    /// ADD.
    #[must_use]
    pub fn add(inputs: [i32; 2], output: i32, activation: i8) -> Self {
        let options = Options { member: 11, bytes: vec![(0, activation)], ..Options::default() };
        Self { code: 0, custom: None, inputs: inputs.to_vec(), outputs: vec![output], options }
    }

    /// AVERAGE_POOL_2D or, of 17, MAX_POOL_2D.
    #[must_use]
    pub fn pool(code: i32, input: i32, output: i32, padding: i8, window: [i32; 2], strides: [i32; 2]) -> Self {
        let options = Options {
            member: 5,
            bytes: vec![(0, padding), (5, 0)],
            numbers: vec![(1, strides[1]), (2, strides[0]), (3, window[1]), (4, window[0])],
            floats: Vec::new(),
        };
        Self { code, custom: None, inputs: vec![input], outputs: vec![output], options }
    }
}

/// Where a table has a field.
fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

type Table = WIPOffset<TableFinishedWIPOffset>;

impl File {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        // Buffer 0 is that of everything that is not constant.
        let mut contents: Vec<&[u8]> = vec![&[]];
        contents.extend(self.tensors.iter().filter_map(|tensor| tensor.data.as_deref()));
        let buffers: Vec<Table> = contents
            .iter()
            .map(|content| {
                let data = builder.create_vector(content);
                let table = builder.start_table();
                builder.push_slot_always(slot(0), data);
                builder.end_table(table)
            })
            .collect();
        let codes: Vec<Table> = self
            .operators
            .iter()
            .map(|operator| {
                let custom = operator.custom.as_ref().map(|name| builder.create_string(name));
                let table = builder.start_table();
                builder.push_slot_always(slot(0), i8::try_from(operator.code).unwrap_or(127));
                if let Some(custom) = custom {
                    builder.push_slot_always(slot(1), custom);
                }
                builder.push_slot_always(slot(3), operator.code);
                builder.end_table(table)
            })
            .collect();
        let subgraphs: Vec<Table> = (0..self.subgraphs).map(|_| self.subgraph(&mut builder)).collect();
        let (buffers, codes, subgraphs) =
            (builder.create_vector(&buffers), builder.create_vector(&codes), builder.create_vector(&subgraphs));
        let table = builder.start_table();
        builder.push_slot_always(slot(0), 3_u32);
        builder.push_slot_always(slot(1), codes);
        builder.push_slot_always(slot(2), subgraphs);
        builder.push_slot_always(slot(4), buffers);
        let model = builder.end_table(table);
        builder.finish(model, Some("TFL3"));
        builder.finished_data().to_vec()
    }

    fn subgraph(&self, builder: &mut FlatBufferBuilder<'_>) -> Table {
        let mut constants = 0;
        let tensors: Vec<Table> = self
            .tensors
            .iter()
            .enumerate()
            .map(|(index, tensor)| {
                constants += u32::from(tensor.data.is_some());
                let buffer = if tensor.data.is_some() { constants } else { 0 };
                let name = builder.create_string(&format!("tensor {index}"));
                let shape = builder.create_vector(&tensor.shape);
                let signature = tensor.signature.as_ref().map(|signature| builder.create_vector(signature));
                let quantization = (!tensor.scales.is_empty()).then(|| {
                    let (scales, zero_points) =
                        (builder.create_vector(&tensor.scales), builder.create_vector(&tensor.zero_points));
                    let table = builder.start_table();
                    builder.push_slot_always(slot(2), scales);
                    builder.push_slot_always(slot(3), zero_points);
                    builder.push_slot_always(slot(6), tensor.axis);
                    builder.end_table(table)
                });
                let table = builder.start_table();
                builder.push_slot_always(slot(0), shape);
                builder.push_slot_always(slot(1), tensor.kind);
                builder.push_slot_always(slot(2), buffer);
                builder.push_slot_always(slot(3), name);
                if let Some(quantization) = quantization {
                    builder.push_slot_always(slot(4), quantization);
                }
                if let Some(signature) = signature {
                    builder.push_slot_always(slot(7), signature);
                }
                builder.end_table(table)
            })
            .collect();
        let operators: Vec<Table> = self
            .operators
            .iter()
            .enumerate()
            .map(|(index, operator)| {
                let (inputs, outputs) =
                    (builder.create_vector(&operator.inputs), builder.create_vector(&operator.outputs));
                let table = builder.start_table();
                for &(field, value) in &operator.options.numbers {
                    builder.push_slot_always(slot(field), value);
                }
                for &(field, value) in &operator.options.floats {
                    builder.push_slot_always(slot(field), value);
                }
                for &(field, value) in &operator.options.bytes {
                    builder.push_slot_always(slot(field), value);
                }
                let options = builder.end_table(table);
                let table = builder.start_table();
                builder.push_slot_always(slot(0), index as u32);
                builder.push_slot_always(slot(1), inputs);
                builder.push_slot_always(slot(2), outputs);
                if operator.options.member > 0 {
                    builder.push_slot_always(slot(3), operator.options.member);
                    builder.push_slot_always(slot(4), options);
                }
                builder.end_table(table)
            })
            .collect();
        let (tensors, operators) = (builder.create_vector(&tensors), builder.create_vector(&operators));
        let (inputs, outputs) = (builder.create_vector(&self.inputs), builder.create_vector(&self.outputs));
        let table = builder.start_table();
        builder.push_slot_always(slot(0), tensors);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        builder.push_slot_always(slot(3), operators);
        builder.end_table(table)
    }
}

/// A small int8 classifier: a convolution with ReLU, a depthwise one, a sum, a mean, and a dense layer before a softmax.
#[must_use]
pub fn small() -> File {
    let weights = |count: usize, step: i32| -> Vec<i8> {
        (0..count as i32).map(|index| (index * step % 255 - 127) as i8).collect()
    };
    let tensors = vec![
        // 0: the image.
        Tensor::codes(&[1, 8, 8, 3], 1.0 / 255.0, -128),
        // 1, 2: convolution 3x3 to 4 channels, stride 1.
        Tensor::weights(&[4, 3, 3, 3], 0, &[0.004, 0.005, 0.003, 0.006], &weights(108, 37)),
        Tensor::integers(&[100, -200, 300, 0]),
        Tensor::codes(&[1, 8, 8, 4], 0.02, -128),
        // 4, 5: depthwise 3x3.
        Tensor::weights(&[1, 3, 3, 4], 3, &[0.01, 0.02, 0.015, 0.01], &weights(36, 53)),
        Tensor::integers(&[10, 20, -30, 40]),
        Tensor::codes(&[1, 8, 8, 4], 0.05, 3),
        // 7: the sum.
        Tensor::codes(&[1, 8, 8, 4], 0.06, -10),
        // 8, 9: the mean over height and width.
        Tensor::integers(&[1, 2]),
        Tensor::codes(&[1, 4], 0.03, -5),
        // 10, 11: dense, 3 classes.
        Tensor::weights(&[3, 4], 0, &[0.01], &weights(12, 91)),
        Tensor::integers(&[5, -6, 7]),
        Tensor::codes(&[1, 3], 0.1, 12),
        Tensor::codes(&[1, 3], 1.0 / 256.0, -128),
    ];
    let operators = vec![
        Operator::conv([0, 1, 2], 3, 0, [1, 1], 1),
        Operator::depthwise([3, 4, 5], 6, 0, [1, 1], 0),
        Operator::add([6, 3], 7, 0),
        Operator::plain(40, &[7, 8], 9),
        Operator::dense([9, 10, 11], 12, 0),
        Operator::softmax(12, 13),
    ];
    File { tensors, operators, inputs: vec![0], outputs: vec![13], subgraphs: 1 }
}

/// The same layers in floating point, the first convolution without padding.
#[must_use]
pub fn float() -> File {
    let mut file = small();
    for tensor in &mut file.tensors {
        if tensor.kind == INT32 && tensor.shape == [2] {
            continue;
        }
        let count: i32 = tensor.shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|index| (index * 37 % 100) as f32 / 100.0 - 0.5).collect();
        *tensor =
            if tensor.data.is_some() { Tensor::floats(&tensor.shape, &numbers) } else { Tensor::float(&tensor.shape) };
    }
    file.operators[0] = Operator::conv([0, 1, 2], 3, 1, [1, 1], 1);
    for map in [3, 6, 7] {
        file.tensors[map] = Tensor::float(&[1, 6, 6, 4]);
    }
    file
}
