//! Seven models of at most 512 bytes, at odd addresses, with flipped bits and cut off: the oracle's logits or an error, and under Miri
//! (`.ci/miri`) no undefined behavior on the way.
//!
//! `THIMBLE_FLIP_EVERY` sets how many bits lie between two that are flipped: by default 1, under Miri 149.
//! `cargo run --release -p thimble-tests --example tiny_model` writes the fixtures.

use infer_core::header::{CHECKSUMMED_LEN, HEADER_LEN};
use infer_core::{Crc32, Error, Header, Network};

const MODELS: [(&str, &[u8]); 7] = [
    ("logits", include_bytes!("fixtures/small/logits.bin")),
    ("dense", include_bytes!("fixtures/small/dense.bin")),
    ("conv", include_bytes!("fixtures/small/conv.bin")),
    ("conv-pool", include_bytes!("fixtures/small/conv-pool.bin")),
    ("pool", include_bytes!("fixtures/small/pool.bin")),
    ("windows", include_bytes!("fixtures/small/windows.bin")),
    ("residual", include_bytes!("fixtures/small/residual.bin")),
];

/// A model, and images with the logits that the oracle gives them.
struct Fixture {
    name: &'static str,
    model: &'static [u8],
    header: Header,
    answers: Vec<(&'static [u8], Vec<i32>)>,
}

fn fixtures() -> Vec<Fixture> {
    let read = |(name, bytes): (&'static str, &'static [u8])| {
        let header = Header::parse(bytes).unwrap();
        let (model, answers) = bytes.split_at(HEADER_LEN + header.payload_len as usize);
        assert!(model.len() <= 512, "{name}: {} bytes", model.len());
        let (image, logits) = (header.input_len as usize, header.classes as usize);
        let answers: Vec<_> = answers
            .chunks_exact(image + 4 * logits)
            .map(|answer| {
                let (image, logits) = answer.split_at(image);
                (image, logits.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect())
            })
            .collect();
        assert_eq!(answers.len(), 2, "{name}");
        Fixture { name, model, header, answers }
    };
    MODELS.map(read).into()
}

/// Bytes at an address that is `offset` past a multiple of 16, in an allocation of their own.
struct Placed {
    words: Vec<u128>,
    offset: usize,
    len: usize,
}

impl Placed {
    fn new(len: usize, offset: usize) -> Self {
        Self { words: vec![u128::MAX / 3; (offset + len).div_ceil(16)], offset, len }
    }

    fn of(bytes: &[u8], offset: usize) -> Self {
        let mut placed = Self::new(bytes.len(), offset);
        placed.bytes_mut().copy_from_slice(bytes);
        placed
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[self.offset..][..self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[self.offset..][..self.len]
    }
}

fn run(model: &[u8], arena: &mut [u8], image: &[u8]) -> Result<Vec<i32>, Error> {
    Ok(Network::new(model, arena)?.classify(image)?.logits().to_vec())
}

/// One of how many runs is made of a model: an interpreter takes longer for the largest image than for all others.
fn share(header: &Header) -> usize {
    if cfg!(miri) && header.input_len > 64 { 4 } else { 1 }
}

#[test]
fn models_images_and_arenas_at_odd_addresses_give_the_oracles_logits() {
    for Fixture { name, model, header, answers } in fixtures() {
        let offsets = [0, 1, 6, 15].into_iter().skip(share(&header) - 1);
        for (offset, (image, logits)) in offsets.zip(answers.iter().cycle()) {
            let model = Placed::of(model, offset);
            let image = Placed::of(image, 15 - offset);
            let mut arena = Placed::new(header.arena_len as usize, (offset + 3) % 16);
            let found = run(model.bytes(), arena.bytes_mut(), image.bytes()).unwrap();
            assert_eq!(found, *logits, "{name} at {offset}");
        }
    }
}

#[test]
fn a_model_that_is_cut_off_is_refused() {
    for Fixture { name, model, header, answers } in fixtures() {
        let every = if cfg!(miri) { 61 } else { 1 };
        for len in (0..model.len()).step_by(every).chain([HEADER_LEN, model.len() - 1]) {
            // As large as what is left, so that reading on would leave the allocation.
            let cut = model[..len].to_vec();
            let mut arena = Placed::new(header.arena_len as usize, 1);
            assert!(run(&cut, arena.bytes_mut(), answers[0].0).is_err(), "{name}, {len} bytes");
        }
    }
}

#[test]
fn an_arena_or_an_image_that_is_too_short_is_refused() {
    for Fixture { name, model, header, answers } in fixtures() {
        let image = answers[0].0;
        let mut arena = vec![0; header.arena_len as usize];
        assert!(run(model, &mut arena[1..], image).is_err(), "{name}");
        assert!(run(model, &mut arena, &image[1..]).is_err(), "{name}");
    }
}

#[test]
fn flipped_bits_under_a_repaired_checksum_are_refused_or_run() {
    let every = std::env::var("THIMBLE_FLIP_EVERY").ok().and_then(|every| every.parse().ok());
    let every = every.unwrap_or(if cfg!(miri) { 149 } else { 1 });
    let (mut refused, mut ran) = (0, 0);
    for Fixture { model, header, answers, .. } in fixtures() {
        for bit in (0..8 * model.len()).step_by(every * share(&header)) {
            let mut flipped = model.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            repair(&mut flipped);
            let mut arena = Placed::new(header.arena_len as usize, bit % 16);
            match run(&flipped, arena.bytes_mut(), answers[1].0) {
                Ok(logits) => {
                    assert_eq!(logits.len(), header.classes as usize);
                    ran += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Of all flips most run; of a few, the first bit of each file among them, some.
    assert!(refused > 0 && ran > if every == 1 { refused } else { 0 }, "{refused} refused, {ran} run");
}

/// Makes the checksum right, where there are as many bytes as the header states.
fn repair(file: &mut [u8]) {
    let payload_len = u32::from_le_bytes([file[12], file[13], file[14], file[15]]) as usize;
    let payload = HEADER_LEN.checked_add(payload_len).and_then(|end| file.get(HEADER_LEN..end));
    if let Some(payload) = payload {
        let crc = Crc32::new().update(&file[..CHECKSUMMED_LEN]).update(payload).finish();
        file[CHECKSUMMED_LEN..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    }
}
