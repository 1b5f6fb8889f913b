//! RISC-V: entry, fault, counter, stack pointer.
#![allow(unsafe_code, reason = "the stack pointer, and the symbol of the fault handler")]

use core::arch::asm;

pub use riscv_rt::entry;

/// The address that the code begins at: where flash begins to be used.
#[must_use]
pub fn flash_start() -> usize {
    unsafe extern "C" {
        static _stext: u32;
    }
    &raw const _stext as usize
}

/// The stack pointer as it is here.
#[inline(always)]
#[must_use]
pub fn stack_pointer() -> usize {
    let address;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, sp", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// The low half of `mcycle`, which in QEMU counts instructions.
pub mod counter {
    /// The counter returns to 0 behind this number of ticks.
    pub const MASK: u32 = u32::MAX;

    /// A tick is an instruction.
    pub const UNITS_IN_TICKS: (u32, u32) = (1, 1);

    /// It counts from reset on.
    pub fn enable() {}

    /// Ticks so far.
    #[inline(always)]
    #[must_use]
    pub fn now() -> u32 {
        riscv::register::mcycle::read() as u32
    }
}

/// Every exception that riscv-rt knows of comes here.
#[cfg(feature = "emulator")]
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler() -> ! {
    crate::host::fault(riscv::register::mepc::read())
}
