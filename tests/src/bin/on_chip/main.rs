//! The host's side of what runs on the chip: models and images for it to read, and checks of what it wrote.
//!
//! ```text
//! on_chip images MODEL IMAGES COUNT [DATA]      writes COUNT test images for this model, of the directory DATA or of a named
//!                                           set, one after the other
//! on_chip noise MODEL IMAGES COUNT          writes COUNT inputs for this model that are no images
//! on_chip compare MODEL IMAGES LOGITS       checks logits against infer-core on the host and against the oracle
//! on_chip thresholds MODEL IMAGES COPY      writes the model with thresholds that half of its answers reach
//! on_chip compare-decisions MODEL IMAGES DECISIONS  checks what a core decided
//! on_chip frames FRAMES COUNT                writes COUNT frames of each format and of three sizes
//! on_chip compare-frames MODEL COUNT RESULTS checks what a core made of them
//! on_chip shapes BUNDLE COUNT               writes COUNT random networks, each with three images
//! on_chip compare-shapes BUNDLE LOGITS      checks their logits
//! on_chip flips BUNDLE                      writes a small model, of which every bit is to be flipped, and an image
//! on_chip compare-flips FATES               checks what became of each flip
//! on_chip synthetic NAME MODEL IMAGES       writes a network of known shape and random weights, and images
//! on_chip measured BUNDLE                   writes the networks that costs are measured with
//! on_chip fit-costs CORE CODE MEASURED      prints what programs and these networks were measured to take as an entry of cores.toml
//! on_chip counted CORE MEASURED             prints what whole networks of them were measured to take as lines of networks.tsv
//! on_chip cycles CORE TRACE IMAGES [FUNCTIONS]  models the cycles of an image from a trace of the emulator; FUNCTIONS is 1 to list them
//! on_chip flash ELF                         prints the bytes of flash that a program takes
//! on_chip kernels ELF                       prints those of infer-core's kernels in it
//! on_chip starts ELF                        checks that a program has a vector table and code that it starts with
//! on_chip samples DIRECTORY                 writes the test images that firmware-example always holds
//! ```

mod camera;
mod costs;
mod cycles;
mod decisions;
mod elf;
mod flips;
mod parity;
mod shapes;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use trainer::dataset::{Dataset, DatasetChoice, Environment, Images, Request, load};
use trainer::export::frames;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["images", model, images, count] => parity::write_images(model, images, count, None),
        ["images", model, images, count, data] => parity::write_images(model, images, count, Some(data)),
        ["noise", model, images, count] => parity::write_noise(model, images, count),
        ["compare", model, images, logits] => parity::compare(model, images, logits),
        ["thresholds", model, images, copy] => decisions::write_thresholds(model, images, copy),
        ["compare-decisions", model, images, found] => decisions::compare(model, images, found),
        ["frames", frames, count] => camera::write_frames(frames, count),
        ["compare-frames", model, count, results] => camera::compare(model, count, results),
        ["shapes", bundle, count] => shapes::write(bundle, count),
        ["compare-shapes", bundle, logits] => shapes::compare(bundle, logits),
        ["flips", bundle] => flips::write(bundle),
        ["compare-flips", fates] => flips::compare(fates),
        ["synthetic", name, model, images] => shapes::synthetic(name, model, images),
        ["measured", bundle] => shapes::write_measured(bundle),
        ["fit-costs", core, code, measured, traced] => costs::fit(core, code, measured, traced),
        ["counted", core, measured] => costs::print_counted(core, measured),
        ["cycles", core, trace, images] => cycles::print(core, trace, images, false),
        ["cycles", core, trace, images, functions] => cycles::print(core, trace, images, functions == "1"),
        ["flash", elf] => elf::flash(elf).map(|bytes| println!("{bytes}")),
        ["kernels", elf] => elf::kernels(elf).map(|bytes| println!("{bytes}")),
        ["starts", elf] => elf::starts(elf),
        ["samples", directory] => write_samples(Path::new(directory)),
        _ => Err(
            "usage: on_chip images MODEL IMAGES COUNT [DATA] | noise MODEL IMAGES COUNT | compare MODEL IMAGES LOGITS | thresholds MODEL IMAGES COPY | compare-decisions MODEL IMAGES DECISIONS | frames FRAMES COUNT | compare-frames MODEL COUNT RESULTS | shapes BUNDLE COUNT | \
                  compare-shapes BUNDLE LOGITS | flips BUNDLE | compare-flips FATES | \
                  synthetic mlp|cnn|conv|conv-pool|chain|sums|everything|all|LAYER|ARCHITECTURE MODEL IMAGES | measured BUNDLE | \
                  fit-costs CORE CODE MEASURED TRACED | counted CORE MEASURED | cycles CORE TRACE IMAGES [1] | flash ELF | \
                  kernels ELF | starts ELF | samples DIRECTORY"
                .into(),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("on_chip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first test image of each class, of both data sets.
fn write_samples(directory: &Path) -> Outcome<()> {
    let write = |dataset: &Dataset| {
        let test: &Images = &dataset.test;
        let chosen = frames::choose(test, dataset.class_names.len());
        let file = frames::encode(test, &chosen)?;
        fs::write(directory.join(&dataset.name).with_extension("frames"), file)?;
        Outcome::Ok(())
    };
    let source = |choice| {
        let data_dir = Environment::from_process().fashion_mnist_dir.filter(|_| choice == DatasetChoice::FashionMnist);
        load(&Request { choice, data_dir, ..Request::default() })
    };
    write(&source(DatasetChoice::FashionMnist)?.dataset)?;
    write(&source(DatasetChoice::Garments)?.dataset)
}
