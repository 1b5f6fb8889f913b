//! The network as a graph: its stages from top to bottom, and what each of them reads.
//!
//! Most stages read the one before them, which is a straight line. What else a stage reads is a curve on a lane to the left
//! of that line, as version control draws branches: shorter curves are further inside, and no two share a part of a lane.

use std::fmt::Write;

use super::figure::{Figure, Kind};
use crate::network::Architecture;
use crate::network::architecture::shown;
use crate::network::chain::Stage;
use crate::network::inputs::Source;
use crate::report::RunRecord;
use crate::report::drawing::{Drawing, LETTERS, Rectangle, SMALL, Style, WIDTH};
use crate::report::palette::Color;
use crate::report::text::{room, shorten};
use crate::support::printable::in_one_line;
use crate::support::text::thousands;

/// Stages of the longest chain that a table shows as well as a drawing does.
const SHORT: usize = 8;
/// Height of a row.
const ROW: f64 = 29.0;
/// From the top of a row to the middle of its first line, which its node is at.
const FIRST: f64 = 8.0;
/// From there to the middle of its second line.
const SECOND: f64 = 12.5;
/// Height in which a curve gets from a node to its lane.
const BEND: f64 = 14.0;
/// From lane to lane, where they are few.
const LANE: f64 = 11.0;
/// Room for all lanes.
const LANES: f64 = 121.0;
/// Thickness of lines, where lanes are few.
const LINE: f64 = 1.5;
/// Radius of a node.
const NODE: f64 = 3.5;
/// Radius of a node with two inputs.
const SUM: f64 = 5.0;
/// Length of the longest bar.
const BAR: f64 = 58.0;
/// Room for a share.
const SHARE: f64 = 34.0;
/// The longest that a name may be, where there is room.
const LONGEST_NAME: f64 = 110.0;
/// Room for a name, where there is none.
const SHORTEST_NAME: f64 = 36.0;
/// Colors of curves, lane by lane.
const COLORS: [Color; 4] = [Color::Blue, Color::Vermillion, Color::Violet, Color::Brown];

/// Draws the network of a run.
#[must_use]
pub fn draw(run: &RunRecord) -> Figure {
    let architecture = &run.architecture;
    let stages = architecture.stages();
    let mut caption = format!(
        "{} stages in the order they run, each with the shape of its output, its parameters, and its multiply-accumulates \
         (MACs) as a share of {}.",
        stages.len(),
        thousands(architecture.macs())
    );
    if stages.iter().any(|stage| stage.fused.is_some()) {
        caption.push_str(" A pool that runs with the convolution before it is part of its stage.");
    }
    if edges(&stages).iter().any(|edge| edge.is_aside()) {
        caption.push_str(" A curve connects a stage with an earlier one that it reads or adds.");
    }
    Figure::new(Kind::Network, "The network as a graph", caption, drawing(architecture))
}

/// Whether the drawing shows what the table of layers does not: which layer reads which, or where in a long chain the work
/// is. A short chain is its table once more.
#[must_use]
pub fn is_worth_drawing(architecture: &Architecture) -> bool {
    let stages = architecture.stages();
    stages.len() > SHORT || edges(&stages).iter().any(|edge| edge.is_aside())
}

/// What a stage reads. The image is in row 0, and the stage with index `n` in row `n + 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    /// Row of what is read.
    from: usize,
    /// Row of the stage that reads it.
    to: usize,
    /// Whether it is added to what the stage reads besides.
    is_residual: bool,
}

impl Edge {
    /// Whether rows are between both, so that it cannot be a straight line.
    fn is_aside(self) -> bool {
        self.from + 1 < self.to
    }
}

/// All that stages read.
fn edges(stages: &[Stage<'_>]) -> Vec<Edge> {
    let row = |source: Source| match source {
        Source::Image => 0,
        Source::Output(stage) => stage + 1,
    };
    let mut edges = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let to = index + 1;
        edges.push(Edge { from: row(stage.reads.input), to, is_residual: false });
        edges.extend(stage.reads.residual.map(|source| Edge { from: row(source), to, is_residual: true }));
    }
    edges
}

