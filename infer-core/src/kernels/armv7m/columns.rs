//! What loops have in common that multiply two rows, a column of words of weights, by the codes of four positions.
//!
//! r0 and r3 codes, r1 where they are, r2 weights, r12 and lr weights of the even and the odd row, r4-r7 and r8-r11 their sums; the stack
//! keeps what sums start with, where codes and weights begin and where codes of pairs of taps end, where the loop is entered, the
//! number of taps and how many columns are left.

/// Enters a function of `(starts, codes, weights, taps, …)` and begins a column: sums of the even row are what they start with. Each
/// pair of taps has `1 << pair_shift` bytes of codes, and `pair` bytes of instructions. `3` is the loop over four pairs, `5`
/// comes after the last pair.
macro_rules! begin {
    () => {
        "
            push {{r4-r11, lr}}
            // As many pairs of taps as are more than a multiple of four come first.
            lsrs r5, r3, #1
            rsb r6, r5, #0
            and r6, r6, #3
            movs r7, #{pair}
            adr.w r8, 3f
            mla r6, r6, r7, r8
            cmp r5, #0
            it eq
            adreq.w r6, 5f
            orr r6, r6, #1
            add r5, r1, r5, lsl #{pair_shift}
            movs r4, #4
            push {{r3, r4}}
            push {{r0, r1, r2, r5, r6}}
        2:
            ldm sp, {{r0, r1, r2, r3, r12}}
            ldm r0, {{r4-r7}}
        "
    };
}

/// Begins the sums of the odd row and enters the loop.
macro_rules! enter {
    () => {
        "
            movs r0, #0
            mov r8, r0
            mov r9, r0
            mov r10, r0
            mov r11, r0
            bx r12
            .p2align 2
        "
    };
}

/// Goes on with the next column, and returns after the last one.
macro_rules! next {
    () => {
        "
            ldr r0, [sp, #8]
            ldr r1, [sp, #24]
            adds r0, r0, #4
            str r0, [sp, #8]
            subs r1, r1, #1
            str r1, [sp, #24]
            bne 2b
            add sp, sp, #28
            pop {{r4-r11, pc}}
        "
    };
}

pub(super) use {begin, enter, next};
