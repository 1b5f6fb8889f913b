//! Files that a command writes where its user says: what is there already is of the same kind, or it stays.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use trainer::dataset::holds_idx_files;
use trainer::export::frames;
use trainer::report::{answers, page};
use trainer::support::whole_file;

use crate::Usage;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A model file.
    Model,
    /// Test images for firmware.
    Frames,
    /// A page of `report`.
    Page,
    /// The answers of `eval`.
    Answers,
    /// The list of `--list-unreadable`.
    Listing,
    /// A figure as SVG.
    Svg,
    /// A figure as PNG.
    Png,
}

impl Content {
    /// What a file is not that stays as it is.
    fn name(self) -> &'static str {
        match self {
            Self::Model => "a model file",
            Self::Frames => "a file of frames",
            Self::Page => "a page of trainer report",
            Self::Answers => "a file of answers",
            Self::Listing => "a list of unreadable files",
            Self::Svg => "an SVG image",
            Self::Png => "a PNG image",
        }
    }

    /// Whether a file that begins with these bytes is one.
    fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Model => bytes.starts_with(&infer_core::header::MAGIC),
            Self::Frames => bytes.starts_with(&frames::MAGIC),
            Self::Page => bytes.starts_with(page::BEGINNING.as_bytes()),
            Self::Answers => bytes.starts_with(answers::COLUMNS.as_bytes()),
            Self::Listing => is_listing(bytes),
            Self::Svg => bytes.starts_with(b"<svg") || bytes.starts_with(b"<?xml"),
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        }
    }
}

/// Whether the first line is a file, a tab and a message of several words.
fn is_listing(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut columns = line.split(|&byte| byte == b'\t').skip(1);
    columns.next().is_some_and(|message| message.contains(&b' ')) && columns.next().is_none()
}

/// Finds out before the work, not after it, that a file has nowhere to go: there is no such directory, it would be among the images of
/// `data`, or another file is there that would be lost. `flag` is what the user named it with. A device or a pipe takes everything.
pub fn check(flag: &str, path: &Path, content: Content, data: Option<&Path>) -> Result<()> {
    if whole_file::is_stream(path) {
        return Ok(());
    }
    let named = named(flag, path);
    let directory = whole_file::directory_of(path);
    if !directory.is_dir() {
        return Err(Usage::error(anyhow!("{named}: there is no directory {}", directory.display())));
    }
    if path.is_dir() {
        return Err(Usage::error(anyhow!("{named} is a directory; name a file")));
    }
    if let Some(data) = data.filter(|data| is_among_images(path, data)) {
        return Err(among_images(flag, path, data));
    }
    let beginning = beginning(path).with_context(|| format!("{named}: what is there cannot be read"))?;
    if !beginning.is_empty() && !content.begins(&beginning) {
        return Err(Usage::error(anyhow!("{named} exists and is not {}; name another", content.name())));
    }
    whole_file::check(path).map_err(|error| anyhow!("{named}: nothing can be written there: {error}"))
}

/// Whether what is written to `path` would be among the images of the folder `data`, where it would be taken for a class or an image.
pub fn is_among_images(path: &Path, data: &Path) -> bool {
    let absolute = std::path::absolute(path).ok();
    // As much of it as is there, links followed.
    let there = absolute.and_then(|path| path.ancestors().find_map(|path| path.canonicalize().ok()));
    let is_below = there.zip(data.canonicalize().ok()).is_some_and(|(there, data)| there.starts_with(data));
    is_below && !holds_idx_files(data)
}

/// The error where [`is_among_images`].
pub fn among_images(flag: &str, path: &Path, data: &Path) -> anyhow::Error {
    let (named, data) = (named(flag, path), data.display());
    Usage::error(anyhow!("{named} is inside {data}, among the images; name a file elsewhere"))
}

/// A path with the flag that named it, if one did.
fn named(flag: &str, path: &Path) -> String {
    format!("{flag} {}", path.display()).trim_start().to_owned()
}

/// The first bytes of a file, none where there is no file.
fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    const BYTES: u64 = 4096;
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        file => _ = file?.take(BYTES).read_to_end(&mut bytes)?,
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_unreadable_files_differs_from_a_table_of_labels() {
        for (line, expected) in [
            ("birds/wren/1.png\tdamaged or truncated (the file is empty)\n", true),
            ("birds/wren/1.png\twren\n", false),
            ("birds/wren/1.png\ta b\tc\n", false),
            ("a text of several words\n", false),
        ] {
            assert_eq!(Content::Listing.begins(line.as_bytes()), expected, "{line:?}");
        }
    }
}