/// The lane of each edge that is not straight, and how many lanes there are. Lane 0 is next to the nodes.
///
/// Shorter edges choose first, and each takes the innermost lane that is free from its first row to its last, so that an
/// edge around others is further outside than they are. An edge may begin on a lane in the row in which another ends.
fn lanes(edges: &[Edge]) -> (Vec<Option<usize>>, usize) {
    let mut order: Vec<usize> = (0..edges.len()).filter(|&index| edges[index].is_aside()).collect();
    order.sort_by_key(|&index| (edges[index].to - edges[index].from, index));
    let mut lanes = vec![None; edges.len()];
    let mut taken: Vec<Vec<Edge>> = Vec::new();
    for index in order {
        let edge = edges[index];
        let is_free = |lane: &Vec<Edge>| lane.iter().all(|other| other.to <= edge.from || edge.to <= other.from);
        let lane = taken.iter().position(is_free).unwrap_or_else(|| {
            taken.push(Vec::new());
            taken.len() - 1
        });
        taken[lane].push(edge);
        lanes[index] = Some(lane);
    }
    (lanes, taken.len())
}

/// Draws a network.
#[must_use]
pub fn drawing(architecture: &Architecture) -> Drawing {
    let stages = architecture.stages();
    let edges = edges(&stages);
    let (lanes, count) = lanes(&edges);
    let numbers: Vec<String> = stages.iter().map(number).collect();
    let spacing = LANE.min(LANES / count.max(1) as f64);
    let trunk = count as f64 * spacing + SUM + 1.0;
    let number_end = trunk + SUM + 6.0 + room(numbers.iter().map(String::as_str), SMALL, WIDTH);
    let bars = WIDTH - BAR - SHARE;
    let words = Words { left: number_end + 7.0, room: bars - 8.0 - (number_end + 7.0) };

    let mut drawing = Drawing::new(WIDTH, (stages.len() + 1) as f64 * ROW);
    drawing.describe(&description(&stages, &edges));
    let height = |row: usize| row as f64 * ROW + FIRST;
    let thickness = LINE.min(0.5 * spacing);
    let mut name_colors = vec![Color::Muted; stages.len() + 1];
    for (edge, lane) in edges.iter().zip(&lanes) {
        let (top, bottom) = (height(edge.from), height(edge.to));
        let about = about(&stages, edge);
        match lane {
            None => drawing.connection(trunk, [top, bottom], None, (Color::Muted, LINE), &about),
            Some(lane) => {
                let color = COLORS[lane % COLORS.len()];
                let x = trunk - SUM - 1.0 - (*lane as f64 + 0.5) * spacing;
                drawing.connection(trunk, [top, bottom], Some((x, BEND)), (color, thickness), &about);
                name_colors[edge.from] = color;
            }
        }
    }
    drawing.ring((trunk, height(0)), NODE, Color::Muted);
    drawing.text((words.left, height(0)), "image", Style::start(LETTERS, Color::Ink));
    let input = architecture.input.to_string();
    words.second_line(&mut drawing, height(0), None, name_colors[0], &input);
    drawing.text((bars, height(0) + SECOND), "MACs", Style::start(SMALL, Color::Muted));

    let total = architecture.macs().max(1) as f64;
    let most = stages.iter().map(macs).max().unwrap_or(0).max(1) as f64;
    for (index, (stage, number)) in stages.iter().zip(&numbers).enumerate() {
        let y = height(index + 1);
        node(&mut drawing, (trunk, y), stage);
        drawing.text((number_end, y), number, Style::end(SMALL, Color::Muted));
        drawing.text((words.left, y), &fitting(stage, words.room), Style::start(LETTERS, Color::Ink));
        let mut facts = shown(stage.output());
        let parameters = stage.layer.parameters() + stage.fused.map_or(0, |fused| fused.parameters());
        if parameters > 0 {
            let _ = write!(facts, ", {} parameters", thousands(parameters));
        }
        words.second_line(&mut drawing, y, name(stage), name_colors[index + 1], &facts);
        let macs = macs(stage);
        if macs > 0 {
            let long = BAR * macs as f64 / most;
            drawing.rectangle(Rectangle(bars, y - 3.0, long, 6.0), Color::Blue, 1.0, None);
            let share = share(macs as f64 / total);
            drawing.text((bars + long + 5.0, y), &share, Style::start(SMALL, Color::Ink));
            drawing.text((bars, y + SECOND), &thousands(macs), Style::start(SMALL, Color::Muted));
        }
    }
    drawing
}

/// Where the words of a row are.
struct Words {
    left: f64,
    room: f64,
}

