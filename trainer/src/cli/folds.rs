//! `--folds K`, and what is printed of cross-validation.

use anyhow::{Result, anyhow};
use trainer::dataset::Dataset;
use trainer::support::printable::in_one_line;
use trainer::support::text::{counted, thousands};
use trainer::train::folds::{CrossValidated, FoldFit, FoldPart, Folds};
use trainer::train::recipe::Recipe;

use super::console::{Console, console_line};
use super::progress::Event;
use super::values::count;
use crate::Usage;

/// Cross-validation.
#[derive(clap::Args)]
pub struct FoldFlags {
    /// Cross-validate, for small sets: hold out no validation images, and train K times, each time without a K-th of the training
    /// images; these fits give the number of epochs for the training on all images, and the accuracy
    #[arg(long, value_name = "K", value_parser = count, conflicts_with_all = ["val_fraction", "teacher"])]
    pub folds: Option<usize>,
}

impl FoldFlags {
    /// That the training images can be dealt into so many folds.
    pub fn check(&self, dataset: &Dataset, recipe: &Recipe, seed: u64) -> Result<()> {
        let Some(folds) = self.folds else { return Ok(()) };
        let usage = |error| Usage::error(anyhow!("--folds {folds}: {error}"));
        let Dataset { train, class_names, .. } = dataset;
        Folds::check_logits(train.len(), class_names.len(), recipe.epochs).map_err(usage)?;
        Folds::draw(train, class_names, folds, seed).map(drop).map_err(usage)
    }
}

/// The same images without any to validate on, which folds of the others take the place of; `is_drawn` is whether they were drawn from
/// the others.
pub fn without_validation(dataset: Dataset, is_drawn: bool) -> Result<Dataset> {
    let name = dataset.name.clone();
    let joined = if is_drawn { dataset.without_validation() } else { None };
    joined.ok_or_else(|| {
        Usage::error(anyhow!(
            "--folds: {name} has validation images of its own, and folds of the training images take their place: move them to the \
             training images, or leave --folds out"
        ))
    })
}

/// Prints which fit begins.
pub fn print_part(part: FoldPart, console: &Console) {
    let FoldPart { fold, folds, train, held_out } = part;
    let (train_images, held_out_images) = (thousands(train), thousands(held_out));
    if fold > 1 {
        console_line!(console, "");
    }
    console_line!(console, "fold {fold} of {folds}: trained on {train_images} images, validated on {held_out_images}");
    console.event(&Event::Fold { fold, folds, train, held_out });
}

/// Prints how a fit ended.
pub fn print_end(fit: &FoldFit, console: &Console) {
    console_line!(console, "ended at epoch {}, best was {}", fit.epochs.len(), fit.best_epoch);
}

/// Prints what all fits came to, and what follows.
pub fn print_result(result: &CrossValidated, images: usize, console: &Console) {
    print_accuracy(result, console);
    let best: Vec<String> = result.best_epochs.iter().map(ToString::to_string).collect();
    console_line!(
        console,
        "the best epochs were {}; the network is trained on all {} for {}\n",
        best.join(", "),
        counted(images, "image"),
        counted(result.epochs, "epoch")
    );
    console.event(&Event::CrossValidated { result });
}

/// Prints how accurate the fits were on what they left out.
pub fn print_accuracy(result: &CrossValidated, console: &Console) {
    let CrossValidated { folds, images, score, .. } = result;
    let interval = score.accuracy_interval.map_or_else(String::new, |interval| format!(", 95%: {interval}"));
    console_line!(
        console,
        "\ncross-validated over {folds} folds: accuracy {:.4} of {} images{interval}",
        score.accuracy,
        thousands(*images)
    );
    if let (Some(balanced), Some(worst)) = (score.balanced_accuracy, &score.worst_class) {
        console_line!(console, "balanced {balanced:.4}; worst class {}: {:.4}", in_one_line(&worst.name), worst.recall);
    }
}
