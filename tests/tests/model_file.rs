//! The file: what is written is read, and what is broken is refused by name or runs, but never panics.

use infer_core::format::{Blob, Codes, Input, Metadata, Padding, Ports, Requantize, Tensor};
use infer_core::header::{FORMAT_VERSION, HEADER_LEN};
use infer_core::operators::{ALL, Add, BRANCHES, Conv2d, Dense, Layer, Logits, MaxPool2d, OVERLAPS, StageRecord};
use infer_core::plan::{Places, Plan, chain, place};
use infer_core::{Crc32, Error, Header, HeaderField, Network, Shape, arena_len, classes_len, input_len, operators_of};
use proptest::prelude::*;
use thimble_tests::bit_flips::repair;
use thimble_tests::random_model::{Kind, RandomModel, metadata, random_models};
use thimble_tests::{miri_models, tiny};
use trainer::export::inspect::Listing;
use trainer::export::model_file::{arena, encode};

/// Loads and, where that works, classifies: whatever the bytes, this returns.
fn load_and_run(model: &[u8]) -> Result<(), Error> {
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
    const TINY: &[u8] = include_bytes!("../../infer-core/tests/fixtures/tiny.bin");
    const SIZES: [usize; 3] = [arena_len(TINY), input_len(TINY), classes_len(TINY)];
    let header = Header::parse(TINY).unwrap();
    assert_eq!(header.to_bytes(), TINY[..HEADER_LEN]);
    assert_eq!(header.with_checksum_of(&TINY[HEADER_LEN..]), header);
    assert_eq!(SIZES, [header.arena_len as usize, 6 * 7 * 2, 3]);
}

