//! The smallest model with every kind of layer: what infer-core's examples include.

use infer_core::Shape;

use crate::random_model::{Kind, RandomModel};

/// Conv 3x3x3 same, max-pool, conv 2x2x4 valid, dense 6, three classes, on images of 6x7x2.
#[must_use]
pub fn model() -> RandomModel {
    RandomModel {
        input: Shape { height: 6, width: 7, channels: 2 },
        zero_point: 3,
        layers: vec![Kind::square(3, 3, true), Kind::HALVES, Kind::square(4, 2, false), Kind::Dense(6)],
        classes: 3,
        seed: 48,
    }
}
