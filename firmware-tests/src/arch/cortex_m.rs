//! Cortex-M: entry, fault, counter, watchdog, fences, stack pointer.
#![allow(unsafe_code, reason = "peripherals, the stack pointer, and the signature of the fault handler")]

use core::arch::asm;

use cortex_m::Peripherals;
pub use cortex_m_rt::entry;

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

    /// The counter returns to 0 after this number of ticks.
    pub const MASK: u32 = 0x00FF_FFFF;

    /// So many units are so many ticks. On a board a tick is a cycle. In QEMU an instruction is a nanosecond, and the
    /// board's clock of 25 MHz (the M33's: 20 MHz, the M55's: 32 MHz, the micro:bit's: 16 MHz) ticks once in 40 (50, 31.25, 62.5)
    /// instructions.
    pub const UNITS_IN_TICKS: (u32, u32) = if cfg!(feature = "board") {
        (1, 1)
    } else if cfg!(mps2_an505) {
        (50, 1)
    } else if cfg!(mps3_an547) {
        (125, 4)
    } else if cfg!(feature = "microbit") {
        (125, 2)
    } else {
        (40, 1)
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

    /// The counter returns to 0 after this number of ticks.
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

/// Ends the program where a piece of work takes longer than it may. It is SysTick, so nothing can be counted meanwhile.
#[cfg(feature = "emulator")]
pub mod watchdog {
    use cortex_m::peripheral::syst::SystClkSource;

    use super::{Peripherals, counter};

    /// Ends the program unless [`stop`] is called within this many instructions, 524 million at most.
    pub fn start(instructions: u32) {
        let (units, ticks) = counter::UNITS_IN_TICKS;
        // SAFETY: nothing else in a program with a watchdog touches SysTick.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload((instructions / units * ticks).clamp(1, counter::MASK));
        systick.clear_current();
        systick.enable_interrupt();
        systick.enable_counter();
    }

    /// The work is done. Returns the instructions that it took.
    pub fn stop() -> u32 {
        // SAFETY: as in `start`.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.disable_interrupt();
        let (units, ticks) = counter::UNITS_IN_TICKS;
        (cortex_m::peripheral::SYST::get_reload() - cortex_m::peripheral::SYST::get_current()) * units / ticks
    }

    #[cortex_m_rt::exception]
    fn SysTick() -> ! {
        crate::host::overdue()
    }
}

/// Takes away access to the kilobyte at this address, by a region of the memory protection unit.
///
/// # Panics
/// Where all regions are in use, or there are none: a fence that does not hold must not look like one.
#[cfg(all(feature = "emulator", not(any(mps2_an505, mps3_an547))))]
pub fn fence(address: usize) {
    use core::cell::Cell;

    use critical_section::Mutex;

    static USED: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));
    /// No access for anyone, 2^10 bytes, enabled.
    const KILOBYTE_WITHOUT_ACCESS: u32 = (10 - 1) << 1 | 1;
    /// On, with the usual map under it.
    const ENABLED: u32 = 1 << 2 | 1;
    let region = critical_section::with(|section| {
        let used = USED.borrow(section);
        used.replace(used.get() + 1)
    });
    // SAFETY: nothing else in these programs touches the memory protection unit.
    let mpu = unsafe { Peripherals::steal() }.MPU;
    let regions = mpu._type.read() >> 8 & 0xFF;
    assert!(region < regions, "{regions} fences are all that this core has");
    // SAFETY: takes away access to memory without references.
    unsafe {
        mpu.rnr.write(region);
        mpu.rbar.write(address as u32);
        mpu.rasr.write(KILOBYTE_WITHOUT_ACCESS);
        mpu.ctrl.write(ENABLED);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// There are no fences: ARMv8-M has no region that is closed to privileged code.
#[cfg(all(feature = "emulator", any(mps2_an505, mps3_an547)))]
pub fn fence(_address: usize) {}

#[cfg(feature = "emulator")]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    crate::host::fault(frame.pc() as usize)
}