#[test]
fn multiply_accumulates_are_counted_before_the_first_inference() {
    // By hand: a convolution with and without padding, a pool that leaves out an odd row, two dense layers.
    let layers = vec![Kind::Conv(3, 3, true), Kind::MaxPool, Kind::Conv(4, 2, false), Kind::Dense(5)];
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
    const CONV: &[u8] = include_bytes!("../../infer-core/tests/fixtures/small/conv.bin");
    const CHAIN: u32 = operators_of(CONV);
    let [conv, dense, residual] = ["conv", "dense", "residual"].map(|name| {
        let fixtures = miri_models::fixtures();
        fixtures.into_iter().find(|(other, _)| *other == name).unwrap().1
    });
    assert_eq!([CHAIN, operators_of(&dense)], [0b11, 0b1001]);
    assert_eq!(operators_of(&residual), BRANCHES | OVERLAPS | 0b10011);

    let [all, chain] = load_with::<CHAIN>(&conv);
    assert!(all.is_ok());
    assert_eq!(all, chain);
    let [all, branches] = load_with::<{ BRANCHES | OVERLAPS | 0b10011 }>(&residual);
    assert!(all.is_ok());
    assert_eq!(all, branches);
    let left_out = |operators| Err(Error::OperatorsLeftOut { operators });
    assert_eq!(load_with::<CHAIN>(&dense)[1], left_out(0b1000));
    assert_eq!(load_with::<CHAIN>(&residual)[1], left_out(BRANCHES | OVERLAPS | 0b10000));
    assert_eq!(load_with::<{ ALL ^ BRANCHES }>(&residual)[1], left_out(BRANCHES));
    assert_eq!(load_with::<{ ALL ^ OVERLAPS }>(&residual)[1], left_out(OVERLAPS));

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
    assert_eq!(all, claim(CHAIN, BRANCHES | OVERLAPS | 0b10011));
    assert_eq!(chain, Err(Error::Input { layer: 2 }));
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
    assert_eq!([header.temperature, header.threshold].map(f32::to_bits), [1.0, 0.0].map(f32::to_bits));
    let refused = [
        (HeaderField::Layout, Header { layout: 1, ..header }),
        (HeaderField::Preprocessing, Header { preprocessing: 0x100, ..header }),
        (HeaderField::Temperature, Header { temperature: 0.5, ..header }),
        (HeaderField::Temperature, Header { temperature: f32::NAN, ..header }),
        (HeaderField::Threshold, Header { threshold: -0.0, ..header }),
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

/// A model of one convolution, one dense layer and the logits, to be broken in one place.
struct Parts {
    input: Input,
    conv: Conv2d<'static>,
    dense: Dense<'static>,
    logits: Logits<'static>,
    classes: &'static str,
}

const CODES: Codes = Codes { scale: 0.5, zero_point: 0 };
/// Bias 0 and multiplier 1, for up to four channels.
const CHANNELS: &[u8] =
    &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const ZEROS: &[u8] = &[0; 4096];

impl Parts {
    fn new() -> Self {
        let requantize = |channels: usize| Requantize {
            codes: CODES,
            relu: true,
            shift: 0,
            channels: Blob::unpadded(&CHANNELS[..8 * channels]),
        };
        Self {
            input: Input { shape: Shape { height: 4, width: 4, channels: 1 }, codes: CODES },
            conv: Conv2d {
                output_channels: 2,
                kernel: 3,
                padding: Padding::Valid,
                pool: false,
                requantize: requantize(2),
                weights: Blob::unpadded(&ZEROS[..20]),
            },
            dense: Dense { outputs: 4, requantize: requantize(4), weights: Blob::unpadded(&ZEROS[..32]) },
            logits: Logits {
                classes: 2,
                scale: 0.1,
                biases: Blob::unpadded(&ZEROS[..8]),
                weights: Blob::unpadded(&ZEROS[..8]),
            },
            classes: "a\nb",
        }
    }

    fn layers(&self) -> Vec<Layer<'static>> {
        vec![Layer::Conv2d(self.conv), Layer::Dense(self.dense), Layer::Logits(self.logits)]
    }

    /// Written without asking infer-core first.
    fn file(&self, layers: &[Layer<'_>]) -> Vec<u8> {
        let (image_place, stages) = self.stages(layers, Places::Apart);
        self.file_of(image_place, &stages)
    }

    fn stages<'m>(&self, layers: &[Layer<'m>], places: Places) -> (u32, Vec<StageRecord<'m>>) {
        let mut stages: Vec<_> = chain(layers.iter().copied()).collect();
        (place(&self.input, &mut stages, places), stages)
    }

    fn file_of(&self, image_place: u32, stages: &[StageRecord<'_>]) -> Vec<u8> {
        let mut payload = postcard::to_allocvec(&metadata(self.classes)).unwrap();
        payload = postcard::to_extend(&self.input, payload).unwrap();
        payload = postcard::to_extend(&image_place, payload).unwrap();
        payload = postcard::to_extend(&(stages.len() as u32), payload).unwrap();
        for stage in stages {
            payload = postcard::to_extend(stage, payload).unwrap();
        }
        with_payload(&payload)
    }

    /// The bytes of each stage in the payload.
    fn stage_lens(&self) -> Vec<usize> {
        let (_, stages) = self.stages(&self.layers(), Places::Apart);
        stages.iter().map(|stage| postcard::to_allocvec(stage).unwrap().len()).collect()
    }
}

/// After a header that is true of it, as far as that can be.
fn with_payload(payload: &[u8]) -> Vec<u8> {
    let claims = Header { payload_len: payload.len() as u32, ..Header::NEUTRAL };
    let claims = Plan::from_payload(payload).map_or(claims, |plan| Header::of(payload, &plan));
    [&claims.with_checksum_of(payload).to_bytes()[..], payload].concat()
}

#[test]
fn the_parts_are_a_model_until_one_is_broken() {
    let parts = Parts::new();
    let file = encode(&metadata(parts.classes), &parts.input, &parts.layers()).unwrap();
    load_and_run(&file).unwrap();
}

#[test]
fn every_refusal_is_reached_and_carries_its_numbers() {
    let refuse = |change: fn(&mut Parts)| {
        let mut parts = Parts::new();
        change(&mut parts);
        load_and_run(&parts.file(&parts.layers())).unwrap_err()
    };
    type Case = (Error, fn(&mut Parts));
    let cases: [Case; 19] = [
        (Error::Dimensions { layer: 0 }, |parts| parts.input.shape.height = 0),
        (Error::Scale { layer: 0 }, |parts| parts.input.codes.scale = 0.0),
        (Error::Kernel { layer: 0, kernel: 0 }, |parts| parts.conv.kernel = 0),
        (Error::Kernel { layer: 0, kernel: 8 }, |parts| parts.conv.kernel = 8),
        (Error::Kernel { layer: 0, kernel: 5 }, |parts| parts.conv.kernel = 5),
        (Error::Dimensions { layer: 0 }, |parts| parts.conv.output_channels = 0),
        (Error::WeightLength { layer: 0, needed: 20, given: 18 }, |parts| {
            parts.conv.weights = Blob::unpadded(&ZEROS[..18])
        }),
        (Error::ChannelTableLength { layer: 0, needed: 16, given: 8 }, |parts| {
            parts.conv.requantize.channels = Blob::unpadded(&CHANNELS[..8]);
        }),
        (Error::Multiplier { layer: 0, channel: 0 }, |parts| {
            parts.conv.requantize.channels = Blob::unpadded(&ZEROS[..16])
        }),
        (Error::Multiplier { layer: 1, channel: 3 }, |parts| {
            static LAST_NEGATIVE: [u8; 32] = {
                let mut channels = [0; 32];
                let mut at = 0;
                while at < 32 {
                    channels[at] = CHANNELS[at];
                    at += 1;
                }
                channels[31] = 0x80;
                channels
            };
            parts.dense.requantize.channels = Blob::unpadded(&LAST_NEGATIVE);
        }),
        (Error::Shift { layer: 0, shift: 32 }, |parts| parts.conv.requantize.shift = 32),
        (Error::Scale { layer: 1 }, |parts| parts.dense.requantize.codes.scale = f32::NAN),
        (Error::ReluZeroPoint { layer: 1, zero_point: 7 }, |parts| parts.dense.requantize.codes.zero_point = 7),
        (Error::Dimensions { layer: 1 }, |parts| parts.dense.outputs = 0),
        (Error::WeightLength { layer: 1, needed: 32, given: 0 }, |parts| parts.dense.weights = Blob::unpadded(&[])),
        (Error::Scale { layer: 2 }, |parts| parts.logits.scale = f32::INFINITY),
        (Error::ChannelTableLength { layer: 2, needed: 8, given: 4 }, |parts| {
            parts.logits.biases = Blob::unpadded(&ZEROS[..4])
        }),
        (Error::WeightLength { layer: 2, needed: 8, given: 9 }, |parts| {
            parts.logits.weights = Blob::unpadded(&ZEROS[..9])
        }),
        (Error::ClassNames { names: 3, classes: 2 }, |parts| parts.classes = "a\nb\nc"),
    ];
    for (number, (expected, change)) in cases.into_iter().enumerate() {
        assert_eq!(refuse(change), expected, "case {number}");
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn layers_out_of_place_are_refused() {
    let parts = Parts::new();
    let refuse = |layers: &[Layer<'_>]| load_and_run(&parts.file(layers)).unwrap_err();
    let [conv, dense, logits] = parts.layers().try_into().unwrap();
    assert_eq!(refuse(&[]), Error::StageCount { found: 0 });
    assert_eq!(refuse(&[Layer::MaxPool2d(MaxPool2d); 129]), Error::StageCount { found: 129 });
    assert_eq!(refuse(&[conv, dense]), Error::LogitsLayer { layer: 1 });
    assert_eq!(refuse(&[conv, dense, logits, logits]), Error::LogitsLayer { layer: 3 });
    assert_eq!(
        refuse(&[Layer::MaxPool2d(MaxPool2d), Layer::MaxPool2d(MaxPool2d), Layer::MaxPool2d(MaxPool2d), logits]),
        Error::Dimensions { layer: 2 }
    );
    let big = Dense { outputs: u16::MAX, ..parts.dense };
    assert!(matches!(
        refuse(&[Layer::Dense(big), logits]),
        Error::WeightLength { layer: 0, needed: 1_048_576, given: 32 }
    ));
    // Each dense layer takes the four values of the one before; as many layers as there may be, and one more.
    let quarter = Dense { weights: Blob::unpadded(&ZEROS[..16]), ..parts.dense };
    let deep = |count| -> Vec<Layer<'_>> {
        [Layer::Conv2d(parts.conv), dense]
            .into_iter()
            .chain([Layer::Dense(quarter); 126])
            .take(count)
            .chain([logits])
            .collect()
    };
    assert_eq!(load_and_run(&parts.file(&deep(127))), Ok(()));
    assert_eq!(refuse(&deep(128)), Error::StageCount { found: 129 });
}

#[test]
fn inputs_and_places_that_do_not_fit_are_refused() {
    let parts = Parts::new();
    let (image_place, honest) = parts.stages(&parts.layers(), Places::Apart);
    assert_eq!(load_and_run(&parts.file_of(image_place, &honest)), Ok(()));
    // By what is changed in which stage.
    type Case = (Error, usize, fn(&mut Ports));
    let cases: [Case; 24] = [
        (Error::Input { layer: 0 }, 0, |ports| ports.input.source = 1),
        (Error::Input { layer: 0 }, 0, |ports| ports.input.zero_point ^= 1),
        (Error::Input { layer: 0 }, 0, |ports| ports.input.place += 4),
        (Error::Input { layer: 0 }, 0, |ports| ports.input.shape.height += 1),
        (Error::Input { layer: 1 }, 1, |ports| ports.input.source = 2),
        (Error::Input { layer: 1 }, 1, |ports| ports.input.source = 255),
        (Error::Input { layer: 1 }, 1, |ports| ports.input.shape = Shape { height: 2, width: 1, channels: 4 }),
        (Error::Input { layer: 1 }, 1, |ports| ports.input.zero_point = 3),
        (Error::Input { layer: 1 }, 1, |ports| ports.input.place += 1),
        (Error::InputCount { layer: 0 }, 0, |ports| ports.second = Some(ports.input)),
        (Error::InputCount { layer: 1 }, 1, |ports| ports.second = Some(Tensor { source: 0, ..ports.input })),
        (Error::InputCount { layer: 2 }, 2, |ports| ports.second = Some(Tensor { source: 0, ..ports.input })),
        (Error::Place { layer: 1 }, 1, |ports| ports.output = ports.input.place),
        (Error::Place { layer: 1 }, 1, |ports| ports.output = ports.input.place + 7),
        (Error::Place { layer: 1 }, 1, |ports| ports.scratch = ports.input.place / 4 * 4),
        (Error::Place { layer: 1 }, 1, |ports| ports.scratch = ports.output / 4 * 4),
        (Error::Place { layer: 1 }, 1, |ports| ports.scratch += 1),
        (Error::Place { layer: 1 }, 1, |ports| ports.output = u32::MAX),
        (Error::Place { layer: 1 }, 1, |ports| ports.output = 1 << 31),
        (Error::Place { layer: 1 }, 1, |ports| ports.scratch = 1 << 31),
        (Error::Place { layer: 2 }, 2, |ports| ports.output = 1002),
        (Error::Place { layer: 2 }, 2, |ports| ports.output = ports.scratch),
        (Error::Place { layer: 2 }, 2, |ports| ports.output = ports.input.place / 4 * 4),
        (Error::Place { layer: 0 }, 0, |ports| ports.scratch = ports.input.place / 4 * 4),
    ];
    for (number, (expected, stage, change)) in cases.into_iter().enumerate() {
        let mut stages = honest.clone();
        change(&mut stages[stage].ports);
        let found = load_and_run(&parts.file_of(image_place, &stages));
        assert_eq!(found, Err(expected), "case {number}");
        assert!(!expected.to_string().is_empty());
    }
    let mut far = honest;
    far[0].ports.input.place = u32::MAX;
    assert_eq!(load_and_run(&parts.file_of(u32::MAX, &far)), Err(Error::Place { layer: 0 }));
}

#[test]
fn scratch_that_is_not_needed_has_no_place() {
    let parts = Parts::new();
    let pool = Layer::MaxPool2d(MaxPool2d);
    let logits = Layer::Logits(Logits { weights: Blob::unpadded(&ZEROS[..8]), ..parts.logits });
    let (image_place, mut stages) = parts.stages(&[pool, logits], Places::Apart);
    assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Ok(()));
    stages[0].ports.scratch = 400;
    assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Err(Error::Place { layer: 0 }));
}

/// Two dense layers of four outputs that both read the image, their sum, and logits.
fn two_branches(parts: &Parts) -> Vec<StageRecord<'static>> {
    let dense = Layer::Dense(Dense { weights: Blob::unpadded(&ZEROS[..64]), ..parts.dense });
    let sum = Layer::Add(Add { codes: CODES, relu: false, multipliers: [1 << 10, 3 << 9], shift: 11 });
    vec![
        StageRecord { ports: Ports::of(0), layer: dense },
        StageRecord { ports: Ports::of(0), layer: dense },
        StageRecord { ports: Ports::of_two(1, 2), layer: sum },
        StageRecord { ports: Ports::of(3), layer: Layer::Logits(parts.logits) },
    ]
}

