//! The host of the emulator: how a program begins and ends, its arguments, and files.

use core::fmt;
use core::panic::PanicInfo;

use semihosting::experimental::env;
use semihosting::process;
pub use semihosting::{eprintln, println};

use crate::frames::FramesError;

/// Why a program ends early; it is printed, and the exit code is 1 (2 for a mistake in the arguments).
#[derive(Debug)]
pub enum Failure {
    /// The model, the arena or an input was refused.
    Refused(infer_core::Error),
    /// There are no images that the model takes.
    Frames(FramesError),
    /// The arguments are not those that the program takes; this is how to call it.
    Usage(&'static str),
    /// The host could not read or write a file.
    Host(&'static str, semihosting::io::Error),
    /// A file ends inside an image or a network.
    Incomplete,
    /// No image, or no network, at all.
    Empty,
    /// More than the program has room for.
    TooLarge(&'static str),
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
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::Host(what, error) => write!(f, "the host cannot {what}: {error}"),
            Self::Incomplete => f.write_str("the file ends inside an image or a network: is it for this model?"),
            Self::Empty => f.write_str("there is nothing in the file"),
            Self::TooLarge(what) => write!(f, "{what} is larger than this program has room for"),
        }
    }
}

/// Makes a function `fn() -> Result<(), Failure>` the program.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[$crate::arch::entry]
        fn program() -> ! {
            $crate::host::finish($main())
        }
    };
}

/// Ends the program: exit code 0, or the failure on stderr and 1 or 2.
pub fn finish(result: Result<(), Failure>) -> ! {
    let Err(failure) = result else { process::exit(0) };
    eprintln!("error: {failure}");
    process::exit(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
}

/// Ends the program that the core took a fault in: exit code 3.
pub(crate) fn fault(address: usize) -> ! {
    eprintln!("fault at {address:#010x}");
    process::exit(3)
}

/// Ends the program whose work takes longer than it may: exit code 5.
pub(crate) fn overdue() -> ! {
    eprintln!("a piece of work does not come to its end");
    process::exit(5)
}

/// A panic ends the program with exit code 4.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    eprintln!("{info}");
    process::exit(4)
}

/// Room for the command line.
const COMMAND_LINE: usize = 1024;

/// The arguments that the program was started with, its own name left out.
pub struct Arguments(env::Args<COMMAND_LINE>);

impl Arguments {
    /// Requests them from the host.
    ///
    /// # Errors
    /// [`Failure::Host`] where they are longer than 1 KB.
    pub fn from_host() -> Result<Self, Failure> {
        let arguments = env::args().map_err(|error| Failure::Host("pass the arguments", error))?;
        let _program = (&arguments).next();
        Ok(Self(arguments))
    }

    /// The next argument; none after the last, or where one is not UTF-8.
    pub fn next(&self) -> Option<&str> {
        (&self.0).next()?.ok()
    }
}
