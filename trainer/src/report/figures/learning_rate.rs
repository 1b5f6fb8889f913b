//! The learning rate of each step, as the recipe's schedule has it.

use plotters::prelude::*;

use super::axes::{self, Axis, LEGEND_LINE};
use super::figure::{Figure, Kind};
use crate::report::chart::{decimals, pixels, stroke, whole};
use crate::report::drawing::{Drawing, WIDTH};
use crate::report::palette::Color;
use crate::report::{ReportError, RunRecord};
use crate::train::recipe::Recipe;
use crate::train::schedule::{Decay, Schedule};

/// Points of a curve at most.
const MOST_POINTS: usize = 400;

/// A learning rate at a time, in epochs.
type Point = (f64, f64);

/// Draws the curve; none of a network that was trained elsewhere.
///
/// # Errors
/// [`ReportError::Chart`].
pub fn draw(run: &RunRecord) -> Result<Option<Figure>, ReportError> {
    let recipe = &run.config.recipe;
    let steps = run.metrics.images.train.div_ceil(recipe.batch_size.max(1));
    if run.config.imported.is_some() || steps == 0 || recipe.epochs == 0 {
        return Ok(None);
    }
    let tuned = run.history.iter().filter(|epoch| epoch.quantized).count();
    let trained = run.history.len() - tuned;
    let planned = curve(&recipe.schedule, recipe.learning_rate, recipe.epochs, steps);
    let taken: Vec<Point> = planned.iter().copied().take_while(|(epoch, _)| *epoch <= trained as f64).collect();
    let tuning = tuning(recipe, trained, tuned, steps);
    let is_whole = trained >= recipe.epochs;
    let mut names = vec![("training", Color::Blue, 0.0)];
    if !is_whole {
        names.push(("planned by the recipe, not trained", Color::Muted, 4.0));
    }
    if !tuning.is_empty() {
        names.push(("quantization-aware fine-tuning", Color::Vermillion, 0.0));
    }
    let legend = if names.len() > 1 { names.len() as f64 * LEGEND_LINE + 4.0 } else { 0.0 };
    let mut drawing = Drawing::new(WIDTH, legend + axes::HEIGHT);
    if names.len() > 1 {
        for (line, (name, color, dash)) in names.into_iter().enumerate() {
            axes::legend(&mut drawing, (line as f64 + 0.5) * LEGEND_LINE, name, (color, 2.0, dash));
        }
    }
    let all = || planned.iter().chain(&tuning);
    let highest = all().map(|(_, rate)| *rate).filter(|rate| rate.is_finite()).fold(0.0, f64::max);
    let end = all().map(|(epoch, _)| *epoch).fold(1.0, f64::max);
    let high = if highest > 0.0 { 1.06 * highest } else { 1.0 };
    let decimals = decimals(high);
    let x = Axis { name: "epochs", range: [0.0, end], label: &whole };
    let y = Axis { name: "learning rate", range: [0.0, high], label: &|rate| format!("{rate:.decimals$}") };
    axes::draw(&mut drawing, legend, [x, y], |chart| {
        if !is_whole {
            let dashes = DashedLineSeries::new(planned, pixels(4.0), pixels(4.0), stroke(Color::Muted, 1.6));
            chart.draw_series(dashes)?;
        }
        chart.draw_series(LineSeries::new(taken, stroke(Color::Blue, 2.0)))?;
        chart.draw_series(LineSeries::new(tuning, stroke(Color::Vermillion, 2.0)))?;
        Ok(())
    })?;
    let figure = Figure::new(Kind::LearningRate, "Learning rate", caption(run, trained), drawing);
    Ok(Some(figure))
}

fn caption(run: &RunRecord, trained: usize) -> String {
    let recipe = &run.config.recipe;
    let Schedule { warmup, decay } = recipe.schedule;
    let rise = if warmup > 0.0 {
        format!("It rises over the first {:.0}% of the steps", 100.0 * warmup)
    } else {
        "It begins at its full value".to_owned()
    };
    let fall = match decay {
        Decay::Constant => "stays",
        Decay::Cosine => "falls along half a cosine",
    };
    let end = match trained < recipe.epochs {
        true => format!(" The training ended after {trained} of at most {} epochs.", recipe.epochs),
        false => String::new(),
    };
    let layers = match &run.config.init {
        Some(init) if init.initial.learning_rate != 1.0 => {
            format!(" Layers that started from another run use {} times this rate.", init.initial.learning_rate)
        }
        Some(_) | None => String::new(),
    };
    format!("Adam's learning rate at each step. {rise} and {fall}.{end}{layers}")
}

/// The rates of a training of so many epochs of so many steps, some of them where they are many, the first and the last in any case.
fn curve(schedule: &Schedule, learning_rate: f64, epochs: usize, steps: usize) -> Vec<Point> {
    let total = epochs.saturating_mul(steps);
    let points = total.min(MOST_POINTS);
    let step = |point: usize| {
        if points > 1 { (point as f64 * (total - 1) as f64 / (points - 1) as f64).round() as usize } else { 0 }
    };
    let point = |step: usize| ((step + 1) as f64 / steps as f64, learning_rate * schedule.factor(step, total));
    (0..points).map(|index| point(step(index))).collect()
}

/// The rates of the fine-tuning that followed `trained` epochs, as far as it came.
fn tuning(recipe: &Recipe, trained: usize, tuned: usize, steps: usize) -> Vec<Point> {
    let planned = recipe.quantization_aware;
    let schedule = Schedule { warmup: 0.0, decay: Decay::Cosine };
    let points = curve(&schedule, planned.learning_rate, planned.epochs, steps);
    let points = points.into_iter().take_while(|(epoch, _)| *epoch <= tuned as f64);
    points.map(|(epoch, rate)| (trained as f64 + epoch, rate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_the_rate_that_training_took_for_it() {
        let schedule = Schedule { warmup: 0.5, decay: Decay::Cosine };
        // Four steps of two epochs: half and whole of the rise, then the cosine's 1 and 1/2.
        let points = curve(&schedule, 0.01, 2, 2);
        let expected = [(0.5, 0.005), (1.0, 0.01), (1.5, 0.01), (2.0, 0.005)];
        for (point, expected) in points.iter().zip(expected) {
            assert!((point.0 - expected.0).abs() < 1e-12 && (point.1 - expected.1).abs() < 1e-12, "{points:?}");
        }
        assert_eq!(points.len(), 4);
        assert_eq!(curve(&Schedule::default(), 0.1, 1, 1), [(1.0, 0.1)]);
    }

    #[test]
    fn long_trainings_are_drawn_from_their_first_step_to_their_last() {
        let points = curve(&Schedule { warmup: 0.2, decay: Decay::Cosine }, 0.004, 60, 900);
        assert_eq!(points.len(), MOST_POINTS);
        assert_eq!((points[0].0, points[MOST_POINTS - 1].0), (1.0 / 900.0, 60.0));
        assert!(points[MOST_POINTS - 1].1 < 1e-8);
    }

    #[test]
    fn fine_tuning_follows_as_far_as_it_came() {
        let mut recipe = Recipe::built_in("tutorial").unwrap();
        assert!(tuning(&recipe, 5, 0, 10).is_empty());
        (recipe.quantization_aware.epochs, recipe.quantization_aware.learning_rate) = (2, 1e-4);
        let points = tuning(&recipe, 5, 1, 10);
        assert_eq!((points.len(), points[0], points[9].0), (10, (5.1, 1e-4), 6.0));
    }
}