#[test]
fn a_stage_reads_any_earlier_one_whose_output_was_not_overwritten() {
    let parts = Parts::new();
    for places in [Places::Apart, Places::Overlapping] {
        let mut stages = two_branches(&parts);
        let image_place = place(&parts.input, &mut stages, places);
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Ok(()));

        // The second layer writes where the first one's output is, or the image.
        let mut overwritten = stages.clone();
        overwritten[1].ports.output = stages[0].ports.output;
        overwritten[2].ports.second.as_mut().unwrap().place = stages[0].ports.output;
        assert_eq!(load_and_run(&parts.file_of(image_place, &overwritten)), Err(Error::Overwritten { layer: 2 }));
        let mut overwritten = stages.clone();
        overwritten[1].ports.scratch = stages[0].ports.output / 4 * 4;
        overwritten[1].ports.output = 2000;
        overwritten[2].ports.second.as_mut().unwrap().place = 2000;
        (overwritten[0].ports.input.place, overwritten[1].ports.input.place) = (3000, 3000);
        assert_eq!(load_and_run(&parts.file_of(3000, &overwritten)), Err(Error::Overwritten { layer: 2 }));
        let mut overwritten = stages.clone();
        let far = 3000;
        overwritten[0].ports.scratch = far;
        overwritten[0].ports.input.place = far - 1000;
        overwritten[1].ports.input.place = far - 1000;
        assert_eq!(load_and_run(&parts.file_of(far - 1000, &overwritten)), Ok(()));
        overwritten[0].ports.input.place = far + 5;
        overwritten[1].ports.input.place = far + 5;
        assert_eq!(load_and_run(&parts.file_of(far + 5, &overwritten)), Err(Error::Place { layer: 0 }));
    }
}

