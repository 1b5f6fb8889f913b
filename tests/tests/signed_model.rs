//! A signature after a model: what was signed loads, and nothing else does, however well its checksum fits.

use ed25519_compact::{KeyPair, Seed};
use infer_core::header::HEADER_LEN;
use infer_core::{Error, Header, Network};
use thimble_tests::bit_flips::flipped;
use thimble_tests::signed::{Refusal, SIGNATURE_LEN, sign, verified};
use thimble_tests::tiny;

fn keys(seed: u8) -> KeyPair {
    KeyPair::from_seed(Seed::new([seed; 32]))
}

#[test]
fn what_was_signed_loads_with_and_without_a_look_at_the_signature() {
    let model = tiny::model().file();
    let signed = sign(&model, &keys(1).sk);
    assert_eq!(verified(&signed, &keys(1).pk), Ok(&model[..]));
    // The rest of a sector of flash does not matter.
    let sector = [&signed[..], &[0xFF; 100]].concat();
    let found = verified(&sector, &keys(1).pk).unwrap();
    let mut arena = vec![0; Header::parse(found).unwrap().arena_len as usize];
    let mut network = Network::new(found, &mut arena).unwrap();
    let logits = network.classify(&[9; 84]).unwrap().logits().to_vec();
    let mut network = Network::new(&sector, &mut arena).unwrap();
    assert_eq!(network.classify(&[9; 84]).unwrap().logits(), logits);
}

#[test]
fn a_changed_bit_in_any_byte_is_refused_though_the_checksum_is_right() {
    let model = tiny::model().file();
    let signed = sign(&model, &keys(1).sk);
    let mut loadable = 0;
    for byte in 0..signed.len() {
        let broken = if byte < model.len() {
            // A bit that moves with the byte, so that all of them are seen.
            let forged = flipped(&model, 8 * byte + byte % 8);
            let mut arena = [0; 4096];
            loadable += usize::from(Network::new(&forged, &mut arena).is_ok());
            [&forged[..], &signed[model.len()..]].concat()
        } else {
            let mut broken = signed.clone();
            broken[byte] ^= 1 << (byte % 8);
            broken
        };
        assert!(verified(&broken, &keys(1).pk).is_err(), "byte {byte}");
    }
    assert!(loadable > 300, "only {loadable} of them would have loaded: a checksum is no signature");
}

#[test]
fn refusals_name_what_is_missing() {
    let model = tiny::model().file();
    let signed = sign(&model, &keys(1).sk);
    let refuse = |flash: &[u8]| verified(flash, &keys(1).pk).unwrap_err();
    assert_eq!(refuse(&model), Refusal::NoSignature);
    assert_eq!(refuse(&signed[..signed.len() - 1]), Refusal::NoSignature);
    assert_eq!(refuse(&signed[..100]), Refusal::Model(Error::Truncated { needed: model.len(), given: 100 }));
    assert_eq!(refuse(&[0xFF; 256]), Refusal::Model(Error::NotAModel));
    assert_eq!(refuse(&[&model[..], &[0; SIGNATURE_LEN]].concat()), Refusal::Signature);
    assert_eq!(verified(&signed, &keys(2).pk), Err(Refusal::Signature), "another key");
    // A shorter length in the header: the signature is of other bytes, and is elsewhere.
    let mut shorter = signed.clone();
    shorter[12..16].copy_from_slice(&((model.len() - HEADER_LEN - 1) as u32).to_le_bytes());
    assert_eq!(refuse(&shorter), Refusal::Signature);
}
