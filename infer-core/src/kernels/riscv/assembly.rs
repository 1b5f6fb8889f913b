//! Assembler macros of all loops, and their end.

/// What comes first in a loop's assembly, with instructions of the extension M.
///
/// | macro | what it does |
/// |---|---|
/// | `THIMBLE_SAVED operation, at` | stores (`sw`) or loads (`lw`) s0 to s11, 48 bytes of the stack |
/// | `THIMBLE_CLAMPED value, most` | clamps to 0 to 255, which is in `most` |
/// | `THIMBLE_REQUANTIZED code, sum, multiplier, zero_point, most` | the code of a sum, as [`requantize`](super::rounding::requantize), of twice the multiplier |
macro_rules! macros {
    () => {
        "
        .option push
        .option arch, +m
        .macro THIMBLE_SAVED operation, at
            .set THIMBLE_AT, \\at
            .irp register, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
            \\operation \\register, THIMBLE_AT(sp)
            .set THIMBLE_AT, THIMBLE_AT+4
            .endr
        .endm
        .macro THIMBLE_CLAMPED value, most
            bgeu \\most, \\value, 8f
            srai \\value, \\value, 31
            not \\value, \\value
        8:
        .endm
        .macro THIMBLE_REQUANTIZED code, sum, multiplier, zero_point, most
            mulhsu \\code, \\sum, \\multiplier
            addi \\code, \\code, 1
            srai \\code, \\code, 1
            add \\code, \\code, \\zero_point
            THIMBLE_CLAMPED \\code, \\most
        .endm
        "
    };
}

/// What comes last.
macro_rules! end_of_macros {
    () => {
        "
        .purgem THIMBLE_SAVED
        .purgem THIMBLE_CLAMPED
        .purgem THIMBLE_REQUANTIZED
        .option pop
        "
    };
}

pub(super) use {end_of_macros, macros};
