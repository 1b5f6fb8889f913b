//! The allocator: mimalloc, and a plain message and exit code 1 where there is no memory left.
//!
//! A training step allocates and frees tensors of megabytes, which the system's allocator would return to the kernel and
//! fetch again page by page each time.
//!
//! Rust aborts a program whose allocation fails, with a signal that looks like a bug. Large allocations are checked before they are
//! made ([`trainer::support::memory`]), so this is what is left: a limit that a small one meets.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::io::{self, Write};

use mimalloc::MiMalloc;

/// mimalloc, which ends the process where it has nothing to give.
pub struct OrExit;

// SAFETY: every call is passed on to mimalloc as it came. What is returned is what mimalloc returned, and never null.
unsafe impl GlobalAlloc for OrExit {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about the layout is mimalloc's condition.
        or_exit(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        or_exit(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller got the pointer here, and so from mimalloc, with this layout.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as of `dealloc`, and the caller's promise about the new size is mimalloc's condition.
        or_exit(unsafe { MiMalloc.realloc(pointer, layout, size) }, size)
    }
}

fn or_exit(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        exit(size);
    }
    pointer
}

/// Ends the process without allocating. What was printed has left it already: standard output is written line by line.
#[cold]
fn exit(size: usize) -> ! {
    let mut text = [0; 256];
    let mut rest = &mut text[..];
    // 256 bytes are enough for any number.
    let _ = writeln!(
        rest,
        "error: out of memory: {size} more bytes are not available; free some memory, or raise the limit of the process (ulimit -v, \
         or its container's)"
    );
    let unused = rest.len();
    let text = &text[..text.len() - unused];
    #[cfg(unix)]
    {
        // Past the lock of `std`, which may be held. That it cannot be written changes nothing.
        let _ = nix::unistd::write(io::stderr(), text);
        signal_hook::low_level::exit(1)
    }
    #[cfg(not(unix))]
    {
        let _ = io::stderr().write_all(text);
        std::process::exit(1)
    }
}
