//! Files of real numbers, and int8 ones as real numbers.

use super::*;

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
    assert!(
        error.to_string().starts_with("layer 0 (conv 3x3x4 valid + relu): with scales and range folded in"),
        "{error}"
    );
}
