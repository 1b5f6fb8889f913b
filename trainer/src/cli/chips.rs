//! `trainer chips`

use std::io::Write;

use anyhow::Result;
use trainer::export::hardware::chips;

use super::output::print_line;

/// List the chips that --chip accepts, and the sources of their numbers.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer chips
  trainer chips | grep M33")]
pub struct Chips {}

impl Chips {
    /// Prints a chip in two lines.
    pub fn run(self) -> Result<()> {
        for chip in chips() {
            let [flash, ram] = [chip.flash, chip.ram].map(|bytes| bytes / 1024);
            print_line!(
                "{:<12} {:<8} {:>3} MHz   {flash:>5} KiB of flash   {ram:>4} KiB of RAM\n             {}",
                chip.name,
                chip.core.name,
                chip.clock,
                chip.source
            );
        }
        Ok(())
    }
}
