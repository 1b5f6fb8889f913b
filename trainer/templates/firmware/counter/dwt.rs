
/// Called first: lets the cycle counter of the debug unit count.
pub fn init() {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.DCB.enable_trace();
        cortex_m::peripheral::DWT::unlock();
        core.DWT.enable_cycle_counter();
    }
}

fn cycles() -> u32 {
    cortex_m::peripheral::DWT::cycle_count()
}
