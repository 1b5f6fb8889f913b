//! Any bytes as two IDX files, one of images and one of labels: refused with a message that names a file, or whole.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;
use trainer::dataset::idx;

/// A directory for both files; in memory where the system has such a place.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("there is room for two small files")
});

/// Reads two files; the first two bytes state where one ends and the other begins.
///
/// # Panics
/// Where the reader does, or returns what is not so.
pub fn check(bytes: &[u8]) {
    let Some((&[low, high], rest)) = bytes.split_first_chunk() else { return };
    let (images, labels) = rest.split_at(usize::from(u16::from_le_bytes([low, high])).min(rest.len()));
    let [images_path, labels_path] = ["images", "labels"].map(|name| DIRECTORY.path().join(name));
    write(&images_path, images);
    write(&labels_path, labels);
    match idx::read(&images_path, &labels_path) {
        Ok(read) => {
            assert!(!read.is_empty() && !read.shape().is_empty());
            if images.starts_with(&0x0803u32.to_be_bytes()) {
                assert_eq!(images.len(), 16 + read.len() * read.shape().len(), "no byte too many, none too few");
            }
            assert_eq!(read.image(read.len() - 1).expect("it is in memory").len(), read.shape().len());
            let highest = read.labels().iter().copied().max().map_or(0, usize::from);
            assert!(idx::check_labels(&read, highest + 1, &labels_path).is_ok());
            assert!(idx::check_labels(&read, highest, &labels_path).is_err());
        }
        Err(error) => {
            let message = error.to_string();
            let names = |path: &PathBuf| message.contains(&path.display().to_string());
            assert!(names(&images_path) || names(&labels_path), "{message}");
        }
    }
}

fn write(path: &PathBuf, bytes: &[u8]) {
    fs::write(path, bytes).expect("there is room for two small files");
}
