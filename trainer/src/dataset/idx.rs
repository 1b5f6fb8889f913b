//! The IDX file format of MNIST and its kin, plain or gzip.
//!
//! A big-endian header - magic (`0x0803` for images, `0x0801` for labels), then one `u32` per dimension - and the bytes.
//! (Source: <http://yann.lecun.com/exdb/mnist/>, "the IDX file format".)

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{DataError, ImageShape, Images};
use crate::support::bounded_file::open_regular;
use crate::support::limits::MOST_IDX_BYTES;
use crate::support::memory;
use crate::support::text::hexadecimal;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Images of one channel and their labels.
///
/// # Errors
/// [`DataError`]: whatever is wrong with either file, or that they do not belong together.
pub fn read(images: &Path, labels: &Path) -> Result<Images, DataError> {
    let ([count, height, width], pixels) = read_file::<3>(images, "images", IMAGES_MAGIC)?;
    if pixels.is_empty() {
        return Err(DataError::Empty { path: images.to_owned(), count, height, width });
    }
    let (_, label_bytes) = read_file::<1>(labels, "labels", LABELS_MAGIC)?;
    if label_bytes.len() != count as usize {
        return Err(DataError::CountMismatch {
            images_path: images.to_owned(),
            images: count as usize,
            labels_path: labels.to_owned(),
            labels: label_bytes.len(),
        });
    }
    let shape = ImageShape { height: height as usize, width: width as usize, channels: 1 };
    Ok(Images::new(shape, pixels, label_bytes.into_iter().map(u16::from).collect()))
}

/// Refuses labels that no class has.
///
/// # Errors
/// [`DataError::LabelOutOfRange`].
pub fn check_labels(images: &Images, classes: usize, path: &Path) -> Result<(), DataError> {
    match images.labels().iter().position(|&label| usize::from(label) >= classes) {
        None => Ok(()),
        Some(index) => {
            Err(DataError::LabelOutOfRange { path: path.to_owned(), index, label: images.label(index), classes })
        }
    }
}

/// SHA-256 of the file that holds these images, as it is unpacked, hexadecimal.
///
/// # Errors
/// Where the images are in a file that cannot be read.
pub fn images_sha256(images: &Images) -> io::Result<String> {
    let ImageShape { height, width, .. } = images.shape();
    let mut hash = header_sha256(IMAGES_MAGIC, &[images.len(), height, width]);
    for index in 0..images.len() {
        hash.update(images.image(index)?);
    }
    Ok(hexadecimal(hash))
}

/// SHA-256 of the file that holds their labels, as it is unpacked, hexadecimal.
#[must_use]
pub fn labels_sha256(images: &Images) -> String {
    hexadecimal(header_sha256(LABELS_MAGIC, &[images.len()]).chain_update(images.label_bytes()))
}

fn header_sha256(magic: u32, dimensions: &[usize]) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(magic.to_be_bytes());
    dimensions.iter().for_each(|&dimension| hash.update((dimension as u32).to_be_bytes()));
    hash
}

/// The dimensions and the bytes after them. Memory grows with what is there, not with what the header claims.
fn read_file<const DIMENSIONS: usize>(
    path: &Path,
    expected: &'static str,
    magic: u32,
) -> Result<([u32; DIMENSIONS], Vec<u8>), DataError> {
    let mut reader = open(path)?;
    let header_len = 4 + 4 * DIMENSIONS as u64;
    let header = read_up_to(path, &mut reader, header_len)?;
    let mut words = header.as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word));
    let found = words.next().unwrap_or_default();
    if header.len() >= 4 && found != magic {
        return Err(DataError::Magic { path: path.to_owned(), expected, found, magic });
    }
    let truncated = |needed, given| DataError::Truncated { path: path.to_owned(), needed, given };
    if (header.len() as u64) < header_len {
        return Err(truncated(header_len, header.len() as u64));
    }
    let mut dimensions = [0; DIMENSIONS];
    dimensions.iter_mut().zip(words).for_each(|(dimension, word)| *dimension = word);
    let claimed = dimensions.iter().try_fold(1u64, |product, &dimension| product.checked_mul(dimension.into()));
    let needed = header_len.saturating_add(claimed.unwrap_or(u64::MAX));
    if needed > MOST_IDX_BYTES {
        return Err(DataError::TooLarge { path: path.to_owned(), needed });
    }
    memory::check(needed).map_err(|shortage| DataError::FileMemory { path: path.to_owned(), shortage })?;
    let bytes = read_up_to(path, &mut reader, needed - header_len)?;
    let given = header_len + bytes.len() as u64;
    if given < needed {
        return Err(truncated(needed, given));
    }
    if !read_up_to(path, &mut reader, 1)?.is_empty() {
        return Err(DataError::TooLong { path: path.to_owned(), needed });
    }
    Ok((dimensions, bytes))
}

/// The file's bytes, unpacked where it begins as gzip files do, whatever its name.
fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let io_error = |source| DataError::Io { path: path.to_owned(), source };
    let mut magic = Vec::new();
    open_regular(path).map_err(io_error)?.take(2).read_to_end(&mut magic).map_err(io_error)?;
    let reader = BufReader::new(open_regular(path).map_err(io_error)?);
    Ok(if magic == [0x1F, 0x8B] { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

fn read_up_to(path: &Path, reader: &mut dyn Read, most: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    match reader.take(most).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        // What the system reports carries its error number; what the gzip decoder reports does not.
        Err(source) if source.raw_os_error().is_some() => Err(DataError::Io { path: path.to_owned(), source }),
        Err(error) => Err(DataError::Gzip { path: path.to_owned(), reason: error.to_string() }),
    }
}
