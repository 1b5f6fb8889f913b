//! Any bytes as a header: what it states is what is read, and a claim that is not true of the payload is refused.

use infer_core::header::HEADER_LEN;
use infer_core::{Error, Header, Network};

/// infer-core's own example, 512 bytes.
const HONEST: &[u8] = include_bytes!("../../infer-core/tests/fixtures/tiny.bin");

/// Reads a header, and puts it before an honest payload with the checksum repaired.
///
/// # Panics
/// Where infer-core does, or returns what is not so.
pub fn check(bytes: &[u8]) {
    let header = match Header::parse(bytes) {
        Ok(header) => header,
        Err(Error::Truncated { needed, given }) => {
            assert!(needed == HEADER_LEN && given == bytes.len() && given < needed);
            return;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(header.to_bytes(), bytes[..HEADER_LEN], "a header is written as it was read");

    let honest = Header::parse(HONEST).expect("the fixture is a model");
    let payload = &HONEST[HEADER_LEN..];
    let covered = payload.get(..header.payload_len as usize).unwrap_or(payload);
    let claim = header.with_checksum_of(covered);
    let model = [&claim.to_bytes()[..], payload].concat();
    let mut arena = vec![0xA5; honest.arena_len as usize];
    let loaded = Network::new(&model, &mut arena);
    // Any temperature and any threshold in range will do.
    let Header { temperature, threshold, .. } = claim;
    let is_in_range = (1.0 / 1024.0..=1024.0).contains(&temperature) && (0.0..=1.0).contains(&threshold);
    let is_in_range = is_in_range && threshold.is_sign_positive();
    let is_honest = claim == Header { temperature, threshold, ..honest }.with_checksum_of(covered);
    assert_eq!(loaded.is_ok(), is_in_range && is_honest, "{claim:?}: {:?}", loaded.err());
}
