//! Images for a network that was trained elsewhere: to test it on, all of them, and to calibrate it on.

use std::path::Path;

use anyhow::{Result, bail};
use trainer::dataset::folder::FolderError;
use trainer::dataset::folder::listing::Folder;
use trainer::dataset::{DataError, Dataset, Environment, Loaded, Request, Storage, Testing, holds_idx_files};
use trainer::image::Conversion;

/// What is wanted of a directory of images.
pub struct ImportedImages<'a> {
    /// The directory.
    pub data: &'a Path,
    /// What images of a folder become.
    pub conversion: Option<Conversion>,
    /// The network's classes in its order, where their names are known.
    pub class_names: Option<&'a [String]>,
    /// Whether images to calibrate on are wanted too.
    pub calibrates: bool,
    /// Where decoded images are kept.
    pub storage: Storage,
    /// Whether the progress of reading is hidden.
    pub quiet: bool,
}

impl ImportedImages<'_> {
    /// Loads them. The images to test on are those of the part for it, or all; images to calibrate on are drawn as for a training, or are
    /// the same where they are too few for that.
    pub fn load(&self) -> Result<Loaded> {
        let request = Request {
            data_dir: Some(self.data.to_owned()),
            conversion: self.conversion,
            environment: Environment::from_process(),
            storage: self.storage.clone(),
            quiet: self.quiet,
            ..Request::default()
        };
        if holds_idx_files(self.data) {
            return self.in_order(trainer::dataset::load(&request)?);
        }
        let training = match self.calibrates.then(|| trainer::dataset::load(&request)) {
            Some(Err(DataError::Folder(FolderError::TooFew { .. } | FolderError::TestTakesAll { .. }))) | None => None,
            Some(loaded) => Some(loaded?),
        };
        let class_names = match (self.class_names, &training) {
            (Some(names), _) => names.to_vec(),
            (None, Some(training)) => training.dataset.class_names.clone(),
            (None, None) => Folder::to_train(self.data)?.class_names,
        };
        let testing = Testing { class_names, held_out: None, all: true, manifest: None };
        let mut loaded = trainer::dataset::load(&Request { testing: Some(testing), ..request })?;
        let dataset = &mut loaded.dataset;
        match training.map(|training| training.dataset) {
            Some(Dataset { class_names, train, validation, .. }) => {
                let places = places(&class_names, &dataset.class_names).unwrap_or_default();
                let place = |label: u16| places.get(usize::from(label)).copied().unwrap_or(label);
                (dataset.train, dataset.validation) = (train.map_labels(place), validation.map_labels(place));
            }
            None if self.calibrates => {
                (dataset.train, dataset.validation) = (dataset.test.clone(), dataset.test.clone());
                let note = format!(
                    "NOTE: the images of {} are too few to hold some out: all are calibrated and tested on",
                    self.data.display()
                );
                loaded.warnings.push(note);
            }
            None => {}
        }
        Ok(loaded)
    }

    /// IDX files with their labels in the order of the network's classes.
    fn in_order(&self, mut loaded: Loaded) -> Result<Loaded> {
        let Some(known) = self.class_names else { return Ok(loaded) };
        let dataset = &mut loaded.dataset;
        let Some(places) = places(&dataset.class_names, known) else {
            bail!(
                "{} has the classes {}, and the network {}",
                self.data.display(),
                dataset.class_names.join(", "),
                known.join(", ")
            );
        };
        let place = |label: u16| places.get(usize::from(label)).copied().unwrap_or(label);
        for images in [&mut dataset.train, &mut dataset.validation, &mut dataset.test] {
            *images = images.clone().map_labels(place);
        }
        dataset.class_names = known.to_vec();
        Ok(loaded)
    }
}

/// Which of the `known` classes each of `names` is; `None` where one is none of them.
fn places(names: &[String], known: &[String]) -> Option<Vec<u16>> {
    names.iter().map(|name| known.iter().position(|known| known == name).map(|place| place as u16)).collect()
}
