//! What the subcommands print alike.

use std::io::Write;

use anyhow::Result;
use trainer::data::{Dataset, Origin};

/// Prints a line to standard output; a reader that has gone away is an error that `main` takes for a normal end.
macro_rules! say {
    ($($argument:tt)*) => {
        writeln!(std::io::stdout(), $($argument)*)?
    };
}
pub(crate) use say;

/// Says which images there are and where they come from.
pub fn print_data(dataset: &Dataset, origin: &Origin) -> Result<()> {
    say!("data       {} ({} classes), {origin}", dataset.name, dataset.class_names.len());
    let parts = [("train", &dataset.train), ("validation", &dataset.validation), ("test", &dataset.test)];
    for (name, images) in parts {
        say!("{name:<10} {:>7} images of {}", trainer::architecture::thousands(images.len()), images.shape());
    }
    Ok(())
}

/// Shows a warning that cannot be overlooked, on standard error.
pub fn warn(text: &str) {
    eprintln!("\n{text}\n");
}
