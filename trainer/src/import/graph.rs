//! A network as its file describes it, whatever the format: tensors, and the operators between them.
//!
//! Formats are read into this, and [`layers`](mod@super::layers) makes a network of it without knowing where it came from.

use std::fmt;

/// A network as a list of operators in the order they run.
#[derive(Clone, Debug, Default)]
pub struct Graph<'a> {
    /// Everything that flows and everything that is constant.
    pub tensors: Vec<Tensor<'a>>,
    /// What computes them.
    pub operators: Vec<Operator>,
    /// What the user gives, by the index of a tensor.
    pub inputs: Vec<usize>,
    /// What the user gets.
    pub outputs: Vec<usize>,
}

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions, the batch first if it has one.
    pub dimensions: Vec<usize>,
    /// What it holds.
    pub kind: Kind,
    /// What its numbers mean, where they are codes.
    pub quantization: Option<Quantization>,
    /// Its bytes, little-endian, if it is constant.
    pub data: Option<&'a [u8]>,
}

/// What a tensor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floating point.
    Float32,
    /// 16-bit floating point.
    Float16,
    /// Signed bytes.
    Int8,
    /// Unsigned bytes.
    UInt8,
    /// 32-bit integers.
    Int32,
    /// 64-bit integers.
    Int64,
    /// Something else, by its name.
    Other(&'static str),
}

/// `real = scale * (code - zero_point)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// One for all, or one for each slice along `axis`.
    pub scales: Vec<f32>,
    /// As many.
    pub zero_points: Vec<i64>,
    /// Along which dimension scales differ, where there are several.
    pub axis: usize,
}

/// An operator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its name in its format.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// The tensors that it reads; `None` where an optional one is left out.
    pub inputs: Vec<Option<usize>>,
    /// The tensors that it writes.
    pub outputs: Vec<usize>,
}

/// What an operator computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Convolution: inputs are the activation, weights `[outputs, rows, columns, inputs]` and biases.
    Conv(Windows, Activation),
    /// Convolution of each channel by itself: weights `[1, rows, columns, outputs]`.
    DepthwiseConv(Windows, Activation),
    /// Fully connected layer: weights `[outputs, inputs]`.
    Dense(Activation),
    /// The sum of two activations.
    Add(Activation),
    /// The mean of each window.
    AveragePool(Windows, Activation),
    /// The maximum of each window.
    MaxPool(Windows, Activation),
    /// The mean over the dimensions that the second input lists.
    Mean,
    /// Zeros around an activation, as many as the second input has.
    Pad,
    /// The same numbers in other dimensions.
    Reshape,
    /// The dimensions of an activation.
    Shape,
    /// Probabilities of the classes. The number is what logits are multiplied by before.
    Softmax(f32),
    /// `1 / (1 + exp(-x))`.
    Logistic,
    /// Codes of real values, or of other codes.
    Quantize,
    /// Real values of codes.
    Dequantize,
    /// Something that no layer here computes; why, or how it could be done without.
    Unsupported(&'static str),
}

/// Windows that move over an activation. What is given for both axes has the rows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Size of a window of a pool; a convolution has that of its weights.
    pub size: [i32; 2],
    /// Rows and columns from one window to the next.
    pub stride: [i32; 2],
    /// From one tap to the next.
    pub dilation: [i32; 2],
    /// Whether windows may hang over the edges, as many as there are strides; all are inside otherwise.
    pub is_same: bool,
}

/// What follows an operator in the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// No negative values.
    Relu,
    /// Values of 0 to 6.
    Relu6,
    /// Something else, by its name.
    Other(&'static str),
}

impl Kind {
    /// Whether its numbers are codes of one byte.
    #[must_use]
    pub fn is_byte(self) -> bool {
        matches!(self, Self::Int8 | Self::UInt8)
    }

    /// Bytes of a number, if they are known.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        match self {
            Self::Int8 | Self::UInt8 => Some(1),
            Self::Float16 => Some(2),
            Self::Float32 | Self::Int32 => Some(4),
            Self::Int64 => Some(8),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
            Self::UInt8 => "uint8",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Other(name) => name,
        })
    }
}

impl Tensor<'_> {
    /// How many numbers it holds; `None` where 32 bits do not count them.
    #[must_use]
    pub fn values(&self) -> Option<usize> {
        let product = self.dimensions.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
        u32::try_from(product).is_ok().then_some(product)
    }

    /// Its dimensions as text, `1x96x96x3`.
    #[must_use]
    pub fn shape(&self) -> String {
        let sides: Vec<String> = self.dimensions.iter().map(usize::to_string).collect();
        if sides.is_empty() { "a single number".to_owned() } else { sides.join("x") }
    }

    /// Its data as real numbers: floats as they are, codes by their quantization.
    #[must_use]
    pub fn real_values(&self) -> Option<Vec<f32>> {
        let data = self.data?;
        match (self.kind, &self.quantization) {
            (Kind::Float32, _) => Some(data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
            (Kind::Float16, _) => {
                Some(data.as_chunks().0.iter().map(|&bytes| half::f16::from_le_bytes(bytes).to_f32()).collect())
            }
            (_, Some(quantization)) => {
                let codes = self.codes()?;
                let inner: usize = self.dimensions.get(quantization.axis + 1..).unwrap_or_default().iter().product();
                let sides = self.dimensions.get(quantization.axis).copied().unwrap_or(1);
                let real = |(index, &code): (usize, &i64)| {
                    let slice = index / inner.max(1) % sides.max(1);
                    let (scale, zero_point) = quantization.of(slice);
                    (f64::from(scale) * (code - zero_point) as f64) as f32
                };
                Some(codes.iter().enumerate().map(real).collect())
            }
            _ => None,
        }
    }

    /// Its data as integers.
    #[must_use]
    pub fn codes(&self) -> Option<Vec<i64>> {
        let data = self.data?;
        match self.kind {
            Kind::Int8 => Some(data.iter().map(|&byte| i64::from(byte.cast_signed())).collect()),
            Kind::UInt8 => Some(data.iter().map(|&byte| i64::from(byte)).collect()),
            Kind::Int32 => Some(data.as_chunks().0.iter().map(|&bytes| i64::from(i32::from_le_bytes(bytes))).collect()),
            Kind::Int64 => Some(data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()),
            Kind::Float32 | Kind::Float16 | Kind::Other(_) => None,
        }
    }
}

impl Quantization {
    /// Scale and zero point of a slice.
    #[must_use]
    pub fn of(&self, slice: usize) -> (f32, i64) {
        let pick = |index: usize, count: usize| if count == 1 { 0 } else { index };
        let scale = self.scales.get(pick(slice, self.scales.len())).copied().unwrap_or(1.0);
        let zero_point = self.zero_points.get(pick(slice, self.zero_points.len())).copied().unwrap_or(0);
        (scale, zero_point)
    }
}
