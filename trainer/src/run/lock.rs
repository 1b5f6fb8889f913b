//! One process at a time writes into a run.
//!
//! The lock is the operating system's, on a file of the run, so it goes with its process however that ends; the file holds the
//! process id, for a message. A file that a killed process left is taken over. What only reads a run needs no lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::RunError;
use crate::support::whole_file::BESIDE;

/// Name of the lock's file after [`BESIDE`], so that it counts as nothing of a run.
const NAME: &str = "lock";

/// How often the file may vanish between opening and locking: each time another process ends.
const ATTEMPTS: usize = 20;

/// A run that no other process writes into, until this is dropped.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    /// `None` where the file system has no locks.
    file: Option<File>,
}

/// The file of the lock of the run in `directory`.
#[must_use]
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(format!("{BESIDE}{NAME}"))
}

impl RunLock {
    /// Locks the run in `directory`, which exists.
    ///
    /// # Errors
    /// [`RunError::InUse`] where another process has it; [`RunError::Io`] where the file cannot be made.
    pub fn acquire(directory: &Path) -> Result<Self, RunError> {
        let path = path(directory);
        let io_error = |source| RunError::Io { path: path.display().to_string(), source };
        for _ in 0..ATTEMPTS {
            let mut file = open(&path).map_err(io_error)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let run = directory.display().to_string();
                    return Err(RunError::InUse { run, process: process_in(&mut file) });
                }
                Err(TryLockError::Error(_)) => {
                    // Some network file systems: the file is of no use, and two processes are the user's to avoid.
                    let _ = fs::remove_file(&path);
                    return Ok(Self { path, file: None });
                }
            }
            // The process that had it may have removed the file between opening and locking.
            if !is_at(&file, &path) {
                continue;
            }
            // A message without a process id is all that is lost.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            return Ok(Self { path, file: Some(file) });
        }
        Err(RunError::InUse { run: directory.display().to_string(), process: None })
    }

    /// Whether the file system has locks. Where it has none, nothing keeps another process away.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Removed while it is locked: whoever opened it before finds that it is gone.
        if self.file.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// That no other process writes into the run in `directory`, for whoever only reads it. Where there is no lock, nobody does.
///
/// # Errors
/// [`RunError::InUse`].
pub(super) fn check(directory: &Path) -> Result<(), RunError> {
    let path = path(directory);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    // A pipe is not opened: that would wait for whoever writes into it.
    let Some(mut file) = is_file.then(|| File::open(&path).ok()).flatten() else { return Ok(()) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => match process_in(&mut file) {
            Some(process) if process == std::process::id() => Ok(()),
            process => Err(RunError::InUse { run: directory.display().to_string(), process }),
        },
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Opens or makes the file. A link or a pipe in its place is refused.
fn open(path: &Path) -> io::Result<File> {
    if let Ok(metadata) = fs::symlink_metadata(path)
        && !metadata.is_file()
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the lock of the run belongs here, but this is not a file; remove it",
        ));
    }
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use nix::fcntl::OFlag;
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Another name of it may be a file that is somebody's.
        if file.metadata()?.nlink() > 1 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the lock of the run belongs here, but this file has another name too (a hard link); remove it",
            ));
        }
    }
    Ok(file)
}

/// Whether the file that is open is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The process that the file names.
fn process_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_of_another_name_is_not_written_into() {
        let home = tempfile::tempdir().unwrap();
        let thesis = home.path().join("thesis.txt");
        fs::write(&thesis, "my thesis").unwrap();
        fs::hard_link(&thesis, path(home.path())).unwrap();
        let message = RunLock::acquire(home.path()).unwrap_err().to_string();
        assert!(message.contains("this file has another name too (a hard link); remove it"), "{message}");
        assert_eq!(fs::read_to_string(thesis).unwrap(), "my thesis");
    }

    #[test]
    fn one_at_a_time_has_the_lock_and_the_other_is_named_its_process() {
        let home = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(home.path()).unwrap();
        assert!(first.is_held());
        let message = RunLock::acquire(home.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("is in use by process {};", std::process::id())), "{message}");
        check(home.path()).expect("a process is not in its own way");
        drop(first);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left of it");
        drop(RunLock::acquire(home.path()).unwrap());
    }

    #[test]
    fn a_file_that_a_killed_process_left_is_taken_over() {
        let home = tempfile::tempdir().unwrap();
        fs::write(path(home.path()), "4194304999").unwrap();
        let lock = RunLock::acquire(home.path()).unwrap();
        assert_eq!(fs::read_to_string(path(home.path())).unwrap(), std::process::id().to_string());
        drop(lock);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_or_a_pipe_in_its_place_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, path(home.path())).unwrap();
        let message = RunLock::acquire(home.path()).unwrap_err().to_string();
        assert!(message.contains("this is not a file; remove it"), "{message}");
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[cfg(unix)]
    #[test]
    fn of_many_that_come_and_go_never_two_have_the_lock() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let home = tempfile::tempdir().unwrap();
        let holders = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut acquired = 0;
                    while acquired < 100 {
                        if let Ok(lock) = RunLock::acquire(home.path()) {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            acquired += 1;
                            holders.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
    }
}
