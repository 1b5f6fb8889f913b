//! A directory that appears whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::support::whole_file::{self, BESIDE};

/// A file of a project: its path in there, and its bytes.
pub type ProjectFile = (String, Vec<u8>);

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Something is there already.
    #[error("{path} exists already and is not an empty directory; name another")]
    Taken {
        /// Where.
        path: String,
    },
    /// The system refuses.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The directory that was to be written.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
}

/// Whether nothing is at `path`, or an empty directory. What a write that was killed has left there counts as nothing.
///
/// # Errors
/// [`DirectoryError`].
pub fn check(path: &Path) -> Result<(), DirectoryError> {
    let named = || path.display().to_string();
    match fs::read_dir(path) {
        Ok(entries) => {
            let is_left = |entry: &io::Result<fs::DirEntry>| {
                entry.as_ref().is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(BESIDE.as_bytes()))
            };
            if entries.into_iter().all(|entry| is_left(&entry)) {
                Ok(())
            } else {
                Err(DirectoryError::Taken { path: named() })
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => Ok(()),
        // Nothing is there and nothing can be: a name that is too long, a file on the way.
        Err(error) if path.is_dir() || path.symlink_metadata().is_err() => {
            Err(DirectoryError::Io { path: named(), source: error })
        }
        Err(_) => Err(DirectoryError::Taken { path: named() }),
    }
}

/// Writes these files into the directory `path`, which is made; or is there and empty.
///
/// # Errors
/// [`DirectoryError`]; then nothing is there that was not there before.
pub fn write(path: &Path, files: &[ProjectFile]) -> Result<(), DirectoryError> {
    check(path)?;
    write_whole(path, files).map_err(|source| DirectoryError::Io { path: path.display().to_string(), source })
}

fn write_whole(path: &Path, files: &[ProjectFile]) -> io::Result<()> {
    // In full, as `.` has no name to be written beside.
    let path = whole_file::resolved(path)?;
    let is_there = path.exists();
    // A directory that is there may be a file system of its own, or the only one that may be written into.
    let home = if is_there { &path } else { path.parent().unwrap_or(&path) };
    fs::create_dir_all(home)?;
    let unfinished = tempfile::Builder::new().prefix(BESIDE).tempdir_in(home)?;
    // Temporary directories are private; one in there has the permissions of any that is made here.
    let project = unfinished.path().join("project");
    fs::create_dir(&project)?;
    for (name, bytes) in files {
        let file = project.join(name);
        fs::create_dir_all(whole_file::directory_of(&file))?;
        fs::write(file, bytes)?;
    }
    if is_there { move_into(&project, &path) } else { fs::rename(&project, &path) }
}

/// Moves all that is in one directory into an empty one, which somebody may be working in: it is not replaced.
fn move_into(from: &Path, to: &Path) -> io::Result<()> {
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut all = || {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            fs::rename(entry.path(), &target)?;
            moved.push((target, entry.path()));
        }
        Ok(())
    };
    let result = all();
    if result.is_err() {
        for (target, origin) in moved {
            let _ = fs::rename(target, origin);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<ProjectFile> {
        [("a", "1"), ("b/c/d", "2")].map(|(name, bytes)| (name.to_owned(), bytes.as_bytes().to_vec())).to_vec()
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_write_has_left_is_no_reason_to_refuse() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("there");
        fs::create_dir_all(path.join(format!("{BESIDE}left")).join("project")).unwrap();
        write(&path, &files()).unwrap();
        assert_eq!(fs::read_to_string(path.join("b/c/d")).unwrap(), "2");
        assert!(matches!(write(&path, &files()), Err(DirectoryError::Taken { .. })));
    }

    #[test]
    fn a_directory_is_made_or_filled_where_it_is_empty() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("empty")).unwrap();
        for name in ["new", "deep/new", "empty"] {
            let path = home.path().join(name);
            write(&path, &files()).unwrap();
            assert_eq!(names(&path), ["a", "b"], "{name}");
            assert_eq!(fs::read(path.join("b/c/d")).unwrap(), b"2");
            assert!(matches!(write(&path, &files()), Err(DirectoryError::Taken { .. })), "{name}");
        }
        assert_eq!(names(home.path()), ["deep", "empty", "new"], "nothing is left beside");
        fs::write(home.path().join("file"), "mine").unwrap();
        assert!(matches!(write(&home.path().join("file"), &files()), Err(DirectoryError::Taken { .. })));
    }

    #[test]
    fn a_directory_that_is_there_is_all_that_is_written_into() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("empty");
        fs::create_dir(&path).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::open(home.path()).unwrap().set_modified(long_ago).unwrap();
        write(&path, &files()).unwrap();
        assert_eq!(names(&path), ["a", "b"]);
        assert_eq!(home.path().metadata().unwrap().modified().unwrap(), long_ago);
    }

    #[test]
    fn where_a_file_cannot_be_written_nothing_is() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("empty")).unwrap();
        // The second needs a directory where the first is a file.
        let clash = [("a", "1"), ("a/b", "2")].map(|(name, bytes)| (name.to_owned(), bytes.as_bytes().to_vec()));
        for name in ["new", "empty"] {
            assert!(matches!(write(&home.path().join(name), &clash), Err(DirectoryError::Io { .. })), "{name}");
        }
        assert_eq!(names(home.path()), ["empty"]);
        assert!(names(&home.path().join("empty")).is_empty());
    }
}
