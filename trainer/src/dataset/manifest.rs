//! What became of each image in a training: the text of a run's `images.csv`.
//!
//! ```text
//! content,split,class,file
//! 6f1d0cb7e0c94f0e2a44be0a1c1f2d3e,train,0,crow/1.jpg
//! ```
//!
//! `content` is the image's [`ContentHash`], `class` its label. The file is last, so that commas in it need no quotes.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;

use super::content::ContentHash;
use super::held_out::Split;
use super::{Dataset, fashion_mnist};
use crate::support::printable::no_formula;
use crate::support::text::rows;

/// The first line of `images.csv`.
const HEADER: &str = "content,split,class,file";

/// The images of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(Vec<Entry>);

/// An image of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it shows.
    pub content: ContentHash,
    /// What it was for.
    pub split: Split,
    /// Its label.
    pub class: usize,
    /// Its file, below the directory of the data set.
    pub file: String,
}

impl Split {
    /// What it is called in `images.csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Train, Self::Validation, Self::Test].into_iter().find(|split| split.name() == name)
    }
}

impl Manifest {
    /// Of a user's own images. There is none of Fashion-MNIST and of the built-in set: theirs are always the same.
    ///
    /// # Errors
    /// Where images are in a file that cannot be read.
    pub fn of(dataset: &Dataset) -> io::Result<Option<Self>> {
        let parts =
            [(Split::Train, &dataset.train), (Split::Validation, &dataset.validation), (Split::Test, &dataset.test)];
        if dataset.name == fashion_mnist::NAME || dataset.train.name(0).is_none() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for (split, images) in parts {
            for (index, content) in ContentHash::of_each(images)?.into_iter().enumerate() {
                let (class, file) = (images.label(index).into(), images.name(index).unwrap_or_default().to_owned());
                entries.push(Entry { content, split, class, file });
            }
        }
        Ok(Some(Self(entries)))
    }

    /// The images, those for training first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// How many images were trained, validated and tested on.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        let count = |split| self.0.iter().filter(|entry| entry.split == split).count();
        [Split::Train, Split::Validation, Split::Test].map(count)
    }

    /// What each image was for. One that was in several parts counts as trained on, then as validated on.
    #[must_use]
    pub fn splits(&self) -> HashMap<ContentHash, Split> {
        let mut splits = HashMap::with_capacity(self.0.len());
        for entry in &self.0 {
            splits
                .entry(entry.content)
                .and_modify(|split: &mut Split| *split = entry.split.min(*split))
                .or_insert(entry.split);
        }
        splits
    }

    /// The text of `images.csv`.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for Entry { content, split, class, file } in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{content},{},{class},{}", split.name(), no_formula(file));
        }
        text
    }

    /// Reads what [`to_csv`](Self::to_csv) wrote for so many classes.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn from_csv(text: &str, classes: usize) -> Result<Self, String> {
        let read = |line: &str| {
            let mut cells = line.splitn(4, ',');
            Some(Entry {
                content: cells.next()?.parse().ok()?,
                split: Split::named(cells.next()?)?,
                class: cells.next()?.parse().ok().filter(|&class| class < classes)?,
                file: cells.next()?.to_owned(),
            })
        };
        let form = format!("content, split, class of {classes} and file");
        Ok(Self(rows(text, HEADER, &form, read)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{ImageShape, Images};
    use crate::image::Preprocessing;

    fn images(pixels: &[u8], names: &[&str]) -> Images {
        let labels = pixels.iter().map(|pixel| (pixel % 2).into()).collect();
        Images::new(ImageShape { height: 1, width: 1, channels: 1 }, pixels.to_vec(), labels)
            .with_names(names.iter().map(|&name| name.to_owned()))
    }

    fn dataset() -> Dataset {
        Dataset {
            name: "birds".to_owned(),
            class_names: ["crow", "wren"].map(str::to_owned).to_vec(),
            preprocessing: Preprocessing::Bytes,
            train: images(&[1, 2, 3], &["wren/1.png", "crow/a, b.png", "wren/3.png"]),
            validation: images(&[4, 1], &["crow/4.png", "wren/copy.png"]),
            test: images(&[6, 4], &["crow/6.png", "crow/4 again.png"]),
        }
    }

    #[test]
    fn images_survive_the_way_into_a_file_and_back() {
        let manifest = Manifest::of(&dataset()).unwrap().unwrap();
        let text = manifest.to_csv();
        assert_eq!(Manifest::from_csv(&text, 2).unwrap(), manifest);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (8, "content,split,class,file"));
        assert!(lines[2].ends_with(",train,0,crow/a, b.png"), "{text}");
        assert!(lines[4].ends_with(",validation,0,crow/4.png"), "{text}");
        assert_eq!(manifest.counts(), [3, 2, 2]);
    }

    #[test]
    fn an_image_in_several_parts_counts_where_it_was_learned_from() {
        let splits = Manifest::of(&dataset()).unwrap().unwrap().splits();
        let of = |pixel| splits[&ContentHash::of(ImageShape { height: 1, width: 1, channels: 1 }, &[pixel])];
        assert_eq!([1, 2, 4, 6].map(of), [Split::Train, Split::Train, Split::Validation, Split::Test]);
    }

    #[test]
    fn sets_that_never_change_have_no_manifest() {
        let fashion_mnist = Dataset { name: fashion_mnist::NAME.to_owned(), ..dataset() };
        assert_eq!(Manifest::of(&fashion_mnist).unwrap(), None);
        let mut drawn = dataset();
        drawn.train = Images::new(drawn.train.shape(), vec![1, 2], vec![1, 0]);
        assert_eq!(Manifest::of(&drawn).unwrap(), None);
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        let whole = Manifest::of(&dataset()).unwrap().unwrap().to_csv();
        let row = whole.lines().nth(1).unwrap();
        for broken in [
            row.replace("train", "trained"),
            row.replace(",1,", ",2,"),
            row.replace(",1,", ",-1,"),
            row[1..].to_owned(),
            row.replace(",wren/1.png", ""),
            String::new(),
        ] {
            let message = Manifest::from_csv(&format!("{HEADER}\n{row}\n{broken}\n"), 2).unwrap_err();
            assert_eq!(message, "line 3 is not content, split, class of 2 and file", "{broken:?}");
        }
        assert!(Manifest::from_csv("", 2).unwrap_err().contains("first line"));
    }
}
