//! Ctrl-C: the first requests that a training ends after its step, the second ends the program.
//!
//! A signal that the process was started to ignore stays ignored: `nohup` ignores SIGHUP, a shell without job control ignores SIGINT in
//! what it starts with `&`, and a supervisor may ignore SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

#[cfg(unix)]
use trainer::support::memory;

use super::output::print_message;

/// The exit code of a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether the user has requested an end.
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    announced: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to watch for SIGINT, SIGTERM and SIGHUP, as far as they were not ignored.
    pub fn install() -> Result<Self> {
        let interrupt = Self { requested: Arc::default(), announced: Arc::default() };
        interrupt.watch().context("watching for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether it was requested.
    pub fn is_requested(&self) -> bool {
        let requested = self.requested.load(Ordering::Relaxed);
        if requested {
            announce(&self.announced);
        }
        requested
    }

    #[cfg(unix)]
    fn watch(&self) -> std::io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        use signal_hook::flag;
        use signal_hook::iterator::Signals;

        let ignored = ignored_signals();
        let signals: Vec<i32> =
            [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect();
        for &signal in &signals {
            // In this order: the second signal finds what the first one set.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&self.requested))?;
            flag::register(signal, Arc::clone(&self.requested))?;
        }
        let mut arrivals = Signals::new(&signals)?;
        let announced = Arc::clone(&self.announced);
        let announcing = move || {
            if arrivals.forever().next().is_some() {
                announce(&announced);
            }
        };
        // Where no thread is allowed the message comes after the step, and nothing else changes.
        if memory::has_addresses_for_a_thread() {
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(announcing);
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn watch(&self) -> std::io::Result<()> {
        let (requested, announced) = (Arc::clone(&self.requested), Arc::clone(&self.announced));
        let handler = move || {
            if requested.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
            announce(&announced);
        };
        ctrlc::set_handler(handler).map_err(std::io::Error::other)
    }
}

/// Prints once what happens now.
fn announce(announced: &AtomicBool) {
    if !announced.swap(true, Ordering::Relaxed) {
        // After what a terminal shows of the key.
        print_message("");
        print_message(
            "interrupted: ending after this step, and what was learned is saved; interrupt again to end at once",
        );
    }
}

/// The signals that the process was started to ignore, bit 0 for signal 1. Only Linux reports them without `unsafe`;
/// elsewhere none is taken for ignored.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/self/status").ok().and_then(|status| ignored_in(&status)).unwrap_or(0)
    } else {
        0
    }
}

/// The line `SigIgn` of `/proc/PID/status`.
#[cfg(unix)]
fn ignored_in(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Lets a write beyond the largest file that the process may write (`ulimit -f`) fail as on a full disk. The signal that comes with it
/// would end the process in the middle of a file.
#[cfg(unix)]
pub fn outlive_file_limits() {
    // A handler that sets a flag which nobody reads. Where it cannot be registered, the signal does what it always did.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Nothing: there are no such limits.
#[cfg(not(unix))]
pub fn outlive_file_limits() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_the_bits_of_their_line() {
        // As nohup and a background job of a script have it: SIGHUP, SIGINT, SIGQUIT, and SIGPIPE, which Rust ignores.
        let status =
            "Name:\ttrainer\nSigPnd:\t0000000000000000\nSigIgn:\t0000000000001007\nSigCgt:\t0000000180000000\n";
        let mask = ignored_in(status).unwrap();
        assert_eq!((1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect::<Vec<_>>(), [1, 2, 3, 13]);
        assert_eq!(ignored_in("Name:\ttrainer\n"), None);
    }
}
