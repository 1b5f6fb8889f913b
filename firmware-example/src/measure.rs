//! What an inference costs: instructions, stack, flash.
#![allow(
    unsafe_code,
    reason = "paints free memory below the stack pointer, and uses the linker's symbols for where things end"
)]

use core::arch::asm;
use core::hint::black_box;

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

/// Counts instructions from where it was started, by SysTick: to within 40, and up to 671 million.
///
/// In QEMU an instruction is a nanosecond, and the emulated board's clock of 25 MHz ticks once in 40 instructions. On a real board a
/// tick is a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(u32);

/// The counter has 24 bits.
const LAST_TICK: u32 = 0x00FF_FFFF;

/// Instructions in a tick.
const INSTRUCTIONS: u32 = 40;

impl Stopwatch {
    /// Starts to count.
    #[must_use]
    pub fn start() -> Self {
        // SAFETY: nothing else in these programs touches SysTick.
        let mut systick = unsafe { Peripherals::steal() }.SYST;
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(LAST_TICK);
        systick.enable_counter();
        Self(SYST::get_current())
    }

    /// Instructions since then.
    #[must_use]
    pub fn elapsed(self) -> u32 {
        // SysTick counts down.
        (self.0.wrapping_sub(SYST::get_current()) & LAST_TICK) * INSTRUCTIONS
    }
}

/// A word that work is unlikely to leave behind by chance.
const PAINT: u32 = 0xC0DE_F00D;

/// Painted at most.
const DEEPEST: usize = 32 * 1024;

/// Runs `work` and measures the bytes of stack that it takes: the memory below is painted first, and what is still
/// painted afterwards was not used.
///
/// The frame of `work` itself counts, its result does not.
#[inline(never)]
pub fn stack_of<R>(work: impl FnOnce() -> R) -> (R, usize) {
    unsafe extern "C" {
        static __sheap: u32;
    }
    let top: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags)) };
    // The statics end here.
    let bottom = (&raw const __sheap as usize).max(top.saturating_sub(DEEPEST));
    for address in (bottom..top).step_by(size_of::<u32>()) {
        // SAFETY: between the end of the statics and the stack pointer nothing lives; no interrupt is enabled.
        unsafe { (address as *mut u32).write_volatile(PAINT) };
    }
    let result = in_a_frame_of_its_own(work);
    let deepest = (bottom..top)
        .step_by(size_of::<u32>())
        // SAFETY: the same memory, initialized above.
        .find(|&address| unsafe { (address as *const u32).read_volatile() } != PAINT)
        .unwrap_or(top);
    (result, top - deepest)
}

/// Otherwise the work's frame would be part of the measuring function's, above the paint.
#[inline(never)]
fn in_a_frame_of_its_own<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

/// Bytes of flash that the program takes, code, constants and initial values of statics, without a model among them: that may
/// be in flash or in other memory.
#[must_use]
pub fn flash_besides(model: &[u8]) -> usize {
    unsafe extern "C" {
        static __vector_table: u32;
        static __sidata: u32;
        static __sdata: u32;
        static __edata: u32;
    }
    let start = &raw const __vector_table as usize;
    let initial_values = &raw const __edata as usize - &raw const __sdata as usize;
    let used = &raw const __sidata as usize + initial_values - start;
    let is_inside = (start..start + used).contains(&model.as_ptr().addr());
    if is_inside { used - model.len() } else { used }
}
