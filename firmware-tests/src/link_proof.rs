//! The proof that nothing panics: a panic needs a symbol that does not exist, so a program links only where the
//! linker finds no way into a panic.
#![allow(unsafe_code, reason = "declares a symbol that is not defined")]

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Undefined on purpose. `undefined symbol: a_panic_is_reachable` is the proof failing.
    fn a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never called: a program in which it could be does not link.
    unsafe { a_panic_is_reachable() }
}
