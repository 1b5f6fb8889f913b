
/// Called first; the core counts its cycles from a reset on.
pub fn init() {}

fn cycles() -> u32 {
    riscv::register::mcycle::read() as u32
}
