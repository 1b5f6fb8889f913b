//! The sum of two inputs of the same shape, value by value, with its activation: a residual connection.

use serde::{Deserialize, Serialize};

use super::operator::{Call, Flow, Overlap, Record, beside_the_output, second_of_sum};
use crate::Error;
use crate::format::reader::Reader;
use crate::format::{Codes, Ports, Shape};
use crate::kernels::Kernels;
use crate::kernels::operands::AddOperands;

/// The record of an addition.
///
/// `q = clamp(zp + (((q1 - zp1) * m1 + (q2 - zp2) * m2 + 2^(k - 1)) >> k), 0, 255)`: one rounding, half up. `zp1` and `zp2`
/// are the zero points of the inputs, as its [`Ports`] have them; `m1` is `2^k` times the scale of the first input over that
/// of the output, rounded, and `m2` likewise.
///
/// With `m1` and `m2` below `2^22` and `k` at most 23 nothing leaves 32 bits: `2 * 255 * 2^22 + 2^22 < 2^31`. The two
/// roundings of multipliers cost `255 / 2^k` of a code at most, so that 0.05 needs a `k` of 13: possible as long as no input
/// has 512 times the scale of the output. Where both are below `2^15`, a kernel may multiply 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Add {
    /// What the sums mean.
    pub codes: Codes,
    /// Whether ReLU follows. The clamp does it, as the zero point is then 0.
    pub relu: bool,
    /// `m1` and `m2`, positive and less than `2^22`; four bytes each in the file, so that its length does not depend on them.
    #[serde(with = "fixed")]
    pub multipliers: [u32; 2],
    /// `k`, 1 to 23.
    pub shift: u8,
}

/// Numbers of four bytes each, little-endian.
mod fixed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(numbers: &[u32; 2], serializer: S) -> Result<S::Ok, S::Error> {
        numbers.map(u32::to_le_bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u32; 2], D::Error> {
        Ok(<[[u8; 4]; 2]>::deserialize(deserializer)?.map(u32::from_le_bytes))
    }
}

impl<'m> Record<'m> for Add {
    type Operands = AddOperands;

    const TWO_INPUTS: bool = true;

    fn read(reader: &mut Reader<'m>) -> Option<Self> {
        Some(Self {
            codes: reader.codes()?,
            relu: reader.flag()?,
            multipliers: [reader.fixed()?, reader.fixed()?].map(u32::from_le_bytes),
            shift: reader.byte()?,
        })
    }

    #[inline(always)]
    fn operands<const OPERATORS: u32>(
        &self,
        layer: u8,
        ports: &Ports,
        output: &mut Flow,
        _checked: bool,
    ) -> Result<AddOperands, Error> {
        let second = second_of_sum(layer, ports, self.relu, self.codes)?;
        if !(1..=23).contains(&self.shift) {
            return Err(Error::Shift { layer, shift: self.shift });
        }
        let mut multipliers = [0; 2];
        for (channel, (signed, stated)) in (0..).zip(multipliers.iter_mut().zip(self.multipliers)) {
            if stated == 0 || stated >= 1 << 22 {
                return Err(Error::Multiplier { layer, channel });
            }
            *signed = stated.cast_signed();
        }
        *output = Flow { shape: second.shape, zero_point: self.codes.zero_point };
        let zero_points = [ports.input.zero_point, second.zero_point];
        let zero_point = self.codes.zero_point;
        Ok(AddOperands { len: second.shape.len(), multipliers, zero_points, zero_point, shift: self.shift })
    }

    fn macs(&self, _input: Shape) -> u64 {
        0
    }
}

impl Call for AddOperands {
    fn name(&self) -> &'static str {
        "add"
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
        self.multipliers.reverse();
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
        K::add(other, self, output);
    }
}
