//! Points and curves of the page of a search, placed for its template.

use super::parameter::Value;
use crate::support::text::thousands;

/// Size of a chart, in CSS pixels.
pub const WIDTH: f64 = 460.0;
/// Its height.
pub const HEIGHT: f64 = 300.0;
/// Room for the numbers left of a chart, and for those below it.
const LEFT: f64 = 48.0;
const BELOW: f64 = 40.0;
/// Room above a chart and right of it.
const AROUND: f64 = 12.0;

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    /// Whether equal factors are equally far apart.
    log: bool,
}

/// A label of an axis: where it is, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Pixels from the left or from the top.
    pub place: f64,
    /// The number.
    pub label: String,
}

impl Axis {
    /// For numbers of any size over 0, such as bytes.
    #[must_use]
    pub fn of_sizes(numbers: impl Iterator<Item = f64>) -> Self {
        let (low, high) = span(numbers.filter(|number| *number > 0.0)).unwrap_or((1.0, 10.0));
        Self { low: low / 1.15, high: high * 1.15, log: true }
    }

    /// For shares.
    #[must_use]
    pub fn of_shares(numbers: impl Iterator<Item = f64>) -> Self {
        let (low, high) = span(numbers).unwrap_or((0.0, 1.0));
        let margin = (0.05 * (high - low)).max(0.002);
        Self { low: (low - margin).max(0.0), high: (high + margin).min(1.0).max(low + margin), log: false }
    }

    /// From one whole number to another.
    #[must_use]
    pub fn of_counts(low: usize, high: usize) -> Self {
        Self { low: low as f64, high: (high as f64).max(low as f64 + 1.0), log: false }
    }

    /// Where a number is, 0 to 1.
    fn share(self, number: f64) -> f64 {
        let scale = |number: f64| if self.log { number.max(f64::MIN_POSITIVE).ln() } else { number };
        ((scale(number) - scale(self.low)) / (scale(self.high) - scale(self.low))).clamp(0.0, 1.0)
    }

    /// Pixels from the left.
    #[must_use]
    pub fn x(self, number: f64) -> f64 {
        rounded(LEFT + self.share(number) * (WIDTH - LEFT - AROUND))
    }

    /// Pixels from the top.
    #[must_use]
    pub fn y(self, number: f64) -> f64 {
        rounded(AROUND + (1.0 - self.share(number)) * (HEIGHT - AROUND - BELOW))
    }

    /// Round numbers within the axis, five or so.
    fn round_numbers(self) -> Vec<f64> {
        if self.log {
            let decades = (self.low.log10().floor() as i32)..=(self.high.log10().ceil() as i32);
            let within = |numbers: &[f64]| -> Vec<f64> {
                let all =
                    decades.clone().flat_map(|decade| numbers.iter().map(move |first| first * 10f64.powi(decade)));
                all.filter(|number| (self.low..=self.high).contains(number)).collect()
            };
            let few = within(&[1.0, 2.0, 5.0]);
            return if few.len() >= 3 { few } else { within(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]) };
        }
        let rough = (self.high - self.low) / 5.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|first| first * decade).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    /// Labels below a chart.
    #[must_use]
    pub fn below(self) -> Vec<Tick> {
        let whole = |number: f64| if number >= 10.0 { thousands(number.round() as usize) } else { short(number) };
        self.round_numbers().into_iter().map(|number| Tick { place: self.x(number), label: whole(number) }).collect()
    }

    /// Labels left of a chart.
    #[must_use]
    pub fn aside(self) -> Vec<Tick> {
        self.round_numbers().into_iter().map(|number| Tick { place: self.y(number), label: short(number) }).collect()
    }
}

fn short(number: f64) -> String {
    Value::Number((number * 1e6).round() / 1e6).to_string()
}

fn span(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.filter(|number| number.is_finite()).fold(None, |span, number| {
        let (low, high) = span.unwrap_or((number, number));
        Some((number.min(low), number.max(high)))
    })
}

fn rounded(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

/// The points of a line, as SVG has them.
#[must_use]
pub fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_numbers_within_the_chart() {
        let labels = |ticks: Vec<Tick>| ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>();
        let flash = Axis::of_sizes([9_000.0, 250_000.0].into_iter());
        assert_eq!(labels(flash.below()), ["10,000", "20,000", "50,000", "100,000", "200,000"]);
        assert_eq!(labels(Axis::of_sizes([9_000.0, 9_900.0].into_iter()).below()), ["8,000", "10,000"]);
        let accuracy = Axis::of_shares([0.71, 0.93].into_iter());
        assert_eq!(labels(accuracy.aside()), ["0.7", "0.75", "0.8", "0.85", "0.9"]);
        for tick in accuracy.aside() {
            assert!((0.0..HEIGHT).contains(&tick.place), "{tick:?}");
        }
    }

    #[test]
    fn numbers_that_are_all_the_same_or_none_have_a_place() {
        for axis in
            [Axis::of_sizes(std::iter::empty()), Axis::of_sizes([5.0].into_iter()), Axis::of_shares([1.0].into_iter())]
        {
            for number in [5.0, 0.0, f64::NAN.max(1.0)] {
                assert!(
                    (0.0..=WIDTH).contains(&axis.x(number)) && (0.0..=HEIGHT).contains(&axis.y(number)),
                    "{axis:?}"
                );
            }
            assert!(axis.below().len() < 20);
        }
    }
}
