//! TFLite's operators: their names, and which of ours they are.

use super::schema::Options;
use crate::import::graph::{Activation, Operation, Windows};

/// The number of what is not built in.
pub const CUSTOM: i32 = 32;

/// The names of the built-in operators by their numbers.
#[rustfmt::skip]
pub const NAMES: [&str; 162] = [
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU", "RELU_N1_TO_1",
    "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH", "CONCAT_EMBEDDINGS",
    "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD", "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER",
    "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB", "DIV", "SQUEEZE",
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP", "TOPK_V2", "SPLIT",
    "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM", "ARG_MAX", "MINIMUM", "LESS",
    "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN", "TRANSPOSE_CONV",
    "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW",
    "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT", "LOGICAL_AND",
    "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL", "FLOOR_MOD",
    "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE",
    "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG",
    "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE", "NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM", "BATCH_MATMUL",
    "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D", "IMAG", "REAL",
    "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL",
    "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS", "RANDOM_STANDARD_NORMAL",
    "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE", "RELU_0_TO_1",
    "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2", "UNSORTED_SEGMENT_MIN", "SIGN",
    "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT",
];

/// What an operator computes, of the number that it has in a file.
pub fn operation(number: i32, options: Options<'_>) -> Operation {
    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number)).copied().unwrap_or_default();
    match (name, options) {
        ("CONV_2D", Options::Conv2D(options)) => {
            let windows = Windows {
                size: [0; 2],
                stride: [options.stride_h().unwrap_or(0), options.stride_w().unwrap_or(0)],
                dilation: [options.dilation_h().unwrap_or(1), options.dilation_w().unwrap_or(1)],
                is_same: is_same(options.padding()),
            };
            Operation::Conv(windows, activation(options.activation()))
        }
        ("DEPTHWISE_CONV_2D", Options::DepthwiseConv2D(options)) => {
            let windows = Windows {
                size: [0; 2],
                stride: [options.stride_h().unwrap_or(0), options.stride_w().unwrap_or(0)],
                dilation: [options.dilation_h().unwrap_or(1), options.dilation_w().unwrap_or(1)],
                is_same: is_same(options.padding()),
            };
            Operation::DepthwiseConv(windows, activation(options.activation()))
        }
        ("AVERAGE_POOL_2D" | "MAX_POOL_2D", Options::Pool2D(options)) => {
            let windows = Windows {
                size: [options.filter_height().unwrap_or(0), options.filter_width().unwrap_or(0)],
                stride: [options.stride_h().unwrap_or(0), options.stride_w().unwrap_or(0)],
                dilation: [1; 2],
                is_same: is_same(options.padding()),
            };
            let activation = activation(options.activation());
            match name {
                "MAX_POOL_2D" => Operation::MaxPool(windows, activation),
                _ => Operation::AveragePool(windows, activation),
            }
        }
        ("FULLY_CONNECTED", Options::FullyConnected(options)) => match options.weights_format().unwrap_or(0) {
            0 => Operation::Dense(activation(options.activation())),
            _ => {
                Operation::Unsupported("its weights are shuffled for another processor; convert it again without that")
            }
        },
        ("FULLY_CONNECTED", _) => Operation::Dense(Activation::None),
        ("ADD", Options::Add(options)) => Operation::Add(activation(options.activation())),
        ("ADD", _) => Operation::Add(Activation::None),
        ("SOFTMAX", Options::Softmax(options)) => Operation::Softmax(options.beta().unwrap_or(0.0)),
        ("CONV_2D" | "DEPTHWISE_CONV_2D" | "AVERAGE_POOL_2D" | "MAX_POOL_2D" | "SOFTMAX", _) => {
            Operation::Unsupported("the file is damaged: it has no options, or those of another operator")
        }
        ("MEAN", _) => Operation::Mean,
        ("PAD", _) => Operation::Pad,
        ("RESHAPE" | "SQUEEZE" | "EXPAND_DIMS", _) => Operation::Reshape,
        ("SHAPE", _) => Operation::Shape,
        ("LOGISTIC", _) => Operation::Logistic,
        ("QUANTIZE", _) => Operation::Quantize,
        ("DEQUANTIZE", _) => Operation::Dequantize,
        _ => Operation::Unsupported(advice(name)),
    }
}

/// What would help someone whose network has an operator that is not supported.
fn advice(name: &str) -> &'static str {
    match name {
        "RELU" | "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1" => {
            "an activation that the converter did not fuse with the layer before it; put it directly after a convolution, a dense \
             layer or a sum"
        }
        "LEAKY_RELU" | "PRELU" | "ELU" | "TANH" | "HARD_SWISH" | "GELU" => {
            "this activation is not supported; train with ReLU or ReLU6"
        }
        "MUL" | "SUB" | "DIV" | "SQUARE" | "SQRT" | "RSQRT" => {
            "arithmetic that the converter did not fold; scale inputs when images are read, and put batch normalization after a \
             convolution without an activation in between"
        }
        "CONCATENATION" | "SPLIT" | "SPLIT_V" | "PACK" | "UNPACK" | "STRIDED_SLICE" | "SLICE" | "GATHER" => {
            "parts of activations are not supported: networks consist of layers and sums"
        }
        "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR" | "TRANSPOSE_CONV" => {
            "this is for networks with images as output, not classes"
        }
        "IF" | "WHILE" | "CALL" => "control flow is not supported",
        "REDUCE_MAX" => {
            "a maximum over all positions is supported as MaxPool2D with the window of the whole activation; or train with \
             GlobalAveragePooling2D"
        }
        "SUM" => "a sum over positions is not supported; a mean is: train with GlobalAveragePooling2D",
        "LOG_SOFTMAX" => "leave it out, or end with a softmax: the logits are what is imported",
        "TILE" | "BROADCAST_TO" => "copies of an activation are not supported; add activations of one shape",
        "BATCH_MATMUL" => {
            "products of two activations, as in attention, are not supported; of constant weights, train with Dense"
        }
        "VAR_HANDLE" | "READ_VARIABLE" | "ASSIGN_VARIABLE" | "CALL_ONCE" => {
            "weights that the file computes or keeps apart are not supported; freeze them: convert from a concrete function or from the \
             Keras model"
        }
        "LSTM" | "RNN" | "SVDF" | "UNIDIRECTIONAL_SEQUENCE_LSTM" | "UNIDIRECTIONAL_SEQUENCE_RNN" => {
            "recurrent layers are not supported"
        }
        "TRANSPOSE" => "convert the network with channels last",
        "MIRROR_PAD" | "PADV2" => "only padding with zeros is supported",
        "ARG_MAX" => "leave it out: the class is the largest output",
        "CUSTOM" => "operators of other libraries are not supported",
        _ => "not supported",
    }
}

/// 0 is SAME, which is also what a file leaves out.
fn is_same(padding: Option<i8>) -> bool {
    padding.unwrap_or(0) == 0
}

fn activation(number: Option<i8>) -> Activation {
    match number.unwrap_or(0) {
        0 => Activation::None,
        1 => Activation::Relu,
        2 => Activation::Other("RELU_N1_TO_1"),
        3 => Activation::Relu6,
        4 => Activation::Other("TANH"),
        5 => Activation::Other("SIGN_BIT"),
        _ => Activation::Other("an unknown activation"),
    }
}
