//! The file: what is written is read, and what is broken is refused by name or runs, but never panics.

mod parts;
mod stages;

use infer_core::format::{Blob, Input, Layout, Metadata, Requantize, Window};
use infer_core::header::{FORMAT_VERSION, HEADER_LEN};
use infer_core::operators::{ALL, BRANCHES, Layer, Logits, MaxPool2d, OVERLAPS, POOLED, TWICE, UNPOOLED};
use infer_core::plan::Places;
use infer_core::{Crc32, Error, Header, HeaderField, Network, Shape, arena_len, classes_len, input_len, operators_of};
use parts::{CODES, Parts, ZEROS, with_payload};
use proptest::prelude::*;
use thimble_tests::bit_flips::repair;
use thimble_tests::random_model::{Kind, RandomModel, metadata, random_models};
use thimble_tests::{miri_models, tiny};
use trainer::export::inspect::Listing;
use trainer::export::model_file::{arena, encode};
use trainer::network::record::Rounding;

/// Loads and, where that works, classifies: whatever the bytes, this returns.
pub(crate) fn load_and_run(model: &[u8]) -> Result<(), Error> {
    // An arena of the honest size: a file that claims more must not get it.
    let mut arena = [0; 4096];
    let mut network = Network::new(model, &mut arena)?;
    let pixels = vec![0x5A; network.input().shape.len()];
    let output = network.classify(&pixels)?;
    assert!(output.class() < output.logits().len());
    assert!(output.top_k::<3>().len() <= 3);
    let mut probabilities = [0.0; 3];
    output.probabilities(&mut probabilities);
    Ok(())
}

#[test]
fn the_fixture_is_what_its_command_makes() {
    let fixture = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../infer-core/tests/fixtures/tiny.bin")).unwrap();
    assert!(fixture == tiny::model().file(), "run: cargo run --release -p thimble-tests --example tiny_model");
    for (name, fixture) in miri_models::fixtures() {
        let path = format!("{}/../infer-core/tests/fixtures/small/{name}.bin", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read(path).unwrap() == fixture, "{name}: run the same");
    }
}

#[test]
fn the_header_is_read_as_it_was_written_and_at_compile_time_too() {
    const TINY: &[u8] = include_bytes!("../../../infer-core/tests/fixtures/tiny.bin");
    const SIZES: [usize; 3] = [arena_len(TINY), input_len(TINY), classes_len(TINY)];
    let header = Header::parse(TINY).unwrap();
    assert_eq!(header.to_bytes(), TINY[..HEADER_LEN]);
    assert_eq!(header.with_checksum_of(&TINY[HEADER_LEN..]), header);
    assert_eq!(SIZES, [header.arena_len as usize, 6 * 7 * 2, 3]);
}

#[test]
fn multiply_accumulates_are_counted_before_the_first_inference() {
    // By hand: a convolution with and without padding, a pool that leaves out an odd row, two dense layers.
    let layers = vec![Kind::square(3, 3, true), Kind::HALVES, Kind::square(4, 2, false), Kind::Dense(5)];
    let input = Shape { height: 7, width: 6, channels: 2 };
    let file = RandomModel { input, zero_point: 0, layers, classes: 6, seed: 0 }.file();
    let mut arena = arena(&file).unwrap();
    let network = Network::new(&file, &mut arena).unwrap();
    let expected = (7 * 6 * 3) * (3 * 3 * 2) + (2 * 2 * 4) * (2 * 2 * 3) + 5 * (2 * 2 * 4) + 6 * 5;
    assert_eq!(network.macs(), expected);
    assert_eq!(network.plan().macs(), expected);
}

#[test]
fn the_checksum_is_the_crc_32_of_everyone_else() {
    assert_eq!(Crc32::new().update(b"123456789").finish(), 0xCBF4_3926);
}

