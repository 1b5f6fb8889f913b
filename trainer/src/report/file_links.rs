//! Links from a page to the files of images, relative to where the page is.

use std::path::{Component, Path, PathBuf};

/// Letters of a file's name that a page shows.
pub const LONGEST_NAME: usize = 600;

/// The file of an image, as a page names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// Its name.
    pub name: String,
    /// The link to it, a relative reference (RFC 3986); empty where there is no such file.
    pub href: String,
}

/// Where a page and the images are that it is about.
#[derive(Clone, Debug)]
pub struct FileLinks {
    /// The directories of the page and of the images, without `..`; `None` where one of them is not known.
    directories: Option<[PathBuf; 2]>,
}

impl FileLinks {
    /// From a page in a directory to images below `data`.
    #[must_use]
    pub fn new(page: &Path, data: Option<&Path>) -> Self {
        let directories = data.and_then(|data| Some([whole(page)?, whole(data)?]));
        Self { directories }
    }

    /// The link to a file below the directory of the images. There is none to a file that is not there, such as that of an image in an IDX
    /// file, and none to one outside of the directory.
    #[must_use]
    pub fn link(&self, file: &str) -> FileLink {
        let name: String = file.chars().take(LONGEST_NAME).collect();
        let path = Path::new(file);
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let href = self.directories.as_ref().and_then(|[page, data]| {
            let target = data.join(path);
            (is_below && target.is_file()).then(|| reference(page, &target)).flatten()
        });
        FileLink { name, href: href.unwrap_or_default() }
    }
}

/// A directory in full and without `..`, as a browser reads addresses: links of the file system stay as they are named.
fn whole(directory: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(directory).ok()?;
    let goes_up = directory.components().any(|part| part == Component::ParentDir);
    if goes_up { directory.canonicalize().ok() } else { Some(directory) }
}

/// The relative reference from a file in the directory `from` to the file `to`, both in full; `None` where there is no way, as between two
/// drives.
fn reference(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    if common == 0 {
        return None;
    }
    let up = from[common..].iter().map(|_| "..".to_owned());
    let down = to[common..].iter().map(|part| percent_encoded(part.as_os_str().as_encoded_bytes()));
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// A part of a path as a part of an address: what is not unreserved there (RFC 3986, section 2.3) as `%XX`.
fn percent_encoded(part: &[u8]) -> String {
    let mut encoded = String::with_capacity(part.len());
    for &byte in part {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn references_lead_up_to_what_is_common_and_down_again() {
        let cases = [
            ("/runs/one", "/runs/one/x.png", "x.png"),
            ("/runs/one", "/data/cat/1.png", "../../data/cat/1.png"),
            ("/", "/data/1.png", "data/1.png"),
            ("/data/runs", "/data/a b/#1?<&\">'.png", "../a%20b/%231%3F%3C%26%22%3E%27.png"),
            ("/data", "/data/javascript:alert(1)/ü.png", "javascript%3Aalert%281%29/%C3%BC.png"),
        ];
        for (from, to, expected) in cases {
            assert_eq!(reference(Path::new(from), Path::new(to)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn files_that_are_there_are_linked_and_nothing_else_is() {
        let home = tempfile::tempdir().unwrap();
        let (run, data) = (home.path().join("runs/one"), home.path().join("my data"));
        fs::create_dir_all(&run).unwrap();
        fs::create_dir_all(data.join("cat")).unwrap();
        fs::write(data.join("cat/1.png"), "").unwrap();
        fs::write(home.path().join("secret.txt"), "").unwrap();
        let links = FileLinks::new(&run, Some(&data));
        let link = links.link("cat/1.png");
        assert_eq!((link.name.as_str(), link.href.as_str()), ("cat/1.png", "../../my%20data/cat/1.png"));
        assert!(run.join("../../my data/cat/1.png").is_file(), "the link leads from the page to the image");
        assert_eq!(links.link("./cat/1.png").href, "../../my%20data/cat/1.png");
        let outside = home.path().join("secret.txt").display().to_string();
        for file in ["cat/2.png", "cat", "../secret.txt", "image 3 of t10k-images-idx3-ubyte", "", &outside] {
            assert_eq!(links.link(file).href, "", "{file}");
        }
        assert_eq!(FileLinks::new(&run, None).link("cat/1.png").href, "");
        // A page that is named by way of another directory is where that leads.
        let around = FileLinks::new(&run.join("../../my data/../runs/one"), Some(&data));
        assert!(around.link("cat/1.png").href.ends_with("../../my%20data/cat/1.png"));
        assert_eq!(links.link(&"x".repeat(10_000)).name.len(), LONGEST_NAME);
    }
}
