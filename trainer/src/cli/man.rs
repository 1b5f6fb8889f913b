//! `trainer man --out DIRECTORY`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap_mangen::Man;
use trainer::support::whole_file::write_whole;

use super::destination;
use super::output::print_line;

/// Write the manual pages of these commands.
#[derive(clap::Args)]
#[command(after_help = "Example:
  trainer man --out ~/.local/share/man/man1 && man trainer-fit")]
pub struct Manual {
    /// Directory for the pages: trainer.1, and a page for each command, such as trainer-fit.1
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
}

impl Manual {
    /// Writes a page for the program and one for each command.
    pub fn run(self, command: clap::Command) -> Result<()> {
        let shown = self.out.display();
        destination::check_directory(&format!("--out {shown}"), &self.out)?;
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make the directory {shown}"))?;
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let count = write_pages(&command, &self.out)?;
        print_line!("{count} manual pages in {shown}");
        Ok(())
    }
}

/// Writes the pages of a command and of those below it, and counts them.
fn write_pages(command: &clap::Command, directory: &Path) -> Result<usize> {
    let mut count = 1;
    for below in command.get_subcommands() {
        count += write_pages(below, directory)?;
    }
    let page = Man::new(command.clone()).source(concat!("trainer ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render(&mut text)?;
    write_whole(&directory.join(page.get_filename()), &text)?;
    Ok(count)
}
