//! Frames of every format for a model, and checks of what a core made of them.

use std::fs;

use infer_core::camera::{Format, Frame, Resize, Rotation};
use infer_core::{Network, arena_with_image_len};
use thimble_tests::camera::{FrameBytes, input};
use thimble_tests::oracle::Oracle;

use super::Outcome;

/// Frame sizes: a camera's, a larger one of a factor that is no whole number, and one smaller than most inputs.
const SIZES: [(u16, u16); 3] = [(160, 120), (211, 163), (20, 15)];

fn frames(count: usize) -> impl Iterator<Item = FrameBytes> {
    Format::ALL.into_iter().flat_map(move |format| SIZES.into_iter().map(move |size| (format, size))).flat_map(
        move |(format, (width, height))| {
            (0..count).map(move |number| {
                let stride = format.row_bytes(width) + number % 3;
                let mut state = ((number as u64 + 1) * 0x9E37_79B9_7F4A_7C15) ^ u64::from(width);
                let byte = |at: usize| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Smooth with noise, as frames are; every fourth one is noise alone.
                    let smooth = ((at % stride) * 200 / stride + at / stride) as u64;
                    let noise = state >> 40;
                    (if number % 4 == 3 { noise } else { smooth + noise % 23 }) as u8
                };
                FrameBytes {
                    format,
                    width,
                    height,
                    stride,
                    bytes: (0..stride * usize::from(height)).map(byte).collect(),
                }
            })
        },
    )
}

/// Writes `count` frames of each format and size.
pub fn write_frames(path: &str, count: &str) -> Outcome<()> {
    let mut file = Vec::new();
    for FrameBytes { format, width, height, stride, bytes } in frames(count.parse()?) {
        let number = Format::ALL.iter().position(|other| *other == format).unwrap_or_default();
        file.extend([number as u8, 0]);
        file.extend([width, height, stride as u16].iter().flat_map(|number| number.to_le_bytes()));
        file.extend(bytes);
    }
    Ok(fs::write(path, file)?)
}

/// Compares inputs and logits of a core with those of the oracle and of infer-core on the host.
pub fn compare(model: &str, count: &str, results: &str) -> Outcome<()> {
    let (model, results) = (fs::read(model)?, fs::read(results)?);
    let mut arena = vec![0; arena_with_image_len(&model)];
    let mut network = Network::new(&model, &mut arena)?;
    let (shape, preprocessing) = (network.input().shape, network.input().preprocessing);
    if preprocessing.resize == Resize::None || !matches!(preprocessing.rotation, Rotation::None | Rotation::Half) {
        return Err("the model does not scale, or turns by 90 degrees".into());
    }
    let oracle = Oracle::new(&model);
    let mut rest = &results[..];
    let (mut frames_seen, mut mismatches) = (0, 0);
    for bytes in frames(count.parse()?) {
        let expected = input(&bytes, &preprocessing, shape).ok_or("no input")?;
        let logits: Vec<i32> = oracle.run(&expected).logits.iter().map(|&logit| logit as i32).collect();
        let frame = Frame::with_stride(bytes.format, bytes.width, bytes.height, bytes.stride, &bytes.bytes)?;
        let on_host = network.scale_frame(&frame)?.to_vec();
        let logits_on_host = network.classify_frame(&frame)?.logits().to_vec();
        let mut take = |len: usize| -> Outcome<&[u8]> {
            let (piece, after) = rest.split_at_checked(len).ok_or("the core wrote too little")?;
            rest = after;
            Ok(piece)
        };
        let (whole, by_rows) = (take(shape.len())?, take(shape.len())?);
        let written = take(4 * logits.len())?;
        let written: Vec<i32> = written.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
        let is_equal = [&on_host[..], whole, by_rows].iter().all(|found| *found == expected)
            && written == logits
            && logits_on_host == logits;
        frames_seen += 1;
        mismatches += usize::from(!is_equal);
    }
    if !rest.is_empty() {
        return Err("the core wrote too much".into());
    }
    println!("{frames_seen} frames, {mismatches} mismatches");
    if mismatches > 0 { Err("inputs or logits differ".into()) } else { Ok(()) }
}
