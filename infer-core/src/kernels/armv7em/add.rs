//! The sum of two inputs, four values at a time.
//!
//! With a code of either input in the lanes of a word, and both multipliers in another, SMLAD is the sum of an output. The zero point
//! of the output is in the constant that it starts from, shifted left by what the sum is shifted right by.

#![allow(unsafe_code, reason = "the instructions of the DSP extension are out of reach otherwise")]

use core::arch::asm;

use super::cpu::cpu;
use crate::kernels::operands::AddOperands;
use crate::kernels::portable;

/// Adds `other`, the second input, to the first one, which is in `sums`.
pub fn add(other: &[u8], operands: &AddOperands, sums: &mut [u8]) {
    let &AddOperands { multipliers: [m1, m2], zero_point, shift, .. } = operands;
    // Then a sum is less than 2^24, or 2^14 after the shift, which the lanes of USAT16 hold; and less than 2^31 with the zero
    // point.
    let fits = (10..=22).contains(&shift) && [m1, m2].iter().all(|multiplier| (0..1 << 15).contains(multiplier));
    let len = sums.len().min(other.len()) & !3;
    let (Some((fours, rest)), Some((others, others_rest))) =
        (sums.split_at_mut_checked(len), other.split_at_checked(len))
    else {
        return;
    };
    let fours = fours.as_chunks_mut::<4>().0.iter_mut().zip(others.as_chunks::<4>().0);
    let constant = operands.start();
    if fits {
        let multipliers = m1 | m2 << 16;
        let constant = constant.wrapping_add(i32::from(zero_point).wrapping_shl(shift.into()));
        for (sums, others) in fours {
            let (first, second) = (u32::from_le_bytes(*sums), u32::from_le_bytes(*others));
            *sums = four(first, second, multipliers, constant, shift.into()).to_le_bytes();
        }
    } else {
        for (sums, others) in fours {
            let words = [u32::from_le_bytes(*sums), u32::from_le_bytes(*others)];
            *sums = [
                one::<0>(words, [m1, m2], constant, shift.into(), zero_point),
                one::<8>(words, [m1, m2], constant, shift.into(), zero_point),
                one::<16>(words, [m1, m2], constant, shift.into(), zero_point),
                one::<24>(words, [m1, m2], constant, shift.into(), zero_point),
            ];
        }
    }
    if !rest.is_empty() {
        portable::add(others_rest, operands, rest);
    }
}

/// The sum of the bytes from bit `BIT` on of two words, with multipliers of any size.
#[inline(always)]
fn one<const BIT: u32>([first, second]: [u32; 2], [m1, m2]: [i32; 2], constant: i32, shift: u32, zero_point: u8) -> u8 {
    let sum: u32;
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            cpu!(),
            "uxtb {sum}, {first}, ror #{bit}",
            "uxtb {code}, {second}, ror #{bit}",
            "mla {sum}, {sum}, {m1}, {constant}",
            "mla {sum}, {code}, {m2}, {sum}",
            "asr {sum}, {sum}, {shift}",
            "add {sum}, {sum}, {zero_point}",
            "usat {sum}, #8, {sum}",
            first = in(reg) first,
            second = in(reg) second,
            m1 = in(reg) m1,
            m2 = in(reg) m2,
            constant = in(reg) constant,
            shift = in(reg) shift,
            zero_point = in(reg) u32::from(zero_point),
            sum = out(reg) sum,
            code = out(reg) _,
            bit = const BIT,
            options(pure, nomem, nostack),
        );
    }
    sum as u8
}

/// Four codes of four and four: 21 instructions.
#[inline(always)]
fn four(first: u32, second: u32, multipliers: i32, constant: i32, shift: u32) -> u32 {
    let sums: u32;
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            cpu!(),
            "uxtb16 {a}, {first}",
            "uxtb16 {b}, {second}",
            "uxtb16 {c}, {first}, ror #8",
            "uxtb16 {d}, {second}, ror #8",
            "pkhbt {first}, {a}, {b}, lsl #16",
            "pkhtb {b}, {b}, {a}, asr #16",
            "pkhbt {second}, {c}, {d}, lsl #16",
            "pkhtb {d}, {d}, {c}, asr #16",
            "smlad {first}, {first}, {multipliers}, {constant}",
            "smlad {b}, {b}, {multipliers}, {constant}",
            "smlad {second}, {second}, {multipliers}, {constant}",
            "smlad {d}, {d}, {multipliers}, {constant}",
            "asr {first}, {first}, {shift}",
            "asr {b}, {b}, {shift}",
            "asr {second}, {second}, {shift}",
            "asr {d}, {d}, {shift}",
            "pkhbt {first}, {first}, {b}, lsl #16",
            "pkhbt {second}, {second}, {d}, lsl #16",
            "usat16 {first}, #8, {first}",
            "usat16 {second}, #8, {second}",
            "orr {first}, {first}, {second}, lsl #8",
            first = inout(reg) first => sums,
            second = inout(reg) second => _,
            multipliers = in(reg) multipliers,
            constant = in(reg) constant,
            shift = in(reg) shift,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            options(pure, nomem, nostack),
        );
    }
    sums
}
