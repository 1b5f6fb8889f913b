//! Many images at once: on all cores, in the order of their files, every broken one found before anything is printed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use infer_core::Shape;
use rayon::prelude::*;

use super::FolderError;
use super::listing::Listing;
use crate::dataset::pixels::Writer;
use crate::dataset::{DataError, Images, Storage};
use crate::image::{Background, Conversion, Image, ImageError, ImageHeader, Observed, Resize, decode};
use crate::support::printable::path_text;

/// Images of longer sides are scaled down, and the user decides how.
const LONGEST_OWN_SIDE: u32 = 256;

/// So many images take long enough for a bar.
const MANY: usize = 500;

/// Bytes of images that are decoded before they are written; at least one image.
const BATCH_BYTES: usize = 16 << 20;

/// Decodes and converts all images of some listings, and names each by its file below `directory`; with the images comes what
/// was observed of each, listing by listing.
/// They are kept by `storage`, with no second copy at any time.
///
/// # Errors
/// [`FolderError::Broken`], [`FolderError::OtherSizes`], [`FolderError::Shortage`], and those of the storage.
pub(super) fn read<const N: usize>(
    listings: [&Listing; N],
    directory: &Path,
    conversion: &Conversion,
    storage: &Storage,
    quiet: bool,
) -> Result<([Images; N], Vec<Observed>), DataError> {
    let shape = conversion.shape();
    let files = files(&listings);
    let bar = progress_bar(if quiet { 0 } else { files.len() });
    let mut writer = Writer::new(shape.len(), files.len(), storage)?;
    let at_once = (BATCH_BYTES / shape.len()).clamp(1, files.len().max(1));
    let mut pixels = vec![0; at_once * shape.len()];
    let mut outcomes = Vec::with_capacity(files.len());
    for files in files.chunks(at_once) {
        let pixels = &mut pixels[..files.len() * shape.len()];
        let images = files.par_iter().zip(pixels.par_chunks_exact_mut(shape.len()));
        let read: Vec<Result<Observed, ImageError>> = images
            .map(|(path, pixels)| {
                bar.inc(1);
                let (input, observed) = conversion.input(&decode::read_onto(path, conversion.background())?)?;
                pixels.copy_from_slice(&input);
                Ok(observed)
            })
            .collect();
        outcomes.extend(read);
        writer.push(pixels)?;
    }
    bar.finish_and_clear();
    let observed = all_or_broken(&files, outcomes)?;
    let pixels = writer.finish();
    let mut first = 0;
    let images = listings.map(|Listing { files, labels, .. }| {
        let below = |path: &PathBuf| path_text(path.strip_prefix(directory).unwrap_or(path));
        let images = Images::of(shape.into(), Arc::clone(&pixels), first, labels.clone());
        first += files.len();
        images.with_names(files.iter().map(below))
    });
    Ok((images, observed))
}

/// Whether each file can be read, in their order.
pub(super) fn try_each(files: &[impl AsRef<Path> + Sync], quiet: bool) -> Vec<Result<(), ImageError>> {
    let bar = progress_bar(if quiet { 0 } else { files.len() });
    let outcomes = files.par_iter().map(|path| {
        bar.inc(1);
        decode::read(path.as_ref()).map(drop)
    });
    let outcomes = outcomes.collect();
    bar.finish_and_clear();
    outcomes
}

pub(super) fn files<'a>(listings: &[&'a Listing]) -> Vec<&'a PathBuf> {
    listings.iter().flat_map(|listing| &listing.files).collect()
}