impl Words {
    /// A name, in the color of the curve that begins in this row, and what there is to be known besides.
    fn second_line(&self, drawing: &mut Drawing, y: f64, name: Option<&str>, color: Color, facts: &str) {
        let mut x = self.left;
        if let Some(name) = name {
            const APART: f64 = 7.0;
            let left = self.room - APART - room([facts], SMALL, self.room);
            let most = left.clamp(SHORTEST_NAME, LONGEST_NAME);
            let name = shorten(&in_one_line(name), SMALL, most);
            drawing.text((x, y + SECOND), &name, Style::start(SMALL, color));
            x += room([name.as_str()], SMALL, most) + APART;
        }
        let facts = shorten(facts, SMALL, self.left + self.room - x);
        drawing.text((x, y + SECOND), &facts, Style::start(SMALL, Color::Muted));
    }
}

/// A ring, with a plus where a stage has two inputs.
fn node(drawing: &mut Drawing, (x, y): (f64, f64), stage: &Stage<'_>) {
    const ARM: f64 = 2.5;
    if stage.reads.residual.is_some() {
        drawing.ring((x, y), SUM, Color::Ink);
        drawing.line((x - ARM, y), (x + ARM, y), Color::Ink, LINE, 0.0);
        drawing.line((x, y - ARM), (x, y + ARM), Color::Ink, LINE, 0.0);
    } else {
        drawing.ring((x, y), NODE, Color::Muted);
    }
}

/// The layers that a stage computes, by their numbers in tables.
fn number(stage: &Stage<'_>) -> String {
    match stage.last_index() {
        last if last == stage.index => last.to_string(),
        last => format!("{}–{last}", stage.index),
    }
}

/// The name by which others read a stage.
fn name<'a>(stage: &Stage<'a>) -> Option<&'a str> {
    stage.fused.and_then(|fused| fused.name.as_deref()).or(stage.layer.name.as_deref())
}

/// What a stage does, as tables have it.
fn kind(stage: &Stage<'_>) -> String {
    let layer = &stage.layer.layer;
    stage.fused.map_or_else(|| layer.to_string(), |fused| format!("{layer}, {}", fused.layer))
}

/// [`kind`] as it fits: where it is too long, without what belongs to training only, then with less of the pool, and at last
/// shortened.
fn fitting(stage: &Stage<'_>, room: f64) -> String {
    let whole = kind(stage);
    let trained = whole.replace(" + batch norm", "");
    let pool = stage.fused.map_or_else(|| trained.clone(), |pool| trained.replace(&pool.layer.to_string(), "pool"));
    let fits = |text: &&String| shorten(text, LETTERS, room) == **text;
    [&whole, &trained].into_iter().find(fits).cloned().unwrap_or_else(|| shorten(&pool, LETTERS, room))
}

/// Multiply-accumulates of a stage.
fn macs(stage: &Stage<'_>) -> usize {
    stage.layer.macs() + stage.fused.map_or(0, |fused| fused.macs())
}

/// A share of 1 in percent.
fn share(share: f64) -> String {
    if share < 0.005 { "<1%".to_owned() } else { format!("{:.0}%", 100.0 * share) }
}

/// A stage by its numbers and its name.
fn called(stages: &[Stage<'_>], row: usize) -> String {
    let Some(stage) = row.checked_sub(1).and_then(|index| stages.get(index)) else { return "the image".to_owned() };
    match name(stage) {
        Some(name) => format!("{} ({})", number(stage), in_one_line(name)),
        None => number(stage),
    }
}

/// An edge in words.
fn about(stages: &[Stage<'_>], edge: &Edge) -> String {
    let verb = if edge.is_residual { "adds" } else { "reads" };
    format!("{} {verb} {}", called(stages, edge.to), called(stages, edge.from))
}

/// The graph in words, for who cannot see it; what each stage is, is in the texts of the drawing.
fn description(stages: &[Stage<'_>], edges: &[Edge]) -> String {
    let aside: Vec<String> = edges.iter().filter(|edge| edge.is_aside()).map(|edge| about(stages, edge)).collect();
    let mut text = format!("{} stages from top to bottom", stages.len());
    if aside.is_empty() {
        text.push_str(", each reads the one above it.");
    } else {
        let _ = write!(text, "; each reads the one above it, but for these connections: {}.", aside.join("; "));
    }
    text
}
