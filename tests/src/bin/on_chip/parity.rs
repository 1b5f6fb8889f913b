//! Test images for a model, and the logits that a chip computed for them.

use std::{fs, thread};

use infer_core::{Header, Network};
use thimble_tests::images;
use thimble_tests::oracle::Oracle;
use trainer::dataset::{Request, load};
use trainer::support::rng::{Purpose, RngExt, stream};

use crate::Outcome;

/// Writes the first `count` test images, one after the other: of a named data set, or of the directory `data` as the model
/// would see them.
pub fn write_images(model: &str, images: &str, count: &str, data: Option<&str>) -> Outcome<()> {
    let count: usize = count.parse()?;
    let file = fs::read(model)?;
    let header = Header::parse(&file)?;
    let test = match data {
        Some(directory) => {
            let mut arena = vec![0; header.arena_len as usize];
            let network = Network::new(&file, &mut arena)?;
            let request = Request::to_test(&network.metadata(), &network.input(), Some(directory.as_ref()), false)?;
            &load(&request)?.dataset.test
        }
        None => &images::dataset().test,
    };
    if test.shape().len() != header.input_len as usize {
        return Err(format!("{model} takes {} bytes, the test images are {}", header.input_len, test.shape()).into());
    }
    if count > test.len() {
        return Err(format!("{count} images requested, there are {}", test.len()).into());
    }
    let mut bytes = Vec::new();
    for index in 0..count {
        bytes.extend_from_slice(&test.image(index)?);
    }
    fs::write(images, bytes)?;
    Ok(())
}

/// Writes `count` inputs that are no images: half of them noise, half a noise of a few levels. For networks whose input no picture has
/// the shape of.
pub fn write_noise(model: &str, images: &str, count: &str) -> Outcome<()> {
    let count: usize = count.parse()?;
    let length = Header::parse(&fs::read(model)?)?.input_len as usize;
    let mut generator = stream(48, Purpose::Garments, 0);
    let mut bytes = Vec::with_capacity(count * length);
    for index in 0..count {
        let levels: u8 = if index % 2 == 0 { u8::MAX } else { 3 };
        let [low, step]: [u8; 2] = generator.random();
        bytes.extend((0..length).map(|_| match levels {
            u8::MAX => generator.random(),
            levels => low.wrapping_add((step / 4).wrapping_mul(generator.random_range(0..=levels))),
        }));
    }
    fs::write(images, bytes)?;
    Ok(())
}

/// Checks every logit of every image, the chip's against infer-core's here and against the oracle's.
pub fn compare(model: &str, images: &str, logits: &str) -> Outcome<()> {
    let (model, images, logits) = (fs::read(model)?, fs::read(images)?, fs::read(logits)?);
    let header = Header::parse(&model)?;
    let (image_len, answer_len) = (header.input_len as usize, header.classes as usize * size_of::<i32>());
    let count = images.len() / image_len;
    if count == 0 || logits.len() != count * answer_len {
        return Err(format!("{} bytes of logits where {count} images need {}", logits.len(), count * answer_len).into());
    }
    let threads = thread::available_parallelism()?.get();
    let share = count.div_ceil(threads);
    let found: Vec<Result<Vec<String>, infer_core::Error>> = thread::scope(|scope| {
        let parts = images.chunks(share * image_len).zip(logits.chunks(share * answer_len)).enumerate();
        let workers: Vec<_> = parts
            .map(|(part, (images, logits))| {
                let model = &model;
                scope.spawn(move || differences(model, part * share, images, logits))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect()
    });
    let mut different = Vec::new();
    for part in found {
        different.extend(part?);
    }
    different.iter().take(10).for_each(|line| eprintln!("{line}"));
    println!("{count} images, {} mismatches", different.len());
    if different.is_empty() { Ok(()) } else { Err("the chip computes something else than the host".into()) }
}

/// One line for each image whose logits are not the same three times.
pub fn differences(model: &[u8], first: usize, images: &[u8], logits: &[u8]) -> Result<Vec<String>, infer_core::Error> {
    let header = Header::parse(model)?;
    let mut arena = vec![0; header.arena_len as usize];
    let mut network = Network::new(model, &mut arena)?;
    let oracle = Oracle::new(model);
    let mut lines = Vec::new();
    let answers = logits.chunks_exact(header.classes as usize * size_of::<i32>());
    for (index, (pixels, chip)) in images.chunks_exact(header.input_len as usize).zip(answers).enumerate() {
        let chip: Vec<i32> = chip.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
        let host = network.classify(pixels)?.logits();
        let oracle = oracle.run(pixels).logits;
        if chip != host || oracle != chip.iter().copied().map(i64::from).collect::<Vec<_>>() {
            lines.push(format!("image {}: chip {chip:?}, host {host:?}, oracle {oracle:?}", first + index));
        }
    }
    Ok(lines)
}
