//! The logits of each training image, by the fit that left it out: the text of a run's `out_of_fold.csv`.
//!
//! ```text
//! fold,class,logits,file
//! 1,0,2.25 -0.5 -1.75,crow/1.jpg
//! ```
//!
//! A row for each training image, in the order of `images.csv`; folds count from 1. The file is last, so that commas in it need no quotes.

use std::fmt::Write;

use super::assignment::Folds;
use super::fold_fit::FoldFit;
use crate::dataset::Images;
use crate::support::printable::no_formula;
use crate::support::text::rows;
use crate::train::evaluate::argmax;

/// The first line.
const HEADER: &str = "fold,class,logits,file";

/// Logits of all training images of a run that was cross-validated.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// In the order of the training images.
    pub images: Vec<HeldOutImage>,
}

/// A training image, and what the fit that left it out made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutImage {
    /// Its fold, counted from 0.
    pub fold: usize,
    /// Its label.
    pub class: usize,
    /// One for each class, of a float network that was not trained on the image.
    pub logits: Vec<f32>,
    /// Its file, below the directory of the data set; empty where images have no names.
    pub file: String,
}

impl OutOfFold {
    /// Those of the fits after so many epochs.
    #[must_use]
    pub fn of(folds: &Folds, fits: &[FoldFit], epochs: usize, images: &Images, classes: usize) -> Self {
        let mut rows: Vec<_> = fits.iter().map(|fit| fit.logits_after(epochs).chunks_exact(classes)).collect();
        let held_out = |(image, &fold): (usize, &usize)| HeldOutImage {
            fold,
            class: images.label(image).into(),
            // Within a fold, logits are in the order of its images.
            logits: rows.get_mut(fold).and_then(Iterator::next).map_or_else(Vec::new, <[f32]>::to_vec),
            file: images.name(image).unwrap_or_default().to_owned(),
        };
        Self { images: folds.of_image().iter().enumerate().map(held_out).collect() }
    }

    /// How many folds there are.
    #[must_use]
    pub fn folds(&self) -> usize {
        self.images.iter().map(|image| image.fold + 1).max().unwrap_or(0)
    }

    /// Whether it is of these images: as many, of the same classes in the same order.
    #[must_use]
    pub fn is_of(&self, images: &Images) -> bool {
        let classes = self.images.iter().map(|image| image.class);
        classes.eq(images.labels().iter().map(|&label| usize::from(label)))
    }

    /// Share of right answers in a fold, 0 to 1.
    #[must_use]
    pub fn accuracy(&self, fold: usize) -> f64 {
        let of_fold = || self.images.iter().filter(|image| image.fold == fold);
        let right = of_fold().filter(|image| argmax(&image.logits) == image.class).count();
        right as f64 / of_fold().count().max(1) as f64
    }

    /// The text of `out_of_fold.csv`. Logits are as short as they can be and be read back to the same bits.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for HeldOutImage { fold, class, logits, file } in &self.images {
            let logits = logits.iter().map(f32::to_string).collect::<Vec<_>>().join(" ");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{},{class},{logits},{}", fold + 1, no_formula(file));
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
            let fold = cells.next()?.parse::<usize>().ok()?.checked_sub(1)?;
            let class = cells.next()?.parse().ok().filter(|&class| class < classes)?;
            let logits = cells.next()?.split(' ').map(str::parse).collect::<Result<Vec<f32>, _>>().ok()?;
            let file = cells.next()?.to_owned();
            let is_whole = logits.len() == classes && logits.iter().all(|logit| logit.is_finite());
            is_whole.then_some(HeldOutImage { fold, class, logits, file })
        };
        let form = format!("fold, class of {classes}, as many finite logits, and file");
        Ok(Self { images: rows(text, HEADER, &form, read)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_fold() -> OutOfFold {
        let image = |fold, class, logits: [f32; 2], file: &str| HeldOutImage {
            fold,
            class,
            logits: logits.to_vec(),
            file: file.to_owned(),
        };
        OutOfFold {
            images: vec![
                image(0, 0, [1.0 / 3.0, -2.5e-8], "crow/a, b.png"),
                image(1, 1, [7.25, f32::MAX], "wren/1.png"),
                image(1, 1, [7.25, 0.0], ""),
            ],
        }
    }

    #[test]
    fn logits_survive_the_way_into_a_file_and_back_to_the_bit() {
        let text = out_of_fold().to_csv();
        assert_eq!(OutOfFold::from_csv(&text, 2).unwrap(), out_of_fold());
        assert!(text.contains("\n2,1,7.25 0,\n"), "{text}");
        assert_eq!(out_of_fold().folds(), 2);
        assert_eq!([0, 1, 2].map(|fold| out_of_fold().accuracy(fold)), [1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        let no_numbers = ["1,0,NaN 2,a", "1,0,1 inf,a", "1,0,1e39 2,a"];
        for broken in ["0,0,1 2,a", "1,2,1 2,a", "1,0,1,a", "1,0,1 2 3,a", "1,0,1 two,a", "1,0,1 2", ""]
            .into_iter()
            .chain(no_numbers)
        {
            let message = OutOfFold::from_csv(&format!("{HEADER}\n1,0,1 2,a\n{broken}\n"), 2).unwrap_err();
            assert_eq!(message, "line 3 is not fold, class of 2, as many finite logits, and file", "{broken:?}");
        }
        assert!(OutOfFold::from_csv("", 2).unwrap_err().contains("first line"));
    }
}
