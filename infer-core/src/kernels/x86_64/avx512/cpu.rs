//! What the processor has, and what is used in all kernels of AVX-512.

use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU8, Ordering};

cpufeatures::new!(base, "avx512f", "avx512bw", "avx512vl");
cpufeatures::new!(vbmi, "avx512vbmi");

/// What the processor has of what these kernels need: [`ASKED`], and bits of the other two. 0 before it was asked.
static FOUND: AtomicU8 = AtomicU8::new(0);
const ASKED: u8 = 1;
const HAS_WORDS: u8 = 2;
const HAS_BYTES: u8 = 4;

/// What the processor has; only the first call has to find out.
#[inline]
fn found() -> u8 {
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            // Bit 11 is VNNI.
            let words = base::get() && __cpuid_count(7, 0).ecx & 1 << 11 != 0;
            let bytes = words && vbmi::get();
            let found = ASKED | if words { HAS_WORDS } else { 0 } | if bytes { HAS_BYTES } else { 0 };
            FOUND.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}

/// Whether the processor has what kernels need that permute words.
#[inline]
pub fn has_words() -> bool {
    found() & HAS_WORDS > 0
}

/// The same of bytes.
#[inline]
pub fn has_bytes() -> bool {
    found() & HAS_BYTES > 0
}

/// Instructions of AVX-512, in functions that are inlined where they are compiled for it.
macro_rules! avx512 {
    ($value:expr) => {
        // SAFETY: arithmetic in registers; these functions are used only in this folder, where the processor has what they need.
        unsafe { $value }
    };
}
pub(super) use avx512;

/// An array of what each index becomes, a constant.
macro_rules! table {
    ([$type:ty; $len:expr], $at:ident => $value:expr) => {{
        let mut table = [0; $len];
        let mut $at = 0;
        while $at < $len {
            table[$at] = ($value) as $type;
            $at += 1;
        }
        table
    }};
}
pub(super) use table;

/// Codes that a vector of weights is multiplied with.
pub const STEP: usize = 8;

/// Bytes of a vector.
pub const VECTOR: usize = 64;
