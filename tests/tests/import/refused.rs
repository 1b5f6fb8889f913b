//! What is refused, and in which words.

use super::*;

#[test]
fn what_is_not_supported_is_refused_with_the_place_the_reason_and_what_would_help() {
    let cases: Vec<(String, &str)> = vec![
        (refusal(|file| file.operators[2].code = 18), "operator 2 (MUL): arithmetic that the converter did not fold"),
        (
            refusal(|file| file.operators[2].code = 117),
            "operator 2 (HARD_SWISH): this activation is not supported; train with ReLU",
        ),
        (refusal(|file| file.operators[2].code = 119), "operator 2 (WHILE): control flow is not supported"),
        (refusal(|file| file.operators[2].code = 16), "operator 2 (LSTM): recurrent layers are not supported"),
        (refusal(|file| file.operators[2].code = 900), "operator 2 (number 900): not supported"),
        (refusal(|file| file.operators[2].code = 150), "operator 2 (GELU): this activation is not supported"),
        (refusal(|file| file.operators[2].code = 143), "operator 2 (READ_VARIABLE): weights that the file computes"),
        (refusal(|file| file.operators[2].code = 82), "operator 2 (REDUCE_MAX): a maximum over all positions"),
        (
            refusal(|file| file.operators[0].options.numbers = vec![(1, 1), (2, 1), (4, 8), (5, 8)]),
            "operator 0 (CONV_2D): a kernel of 17x17, which is 3x3 with a dilation of 8x8; kernels have 15x15 taps at most",
        ),
        (refusal(|file| file.operators[2].inputs = vec![6, 6]), "operator 2 (ADD): it adds an activation to itself"),
        (
            refusal(|file| {
                file.tensors.push(Tensor::codes(&[1, 8, 8, 4], 0.06, -10));
                file.operators.insert(2, Operator::conv([0, 1, 2], 14, 0, [1, 1], 0));
            }),
            "operator 2 (CONV_2D): nothing reads what it computes",
        ),
        (
            refusal(|file| {
                file.tensors.push(Tensor::codes(&[1, 10, 10, 4], 0.05, 3));
                file.tensors.push(Tensor { shape: vec![4, 2], ..Tensor::integers(&[0, 0, 1, 1, 1, 1, 0, 0]) });
                file.tensors.push(Tensor::codes(&[1, 400], 0.05, 3));
                file.operators[2] = Operator::plain(34, &[6, 15], 14);
                file.operators[3] = Operator::plain(22, &[14], 16);
            }),
            "operator 3 (RESHAPE): it reads what PAD has padded",
        ),
        (
            refusal(|file| {
                file.operators[2].code = 32;
                file.operators[2].custom = Some("MyOp".to_owned());
            }),
            "operator 2 (custom operator \"MyOp\"): operators of other libraries are not supported",
        ),
        (refusal(|file| file.subgraphs = 2), "it has 2 subgraphs"),
        (refusal(|file| file.subgraphs = 0), "the file is damaged: it has no network"),
        (refusal(|file| file.inputs = vec![0, 3]), "it has 2 inputs; a classifier has one, the image"),
        (refusal(|file| file.outputs = vec![12, 13]), "it has 2 outputs"),
        (refusal(|file| file.inputs = vec![99]), "it names a tensor that does not exist"),
        (refusal(|file| file.inputs = vec![-7]), "it names a tensor that does not exist"),
        (refusal(|file| file.operators[0].inputs = vec![0, 77, 2]), "it names a tensor that does not exist"),
        (
            refusal(|file| file.tensors[0].signature = Some(vec![-1, -1, 8, 3])),
            "tensor \"tensor 0\": its shape [-1, -1, 8, 3] is dynamic",
        ),
        (refusal(|file| file.tensors[0].shape = vec![4, 8, 8, 3]), "a batch of 4"),
        (refusal(|file| file.tensors[0].shape = vec![1, 8, -8, 3]), "a side of -8"),
        (refusal(|file| file.tensors[0].kind = 7), "the input is neither bytes nor 32-bit floating point"),
        (refusal(|file| file.tensors[3].kind = 7), "activations of int16; int8, uint8 and float32 are supported"),
        (refusal(|file| file.tensors[3].scales = vec![f32::NAN]), "a scale of NaN"),
        (refusal(|file| file.tensors[3].scales = vec![0.0]), "a scale of 0"),
        (refusal(|file| file.tensors[3].scales.clear()), "bytes without a scale"),
        (refusal(|file| file.tensors[3].zero_points = vec![500]), "a zero point of 500, which int8 cannot represent"),
        (refusal(|file| file.tensors[3].zero_points = vec![-100]), "ReLU ends at code 28 of 0 to 255"),
        (
            refusal(|file| file.operators[0].options.bytes = vec![(0, 0), (3, 4)]),
            "TANH after it; ReLU and ReLU6 are supported",
        ),
        (
            refusal(|file| {
                file.operators[0].options.bytes = vec![(0, 0), (3, 3)];
                file.tensors[3].scales = vec![0.05];
            }),
            "ReLU6 ends at code 120 of 0 to 255",
        ),
        (refusal(|file| file.operators[0].options.member = 8), "it has no options, or those of another operator"),
        (
            refusal(|file| file.operators[0].options.numbers = vec![(1, 9), (2, 9), (4, 1), (5, 1)]),
            "its inputs give 1x1x4",
        ),
        (refusal(|file| file.operators[0].options.numbers = vec![(1, 0), (2, 1), (4, 1), (5, 1)]), "a stride of 0"),
        (refusal(|file| file.tensors[1].shape = vec![4, 3, 3, 1]), "the file is damaged: tensor 1"),
        (refusal(|file| file.tensors[2] = Tensor::integers(&[1, 2])), "4 biases are needed"),
        (
            refusal(|file| file.tensors[8] = Tensor::integers(&[1])),
            "a mean over dimensions [1]; only one over height and width",
        ),
        (refusal(|file| file.operators[1].inputs[1] = 3), "it is computed by the network, and has to be a constant"),
        (refusal(|file| file.operators[4].inputs[0] = 13), "operator 4 (FULLY_CONNECTED)"),
        (refusal(|file| file.operators.clear()), "the output is computed by no operator"),
        (refusal(|file| file.outputs = vec![7]), "an output of 8x8x4; a classifier has one output for each class"),
        (refusal(|file| file.operators[5] = Operator::plain(14, &[12], 13)), "it makes 3 independent probabilities"),
    ];
    assert!(cases.len() >= 30);
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn all_reasons_are_given_at_once_and_an_operator_behind_one_that_is_refused_is_not_blamed() {
    let message = refusal(|file| {
        file.operators[1].code = 98;
        file.operators[0].options.bytes = vec![(0, 0), (3, 2)];
    });
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 3, "{message}");
    assert_eq!(lines[0], "2 reasons:");
    assert!(lines[1].starts_with("  operator 0 (CONV_2D): RELU_N1_TO_1 after it"), "{message}");
    assert!(lines[2].starts_with("  operator 1 (LEAKY_RELU): this activation"), "{message}");
}

#[test]
fn every_truncation_and_every_changed_byte_ends_in_a_message_or_a_network() {
    let bytes = small().bytes();
    let run = |bytes: &[u8]| {
        if let Ok(imported) = tflite::read(bytes).and_then(|graph| import::layers("imported", &graph, None)) {
            // Numbers that no file can hold are refused here.
            let _ = [Rounding::Once, Rounding::Twice].map(|rounding| import::quantized(&imported, rounding));
        }
    };
    for length in 0..bytes.len() {
        run(&bytes[..length]);
    }
    for place in 0..bytes.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[place] = value;
            run(&changed);
        }
    }
}
