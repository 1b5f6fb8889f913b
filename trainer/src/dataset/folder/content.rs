//! What the files of a folder are, by their first bytes where their names do not show it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::image::{FrameLayout, ImageKind, recognize};
use crate::support::text::counted;

/// How the files of images end. What ends otherwise is an image where its content is one.
const EXTENSIONS: [&str; 11] = ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "webp", "tif", "tiff"];

/// Files that a message counts by kind; more are not opened.
const MOST_OPENED: usize = 200;

/// Kinds that a message names.
const KINDS: usize = 4;

/// Containers of other files, by their first bytes.
const ARCHIVES: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a ZIP archive; unpack it"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x1F\x8B", "a gzip file; unpack it"),
    (b"\x28\xB5\x2F\xFD", "a zstd file; unpack it"),
    (b"\xFD7zXZ\0", "an xz file; unpack it"),
];

/// What a file is that is no image that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A known kind of file, with its article.
    Known(&'static str),
    /// No bytes at all.
    Empty,
    /// Anything else.
    Unknown,
    /// The system refuses to read it.
    Unreadable(String),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(what) => f.write_str(what),
            Self::Empty => f.write_str("empty"),
            Self::Unknown => f.write_str("no image"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// Whether the name of a file shows that it is an image, or a frame of a known layout.
pub(super) fn is_named_as_image(name: &str) -> bool {
    if matches!(FrameLayout::of_file(Path::new(name)), Some(Ok(_))) {
        return true;
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension))
}

/// Whether a file is taken for an image, by its name or by its content; what it is, if not. A file that is named as an image
/// and is none is reported when it is read.
pub(super) fn is_image(name: &str, path: &Path) -> Result<(), Content> {
    if is_named_as_image(name) { Ok(()) } else { look(path).map(drop) }
}

/// What a file is by its content.
fn look(path: &Path) -> Result<ImageKind, Content> {
    let unreadable = |error: std::io::Error| Content::Unreadable(error.to_string());
    match recognize(path).map_err(unreadable)? {
        Some(ImageKind::Unsupported(what)) => return Err(Content::Known(what)),
        Some(kind) => return Ok(kind),
        None => {}
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(512).read_to_end(&mut bytes).map_err(unreadable)?;
    let archive = ARCHIVES.iter().find(|(signature, _)| bytes.starts_with(signature));
    Err(match archive {
        _ if bytes.is_empty() => Content::Empty,
        Some((_, what)) => Content::Known(what),
        None if bytes.get(257..262) == Some(b"ustar") => Content::Known("a tar archive; unpack it"),
        None if matches!(FrameLayout::of_file(path), Some(Err(_))) => {
            Content::Known("a frame whose name has no format and size of frames; name it as 1.rgb565le.160x120.raw")
        }
        None => Content::Unknown,
    })
}

/// What some files are, counted by kind: "5 files (3: a HEIC image; 1: empty; 1: .txt)".
pub(super) fn describe(files: &[PathBuf]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for path in files.iter().take(MOST_OPENED) {
        *kinds.entry(kind_in_words(path)).or_insert(0) += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
    kinds.sort_by(|(one, fewer), (other, more)| more.cmp(fewer).then_with(|| one.cmp(other)));
    let listed = match &kinds[..] {
        [(kind, count)] if *count == files.len() => {
            if *count == 1 {
                kind.clone()
            } else {
                format!("each {kind}")
            }
        }
        kinds => {
            let more = if kinds.len() > KINDS || files.len() > MOST_OPENED { "; ..." } else { "" };
            let named = kinds.iter().take(KINDS).map(|(kind, count)| format!("{count}: {kind}"));
            named.collect::<Vec<_>>().join("; ") + more
        }
    };
    format!("{} ({listed})", counted(files.len(), "file"))
}

/// What a file is, in words.
pub(super) fn kind_in_words(path: &Path) -> String {
    match look(path) {
        Ok(_) => "an image".to_owned(),
        Err(content @ (Content::Known(_) | Content::Empty | Content::Unreadable(_))) => content.to_string(),
        Err(Content::Unknown) => {
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            let extension = extension.filter(|text| text.len() <= 8 && text.chars().all(char::is_alphanumeric));
            extension.map_or_else(|| "no image".to_owned(), |extension| format!("no image, named .{extension}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_counted_by_what_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let write = |names: &[(&str, &[u8])]| -> Vec<PathBuf> {
            names
                .iter()
                .map(|(name, bytes)| {
                    fs::write(directory.path().join(name), bytes).unwrap();
                    directory.path().join(name)
                })
                .collect()
        };
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        assert_eq!(describe(&write(&[("1.heic", heic), ("2.heic", heic)])), "2 files (each a HEIC image)");
        assert_eq!(describe(&write(&[("x.zip", b"PK\x03\x04...")])), "1 file (a ZIP archive; unpack it)");
        let mixed =
            write(&[("1.heic", heic), ("3.heic", heic), ("a.txt", b"notes"), ("b", b""), ("c", b"\x89PNG\r\n\x1a\n")]);
        assert_eq!(describe(&mixed), "5 files (2: a HEIC image; 1: an image; 1: empty; 1: no image, named .txt)");
        assert_eq!(is_image("a.txt", &mixed[2]), Err(Content::Unknown));
        assert_eq!(is_image("c", &mixed[4]), Ok(()));
        let frames = write(&[("1.gray8.2x2.raw", b"rows"), ("2.raw", b"rows"), ("3.gray9.2x2.raw", b"rows")]);
        assert_eq!(is_image("1.gray8.2x2.raw", &frames[0]), Ok(()));
        let nameless =
            "2 files (each a frame whose name has no format and size of frames; name it as 1.rgb565le.160x120.raw)";
        assert_eq!(describe(&frames[1..]), nameless);
    }
}
