//! The sum of two inputs of the same shape, bit for bit as TFLite's reference kernels compute it.

use serde::{Deserialize, Serialize};

use super::operator::{Call, Flow, Overlap, Record, beside_the_output, is_scaling, second_of_sum};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Ports, Shape};
use crate::kernels::operands::{AddRescaledOperands, Scaling};
use crate::kernels::{Kernels, rounded_twice};

/// The record of an addition that rounds its inputs before it adds them.
///
/// `x_i = (q_i - zp_i) * 2^20` times the multiplier of input `i`, [rounded twice](crate::format::Requantize), is that input in steps of half
/// a step of the coarser one, over `2^19`; and the sum times the last multiplier, rounded so too, is a code without its zero point. An input
/// stays below `2^28`, so that no sum leaves 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AddRescaled {
    /// What the sums mean.
    pub codes: Codes,
    /// Whether ReLU follows. The clamp does it, as the zero point is then 0.
    pub relu: bool,
    /// Of the first input, of the second and of the sum: positive `i32`, little-endian.
    pub multipliers: [[u8; 4]; 3],
    /// Right shifts after them, 0 to 31.
    pub shifts: [u8; 3],
}

impl<'m> Record<'m> for AddRescaled {
    type Operands = AddRescaledOperands;

    const TWO_INPUTS: bool = true;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            codes: reader.codes()?,
            relu: reader.flag()?,
            multipliers: [reader.fixed()?, reader.fixed()?, reader.fixed()?],
            shifts: [reader.byte()?, reader.byte()?, reader.byte()?],
        })
    }

    #[inline(always)]
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        output: &mut Flow,
        _checked: bool,
    ) -> Result<AddRescaledOperands, Error> {
        let second = second_of_sum(layer, ports, self.relu, self.codes)?;
        let mut scalings = [Scaling { multiplier: 0, shift: 0 }; 3];
        for (channel, (scaling, (multiplier, shift))) in
            (0..).zip(scalings.iter_mut().zip(self.multipliers.into_iter().zip(self.shifts)))
        {
            *scaling = Scaling { multiplier: i32::from_le_bytes(multiplier), shift: shift.into() };
            is_scaling(layer, channel, *scaling)?;
        }
        let [first, other, sum] = scalings;
        let zero_point = self.codes.zero_point;
        *output = Flow { shape: second.shape, zero_point };
        let zero_points = [ports.input.zero_point, second.zero_point];
        Ok(AddRescaledOperands { len: second.shape.len(), zero_points, inputs: [first, other], sum, zero_point })
    }

    fn macs(&self, _input: Shape) -> u64 {
        0
    }
}

impl Call for AddRescaledOperands {
    fn name(&self) -> &'static str {
        "add, rescaled"
    }

    fn output_len(&self) -> usize {
        self.len
    }

    fn scratch_len(&self) -> usize {
        0
    }

    fn overlap(&self) -> Overlap {
        Overlap::InPlace
    }

    fn swap_inputs(&mut self) {
        self.inputs.reverse();
        self.zero_points.reverse();
    }

    #[inline]
    fn call<K: Kernels, const OPERATORS: u32>(
        &self,
        input: &[u8],
        second: &[u8],
        _scratch: &mut [u32],
        output: &mut [u8],
    ) {
        let other = beside_the_output(input, second, output);
        rounded_twice::add(other, self, output);
    }
}
