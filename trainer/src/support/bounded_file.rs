//! Files that are read whole: bounded before they are read, and never a pipe or a device where nobody named one.
//!
//! | function | for |
//! |---|---|
//! | [`read_regular`], [`read_regular_text`], [`open_regular`] | a file that a directory holds: of a run, of a data set, of the cache |
//! | [`read_named`], [`read_named_text`] | a file that the user names, which may be a pipe: `--recipe <(command)` |

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::support::text::thousands;

/// How long a file may be, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// Bytes at most.
    pub bytes: u64,
    /// What the file holds, in a message: "larger than 16 MB, which no WHAT is".
    pub what: &'static str,
}

impl FileLimit {
    fn exceeded(self) -> io::Error {
        let bytes = match self.bytes {
            bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{} MB", bytes >> 20),
            bytes => format!("{} bytes", thousands(usize::try_from(bytes).unwrap_or(usize::MAX))),
        };
        io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {bytes}, which no {} is", self.what))
    }
}

/// Opens a regular file, or a link to one. A pipe or a device is refused without being waited for.
///
/// # Errors
/// The error of the system; [`io::ErrorKind::InvalidInput`] for what is neither a file nor a directory.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Opening some devices does something, so they are refused before.
    check_kind(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that takes the file's place in between is opened without a writer, and refused below.
        options.custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    }
    let file = options.open(path)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

/// The bytes of a regular file, or of a link to one.
///
/// # Errors
/// Those of [`open_regular`]; [`io::ErrorKind::FileTooLarge`] before anything is read.
pub fn read_regular(path: &Path, limit: FileLimit) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    if file.metadata()?.len() > limit.bytes {
        return Err(limit.exceeded());
    }
    read_bounded(file, limit)
}

/// As [`read_regular`], of a text.
///
/// # Errors
/// Those of [`read_regular`]; [`io::ErrorKind::InvalidData`] where it is not UTF-8.
pub fn read_regular_text(path: &Path, limit: FileLimit) -> io::Result<String> {
    text(read_regular(path, limit)?)
}

/// The bytes of a file that the user named: of a pipe or a device too, as far as the limit.
///
/// # Errors
/// The error of the system; [`io::ErrorKind::FileTooLarge`].
pub fn read_named(path: &Path, limit: FileLimit) -> io::Result<Vec<u8>> {
    read_bounded(File::open(path)?, limit)
}

/// As [`read_named`], of a text.
///
/// # Errors
/// Those of [`read_named`]; [`io::ErrorKind::InvalidData`] where it is not UTF-8.
pub fn read_named_text(path: &Path, limit: FileLimit) -> io::Result<String> {
    text(read_named(path, limit)?)
}

fn read_bounded(file: File, limit: FileLimit) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.bytes { Err(limit.exceeded()) } else { Ok(bytes) }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
    String::from_utf8(bytes).map_err(invalid)
}

/// Refuses what is neither a file nor a directory, which reading refuses.
fn check_kind(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    #[cfg(unix)]
    let is_pipe = std::os::unix::fs::FileTypeExt::is_fifo(&kind);
    #[cfg(not(unix))]
    let is_pipe = false;
    let what = if is_pipe { "a pipe" } else { "a device" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what} instead of a regular file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: FileLimit = FileLimit { bytes: 10, what: "test" };

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        for (len, is_read) in [(0, true), (10, true), (11, false), (1000, false)] {
            fs::write(&path, vec![b'x'; len]).unwrap();
            for read in [read_regular, read_named] {
                match read(&path, SMALL) {
                    Ok(bytes) => assert_eq!((bytes.len(), is_read), (len, true)),
                    Err(error) => {
                        assert_eq!(error.to_string(), "larger than 10 bytes, which no test is");
                        assert!(!is_read);
                    }
                }
            }
        }
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_regular_text(&path, SMALL).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_regular(&home.path().join("none"), SMALL).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(read_regular(home.path(), SMALL).is_err(), "a directory");
    }

    #[test]
    fn a_file_that_only_claims_to_be_long_is_refused_without_memory_for_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let limit = FileLimit { bytes: 16 << 20, what: "test" };
        assert_eq!(read_regular(&path, limit).unwrap_err().to_string(), "larger than 16 MB, which no test is");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_refused_at_once_and_links_to_files_are_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, path(name)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        link("/dev/zero", "zero");
        link("pipe", "to-pipe");
        for (name, expected) in [
            ("pipe", "a pipe instead of a regular file"),
            ("to-pipe", "a pipe instead of a regular file"),
            ("zero", "a device instead of a regular file"),
        ] {
            assert_eq!(read_regular(&path(name), SMALL).unwrap_err().to_string(), expected);
        }
        assert!(read_named(&path("zero"), SMALL).is_err(), "it has no end");
        fs::write(path("file"), "text").unwrap();
        link("file", "to-file");
        assert_eq!(read_regular_text(&path("to-file"), SMALL).unwrap(), "text");
    }
}
