//! `--skip-unreadable` and `--list-unreadable`: files of a folder that cannot be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use trainer::dataset::folder::{self, Unreadable};
use trainer::dataset::holds_idx_files;
use trainer::run::{RunDirectory, SKIPPED};
use trainer::support::printable::in_one_line;
use trainer::support::whole_file::write_whole;

use super::destination::{Content, Output};
use super::output::warn;

/// Files that a note names.
const NAMED: usize = 5;

/// What is done about files that cannot be read.
#[derive(Clone, clap::Args)]
pub struct UnreadableFlags {
    /// Continue without the images of a folder that cannot be read; fit lists them in skipped.txt in the directory of the run
    #[arg(long, requires = "data")]
    pub skip_unreadable: bool,
    /// List all files that cannot be read in this file, one per line with the error
    #[arg(long, value_name = "FILE", requires = "data")]
    list_unreadable: Option<PathBuf>,
}

/// Files that are left out of a folder, with the messages about them.
#[derive(Default)]
pub struct Skipped {
    /// The files.
    pub files: BTreeSet<PathBuf>,
    listing: String,
}

impl UnreadableFlags {
    /// The list, where one is requested.
    pub fn output(&self) -> Option<Output<'_>> {
        let path = self.list_unreadable.as_deref()?;
        Some(Output { flag: "--list-unreadable", path, content: Content::Listing, run: None })
    }

    /// The files of `data` that are to be left out; all of them are listed where that is requested. `class_names` are those of a
    /// model to test.
    pub fn look(&self, data: Option<&Path>, class_names: Option<&[String]>, quiet: bool) -> Result<Skipped> {
        let Some(directory) = data.filter(|_| self.skip_unreadable || self.list_unreadable.is_some()) else {
            return Ok(Skipped::default());
        };
        let found = find(directory, class_names, quiet)?;
        if let Some(path) = &self.list_unreadable {
            write_whole(path, folder::unreadable_listing(&found).as_bytes()).context("--list-unreadable")?;
            let (directory, path) = (directory.display(), path.display());
            warn(&match found.len() {
                0 => format!("NOTE: all image files of {directory} can be read; {path} is empty"),
                1 => format!("NOTE: 1 file of {directory} cannot be read; it is listed in {path}"),
                count => format!("NOTE: {count} files of {directory} cannot be read; they are listed in {path}"),
            });
        }
        Ok(if self.skip_unreadable { Skipped::new(directory, &found) } else { Skipped::default() })
    }
}

impl Skipped {
    /// All files of a folder that cannot be read, for a run that has left them out before.
    pub fn again(directory: &Path, quiet: bool) -> Result<Self> {
        Ok(Self::new(directory, &find(directory, None, quiet)?))
    }

    /// Names the first few.
    fn new(directory: &Path, found: &[Unreadable]) -> Self {
        let files: BTreeSet<PathBuf> = found.iter().map(|file| file.path.clone()).collect();
        if !files.is_empty() {
            let lines = found.iter().take(NAMED).map(|Unreadable { path, error }| {
                format!("\n  {}: {}", in_one_line(&path.display().to_string()), in_one_line(&error.to_string()))
            });
            let more = found.len().saturating_sub(NAMED);
            let more =
                if more > 0 { format!("\n  and {more} more; --list-unreadable writes all") } else { String::new() };
            let names: String = lines.collect();
            let directory = directory.display();
            warn(&match found.len() {
                1 => format!("WARNING: 1 file of {directory} cannot be read and is left out:{names}"),
                count => format!("WARNING: {count} files of {directory} cannot be read and are left out:{names}{more}"),
            });
        }
        Self { files, listing: folder::unreadable_listing(found) }
    }

    /// Writes `skipped.txt` into a run, where there is anything to list.
    pub fn write(&self, run: &RunDirectory) -> Result<()> {
        if !self.files.is_empty() {
            run.write(SKIPPED, self.listing.as_bytes())?;
        }
        Ok(())
    }
}

/// The files of a folder that cannot be read; IDX files have none.
fn find(directory: &Path, class_names: Option<&[String]>, quiet: bool) -> Result<Vec<Unreadable>> {
    if holds_idx_files(directory) { Ok(Vec::new()) } else { Ok(folder::unreadable(directory, class_names, quiet)?) }
}
