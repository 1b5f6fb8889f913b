//! The logits of each training image by the fit that left it out: `out_of_fold.csv`.

use std::io;

use super::files::OUT_OF_FOLD;
use super::{RunConfig, RunDirectory, RunError};
use crate::dataset::Dataset;
use crate::support::limits;
use crate::train::folds::OutOfFold;

/// What to do about a file that was changed.
const PUT_BACK: &str = "put back the file of this run, or run the fit again";

impl RunDirectory {
    /// Writes `out_of_fold.csv`.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_out_of_fold(&self, out_of_fold: &OutOfFold) -> Result<(), RunError> {
        self.write(OUT_OF_FOLD, out_of_fold.to_csv().as_bytes())
    }

    /// Reads the logits of each training image, by a network that was not trained on it, of a run of so many classes; `None` where the
    /// run was not cross-validated, or has not come so far.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::OutOfFold`].
    pub fn out_of_fold(&self, classes: usize) -> Result<Option<OutOfFold>, RunError> {
        let text = match self.read(OUT_OF_FOLD, limits::OUT_OF_FOLD) {
            Err(RunError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let path = || self.path().join(OUT_OF_FOLD).display().to_string();
        let refuse = |reason| RunError::OutOfFold { path: path(), reason: format!("{reason}: {PUT_BACK}") };
        OutOfFold::from_csv(&text, classes).map(Some).map_err(refuse)
    }

    /// The same of a run that ended, by its `config`, trained on these images.
    ///
    /// # Errors
    /// Those of [`out_of_fold`](Self::out_of_fold), and [`RunError::OutOfFold`] where the logits are of other images, or are missing
    /// though the run was cross-validated.
    pub fn out_of_fold_of(&self, config: &RunConfig, dataset: &Dataset) -> Result<Option<OutOfFold>, RunError> {
        let reason = match self.out_of_fold(dataset.class_names.len())? {
            Some(out_of_fold) if out_of_fold.is_of(&dataset.train) => return Ok(Some(out_of_fold)),
            None if config.folds.is_none() => return Ok(None),
            Some(_) => {
                format!("it is not of the {} training images of {}: {PUT_BACK}", dataset.train.len(), dataset.name)
            }
            None => "it is not there, and temperature, threshold and report need it: run the fit again".to_owned(),
        };
        Err(RunError::OutOfFold { path: self.path().join(OUT_OF_FOLD).display().to_string(), reason })
    }
}
