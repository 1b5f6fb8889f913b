//! The sum of two inputs, in loops that the compiler makes vectors of.

use crate::kernels::operands::AddOperands;

/// Values at a time.
const LANES: usize = 64;

/// Adds `other`, the second input, to the first one, which is in `sums`.
#[inline(always)]
pub fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let ((sums, last_sums), (other, last_other)) = (sums.as_chunks_mut::<LANES>(), other.as_chunks::<LANES>());
    for (sums, other) in sums.iter_mut().zip(other) {
        add_lanes(other, operands, sums);
    }
    add_lanes(last_other, operands, last_sums);
}

/// As in `portable`.
#[inline(always)]
fn add_lanes(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let &AddOperands { multipliers: [m1, m2], zero_points: [zp1, zp2], zero_point, shift, .. } = operands;
    let product = |code: u8, multiplier: i32| i32::from(code).wrapping_mul(multiplier);
    let half = 1i32.wrapping_shl(shift.into()) >> 1;
    let constant = half.wrapping_sub(product(zp1, m1)).wrapping_sub(product(zp2, m2));
    for (sum, &other) in sums.iter_mut().zip(other) {
        let total = product(*sum, m1).wrapping_add(product(other, m2)).wrapping_add(constant);
        *sum = total.wrapping_shr(shift.into()).wrapping_add(zero_point.into()).clamp(0, 255) as u8;
    }
}
