//! Fully connected layers of every tail.

use super::std::vec;

use super::{Coverage, Dense, Logits, Numbers, versions};
use crate::format::Layout;
use crate::kernels::operands::{ChannelTable, DenseOperands, LogitsOperands};
use crate::kernels::portable;

/// As many rows as are computed at a time, and more: what is left may be one row, full blocks, or again too many.
const MANY_ROWS: [usize; 6] = [288, 289, 353, 464, 465, 1000];

#[test]
fn dense_layers_of_every_tail_give_the_codes_of_the_portable_kernel() {
    let mut coverage = Coverage::default();
    let sizes = (1..=40).flat_map(|rows| [1, 2, 3, 31, 4999].map(|inputs| (rows, inputs)));
    for (rows, inputs) in sizes.chain(MANY_ROWS.map(|rows| (rows, 333))) {
        let Numbers { codes, weights, channels, rescale } = Numbers::new(inputs, rows, inputs);
        let channels = ChannelTable::new(&channels);
        let operands =
            DenseOperands { outputs: rows as u16, rescale, channels, layout: Layout::Compact, weights: &weights };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; rows];
        portable::dense(&codes, &operands, &mut scratch, &mut expected);
        coverage.count(&expected);
        for (name, dense) in versions!(dense as Dense) {
            let mut found = vec![2; rows];
            dense(&codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{name}, {rows} rows of {inputs}");
        }
    }
}

#[test]
fn logits_of_every_tail_are_those_of_the_portable_kernel() {
    let sizes = (1..=40).flat_map(|rows| [1, 100, 333].map(|inputs| (rows, inputs)));
    for (rows, inputs) in sizes.chain(MANY_ROWS.map(|rows| (rows, 100))) {
        let Numbers { codes, weights, channels, .. } = Numbers::new(inputs, rows, inputs);
        let operands = LogitsOperands {
            classes: rows as u16,
            scale: 1.0,
            biases: &channels[..4 * rows],
            layout: Layout::Compact,
            weights: &weights,
        };
        let mut scratch = vec![0xDEAD_BEEF; operands.scratch_len()];
        let mut expected = vec![1; rows];
        portable::logits(&codes, &operands, &mut scratch, &mut expected);
        for (name, logits) in versions!(logits as Logits) {
            let mut found = vec![2; rows];
            logits(&codes, &operands, &mut scratch, &mut found);
            assert_eq!(found, expected, "{name}, {rows} rows of {inputs}");
        }
    }
}
