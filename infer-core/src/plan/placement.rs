//! Where every value of a network goes: what the exporter does, next to the checks that it has to pass.

use heapless::Vec;

use super::{Bytes, overlap};
use crate::format::{Input, MAX_STAGES, Ports};
use crate::operators::{Flow, Layer, Overlap, StageRecord};

/// The stages of a chain of layers, each of which reads the output of the one before it, without places yet.
pub fn chain<'m>(layers: impl IntoIterator<Item = Layer<'m>>) -> impl Iterator<Item = StageRecord<'m>> {
    (0..=MAX_STAGES as u8).zip(layers).map(|(source, layer)| StageRecord { ports: Ports::of(source), layer })
}

/// Whether an output may be placed over an input that its stage is the last to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// Every value has bytes of its own as long as it is read.
    Apart,
    /// Where its operator allows it, an output may overlap an input, if that makes the arena smaller. Such a stage runs in
    /// bands of [`BAND_ROWS`](crate::operators::BAND_ROWS) rows, each a call of its kernel.
    Overlapping,
}

/// Fills in shape, zero point and place of everything that `stages` read and write, in as small an arena as it finds, given
/// the sources that they read. Returns the place of the image.
///
/// A value keeps its place until the last stage that reads it has run, scratch while its stage runs. Several orders of
/// placing are tried, and for a chain neighbors at opposite ends, which is the least that the stage with the most to hold
/// takes.
///
/// Layers that do not fit each other are passed on: loading refuses them.
pub fn place(input: &Input, stages: &mut [StageRecord<'_>], places: Places) -> u32 {
    let Some(mut values) = Values::of(input, stages) else { return 0 };
    let mut best: Option<(u32, Vec<Value, MOST>)> = None;
    for overlapping in [false, true] {
        if overlapping && places == Places::Apart {
            break;
        }
        let orders: [Order; 3] = [
            |value| (u32::MAX - value.len, value.born.into()),
            |value| (value.born.into(), u32::MAX - value.len),
            |value| (u32::MAX - u32::from(value.born), u32::MAX - value.len),
        ];
        for order in orders {
            values.first_fit(order, overlapping);
            values.keep_better(&mut best);
        }
    }
    if values.at_opposite_ends(stages) {
        values.keep_better(&mut best);
    }
    if let Some((_, best)) = best {
        values.all = best;
    }
    values.place_image(places == Places::Overlapping);
    values.write_to(stages);
    values.all.first().map_or(0, |image| image.place)
}

/// What decides which of two values is placed first: the one with less.
type Order = fn(&Value) -> (u32, u32);

/// The image, and an output and a scratch for each stage.
const MOST: usize = 1 + 2 * MAX_STAGES;

/// Bytes that have to be somewhere in the arena for a while.
#[derive(Clone, Copy, Debug)]
struct Value {
    len: u32,
    /// The multiple that its place is.
    alignment: u32,
    /// The first stage that needs it, counted from 1; 0 of the image.
    born: u8,
    /// The last one.
    dies: u8,
    /// How it may overlap an input, where it is an output.
    overlap: Over,
    place: u32,
    placed: bool,
}

/// How an output may overlap an input.
#[derive(Clone, Copy, Debug)]
enum Over {
    Apart,
    InPlace,
    /// At least `lead` bytes before it, or `trail` bytes after it.
    Rows {
        lead: u32,
        trail: u32,
    },
}

/// First the image, then output and scratch of each stage.
struct Values {
    all: Vec<Value, MOST>,
    flows: Vec<Flow, { MAX_STAGES + 1 }>,
}

impl Values {
    /// What there is to place; `None` where there are too many stages.
    fn of(input: &Input, stages: &mut [StageRecord<'_>]) -> Option<Self> {
        let mut values = Self { all: Vec::new(), flows: Vec::new() };
        let value = |len, alignment, born, overlap: Over| Value {
            len,
            alignment,
            born,
            dies: born,
            overlap,
            place: 0,
            placed: false,
        };
        let image = Flow { shape: input.shape, zero_point: input.codes.zero_point };
        values.flows.push(image).ok()?;
        values.all.push(value(image.shape.checked_len().unwrap_or_default(), 1, 0, Over::Apart)).ok()?;
        for (number, stage) in (1u8..).zip(stages.iter_mut()) {
            for read in stage.ports.inputs_mut() {
                if let Some(flow) = values.flows.get(usize::from(read.source)) {
                    (read.shape, read.zero_point) = (flow.shape, flow.zero_point);
                }
                if let Some(value) = values.all.get_mut(output_index(read.source)) {
                    value.dies = number;
                }
            }
            let mut flow = Flow { shape: stage.ports.input.shape, zero_point: 0 };
            let step = stage.layer.step(0, &stage.ports, &mut flow).ok();
            values.flows.push(flow).ok()?;
            let input = stage.ports.input.shape;
            let (output, scratch, overlap) = step.map_or((0, 0, Over::Apart), |step| {
                let over = match step.overlap() {
                    Overlap::Apart => Over::Apart,
                    Overlap::InPlace => Over::InPlace,
                    Overlap::Rows(rows) => Over::Rows {
                        lead: rows.lead(input, flow.shape) as u32,
                        trail: rows.trail(input, flow.shape) as u32,
                    },
                };
                (step.output_len(), step.scratch_bytes(), over)
            });
            let alignment = if matches!(stage.layer, Layer::Logits(_)) { 4 } else { 1 };
            values.all.push(value(output as u32, alignment, number, overlap)).ok()?;
            values.all.push(value(scratch as u32, 4, number, Over::Apart)).ok()?;
        }
        Some(values)
    }

    /// Places all values but the image one after the other, each as low as those before it leave room.
    fn first_fit(&mut self, order: Order, overlapping: bool) {
        self.all.iter_mut().for_each(|value| value.placed = false);
        while let Some(next) = (1..self.all.len())
            .filter(|&index| self.all.get(index).is_some_and(|value| !value.placed))
            .min_by_key(|&index| self.all.get(index).map(order))
        {
            self.place_one(next, overlapping);
        }
    }

    /// Places one value as low as the others leave room.
    fn place_one(&mut self, index: usize, overlapping: bool) {
        let Some(&value) = self.all.get(index) else { return };
        let mut best = None;
        if value.len == 0 {
            best = Some(0);
        }
        let others = || self.all.iter().enumerate().filter(|&(other, placed)| other != index && placed.placed);
        let candidates = others().flat_map(|(_, other)| {
            // After it, over it, and as far before or after it as an overlap in rows allows.
            let rows = |overlap| if let Over::Rows { lead, trail } = overlap { (lead, trail) } else { (0, 0) };
            let ((lead, trail), (leads, trails)) = (rows(value.overlap), rows(other.overlap));
            [
                other.place.saturating_add(other.len),
                other.place,
                other.place.saturating_sub(lead),
                other.place.saturating_add(trail),
                other.place.saturating_add(leads),
                other.place.saturating_sub(trails),
            ]
        });
        for candidate in core::iter::once(0).chain(candidates) {
            let Some(place) = candidate.checked_next_multiple_of(value.alignment) else { continue };
            let bytes = (place, place.saturating_add(value.len));
            if best.is_none_or(|best| place < best)
                && others().all(|(other, _)| self.may_be(index, bytes, other, overlapping))
            {
                best = Some(place);
            }
        }
        if let Some(value) = self.all.get_mut(index) {
            // Where 32 bits have no place for it, one that loading refuses.
            (value.place, value.placed) = (best.unwrap_or(u32::MAX), true);
        }
    }

    /// Whether a value may be at these bytes, given where another one is.
    fn may_be(&self, index: usize, bytes: Bytes, other: usize, overlapping: bool) -> bool {
        let (Some(value), Some(there)) = (self.all.get(index), self.all.get(other)) else { return true };
        let together = value.born <= there.dies && there.born <= value.dies;
        let taken = (there.place, there.place.saturating_add(there.len));
        if !together || !overlap(bytes, taken) {
            return true;
        }
        // The output of a stage, over what that stage is the last to read.
        let is_over = |output: &Value, from: Bytes, input: &Value, over: Bytes| {
            let dies_there = output.born == input.dies && input.born < output.born;
            match output.overlap {
                _ if !overlapping || !dies_there => false,
                Over::Apart => false,
                Over::InPlace => from == over,
                Over::Rows { trail, .. } if from.0 > over.0 => over.0.saturating_add(trail) <= from.0,
                Over::Rows { lead, .. } => from.0.saturating_add(lead) <= over.0,
            }
        };
        is_over(value, bytes, there, taken) || is_over(there, taken, value, bytes)
    }

    /// Of a chain, the places that take no more than its largest stage does: outputs in turn at the end of the arena and at
    /// its beginning, the last one before the logits at the end, and scratch after what is at the beginning. Returns whether
    /// the stages are a chain.
    fn at_opposite_ends(&mut self, stages: &[StageRecord<'_>]) -> bool {
        let is_chain = |(number, stage): (u8, &StageRecord<'_>)| {
            stage.ports.input.source == number && stage.ports.second.is_none()
        };
        if !(0..).zip(stages).all(is_chain) {
            return false;
        }
        let is_at_end = |stage: usize| (stages.len() - stage).is_multiple_of(2);
        let len = |index: usize| self.all.get(index).map_or(0, |value| value.len);
        let mut scratch_places = Vec::<u32, MAX_STAGES>::new();
        let mut end = 0;
        for stage in 0..stages.len() {
            let input = if stage == 0 { 0 } else { len(2 * stage - 1) };
            let (output, scratch) = (len(2 * stage + 1), len(2 * stage + 2));
            let (first, last) = if is_at_end(stage) { (input, output) } else { (output, input) };
            let place = if scratch == 0 { 0 } else { first.checked_next_multiple_of(4).unwrap_or(u32::MAX) };
            let _ = scratch_places.push(place);
            end = end.max(place.saturating_add(scratch).max(first).saturating_add(last));
        }
        for (stage, &scratch) in scratch_places.iter().enumerate() {
            if let Some([output, working]) = self.all.get_mut(2 * stage + 1..2 * stage + 3) {
                output.place = if is_at_end(stage) { end - output.len } else { 0 };
                working.place = scratch;
            }
        }
        true
    }

    /// Where the last place ends; the image does not count.
    fn end(&self) -> u32 {
        self.all.iter().skip(1).map(|value| value.place.saturating_add(value.len)).max().unwrap_or_default()
    }

    fn keep_better(&self, best: &mut Option<(u32, Vec<Value, MOST>)>) {
        let end = self.end();
        if best.as_ref().is_none_or(|&(least, _)| end < least) {
            *best = Some((end, self.all.clone()));
        }
    }

    /// The image goes where everything else leaves room.
    fn place_image(&mut self, overlapping: bool) {
        self.all.iter_mut().skip(1).for_each(|value| value.placed = true);
        self.place_one(0, overlapping);
    }

    fn write_to(&self, stages: &mut [StageRecord<'_>]) {
        let place = |index: usize| self.all.get(index).map_or(0, |value| value.place);
        for (number, stage) in stages.iter_mut().enumerate() {
            for read in stage.ports.inputs_mut() {
                read.place = place(output_index(read.source));
            }
            stage.ports.output = place(2 * number + 1);
            stage.ports.scratch = place(2 * number + 2);
        }
    }
}

/// Where a source is in the list of values.
fn output_index(source: u8) -> usize {
    (2 * usize::from(source)).saturating_sub(1)
}
