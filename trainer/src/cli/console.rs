//! What a training prints: for people, for programs, or nothing.
//!
//! A line that cannot be written is no reason to stop training, so nothing here fails before [`Console::close`].

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use trainer::support::printable::{formatted, in_one_line};

/// Standard output, as the flags of `fit` want it.
#[derive(Clone)]
pub struct Console {
    audience: Audience,
    /// The first error of writing.
    failure: Arc<Mutex<Option<io::Error>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    People,
    Programs,
    Nobody,
}

/// Who reads the output of a training.
#[derive(clap::Args)]
pub struct ConsoleFlags {
    /// Print nothing but warnings and errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Print a line of JSON for each epoch, and one with the results
    #[arg(long)]
    json: bool,
}

impl ConsoleFlags {
    /// The console that they request.
    pub fn console(&self) -> Console {
        let audience = match (self.quiet, self.json) {
            (true, _) => Audience::Nobody,
            (_, true) => Audience::Programs,
            _ => Audience::People,
        };
        Console { audience, failure: Arc::default() }
    }
}

impl Console {
    /// One for people.
    pub fn text() -> Self {
        Self { audience: Audience::People, failure: Arc::default() }
    }

    /// One that prints nothing but warnings and errors.
    pub fn quiet() -> Self {
        Self { audience: Audience::Nobody, failure: Arc::default() }
    }

    /// Whether people read along.
    pub fn is_text(&self) -> bool {
        self.audience == Audience::People
    }

    /// Whether nothing is printed but warnings and errors.
    pub fn is_quiet(&self) -> bool {
        self.audience == Audience::Nobody
    }

    /// A line for people, of this format.
    pub fn line(&self, format: &str, text: fmt::Arguments<'_>) {
        self.colored_line(&formatted(format, &text.to_string()));
    }

    /// A line of nothing but our own words, whose colors are left out where there is no terminal.
    pub fn colored_line(&self, text: &str) {
        if self.is_text() {
            self.keep(writeln!(anstream::stdout(), "{text}"));
        }
    }

    /// An object for programs, on a line.
    pub fn event(&self, event: &impl Serialize) {
        if self.audience == Audience::Programs {
            let json = serde_json::to_string(event).map_err(io::Error::from);
            self.keep(json.and_then(|json| writeln!(io::stdout(), "{}", in_one_line(&json))));
        }
    }

    /// A reader that has gone away has seen enough; everything else is kept, to be reported in the end.
    fn keep(&self, written: io::Result<()>) {
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
            && let Ok(mut failure) = self.failure.lock()
        {
            failure.get_or_insert(error);
        }
    }

    /// The first failure.
    ///
    /// # Errors
    /// The error of the system.
    pub fn close(&self) -> io::Result<()> {
        let failure = self.failure.lock().ok().and_then(|mut failure| failure.take());
        failure.map_or(Ok(()), Err)
    }
}

/// Prints a line for people.
macro_rules! console_line {
    ($console:expr, $format:literal $($argument:tt)*) => {
        $console.line($format, format_args!($format $($argument)*))
    };
}
pub(crate) use console_line;