proptest! {
    #[test]
    fn what_is_written_is_read(model in random_models()) {
        let file = model.file();
        let mut arena = vec![0; Header::parse(&file).unwrap().arena_len as usize];
        let network = Network::new(&file, &mut arena).unwrap();
        prop_assert_eq!(network.input().shape, model.input);
        prop_assert_eq!(network.input().codes.zero_point, model.zero_point);
        prop_assert_eq!(network.metadata().class_names().count(), usize::from(model.classes));
        prop_assert_eq!(network.metadata().int8_test_accuracy, Some(0.5));
        // The trainer counts from its own list of layers, before they are fused and packed.
        prop_assert_eq!(network.macs(), Listing::new(&file).unwrap().macs as u64);
    }

    #[test]
    fn any_layers_after_a_true_beginning_are_refused_or_run(
        count in 0u8..=3,
        mut layers in prop::collection::vec(prop_oneof![3 => 0u8..=4, 1 => any::<u8>()], 0..400),
    ) {
        // Names and an input that can be, and after them what claims to be layers.
        let parts = Parts::new();
        let file = parts.file(&parts.layers());
        let beginning_len = file.len() - HEADER_LEN - parts.stage_lens().iter().sum::<usize>();
        let mut payload = file[HEADER_LEN..][..beginning_len - 1].to_vec();
        payload.push(count);
        payload.append(&mut layers);
        let refused = load_and_run(&with_payload(&payload)).is_err_and(|error| error == Error::Payload { left: payload.len() });
        prop_assert!(!refused, "the beginning is read");
    }
}

#[test]
fn each_claim_of_the_header_is_compared_with_the_stages() {
    let file = tiny::model().file();
    let fields = [
        (16, HeaderField::ArenaLen),
        (20, HeaderField::InputLen),
        (24, HeaderField::Classes),
        (28, HeaderField::ArenaWithImageLen),
        (44, HeaderField::Operators),
    ];
    for (offset, field) in fields {
        let mut file = file.clone();
        let claim = &mut file[offset..][..4];
        let actual = u32::from_le_bytes(claim.try_into().unwrap());
        claim.copy_from_slice(&(actual + 1).to_le_bytes());
        repair(&mut file);
        assert_eq!(load_and_run(&file), Err(Error::HeaderClaim { field, stated: actual + 1, actual }));
    }
}

/// With all operators, and in a program that has those of `OPERATORS` alone.
fn load_with<const OPERATORS: u32>(file: &[u8]) -> [Result<Vec<i32>, Error>; 2] {
    let (mut arena, mut other) = ([0; 4096], [0; 4096]);
    let pixels = vec![0x5A; input_len(file)];
    [
        Network::new(file, &mut arena).and_then(|mut network| Ok(network.classify(&pixels)?.logits().to_vec())),
        Network::<OPERATORS>::with_operators(file, &mut other)
            .and_then(|mut network| Ok(network.classify(&pixels)?.logits().to_vec())),
    ]
}

