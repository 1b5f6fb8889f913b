//! Images to train and to classify: Fashion-MNIST and CIFAR-10 where they are available without a network, garments elsewhere.

use std::env;
use std::io::Write;
use std::sync::OnceLock;

use infer_core::Shape;
use trainer::dataset::{Dataset, DatasetChoice, Environment, Request, load};
use trainer::image::{Conversion, Resize};

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

/// Images of 32x32x3 in ten classes: what the directory `CIFAR_10_DIR` holds, folders of images, or else the built-in set; prints
/// which, past the test runner's capture.
///
/// # Panics
/// Where `CIFAR_10_DIR` names a directory that is no good: the proof must not shrink in silence.
pub fn color() -> &'static Dataset {
    static DATASET: OnceLock<Dataset> = OnceLock::new();
    DATASET.get_or_init(|| {
        let directory = env::var_os("CIFAR_10_DIR").map(Into::into);
        let choice = DatasetChoice::Garments;
        let shape = Shape { height: 32, width: 32, channels: 3 };
        let conversion = Some(Conversion::new(shape, Resize::Stretch).unwrap());
        let loaded =
            load(&Request { choice, data_dir: directory, conversion, quiet: true, ..Request::default() }).unwrap();
        let dataset = loaded.dataset;
        assert_eq!(dataset.class_names.len(), 10, "CIFAR_10_DIR: the folders of CIFAR-10's classes, in train and test");
        let (train, test) = (dataset.train.len(), dataset.test.len());
        let _ = writeln!(
            std::io::stderr(),
            "these proofs run on {} in color: {train} images, {test} to test on",
            dataset.name
        );
        dataset
    })
}
