//! Any bytes as a frame with its format, size, stride and preprocessing: it is refused, or becomes the same input at once and row by row.

use infer_core::camera::{Format, Frame, Preprocessing, Resampler, Rotation};
use infer_core::{Error, Shape};

/// Bytes before those of the frame.
const SETTINGS: usize = 18;

/// Scales a frame in both ways.
///
/// # Panics
/// Where infer-core does, or where the two inputs differ.
pub fn check(bytes: &[u8]) {
    let Some((&settings, pixels)) = bytes.split_first_chunk::<SETTINGS>() else { return };
    let [format, w0, w1, h0, h1, s0, s1, s2, ih0, ih1, iw0, iw1, channels, flags, red, green, blue, spare] = settings;
    let format = Format::ALL[usize::from(format) % Format::ALL.len()];
    let (width, height) = (u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1]));
    let stride = u32::from_le_bytes([s0, s1, s2, 0]) as usize;
    let Some(preprocessing) = Preprocessing::from_bytes([flags, red, green, blue]) else { return };
    // Not more than a second of work.
    let shape = Shape {
        height: u16::from_le_bytes([ih0, ih1]) % 300,
        width: u16::from_le_bytes([iw0, iw1]) % 300,
        channels: u16::from(channels % 5),
    };
    let frame = match Frame::with_stride(format, width, height, stride, pixels) {
        Ok(frame) => frame,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut memory = vec![spare.into(); preprocessing.memory_words(shape)];
    let mut input = vec![spare; shape.len()];
    let whole = frame.to_input(&preprocessing, shape, &mut memory, &mut input);

    let mut memory = vec![spare.into(); preprocessing.resampler_words(shape)];
    let mut resampler = match Resampler::new(format, width, height, &preprocessing, shape, &mut memory) {
        Ok(resampler) => resampler,
        Err(Error::RotationNeedsInput) => {
            assert!(matches!(preprocessing.rotation, Rotation::Quarter | Rotation::ThreeQuarters));
            return;
        }
        Err(error) => return assert_eq!(whole, Err(error)),
    };
    whole.expect("what is scaled row by row is scaled at once");
    let mut rows = 0;
    for row in frame.rows() {
        let is_whole = resampler.push_row(row, |number, row| {
            rows += 1;
            assert_eq!(row, &input[usize::from(number) * row.len()..][..row.len()]);
        });
        assert_eq!(is_whole, Ok(rows == shape.height));
    }
    assert_eq!(rows, shape.height, "each row once");
}
