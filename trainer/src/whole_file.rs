//! Files that appear whole or not at all.

use std::io::{self, Write};
use std::path::Path;

/// What the names of files begin with that are not whole yet.
pub const BESIDE: &str = ".thimble-";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct WriteError {
    /// The file.
    pub path: String,
    /// What the system says.
    pub source: io::Error,
}

/// Writes `bytes` beside `path` and renames them into place.
///
/// A device or a pipe, such as `/dev/stdout`, is written to and not replaced; of a link, what it points to is replaced.
///
/// # Errors
/// [`WriteError`]; then what stood at `path` stands there still.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let error = |source| WriteError { path: path.display().to_string(), source };
    let there = std::fs::metadata(path);
    if there.as_ref().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return std::fs::write(path, bytes).map_err(error);
    }
    let target = if there.is_ok() { std::fs::canonicalize(path).map_err(error)? } else { path.to_owned() };
    let write = || {
        let mut file = beside(&target)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Temporary files are private; what is exported is for whoever may read the directory.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&target)?;
        Ok(())
    };
    write().map_err(error)
}

/// Begins a file in the directory of `path`; one that is dropped leaves nothing. So it also tells whether anything can be written
/// there.
///
/// # Errors
/// What the system says.
pub fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(BESIDE).tempfile_in(directory_of(path))
}

/// The directory that a file stands in.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
