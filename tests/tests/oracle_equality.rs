//! infer-core against the oracle, on networks that no training would bring about.

use infer_core::format::{Layout, Shape, Window};
use infer_core::operators::Stage;
use infer_core::{Header, Network};
use proptest::prelude::*;
use thimble_tests::oracle::{Answer, Oracle};
use thimble_tests::random_model::{Kind, RandomModel, random_models, transformed_models};
use thimble_tests::tiny;
use trainer::network::record::Rounding;

/// Runs an image through infer-core; layers that are fused away are missing from the trace.
fn run(model: &[u8], pixels: &[u8], arena: &mut [u8]) -> (Vec<(usize, Vec<u8>)>, Vec<i64>) {
    let mut network = Network::new(model, arena).unwrap();
    let mut trace = Vec::new();
    let output =
        network.classify_traced(pixels, |layer, codes| trace.push((usize::from(layer), codes.to_vec()))).unwrap();
    let logits = output.logits().iter().map(|&logit| logit.into()).collect();
    (trace, logits)
}

/// In every layout of weights, rounded once and twice.
fn assert_equal(model: &RandomModel) {
    let roundings = [Rounding::Once, Rounding::Twice].into_iter();
    let mut files: Vec<_> =
        roundings.flat_map(|rounding| Layout::ALL.map(|layout| model.file_rounded(layout, rounding))).collect();
    files.dedup();
    files.iter().for_each(|file| assert_file_equal(model, file));
}

fn assert_file_equal(model: &RandomModel, file: &[u8]) {
    let oracle = Oracle::new(file);
    // Garbage in the arena: nothing may depend on what was there.
    let mut arena = vec![0xA5; Header::parse(file).unwrap().arena_len as usize];
    for index in 0..6 {
        let pixels = model.image(index);
        let Answer { layers, logits, overflows } = oracle.run(&pixels);
        assert!(!overflows, "{model:?} has numbers that wrap");
        let (trace, found) = run(file, &pixels, &mut arena);
        for (layer, codes) in trace {
            assert_eq!(codes, layers[layer], "layer {layer} of {model:?}, image {index}");
        }
        assert_eq!(found, logits, "logits of {model:?}, image {index}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_networks_give_the_oracles_codes_and_logits(model in random_models()) {
        assert_equal(&model);
    }

    #[test]
    fn transformed_weights_give_the_oracles_codes_and_logits(model in transformed_models()) {
        assert_equal(&model);
    }
}

#[test]
fn every_tail_of_rows_and_of_inputs_gives_the_oracles_logits() {
    for inputs in (1..=20).chain([255, 256, 257, 511, 513]) {
        for rows in 1..=18 {
            let input = Shape { height: 1, width: inputs, channels: 1 };
            assert_equal(&RandomModel {
                input,
                zero_point: 0,
                layers: vec![Kind::Dense(rows)],
                classes: rows,
                seed: 7,
            });
        }
    }
}

#[test]
fn every_kernel_size_and_padding_gives_the_oracles_codes_with_and_without_a_pool() {
    for kernel in 1..=7 {
        for same in [false, true] {
            for (side, channels, output) in [(8, 1, 9), (9, 3, 2), (7, 16, 32), (10, 2, 5)] {
                let input = Shape { height: side, width: side + 1, channels };
                let conv = Kind::square(output, kernel, same);
                for layers in [vec![conv], vec![conv, Kind::HALVES]] {
                    assert_equal(&RandomModel { input, zero_point: 200, layers, classes: 3, seed: kernel.into() });
                }
            }
        }
    }
}

#[test]
fn windows_of_every_size_with_strides_and_paddings_give_the_oracles_codes() {
    let input = Shape { height: 11, width: 9, channels: 3 };
    for size in 1..=15 {
        let (other, most) = (size % 4 + 1, size - 1);
        for (number, padding) in
            [[0; 4], [most / 2, other / 2, most - most / 2, 0], [most, other - 1, 0, 0], [0, 0, most, other - 1]]
                .into_iter()
                .enumerate()
        {
            for stride in 1..=4 {
                let window = Window { size: [size, other], stride: [stride, 5 - stride], padding };
                let turned = Window {
                    size: [other, size],
                    stride: [5 - stride, stride],
                    padding: [padding[1], padding[0], padding[3], padding[2]],
                };
                for (kind, after) in [
                    (Kind::Conv(5, window), Kind::MaxPool(turned)),
                    (Kind::Conv(9, turned), Kind::AveragePool(window)),
                    (Kind::Depthwise(1, window), Kind::Depthwise(3, turned)),
                    (Kind::MaxPool(window), Kind::Conv(2, turned)),
                    (Kind::AveragePool(turned), Kind::Depthwise(2, window)),
                ] {
                    let seed = (usize::from(size) * 4 + number) as u64;
                    assert_equal(&RandomModel { input, zero_point: 200, layers: vec![kind, after], classes: 3, seed });
                }
            }
        }
    }
}

#[test]
fn a_filter_longer_than_any_chunk_gives_the_oracles_codes() {
    let input = Shape { height: 7, width: 8, channels: 40 };
    assert_equal(&RandomModel { input, zero_point: 9, layers: vec![Kind::square(10, 7, true)], classes: 2, seed: 1 });
}

#[test]
fn model_and_arena_may_be_at_any_address() {
    let model = tiny::model();
    let file = model.file();
    let pixels = model.image(2);
    let expected = Oracle::new(&file).run(&pixels).logits;
    let arena_len = Header::parse(&file).unwrap().arena_len as usize;
    for offset in 0..16 {
        // Bytes after the model are not looked at: a slice of flash may be longer.
        let shifted = [vec![0xFF; offset], file.clone(), vec![0xFF; 5]].concat();
        let mut arena = vec![0; offset + arena_len];
        let (_, logits) = run(&shifted[offset..], &pixels, &mut arena[offset..]);
        assert_eq!(logits, expected, "offset {offset}");
    }
}

#[test]
fn a_pool_behind_a_convolution_is_fused_and_another_pool_is_not() {
    let input = Shape { height: 12, width: 12, channels: 1 };
    let layers = vec![Kind::square(4, 3, true), Kind::HALVES, Kind::HALVES];
    let model = RandomModel { input, zero_point: 0, layers, classes: 2, seed: 3 };
    let file = model.file();
    let mut arena = vec![0; Header::parse(&file).unwrap().arena_len as usize];
    let network = Network::new(&file, &mut arena).unwrap();
    let stages: Vec<_> = network.plan().stages().map(|numbered| (numbered.layer, numbered.stage)).collect();
    assert!(matches!(stages[..], [(1, Stage::Conv2d(_)), (2, Stage::MaxPool2d(_))]), "{stages:?}");
    assert_equal(&model);
}
