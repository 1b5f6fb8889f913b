//! Models small enough for an interpreter: five of at most 400 bytes that reach every kernel, its tails and its blocks, and what the oracle
//! says of two images each. `infer-core/tests/small_models.rs` runs them, under Miri too.

use infer_core::Shape;

use crate::oracle::Oracle;
use crate::random_model::{Kind, RandomModel};

/// Images of each model.
const IMAGES: u64 = 2;

/// Names, and models.
#[must_use]
pub fn models() -> [(&'static str, RandomModel); 5] {
    let model = |[height, width, channels]: [u16; 3], zero_point, layers, classes, seed| RandomModel {
        input: Shape { height, width, channels },
        zero_point,
        layers,
        classes,
        seed,
    };
    [
        ("logits", model([1, 3, 1], 0, vec![], 10, 1)),
        ("dense", model([2, 1, 3], 7, vec![Kind::Dense(9)], 2, 2)),
        ("conv", model([3, 2, 1], 3, vec![Kind::Conv(9, 2, false)], 2, 3)),
        ("conv-pool", model([4, 5, 1], 0, vec![Kind::Conv(3, 3, true), Kind::MaxPool], 2, 4)),
        ("pool", model([2, 5, 2], 200, vec![Kind::MaxPool, Kind::Conv(1, 1, true), Kind::MaxPool], 3, 5)),
    ]
}

/// A fixture: the model file; what is behind it nobody reads but the test, image after image with its logits, 4 bytes each.
#[must_use]
pub fn fixture(model: &RandomModel) -> Vec<u8> {
    let file = model.file();
    let oracle = Oracle::new(&file);
    let mut fixture = file.clone();
    for index in 0..IMAGES {
        // The second of three is sparse, the third has no zeros.
        let image = model.picture(index + 1);
        let answer = oracle.run(&image);
        fixture.extend(&image);
        fixture.extend(answer.logits.iter().flat_map(|&logit| i32::try_from(logit).unwrap_or(0).to_le_bytes()));
    }
    fixture
}
