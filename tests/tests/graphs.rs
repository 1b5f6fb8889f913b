//! Networks with branches: the planned file gives what the oracle gives, which plans nothing and keeps every value.

use infer_core::camera::{Format, Frame};
use infer_core::format::{Input, Metadata, Shape, Tensor};
use infer_core::header::HEADER_LEN;
use infer_core::kernels::portable::Portable;
use infer_core::operators::StageRecord;
use infer_core::plan::{Places, Plan};
use infer_core::{Error, Header, Network, arena_len, arena_with_image_len};
use proptest::prelude::*;
use thimble_tests::oracle::{Answer, Oracle};
use thimble_tests::random_graph::{Node, RandomGraph, random_graphs};
use thimble_tests::random_model::square;
use trainer::network::record::Rounding;

/// Runs a file in an arena of exactly its size.
fn assert_equal(graph: &RandomGraph, places: Places) -> Vec<u8> {
    [Rounding::Twice, Rounding::Once]
        .map(|rounding| assert_rounded_equal(graph, places, rounding))
        .into_iter()
        .next_back()
        .unwrap()
}

fn assert_rounded_equal(graph: &RandomGraph, places: Places, rounding: Rounding) -> Vec<u8> {
    let file = graph.file_rounded(&[], places, rounding);
    let oracle = Oracle::new(&file);
    let mut arena = vec![0xA5; arena_len(&file)];
    for index in 0..4 {
        let image = graph.image(index);
        let Answer { layers, logits, overflows } = oracle.run(&image);
        assert!(!overflows, "{graph:?} has numbers that wrap");
        let mut network = Network::new(&file, &mut arena).unwrap();
        let mut values = vec![image.clone()];
        let output = network
            .classify_traced(&image, |layer, codes| {
                assert_eq!(codes, layers[usize::from(layer)], "layer {layer} of {graph:?}, image {index}");
                values.push(codes.to_vec());
            })
            .unwrap();
        let found: Vec<i64> = output.logits().iter().map(|&logit| logit.into()).collect();
        assert_eq!(found, logits, "logits of {graph:?}, image {index}");
        check_portable(&file, &values);
        assert_eq!(
            logits_of_a_frame(&file, &image).unwrap_or_else(|| logits.clone()),
            logits,
            "{graph:?}, image {index}"
        );
    }
    file
}

/// The logits of an image that comes as a frame, and so into its place in the arena; `None` where no frame has so many channels.
fn logits_of_a_frame(file: &[u8], image: &[u8]) -> Option<Vec<i64>> {
    let mut arena = vec![0x5A; arena_with_image_len(file)];
    let mut network = Network::new(file, &mut arena).unwrap();
    let Shape { height, width, channels } = network.input().shape;
    let format = match channels {
        1 => Format::Gray8,
        3 => Format::Rgb888,
        _ => {
            let frame = Frame::new(Format::Gray8, width, height, image).unwrap();
            assert_eq!(network.classify_frame(&frame).unwrap_err(), Error::InputChannels { channels });
            return None;
        }
    };
    let frame = Frame::new(format, width, height, image).unwrap();
    let output = network.classify_frame(&frame).unwrap();
    Some(output.logits().iter().map(|&logit| logit.into()).collect())
}

/// Each stage by the portable kernels, from what it reads.
fn check_portable(file: &[u8], values: &[Vec<u8>]) {
    let plan = Plan::from_payload(&file[HEADER_LEN..]).unwrap();
    for (numbered, expected) in plan.stages().zip(&values[1..]) {
        let read = |tensor: &Tensor| &values[usize::from(tensor.source)][..];
        let second = numbered.ports.second.as_ref().map_or(&[][..], read);
        let mut found = vec![0x5A; numbered.stage.output_len()];
        let mut scratch = vec![0xDEAD_BEEF; numbered.stage.scratch_len()];
        numbered.stage.call::<Portable>(read(&numbered.ports.input), second, &mut scratch, &mut found);
        assert_eq!(found, *expected, "{numbered:?}");
    }
}

/// The stages of a file.
fn stages(file: &[u8]) -> Vec<StageRecord<'_>> {
    let (_, rest) = postcard::take_from_bytes::<Metadata<'_>>(&file[HEADER_LEN..]).unwrap();
    let (_, rest) = postcard::take_from_bytes::<Input>(rest).unwrap();
    let (_, rest) = postcard::take_from_bytes::<u32>(rest).unwrap();
    let (count, mut rest) = postcard::take_from_bytes::<u32>(rest).unwrap();
    (0..count)
        .map(|_| {
            let (stage, after) = postcard::take_from_bytes(rest).unwrap();
            rest = after;
            stage
        })
        .collect()
}

