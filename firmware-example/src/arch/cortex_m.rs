//! Cortex-M: entry, fault, counter, stack pointer.
#![allow(unsafe_code, reason = "peripherals, the stack pointer, and the signature of the fault handler")]

use core::arch::asm;

use cortex_m::Peripherals;
pub use cortex_m_rt::entry;

/// The address that the vector table begins at: where flash begins to be used.
#[must_use]
pub fn flash_start() -> usize {
    unsafe extern "C" {
        static __vector_table: u32;
    }
    &raw const __vector_table as usize
}

/// The stack pointer as it is here.
#[inline(always)]
#[must_use]
pub fn stack_pointer() -> usize {
    let address;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// SysTick, 24 bits: every Cortex-M in QEMU has it, and so has the RP2040, which has no DWT counter.
#[cfg(not(any(feature = "nrf52840dk", feature = "stm32f4")))]
pub mod counter {
    use cortex_m::peripheral::SYST;
    use cortex_m::peripheral::syst::SystClkSource;

    use super::Peripherals;

    /// The counter returns to 0 behind this number of ticks.
    pub const MASK: u32 = 0x00FF_FFFF;

    /// So many units are so many ticks. On a board a tick is a cycle. In QEMU an instruction is a nanosecond, and the
    /// board's clock of 25 MHz (the M33's: 20 MHz, the micro:bit's: 16 MHz) ticks once in 40 (50, 62.5) of them.
    pub const UNITS_IN_TICKS: (u32, u32) = match (cfg!(feature = "board"), cfg!(mps2_an505), cfg!(feature = "microbit"))
    {
        (true, ..) => (1, 1),
        (false, false, false) => (40, 1),
        (false, true, _) => (50, 1),
        (false, false, true) => (125, 2),
    };

    /// Lets it count; nothing changes where it already does.
    pub fn enable() {
        // SAFETY: nothing else in these programs touches SysTick.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(MASK);
        systick.enable_counter();
    }

    /// Ticks so far; SysTick counts down.
    #[inline(always)]
    #[must_use]
    pub fn now() -> u32 {
        MASK - SYST::get_current()
    }
}

/// The cycle counter of the debug unit, 32 bits.
#[cfg(any(feature = "nrf52840dk", feature = "stm32f4"))]
pub mod counter {
    use cortex_m::peripheral::DWT;

    use super::Peripherals;

    /// The counter returns to 0 behind this number of ticks.
    pub const MASK: u32 = u32::MAX;

    /// A tick is a cycle.
    pub const UNITS_IN_TICKS: (u32, u32) = (1, 1);

    /// Lets it count; nothing changes where it already does.
    pub fn enable() {
        // SAFETY: nothing else in these programs touches the debug unit; a probe only reads it.
        let mut peripherals = unsafe { Peripherals::steal() };
        peripherals.DCB.enable_trace();
        peripherals.DWT.enable_cycle_counter();
    }

    /// Ticks so far.
    #[inline(always)]
    #[must_use]
    pub fn now() -> u32 {
        DWT::cycle_count()
    }
}

#[cfg(feature = "emulator")]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    crate::host::fault(frame.pc() as usize)
}
