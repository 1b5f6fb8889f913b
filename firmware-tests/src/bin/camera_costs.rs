//! Instructions that scaling a frame takes, of each format and several sizes, next to a loop that takes the nearest pixel: lines of
//! format, frame, input, instructions, instructions of the loop, and both a byte of the input.
//!
//! `cargo run --release --bin camera_costs`

#![no_std]
#![no_main]

use core::hint::black_box;

use firmware_tests::host::{Failure, println};
use firmware_tests::{Fenced, Stopwatch, program};
use infer_core::camera::{Format, Frame, Preprocessing, Resize, luma};
use infer_core::{Error, Shape};

/// The largest frame, the largest input and its sums.
const FRAME: usize = 320 * 240 * 3;
const INPUT: usize = 128 * 128 * 3;
const WORDS: usize = 128 * 3;
static BYTES: Fenced<FRAME> = Fenced::new();
static PIXELS: Fenced<INPUT> = Fenced::new();

program!(main);

/// Frame, input.
const SIZES: [((u16, u16), Shape); 6] = [
    ((160, 120), Shape { height: 96, width: 96, channels: 3 }),
    ((120, 120), Shape { height: 96, width: 96, channels: 3 }),
    ((320, 240), Shape { height: 96, width: 96, channels: 3 }),
    ((96, 96), Shape { height: 96, width: 96, channels: 3 }),
    ((80, 60), Shape { height: 96, width: 96, channels: 3 }),
    ((160, 120), Shape { height: 96, width: 96, channels: 1 }),
];

fn main() -> Result<(), Failure> {
    let (bytes, pixels) = (BYTES.take(), PIXELS.take());
    let mut seed = 1u32;
    for byte in bytes.iter_mut() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (seed >> 24) as u8;
    }
    println!("format   frame    input      scaled  nearest  a byte  nearest");
    macro_rules! measure {
        ($($format:ident),*) => {$(
            for ((width, height), shape) in SIZES {
                let frame = Frame::new(Format::$format, width, height, bytes)?;
                let input = pixels.get_mut(..shape.len()).ok_or(Failure::TooLarge("an input"))?;
                let scaled = scale(&frame, shape, input)?;
                let nearest = nearest(Format::$format, bytes, (width, height), shape, input);
                let tenths = |instructions: u32| instructions * 10 / shape.len() as u32;
                let (of_scaled, of_nearest) = (tenths(scaled), tenths(nearest));
                println!(
                    "{:<8} {:>3}x{:<3}  {:<8} {:>8} {:>8} {:>5}.{} {:>6}.{}",
                    Format::$format.name(), width, height, shape, scaled, nearest,
                    of_scaled / 10, of_scaled % 10, of_nearest / 10, of_nearest % 10
                );
            }
        )*};
    }
    measure!(Gray8, Rgb888, Bgr888, Rgb565Le, Rgb565Be, Yuyv, Uyvy);
    Ok(())
}

fn scale(frame: &Frame<'_>, shape: Shape, input: &mut [u8]) -> Result<u32, Error> {
    let preprocessing = Preprocessing { resize: Resize::Stretch, ..Preprocessing::AS_IT_IS };
    let mut memory = [0; WORDS];
    let stopwatch = Stopwatch::start();
    black_box(frame).to_input(&preprocessing, shape, &mut memory, input)?;
    Ok(stopwatch.elapsed())
}

/// What a program does that takes every so-manieth pixel, and leaves out YUV: its gray is the luma, its color the gray.
#[inline(always)]
fn nearest(format: Format, bytes: &[u8], (width, height): (u16, u16), shape: Shape, input: &mut [u8]) -> u32 {
    let stopwatch = Stopwatch::start();
    let (bytes, input) = (black_box(bytes), black_box(input));
    let stride = format.row_bytes(width);
    let step = |from: u16, to: u16| (u32::from(from) << 16) / u32::from(to);
    let (across, down) = (step(width, shape.width), step(height, shape.height));
    let pixels = usize::from(shape.channels);
    for (y, row) in (0u32..).zip(input.chunks_exact_mut(usize::from(shape.width) * pixels)) {
        let from = bytes.get(((y * down) >> 16) as usize * stride..).unwrap_or_default();
        for (x, pixel) in (0u32..).zip(row.chunks_exact_mut(pixels)) {
            let x = ((x * across) >> 16) as usize;
            let rgb = rgb(format, from, x).unwrap_or_default();
            match pixel {
                [gray] => *gray = luma(rgb),
                [red, green, blue] => [*red, *green, *blue] = rgb,
                _ => {}
            }
        }
    }
    stopwatch.elapsed()
}

#[inline(always)]
fn rgb(format: Format, row: &[u8], x: usize) -> Option<[u8; 3]> {
    let packed = |packed: u16| {
        let (red, green, blue) = (packed >> 11, packed >> 5 & 63, packed & 31);
        [(red << 3 | red >> 2) as u8, (green << 2 | green >> 4) as u8, (blue << 3 | blue >> 2) as u8]
    };
    Some(match format {
        Format::Gray8 => [*row.get(x)?; 3],
        Format::Rgb888 => *row.get(3 * x..)?.first_chunk()?,
        Format::Bgr888 => {
            let &[blue, green, red] = row.get(3 * x..)?.first_chunk()?;
            [red, green, blue]
        }
        Format::Rgb565Le => packed(u16::from_le_bytes(*row.get(2 * x..)?.first_chunk()?)),
        Format::Rgb565Be => packed(u16::from_be_bytes(*row.get(2 * x..)?.first_chunk()?)),
        Format::Yuyv => [*row.get(2 * x)?; 3],
        Format::Uyvy => [*row.get(2 * x + 1)?; 3],
    })
}
