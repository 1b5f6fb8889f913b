//! Models small enough for an interpreter: seven of at most 512 bytes that reach every kernel, its tails and its blocks, and what the oracle
//! computes for two images each. `infer-core/tests/small_models.rs` runs them, under Miri too.

use infer_core::Shape;
use infer_core::format::Window;
use infer_core::plan::Places;

use crate::oracle::Oracle;
use crate::random_graph::{Node, RandomGraph};
use crate::random_model::{Kind, RandomModel, square};

/// Images of each model.
const IMAGES: u64 = 2;

/// Names, and fixtures: a model file; what comes after it only the test reads, image after image with its logits, 4 bytes
/// each.
#[must_use]
pub fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let chains = chains().map(|(name, model)| (name, fixture(&model.file(), |index| model.image(index))));
    let graph = residual();
    let residual = fixture(&graph.file(Places::Overlapping), |index| graph.image(index));
    chains.into_iter().chain([("residual", residual)]).collect()
}

/// A sum in place, and a convolution whose rows run over those of its input. The pool keeps what the logits need below what these do.
fn residual() -> RandomGraph {
    let conv = |kernel, pool| Node::Conv { from: 0, channels: 2, window: square(kernel, true), pool };
    let nodes = vec![conv(1, false), conv(1, false), Node::Add { from: 0, also: 0 }, conv(2, false), conv(1, true)];
    RandomGraph { input: Shape { height: 28, width: 4, channels: 1 }, zero_point: 0, nodes, classes: 2, seed: 6 }
}

fn chains() -> [(&'static str, RandomModel); 6] {
    let model = |[height, width, channels]: [u16; 3], zero_point, layers, classes, seed| RandomModel {
        input: Shape { height, width, channels },
        zero_point,
        layers,
        classes,
        seed,
    };
    let windows = [
        Kind::Depthwise(2, Window { size: [2, 3], stride: [1, 2], padding: [0, 1, 1, 1] }),
        Kind::MaxPool(Window { size: [2, 1], stride: [2, 1], padding: [1, 0, 0, 0] }),
        Kind::AveragePool(Window { size: [1, 2], stride: [1, 1], padding: [0, 0, 0, 1] }),
    ];
    [
        ("logits", model([1, 3, 1], 0, vec![], 10, 1)),
        ("dense", model([2, 1, 3], 7, vec![Kind::Dense(9)], 2, 2)),
        ("conv", model([3, 2, 1], 3, vec![Kind::square(9, 2, false)], 2, 3)),
        ("conv-pool", model([4, 5, 1], 0, vec![Kind::square(3, 3, true), Kind::HALVES], 2, 4)),
        ("pool", model([2, 5, 2], 200, vec![Kind::HALVES, Kind::square(1, 1, true), Kind::HALVES], 3, 5)),
        ("windows", model([3, 5, 1], 9, windows.to_vec(), 2, 7)),
    ]
}

fn fixture(file: &[u8], image: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let oracle = Oracle::new(file);
    let mut fixture = file.to_vec();
    for index in 0..IMAGES {
        // The second of three is sparse, the third has no zeros.
        let image = image(index + 1);
        let answer = oracle.run(&image);
        fixture.extend(&image);
        fixture.extend(answer.logits.iter().flat_map(|&logit| i32::try_from(logit).unwrap_or(0).to_le_bytes()));
    }
    fixture
}