#[test]
fn an_image_that_is_read_again_may_not_be_overwritten() {
    let parts = Parts::new();
    let mut stages = two_branches(&parts);
    // The sum is of four values: the image is as many for the second layer alone.
    stages.swap(1, 2);
    let dense = stages[2].layer;
    let inner = Layer::Dense(Dense { weights: Blob::unpadded(&ZEROS[..16]), ..parts.dense });
    let mut stages = vec![
        stages[0],
        StageRecord { ports: Ports::of(1), layer: inner },
        StageRecord { ports: Ports::of(0), layer: dense },
        StageRecord { ports: Ports::of(3), layer: Layer::Logits(parts.logits) },
    ];
    let image_place = place(&parts.input, &mut stages, Places::Apart);
    assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Ok(()));
    stages[1].ports.output = image_place + 15;
    assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Err(Error::Overwritten { layer: 2 }));
}

#[test]
fn an_addition_takes_two_inputs_of_one_shape_and_numbers_in_range() {
    let parts = Parts::new();
    let refuse = |change: fn(&mut Vec<StageRecord<'static>>)| {
        let mut stages = two_branches(&parts);
        change(&mut stages);
        let image_place = place(&parts.input, &mut stages, Places::Apart);
        load_and_run(&parts.file_of(image_place, &stages)).unwrap_err()
    };
    let add = |stage: &mut StageRecord<'static>, change: fn(&mut Add)| match &mut stage.layer {
        Layer::Add(add) => change(add),
        other => panic!("{other:?}"),
    };
    type Change = fn(&mut Add);
    let cases: [(Error, Change); 8] = [
        (Error::Multiplier { layer: 2, channel: 0 }, |add| add.multipliers[0] = 0),
        (Error::Multiplier { layer: 2, channel: 1 }, |add| add.multipliers[1] = 0),
        (Error::Multiplier { layer: 2, channel: 1 }, |add| add.multipliers[1] = 1 << 22),
        (Error::Shift { layer: 2, shift: 0 }, |add| add.shift = 0),
        (Error::Shift { layer: 2, shift: 24 }, |add| add.shift = 24),
        (Error::Scale { layer: 2 }, |add| add.codes.scale = -1.0),
        (Error::ReluZeroPoint { layer: 2, zero_point: 1 }, |add| (add.relu, add.codes.zero_point) = (true, 1)),
        (Error::Scale { layer: 2 }, |add| add.codes.scale = 0.0),
    ];
    for (expected, change) in cases {
        let mut stages = two_branches(&parts);
        add(&mut stages[2], change);
        let image_place = place(&parts.input, &mut stages, Places::Apart);
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Err(expected));
    }
    assert_eq!(refuse(|stages| stages[2].ports = Ports::of(1)), Error::InputCount { layer: 2 });
    assert_eq!(refuse(|stages| stages[2].ports = Ports::of_two(1, 1)), Error::InputCount { layer: 2 });
    assert_eq!(refuse(|stages| stages[2].ports = Ports::of_two(1, 0)), Error::InputShapes { layer: 2 });
    assert_eq!(refuse(|stages| stages[3].ports = Ports::of_two(3, 1)), Error::InputCount { layer: 3 });
    // Each of the two inputs is compared with what it names.
    type Break = fn(&mut Tensor);
    let breaks: [Break; 4] = [
        |tensor| tensor.source = 3,
        |tensor| tensor.source = 0,
        |tensor| tensor.zero_point += 1,
        |tensor| tensor.place += 1,
    ];
    for change in breaks {
        let mut stages = two_branches(&parts);
        let image_place = place(&parts.input, &mut stages, Places::Apart);
        let mut broken = stages.clone();
        change(broken[2].ports.second.as_mut().unwrap());
        assert_eq!(load_and_run(&parts.file_of(image_place, &broken)), Err(Error::Input { layer: 2 }));
        change(&mut stages[2].ports.input);
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), Err(Error::Input { layer: 2 }));
    }
}

