//! TFLite files: what is imported computes what the file says, and everything else is refused in words.

use infer_core::Network;
use infer_core::format::Metadata;
use thimble_tests::oracle;
use thimble_tests::tflite::{File, Operator, Tensor, float, small};
use trainer::export::model_file;
use trainer::import::{self, Imported, InputRange, Refused, tflite};

fn imported(file: &File) -> Result<Imported, Refused> {
    let bytes = file.bytes();
    import::layers("imported", &tflite::read(&bytes)?, None)
}

/// Why a file is refused.
fn refusal(change: impl FnOnce(&mut File)) -> String {
    let mut file = small();
    change(&mut file);
    match imported(&file) {
        Ok(imported) => panic!("taken: {:?}", imported.architecture),
        Err(refused) => refused.to_string(),
    }
}

fn model(imported: &Imported) -> Vec<u8> {
    let metadata = Metadata {
        trainer: "",
        dataset: "",
        architecture: "",
        class_lines: &vec!["class"; imported.architecture.classes()].join("\n"),
        images: "",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    };
    import::quantized(imported).unwrap().unwrap().encode(&metadata).unwrap()
}

fn images(count: usize, length: usize) -> Vec<Vec<u8>> {
    let mut state = 48_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| (0..length).map(|_| next()).collect()).collect()
}

