//! Files that a command writes where its user says: what is there already is of the same kind, or it stays.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use trainer::dataset::holds_idx_files;
use trainer::export::frames;
use trainer::report::{answers, demo, page};
use trainer::run::{MODEL, PAGE, RunDirectory};
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
    /// A page of `demo`.
    Demo,
    /// The answers of `eval`.
    Answers,
    /// The list of `--list-unreadable`.
    Listing,
    /// A figure as SVG.
    Svg,
    /// A figure as PNG.
    Png,
    /// The input of a network.
    Input {
        /// How long it is.
        bytes: usize,
    },
}

impl Content {
    /// What a file is not that stays as it is.
    fn name(self) -> &'static str {
        match self {
            Self::Model => "a model file",
            Self::Frames => "a file of frames",
            Self::Page => "a page of trainer report",
            Self::Demo => "a page of trainer demo",
            Self::Answers => "a file of answers",
            Self::Listing => "a list of unreadable files",
            Self::Svg => "an SVG image",
            Self::Png => "a PNG image",
            Self::Input { .. } => "an input of this model",
        }
    }

    /// What the name of such a file ends with.
    fn extension(self) -> &'static str {
        match self {
            Self::Model | Self::Frames | Self::Input { .. } => "bin",
            Self::Page | Self::Demo => "html",
            Self::Answers => "csv",
            Self::Listing => "txt",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// Whether other programs take a file of this name for one of another format.
    fn is_named_as_another_format(self, path: &Path) -> bool {
        let is = |name: &&str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name));
        let own: &[&str] = match self {
            Self::Page | Self::Demo => &["htm", "html"],
            Self::Listing => &["csv"],
            _ => &[self.extension()],
        };
        FORMATS.split(' ').find(is).is_some_and(|found| !own.contains(&found))
    }

    /// Whether a file of this length that begins with these bytes is one.
    fn begins(self, bytes: &[u8], len: u64) -> bool {
        match self {
            Self::Model => bytes.starts_with(&infer_core::header::MAGIC),
            Self::Frames => bytes.starts_with(&frames::MAGIC),
            Self::Page => bytes.starts_with(page::BEGINNING.as_bytes()),
            Self::Demo => bytes.starts_with(demo::BEGINNING.as_bytes()),
            Self::Answers => bytes.starts_with(answers::COLUMNS.as_bytes()),
            Self::Listing => is_listing(bytes),
            Self::Svg => bytes.starts_with(b"<svg") || bytes.starts_with(b"<?xml"),
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Input { bytes } => len == bytes as u64,
        }
    }
}

/// Extensions by which other programs recognize a format.
const FORMATS: &str = "bin bmp c csv docx elf gif gz h h5 hdf5 hex htm html jpeg jpg json keras md npy npz onnx pb pdf png pt pth \
                       safetensors svg tflite toml wasm webp xlsx xml zip";

/// Whether the first line is a file, a tab and a message of several words.
fn is_listing(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut columns = line.split(|&byte| byte == b'\t').skip(1);
    columns.next().is_some_and(|message| message.contains(&b' ')) && columns.next().is_none()
}

/// A file that a command is to write.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The flag that it was named with; empty where nobody named it.
    pub flag: &'a str,
    /// Where it goes.
    pub path: &'a Path,
    /// What it is.
    pub content: Content,
    /// The run of which this is, where it has the name that the run's own has.
    pub run: Option<&'a Path>,
}

impl Output<'_> {
    fn named(&self) -> String {
        named(self.flag, self.path)
    }
}

