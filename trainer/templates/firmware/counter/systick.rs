
/// SysTick counts 24 bits down.
const LAST_TICK: u32 = 0x00FF_FFFF;

/// How often it began again.
static ROUNDS: AtomicU32 = AtomicU32::new(0);

/// Called first: lets SysTick count cycles.
pub fn init() {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(LAST_TICK);
        core.SYST.clear_current();
        core.SYST.enable_interrupt();
        core.SYST.enable_counter();
    }
}

#[cortex_m_rt::exception]
fn SysTick() {
    let rounds = ROUNDS.load(Ordering::Relaxed);
    ROUNDS.store(rounds.wrapping_add(1), Ordering::Relaxed);
}

fn cycles() -> u32 {
    loop {
        let rounds = ROUNDS.load(Ordering::Relaxed);
        let ticks = LAST_TICK - SYST::get_current();
        if rounds == ROUNDS.load(Ordering::Relaxed) {
            return rounds << 24 | ticks;
        }
    }
}
