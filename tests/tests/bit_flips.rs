//! Every single bit of a small model's header and payload, flipped, with the checksum repaired and without.

use infer_core::{Error, Header};
use thimble_tests::bit_flips::{CHECKSUM, flipped, load_and_run};
use thimble_tests::oracle::Oracle;
use thimble_tests::tiny;

#[test]
fn every_flipped_bit_under_a_repaired_checksum_is_refused_or_gives_the_oracles_logits() {
    let model = tiny::model();
    let (file, pixels) = (model.file(), model.image(2));
    let honest = Header::parse(&file).unwrap();
    let (mut refused, mut equal, mut wrapped) = (0, 0, 0);
    for bit in 0..8 * file.len() {
        let broken = flipped(&file, bit);
        match load_and_run(&broken, &honest, &pixels) {
            Err(Error::Checksum { .. }) => {
                assert!(CHECKSUM.contains(&(bit / 8)), "the checksum of bit {bit} was not repaired");
                refused += 1;
            }
            Err(_) => refused += 1,
            Ok(found) => {
                let answer = Oracle::new(&broken).run(&pixels);
                if answer.overflows {
                    wrapped += 1;
                } else {
                    assert_eq!(
                        found.iter().map(|&logit| logit.into()).collect::<Vec<i64>>(),
                        answer.logits,
                        "bit {bit}"
                    );
                    equal += 1;
                }
            }
        }
    }
    println!("{} flips: {refused} refused, {equal} run as the oracle does, {wrapped} run and wrap", 8 * file.len());
    // docs/security.md states that, and chips have to come to the same.
    assert_eq!((refused, equal + wrapped), (1396, 3372));
    // Most bits are weights, biases and multipliers, and any of those is one.
    assert!(equal > 3000, "only {equal} could be compared");
}

#[test]
fn every_flipped_bit_is_refused_where_the_checksum_is_not_repaired() {
    let file = tiny::model().file();
    let honest = Header::parse(&file).unwrap();
    for bit in 0..8 * file.len() {
        let mut broken = file.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        load_and_run(&broken, &honest, &[0; 84]).expect_err("a CRC finds every flipped bit");
    }
}

#[test]
fn nothing_is_read_after_a_model_or_an_image_and_nothing_written_around_an_arena() {
    // What is next to them must not matter, and must stay; that nothing is read there at all is for the sanitizer and the
    // fences of the chip to find.
    let model = tiny::model();
    let (file, pixels) = (model.file(), model.image(2));
    let arena_len = Header::parse(&file).unwrap().arena_len as usize;
    let mut expected = None;
    for noise in [0x00, 0x5A, 0xFF] {
        let around = |bytes: &[u8]| [&[noise; 64][..], bytes, &[noise; 64]].concat();
        let (file, pixels, mut arena) = (around(&file), around(&pixels), vec![noise; arena_len + 128]);
        let inside = |bytes: usize| 64..bytes - 64;
        let mut network =
            infer_core::Network::new(&file[inside(file.len())], &mut arena[inside(arena_len + 128)]).unwrap();
        let logits = network.classify(&pixels[inside(pixels.len())]).unwrap().logits().to_vec();
        assert_eq!(*expected.get_or_insert_with(|| logits.clone()), logits);
        assert!(arena[..64].iter().chain(&arena[64 + arena_len..]).all(|&byte| byte == noise), "noise {noise:#x}");
    }
}
