//! The board: start, log over RTT, time. The code for the chip, {{ chip }}, is here{% if has_memory %} and in `board/memory.x`{% endif %}.

use core::panic::PanicInfo;
{%- if counter == Counter::SysTick %}
use core::sync::atomic::{AtomicU32, Ordering};
{%- endif %}
{% if counter == Counter::SysTick %}
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
{%- endif %}
{%- if cortex_m %}
pub use cortex_m_rt::entry;
{%- endif %}
pub use defmt::info;
use defmt_rtt as _;
{%- if esp_hal %}
pub use esp_hal::main as entry;
{%- else if riscv %}
pub use riscv_rt::entry;
{%- endif %}
{% include "firmware/start.rs" %}
{%- if clock > 0 %}
{% if esp_hal -%}
/// Clock of the core, as `init` sets it.
{%- else -%}
/// Clock of the core after a reset. Change this if you set another clock.
{%- endif %}
const CLOCK_MHZ: u32 = {{ clock }};
{% endif %}
{%- match counter %}
{%- when Counter::Dwt %}{% include "firmware/counter/dwt.rs" %}
{%- when Counter::SysTick %}{% include "firmware/counter/systick.rs" %}
{%- when Counter::Timer0 %}{% include "firmware/counter/timer0.rs" %}
{%- when Counter::Mcycle %}{% include "firmware/counter/mcycle.rs" %}
{%- when Counter::EspHal %}{% include "firmware/counter/esp_hal.rs" %}
{%- endmatch %}

/// Measures how long a piece of work takes.
pub struct Stopwatch(u32);

impl Stopwatch {
    pub fn start() -> Self {
        Self(cycles())
    }

    /// The cycles since then; after more than 2^32 cycles the count is too small.
    pub fn elapsed(self) -> Cost {
        Cost(cycles().wrapping_sub(self.0))
    }
}

/// Cycles of the core.
pub struct Cost(u32);

impl defmt::Format for Cost {
    fn format(&self, formatter: defmt::Formatter<'_>) {
{%- if clock > 0 %}
        let microseconds = self.0 / CLOCK_MHZ;
        defmt::write!(formatter, "{} us, {} cycles", microseconds, self.0);
{%- else %}
        defmt::write!(formatter, "{} cycles", self.0);
{%- endif %}
    }
}

/// Waits {% if clock > 0 %}a second{% else %}for ten million cycles{% endif %}, so that the log can be read. With a camera it is not needed.
pub fn pause() {
{%- if cortex_m %}
    cortex_m::asm::delay({% if clock > 0 %}1_000_000 * CLOCK_MHZ{% else %}10_000_000{% endif %});
{%- else %}
    let start = cycles();
    while cycles().wrapping_sub(start) < 1_000_000 * CLOCK_MHZ {}
{%- endif %}
}

/// Ends the program, which on a board is to do nothing more.
pub fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Without its message, which would bring all of core::fmt into flash.
    if let Some(place) = info.location() {
        defmt::error!("panic in {}, line {}", place.file(), place.line());
    }
    stop()
}
