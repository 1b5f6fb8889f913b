//! Classifies a frame as a camera delivers it, in any format and of any size that the model takes, and prints class and logits.
//!
//! `cargo run --release --bin camera -- crow.rgb565be.160x120.raw`, a file that the host has; its name shows what it is
//! `cargo run --release --bin camera -- dump.bin rgb565be 160x120`, where the name does not
//!
//! On a board the bytes are in the buffer of the camera's driver, and format and size are constants: then only the code for that
//! format is linked.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware_example::c_path::with_c_path;
use firmware_example::drawing::Plain;
use firmware_example::host::{Failure, finish};
use firmware_example::model;
use infer_core::camera::{Format, Frame};
use infer_core::{arena_with_image_len, operators_of};
use semihosting::experimental::env;
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::println;

static MODEL: &[u8] = model!();

/// Of this model's operators, so that no others are linked.
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

/// Bytes of the largest frame: 640x480 in RGB888.
const FRAME: usize = 640 * 480 * 3;

/// Room for the command line.
const COMMAND_LINE: usize = 1024;

const USAGE: Failure = Failure::Usage(
    "camera NAME.FORMAT.WIDTHxHEIGHT.raw, or camera FILE FORMAT WIDTHxHEIGHT; FORMAT is gray8, rgb888, bgr888, rgb565le, \
     rgb565be, yuyv or uyvy; names are without blanks",
);

const TOO_LONG: Failure =
    Failure::Usage("a file with as many bytes as a frame of that format and size has, at most 921,600");

#[entry]
fn main() -> ! {
    // `entry` lends these statics to `main`, once. The arena has a place for the scaled frame.
    static mut ARENA: [u8; arena_with_image_len(MODEL)] = [0; arena_with_image_len(MODEL)];
    static mut BUFFER: [u8; FRAME] = [0; FRAME];
    finish(camera(ARENA, BUFFER))
}

fn camera(arena: &mut [u8], buffer: &mut [u8]) -> Result<(), Failure> {
    let mut network = Network::with_operators(MODEL, arena)?;
    let arguments = env::args::<COMMAND_LINE>().map_err(|_| USAGE)?;
    let mut arguments = (&arguments).skip(1).filter_map(Result::ok);
    let path = arguments.next().ok_or(USAGE)?;
    let (format, size) = match (arguments.next(), arguments.next()) {
        (Some(format), Some(size)) => (format, size),
        (None, _) => in_name(path).ok_or(USAGE)?,
        (Some(_), None) => return Err(USAGE),
    };
    let format = Format::named(format).ok_or(USAGE)?;
    let (width, height) = size.split_once('x').ok_or(USAGE)?;
    let (width, height) = (width.parse().map_err(|_| USAGE)?, height.parse().map_err(|_| USAGE)?);

    let len = read(path, buffer)?;
    if len > format.row_bytes(width) * usize::from(height) {
        return Err(TOO_LONG);
    }
    // Bytes that are missing are refused here.
    let frame = Frame::new(format, width, height, buffer.get(..len).unwrap_or_default())?;
    // Cropped, scaled and turned as the model file has it.
    let metadata = network.metadata();
    let output = network.classify_frame(&frame)?;
    if output.decide().is_none() {
        println!("none of these; the best guesses:");
    }
    for best in output.top_k::<3>() {
        let name = Plain(metadata.class_name(best.class).unwrap_or("?"));
        println!("{:5.1}%  {name}", 100.0 * best.probability);
    }
    println!("logits {:?}", output.logits());
    Ok(())
}

/// Format and size in a name such as `crow.rgb565be.160x120.raw`.
fn in_name(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.strip_suffix(".raw")?.rsplit('.');
    let (size, format) = (parts.next()?, parts.next()?);
    Some((format, size))
}

/// Reads a file of the host, and returns how many bytes it has.
fn read(path: &str, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut file = with_c_path(path, |path| File::open(path)).map_err(Failure::Host)?;
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).map_err(Failure::Host)? {
            0 => break,
            more => filled += more,
        }
    }
    // What does not fit the buffer is longer than any frame that does.
    match file.read(&mut [0]).map_err(Failure::Host)? {
        0 => Ok(filled),
        _ => Err(TOO_LONG),
    }
}