/// TFLite's arithmetic of the file of [`small`], in real numbers, each activation rounded to its codes: what the file means.
fn reference(file: &File, image: &[u8]) -> Vec<f64> {
    let tensor = |index: usize| &file.tensors[index];
    let weight = |index: usize, place: usize| f64::from(tensor(index).data.as_ref().unwrap()[place].cast_signed());
    let bias = |index: usize, place: usize| {
        let data = tensor(index).data.as_ref().unwrap();
        f64::from(i32::from_le_bytes(data[4 * place..][..4].try_into().unwrap()))
    };
    let scale = |index: usize, slice: usize| f64::from(tensor(index).scales[slice % tensor(index).scales.len()]);
    let zero = |index: usize| tensor(index).zero_points[0] as f64;
    let code = |index: usize, real: f64| ((real / scale(index, 0)).round() + zero(index)).clamp(-128.0, 127.0);
    let real = |index: usize, code: f64| scale(index, 0) * (code - zero(index));
    let image: Vec<f64> = image.iter().map(|&pixel| real(0, f64::from(pixel) - 128.0)).collect();
    let at = |map: &[f64], y: i32, x: i32, channels: usize, channel: usize| -> f64 {
        if (0..8).contains(&y) && (0..8).contains(&x) {
            map[(y as usize * 8 + x as usize) * channels + channel]
        } else {
            0.0
        }
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for y in 0..8 {
        for x in 0..8 {
            for output in 0..4 {
                let mut sum = bias(2, output) * scale(0, 0) * scale(1, output);
                for tap in 0..27 {
                    let (row, column, channel) = (tap / 9, tap / 3 % 3, tap % 3);
                    let pixel = at(&image, y + row as i32 - 1, x + column as i32 - 1, 3, channel);
                    sum += pixel * weight(1, output * 27 + tap) * scale(1, output);
                }
                first.push(real(3, code(3, sum.max(0.0))));
            }
        }
    }
    for y in 0..8 {
        for x in 0..8 {
            for channel in 0..4 {
                let mut sum = bias(5, channel) * scale(3, 0) * scale(4, channel);
                for tap in 0..9 {
                    let value = at(&first, y + tap as i32 / 3 - 1, x + tap as i32 % 3 - 1, 4, channel);
                    sum += value * weight(4, tap * 4 + channel) * scale(4, channel);
                }
                second.push(real(6, code(6, sum)));
            }
        }
    }
    let sums: Vec<f64> = first.iter().zip(&second).map(|(one, other)| real(7, code(7, one + other))).collect();
    let means: Vec<f64> = (0..4)
        .map(|channel| real(9, code(9, (0..64).map(|place| sums[place * 4 + channel]).sum::<f64>() / 64.0)))
        .collect();
    (0..3)
        .map(|class| {
            let products = (0..4).map(|input| means[input] * weight(10, class * 4 + input) * scale(10, 0));
            products.sum::<f64>() + bias(11, class) * scale(9, 0) * scale(10, 0)
        })
        .collect()
}

#[test]
fn an_int8_file_computes_what_it_says_and_the_oracle_has_the_same_bits() {
    let file = small();
    let imported = imported(&file).unwrap();
    assert_eq!(imported.architecture.layers.len(), 5, "the softmax is none: the logits are before it");
    let model = model(&imported);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    let mut differences = Vec::new();
    for image in images(50, 192) {
        let output = network.classify(&image).unwrap();
        let logits: Vec<i64> = output.logits().iter().map(|&logit| logit.into()).collect();
        assert_eq!(logits, oracle::logits(&model, &image));
        let scale = f64::from(output.scale());
        for (logit, expected) in logits.iter().zip(reference(&file, &image)) {
            differences.push((*logit as f64 * scale - expected).abs());
        }
    }
    // A code of the mean that is rounded the other way changes a logit by up to 0.03 * 1.28.
    let largest = differences.iter().copied().fold(0.0, f64::max);
    let equal = differences.iter().filter(|&&difference| difference < 1e-4).count();
    assert!(largest < 0.12 && equal * 10 > differences.len() * 8, "{largest}, {equal} of {}", differences.len());
}

#[test]
fn weights_with_a_scale_for_each_class_are_brought_to_codes_of_one_scale() {
    let mut file = small();
    file.tensors[10].scales = vec![0.01, 0.02, 0.005];
    file.tensors[10].zero_points = vec![0; 3];
    let imported = imported(&file).unwrap();
    assert_eq!(imported.architecture.layers.len(), 6, "a layer more, which takes each code once");
    let model = model(&imported);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    for image in images(10, 192) {
        let output = network.classify(&image).unwrap();
        let codes: Vec<i32> = output.logits().to_vec();
        // Codes of tensor 12, whose zero point is 12: -128 to 127.
        assert!(codes.iter().all(|code| (-140..=115).contains(code)), "{codes:?}");
        assert!((output.scale() - 0.1).abs() < 1e-7);
        let logits: Vec<i64> = codes.iter().map(|&code| code.into()).collect();
        assert_eq!(logits, oracle::logits(&model, &image));
    }
}

#[test]
fn a_single_logistic_output_is_two_classes_of_logits_0_and_x() {
    let mut file = small();
    file.tensors[10] = Tensor::weights(&[1, 4], 0, &[0.01], &[100, -50, 3, 7]);
    file.tensors[11] = Tensor::integers(&[5]);
    file.tensors[12] = Tensor::codes(&[1, 1], 0.1, 12);
    file.tensors[13] = Tensor::codes(&[1, 1], 1.0 / 256.0, -128);
    file.operators[5] = Operator::plain(14, &[12], 13);
    let imported = imported(&file).unwrap();
    assert_eq!(imported.architecture.classes(), 2);
    let model = model(&imported);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    for image in images(10, 192) {
        let output = network.classify(&image).unwrap();
        let logits = output.logits();
        assert_eq!(logits[0], 0);
        assert_eq!(output.class(), usize::from(logits[1] > 0));
    }
}

#[test]
fn real_numbers_of_an_int8_file_are_those_that_its_codes_mean() {
    let file = small();
    let imported = imported(&file).unwrap();
    let model = import::float(&imported, InputRange::of(imported.input.unwrap())).unwrap();
    for image in images(5, 192) {
        let input: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
        let input = candle_core::Tensor::from_vec(input, (1, 8, 8, 3), &candle_core::Device::Cpu).unwrap();
        let logits = model.forward(&input).unwrap().to_vec2::<f32>().unwrap();
        for (logit, expected) in logits[0].iter().zip(reference(&file, &image)) {
            // Without the rounding between layers.
            assert!((f64::from(*logit) - expected).abs() < 0.25, "{logit} {expected}");
        }
    }
}

#[test]
fn a_float_file_takes_images_in_any_range() {
    // Without padding the offset of the range is exact everywhere.
    let file = float();
    let imported = imported(&file).unwrap();
    assert!(import::quantized(&imported).unwrap().is_none());
    let logits = |range: InputRange, pixels: Vec<f32>| {
        let model = import::float(&imported, range).unwrap();
        let input = candle_core::Tensor::from_vec(pixels, (1, 8, 8, 3), &candle_core::Device::Cpu).unwrap();
        model.forward(&input).unwrap().to_vec2::<f32>().unwrap().remove(0)
    };
    let pixels: Vec<f32> = (0..192).map(|index| (index * 53 % 256) as f32 / 255.0).collect();
    // The same real values, once as they are and once by the range that makes them.
    let real = pixels.iter().map(|pixel| 2.0 * pixel - 1.0).collect();
    let expected = logits(InputRange::UNIT, real);
    for (one, other) in logits(InputRange { low: -1.0, high: 1.0 }, pixels).iter().zip(&expected) {
        assert!((one - other).abs() < 1e-3, "{one} {other}");
    }
}

#[test]
fn padding_before_a_convolution_is_its_own_and_taps_apart_have_zeros_between() {
    let mut file = small();
    // PAD by one on each side, and a convolution without padding: what `same` is for 3x3.
    file.tensors.push(Tensor::codes(&[1, 10, 10, 3], 1.0 / 255.0, -128));
    file.tensors.push(Tensor { shape: vec![4, 2], ..Tensor::integers(&[0, 0, 1, 1, 1, 1, 0, 0]) });
    file.operators[0] = Operator::conv([14, 1, 2], 3, 1, [1, 1], 1);
    file.operators.insert(0, Operator::plain(34, &[0, 15], 14));
    let (padded, same) = (model(&imported(&file).unwrap()), model(&imported(&small()).unwrap()));
    let image = &images(1, 192)[0];
    assert_eq!(oracle::logits(&padded, image), oracle::logits(&same, image));

    let mut dilated = small();
    dilated.operators[0].options.numbers = vec![(1, 1), (2, 1), (4, 2), (5, 2)];
    let imported = imported(&dilated).unwrap();
    assert_eq!(imported.architecture.layers[0].layer.to_string(), "conv 5x5x4 same + relu");
}

#[test]
fn pools_have_the_windows_of_the_file() {
    // In place of the sum: a maximum of 2x2 after the depthwise convolution, whose codes it passes on, and a mean of 4x4.
    let mut file = small();
    file.tensors[7] = Tensor::codes(&[1, 4, 4, 4], 0.05, 3);
    file.operators[2] = Operator::pool(17, 6, 7, 1, [2, 2], [2, 2]);
    file.tensors[9] = Tensor::codes(&[1, 1, 1, 4], 0.05, 3);
    file.operators[3] = Operator::pool(1, 7, 9, 1, [4, 4], [1, 1]);
    let imported = imported(&file).unwrap();
    let layers: Vec<String> = imported.architecture.layers.iter().map(|layer| layer.layer.to_string()).collect();
    assert_eq!(layers[2..4], ["max-pool 2x2", "average-pool 4x4 stride 1"], "{layers:?}");
    let model = model(&imported);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    for image in images(10, 192) {
        let logits: Vec<i64> = network.classify(&image).unwrap().logits().iter().map(|&logit| logit.into()).collect();
        assert_eq!(logits, oracle::logits(&model, &image));
    }
    file.tensors[7].scales = vec![0.07];
    let refused = self::imported(&file).unwrap_err().to_string();
    assert!(refused.contains("a maximum whose output has other codes than its input"), "{refused}");
}

#[test]
fn what_is_not_supported_is_refused_with_the_place_the_reason_and_what_would_help() {
    let cases: Vec<(String, &str)> = vec![
        (refusal(|file| file.operators[2].code = 18), "operator 2 (MUL): arithmetic that the converter did not fold"),
        (
            refusal(|file| file.operators[2].code = 117),
            "operator 2 (HARD_SWISH): this activation is not supported; train with ReLU",
        ),
        (refusal(|file| file.operators[2].code = 119), "operator 2 (WHILE): control flow is not supported"),
        (refusal(|file| file.operators[2].code = 16), "operator 2 (LSTM): layers with a memory are not supported"),
        (refusal(|file| file.operators[2].code = 900), "operator 2 (number 900): not supported"),
        (
            refusal(|file| {
                file.operators[2].code = 32;
                file.operators[2].custom = Some("MyOp".to_owned());
            }),
            "operator 2 (custom operator \"MyOp\"): operators of other libraries are not supported",
        ),
        (refusal(|file| file.subgraphs = 2), "it holds 2 subgraphs"),
        (refusal(|file| file.subgraphs = 0), "the file is damaged: it holds no network"),
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
        (refusal(|file| file.tensors[3].kind = 7), "activations of int16; supported are int8, uint8 and float32"),
        (refusal(|file| file.tensors[3].scales = vec![f32::NAN]), "a scale of NaN"),
        (refusal(|file| file.tensors[3].scales = vec![0.0]), "a scale of 0"),
        (refusal(|file| file.tensors[3].scales.clear()), "bytes without a scale"),
        (refusal(|file| file.tensors[3].zero_points = vec![500]), "a zero point of 500, which int8 does not hold"),
        (refusal(|file| file.tensors[3].zero_points = vec![-100]), "ReLU ends at code 28 of 0 to 255"),
        (
            refusal(|file| file.operators[0].options.bytes = vec![(0, 0), (3, 4)]),
            "TANH behind it; supported are ReLU and ReLU6",
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
        (refusal(|file| file.outputs = vec![7]), "an output of 8x8x4; a classifier puts out one number for each class"),
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
    assert!(lines[1].starts_with("  operator 0 (CONV_2D): RELU_N1_TO_1 behind it"), "{message}");
    assert!(lines[2].starts_with("  operator 1 (LEAKY_RELU): this activation"), "{message}");
}

#[test]
fn every_truncation_and_every_changed_byte_ends_in_a_message_or_a_network() {
    let bytes = small().bytes();
    let run = |bytes: &[u8]| {
        if let Ok(imported) = tflite::read(bytes).and_then(|graph| import::layers("imported", &graph, None)) {
            // Numbers that no file can hold are refused here.
            let _ = import::quantized(&imported);
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
