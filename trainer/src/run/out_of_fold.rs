//! The logits of each training image by the fit that left it out: `out_of_fold.csv`.

use std::io;

use super::files::OUT_OF_FOLD;
use super::{RunDirectory, RunError};
use crate::support::limits;
use crate::train::folds::OutOfFold;

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
        OutOfFold::from_csv(&text, classes).map(Some).map_err(|reason| RunError::OutOfFold { path: path(), reason })
    }
}
