//! Everything that infer-core lets a program do with a model, linked to prove that none of it can panic.
//!
//! `cargo build --release --no-default-features --features link-proof --bin no_panic`

#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

use firmware_tests::{Arena, arch, flash};
use infer_core::camera::{Format, Frame, Preprocessing, Resampler};
use infer_core::{Crc32, Error, Header, Network, Smoother, Smoothing};

static ARENA: Arena<4096> = Arena::new();
static IMAGE: Arena<784> = Arena::new();

#[arch::entry]
fn main() -> ! {
    let model = black_box(flash::model_region());
    let arena = black_box(ARENA.take());
    let pixels = black_box(IMAGE.take());
    let _ = black_box(Header::parse(model).map(|header| header.with_checksum_of(model).to_bytes()));
    if let Err(error) = use_everything(model, arena, pixels) {
        let _ = write!(Nowhere, "{error}");
    }
    loop {
        core::hint::spin_loop();
    }
}

fn use_everything(model: &[u8], arena: &mut [u8], pixels: &[u8]) -> Result<(), Error> {
    let mut network = Network::new(model, arena)?;
    black_box((network.input(), network.macs()));
    for stage in network.plan().stages() {
        black_box(stage);
    }
    black_box(Crc32::new().update(pixels).finish());
    let metadata = network.metadata();
    let output = network.classify_traced(pixels, |layer, codes| {
        black_box((layer, codes));
    })?;
    let mut probabilities = [0.0; 10];
    output.probabilities(&mut probabilities);
    black_box((probabilities, output.scale(), output.logits(), output.top_k::<3>()));
    black_box(metadata.class_name(output.class()));
    // Settings, classes and decisions of any kind: nothing of them is known when this is compiled.
    let smoother = Smoother::<10>::new(black_box(Smoothing::default()));
    if let (Some(mut smoother), decision) = (smoother, output.decide()) {
        black_box((smoother.update(decision), smoother.update(black_box(Some(0))), smoother.answer()));
        black_box((output.threshold(black_box(0)), smoother.share(black_box(0))));
        smoother.reset();
        black_box(smoother);
    }
    black_box(network.classify(pixels)?.class());
    use_frames(&mut network, pixels)
}

fn use_frames(network: &mut Network<'_, '_>, bytes: &[u8]) -> Result<(), Error> {
    // Any format, size and stride: nothing of them is known when this is compiled.
    let format = black_box(Format::named(black_box("gray8")).unwrap_or(Format::Rgb565Be));
    let [width, height, stride] = black_box([0; 3]);
    let frame = Frame::with_stride(format, width, height, stride.into(), bytes)?;
    for row in frame.rows() {
        black_box(row);
    }
    black_box(network.scale_frame(&frame)?);
    black_box(network.classify_frame(&frame)?.class());
    let (mut memory, mut input) = ([0; 40], [0; 64]);
    let (memory, input) = black_box((&mut memory[..], &mut input[..]));
    let preprocessing = Preprocessing::from_bytes(black_box([0; 4])).unwrap_or_default();
    let shape = black_box(network.input().shape);
    frame.to_input(&preprocessing, shape, memory, input)?;
    let mut resampler = Resampler::new(format, width, height, &preprocessing, shape, memory)?;
    black_box(resampler.push_row(bytes, |number, row| {
        black_box((number, row));
    })?);
    Ok(())
}

/// Text needs to go somewhere; here it is only formatted.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}