#[test]
fn a_program_of_some_operators_runs_models_of_those_and_refuses_others() {
    const CONV: &[u8] = include_bytes!("../../../infer-core/tests/fixtures/small/conv.bin");
    const CHAIN: u32 = operators_of(CONV);
    let [conv, dense, residual] = ["conv", "dense", "residual"].map(|name| {
        let fixtures = miri_models::fixtures();
        fixtures.into_iter().find(|(other, _)| *other == name).unwrap().1
    });
    const RESIDUAL: u32 = BRANCHES | OVERLAPS | POOLED | UNPOOLED | 0b10011;
    assert_eq!([CHAIN, operators_of(&dense)], [UNPOOLED | 0b11, 0b1001]);
    assert_eq!(operators_of(&residual), RESIDUAL);

    let [all, chain] = load_with::<CHAIN>(&conv);
    assert!(all.is_ok());
    assert_eq!(all, chain);
    let [all, branches] = load_with::<RESIDUAL>(&residual);
    assert!(all.is_ok());
    assert_eq!(all, branches);
    let left_out = |operators| Err(Error::OperatorsLeftOut { operators });
    assert_eq!(load_with::<CHAIN>(&dense)[1], left_out(0b1000));
    assert_eq!(load_with::<CHAIN>(&residual)[1], left_out(BRANCHES | OVERLAPS | POOLED | 0b10000));
    assert_eq!(load_with::<{ ALL ^ BRANCHES }>(&residual)[1], left_out(BRANCHES));
    assert_eq!(load_with::<{ ALL ^ OVERLAPS }>(&residual)[1], left_out(OVERLAPS));

    // A convolution with a pool after it and one without are two kernels, and so two bits.
    let pooled = miri_models::fixtures().into_iter().find(|(name, _)| *name == "conv-pool").unwrap().1;
    assert_eq!(operators_of(&pooled), POOLED | 0b11);
    let [all, alone] = load_with::<{ POOLED | 0b11 }>(&pooled);
    assert!(all.is_ok());
    assert_eq!(all, alone);
    assert_eq!(load_with::<CHAIN>(&pooled)[1], left_out(POOLED));
    assert_eq!(load_with::<{ POOLED | 0b11 }>(&conv)[1], left_out(UNPOOLED));

    // A second rounding is a bit of its own.
    let twice = RandomModel {
        input: Shape { height: 5, width: 4, channels: 2 },
        zero_point: 3,
        layers: vec![Kind::square(3, 3, true), Kind::Dense(4)],
        classes: 2,
        seed: 48,
    };
    let twice = twice.file_rounded(Layout::Compact, Rounding::Twice);
    assert_eq!(operators_of(&twice), TWICE | 0b1011);
    let [all, same] = load_with::<{ TWICE | 0b1011 }>(&twice);
    assert!(all.is_ok());
    assert_eq!(all, same);
    assert_eq!(load_with::<0b1011>(&twice)[1], left_out(TWICE));

    // Files that do not say what they have.
    let claiming = |file: &[u8], operators| {
        let header = Header { operators, ..Header::parse(file).unwrap() };
        let payload = &file[HEADER_LEN..][..header.payload_len as usize];
        [&header.with_checksum_of(payload).to_bytes()[..], payload].concat()
    };
    let claim = |stated, actual| Err(Error::HeaderClaim { field: HeaderField::Operators, stated, actual });
    let [all, chain] = load_with::<CHAIN>(&claiming(&dense, CHAIN));
    assert_eq!(all, claim(CHAIN, 0b1001));
    assert!(matches!(chain, Err(Error::Payload { .. })), "{chain:?}");
    let [all, chain] = load_with::<{ CHAIN | 0b10000 }>(&claiming(&residual, CHAIN));
    assert_eq!(all, claim(CHAIN, RESIDUAL));
    assert_eq!(chain, Err(Error::Input { layer: 2 }));
    let [all, once] = load_with::<0b1011>(&claiming(&twice, 0b1011));
    assert_eq!(all, claim(0b1011, TWICE | 0b1011));
    assert_eq!(once, Err(Error::Shift { layer: 0, shift: Requantize::TWICE }));
    let [all, chain] = load_with::<CHAIN>(&claiming(&pooled, CHAIN));
    assert_eq!(all, claim(CHAIN, POOLED | 0b11));
    assert_eq!(chain, all);
    let [all, alone] = load_with::<{ POOLED | 0b11 }>(&claiming(&conv, POOLED | 0b11));
    assert_eq!(all, claim(POOLED | 0b11, CHAIN));
    assert_eq!(alone, all);
    // Bits of no operator.
    let [all, chain] = load_with::<CHAIN>(&claiming(&conv, CHAIN | 1 << 20));
    assert_eq!(all, claim(CHAIN | 1 << 20, CHAIN));
    assert_eq!(chain, all);
}

