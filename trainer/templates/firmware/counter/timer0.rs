
/// TIMER0 of the nRF51, which has no SysTick: reference manual 3.0, chapter 18.
const TIMER0: usize = 0x4000_8000;

fn write(register: usize, value: u32) {
    // SAFETY: a register of TIMER0, which nothing else in this program touches.
    unsafe { ((TIMER0 + register) as *mut u32).write_volatile(value) }
}

/// Called first: lets TIMER0 count 32 bits at 16 MHz, the core's clock.
pub fn init() {
    write(0x508, 3); // BITMODE: 32 bits
    write(0x510, 0); // PRESCALER: 16 MHz
    write(0x000, 1); // TASKS_START
}

fn cycles() -> u32 {
    write(0x040, 1); // TASKS_CAPTURE[0]
    // SAFETY: CC[0] of TIMER0.
    unsafe { ((TIMER0 + 0x540) as *const u32).read_volatile() }
}
