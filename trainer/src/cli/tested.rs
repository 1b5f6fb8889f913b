//! What `eval` claims of the images that it tests on, and no more than is known.

use std::path::Path;

use trainer::dataset::tested::{Evidence, Selection, Tested};
use trainer::run::UNKNOWN_IMAGES;
use trainer::support::printable::in_one_line;

/// A test, as far as it is to be described.
pub struct Test<'a> {
    /// What is known of its images.
    pub tested: &'a Tested,
    /// The model file.
    pub model: &'a str,
    /// The data set that it was trained on.
    pub trained_on: &'a str,
    /// The data set that it is tested on.
    pub dataset: &'a str,
    /// Where the run is.
    pub run: Option<&'a Path>,
}

impl Test<'_> {
    fn images(&self) -> usize {
        self.tested.untouched + self.tested.trained_or_validated_on + self.tested.unknown
    }

    fn is_of_another_name(&self) -> bool {
        self.trained_on != self.dataset
    }

    /// Which images were chosen, and what they are to the training: two lines.
    pub fn lines(&self) -> String {
        let (images, Tested { available, selection, .. }) = (self.images(), self.tested);
        let percent = percent(self.tested.share);
        let chosen = match (selection, self.tested.evidence) {
            (Selection::TestPart, _) => format!("all {images} test images"),
            (Selection::All, _) => format!("all {images} images"),
            (Selection::HeldOut, Evidence::Nothing) => {
                format!("{images} of {available} images: {percent} of each class, by the order of their names")
            }
            (Selection::HeldOut, _) => format!("{images} of {available} images: {percent} held out, by their content"),
        };
        format!("tested     {chosen}\n           {}", self.known())
    }

    fn known(&self) -> String {
        let Tested { untouched, new, trained_on, validated_on, trained_or_validated_on, unknown, .. } = *self.tested;
        match self.tested.evidence {
            Evidence::Run => {
                let (new, trained, validated) = (new.unwrap_or(0), trained_on.unwrap_or(0), validated_on.unwrap_or(0));
                let run = self.run.map_or_else(String::new, |run| run.display().to_string());
                let held_out = untouched - new;
                format!(
                    "{held_out} held out, {new} new, {trained} trained on, {validated} validated on, by the run {}",
                    in_one_line(&run)
                )
            }
            Evidence::SameImages if trained_or_validated_on == 0 => "the images are those of the training".to_owned(),
            Evidence::SameImages => format!(
                "{untouched} held out, {trained_or_validated_on} trained or validated on: the images are those of the training"
            ),
            Evidence::Rule if unknown == 0 => "none was trained on; which are new is not known".to_owned(),
            Evidence::Rule => format!("{untouched} were not trained on; of {unknown} it is not known"),
            Evidence::Nothing if self.trained_on == UNKNOWN_IMAGES => {
                "the model was imported: whether any was trained on is not known".to_owned()
            }
            Evidence::Nothing => "whether any was trained on is not known".to_owned(),
        }
    }

    /// What must not be overlooked, if there is anything.
    pub fn warning(&self) -> Option<String> {
        let (model, images, available) = (self.model, self.images(), self.tested.available);
        let learned = self.tested.trained_or_validated_on;
        if learned > 0 {
            let were = match (self.tested.trained_on, self.tested.validated_on) {
                (Some(trained), Some(validated)) => format!("{trained} were trained on and {validated} validated on"),
                _ => format!("{learned} were trained or validated on"),
            };
            return Some(format!(
                "WARNING: of the {images} images that {model} is tested on, {were}: it is less accurate on new images"
            ));
        }
        let names = if self.trained_on == UNKNOWN_IMAGES {
            match self.tested.evidence {
                Evidence::Nothing => return None,
                Evidence::Run | Evidence::SameImages | Evidence::Rule => {
                    format!("{model} was imported: which images it was trained on is not known")
                }
            }
        } else if self.is_of_another_name() {
            format!("{model} was trained on {}, and is tested on {}", self.trained_on, self.dataset)
        } else {
            format!(
                "the images of {} are not those that {model} was trained on: some were added, removed or changed",
                self.dataset
            )
        };
        let percent = percent(self.tested.share);
        match (self.tested.selection, self.tested.evidence) {
            (Selection::HeldOut, Evidence::Run | Evidence::Rule) if self.is_of_another_name() => Some(format!(
                "NOTE: {names}: on {images} of its {available} images, the {percent} that a training on this folder would hold out. \
                 If the model was trained on none of these, --all tests it on all {available}"
            )),
            (Selection::HeldOut, Evidence::Rule) => Some(format!(
                "NOTE: {names}. The {images} of {available} tested on were not trained on, as the test share of {percent} falls \
                 on them by their content, whatever else is added or removed. Which of them are new is not known; --run, with the \
                 directory of the run, shows which"
            )),
            (Selection::HeldOut, Evidence::Nothing) => Some(format!(
                "NOTE: an earlier trainer made {model}, and chose its test images by the order of their names: the tested \
                 images are these only if no file was added, removed or renamed since, which was not recorded. Train again to be sure"
            )),
            (Selection::HeldOut, Evidence::Run | Evidence::SameImages) => None,
            (Selection::All | Selection::TestPart, Evidence::Rule) => Some(format!(
                "NOTE: {names}. Whether {} of the {images} images tested on were trained on is not known; --run, with the \
                 directory of the run, shows which",
                self.tested.unknown
            )),
            (Selection::All, Evidence::Nothing) => Some(format!(
                "NOTE: whether {model} was trained on any of the {images} images of {} is not known; --run, with the directory \
                 of the run, shows which",
                self.dataset
            )),
            (Selection::TestPart, Evidence::Nothing | Evidence::Run | Evidence::SameImages)
            | (Selection::All, Evidence::Run | Evidence::SameImages) => {
                self.is_of_another_name().then(|| format!("NOTE: {names}"))
            }
        }
    }
}

/// A share as `15%`.
fn percent(share: Option<f64>) -> String {
    format!("{}%", (share.unwrap_or_default() * 1e4).round() / 100.0)
}
