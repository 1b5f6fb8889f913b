//! The sum of two inputs, value by value.

use crate::kernels::operands::AddOperands;

/// What is the same for all values.
#[repr(C)]
pub struct Constants {
    /// What the values of each input are multiplied by.
    multipliers: [i32; 2],
    /// Bits that the sum is shifted right by.
    shift: u32,
    /// Added after the shift.
    zero_point: u32,
    /// What a sum begins with.
    start: i32,
}

impl Constants {
    /// Those of a layer.
    pub fn new(operands: &AddOperands) -> Self {
        let &AddOperands { multipliers, zero_point, shift, .. } = operands;
        Self { multipliers, shift: u32::from(shift) % 32, zero_point: zero_point.into(), start: operands.start() }
    }
}
