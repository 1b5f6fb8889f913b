
/// Called first: sets the clock, and switches the watchdogs off.
pub fn init() {
    esp_hal::init(esp_hal::Config::default().with_cpu_clock(esp_hal::clock::CpuClock::max()));
}

/// As many as the core runs in the microseconds of the system timer.
fn cycles() -> u32 {
    let now = esp_hal::time::Instant::now().duration_since_epoch();
    (now.as_micros() as u32).wrapping_mul(CLOCK_MHZ)
}
