//! Ctrl-C: the first asks a training to end behind its step, the second ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::output::complain;

/// The exit code of a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether the user wants an end.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen, to SIGTERM too.
    pub fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&asked);
        ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
            complain("\ninterrupted: ends behind this step, keeps what was learned; again: at once");
        })
        .context("listening to Ctrl-C")?;
        Ok(Self(asked))
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
