//! TFLite files: what is imported computes what the file says, and everything else is refused in words.

mod float;
mod refused;
mod rounded_twice;

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