/// Finds out before the work, not after it, that a file has nowhere to go: there is no such directory, it would be among the images of
/// `data`, it would be one of a run, or another file is there that would be lost. A device or a pipe takes everything.
pub fn check(output: Output<'_>, data: Option<&Path>) -> Result<()> {
    let Output { flag, path, content, .. } = output;
    let named = output.named();
    check_dash(flag, path, "file")?;
    check_runs(output)?;
    if whole_file::is_stream(path) {
        return Ok(());
    }
    if is_of_this_process(path) {
        return Err(Usage::error(anyhow!(
            "{named} leads to a file, in whose place another would come; name that file"
        )));
    }
    let directory = whole_file::directory_of(path);
    if !directory.is_dir() {
        return Err(Usage::error(anyhow!("{named}: there is no directory {}", directory.display())));
    }
    if path.is_dir() {
        return Err(Usage::error(anyhow!("{named} is a directory; name a file")));
    }
    if is_of_directory(path) {
        return Err(Usage::error(anyhow!("{named} ends in a slash, as the name of a directory; name a file")));
    }
    if let Some(data) = data {
        check_data(flag, path, data)?;
    }
    let (beginning, len) = beginning(path).with_context(|| format!("{named}: what is there cannot be read"))?;
    if !beginning.is_empty() && !content.begins(&beginning, len) {
        return Err(Usage::error(anyhow!("{named} exists and is not {}; name another", content.name())));
    }
    if content.is_named_as_another_format(path) {
        let (name, extension) = (content.name(), content.extension());
        return Err(Usage::error(anyhow!("{named}: {name} has another format; name it .{extension}")));
    }
    whole_file::check(path).map_err(|error| anyhow!("{named}: nothing can be written there: {error}"))
}

/// Whether the path is that of a file that this process has open, such as standard output. A file is written beside it and takes its
/// place, and what else is printed would be lost.
fn is_of_this_process(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr"].iter().any(|stream| path == Path::new(stream))
        || ["/dev/fd", "/proc/self/fd"].iter().any(|streams| path.starts_with(streams))
}

/// That no two of these are the same file, under whatever names: the one would be lost.
pub fn check_apart(outputs: &[Output<'_>]) -> Result<()> {
    for (index, second) in outputs.iter().enumerate() {
        for first in &outputs[..index] {
            let place = resolved(second)?;
            if place == resolved(first)? && place != Path::new("/dev/null") {
                let (first, second) = (first.named(), second.named());
                return Err(Usage::error(anyhow!("{second} is the same file as {first}; name another")));
            }
        }
    }
    Ok(())
}

/// That a file is not where the directory `out` of a new run is to be, or one that it is in. `named` is how messages name the
/// directory.
pub fn check_not_above(output: Output<'_>, out: &Path, named: &str) -> Result<()> {
    let out = whole_file::resolved(out).with_context(|| named.to_owned())?;
    if !out.starts_with(resolved(&output)?) {
        return Ok(());
    }
    let file = output.named();
    Err(Usage::error(anyhow!("{file} cannot be a file, as the run goes there, to {named}; name another")))
}

/// The same, and that it is none of the files in the directory that the run writes.
pub fn check_beside_new_run(output: Output<'_>, out: &Path, named: &str) -> Result<()> {
    check_not_above(output, out, named)?;
    let (place, out) = (resolved(&output)?, whole_file::resolved(out).with_context(|| named.to_owned())?);
    if place.parent() == Some(&out) && writes(&place) {
        return Err(of_run(output));
    }
    if output.content == Content::Listing && place.starts_with(&out) {
        return Err(Usage::error(anyhow!(
            "{} is in {named}, which has to be empty when the run begins; name a file elsewhere",
            output.named()
        )));
    }
    Ok(())
}

/// That a directory is there that can be written into, or can be made. `named` is how messages name it.
pub fn check_directory(named: &str, path: &Path) -> Result<()> {
    check_dash(named.split(' ').next().unwrap_or_default(), path, "directory")?;
    let nearest = path.ancestors().map(|ancestor| if ancestor == Path::new("") { Path::new(".") } else { ancestor });
    let Some(nearest) = nearest.into_iter().find(|ancestor| ancestor.symlink_metadata().is_ok()) else { return Ok(()) };
    let what = if nearest == path { named.to_owned() } else { format!("{named}: {}", nearest.display()) };
    match nearest.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = nearest.read_link().unwrap_or_default();
            Err(Usage::error(anyhow!(
                "{what} is a link to {}, and nothing is there; make that directory, or name another",
                target.display()
            )))
        }
        Err(error) => Err(Usage::error(anyhow!("{what}: {error}"))),
        Ok(there) if !there.is_dir() => Err(Usage::error(anyhow!("{what} is a file; name a directory"))),
        Ok(_) => whole_file::check(&nearest.join("new"))
            .map_err(|error| anyhow!("{what}: nothing can be written there: {error}")),
    }
}

