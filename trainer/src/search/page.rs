//! `search.html`: the trials of a search as charts that show more where one points at them.

use askama::Template;

use super::halving::Halving;
use super::importance::{Importance, importance};
use super::ranking::{Goals, Objective};
use super::record::SearchRecord;
use super::scatter::{Axis, HEIGHT, Tick, WIDTH, line};
use super::state::{Progress, TrialState};
use crate::report::palette::{Color, declarations};
use crate::support::number::shown;
use crate::support::text::thousands;

/// The page's name in the directory of a search.
pub const FILE: &str = "search.html";

/// Trials that have a row, at most.
const MOST_ROWS: usize = 1000;

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    title: String,
    light: String,
    dark: String,
    lead: String,
    within: String,
    best: Vec<Row>,
    charts: Vec<Chart>,
    importances: Vec<ImportanceRow>,
    importance_note: String,
    curves: Option<Curves>,
    trials: Vec<Row>,
    left_out: usize,
    width: f64,
    height: f64,
}

/// A trial in a table.
struct Row {
    trial: usize,
    accuracy: String,
    flash: String,
    ram: String,
    time: String,
    model: String,
    epochs: usize,
    end: String,
    values: String,
    is_on_front: bool,
}

/// Accuracy against what a network takes.
struct Chart {
    title: &'static str,
    unit: &'static str,
    below: Vec<Tick>,
    aside: Vec<Tick>,
    front: String,
    points: Vec<Point>,
    /// Where the limit is, if there is one within the chart.
    limit: Option<f64>,
}

struct Point {
    trial: usize,
    x: f64,
    y: f64,
    is_on_front: bool,
    is_finished: bool,
    about: String,
}

/// Validation accuracy of each trial by epoch.
struct Curves {
    below: Vec<Tick>,
    aside: Vec<Tick>,
    lines: Vec<Curve>,
}

struct Curve {
    trial: usize,
    points: String,
    is_on_front: bool,
    about: String,
}

struct ImportanceRow {
    name: String,
    percent: String,
    /// Of the widest bar.
    share: f64,
    groups: String,
}

/// The page about a search.
///
/// # Errors
/// Those of the template.
pub fn page(record: &SearchRecord) -> Result<String, askama::Error> {
    let SearchRecord { settings, space, state, .. } = record;
    let goals = record.goals();
    let front = record.front();
    let rung = settings.halving.map_or(settings.epochs, |Halving { first, .. }| first.min(settings.epochs));
    let importances = importance(space.parameters(), state, rung);
    let trials: Vec<&TrialState> = state.trials.iter().filter(|trial| trial.is_trained()).collect();
    let row = |trial: &&TrialState| row(trial, record, front.contains(&trial.number));
    let best = front.iter().map(|&number| row(&&state.trials[number])).collect();
    let rows = trials.iter().take(MOST_ROWS).map(row).collect();
    let page = Page {
        title: format!("Search in {} on {}", space.name, settings.facts.name),
        light: declarations(Color::light),
        dark: declarations(Color::dark),
        lead: record.summary(),
        within: record.limits(),
        best,
        charts: charts(record, &goals, &front),
        importances: importances.iter().map(|found| importance_row(found, &importances)).collect(),
        importance_note: format!(
            "Share of the variance of the validation accuracies after epoch {rung} that the means of a parameter's values explain, each \
             parameter by itself, less what chance would (epsilon squared, Kelley 1935)."
        ),
        curves: curves(record, &front),
        trials: rows,
        left_out: trials.len().saturating_sub(MOST_ROWS),
        width: WIDTH,
        height: HEIGHT,
    };
    page.render()
}

fn row(trial: &TrialState, record: &SearchRecord, is_on_front: bool) -> Row {
    let of = |number: fn(&super::Requirements) -> usize| {
        trial.requirements.as_ref().map_or(String::new(), |needed| thousands(number(needed)))
    };
    let end = match &trial.progress {
        Progress::Finished => "finished".to_owned(),
        Progress::Stopped => "ended early".to_owned(),
        Progress::Failed(reason) => reason.clone(),
        Progress::Running => "running".to_owned(),
        Progress::Refused => "does not fit".to_owned(),
    };
    Row {
        trial: trial.number,
        accuracy: shown(record.accuracy(trial), 4),
        flash: of(|needed| needed.flash),
        ram: of(|needed| needed.ram),
        time: shown(trial.requirements.as_ref().map(|needed| needed.milliseconds), 1),
        model: of(|needed| needed.model),
        epochs: trial.curve.len(),
        end,
        values: record.values(trial),
        is_on_front,
    }
}

/// What is shown where one points at a trial.
fn about(trial: &TrialState, record: &SearchRecord) -> String {
    let Row { trial: number, accuracy, flash, ram, time, epochs, end, values, .. } = row(trial, record, false);
    format!(
        "trial {number}: accuracy {accuracy} after {epochs} epochs ({end}); {flash} bytes of flash, {ram} bytes of RAM, {time} ms; {values}"
    )
}

