//! How `trainer inspect RUN --quantization` prints its report.

use std::io::Write;

use anyhow::Result;
use trainer::quantize::report::{Answered, CodesReport, LayerReport, Report};
use trainer::support::interval::Interval;
use trainer::support::text::thousands;

use super::output::{name_columns, print_line, significant};

/// Prints the report, measured on `validation` or `training` images: weights, outputs, answers, and the layer that costs the most
/// answers.
pub fn print(report: &Report, images: &str) -> Result<()> {
    print_line!("measured on {} {images} images", thousands(report.images));
    let widest = name_columns(report.layers.iter().map(name), 31);
    print_weights(&report.layers, widest)?;
    print_outputs(&report.layers, widest)?;
    print_answers(report)?;
    print_costliest(report)
}

fn name(layer: &LayerReport) -> String {
    format!("{} {}", layer.layer, layer.name)
}

fn decibels(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1} dB"))
}

fn print_weights(layers: &[LayerReport], widest: usize) -> Result<()> {
    print_line!(
        "\n{:<widest$}{:>9}{:>9}{:>10}{:>10}{:>10}",
        "weights",
        "lowest",
        "highest",
        "smallest",
        "largest",
        "signal"
    );
    print_line!("{:<widest$}{:>9}{:>9}{:>10}{:>10}{:>10}", "", "", "", "scale", "scale", "to noise");
    for layer in layers {
        let Some(weights) = &layer.weights else { continue };
        print_line!(
            "{:<widest$}{:>9}{:>9}{:>10}{:>10}{:>10}",
            name(layer),
            significant(weights.low.into()),
            significant(weights.high.into()),
            significant(weights.smallest_scale),
            significant(weights.largest_scale),
            decibels(weights.sqnr_db)
        );
    }
    Ok(())
}

fn print_outputs(layers: &[LayerReport], widest: usize) -> Result<()> {
    print_line!("\n{:<widest$}{:>16}{:>16}{:>8}{:>9}", "outputs", "seen", "codes", "clipped", "signal");
    print_line!("{:<widest$}{:>16}{:>16}{:>8}{:>9}", "", "low to high", "low to high", "", "to noise");
    let span = |low: f32, high: f32| format!("{} to {}", significant(low.into()), significant(high.into()));
    for layer in layers {
        let seen = span(layer.activation.low, layer.activation.high);
        match layer.activation.codes {
            Some(CodesReport { low, high, saturation, sqnr_db, .. }) => print_line!(
                "{:<widest$}{seen:>16}{:>16}{:>8}{:>9}",
                name(layer),
                span(low, high),
                share(saturation),
                decibels(sqnr_db)
            ),
            None => print_line!("{:<widest$}{seen:>16}{:>16}{:>8}{:>9}", name(layer), "logits", "-", "-"),
        }
    }
    Ok(())
}

/// A share as percent; what is more than nothing never looks like nothing.
fn share(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0%".to_owned(),
        percent if percent < 0.001 => "<0.001%".to_owned(),
        percent if percent < 10.0 => format!("{percent:.3}%"),
        percent => format!("{percent:.1}%"),
    }
}

fn print_answers(report: &Report) -> Result<()> {
    let interval = |accuracy| Interval::of_few(accuracy, report.images);
    // Where images are few, there is an interval beside each accuracy, and less room for names.
    let (least, head) = if interval(0.0).is_some() { (31, "  95%        ") } else { (41, "") };
    let alone = |layer: &LayerReport| format!("{} alone", name(layer));
    let widest = name_columns(report.layers.iter().map(alone), least);
    print_line!("\n{:<widest$}{:>9}{head}{:>9}{:>18}", "quantized", "accuracy", "loss", "agree with float");
    let row = |name: &str, Answered { score, agreement_with_float }: &Answered| {
        let agreement = format!("{:.2}%", 100.0 * agreement_with_float);
        let interval = interval(score.accuracy).map_or_else(String::new, |interval| format!("  {interval:<11}"));
        format!("{name:<widest$}{:>9.4}{interval}{:>9.5}{agreement:>18}", score.accuracy, score.loss)
    };
    print_line!("{}", row("nothing: the float network", &report.float));
    for layer in &report.layers {
        print_line!("{}", row(&alone(layer), &layer.alone));
    }
    print_line!("{}", row("everything: the model file", &report.int8));
    Ok(())
}

fn print_costliest(report: &Report) -> Result<()> {
    match report.costliest() {
        Some(layer) => print_line!(
            "\ncostliest alone: {}, {:.2}% of the answers change",
            name(layer),
            100.0 * (1.0 - layer.alone.agreement_with_float)
        ),
        None => print_line!("\nno layer alone changes an answer"),
    }
    Ok(())
}
