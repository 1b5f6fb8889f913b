//! Any bytes as a model file: refused, or run.

use infer_core::{Header, Network};

use super::running;

/// Bytes of working memory that a caller might have to spare.
const ARENA: usize = 4096;

/// Loads and, where that works, classifies.
///
/// # Panics
/// Where infer-core does, or returns what is not so.
pub fn check(bytes: &[u8]) {
    // After every byte of the model, the arena and the image is memory that a sanitizer watches.
    let model = bytes.to_vec();
    let mut arena = vec![0xA5; ARENA];
    match Network::new(&model, &mut arena) {
        Ok(network) => {
            let header = Header::parse(&model).expect("what loads has a header");
            assert_eq!(network.input().shape.len(), header.input_len as usize);
            running::check(&model);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
