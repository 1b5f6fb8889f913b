//! Which IDX files a directory holds, under the names that such sets are published with.
//!
//! | name | of |
//! |---|---|
//! | `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` | MNIST, Fashion-MNIST, KMNIST |
//! | `train-images.idx3-ubyte` | copies whose last hyphen is a dot |
//! | `train-images-idx3-ubyte/train-images-idx3-ubyte` | Kaggle's packs: each file in a folder of its own name |
//! | `emnist-letters-test-labels-idx1-ubyte` | EMNIST: the set's name first, `test` for `t10k` |
//!
//! Each with or without `.gz`.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;

/// The names that messages use: images and labels to train on, and to test on.
pub const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The four files of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxFiles {
    /// Images and labels to train on, and to test on.
    pub paths: [PathBuf; 4],
    /// What comes before `train` and `test` in their names, such as `emnist-letters`; often nothing.
    pub set: String,
}

impl IdxFiles {
    /// Whether the names are those of EMNIST, whose images are stored with rows and columns exchanged.
    #[must_use]
    pub fn is_emnist(&self) -> bool {
        self.set == "emnist" || self.set.starts_with("emnist-")
    }

    /// What messages and lists call a file: its name without `.gz`.
    #[must_use]
    pub fn name(&self, file: usize) -> String {
        let name = self.paths[file].file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(".gz").unwrap_or(&name).to_owned()
    }
}

/// A file that could be one of the four.
struct Candidate {
    path: PathBuf,
    set: String,
    file: usize,
    /// Of several candidates the lowest is taken: one that is not empty, then gzip, the usual name, no folder around it.
    rank: [bool; 4],
}

/// Whether a directory holds IDX files, one at least; if not, it is taken for a folder of images.
#[must_use]
pub fn are_in(directory: &Path) -> bool {
    !candidates(directory).is_empty()
}

/// The four files of a directory.
///
/// # Errors
/// [`DataError::MissingFile`]; [`DataError::SeveralSets`].
pub fn find(directory: &Path) -> Result<IdxFiles, DataError> {
    let mut candidates = candidates(directory);
    candidates.sort_by(|one, other| one.rank.cmp(&other.rank).then_with(|| one.path.cmp(&other.path)));
    let mut sets: Vec<&str> = candidates.iter().map(|candidate| candidate.set.as_str()).collect();
    sets.sort_unstable();
    sets.dedup();
    let set = match &sets[..] {
        [] => String::new(),
        [set] => (*set).to_owned(),
        [one, other, ..] => {
            let [one, other] = [one, other].map(|set| {
                [*set, "train-images-idx3-ubyte"]
                    .iter()
                    .filter(|part| !part.is_empty())
                    .copied()
                    .collect::<Vec<_>>()
                    .join("-")
            });
            return Err(DataError::SeveralSets { directory: directory.to_owned(), one, other });
        }
    };
    let file = |file: usize| {
        let candidate = candidates.iter().find(|candidate| candidate.file == file);
        let prefix = if set.is_empty() { String::new() } else { format!("{set}-") };
        candidate.map(|candidate| candidate.path.clone()).ok_or_else(|| DataError::MissingFile {
            directory: directory.to_owned(),
            name: format!(
                "{prefix}{}",
                if set.is_empty() { NAMES[file].to_owned() } else { NAMES[file].replace("t10k", "test") }
            ),
        })
    };
    Ok(IdxFiles { paths: [file(0)?, file(1)?, file(2)?, file(3)?], set })
}

/// All files of a directory, and of folders in it that are named as such a file, whose names are those of IDX files.
fn candidates(directory: &Path) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for path in paths_in(directory) {
        let Some((set, file, is_dotted, is_gzip)) = parse(&path) else { continue };
        let mut add = |path: PathBuf, is_inside: bool, is_dotted: bool, is_gzip: bool, set: String| {
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
            {
                candidates.push(Candidate {
                    path,
                    set,
                    file,
                    rank: [metadata.len() == 0, !is_gzip, is_dotted, is_inside],
                });
            }
        };
        if path.is_dir() {
            for inside in paths_in(&path) {
                if let Some((set, file_inside, is_dotted, is_gzip)) = parse(&inside)
                    && file_inside == file
                {
                    add(inside, true, is_dotted, is_gzip, set);
                }
            }
        } else {
            add(path, false, is_dotted, is_gzip, set);
        }
    }
    candidates
}

fn paths_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).map_or_else(|_| Vec::new(), |entries| entries.flatten().map(|entry| entry.path()).collect())
}

/// The set, which of the four, whether with a dot, whether gzip, by the name of a file.
fn parse(path: &Path) -> Option<(String, usize, bool, bool)> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let (name, is_gzip) = match name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (&*name, false),
    };
    let kinds = [("-images-idx3-ubyte", 0, false), ("-images.idx3-ubyte", 0, true)];
    let kinds = kinds.into_iter().chain([("-labels-idx1-ubyte", 1, false), ("-labels.idx1-ubyte", 1, true)]);
    let (stem, kind, is_dotted) =
        kinds.into_iter().find_map(|(suffix, kind, is_dotted)| Some((name.strip_suffix(suffix)?, kind, is_dotted)))?;
    let (set, part) = stem.rsplit_once('-').unwrap_or(("", stem));
    let part = match part {
        "train" => 0,
        "t10k" | "test" => 2,
        _ => return None,
    };
    Some((set.to_owned(), part + kind, is_dotted, is_gzip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_published_sets_are_understood_and_others_are_not() {
        type Parsed = Option<(&'static str, usize, bool, bool)>;
        let cases: [(&str, Parsed); 12] = [
            ("train-images-idx3-ubyte", Some(("", 0, false, false))),
            ("train-labels-idx1-ubyte.gz", Some(("", 1, false, true))),
            ("t10k-images.idx3-ubyte", Some(("", 2, true, false))),
            ("T10K-labels.idx1-ubyte.gz", Some(("", 3, true, true))),
            ("test-labels-idx1-ubyte", Some(("", 3, false, false))),
            ("emnist-letters-train-images-idx3-ubyte", Some(("emnist-letters", 0, false, false))),
            ("emnist-byclass-test-labels-idx1-ubyte.gz", Some(("emnist-byclass", 3, false, true))),
            ("train-images-idx1-ubyte", None),
            ("train-labels-idx3-ubyte", None),
            ("val-images-idx3-ubyte", None),
            ("images-idx3-ubyte", None),
            ("train-images-idx3-ubyte.zip", None),
        ];
        for (name, expected) in cases {
            let parsed = parse(Path::new(name));
            let parsed =
                parsed.as_ref().map(|(set, file, is_dotted, is_gzip)| (set.as_str(), *file, *is_dotted, *is_gzip));
            assert_eq!(parsed, expected, "{name}");
        }
    }
}
