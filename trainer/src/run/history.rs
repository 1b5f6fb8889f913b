//! A row per epoch: `history.csv`, and `folds.csv` of the fits of cross-validation.

use super::files::{FOLDS, HISTORY};
use super::{RunDirectory, RunError, remove};
use crate::support::limits;
use crate::support::number::{cell, parse_cell};
use crate::train::Epoch;
use crate::train::folds::FoldFit;
use crate::train::score::{Balanced, Score};

/// The columns of an epoch.
const COLUMNS: &str = "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds,images_per_second,quantized,\
                       validation_balanced_loss,validation_balanced_accuracy";

impl RunDirectory {
    /// Writes `history.csv`.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_history(&self, epochs: &[Epoch]) -> Result<(), RunError> {
        let rows: String = epochs.iter().map(|epoch| row(epoch) + "\n").collect();
        self.write(HISTORY, format!("{COLUMNS}\n{rows}").as_bytes())
    }

    /// Writes `folds.csv`, of folds counted from 1; none where there are no fits.
    ///
    /// # Errors
    /// [`RunError::Write`], [`RunError::Io`].
    pub fn write_folds(&self, fits: &[FoldFit]) -> Result<(), RunError> {
        if fits.is_empty() {
            return remove(&self.path().join(FOLDS));
        }
        let rows = fits
            .iter()
            .enumerate()
            .flat_map(|(fold, fit)| fit.epochs.iter().map(move |epoch| format!("{},{}\n", fold + 1, row(epoch))));
        self.write(FOLDS, format!("fold,{COLUMNS}\n{}", rows.collect::<String>()).as_bytes())
    }

    /// Reads `history.csv`.
    ///
    /// # Errors
    /// [`RunError::InUse`], [`RunError::NoResults`], [`RunError::Failed`], [`RunError::Io`], [`RunError::History`].
    pub fn read_history(&self) -> Result<Vec<Epoch>, RunError> {
        let path = self.path.join(HISTORY);
        let text = self.read(HISTORY, limits::HISTORY).map_err(|error| self.unless_unfinished(error))?;
        let mut lines = text.lines();
        let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let read = |(index, line): (usize, &str)| {
            let cells: Vec<&str> = line.split(',').collect();
            let value =
                |column: &str| columns.iter().position(|&name| name == column).and_then(|place| cells.get(place));
            let refused = |column| RunError::History { path: path.display().to_string(), line: index + 2, column };
            let number = |column| value(column).and_then(|cell| parse_cell(cell).ok()).ok_or_else(|| refused(column));
            // A loss that was no number, and so an empty cell, is none again.
            let score = |column| Ok::<_, RunError>(number(column)?.unwrap_or(f64::NAN));
            Ok(Epoch {
                epoch: number("epoch")?.ok_or_else(|| refused("epoch"))? as usize,
                train: Score { loss: score("train_loss")?, accuracy: score("train_accuracy")?, balanced: None },
                validation: Score {
                    loss: score("validation_loss")?,
                    accuracy: score("validation_accuracy")?,
                    // Not known of older runs.
                    balanced: number("validation_balanced_accuracy").ok().flatten().map(|accuracy| Balanced {
                        loss: number("validation_balanced_loss").ok().flatten().unwrap_or(f64::NAN),
                        accuracy,
                    }),
                },
                seconds: number("seconds")?.unwrap_or_default(),
                images_per_second: number("images_per_second")?,
                quantized: value("quantized").is_some_and(|&cell| cell == "true"),
            })
        };
        lines.enumerate().map(read).collect()
    }
}

/// The cells of an epoch.
fn row(epoch: &Epoch) -> String {
    let Epoch { epoch, train, validation, seconds, images_per_second, quantized } = epoch;
    format!(
        "{epoch},{},{},{},{},{},{},{quantized},{},{}",
        cell(Some(train.loss), 6),
        cell(Some(train.accuracy), 6),
        cell(Some(validation.loss), 6),
        cell(Some(validation.accuracy), 6),
        cell(Some(*seconds), 3),
        cell(*images_per_second, 0),
        cell(validation.balanced.map(|balanced| balanced.loss), 6),
        cell(validation.balanced.map(|balanced| balanced.accuracy), 6)
    )
}
