//! RISC-V: entry, fault, counter, watchdog, fences, stack pointer.
#![allow(unsafe_code, reason = "the stack pointer, the timer, and the symbols of handlers")]

use core::arch::asm;

pub use riscv_rt::entry;

/// The stack pointer as it is here.
#[inline(always)]
#[must_use]
pub fn stack_pointer() -> usize {
    let address;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, sp", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// The low half of `mcycle`, which in QEMU counts instructions.
pub mod counter {
    /// The counter returns to 0 after this number of ticks.
    pub const MASK: u32 = u32::MAX;

    /// A tick is an instruction.
    pub const UNITS_IN_TICKS: (u32, u32) = (1, 1);

    /// It counts from reset on.
    pub fn enable() {}

    /// Ticks so far.
    #[inline(always)]
    #[must_use]
    pub fn now() -> u32 {
        riscv::register::mcycle::read() as u32
    }
}

/// Ends the program where a piece of work takes longer than it may: the timer of QEMU's board `virt`.
#[cfg(feature = "emulator")]
pub mod watchdog {
    use super::counter;

    /// Where the timer is, and where what it is compared with.
    const MTIME: *const u64 = 0x0200_BFF8 as *const u64;
    const MTIMECMP: *mut u64 = 0x0200_4000 as *mut u64;

    /// Ticks of the timer are 100 ns, an instruction is one.
    const INSTRUCTIONS_IN_A_TICK: u64 = 100;

    static STARTED: critical_section::Mutex<core::cell::Cell<u32>> =
        critical_section::Mutex::new(core::cell::Cell::new(0));

    /// Ends the program unless [`stop`] is called within this many instructions.
    pub fn start(instructions: u32) {
        // SAFETY: the timer of this board, which nothing else in these programs touches; the handler is below.
        unsafe {
            let due = MTIME.read_volatile() + u64::from(instructions) / INSTRUCTIONS_IN_A_TICK;
            MTIMECMP.write_volatile(due);
            riscv::register::mie::set_mtimer();
            riscv::interrupt::enable();
        }
        critical_section::with(|section| STARTED.borrow(section).set(counter::now()));
    }

    /// The work is done. Returns the instructions that it took.
    pub fn stop() -> u32 {
        let took = counter::now().wrapping_sub(critical_section::with(|section| STARTED.borrow(section).get()));
        // SAFETY: as in `start`.
        unsafe { riscv::register::mie::clear_mtimer() };
        took
    }

    /// The timer's interrupt comes here.
    #[unsafe(no_mangle)]
    extern "C" fn MachineTimer() -> ! {
        crate::host::overdue()
    }
}

/// Takes away access to the kilobyte at this address, by a region of the physical memory protection that is locked, so that it holds
/// in machine mode too.
///
/// # Panics
/// Where all regions are in use: a fence that does not hold must not look like one.
#[cfg(feature = "emulator")]
pub fn fence(address: usize) {
    use core::cell::Cell;

    use critical_section::Mutex;

    static USED: Mutex<Cell<usize>> = Mutex::new(Cell::new(0));
    /// Each with an address register of its own.
    const REGIONS: [fn(usize); 8] =
        [close::<0>, close::<1>, close::<2>, close::<3>, close::<4>, close::<5>, close::<6>, close::<7>];

    let used = critical_section::with(|section| {
        let used = USED.borrow(section);
        used.replace(used.get() + 1)
    });
    let close = REGIONS.get(used).expect("there are no more regions");
    close(address);
}

/// Closes the kilobyte at this address by a region.
#[cfg(feature = "emulator")]
fn close<const REGION: usize>(address: usize) {
    /// Locked, no access, an aligned power of two.
    const CLOSED: usize = 1 << 7 | 3 << 3;
    /// The lowest bit that is not set is half of the length, in words.
    const KILOBYTE: usize = 1024 / 8 - 1;
    // SAFETY: takes away access to memory without references.
    unsafe {
        asm!(
            "csrw {address_register}, {address}",
            "csrs {configuration}, {closed}",
            address_register = const 0x3B0 + REGION,
            address = in(reg) address >> 2 | KILOBYTE,
            configuration = const 0x3A0 + REGION / 4,
            closed = in(reg) CLOSED << (8 * (REGION % 4)),
            options(nostack),
        );
    }
}

/// Every exception of riscv-rt comes here.
#[cfg(feature = "emulator")]
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler() -> ! {
    crate::host::fault(riscv::register::mepc::read())
}
