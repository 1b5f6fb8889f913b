//! The pixels of many images: in memory, or in a file where they would take too much memory.
//!
//! The file has no name: it is removed from its directory as soon as it is open, so that nothing is left of it when the process ends, however
//! it ends. It is read by position and not mapped: a file that has lost its end is then an error, where a mapped one is a signal.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DataError;
use crate::support::memory::{self, Shortage, Size};

/// Where decoded images are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Bytes of memory that they may take; `None`: half of what is available.
    pub most_memory: Option<u64>,
    /// The directory of the file that takes them where there are more; `None`: the system's for temporary files.
    pub directory: Option<PathBuf>,
}

impl Storage {
    fn most_memory(&self) -> u64 {
        self.most_memory.unwrap_or_else(|| memory::available() / 2)
    }

    /// The directory, or the nearest above it that is there.
    fn directory(&self) -> PathBuf {
        let exists = |path: &&Path| path.is_dir();
        match &self.directory {
            Some(directory) => match directory.ancestors().filter(|path| !path.as_os_str().is_empty()).find(exists) {
                Some(there) => there.to_owned(),
                None => PathBuf::from("."),
            },
            None => std::env::temp_dir(),
        }
    }
}

/// The pixels of images that are all of one length.
#[derive(Debug)]
pub(super) struct Pixels {
    /// Bytes of an image.
    len: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

impl Pixels {
    /// Those of as many images as there are bytes for.
    pub fn in_memory(len: usize, bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { len, place: Place::Memory(bytes) })
    }

    /// The pixels of one image.
    ///
    /// # Errors
    /// Where the file cannot be read, or has lost its end.
    pub fn image(&self, index: usize) -> io::Result<Cow<'_, [u8]>> {
        let at = index * self.len;
        match &self.place {
            Place::Memory(bytes) => Ok(Cow::Borrowed(&bytes[at..at + self.len])),
            Place::File(file) => {
                let mut bytes = vec![0; self.len];
                let explained =
                    |error: io::Error| io::Error::new(error.kind(), format!("the cache file of the images: {error}"));
                read_exact_at(file, &mut bytes, at as u64).map_err(explained)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Whether they are in a file.
    pub fn is_in_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => (bytes, at) = (&mut bytes[read..], at + read as u64),
        }
    }
    Ok(())
}

/// Takes the pixels of images one after the other.
pub(super) struct Writer {
    len: usize,
    place: Place,
    directory: PathBuf,
}

impl Writer {
    /// For so many images of so many bytes each, in memory or in a file.
    ///
    /// # Errors
    /// [`DataError::Memory`] where neither the memory is there nor may a file take them, [`DataError::CacheRoom`] where the disk has too
    /// little room, [`DataError::Io`].
    pub fn new(len: usize, images: usize, storage: &Storage) -> Result<Self, DataError> {
        let needed = len as u64 * images as u64;
        let directory = storage.directory();
        if needed <= storage.most_memory() {
            let mut bytes = Vec::new();
            let refused = |_| DataError::Memory(Shortage { needed, available: memory::available() });
            bytes.try_reserve_exact(needed as usize).map_err(refused)?;
            return Ok(Self { len, place: Place::Memory(bytes), directory });
        }
        if let Some(available) = room(&directory).filter(|&available| available < needed) {
            return Err(DataError::CacheRoom { directory, needed: Size(needed), available: Size(available) });
        }
        let file = tempfile::tempfile_in(&directory);
        let file = file.map_err(|source| DataError::Io { path: directory.clone(), source })?;
        Ok(Self { len, place: Place::File(file), directory })
    }

    /// The pixels of the next image, or of some.
    ///
    /// # Errors
    /// [`DataError::Io`] where the file cannot be written.
    pub fn push(&mut self, pixels: &[u8]) -> Result<(), DataError> {
        match &mut self.place {
            Place::Memory(bytes) => bytes.extend_from_slice(pixels),
            Place::File(file) => {
                let error = |source| DataError::Io { path: self.directory.join("(cache file of the images)"), source };
                file.write_all(pixels).map_err(error)?;
            }
        }
        Ok(())
    }

    /// Whether they go to a file.
    pub fn is_in_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// All of them.
    pub fn finish(self) -> Arc<Pixels> {
        Arc::new(Pixels { len: self.len, place: self.place })
    }
}

/// Bytes that a user may still write on the disk of a directory, where the system reports it.
#[cfg(unix)]
fn room(directory: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(directory).ok()?;
    (disk.blocks_available() as u64).checked_mul(disk.fragment_size() as u64)
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(storage: &Storage) -> Arc<Pixels> {
        let mut writer = Writer::new(3, 4, storage).unwrap();
        writer.push(&[0, 1, 2]).unwrap();
        writer.push(&[3, 4, 5, 6, 7, 8, 9, 10, 11]).unwrap();
        writer.finish()
    }

    fn in_file(directory: &Path) -> Arc<Pixels> {
        written(&Storage { most_memory: Some(11), directory: Some(directory.to_owned()) })
    }

    #[test]
    fn images_come_from_a_file_as_from_memory_and_nothing_is_left_in_its_directory() {
        let home = tempfile::tempdir().unwrap();
        let memory = written(&Storage { most_memory: Some(12), directory: Some(home.path().to_owned()) });
        let file = in_file(&home.path().join("runs/not-yet"));
        assert_eq!((memory.is_in_file(), file.is_in_file()), (false, true));
        for index in [2, 0, 3, 1] {
            assert_eq!(file.image(index).unwrap(), memory.image(index).unwrap());
        }
        assert_eq!(&*file.image(3).unwrap(), [9, 10, 11]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "even while it is open");
    }

    #[test]
    fn a_file_that_has_lost_its_end_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let pixels = in_file(home.path());
        let Place::File(file) = &pixels.place else { panic!("in a file") };
        file.set_len(8).unwrap();
        assert_eq!(&*pixels.image(1).unwrap(), [3, 4, 5]);
        let error = pixels.image(2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().starts_with("the cache file of the images: "), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_no_disk_has_room_for_is_refused_with_both_sizes() {
        let home = tempfile::tempdir().unwrap();
        let storage = Storage { most_memory: Some(0), directory: Some(home.path().to_owned()) };
        let Err(error) = Writer::new(1 << 30, 1 << 30, &storage) else { panic!("an exabyte") };
        let message = error.to_string();
        assert!(message.contains("1152921505 GB") && message.contains(home.path().to_str().unwrap()), "{message}");
    }
}