/// A bar over all images of a data set; it shows where there are many and a terminal.
fn progress_bar(images: usize) -> ProgressBar {
    if images < MANY {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("images [{bar:24}] {pos}/{len}  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(images as u64).with_style(style)
}

/// The size that all images have, as an input: gray where all are on this background, RGB where one has color.
///
/// # Errors
/// [`FolderError::Broken`], [`FolderError::MixedSizes`], [`FolderError::LargeImages`].
pub(super) fn own_size(listings: &[&Listing], background: Background, quiet: bool) -> Result<Conversion, FolderError> {
    let files = files(listings);
    let mut headers: Vec<Result<ImageHeader, ImageError>> = files.par_iter().map(|path| decode::header(path)).collect();
    if headers.iter().any(Result::is_err) {
        // There may be broken pixels after sound headers: all that is broken is counted at once.
        let pixels = try_each(&files, quiet);
        headers = headers.into_iter().zip(pixels).map(|(header, pixels)| pixels.and(header)).collect();
    }
    let headers = all_or_broken(&files, headers)?;
    let size = |header: &ImageHeader| (header.height, header.width);
    let Some((first, path)) = headers.first().zip(files.first()) else {
        return Err(FolderError::Broken { images: 0, broken: Vec::new() });
    };
    if let Some(other) = headers.iter().position(|header| size(header) != size(first)) {
        let sizes = [*first, headers[other]];
        return Err(FolderError::MixedSizes { one: path.to_path_buf(), other: files[other].clone(), sizes });
    }
    if first.height.max(first.width) > LONGEST_OWN_SIDE {
        return Err(FolderError::LargeImages { path: path.to_path_buf(), size: *first, most: LONGEST_OWN_SIDE });
    }
    // What is stored with color may be gray; an image that turns out to be broken here is reported when all are read.
    let has_color = |(path, header): (&&PathBuf, &ImageHeader)| {
        let may_have_color = header.is_rgb || !background.is_gray();
        let image = |path| decode::read_onto(path, background).map(|decoded| decoded.image);
        may_have_color
            && match image(path) {
                Ok(Image::Gray(_)) | Err(_) => false,
                Ok(Image::Rgb(_)) => true,
                Ok(Image::Raw(frame)) => frame.layout().is_rgb(),
            }
    };
    let channels = if files.par_iter().zip(&headers).any(has_color) { 3 } else { 1 };
    let shape = Shape { height: first.height as u16, width: first.width as u16, channels };
    Ok(Conversion::new(shape, Resize::AsTheyAre)?.with_background(background))
}

fn all_or_broken<T>(files: &[&PathBuf], outcomes: Vec<Result<T, ImageError>>) -> Result<Vec<T>, FolderError> {
    no_shortage(files.iter().copied().zip(outcomes.iter().map(|outcome| outcome.as_ref().err())))?;
    let images = outcomes.len();
    let (mut read, mut broken) = (Vec::with_capacity(images), Vec::new());
    for (path, outcome) in files.iter().zip(outcomes) {
        match outcome {
            Ok(value) => read.push(value),
            Err(error) => broken.push((path.to_path_buf(), error)),
        }
    }
    if broken.is_empty() {
        return Ok(read);
    }
    // Images of another size are sound: whoever left them out would have none.
    let is_sound = |(_, error): &(PathBuf, ImageError)| matches!(error, ImageError::OtherSize { .. });
    if broken.iter().all(is_sound) {
        let count = broken.len();
        let (path, error) = broken.swap_remove(0);
        return Err(FolderError::OtherSizes { images, count, path, reason: error.to_string() });
    }
    broken.retain(|image| !is_sound(image));
    Err(FolderError::Broken { images, broken })
}

/// A shortage of the machine ends the reading: it is no fault of the file, which is no reason to continue without it.
///
/// # Errors
/// [`FolderError::Shortage`], of the first.
pub(super) fn no_shortage<'a>(
    mut outcomes: impl Iterator<Item = (&'a PathBuf, Option<&'a ImageError>)>,
) -> Result<(), FolderError> {
    let short = outcomes.find_map(|(path, error)| Some((path, error.filter(|error| error.is_shortage())?)));
    short.map_or(Ok(()), |(path, error)| Err(FolderError::Shortage { path: path.clone(), reason: error.to_string() }))
}