#[test]
fn an_output_overlaps_an_input_as_far_as_its_operator_allows() {
    let parts = Parts::new();
    // In place of either input, but not of a part of one.
    let mut stages = two_branches(&parts);
    let image_place = place(&parts.input, &mut stages, Places::Apart);
    let [first, second] = [2000, 2008];
    (stages[0].ports.output, stages[1].ports.output) = (first, second);
    stages[2].ports.input.place = first;
    stages[2].ports.second.as_mut().unwrap().place = second;
    for (output, expected) in [
        (first, Ok(())),
        (second, Ok(())),
        (first + 1, Err(Error::Place { layer: 2 })),
        (second + 1, Err(Error::Place { layer: 2 })),
    ] {
        stages[2].ports.output = output;
        stages[3].ports.input.place = output;
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), expected, "{output}, {first}, {second}");
    }

    // A convolution of eight rows reads rows 0 to 5 when it writes rows 0 to 3, so that these have to be before row 0; rows
    // 4 to 7 of the output need rows 3 to 7 of the input.
    let input = Input { shape: Shape { height: 8, width: 4, channels: 1 }, codes: CODES };
    let same = |kernel: u8, weights: usize| {
        let weights = Blob::unpadded(&ZEROS[..weights]);
        Layer::Conv2d(Conv2d { kernel, padding: Padding::Same, weights, ..parts.conv })
    };
    let logits = Layer::Logits(Logits { weights: Blob::unpadded(&ZEROS[..2 * 64]), ..parts.logits });
    let parts = Parts { input, ..Parts::new() };
    let (image_place, mut stages) = parts.stages(&[same(1, 4), same(3, 36), logits], Places::Apart);
    // Rows of 8 bytes: rows 4 to 7 end at 64, 40 bytes after row 3 begins; rows 0 to 3 end at 32, where row 0 begins.
    let needed = 40;
    for (before, expected) in [(needed, Ok(())), (needed - 1, Err(Error::Place { layer: 1 })), (64, Ok(()))] {
        stages[0].ports.output = 2000;
        stages[1].ports.input.place = 2000;
        stages[1].ports.output = 2000 - before;
        stages[2].ports.input.place = 2000 - before;
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), expected, "{before}");
    }
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
    let input = Input { shape: Shape { height: 1 << 15, width: 1 << 15, channels: 1 }, codes: CODES };
    let layers = [&[Layer::MaxPool2d(MaxPool2d); 14][..], &[Layer::Logits(parts.logits)]].concat();
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
        preprocessing: "as they are",
        float_test_accuracy: Some(0.91),
        int8_test_accuracy: None,
    };
    let Parts { input, conv, dense, .. } = Parts::new();
    let logits =
        Logits { classes: 3, scale: 0.1, biases: Blob::unpadded(&ZEROS[..12]), weights: Blob::unpadded(&ZEROS[..16]) };
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
