//! One file per figure.

pub mod axes;
pub mod batch;
pub mod class_counts;
pub mod classes;
pub mod confusion;
pub mod coverage;
pub mod curves;
mod figure;
pub mod filters;
pub mod grid;
pub mod learning_rate;
pub mod mislabeled;
pub mod mistakes;
pub mod network;
pub mod precision_recall;
pub mod quantization_error;
pub mod reliability;
pub mod samples;

pub use figure::{Figure, Kind};

use super::{Findings, ReportError, RunRecord};

/// Draws a figure of a run; `None` where there is nothing to show, such as mistakes of a network without any.
///
/// # Errors
/// [`ReportError`].
pub fn draw(kind: Kind, run: &RunRecord, findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let figure = match kind {
        Kind::Samples => Ok(samples::draw(run, findings)),
        Kind::Batch => Ok(batch::draw(run, findings)),
        Kind::ClassCounts => class_counts::draw(run, findings),
        Kind::Curves => curves::draw(&[run]),
        Kind::LearningRate => learning_rate::draw(run),
        Kind::Confusion => Ok(confusion::draw(run, findings)),
        Kind::Classes => classes::draw(run, findings),
        Kind::Mistakes => Ok(mistakes::draw(run, findings)),
        Kind::PrecisionRecall => precision_recall::draw(run, findings),
        Kind::Coverage => coverage::draw(findings),
        Kind::Reliability => reliability::draw(run),
        Kind::Mislabeled => Ok(mislabeled::draw(run, findings)),
        Kind::Network => Ok(Some(network::draw(run))),
        Kind::Filters => filters::draw(run),
        Kind::QuantizationError => quantization_error::draw(run, findings),
    };
    Ok(figure?.map(|figure| Figure { run: Some(run.name.clone()), ..figure }))
}
