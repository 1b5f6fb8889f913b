//! From a frame to an input: what infer-core makes of it, whole and row by row, is what the oracle makes of it.

use infer_core::camera::{Format, Frame, Preprocessing, Resampler, Resize, Rotation, YuvRange};
use infer_core::{Error, Shape};
use proptest::prelude::*;
use thimble_tests::camera::{FrameBytes, input};

const RESIZES: [Resize; 4] = [Resize::None, Resize::Stretch, Resize::Fit, Resize::Crop];
const ROTATIONS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

fn shape(height: u16, width: u16, channels: u16) -> Shape {
    Shape { height, width, channels }
}

fn frame_of(bytes: &FrameBytes) -> Frame<'_> {
    let FrameBytes { format, width, height, stride, bytes } = bytes;
    Frame::with_stride(*format, *width, *height, *stride, bytes).unwrap()
}

/// The input, all at once.
fn whole(bytes: &FrameBytes, preprocessing: &Preprocessing, shape: Shape) -> Result<Vec<u8>, Error> {
    let mut memory = vec![0xAAAA_AAAA; preprocessing.memory_words(shape)];
    let mut input = vec![0x55; shape.len()];
    frame_of(bytes).to_input(preprocessing, shape, &mut memory, &mut input)?;
    Ok(input)
}

/// The input, row by row, of the second of two frames.
fn by_rows(bytes: &FrameBytes, preprocessing: &Preprocessing, shape: Shape) -> Result<Vec<u8>, Error> {
    let mut memory = vec![0xAAAA_AAAA; preprocessing.resampler_words(shape)];
    let FrameBytes { format, width, height, .. } = *bytes;
    let mut resampler = Resampler::new(format, width, height, preprocessing, shape, &mut memory)?;
    let row_len = usize::from(shape.width) * usize::from(shape.channels);
    let black = vec![0; format.row_bytes(width)];
    for number in 0..height {
        assert_eq!(resampler.push_row(&black, |_, _| {})?, number + 1 == height);
    }
    let mut input = vec![0x55; shape.len()];
    let mut seen = vec![0; shape.height.into()];
    for (rows, row) in (1..=height).zip(frame_of(bytes).rows()) {
        let is_whole = resampler.push_row(row, |number, row| {
            seen[usize::from(number)] += 1;
            input[usize::from(number) * row_len..][..row_len].copy_from_slice(row);
        })?;
        assert_eq!(is_whole, rows == height);
    }
    assert!(seen.iter().all(|&times| times == 1), "each row once: {seen:?}");
    Ok(input)
}

#[test]
fn every_format_has_a_name_that_finds_it() {
    for format in Format::ALL {
        assert_eq!(Format::named(format.name()), Some(format));
        let bytes = vec![0; format.row_bytes(3) * 2];
        let frame = Frame::new(format, 3, 2, &bytes).unwrap();
        assert_eq!((frame.format(), frame.width(), frame.height()), (format, 3, 2));
        let shown = format!("Frame({} 3x2, stride {})", format.name(), format.row_bytes(3));
        assert_eq!(format!("{frame:?}"), shown);
    }
    assert_eq!(Format::named("rgb565"), None, "the order of bytes is part of a name");
}

fn assert_as_the_oracle(bytes: &FrameBytes, preprocessing: &Preprocessing, shape: Shape) {
    let what = || {
        let FrameBytes { format, width, height, stride, .. } = bytes;
        format!("{} {width}x{height}, stride {stride}, {preprocessing:?}, to {shape}", format.name())
    };
    let expected = input(bytes, preprocessing, shape);
    let found = whole(bytes, preprocessing, shape);
    let Some(expected) = expected else {
        assert!(matches!(found, Err(Error::FrameShape { .. })), "{}: {found:?}", what());
        return;
    };
    let found = found.unwrap_or_else(|error| panic!("{}: {error}", what()));
    let first = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!(first, None, "{}: {:?} and not {:?}", what(), first.map(|at| found[at]), first.map(|at| expected[at]));
    let rows = by_rows(bytes, preprocessing, shape);
    if matches!(preprocessing.rotation, Rotation::Quarter | Rotation::ThreeQuarters) {
        assert_eq!(rows, Err(Error::RotationNeedsInput));
    } else {
        assert!(rows.as_ref() == Ok(&expected), "row by row: {}", what());
    }
}

fn preprocessings() -> impl Strategy<Value = Preprocessing> {
    let choices = (prop::sample::select(&RESIZES[1..]), prop::sample::select(&ROTATIONS[..]));
    (choices, any::<bool>(), any::<bool>(), any::<[u8; 3]>()).prop_map(
        |((resize, rotation), mirror, limited, background)| Preprocessing {
            resize,
            rotation,
            mirror,
            yuv_range: if limited { YuvRange::Limited } else { YuvRange::Full },
            background,
        },
    )
}