/// That `-` is not taken for standard output, as `predict` takes it for standard input: it would be a file of that name.
fn check_dash(flag: &str, path: &Path, what: &str) -> Result<()> {
    if path != Path::new("-") {
        return Ok(());
    }
    Err(Usage::error(anyhow!("{flag} -: name a {what}; - means nothing here, and ./- is the {what} of that name")))
}

/// That what is written is none of the files that a run writes, but the one that it is.
fn check_runs(output: Output<'_>) -> Result<()> {
    let place = resolved(&output)?;
    let Some(directory) = place.parent().filter(|directory| RunDirectory::is_at(directory) && writes(&place)) else {
        return Ok(());
    };
    let own = match output.content {
        Content::Model => Some(MODEL),
        Content::Frames => Some(frames::FILE),
        Content::Page => Some(PAGE),
        Content::Demo | Content::Answers | Content::Listing | Content::Svg | Content::Png | Content::Input { .. } => {
            None
        }
    };
    let is_own = own.is_some_and(|own| place.ends_with(own))
        && output.run.is_some_and(|run| run.canonicalize().is_ok_and(|run| run == directory));
    if is_own { Ok(()) } else { Err(of_run(output)) }
}

/// Whether a run that were in the directory of this file would write it.
fn writes(place: &Path) -> bool {
    place.file_name().is_some_and(|name| RunDirectory::writes(&name.to_string_lossy()))
}

/// The error where a run would write the same file.
fn of_run(output: Output<'_>) -> anyhow::Error {
    Usage::error(anyhow!("{} is a file that the run there writes itself; name another", output.named()))
}

/// That what is written to `path` is not among the images of the folder `data`.
pub fn check_data(flag: &str, path: &Path, data: &Path) -> Result<()> {
    if whole_file::is_stream(path) || !is_among_images(path, data) {
        return Ok(());
    }
    let (named, data) = (named(flag, path), data.display());
    Err(Usage::error(anyhow!("{named} is inside {data}, among the images; name a file elsewhere")))
}

/// Whether what is written to `path` would be among the images of the folder `data`, where it would be taken for a class or an image.
pub fn is_among_images(path: &Path, data: &Path) -> bool {
    let there = whole_file::resolved(path).ok().zip(data.canonicalize().ok());
    there.is_some_and(|(there, data)| there.starts_with(data)) && !holds_idx_files(data)
}

/// Whether two paths lead to one file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let there = whole_file::resolved(one).ok().zip(whole_file::resolved(other).ok());
    there.is_some_and(|(one, other)| one == other)
}

fn resolved(output: &Output<'_>) -> Result<PathBuf> {
    whole_file::resolved(output.path).map_err(|error| Usage::error(anyhow!("{}: {error}", output.named())))
}

/// A path with the flag that named it, if one did.
fn named(flag: &str, path: &Path) -> String {
    format!("{flag} {}", path.display()).trim_start().to_owned()
}

/// Whether a path is written as that of a directory.
fn is_of_directory(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    let text = text.strip_suffix('.').unwrap_or(&text);
    text.ends_with(std::path::is_separator)
}

/// The first bytes of a file and its length, none where there is no file.
fn beginning(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    const BYTES: u64 = 4096;
    let mut bytes = Vec::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((bytes, 0)),
        file => file?,
    };
    let len = file.metadata()?.len();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok((bytes, len))
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
            assert_eq!(Content::Listing.begins(line.as_bytes(), line.len() as u64), expected, "{line:?}");
        }
    }
}
