//! How a program ends, and the exit code that it gives the emulator.

use core::fmt;
use core::panic::PanicInfo;

use semihosting::{eprintln, process};

use crate::frames::FramesError;

/// Why a program ends early; it is printed, and the exit code is 1 (2 for a mistake in the arguments).
#[derive(Debug)]
pub enum Failure {
    /// The model, the arena or an image was refused.
    Refused(infer_core::Error),
    /// There are no images that the model takes.
    Frames(FramesError),
    /// A model needs more work than the program has time for.
    TooMuchWork {
        /// Multiply-accumulates of an inference.
        macs: u64,
        /// What there is time for.
        most: u64,
    },
    /// The host could not read a file.
    Host(semihosting::io::Error),
    /// The arguments are not those that the program takes; this is how to call it.
    Usage(&'static str),
}

impl From<infer_core::Error> for Failure {
    fn from(error: infer_core::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<FramesError> for Failure {
    fn from(error: FramesError) -> Self {
        Self::Frames(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Frames(error) => error.fmt(f),
            Self::TooMuchWork { macs, most } => {
                write!(f, "the model takes {macs} multiply-accumulates, and there is time for {most}")
            }
            Self::Host(error) => write!(f, "the host cannot read the file: {error}"),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
        }
    }
}

/// Ends the program: exit code 0, or the failure on stderr and 1 or 2.
pub fn finish(result: Result<(), Failure>) -> ! {
    let Err(failure) = result else { process::exit(0) };
    eprintln!("error: {failure}");
    process::exit(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
}

/// A fault of the core ends the program with exit code 3.
#[allow(unsafe_code, reason = "the signature of the fault handler")]
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    eprintln!("fault at {:#010x}", frame.pc());
    process::exit(3)
}

/// A panic ends the program with exit code 4.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(4)
}
