//! QEMU's machine instead of the board: start-up, log by semihosting, instructions instead of cycles.

use core::fmt;
use core::panic::PanicInfo;
{% if cortex_m %}
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
pub use cortex_m_rt::entry;
{%- else %}
pub use riscv_rt::entry;
{%- endif %}
pub use semihosting::println as info;
use semihosting::process;

/// QEMU runs an instruction in a nanosecond: so many instructions (first) take so many ticks of the counter (second).
const INSTRUCTIONS_IN_TICKS: (u32, u32) = ({{ instructions_in_ticks[0] }}, {{ instructions_in_ticks[1] }});
{% if cortex_m %}
/// SysTick counts 24 bits down.
const LAST_TICK: u32 = 0x00FF_FFFF;

/// Called first: lets SysTick count.
pub fn init() {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(LAST_TICK);
        core.SYST.clear_current();
        core.SYST.enable_counter();
    }
}

fn ticks() -> u32 {
    LAST_TICK - SYST::get_current()
}
{% else %}
/// The counter has all bits.
const LAST_TICK: u32 = u32::MAX;

/// Called first; the core counts from a reset on.
pub fn init() {}

fn ticks() -> u32 {
    riscv::register::mcycle::read() as u32
}
{% endif %}
/// Measures how long a piece of work takes.
pub struct Stopwatch(u32);

impl Stopwatch {
    pub fn start() -> Self {
        Self(ticks())
    }

    /// The instructions since then.
    pub fn elapsed(self) -> Cost {
        Cost(ticks().wrapping_sub(self.0) & LAST_TICK)
    }
}

/// Ticks of the counter.
pub struct Cost(u32);

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (instructions, ticks) = INSTRUCTIONS_IN_TICKS;
        let run = u64::from(self.0) * u64::from(instructions) / u64::from(ticks);
        write!(f, "{run} instructions")
    }
}

/// There is one image, after which the program ends.
pub fn pause() {
    process::exit(0)
}

/// Ends the program, which has failed.
pub fn stop() -> ! {
    process::exit(1)
}
{% if cortex_m %}
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    info!("fault at {:#010x}", frame.pc());
    stop()
}
{% else %}
/// Every exception of riscv-rt comes here.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler() -> ! {
    info!("fault at {:#010x}", riscv::register::mepc::read());
    stop()
}
{% endif %}
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    info!("{}", info);
    stop()
}