/// Frames of random bytes; some are black and white, for the largest sums.
fn frames(most: (u16, u16)) -> impl Strategy<Value = FrameBytes> {
    let sizes = (1..=most.0, 1..=most.1, 0usize..9);
    (prop::sample::select(Format::ALL.to_vec()), sizes, any::<u64>())
        .prop_map(|(format, (width, height, pad), seed)| frame(format, width, height, pad, seed))
}

fn frame(format: Format, width: u16, height: u16, padding: usize, seed: u64) -> FrameBytes {
    let stride = format.row_bytes(width) + padding;
    let len = stride * (usize::from(height) - 1) + format.row_bytes(width);
    let mut state = seed | 1;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let byte = (state >> 32) as u8;
        match seed % 8 {
            0 => 255,
            1 => (byte & 1) * 255,
            _ => byte,
        }
    });
    FrameBytes { format, width, height, stride, bytes: bytes.take(len).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn small_frames_become_the_oracles_inputs(
        frame in frames((40, 40)),
        preprocessing in preprocessings(),
        (height, width) in (1u16..40, 1u16..40),
        channels in prop::sample::select(vec![1u16, 3]),
    ) {
        assert_as_the_oracle(&frame, &preprocessing, shape(height, width, channels));
    }

    #[test]
    fn frames_of_the_inputs_own_size_become_the_oracles_inputs(
        frame in frames((20, 20)),
        preprocessing in preprocessings(),
        resize in prop::sample::select(&RESIZES[..]),
        channels in prop::sample::select(vec![1u16, 3]),
    ) {
        let (height, width) = match preprocessing.rotation {
            Rotation::None | Rotation::Half => (frame.height, frame.width),
            Rotation::Quarter | Rotation::ThreeQuarters => (frame.width, frame.height),
        };
        assert_as_the_oracle(&frame, &Preprocessing { resize, ..preprocessing }, shape(height, width, channels));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn frames_up_to_1600_by_1200_become_the_oracles_inputs(
        frame in frames((1600, 1200)),
        preprocessing in preprocessings(),
        (height, width) in (1u16..130, 1u16..130),
        channels in prop::sample::select(vec![1u16, 3]),
    ) {
        assert_as_the_oracle(&frame, &preprocessing, shape(height, width, channels));
    }
}

#[test]
fn the_longest_rows_and_columns_become_the_oracles_inputs() {
    let preprocessing = Preprocessing { resize: Resize::Stretch, ..Preprocessing::AS_IT_IS };
    for (width, height) in [(65_535, 1), (1, 65_535), (40_000, 2)] {
        for (seed, format) in [(0, Format::Gray8), (1, Format::Gray8), (9, Format::Rgb565Le), (0, Format::Yuyv)] {
            let frame = frame(format, width, height, 0, seed);
            for shape in [shape(1, 1, 3), shape(2, 3, 1), shape(9, 7, 3)] {
                assert_as_the_oracle(&frame, &preprocessing, shape);
            }
        }
    }
}

#[test]
fn a_frame_of_the_inputs_size_is_the_input_under_every_resize() {
    for channels in [1, 3] {
        let shape = shape(28, 28, channels);
        let format = if channels == 1 { Format::Gray8 } else { Format::Rgb888 };
        let frame = frame(format, 28, 28, 0, 77);
        for resize in RESIZES {
            let preprocessing = Preprocessing { resize, ..Preprocessing::AS_IT_IS };
            assert_eq!(whole(&frame, &preprocessing, shape).unwrap(), frame.bytes, "{resize:?}");
        }
    }
}

#[test]
fn a_frame_of_one_color_stays_of_that_color_at_every_size() {
    let preprocessing = Preprocessing { resize: Resize::Stretch, ..Preprocessing::AS_IT_IS };
    for gray in [0, 1, 127, 128, 254, 255] {
        for (width, height) in [(1, 1), (3, 2), (97, 33), (320, 240), (1600, 1200)] {
            let bytes = vec![gray; usize::from(width) * usize::from(height)];
            let frame = FrameBytes { format: Format::Gray8, width, height, stride: width.into(), bytes };
            for shape in [shape(1, 1, 1), shape(24, 24, 3), shape(96, 96, 1), shape(7, 111, 3)] {
                let input = whole(&frame, &preprocessing, shape).unwrap();
                assert!(input.iter().all(|&value| value == gray), "{gray} {width}x{height} {shape}");
            }
        }
    }
}

#[test]
fn an_input_differs_from_the_exact_mean_of_its_area_by_less_than_two_levels() {
    let preprocessing = Preprocessing { resize: Resize::Stretch, ..Preprocessing::AS_IT_IS };
    let mut most = 0.0f64;
    for (width, height, to) in
        [(160, 120, 96), (320, 240, 96), (120, 120, 96), (383, 97, 96), (640, 480, 32), (1600, 1200, 96)]
    {
        let frame = frame(Format::Gray8, width, height, 0, 1234);
        let input = whole(&frame, &preprocessing, shape(to, to, 1)).unwrap();
        let mut squares = 0.0;
        for (index, &value) in input.iter().enumerate() {
            let exact = exact_mean(&frame, to, index / usize::from(to), index % usize::from(to));
            let difference = f64::from(value) - exact;
            squares += difference * difference;
            most = most.max(difference.abs());
        }
        let rms = (squares / input.len() as f64).sqrt();
        println!("{width}x{height} to {to}x{to}: root mean square of the difference {rms:.3} levels");
    }
    println!("the largest difference {most:.3} levels");
    assert!(most < 2.0, "{most}");
}

fn exact_mean(frame: &FrameBytes, to: u16, row: usize, column: usize) -> f64 {
    let share = |from: u16, output: usize, pixel: usize| {
        let scale = f64::from(from) / f64::from(to);
        let (begin, end) = (output as f64 * scale, (output + 1) as f64 * scale);
        ((end.min((pixel + 1) as f64) - begin.max(pixel as f64)).max(0.0)) / scale
    };
    let range = |from: u16, output: usize| {
        let (from, to) = (usize::from(from), usize::from(to));
        output * from / to..((output + 1) * from).div_ceil(to)
    };
    let columns = || range(frame.width, column);
    range(frame.height, row)
        .flat_map(|y| columns().map(move |x| (y, x)))
        .map(|(y, x)| {
            share(frame.height, row, y) * share(frame.width, column, x) * f64::from(frame.bytes[y * frame.stride + x])
        })
        .sum()
}

#[test]
fn every_refusal_says_what_is_needed() {
    let bytes = [0; 100];
    let refused =
        |format, width, height, stride| Frame::with_stride(format, width, height, stride, &bytes).unwrap_err();
    assert_eq!(refused(Format::Gray8, 0, 5, 9), Error::FrameSize { width: 0, height: 5 });
    assert_eq!(refused(Format::Rgb888, 10, 2, 29), Error::FrameStride { needed: 30, given: 29 });
    assert_eq!(refused(Format::Yuyv, 25, 2, 52), Error::FrameLength { needed: 104, given: 100 });
    assert_eq!(refused(Format::Gray8, 9, 9, usize::MAX), Error::FrameLength { needed: usize::MAX, given: 100 });
    // The padding of the last row does not have to be there.
    Frame::with_stride(Format::Gray8, 10, 2, 90, &bytes).unwrap();

    let frame = Frame::new(Format::Gray8, 10, 10, &bytes).unwrap();
    let (own, stretch) =
        (Preprocessing::AS_IT_IS, Preprocessing { resize: Resize::Stretch, ..Preprocessing::AS_IT_IS });
    let to_input = |preprocessing, shape: Shape, words, len| {
        frame.to_input(preprocessing, shape, &mut vec![0; words], &mut vec![0; len]).unwrap_err()
    };
    let needed = Error::FrameShape { width: 10, height: 10, needed_width: 9, needed_height: 10 };
    assert_eq!(to_input(&own, shape(10, 9, 1), 9, 90), needed);
    assert_eq!(to_input(&stretch, shape(10, 9, 2), 18, 180), Error::InputChannels { channels: 2 });
    assert_eq!(to_input(&stretch, shape(10, 9, 3), 26, 270), Error::FrameMemory { needed: 27, given: 26 });
    assert_eq!(to_input(&stretch, shape(10, 9, 3), 27, 269), Error::InputLength { needed: 270, given: 269 });
    assert_eq!(to_input(&stretch, shape(0, 9, 3), 27, 0), Error::Dimensions { layer: 0 });

    let mut memory = [0; 3];
    let mut resampler = Resampler::new(Format::Rgb888, 4, 4, &stretch, shape(2, 2, 1), &mut memory).unwrap();
    assert_eq!(resampler.push_row(&[0; 11], |_, _| {}), Err(Error::FrameLength { needed: 12, given: 11 }));
    let few = Resampler::new(Format::Rgb888, 4, 4, &stretch, shape(2, 2, 1), &mut memory[..2]).unwrap_err();
    assert_eq!(few, Error::FrameMemory { needed: 3, given: 2 });
}

#[test]
fn the_bytes_of_a_preprocessing_are_read_as_they_were_written() {
    for flags in 0..=255 {
        match Preprocessing::from_bytes([flags, 1, 2, 3]) {
            Some(preprocessing) => assert_eq!(preprocessing.to_bytes(), [flags, 1, 2, 3]),
            None => assert!(flags >= 64, "{flags}"),
        }
    }
    assert_eq!(Preprocessing::AS_IT_IS, Preprocessing::default());
    assert_eq!(Preprocessing::AS_IT_IS.to_bytes(), [0; 4]);
}
