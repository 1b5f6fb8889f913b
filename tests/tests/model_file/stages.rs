//! Stages that are broken: each record, input and place that cannot be is refused by name.

use infer_core::format::{Blob, Codes, Input, Ports, Requantize, Tensor, Window};
use infer_core::operators::{
    Add, AddRescaled, AveragePool2d, Conv2d, Dense, DepthwiseConv2d, Layer, Logits, MaxPool2d, StageRecord, WINOGRAD,
};
use infer_core::plan::{Places, place};
use infer_core::{Error, Header, Shape};
use thimble_tests::random_model::metadata;
use trainer::export::model_file::encode;

use crate::load_and_run;
use crate::parts::{CHANNELS, CODES, Parts, ZEROS};

const POOL: Layer<'_> = Layer::MaxPool2d(MaxPool2d { window: Window::square(2, 2) });

/// Of the convolution.
const fn refused_window(size: [u8; 2]) -> Error {
    Error::Window { layer: 0, window: Window { size, ..Window::square(3, 1) } }
}

/// The convolution with these multipliers and shifts, rounded twice.
fn round_twice(parts: &mut Parts, multipliers: [i32; 2], shifts: [i32; 2]) {
    let words = [[0; 2], multipliers, shifts].concat();
    let table: Vec<u8> = words.into_iter().flat_map(i32::to_le_bytes).collect();
    parts.conv.requantize.shift = Requantize::TWICE;
    parts.conv.requantize.channels = Blob::unpadded(Vec::leak(table));
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
    let cases: [Case; 24] = [
        (Error::Dimensions { layer: 0 }, |parts| parts.input.shape.height = 0),
        (Error::Scale { layer: 0 }, |parts| parts.input.codes.scale = 0.0),
        (refused_window([0, 3]), |parts| parts.conv.window.size[0] = 0),
        (refused_window([3, 16]), |parts| parts.conv.window.size[1] = 16),
        (refused_window([5, 3]), |parts| parts.conv.window.size[0] = 5),
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
        (Error::ChannelTableLength { layer: 0, needed: 24, given: 16 }, |parts| {
            parts.conv.requantize.shift = Requantize::TWICE;
        }),
        (Error::Multiplier { layer: 0, channel: 1 }, |parts| round_twice(parts, [1, 0], [0; 2])),
        (Error::Multiplier { layer: 0, channel: 0 }, |parts| round_twice(parts, [-1, 1], [0; 2])),
        (Error::Shift { layer: 0, shift: 32 }, |parts| round_twice(parts, [1; 2], [31, 32])),
        (Error::Shift { layer: 0, shift: 225 }, |parts| round_twice(parts, [1; 2], [-31, 0])),
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
fn windows_that_do_not_fit_are_refused_by_every_operator_that_has_one() {
    // The input is 4x4; a window of 3x3 with stride 1 and no padding fits all of them.
    let honest = Window::square(3, 1);
    let fits = |window: Window| {
        let parts = Parts::new();
        let depthwise = DepthwiseConv2d {
            multiplier: 2,
            window,
            requantize: parts.conv.requantize,
            layout: 0,
            weights: Blob::unpadded(&ZEROS[..2 * usize::from(window.size[0]) * usize::from(window.size[1])]),
        };
        let taps = usize::from(window.size[0]) * usize::from(window.size[1]);
        let weights = Blob::unpadded(&ZEROS[..2 * taps.next_multiple_of(2)]);
        let average = AveragePool2d { window, codes: CODES, shift: 2, multiplier: (1i32 << 30).to_le_bytes() };
        [
            Layer::Conv2d(Conv2d { window, weights, ..parts.conv }),
            Layer::DepthwiseConv2d(depthwise),
            Layer::MaxPool2d(MaxPool2d { window }),
            Layer::AveragePool2d(average),
        ]
        .map(|layer| {
            // Whatever comes out: the logits after it do not fit.
            let logits = Logits { weights: Blob::unpadded(&ZEROS[..1]), ..parts.logits };
            match load_and_run(&parts.file(&[layer, Layer::Logits(logits)])).unwrap_err() {
                Error::WeightLength { layer: 1, .. } => true,
                refused => {
                    assert_eq!(refused, Error::Window { layer: 0, window });
                    false
                }
            }
        })
    };
    assert_eq!(fits(honest), [true; 4]);
    for axis in [0, 1] {
        let size = |size: u8| {
            let mut window = honest;
            window.size[axis] = size;
            fits(window)
        };
        let stride = |stride: u8| {
            let mut window = honest;
            window.stride[axis] = stride;
            fits(window)
        };
        assert_eq!([size(0), size(5), stride(0)], [[false; 4]; 3]);
        assert_eq!([size(4), stride(4)], [[true; 4]; 2]);
        assert_eq!([stride(5), stride(255)], [[false, false, true, true]; 2]);
        for side in [axis, axis + 2] {
            let padding = |size: u8, padding: u8| {
                let mut window = honest;
                (window.size[axis], window.padding[side]) = (size, padding);
                fits(window)
            };
            assert_eq!([padding(3, 2), padding(3, 3), padding(3, 4)], [[true; 4], [false; 4], [false; 4]]);
            assert_eq!([padding(15, 11), padding(15, 10)], [[true; 4], [false; 4]]);
            assert_eq!([padding(16, 12), padding(255, 251)], [[false, false, true, true]; 2]);
        }
    }
    assert_eq!(fits(Window::WHOLE), [false, false, true, true]);
    assert_eq!(fits(Window { stride: [1, 2], ..Window::WHOLE }), [false; 4]);
    assert_eq!(fits(Window { padding: [0, 0, 0, 1], ..Window::WHOLE }), [false; 4]);
}

#[test]
fn what_else_convolutions_and_pools_cannot_be_is_refused() {
    let parts = Parts::new();
    let refuse = |layer| load_and_run(&parts.file(&[layer, Layer::Logits(parts.logits)])).unwrap_err();
    for window in [
        Window { stride: [1, 2], ..Window::square(1, 1) },
        Window { stride: [2, 1], ..Window::square(1, 1) },
        Window { size: [1, 2], ..Window::square(1, 1) },
    ] {
        let weights = Blob::unpadded(&ZEROS[..4]);
        let conv = Layer::Conv2d(Conv2d { window, weights, pool: true, ..parts.conv });
        assert_eq!(refuse(conv), Error::FusedPool { layer: 0 }, "{window:?}");
    }
    // 3x3 positions, of which a pool takes 2x2; one position, of which it takes none.
    let pooled = |window| Layer::Conv2d(Conv2d { window, pool: true, ..parts.conv });
    let padded = Window { padding: [0, 0, 1, 1], ..Window::square(3, 1) };
    assert!(matches!(refuse(pooled(padded)), Error::WeightLength { layer: 2, .. }));
    let narrow = Parts { input: Input::new(Shape { height: 3, width: 9, channels: 1 }, CODES), ..Parts::new() };
    let file = narrow.file(&[pooled(Window::square(3, 1)), Layer::Logits(parts.logits)]);
    assert_eq!(load_and_run(&file).unwrap_err(), Error::Dimensions { layer: 1 });

    let depthwise = DepthwiseConv2d {
        multiplier: 2,
        window: Window::square(3, 1),
        requantize: parts.conv.requantize,
        layout: 0,
        weights: Blob::unpadded(&ZEROS[..18]),
    };
    let cases = [
        (Error::Dimensions { layer: 0 }, DepthwiseConv2d { multiplier: 0, ..depthwise }),
        (Error::WeightLength { layer: 0, needed: 27, given: 18 }, DepthwiseConv2d { multiplier: 3, ..depthwise }),
        (
            Error::WeightLength { layer: 0, needed: 18, given: 20 },
            DepthwiseConv2d { weights: Blob::unpadded(&ZEROS[..20]), ..depthwise },
        ),
        (
            Error::ChannelTableLength { layer: 0, needed: 16, given: 24 },
            DepthwiseConv2d {
                requantize: Requantize { channels: Blob::unpadded(&CHANNELS[..24]), ..depthwise.requantize },
                ..depthwise
            },
        ),
        (
            Error::Multiplier { layer: 0, channel: 0 },
            DepthwiseConv2d {
                requantize: Requantize { channels: Blob::unpadded(&ZEROS[..16]), ..depthwise.requantize },
                ..depthwise
            },
        ),
        (
            Error::Shift { layer: 0, shift: 32 },
            DepthwiseConv2d { requantize: Requantize { shift: 32, ..depthwise.requantize }, ..depthwise },
        ),
    ];
    for (expected, depthwise) in cases {
        assert_eq!(refuse(Layer::DepthwiseConv2d(depthwise)), expected);
    }
    let wide = Parts { input: Input::new(Shape { height: 3, width: 3, channels: 300 }, CODES), ..Parts::new() };
    let layers =
        [Layer::DepthwiseConv2d(DepthwiseConv2d { multiplier: 255, ..depthwise }), Layer::Logits(parts.logits)];
    assert_eq!(load_and_run(&wide.file(&layers)).unwrap_err(), Error::Dimensions { layer: 0 });

    let pool = AveragePool2d { window: Window::WHOLE, codes: CODES, shift: 2, multiplier: 1i32.to_le_bytes() };
    let zero_scale = Codes { scale: 0.0, ..CODES };
    let cases = [
        (Error::Shift { layer: 0, shift: 32 }, AveragePool2d { shift: 32, ..pool }),
        (Error::Scale { layer: 0 }, AveragePool2d { codes: zero_scale, ..pool }),
        (Error::Multiplier { layer: 0, channel: 0 }, AveragePool2d { multiplier: 0i32.to_le_bytes(), ..pool }),
        (Error::Multiplier { layer: 0, channel: 0 }, AveragePool2d { multiplier: i32::MIN.to_le_bytes(), ..pool }),
    ];
    for (expected, pool) in cases {
        assert_eq!(refuse(Layer::AveragePool2d(pool)), expected);
    }
}

#[test]
fn layouts_are_refused_by_number_where_a_layer_has_none_of_it() {
    let input = Input::new(Shape { height: 4, width: 4, channels: 4 }, CODES);
    let parts = Parts { input, ..Parts::new() };
    let weights = |len| Blob::unpadded(&ZEROS[..len]);
    let conv = Conv2d { layout: 1, weights: weights(4 * 4 * 32), ..parts.conv };
    let refuse = |layer: Layer<'_>| load_and_run(&parts.file(&[layer, Layer::Logits(parts.logits)])).unwrap_err();
    let logits = Logits { weights: weights(2 * 2 * 2 * 2), ..parts.logits };
    let fine = parts.file(&[Layer::Conv2d(conv), Layer::Logits(logits)]);
    assert_eq!(load_and_run(&fine), Ok(()));
    assert_eq!(Header::parse(&fine).unwrap().operators, WINOGRAD | 0b11);
    let refused = |layout| Error::Layout { layer: 0, layout };
    assert_eq!(refuse(Layer::Conv2d(Conv2d { layout: 3, ..conv })), refused(3));
    assert_eq!(refuse(Layer::Conv2d(Conv2d { window: Window::square(2, 1), ..conv })), refused(1));
    assert_eq!(refuse(Layer::Conv2d(Conv2d { window: Window { stride: [1, 2], ..conv.window }, ..conv })), refused(1));
    let short = Conv2d { weights: weights(4 * 4 * 32 - 4), ..conv };
    assert_eq!(refuse(Layer::Conv2d(short)), Error::WeightLength { layer: 0, needed: 512, given: 508 });
    // Three input channels; one more group than sums of 32 bits are exact for.
    for channels in [3, 1828] {
        let parts = Parts { input: Input::new(Shape { channels, ..input.shape }, CODES), ..Parts::new() };
        let file = parts.file(&[Layer::Conv2d(conv), Layer::Logits(parts.logits)]);
        assert_eq!(load_and_run(&file).unwrap_err(), refused(1), "{channels} channels");
    }
    let depthwise = DepthwiseConv2d {
        multiplier: 1,
        window: Window::square(3, 1),
        requantize: parts.dense.requantize,
        layout: 1,
        weights: weights(36),
    };
    assert_eq!(refuse(Layer::DepthwiseConv2d(depthwise)), refused(1));
    let dense = Dense { layout: 1, weights: weights(4 * 64), ..parts.dense };
    assert_eq!(refuse(Layer::Dense(dense)), refused(1));
    assert_eq!(load_and_run(&parts.file(&[Layer::Logits(Logits { layout: 1, ..logits })])).unwrap_err(), refused(1));
}

#[test]
fn layers_out_of_place_are_refused() {
    let parts = Parts::new();
    let refuse = |layers: &[Layer<'_>]| load_and_run(&parts.file(layers)).unwrap_err();
    let [conv, dense, logits] = parts.layers().try_into().unwrap();
    assert_eq!(refuse(&[]), Error::StageCount { found: 0 });
    assert_eq!(refuse(&[POOL; 129]), Error::StageCount { found: 129 });
    assert_eq!(refuse(&[conv, dense]), Error::LogitsLayer { layer: 1 });
    assert_eq!(refuse(&[conv, dense, logits, logits]), Error::LogitsLayer { layer: 3 });
    assert_eq!(refuse(&[POOL, POOL, POOL, logits]), Error::Window { layer: 2, window: Window::square(2, 2) });
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
    let pool = POOL;
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
    // The same of an addition that rescales.
    type ChangeRescaled = fn(&mut AddRescaled);
    let cases: [(Result<(), Error>, ChangeRescaled); 6] = [
        (Ok(()), |_| {}),
        (Err(Error::Multiplier { layer: 2, channel: 0 }), |add| add.multipliers[0] = [0; 4]),
        (Err(Error::Multiplier { layer: 2, channel: 2 }), |add| add.multipliers[2] = (-1i32).to_le_bytes()),
        (Err(Error::Shift { layer: 2, shift: 32 }), |add| add.shifts[1] = 32),
        (Err(Error::Scale { layer: 2 }), |add| add.codes.scale = 0.0),
        (Err(Error::ReluZeroPoint { layer: 2, zero_point: 1 }), |add| (add.relu, add.codes.zero_point) = (true, 1)),
    ];
    for (expected, change) in cases {
        let multipliers = [(1i32 << 30).to_le_bytes(); 3];
        let mut rescaled = AddRescaled { codes: CODES, relu: false, multipliers, shifts: [0, 1, 19] };
        change(&mut rescaled);
        let mut stages = two_branches(&parts);
        stages[2].layer = Layer::AddRescaled(rescaled);
        let image_place = place(&parts.input, &mut stages, Places::Apart);
        assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), expected);
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
    let input = Input::new(Shape { height: 8, width: 4, channels: 1 }, CODES);
    let same = |kernel: u8, weights: usize| {
        let weights = Blob::unpadded(&ZEROS[..weights]);
        let window = Window { padding: [(kernel - 1) / 2; 4], ..Window::square(kernel, 1) };
        Layer::Conv2d(Conv2d { window, weights, ..parts.conv })
    };
    let logits = Layer::Logits(Logits { weights: Blob::unpadded(&ZEROS[..2 * 64]), ..parts.logits });
    let parts = Parts { input, ..Parts::new() };
    let (image_place, mut stages) = parts.stages(&[same(1, 4), same(3, 36), logits], Places::Apart);
    // Rows of 8 bytes: rows 4 to 7 end at 64, 40 bytes after row 3 begins; rows 0 to 3 end at 32, where row 0 begins.
    let needed = 40;
    // The other way round as well: rows 0 to 3 are written last, after row 4 of the input was read, which ends at 40.
    for (distance, expected) in [(needed, Ok(())), (needed - 1, Err(Error::Place { layer: 1 })), (64, Ok(()))] {
        for output in [2000 - distance, 2000 + distance] {
            stages[0].ports.output = 2000;
            stages[1].ports.input.place = 2000;
            stages[1].ports.output = output;
            stages[2].ports.input.place = output;
            assert_eq!(load_and_run(&parts.file_of(image_place, &stages)), expected, "{output}");
        }
    }
}
