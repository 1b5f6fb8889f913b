//! One function, compiled for the vector units this machine has: found out at run time, so that a plain
//! `cargo build --release` is fast everywhere.
#![allow(unsafe_code, reason = "calls to functions compiled for vector units, each after a check that they are there")]

/// Defines `fn $name($arguments)` that runs its body compiled for AVX2 with FMA where the machine has them, and for the
/// target's baseline elsewhere (on aarch64 that includes NEON with FMA). Inside, `fma!(a, b, c)` is `a * b + c`, fused
/// where that is one instruction.
macro_rules! vectorized {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        #[allow(unsafe_code, clippy::too_many_arguments)]
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn generic<const FUSED: bool>($($argument: $type),*) {
                #[allow(unused_macros)]
                macro_rules! fma {
                    ($a:expr, $b:expr, $c:expr) => {
                        if FUSED { f32::mul_add($a, $b, $c) } else { $a * $b + $c }
                    };
                }
                $body
            }
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    generic::<true>($($argument),*);
                }
                if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                    // SAFETY: the machine has both features, as just found out.
                    return unsafe { avx2($($argument),*) };
                }
            }
            generic::<{ cfg!(target_arch = "aarch64") }>($($argument),*);
        }
    };
}
pub(crate) use vectorized;

/// `a * b + c`, fused where that is one instruction: `fma!` for functions that a vectorized one inlines.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}
