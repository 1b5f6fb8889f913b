//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// What the names of files begin with that are not whole yet.
pub const BESIDE: &str = ".thimble-";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct WriteError {
    /// The file.
    pub path: String,
    /// The error of the system.
    pub source: io::Error,
}

/// Writes `bytes` beside `path` and renames them into place.
///
/// A device or a pipe, such as `/dev/stdout`, is written to and not replaced; of a link, what it points to is replaced.
///
/// # Errors
/// [`WriteError`]; then the file at `path` is unchanged.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || if is_stream(path) { fs::write(path, bytes) } else { replace(&linked(path)?, bytes) };
    write().map_err(|source| WriteError { path: path.display().to_string(), source })
}

/// As [`write_whole`], but whatever has the name is replaced: a link, a pipe or a device too. For files in a directory that
/// others may have filled.
///
/// # Errors
/// [`WriteError`]; then the file at `path` is unchanged.
pub fn replace_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes).map_err(|source| WriteError { path: path.display().to_string(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes).map_err(plain)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| plain(error.error))?;
    Ok(())
}

/// Whether [`write_whole`] could write to `path` now; nothing is left there. What a device or a pipe takes shows only then.
///
/// # Errors
/// The error of the system.
pub fn check(path: &Path) -> io::Result<()> {
    if is_stream(path) { Ok(()) } else { beside(&linked(path)?).map(drop) }
}

/// Whether a device or a pipe is at `path`.
#[must_use]
pub fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// What a link points to, be it there or not; a path that is no link itself.
fn linked(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), fs::read_link(path)) {
        (Err(error), Ok(target)) if error.kind() == io::ErrorKind::NotFound => linked(&directory_of(path).join(target)),
        (Err(error), Err(_)) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        (there, _) => there,
    }
}

/// The file or directory that `path` leads to, in full, be it there or not: the same for all names of one place.
///
/// # Errors
/// The error of the system, of links that lead in a circle and of a current directory that is not there.
pub fn resolved(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(linked(path)?)?;
    // As much of it as is there, links followed; after that names alone count.
    let there = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, mut resolved)) = there else { return Ok(absolute) };
    for component in absolute.strip_prefix(ancestor).unwrap_or(Path::new("")).components() {
        match component {
            Component::ParentDir => _ = resolved.pop(),
            component => resolved.push(component),
        }
    }
    Ok(resolved)
}

/// Begins a file in the directory of `path`; one that is dropped leaves nothing.
///
/// # Errors
/// The error of the system.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Temporary files are private; what is exported is for whoever the user's mask lets read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // Without the path of the temporary file, which the user did not name.
    builder.prefix(BESIDE).tempfile_in(directory_of(path)).map_err(plain)
}

/// The error of the system, without the path of the temporary file that a library adds to its text.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path \"") {
        Some((text, _)) => io::Error::new(error.kind(), text),
        None => error,
    }
}

/// The directory of a file.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn all_names_of_one_place_resolve_to_the_same() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        fs::create_dir(home.join("there")).unwrap();
        std::os::unix::fs::symlink("there", home.join("link")).unwrap();
        std::os::unix::fs::symlink("link/new", home.join("dangling")).unwrap();
        for name in ["there/new", "link/new", "./there/../there/new", "dangling", "none/../there/new", "there/new/"] {
            assert_eq!(resolved(&home.join(name)).unwrap(), home.join("there/new"), "{name}");
        }
        assert_eq!(resolved(&home.join("none/new")).unwrap(), home.join("none/new"));
        std::os::unix::fs::symlink("circle", home.join("circle")).unwrap();
        assert!(resolved(&home.join("circle")).is_err());
    }

    // The mask is of the whole process, so that it is not set here: another file tells what it is.
    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_that_any_new_file_has() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        fs::write(home.path().join("other"), "").unwrap();
        write_whole(&home.path().join("whole"), b"").unwrap();
        assert_eq!(mode("whole"), mode("other"));
    }

    #[test]
    fn an_error_names_no_temporary_file() {
        let home = tempfile::tempdir().unwrap();
        let error = check(&home.path().join("none/file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), fs::read(home.path().join("none")).unwrap_err().to_string());
    }
}