/// Bytes that some stage needs at once, whatever the plan: its values and those that are read later.
fn least(file: &[u8]) -> u32 {
    let stages = stages(file);
    let plan = Plan::from_payload(&file[HEADER_LEN..]).unwrap();
    let mut lens: Vec<usize> = plan.stages().map(|numbered| numbered.stage.output_len()).collect();
    let scratch: Vec<usize> = plan.stages().map(|numbered| 4 * numbered.stage.scratch_len()).chain([0]).collect();
    lens.push(4 * usize::from(plan.classes()));
    let last_reader = |stage: usize| {
        let reads = |reader: &StageRecord<'_>| reader.ports.inputs().any(|read| usize::from(read.source) == stage + 1);
        stages.iter().rposition(reads).unwrap_or(stage)
    };
    let live = |at: usize| (0..=at).filter(|&stage| last_reader(stage) >= at).map(|stage| lens[stage]).sum::<usize>();
    (0..stages.len()).map(|at| live(at) + scratch[at]).max().unwrap() as u32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_graphs_give_the_oracles_codes_and_logits_wherever_their_values_are(graph in random_graphs()) {
        let apart = assert_equal(&graph, Places::Apart);
        let overlapping = assert_equal(&graph, Places::Overlapping);
        prop_assert!(arena_len(&overlapping) <= arena_len(&apart), "overlaps are taken where they save");
        let stated = Header::parse(&apart).unwrap();
        prop_assert!(stated.arena_with_image_len >= stated.arena_len);
        prop_assert!(stated.arena_with_image_len <= stated.arena_len + stated.input_len);
        prop_assert!(stated.arena_len >= least(&apart), "{} bytes are not enough", stated.arena_len);
    }
}

/// A residual block: a convolution, and a way around it.
fn residual() -> RandomGraph {
    let conv = |from| Node::Conv { from, channels: 4, window: square(3, true), pool: false };
    let nodes = vec![conv(0), conv(0), Node::Add { from: 0, also: 0 }];
    RandomGraph { input: Shape { height: 12, width: 8, channels: 1 }, zero_point: 0, nodes, classes: 3, seed: 5 }
}

#[test]
fn a_residual_lives_until_it_is_read_and_a_sum_takes_its_place() {
    let graph = residual();
    let file = assert_equal(&graph, Places::Overlapping);
    let written = stages(&file);
    let sum = written[2].ports;
    assert!(sum.inputs().any(|read| read.place == sum.output), "{sum:?} is in place");
    let map = 12 * 8 * 4;
    let (apart, overlapping) = (arena_len(&graph.file(Places::Apart)), arena_len(&file));
    // The two summands and the sum live at once, the sum in the place of one of them if it may.
    assert!(apart >= 3 * map, "{apart}");
    assert!(overlapping < 3 * map && overlapping > 2 * map, "{overlapping} of {apart}");
}

#[test]
fn a_chain_takes_no_more_than_the_stage_that_holds_most() {
    for seed in 0..30 {
        let conv =
            |kernel, channels| Node::Conv { from: 0, channels, window: square(kernel, true), pool: seed % 2 == 1 };
        let nodes = vec![
            conv(3, 1 + seed as u16 % 5),
            conv(2, 7),
            Node::MaxPool { from: 0 },
            Node::Dense { from: 0, outputs: 9 },
        ];
        let input = Shape { height: 9 + seed as u16 % 7, width: 11, channels: 1 };
        let graph = RandomGraph { input, zero_point: 0, nodes, classes: 4, seed };
        let file = assert_equal(&graph, Places::Apart);
        let arena = arena_len(&file) as u32;
        // Three bytes where the arena begins at an odd address, three before scratch that begins at a word.
        assert!(arena <= least(&file).max(logits_need(&file)) + 6, "{arena} where {} are needed", least(&file));
    }
}

/// What the logits need: the values that they read, themselves and their scratch.
fn logits_need(file: &[u8]) -> u32 {
    let header = Header::parse(file).unwrap();
    let input = stages(file).last().unwrap().ports.input.shape.len();
    let scratch = 4 * (2 * 49 + (header.classes as usize).next_multiple_of(2));
    (input + 4 * header.classes as usize + scratch) as u32
}
