//! The messages of infer-core when it refuses, word for word, and what its smaller functions do at their edges.

use infer_core::format::Window;
use infer_core::operators::Stage;
use infer_core::packing::packed_len;
use infer_core::{Crc32, Error, Header, HeaderField, Network, Shape, arena_len, classes_len, input_len};
use thimble_tests::tiny;

#[test]
fn every_refusal_says_what_is_wrong_where_and_with_which_numbers() {
    let messages = [
        (
            Error::Truncated { needed: 512, given: 9 },
            "model truncated: 512 bytes expected, 9 given; copy the whole file",
        ),
        (Error::NotAModel, "not a model file: it does not begin with \"THIMBLE\""),
        (
            Error::NewerVersion { found: 2, supported: 1 },
            "model format version 2 is newer than version 1, which this build reads; update the reader or export with an \
             older trainer",
        ),
        (
            Error::OlderVersion { found: 0, supported: 1 },
            "model format version 0 is older than version 1, which this build reads; export the model again",
        ),
        (Error::HeaderLength { found: 40, needed: 52 }, "model header states a length of 40 bytes, not 52"),
        (
            Error::Checksum { stored: 0xAB, computed: 0x1234_5678 },
            "model damaged: CRC-32 is 12345678, the file states 000000ab; copy or export it again",
        ),
        (Error::Payload { left: 12 }, "model payload cannot be decoded, 12 bytes before its end"),
        (Error::PayloadLeftOver { bytes: 3 }, "model payload has 3 bytes after its last layer"),
        (Error::StageCount { found: 129 }, "model has 129 stages; 1 to 128 can be run"),
        (
            Error::InputCount { layer: 2 },
            "layer 2: it reads another number of inputs than its operator takes, or one twice",
        ),
        (Error::Input { layer: 2 }, "layer 2: an input is not the output of the stage that it names"),
        (Error::InputShapes { layer: 2 }, "layer 2: its two inputs have different shapes"),
        (Error::Overwritten { layer: 2 }, "layer 2: another layer has overwritten what it reads"),
        (Error::Place { layer: 2 }, "layer 2: a place is misaligned, past 2^30, or overlaps another one"),
        (Error::Dimensions { layer: 2 }, "layer 2: a dimension is zero or too large"),
        (
            Error::Window { layer: 1, window: Window { size: [16, 3], stride: [2, 1], padding: [0, 1, 3, 1] } },
            "layer 1: a window of 16x3 with strides [2, 1] and padding [0, 1, 3, 1] is not supported, or does not fit its \
             input",
        ),
        (
            Error::FusedPool { layer: 1 },
            "layer 1: a max-pool is fused with a convolution of another stride than 1, or not square",
        ),
        (
            Error::WeightLength { layer: 0, needed: 20, given: 18 },
            "layer 0: 18 bytes of weights where its dimensions need 20",
        ),
        (
            Error::ChannelTableLength { layer: 0, needed: 16, given: 8 },
            "layer 0: channel table of 8 bytes where its channels need 16",
        ),
        (Error::Multiplier { layer: 1, channel: 3 }, "layer 1: the multiplier of channel 3 is out of range"),
        (Error::Shift { layer: 0, shift: 32 }, "layer 0: a shift of 32 is out of range"),
        (Error::Scale { layer: 2 }, "layer 2: a scale is not a positive finite number"),
        (Error::ReluZeroPoint { layer: 1, zero_point: 7 }, "layer 1: ReLU with zero point 7; it must be 0"),
        (Error::LogitsLayer { layer: 3 }, "layer 3: the layer that gives the logits must be there once, as the last"),
        (Error::ClassNames { names: 3, classes: 2 }, "model names 3 classes and distinguishes 2"),
        (
            Error::HeaderClaim { field: HeaderField::ArenaLen, stated: 0, actual: 431 },
            "model header states 0 bytes of arena where the layers need 431",
        ),
        (
            Error::HeaderClaim { field: HeaderField::InputLen, stated: 83, actual: 84 },
            "model header states 83 bytes of input where the layers need 84",
        ),
        (
            Error::HeaderClaim { field: HeaderField::Classes, stated: 9, actual: 10 },
            "model header states 9 classes where the layers need 10",
        ),
        (
            Error::HeaderClaim { field: HeaderField::ArenaWithImageLen, stated: 1, actual: 431 },
            "model header states 1 bytes of arena with the image where the layers need 431",
        ),
        (
            Error::HeaderSetting { field: HeaderField::Layout },
            "model header has a layout that this build does not know; update the reader",
        ),
        (
            Error::HeaderSetting { field: HeaderField::Preprocessing },
            "model header has a preprocessing that this build does not know; update the reader",
        ),
        (
            Error::HeaderRange { field: HeaderField::Temperature },
            "model header has a temperature that is out of range; export the model again",
        ),
        (
            Error::HeaderRange { field: HeaderField::Threshold },
            "model header has a threshold that is out of range; export the model again",
        ),
        (
            Error::OperatorsLeftOut { operators: 0x4000_0008 },
            "this program lacks operators of the model (bits 0x40000008); build it with `operators_of` this model, or use \
             `Network::new`",
        ),
        (
            Error::ArenaTooSmall { needed: 431, given: 430 },
            "arena too small: the model needs 431 bytes, 430 given; size it by arena_len",
        ),
        (Error::InputLength { needed: 84, given: 83 }, "input of 83 bytes where the model's input shape needs 84"),
    ];
    for (error, message) in messages {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn sizes_at_run_time_are_those_of_the_header() {
    let file = tiny::model().file();
    let header = Header::parse(&file).unwrap();
    let sizes = [arena_len(&file), input_len(&file), classes_len(&file)];
    assert_eq!(sizes, [header.arena_len, header.input_len, header.classes].map(|size| size as usize));
}

#[test]
fn sizes_of_what_is_no_model_are_a_panic_as_their_docs_say() {
    for size in [arena_len, input_len, classes_len] {
        let panic = std::panic::catch_unwind(|| size(b"no model")).unwrap_err();
        let message = panic.downcast_ref::<&str>().unwrap();
        assert_eq!(*message, "these bytes are not a model file that this version of infer-core reads");
    }
}

#[test]
fn lengths_that_32_bits_do_not_count_are_none() {
    assert_eq!(packed_len(3, 5), Some(4 * 6));
    assert_eq!(packed_len(u32::MAX, 1), None);
    assert_eq!(packed_len(1, u32::MAX), None);
    assert_eq!(packed_len(1 << 16, 1 << 16), None);
    let shape = |height, width, channels| Shape { height, width, channels };
    assert_eq!(shape(2, 3, 4).checked_len(), Some(24));
    assert_eq!(shape(u16::MAX, u16::MAX, 2).checked_len(), None);
    assert!(shape(0, 3, 4).is_empty() && !shape(2, 3, 4).is_empty());
    assert_eq!(shape(2, 3, 4).to_string(), "2x3x4");
}

#[test]
fn a_network_tells_what_it_is_made_of() {
    let file = tiny::model().file();
    let mut arena = vec![0; arena_len(&file)];
    let mut network = Network::new(&file, &mut arena).unwrap();
    let plan = network.plan();
    assert_eq!(plan.arena_len(), arena_len(&file));
    let stages: Vec<Stage<'_>> = plan.stages().map(|numbered| numbered.stage).collect();
    assert!(matches!(stages[..], [Stage::Conv2d(_), Stage::Conv2d(_), Stage::Dense(_)]), "{stages:?}");
    assert_eq!(network.classify(&[0; 84]).unwrap().scale().to_bits(), 0.001f32.to_bits());
    assert_eq!(Crc32::default().update(b"123456789").finish(), 0xCBF4_3926);
}
