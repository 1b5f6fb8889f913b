//! One file per figure.

pub mod classes;
pub mod confusion;
pub mod curves;
mod figure;
pub mod filters;
pub mod grid;
pub mod mistakes;
pub mod network;
pub mod quantization_error;
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
        Kind::Curves => curves::draw(&[run]),
        Kind::Confusion => Ok(confusion::draw(run, findings)),
        Kind::Classes => classes::draw(run, findings),
        Kind::Mistakes => Ok(mistakes::draw(run, findings)),
        Kind::Network => Ok(Some(network::draw(run))),
        Kind::Filters => filters::draw(run),
        Kind::QuantizationError => quantization_error::draw(run, findings),
    };
    Ok(figure?.map(|figure| Figure { run: Some(run.name.clone()), ..figure }))
}
