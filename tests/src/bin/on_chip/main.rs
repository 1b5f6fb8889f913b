//! The host's side of what runs on the chip: pictures for it to read, and a check of the logits that it wrote.
//!
//! ```text
//! on_chip pictures MODEL PICTURES COUNT   writes COUNT test pictures for this model, one behind the other
//! on_chip compare MODEL PICTURES LOGITS   checks logits against infer-core on the host and against the oracle
//! on_chip flash ELF                       prints the bytes of flash that a program takes
//! on_chip samples DIRECTORY               writes the pictures that firmware-example keeps in flash
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, thread};

use infer_core::{Header, Network};
use thimble_tests::oracle::Oracle;
use thimble_tests::pictures;
use trainer::data::{Dataset, DatasetChoice, Environment, Images, Request, load};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["pictures", model, pictures, count] => write_pictures(model, pictures, count),
        ["compare", model, pictures, logits] => compare(model, pictures, logits),
        ["flash", elf] => print_flash(elf),
        ["samples", directory] => write_samples(Path::new(directory)),
        _ => Err("usage: on_chip pictures MODEL PICTURES COUNT | compare MODEL PICTURES LOGITS | flash ELF | \
                  samples DIRECTORY"
            .into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("on_chip: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_pictures(model: &str, pictures: &str, count: &str) -> Outcome<()> {
    let count: usize = count.parse()?;
    let header = Header::parse(&fs::read(model)?)?;
    let test = &pictures::dataset().test;
    if test.shape().len() != header.input_len as usize {
        return Err(format!("{model} takes {} bytes, the test pictures are {}", header.input_len, test.shape()).into());
    }
    if count > test.len() {
        return Err(format!("{count} pictures asked for, there are {}", test.len()).into());
    }
    let bytes: Vec<u8> = (0..count).flat_map(|index| test.image(index)).copied().collect();
    fs::write(pictures, bytes)?;
    Ok(())
}

/// Every logit of every picture, the chip's against infer-core's here and against the oracle's.
fn compare(model: &str, pictures: &str, logits: &str) -> Outcome<()> {
    let (model, pictures, logits) = (fs::read(model)?, fs::read(pictures)?, fs::read(logits)?);
    let header = Header::parse(&model)?;
    let (picture_len, answer_len) = (header.input_len as usize, header.classes as usize * size_of::<i32>());
    let count = pictures.len() / picture_len;
    if count == 0 || logits.len() != count * answer_len {
        return Err(
            format!("{} bytes of logits where {count} pictures ask for {}", logits.len(), count * answer_len).into()
        );
    }
    let threads = thread::available_parallelism()?.get();
    let share = count.div_ceil(threads);
    let found: Vec<Result<Vec<String>, infer_core::Error>> = thread::scope(|scope| {
        let parts = pictures.chunks(share * picture_len).zip(logits.chunks(share * answer_len)).enumerate();
        let workers: Vec<_> = parts
            .map(|(part, (pictures, logits))| {
                let model = &model;
                scope.spawn(move || differences(model, part * share, pictures, logits))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect()
    });
    let mut different = Vec::new();
    for part in found {
        different.extend(part?);
    }
    different.iter().take(10).for_each(|line| eprintln!("{line}"));
    println!("{count} pictures, {} mismatches", different.len());
    if different.is_empty() { Ok(()) } else { Err("the chip computes something else than the host".into()) }
}

/// One line for each picture whose logits are not the same three times.
fn differences(model: &[u8], first: usize, pictures: &[u8], logits: &[u8]) -> Result<Vec<String>, infer_core::Error> {
    let header = Header::parse(model)?;
    let mut arena = vec![0; header.arena_len as usize];
    let mut network = Network::new(model, &mut arena)?;
    let oracle = Oracle::new(model);
    let mut lines = Vec::new();
    let answers = logits.chunks_exact(header.classes as usize * size_of::<i32>());
    for (index, (pixels, chip)) in pictures.chunks_exact(header.input_len as usize).zip(answers).enumerate() {
        let chip: Vec<i32> = chip.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
        let host = network.classify(pixels)?.logits();
        let oracle = oracle.run(pixels).logits;
        if chip != host || oracle != chip.iter().copied().map(i64::from).collect::<Vec<_>>() {
            lines.push(format!("picture {}: chip {chip:?}, host {host:?}, oracle {oracle:?}", first + index));
        }
    }
    Ok(lines)
}

/// The sum of the loaded segments of a 32-bit little-endian ELF file: what a programmer would write to flash.
fn print_flash(elf: &str) -> Outcome<()> {
    const LOADED: u32 = 1;
    let elf = fs::read(elf)?;
    let half = |at: usize| Some(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let flash = || {
        let (table, entry_len, entries) = (word(28)? as usize, usize::from(half(42)?), usize::from(half(44)?));
        let segments = (0..entries).map(|entry| table + entry * entry_len);
        segments.map(|at| Some(if word(at)? == LOADED { word(at + 16)? } else { 0 })).sum::<Option<u32>>()
    };
    if !elf.starts_with(b"\x7fELF\x01\x01") {
        return Err("not a 32-bit little-endian ELF file".into());
    }
    println!("{}", flash().ok_or("the ELF file is truncated")?);
    Ok(())
}

/// The first test picture of each class, of both data sets: a byte for the class, then the pixels.
fn write_samples(directory: &Path) -> Outcome<()> {
    let write = |dataset: &Dataset| {
        let test: &Images = &dataset.test;
        let mut samples = Vec::new();
        for class in 0..dataset.class_names.len() as u8 {
            let index = test.labels().iter().position(|&label| label == class).ok_or("a class without pictures")?;
            samples.push(class);
            samples.extend(test.image(index));
        }
        fs::write(directory.join(&dataset.name).with_extension("pictures"), samples)?;
        Outcome::Ok(())
    };
    let source = |choice| {
        let data_dir = Environment::from_process().fashion_mnist_dir.filter(|_| choice == DatasetChoice::FashionMnist);
        load(&Request { choice, data_dir, ..Request::default() })
    };
    write(&source(DatasetChoice::FashionMnist)?.dataset)?;
    write(&source(DatasetChoice::Garments)?.dataset)
}
