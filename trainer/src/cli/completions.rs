//! `trainer completions SHELL`

use anyhow::Result;
use clap_complete::Shell;

use super::output::print_file;

/// Print a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer completions bash > ~/.local/share/bash-completion/completions/trainer
  trainer completions fish > ~/.config/fish/completions/trainer.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints a script for the shell.
    pub fn run(self, mut command: clap::Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "trainer", &mut script);
        print_file(script)
    }
}
