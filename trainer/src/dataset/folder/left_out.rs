//! What is in a folder and not used, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::content::Content;
use crate::dataset::first_few::first_few;
use crate::support::printable::in_one_line;
use crate::support::text::counted;

/// Why a file or a folder is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its name begins with a dot.
    Hidden,
    /// An operating system or a program put it there.
    OfTheSystem,
    /// A pipe, a socket or a device.
    NoFile,
    /// A file beside the folders of classes.
    InNoClass,
    /// A folder below those that are looked at.
    TooDeep,
    /// A file that is no image that can be read.
    NoImage(Content),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("hidden"),
            Self::OfTheSystem => f.write_str("put there by a system or a program"),
            Self::NoFile => f.write_str("a pipe or a device"),
            Self::InNoClass => f.write_str("in no class"),
            Self::TooDeep => f.write_str("a folder; give it by name"),
            Self::NoImage(content) => content.fmt(f),
        }
    }
}

/// Files and folders that are not used. One that is looked at twice is named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<PathBuf, Reason>);

impl LeftOut {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more.
    pub(super) fn add(&mut self, path: PathBuf, reason: Reason) {
        self.0.insert(path, reason);
    }

    /// All of some files, for one reason.
    pub(super) fn add_all(&mut self, files: Vec<(String, PathBuf)>, reason: &Reason) {
        self.0.extend(files.into_iter().map(|(_, path)| (path, reason.clone())));
    }

    /// A message about them; nothing where there are none.
    #[must_use]
    pub fn note(&self, directory: &Path) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let name = |path: &PathBuf| in_one_line(&path.display().to_string()).into_owned();
        let names = first_few(self.0.iter().map(|(path, reason)| format!("{} ({reason})", name(path))));
        let count = counted(self.0.len(), "file or folder").replace("file or folders", "files or folders");
        Some(format!("NOTE: {count} of {} left out:{names}", in_one_line(&directory.display().to_string())))
    }
}
