//! What a piece of work costs.

use crate::arch::counter;

/// What a [`Stopwatch`] counts: QEMU counts instructions and no cycles, a board counts cycles.
pub const UNIT: &str = if cfg!(feature = "board") { "cycles" } else { "instructions" };

/// Counts from where it was started.
///
/// In QEMU on Arm to within 40 instructions (50 on the M33, 32 on the M55, 63 on the micro:bit) and up to 524 million; on the
/// Pico up to 16.7 million cycles, on other boards and on RISC-V up to 4.29 billion. Longer work comes out too short.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(u32);

impl Stopwatch {
    /// Starts to count.
    #[must_use]
    pub fn start() -> Self {
        counter::enable();
        Self(counter::now())
    }

    /// Instructions or cycles since then.
    #[must_use]
    pub fn elapsed(self) -> u32 {
        let ticks = counter::now().wrapping_sub(self.0) & counter::MASK;
        let (units, ticks_for_them) = counter::UNITS_IN_TICKS;
        ticks * units / ticks_for_them
    }
}
