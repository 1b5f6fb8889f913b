//! Sums of two inputs.

use super::std::vec;
use super::std::vec::Vec;

use super::bytes;
use crate::kernels::Chosen;
use crate::kernels::operands::AddOperands;
use crate::operators::Stage;

#[test]
fn sums_are_rounded_once_and_clamped_in_and_out_of_place() {
    let (first, second) = (bytes(1, 700), bytes(2, 700));
    for (multipliers, shift) in
        [([1, 1], 1), ([3, 5], 2), ([8000, 12000], 14), ([(1 << 22) - 1; 2], 23), ([1, 4_000_000], 1)]
    {
        for zero_points in [[0, 0], [255, 255], [0, 255], [128, 7]] {
            let zero_point = zero_points[1] / 2;
            let operands = AddOperands { len: 700, multipliers, zero_points, zero_point, shift };
            let expected: Vec<u8> = (0..700)
                .map(|at| {
                    let product = |code: u8, which: usize| {
                        i128::from(i64::from(code) - i64::from(zero_points[which])) * i128::from(multipliers[which])
                    };
                    let exact = product(first[at], 0) + product(second[at], 1);
                    let rounded = (2 * exact + (1 << shift)).div_euclid(2 << shift);
                    (rounded + i128::from(zero_point)).clamp(0, 255) as u8
                })
                .collect();
            let stage = Stage::Add(operands);
            let mut found = vec![9; 700];
            stage.call::<Chosen>(&first, &second, &mut [], &mut found);
            assert_eq!(found, expected, "{operands:?}");
            found.copy_from_slice(&first);
            stage.call::<Chosen>(&second, &[], &mut [], &mut found);
            assert_eq!(found, expected, "in place of the first, {operands:?}");
            let mut swapped = stage;
            swapped.swap_inputs();
            found.copy_from_slice(&second);
            swapped.call::<Chosen>(&first, &[], &mut [], &mut found);
            assert_eq!(found, expected, "in place of the second, {operands:?}");
        }
    }
}
