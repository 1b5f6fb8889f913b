//! Fashion-MNIST where it is available without a network, garments elsewhere.

use std::io::Write;
use std::sync::OnceLock;

use trainer::dataset::{Dataset, DatasetChoice, Environment, Request, load};

/// What `FASHION_MNIST_DIR` or the cache holds, or else the built-in set; prints which, past the test runner's capture.
///
/// # Panics
/// Where `FASHION_MNIST_DIR` names a directory that is no good: the proof must not shrink in silence.
pub fn dataset() -> &'static Dataset {
    static DATASET: OnceLock<Dataset> = OnceLock::new();
    DATASET.get_or_init(|| {
        let environment = Environment::from_process();
        let cache = environment.fashion_mnist_in_cache();
        let directory = environment.fashion_mnist_dir.or(cache);
        let choice = if directory.is_some() { DatasetChoice::FashionMnist } else { DatasetChoice::Garments };
        let loaded = load(&Request { choice, data_dir: directory, ..Request::default() }).unwrap();
        let name = &loaded.dataset.name;
        let _ = writeln!(std::io::stderr(), "these proofs run on {name}, {}", loaded.origin);
        loaded.dataset
    })
}
