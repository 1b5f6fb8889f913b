//! What a training says: to people, to programs, or to nobody.
//!
//! What cannot be said is no reason to stop training, so nothing here fails before [`Console::close`].

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use trainer::support::printable::{formatted, in_one_line};

/// Standard output, as the flags of `fit` want it.
#[derive(Clone)]
pub struct Console {
    audience: Audience,
    /// The first thing that could not be said.
    failure: Arc<Mutex<Option<io::Error>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    People,
    Programs,
    Nobody,
}

/// Whom a training talks to.
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
    /// Whether people read along.
    pub fn is_text(&self) -> bool {
        self.audience == Audience::People
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
    fn keep(&self, said: io::Result<()>) {
        if let Err(error) = said
            && error.kind() != io::ErrorKind::BrokenPipe
            && let Ok(mut failure) = self.failure.lock()
        {
            failure.get_or_insert(error);
        }
    }

    /// The first failure.
    ///
    /// # Errors
    /// What the system said then.
    pub fn close(&self) -> io::Result<()> {
        let failure = self.failure.lock().ok().and_then(|mut failure| failure.take());
        failure.map_or(Ok(()), Err)
    }
}

/// Says a line to people.
macro_rules! tell {
    ($console:expr, $format:literal $($argument:tt)*) => {
        $console.line($format, format_args!($format $($argument)*))
    };
}
pub(crate) use tell;
