//! Instructions per layer and in total, and the stack: a table, and a line of JSON at the end.
//!
//! `cargo run --release --bin bench [-- IMAGES]`; without a file on the host, the test images in flash.

#![no_std]
#![no_main]

use firmware_tests::files::InputFile;
use firmware_tests::host::{Arguments, Failure, println};
use firmware_tests::{Arena, Stopwatch, linked, model, program, stack};
use infer_core::{KERNELS, arena_len, input_len, operators_of};

static MODEL: &[u8] = model!();
type Network<'m, 'a> = infer_core::Network<'m, 'a, { operators_of(MODEL) }>;

static ARENA: Arena<{ arena_len(MODEL) }> = Arena::new();
static IMAGE: Arena<{ input_len(MODEL) }> = Arena::new();

program!(main);

fn main() -> Result<(), Failure> {
    let pixels = IMAGE.take();
    let arguments = Arguments::from_host()?;
    let arena = ARENA.take();

    // No pixel is zero here, so that no kernel can skip one.
    pixels.iter_mut().zip((1..=u8::MAX).cycle()).for_each(|(pixel, value)| *pixel = value);
    let (dense, stack) = stack::used_by(|| {
        let mut network = Network::with_operators(MODEL, &mut *arena)?;
        let stopwatch = Stopwatch::start();
        network.classify(pixels)?;
        Ok::<_, infer_core::Error>(stopwatch.elapsed())
    });
    let dense = dense?;
    let mut network = Network::with_operators(MODEL, arena)?;

    let mut cost = Cost::default();
    match arguments.next() {
        Some(path) => {
            let mut file = InputFile::open(path)?;
            while file.read(pixels)? {
                cost.measure(&mut network, pixels)?;
            }
        }
        None => {
            for frame in linked::frames(&network)? {
                cost.measure(&mut network, frame.pixels)?;
            }
        }
    }
    if cost.images == 0 {
        return Err(Failure::Empty);
    }
    cost.print(&network, dense, stack);
    Ok(())
}

/// Stages whose costs are printed, at most.
const MOST_SHOWN: usize = 32;

/// What many images cost.
#[derive(Default)]
struct Cost {
    images: u32,
    /// Of all images together, for each stage and at last for the logits.
    stages: [u64; MOST_SHOWN],
    total: u64,
    most: u32,
}

impl Cost {
    /// Runs an image twice: as a program would, and traced, for the shares of the stages.
    fn measure(&mut self, network: &mut Network<'_, '_>, pixels: &[u8]) -> Result<(), Failure> {
        let stopwatch = Stopwatch::start();
        network.classify(pixels)?;
        let total = stopwatch.elapsed();
        self.images += 1;
        self.total += u64::from(total);
        self.most = self.most.max(total);

        let mut costs = self.stages.iter_mut();
        let mut stopwatch = Stopwatch::start();
        let mut lap = || {
            if let Some(cost) = costs.next() {
                *cost += u64::from(stopwatch.elapsed());
            }
            stopwatch = Stopwatch::start();
        };
        network.classify_traced(pixels, |_, _| lap())?;
        lap();
        Ok(())
    }

    fn print(&self, network: &Network<'_, '_>, dense: u32, stack: usize) {
        let metadata = network.metadata();
        let mean = |sum: u64| sum / u64::from(self.images);
        println!("{} with {KERNELS} kernels, instructions, mean of {} images", metadata.architecture, self.images);
        let mut costs = self.stages.iter();
        for (stage, &cost) in network.plan().stages().zip(&mut costs) {
            println!("  {:24} {:10}", stage.stage.name(), mean(cost));
        }
        println!("  {:24} {:10}", "logits", costs.next().copied().map_or(0, mean));
        println!("  {:24} {:10}", "in total", mean(self.total));
        println!("  {:24} {:10}", "most", self.most);
        println!("  {:24} {dense:10}", "input without zeros");
        println!("stack {stack} bytes, loading included; arena {} bytes", arena_len(MODEL));
        println!(
            "{{\"model\":\"{}\",\"kernels\":\"{KERNELS}\",\"images\":{},\"instructions_mean\":{},\
             \"instructions_max\":{},\"instructions_dense\":{dense},\"stack_bytes\":{stack},\"arena_bytes\":{}}}",
            metadata.architecture,
            self.images,
            mean(self.total),
            self.most,
            arena_len(MODEL),
        );
    }
}
