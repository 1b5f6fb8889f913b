//! Test pictures for a model, and the logits that a chip computed for them.

use std::{fs, thread};

use infer_core::{Header, Network};
use thimble_tests::oracle::Oracle;
use thimble_tests::pictures;
use trainer::dataset::{Request, load};

use crate::Outcome;

/// Writes the first `count` test pictures, one behind the other: of a named data set, or of the directory `data` as the model
/// would see them.
pub fn write_pictures(model: &str, pictures: &str, count: &str, data: Option<&str>) -> Outcome<()> {
    let count: usize = count.parse()?;
    let file = fs::read(model)?;
    let header = Header::parse(&file)?;
    let test = match data {
        Some(directory) => {
            let mut arena = vec![0; header.arena_len as usize];
            let network = Network::new(&file, &mut arena)?;
            let request =
                Request::to_test(&network.metadata(), network.input().shape, Some(directory.as_ref()), false)?;
            &load(&request)?.dataset.test
        }
        None => &pictures::dataset().test,
    };
    if test.shape().len() != header.input_len as usize {
        return Err(format!("{model} takes {} bytes, the test pictures are {}", header.input_len, test.shape()).into());
    }
    if count > test.len() {
        return Err(format!("{count} pictures asked for, there are {}", test.len()).into());
    }
    let mut bytes = Vec::new();
    for index in 0..count {
        bytes.extend_from_slice(&test.image(index)?);
    }
    fs::write(pictures, bytes)?;
    Ok(())
}

/// Checks every logit of every picture, the chip's against infer-core's here and against the oracle's.
pub fn compare(model: &str, pictures: &str, logits: &str) -> Outcome<()> {
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
pub fn differences(
    model: &[u8],
    first: usize,
    pictures: &[u8],
    logits: &[u8],
) -> Result<Vec<String>, infer_core::Error> {
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