#[test]
fn what_is_reserved_in_the_header_has_one_value_each() {
    let file = tiny::model().file();
    let header = Header::parse(&file).unwrap();
    assert_eq!((header.layout, header.preprocessing), (0, 0));
    let refused = [
        (HeaderField::Layout, Header { layout: 1, ..header }),
        (HeaderField::Preprocessing, Header { preprocessing: 0x100, ..header }),
    ];
    for (field, header) in refused {
        let payload = &file[HEADER_LEN..];
        let file = [&header.with_checksum_of(payload).to_bytes()[..], payload].concat();
        assert_eq!(load_and_run(&file), Err(Error::HeaderSetting { field }));
    }
}

#[test]
fn padding_is_shorter_than_a_word_and_carries_nothing() {
    let parts = Parts::new();
    for (padding, is_fine) in [(&[][..], true), (&[0; 3], true), (&[0; 4], false), (&[0, 1], false)] {
        let mut layers = parts.layers();
        if let Layer::Conv2d(conv) = &mut layers[0] {
            conv.weights.padding = padding;
        }
        match load_and_run(&parts.file(&layers)) {
            Ok(()) => assert!(is_fine, "{padding:?}"),
            Err(Error::Payload { .. }) => assert!(!is_fine, "{padding:?}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn newer_and_older_versions_are_refused_by_name() {
    for version in [0, 1, FORMAT_VERSION + 1, u16::MAX] {
        let mut file = tiny::model().file();
        file[8..10].copy_from_slice(&version.to_le_bytes());
        repair(&mut file);
        let error = load_and_run(&file).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("version {version} is ")), "{message}");
        match error {
            Error::NewerVersion { found, supported } => assert!(found == version && found > supported),
            Error::OlderVersion { found, supported } => assert!(found == version && found < supported),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let file = tiny::model().file();
    for length in 0..file.len() {
        let error = load_and_run(&file[..length]).unwrap_err();
        let needed = if length < HEADER_LEN { HEADER_LEN } else { file.len() };
        assert_eq!(error, Error::Truncated { needed, given: length });
    }
    load_and_run(&file).unwrap();
}

#[test]
fn every_single_byte_change_is_refused() {
    let file = tiny::model().file();
    for position in 0..file.len() {
        for change in 1..=255 {
            let mut broken = file.clone();
            broken[position] ^= change;
            load_and_run(&broken).expect_err("a CRC finds every change of one byte");
        }
    }
}

#[test]
fn every_single_byte_change_under_a_repaired_checksum_is_refused_or_runs() {
    let file = tiny::model().file();
    let mut ran = 0;
    for position in 0..file.len() {
        for change in 1..=255 {
            let mut broken = file.clone();
            broken[position] ^= change;
            repair(&mut broken);
            ran += usize::from(load_and_run(&broken).is_ok());
        }
    }
    // Most bytes are weights, and any weight is a weight.
    assert!(ran > 10_000, "only {ran} changed files ran: are the checksums repaired?");
}

#[test]
fn payloads_that_are_none_are_refused() {
    let parts = Parts::new();
    let file = parts.file(&parts.layers());
    let payload = &file[HEADER_LEN..];
    // The ports of the logits come before what cannot be read.
    let (_, stages) = parts.stages(&parts.layers(), Places::Apart);
    let logits_len = parts.stage_lens()[2] - postcard::to_allocvec(&stages[2].ports).unwrap().len();
    assert_eq!(
        load_and_run(&with_payload(&payload[..payload.len() - 1])),
        Err(Error::Payload { left: logits_len - 1 })
    );
    assert_eq!(load_and_run(&with_payload(&[payload, &[0; 3]].concat())), Err(Error::PayloadLeftOver { bytes: 3 }));
    assert_eq!(load_and_run(&with_payload(&[0xFF; 64])), Err(Error::Payload { left: 64 }));
    let huge_string: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    assert_eq!(load_and_run(&with_payload(huge_string)), Err(Error::Payload { left: 5 }));
}

#[test]
fn headers_arenas_and_inputs_that_are_none_are_refused() {
    let file = tiny::model().file();
    assert_eq!(
        load_and_run(b"PK\x03\x04, and more than the fifty-two bytes of a header, of a zip file"),
        Err(Error::NotAModel)
    );
    let mut long_header = file.clone();
    long_header[10] = 32;
    assert_eq!(load_and_run(&long_header), Err(Error::HeaderLength { found: 32, needed: 52 }));
    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(load_and_run(&damaged), Err(Error::Checksum { stored, computed }) if stored != computed));

    let needed = Header::parse(&file).unwrap().arena_len as usize;
    let mut arena = vec![0; needed];
    let error = Network::new(&file, &mut arena[1..]).unwrap_err();
    assert_eq!(error, Error::ArenaTooSmall { needed, given: needed - 1 });
    let mut network = Network::new(&file, &mut arena).unwrap();
    let error = network.classify(&[0; 83]).unwrap_err();
    assert_eq!(error, Error::InputLength { needed: 84, given: 83 });
}

#[test]
fn a_host_gives_no_model_more_memory_than_a_network_that_can_be_trained_needs() {
    let tiny = tiny::model().file();
    assert_eq!(arena(&tiny).unwrap().len(), Header::parse(&tiny).unwrap().arena_len as usize);
    // Pools need no weights, so that a small file can require a third of a gigabyte.
    let parts = Parts::new();
    let input = Input::new(Shape { height: 1 << 14, width: 1 << 14, channels: 1 }, CODES);
    let pool = |side, stride| Layer::MaxPool2d(MaxPool2d { window: Window::square(side, stride) });
    let layers = [&[pool(1, 1)][..], &[pool(2, 2); 13], &[Layer::Logits(parts.logits)]].concat();
    let file = encode(&metadata(parts.classes), &input, &layers).unwrap();
    let error = arena(&file).unwrap_err();
    assert!(matches!(error, Error::ArenaTooSmall { needed, given } if needed > given && given == 256 << 20), "{error}");

    // What runs is not yet what can be listed.
    let input = Input { shape: Shape { height: 1 << 12, width: 1 << 12, channels: 1 }, ..input };
    let file = encode(&metadata(parts.classes), &input, &layers[3..]).unwrap();
    assert!(arena(&file).is_ok());
    let message = Listing::new(&file).unwrap_err().to_string();
    assert!(message.ends_with(": input 4096x4096x1 has no values, or more than 4,194,304"), "{message}");
}

#[test]
fn metadata_travels_with_the_model() {
    let metadata = Metadata {
        trainer: "0.1.0",
        dataset: "birds",
        architecture: "cnn",
        class_lines: "Amsel\nDrossel\nFink",
        images: "as they are",
        float_test_accuracy: Some(0.91),
        int8_test_accuracy: None,
    };
    let Parts { input, conv, dense, .. } = Parts::new();
    let logits = Logits {
        classes: 3,
        scale: 0.1,
        biases: Blob::unpadded(&ZEROS[..12]),
        layout: 0,
        weights: Blob::unpadded(&ZEROS[..16]),
    };
    let file = encode(&metadata, &input, &[Layer::Conv2d(conv), Layer::Dense(dense), Layer::Logits(logits)]).unwrap();
    let mut arena = [0; 4096];
    let mut network = Network::new(&file, &mut arena).unwrap();
    // They borrow the file and not the network, so that an answer can be named.
    let (found, input) = (network.metadata(), network.input());
    let output = network.classify(&vec![0; input.shape.len()]).unwrap();
    assert!(found.class_name(output.class()).is_some());
    assert_eq!(found, metadata);
    assert_eq!(found.class_name(1), Some("Drossel"));
    assert_eq!(found.class_name(3), None);
}
