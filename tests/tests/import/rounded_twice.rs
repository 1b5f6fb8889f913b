//! Codes of TFLite's reference kernels, which round twice.

use super::*;

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
fn a_dense_layer_has_all_bits_of_its_multiplier_and_rounds_once() {
    // Sums just below and just above the middle between two codes: 20 bits of the multiplier, as `once` has here, take some of them to the
    // other one.
    let (scale, output): (f32, f32) = (0.01, 0.9);
    let ratio = f64::from(0.03f32) * f64::from(scale) / f64::from(output);
    let middles = (-100..100).map(|code| ((f64::from(code) + 0.5) / ratio).ceil() as i32);
    let sums: Vec<i32> = middles.flat_map(|sum| [sum - 1, sum]).collect();
    let outputs = sums.len() as i32;
    let mut file = small();
    file.tensors.push(Tensor::weights(&[outputs, 4], 0, &[scale], &vec![0; sums.len() * 4]));
    file.tensors.push(Tensor::integers(&sums));
    file.tensors.push(Tensor::codes(&[1, outputs], output, -5));
    file.operators.insert(4, Operator::dense([9, 14, 15], 16, 0));
    file.tensors[10] = Tensor::weights(&[3, outputs], 0, &[0.01], &vec![1; sums.len() * 3]);
    file.operators[5].inputs[0] = 16;
    let expected: Vec<u8> =
        sums.iter().map(|&sum| ((f64::from(sum) * ratio + 0.5).floor() - 5.0 + 128.0) as u8).collect();
    let codes = |rounding| {
        let model = model_rounded(&imported(&file).unwrap(), rounding);
        let image = &images(1, 192)[0];
        let mut arena = model_file::arena(&model).unwrap();
        let mut network = Network::new(&model, &mut arena).unwrap();
        let mut found = Vec::new();
        let logits = network
            .classify_traced(image, |layer, codes| {
                if layer == 4 {
                    found = codes.to_vec()
                }
            })
            .unwrap();
        let logits: Vec<i64> = logits.logits().iter().map(|&logit| logit.into()).collect();
        assert_eq!(logits, oracle::logits(&model, image));
        found
    };
    assert_eq!(codes(Rounding::Twice), expected);
    assert_ne!(codes(Rounding::Once), expected, "no sum is near enough to a middle");
}
