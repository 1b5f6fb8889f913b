//! Scales and classifies frames from a file on the host, whole and row by row, and writes inputs and logits back:
//! `../camera-on-cores.sh` compares them with the host's and the oracle's.
//!
//! A frame is 8 bytes, its format by number and a zero byte, width, height and stride, 16 bits each, and then `stride * height` bytes.
//! Written is the input that [`Network::scale_frame`] made, the input of the [`Resampler`], and the logits.
//!
//! `cargo run --release --bin camera FRAMES RESULTS`

#![no_std]
#![no_main]

use firmware_tests::files::{InputFile, ResultFile};
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Arena, model, program};
use infer_core::camera::{Format, Frame, Resampler};
use infer_core::{arena_with_image_len, input_len, operators_of};

static MODEL: &[u8] = model!();
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

static ARENA: Arena<{ arena_with_image_len(MODEL) }> = Arena::new();
static INPUT: Arena<{ input_len(MODEL) }> = Arena::new();
/// The longest frame.
static BYTES: Arena<{ 324 * 240 * 3 }> = Arena::new();
/// Words for a row of 128 pixels.
const WORDS: usize = 128 * 3 * 5 / 4;

program!(main);

fn main() -> Result<(), Failure> {
    let (arena, input, bytes) = (ARENA.take(), INPUT.take(), BYTES.take());
    let mut network = Network::with_operators(MODEL, arena)?;
    let arguments = Arguments::from_host()?;
    let (Some(frames), Some(results)) = (arguments.next(), arguments.next()) else {
        return Err(Failure::Usage("camera FRAMES RESULTS"));
    };
    let (mut frames, mut results) = (InputFile::open(frames)?, ResultFile::create(results)?);
    let (shape, preprocessing) = (network.input().shape, network.input().preprocessing);
    let row_len = usize::from(shape.width) * usize::from(shape.channels);
    let mut memory = [0; WORDS];
    let mut header = [0; 8];
    let mut count = 0;
    while frames.read(&mut header)? {
        let [format, _, w0, w1, h0, h1, s0, s1] = header;
        let format = Format::ALL.get(usize::from(format)).ok_or(Failure::Incomplete)?;
        let [width, height, stride] = [[w0, w1], [h0, h1], [s0, s1]].map(u16::from_le_bytes);
        let len = usize::from(stride) * usize::from(height);
        let bytes = bytes.get_mut(..len).ok_or(Failure::TooLarge("a frame"))?;
        if !frames.read(bytes)? {
            return Err(Failure::Incomplete);
        }
        let frame = Frame::with_stride(*format, width, height, stride.into(), bytes)?;
        results.write(network.scale_frame(&frame)?)?;
        let mut resampler = Resampler::new(*format, width, height, &preprocessing, shape, &mut memory)?;
        for row in frame.rows() {
            resampler.push_row(row, |number, row| {
                let start = usize::from(number) * row_len;
                if let Some(place) = input.get_mut(start..start + row_len) {
                    place.copy_from_slice(row);
                }
            })?;
        }
        results.write(input)?;
        results.write_logits(network.classify_frame(&frame)?.logits())?;
        count += 1;
    }
    println!("{count} frames");
    Ok(())
}