fn charts(record: &SearchRecord, goals: &Goals, front: &[usize]) -> Vec<Chart> {
    type Size = fn(&super::Requirements) -> f64;
    let target = goals.limits.target.as_ref();
    let bytes = |bytes: Option<usize>| bytes.map(|bytes| bytes as f64);
    let kinds: [(&str, &str, Objective, Size, Option<f64>); 3] = [
        (
            "Accuracy and flash",
            "bytes of flash",
            Objective::Flash,
            |needed| needed.flash as f64,
            bytes(target.and_then(|target| target.flash)),
        ),
        (
            "Accuracy and RAM",
            "bytes of RAM",
            Objective::Ram,
            |needed| needed.ram as f64,
            bytes(target.and_then(|target| target.ram)),
        ),
        ("Accuracy and time", "milliseconds", Objective::Time, |needed| needed.milliseconds, goals.limits.milliseconds),
    ];
    let placed: Vec<(&TrialState, &super::Requirements, f64)> = record
        .state
        .trials
        .iter()
        .filter_map(|trial| Some((trial, trial.requirements.as_ref()?, record.accuracy(trial)?)))
        .collect();
    if placed.is_empty() {
        return Vec::new();
    }
    let chart = |(title, unit, objective, size, limit): (&'static str, &'static str, Objective, Size, Option<f64>)| {
        let x = Axis::of_sizes(placed.iter().map(|(_, needed, _)| size(needed)));
        let y = Axis::of_shares(placed.iter().map(|(.., accuracy)| *accuracy));
        let of_two = Goals { objectives: vec![Objective::Accuracy, objective], limits: goals.limits.clone() };
        // From the smallest to the largest, a step up at each.
        let mut steps = Vec::new();
        for number in of_two.front(&record.state).into_iter().rev() {
            let trial = &record.state.trials[number];
            if let (Some(needed), Some(accuracy)) = (&trial.requirements, record.accuracy(trial)) {
                let (x, y) = (x.x(size(needed)), y.y(accuracy));
                steps.extend(steps.last().map(|(_, before)| (x, *before)));
                steps.push((x, y));
            }
        }
        let point = |(trial, needed, accuracy): &(&TrialState, &super::Requirements, f64)| Point {
            trial: trial.number,
            x: x.x(size(needed)),
            y: y.y(*accuracy),
            is_on_front: front.contains(&trial.number),
            is_finished: trial.progress == Progress::Finished,
            about: about(trial, record),
        };
        // What is on the front is above the others.
        let mut points: Vec<Point> = placed.iter().map(point).collect();
        points.sort_by_key(|point| (point.is_on_front, point.is_finished));
        let limit = limit.map(|limit| x.x(limit)).filter(|&place| place < WIDTH - 13.0);
        Chart { title, unit, below: x.below(), aside: y.aside(), front: line(steps.into_iter()), points, limit }
    };
    kinds.into_iter().map(chart).collect()
}

fn curves(record: &SearchRecord, front: &[usize]) -> Option<Curves> {
    let trials: Vec<&TrialState> = record.state.trials.iter().filter(|trial| !trial.curve.is_empty()).collect();
    let last = trials.iter().map(|trial| trial.curve.len()).max()?;
    let x = Axis::of_counts(1, last);
    let y = Axis::of_shares(trials.iter().flat_map(|trial| trial.curve.iter().copied()));
    let curve = |trial: &&TrialState| {
        let points = trial.curve.iter().enumerate().filter(|(_, accuracy)| accuracy.is_finite());
        Curve {
            trial: trial.number,
            points: line(points.map(|(index, accuracy)| (x.x((index + 1) as f64), y.y(*accuracy)))),
            is_on_front: front.contains(&trial.number),
            about: about(trial, record),
        }
    };
    let mut lines: Vec<Curve> = trials.iter().map(curve).collect();
    lines.sort_by_key(|curve| curve.is_on_front);
    let below = x.below().into_iter().filter(|tick| !tick.label.contains('.')).collect();
    Some(Curves { below, aside: y.aside(), lines })
}

fn importance_row(found: &Importance, all: &[Importance]) -> ImportanceRow {
    let most = all.iter().map(|importance| importance.share).fold(0.0, f64::max);
    let groups = found.groups.iter().map(|(name, mean, trials)| format!("{name}: {mean:.3} ({trials})"));
    ImportanceRow {
        name: found.name.clone(),
        percent: format!("{:.0}%", 100.0 * found.share),
        share: if most > 0.0 { (1000.0 * found.share / most).round() / 10.0 } else { 0.0 },
        groups: groups.collect::<Vec<_>>().join(", "),
    }
}
