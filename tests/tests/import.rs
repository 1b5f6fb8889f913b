//! TFLite files: what is imported computes what the file says, and everything else is refused in words.

use infer_core::Network;
use infer_core::format::Metadata;
use thimble_tests::oracle;
use thimble_tests::tflite::{File, Operator, Tensor, float, small};
use trainer::export::model_file;
use trainer::import::{self, Imported, InputRange, Refused, Rounding, tflite};

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
    model_rounded(imported, Rounding::Once)
}

fn model_rounded(imported: &Imported, rounding: Rounding) -> Vec<u8> {
    let metadata = Metadata {
        trainer: "",
        dataset: "",
        architecture: "",
        class_lines: &vec!["class"; imported.architecture.classes()].join("\n"),
        images: "",
        float_test_accuracy: None,
        int8_test_accuracy: None,
    };
    import::quantized(imported, rounding).unwrap().unwrap().encode(&metadata).unwrap()
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

/// `MultiplyByQuantizedMultiplier` of TFLite's reference kernels, of a multiplier that `QuantizeMultiplier` makes of a ratio.
fn multiplied(number: i64, ratio: f64, values: i64) -> i64 {
    let exponent = ratio.log2().floor() as i32 + 1;
    let mut multiplier = (ratio * 2f64.powi(31 - exponent)).round() as i64;
    let mut right = i64::from(-exponent);
    // A mean has its number of values in the multiplier.
    let bits = i64::from(values.ilog2());
    multiplier = (multiplier << bits) / values;
    right += bits;
    let number = number * (1 << (-right).max(0));
    let right = right.max(0);
    let nudge = if number >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    let high = (number * multiplier + nudge) / (1 << 31);
    let mask = (1 << right) - 1;
    (high >> right) + i64::from((high & mask) > (mask >> 1) + i64::from(high < 0))
}

#[test]
fn a_file_that_is_rounded_twice_has_the_codes_of_tflites_reference_kernels() {
    let file = small();
    let model = model_rounded(&imported(&file).unwrap(), Rounding::Twice);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    let data = |index: usize| file.tensors[index].data.as_ref().unwrap();
    let weight = |index: usize, place: usize| i64::from(data(index)[place].cast_signed());
    let bias =
        |index: usize, place: usize| i64::from(i32::from_le_bytes(data(index)[4 * place..][..4].try_into().unwrap()));
    let scales = |index: usize| &file.tensors[index].scales;
    let scale = |index: usize, slice: usize| f64::from(scales(index)[slice % scales(index).len()]);
    let zero = |index: usize| file.tensors[index].zero_points[0];
    let code = |index: usize, number: i64| (number + zero(index)).clamp(-128, 127);
    // Without the zero point of the tensor.
    let at = |codes: &[i64], index: usize, [y, x]: [usize; 2], channels: usize, channel: usize| match (1..9, 1..9) {
        (rows, columns) if rows.contains(&y) && columns.contains(&x) => {
            codes[((y - 1) * 8 + x - 1) * channels + channel] - zero(index)
        }
        _ => 0,
    };
    for image in images(100, 192) {
        let pixels: Vec<i64> = image.iter().map(|&pixel| i64::from(pixel) - 128).collect();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (place, channel) in (0..64).flat_map(|place| (0..4).map(move |channel| (place, channel))) {
            let sum: i64 = (0..27)
                .map(|tap| {
                    let from = [place / 8 + tap / 9, place % 8 + tap / 3 % 3];
                    at(&pixels, 0, from, 3, tap % 3) * weight(1, channel * 27 + tap)
                })
                .sum();
            let ratio = scale(0, 0) * scale(1, channel) / scale(3, 0);
            first.push(code(3, multiplied(sum + bias(2, channel), ratio, 1)).max(zero(3)));
        }
        for (place, channel) in (0..64).flat_map(|place| (0..4).map(move |channel| (place, channel))) {
            let sum: i64 = (0..9)
                .map(|tap| {
                    let from = [place / 8 + tap / 3, place % 8 + tap % 3];
                    at(&first, 3, from, 4, channel) * weight(4, tap * 4 + channel)
                })
                .sum();
            let ratio = scale(3, 0) * scale(4, channel) / scale(6, 0);
            second.push(code(6, multiplied(sum + bias(5, channel), ratio, 1)));
        }
        let step = 2.0 * scale(3, 0).max(scale(6, 0));
        let shifted = |codes: &[i64], index: usize, place: usize| {
            multiplied((codes[place] - zero(index)) << 20, scale(index, 0) / step, 1)
        };
        let sums: Vec<i64> = (0..256)
            .map(|place| {
                let sum = shifted(&first, 3, place) + shifted(&second, 6, place);
                code(7, multiplied(sum, step / (2f64.powi(20) * scale(7, 0)), 1))
            })
            .collect();
        let means: Vec<i64> = (0..4)
            .map(|channel| {
                let sum = (0..64).map(|place| sums[place * 4 + channel] - zero(7)).sum();
                code(9, multiplied(sum, scale(7, 0) / scale(9, 0), 64))
            })
            .collect();
        let expected: [Vec<u8>; 4] =
            [first, second, sums, means].map(|codes| codes.iter().map(|code| (code + 128) as u8).collect());
        let mut found: Vec<Vec<u8>> = Vec::new();
        network.classify_traced(&image, |_, codes| found.push(codes.to_vec())).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_average_pool_that_is_rounded_twice_takes_a_half_away_from_zero() {
    let mut halves = [0; 2];
    // Means above code 0 and below it.
    for zero_point in [3, -90] {
        let mut file = small();
        file.tensors[6].zero_points = vec![zero_point];
        file.tensors[7] = Tensor::codes(&[1, 4, 4, 4], 0.05, zero_point);
        file.operators[2] = Operator::pool(17, 6, 7, 1, [2, 2], [2, 2]);
        file.tensors[9] = Tensor::codes(&[1, 1, 1, 4], 0.05, zero_point);
        file.operators[3] = Operator::pool(1, 7, 9, 1, [4, 4], [1, 1]);
        let model = model_rounded(&imported(&file).unwrap(), Rounding::Twice);
        let mut arena = model_file::arena(&model).unwrap();
        let mut network = Network::new(&model, &mut arena).unwrap();
        for image in images(400, 192) {
            let mut found: Vec<Vec<u8>> = Vec::new();
            network.classify_traced(&image, |_, codes| found.push(codes.to_vec())).unwrap();
            for channel in 0..4 {
                let sum: i32 = found[2].iter().skip(channel).step_by(4).map(|&code| i32::from(code) - 128).sum();
                let mean = if sum > 0 { (sum + 8) / 16 } else { (sum - 8) / 16 };
                assert_eq!(i32::from(found[3][channel]) - 128, mean);
                if sum.rem_euclid(16) == 8 {
                    halves[usize::from(sum < 0)] += 1;
                }
            }
        }
    }
    assert!(halves.iter().all(|&count| count > 5), "{halves:?}");
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
    assert!(import::quantized(&imported, Rounding::Once).unwrap().is_none());
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

/// The logits of a float file for images in a range.
fn float_logits(file: &File, range: InputRange, pixels: &[f32]) -> Vec<f32> {
    let model = import::float(&imported(file).unwrap(), range).unwrap();
    let input = candle_core::Tensor::from_slice(pixels, (1, 8, 8, 3), &candle_core::Device::Cpu).unwrap();
    model.forward(&input).unwrap().to_vec2::<f32>().unwrap().remove(0)
}

#[test]
fn the_range_of_an_image_is_folded_through_the_pools_before_the_first_weights() {
    let pixels: Vec<f32> = (0..192).map(|index| (index * 53 % 256) as f32 / 255.0).collect();
    // A maximum and an average.
    for code in [17, 1] {
        let mut file = float();
        file.tensors.push(Tensor::float(&[1, 4, 4, 3]));
        for map in [3, 6, 7] {
            file.tensors[map] = Tensor::float(&[1, 2, 2, 4]);
        }
        file.operators[0] = Operator::conv([14, 1, 2], 3, 1, [1, 1], 1);
        file.operators.insert(0, Operator::pool(code, 0, 14, 1, [2, 2], [2, 2]));
        for range in [InputRange { low: -1.0, high: 1.0 }, InputRange { low: 0.0, high: 255.0 }] {
            let (low, high) = (range.low as f32, range.high as f32);
            let real: Vec<f32> = pixels.iter().map(|pixel| low + (high - low) * pixel).collect();
            let expected = float_logits(&file, InputRange::UNIT, &real);
            for (one, other) in float_logits(&file, range, &pixels).iter().zip(&expected) {
                assert!((one - other).abs() < 1e-3 * other.abs().max(1.0), "{code} {range:?}: {one} {other}");
            }
        }
    }
}

#[test]
fn an_image_that_is_added_is_refused_unless_its_bytes_mean_0_to_1() {
    let mut file = float();
    file.tensors.push(Tensor::float(&[1, 8, 8, 3]));
    file.tensors.push(Tensor::float(&[1, 8, 8, 3]));
    file.operators[0] = Operator::conv([15, 1, 2], 3, 1, [1, 1], 1);
    file.operators.insert(0, Operator::add([14, 0], 15, 0));
    file.operators.insert(0, Operator::pool(17, 0, 14, 0, [2, 2], [1, 1]));
    let imported = imported(&file).unwrap();
    assert!(import::float(&imported, InputRange::UNIT).is_ok());
    let codes = infer_core::format::Codes { scale: 1.0 / 255.0, zero_point: 0 };
    assert!(import::float(&imported, InputRange::of(codes)).is_ok(), "the scale is not quite 1/255");
    let error = import::float(&imported, InputRange { low: -1.0, high: 1.0 }).err().unwrap().to_string();
    assert!(error.starts_with("layer 1 (add) adds the image, or a pool of it"), "{error}");
}

#[test]
fn the_layers_are_known_whose_sums_differ_at_the_edges_and_by_how_much() {
    let mut file = float();
    file.operators[0] = Operator::conv([0, 1, 2], 3, 0, [1, 1], 1);
    for map in [3, 6, 7] {
        file.tensors[map] = Tensor::float(&[1, 8, 8, 4]);
    }
    file.tensors[1] = Tensor::floats(&[4, 3, 3, 3], &[1.0; 108]);
    let imported = imported(&file).unwrap();
    assert_eq!(import::edges(&imported, InputRange::UNIT), []);
    let [edge] = import::edges(&imported, InputRange { low: -1.0, high: 1.0 })[..] else { panic!() };
    // Of 8x8 positions 28 are at an edge. In a corner 5 of 9 taps are outside, each worth -1 where an image has -1 to 1.
    assert_eq!((edge.layer, edge.positions), (0, 28.0 / 64.0));
    assert!((edge.most - 5.0 / 18.0).abs() < 1e-9, "{edge:?}");
    assert_eq!(import::edges(&without_padding(), InputRange { low: -1.0, high: 1.0 }), []);
}

/// The network of [`float`], which does not pad the image.
fn without_padding() -> Imported {
    imported(&float()).unwrap()
}

#[test]
fn a_reshape_whose_target_is_computed_from_the_batch_is_one() {
    let numbers = |count: i32| Tensor { data: None, shape: vec![count], ..Tensor::integers(&[0]) };
    let mut file = small();
    file.tensors.extend([numbers(2), Tensor::integers(&[0]), numbers(1), Tensor::integers(&[4]), numbers(2)]);
    file.tensors.push(Tensor::codes(&[1, 4], 0.03, -5));
    let chain = [
        Operator::plain(77, &[9], 14),
        Operator::plain(45, &[14, 15, 15, 15], 16),
        Operator::plain(83, &[16, 17], 18),
        Operator::plain(22, &[9, 18], 19),
    ];
    file.operators.splice(4..4, chain);
    file.operators[8].inputs[0] = 19;
    let (computed, stated) = (model(&imported(&file).unwrap()), model(&imported(&small()).unwrap()));
    let image = &images(1, 192)[0];
    assert_eq!(oracle::logits(&computed, image), oracle::logits(&stated, image));
    // Of an activation it is a part.
    file.operators[5].inputs[0] = 9;
    let refused = imported(&file).unwrap_err().to_string();
    assert!(refused.contains("operator 5 (STRIDED_SLICE): parts of activations"), "{refused}");
}

#[test]
fn one_dimension_is_averaged_as_height_and_width_where_the_height_is_1() {
    let mut file = small();
    file.tensors[0] = Tensor::codes(&[1, 8, 3], 1.0 / 255.0, -128);
    file.tensors[1] = Tensor::weights(&[4, 1, 3, 3], 0, &[0.004], &[9; 36]);
    file.tensors[3] = Tensor::codes(&[1, 1, 8, 4], 0.02, -128);
    file.tensors[8] = Tensor::integers(&[-2]);
    file.tensors.push(Tensor::codes(&[1, 1, 8, 3], 1.0 / 255.0, -128));
    file.tensors.push(Tensor::codes(&[1, 8, 4], 0.02, -128));
    file.operators.drain(1..3);
    file.operators[0] = Operator::conv([14, 1, 2], 3, 0, [1, 1], 1);
    file.operators[1] = Operator::plain(40, &[15, 8], 9);
    file.operators.insert(1, Operator::plain(22, &[3], 15));
    file.operators.insert(0, Operator::plain(22, &[0], 14));
    let imported = imported(&file).unwrap();
    let layers: Vec<String> = imported.architecture.layers.iter().map(|layer| layer.layer.to_string()).collect();
    assert_eq!(layers.len(), 3, "{layers:?}");
    let model = model(&imported);
    let mut arena = model_file::arena(&model).unwrap();
    let mut network = Network::new(&model, &mut arena).unwrap();
    for image in images(5, 24) {
        let logits: Vec<i64> = network.classify(&image).unwrap().logits().iter().map(|&logit| logit.into()).collect();
        assert_eq!(logits, oracle::logits(&model, &image));
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused_and_so_are_those_that_become_none() {
    let mut file = float();
    let weights = |number: f32| Tensor::floats(&[4, 3, 3, 3], &[[number; 4], [0.5; 4]].concat().repeat(14)[..108]);
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        file.tensors[1] = weights(number);
        let refused = imported(&file).unwrap_err().to_string();
        let expected = format!("operator 0 (CONV_2D), tensor \"tensor 1\" of 4x3x3x3 float32: weights of {number}");
        assert!(refused.starts_with(&expected), "{refused}");
    }
    file.tensors[1] = weights(0.25);
    file.tensors[2] = Tensor::floats(&[4], &[0.0, f32::NAN, 0.0, 0.0]);
    let refused = imported(&file).unwrap_err().to_string();
    assert!(refused.contains("tensor \"tensor 2\" of 4 float32: biases of NaN"), "{refused}");
    file.tensors[2] = Tensor::floats(&[4], &[0.0; 4]);
    file.tensors[1] = weights(3e37);
    let error = import::float(&imported(&file).unwrap(), InputRange { low: 0.0, high: 255.0 }).err().unwrap();
    assert!(error.to_string().starts_with("layer 0 (conv 3x3x4 valid + relu): weights over what"), "{error}");
}
