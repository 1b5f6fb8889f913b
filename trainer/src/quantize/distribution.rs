//! How an activation's values are distributed, and what follows for the range that its codes should span.
//!
//! The values of thousands of images are counted, not kept: on either side of zero in bins of one width, which doubles
//! whenever a value comes that is larger than all bins reach.

use super::fake::fake_activation;
use super::range::Range;

/// Bins on each side of zero. At least half of them are in use, so that codes that span a hundredth of the values still
/// have a bin each.
const BINS: usize = 1 << 16;

/// Width of a bin before the first value: a power of two, as all its doubles, so that no bin's edge is ever rounded.
const FIRST_WIDTH: f32 = f32::MIN_POSITIVE;

/// Of this many values one is beyond each end of [`Distribution::percentile`]: the 99.99th percentile.
const VALUES_PER_CLIPPED: u64 = 10_000;

/// Each range that [`Distribution::least_error`] tries is this much of the one before: around its least the error hardly
/// changes, and finer steps would find nothing better.
const SHRINK: f32 = 0.97;

/// Ranges that it tries: down to a thousandth of the values.
const TRIED: usize = 228;

/// The values of an activation, counted.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    range: Range,
    values: u64,
    /// Magnitudes of the values under zero.
    below: Side,
    /// The values over zero.
    above: Side,
}

impl Distribution {
    /// Takes up `values`. What is infinite or no number is left out: its weights are refused elsewhere, by name.
    pub fn count(&mut self, values: &[f32]) {
        let mut batch = Range::default();
        batch.widen(values);
        if !(batch.high.is_finite() && batch.low.is_finite()) {
            return self.count(&values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<_>>());
        }
        self.range.widen(&[batch.low, batch.high]);
        self.values += values.len() as u64;
        self.below.reach(-batch.low);
        self.above.reach(batch.high);
        for &value in values {
            if value > 0.0 {
                self.above.count(value);
            } else if value < 0.0 {
                self.below.count(-value);
            }
        }
    }

    /// From the lowest value to the highest.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    /// All values but one in ten thousand at each end.
    ///
    /// A side with no more values than that keeps all of them: they are all that it holds.
    #[must_use]
    pub fn percentile(&self) -> Range {
        let clipped = self.values / VALUES_PER_CLIPPED;
        let end = |side: &Side, end: f32| side.end_without(clipped).map_or(end, |edge| edge.min(end));
        Range { low: -end(&self.below, -self.range.low), high: end(&self.above, self.range.high) }
    }

    /// The range whose codes are off by the least, summed over the squares: a smaller one rounds better and clips more.
    #[must_use]
    pub fn least_error(&self) -> Range {
        let bins: Vec<(f32, f64)> = self.bins().collect();
        let error = |range: &Range| squared_error(&bins, *range);
        let mut best = self.range;
        // After ReLU one side is all there is. Where there are two, each is searched with the other as it was found.
        let rounds = if best.low < 0.0 && best.high > 0.0 { 2 } else { 1 };
        for _ in 0..rounds {
            let highs = shrinking(self.range.high).map(|high| Range { high, ..best });
            best = least(highs, error).unwrap_or(best);
            let lows = shrinking(self.range.low).map(|low| Range { low, ..best });
            best = least(lows, error).unwrap_or(best);
        }
        best
    }

    /// The middle of each bin that holds values, and how many those are. Zeros are in none: their code gives them as
    /// they are, whatever the range.
    fn bins(&self) -> impl Iterator<Item = (f32, f64)> {
        let below = self.below.bins().map(|(middle, count)| (-middle, count));
        below.chain(self.above.bins())
    }
}

/// What rounding to the codes of `range` adds up to.
fn squared_error(bins: &[(f32, f64)], range: Range) -> f64 {
    let codes = range.codes();
    bins.iter().map(|&(value, count)| count * f64::from(value - fake_activation(value, codes)).powi(2)).sum()
}

/// An end of a range and ever smaller ones; zero by itself.
fn shrinking(end: f32) -> impl Iterator<Item = f32> {
    let tried = if end == 0.0 { 1 } else { TRIED };
    std::iter::successors(Some(end), |end| Some(end * SHRINK)).take(tried)
}

/// The range of the least error; of equals the first.
fn least(ranges: impl Iterator<Item = Range>, error: impl Fn(&Range) -> f64) -> Option<Range> {
    let ranges = ranges.map(|range| (error(&range), range));
    ranges.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, range)| range)
}

/// The magnitudes on one side of zero: `counts[n]` of them are between `n` and `n + 1` widths.
#[derive(Clone, Debug)]
struct Side {
    width: f32,
    /// Empty until there is a value.
    counts: Vec<u64>,
}

impl Default for Side {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, counts: Vec::new() }
    }
}

impl Side {
    /// Widens the bins until they reach `magnitude`.
    fn reach(&mut self, magnitude: f32) {
        if magnitude > 0.0 && self.counts.is_empty() {
            self.counts = vec![0; BINS];
        }
        while magnitude >= self.width * BINS as f32 {
            self.width *= 2.0;
            for bin in 0..BINS / 2 {
                self.counts[bin] = self.counts[2 * bin] + self.counts[2 * bin + 1];
            }
            self.counts[BINS / 2..].fill(0);
        }
    }

    /// Takes up a magnitude that the bins reach.
    fn count(&mut self, magnitude: f32) {
        self.counts[(magnitude / self.width) as usize] += 1;
    }

    /// Where the largest `clipped` magnitudes begin, to a bin; `None` where there are no others.
    fn end_without(&self, clipped: u64) -> Option<f32> {
        let mut beyond = 0;
        let bin = self.counts.iter().rposition(|count| {
            beyond += count;
            beyond > clipped
        })?;
        Some((bin + 1) as f32 * self.width)
    }

    fn bins(&self) -> impl Iterator<Item = (f32, f64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bin, &count)| ((bin as f32 + 0.5) * self.width, count as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10,000 values spread evenly from 0 to 1 and 5,000 zeros, so many times over.
    fn even(repeats: usize) -> Vec<f32> {
        let values: Vec<f32> = (0..10_000).map(|n| n as f32 / 10_000.0).chain([0.0; 5_000]).collect();
        values.repeat(repeats)
    }

    fn distribution(values: &[f32]) -> Distribution {
        let mut distribution = Distribution::default();
        values.chunks(1000).for_each(|values| distribution.count(values));
        distribution
    }

    fn mean_squared_error(values: &[f32], range: Range) -> f64 {
        let codes = range.codes();
        let error = |&value: &f32| f64::from(value - fake_activation(value, codes)).powi(2);
        values.iter().map(error).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn an_outlier_stretches_the_range_and_the_other_methods_clip_it_and_err_less() {
        let mut values = even(150);
        values.push(40.0);
        let counted = distribution(&values);
        let ranges = [counted.range(), counted.percentile(), counted.least_error()];
        assert_eq!(ranges[0], Range { low: 0.0, high: 40.0 });
        assert!((0.99..1.01).contains(&ranges[1].high), "{ranges:?}");
        // Rounding of a value by codes up to c costs c^2 / (12 * 255^2), clipping the outlier (40 - c)^2.
        let rounded = values.iter().filter(|value| **value > 0.0).count() as f32;
        let least = 40.0 / (1.0 + rounded / (12.0 * 255.0 * 255.0));
        assert!((0.96..1.04).contains(&(ranges[2].high / least)), "{ranges:?} {least}");
        let errors = ranges.map(|range| mean_squared_error(&values, range));
        assert!(errors[2] < errors[1] && errors[1] < errors[0], "{errors:?}");
    }

    #[test]
    fn few_outliers_are_clipped_by_percentile_many_are_kept_by_all() {
        let mut values = even(1);
        values.push(40.0);
        // One of 15,001 values is under a ten-thousandth, but its error when clipped outweighs everyone's rounding.
        assert!((distribution(&values).percentile().high - 1.0).abs() < 0.01);
        assert_eq!(distribution(&values).least_error().high, 40.0);
        values.push(40.0);
        values.push(39.0);
        assert_eq!(distribution(&values).percentile().high, 40.0);
    }

    #[test]
    fn long_tails_are_clipped_where_the_error_is_least() {
        // Laplace's distribution on both sides of zero, by its quantiles; its optimal clip at 8 bits is known: 9.9.
        let quantiles = (0..2_000_000).map(|n| -((n as f32 + 0.5) / 2_000_000.0).ln());
        let values: Vec<f32> =
            quantiles.enumerate().map(|(n, value)| if n % 2 == 0 { value } else { -value }).collect();
        let counted = distribution(&values);
        let Range { low, high } = counted.least_error();
        assert!((9.2..10.6).contains(&high) && (-10.6..-9.2).contains(&low), "{low} {high}");
        assert!(counted.range().high > 14.0);
    }

    #[test]
    fn counting_depends_neither_on_the_order_nor_on_the_batches() {
        let mut values = even(1);
        values.extend([1e-20, 3.0, -0.5, -7.25, 1e4]);
        let reversed: Vec<f32> = values.iter().rev().copied().collect();
        let (one, other) = (distribution(&values), distribution(&reversed));
        assert!(one.bins().eq(other.bins()));
        assert_eq!(one.range(), Range { low: -7.25, high: 1e4 });
        assert_eq!(
            one.bins().map(|(_, count)| count).sum::<f64>(),
            values.iter().filter(|value| **value != 0.0).count() as f64
        );
    }

    #[test]
    fn an_activation_that_is_mostly_zero_keeps_what_it_tells() {
        let mut values = vec![0.0; 100_000];
        values[7] = 2.0;
        assert_eq!(distribution(&values).percentile(), Range { low: 0.0, high: 2.0 });
        assert_eq!(distribution(&[0.0; 10]).least_error(), Range::default());
        assert_eq!(distribution(&[]).percentile(), Range::default());
    }

    #[test]
    fn values_that_are_no_numbers_are_left_out() {
        let values = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.0, f32::MAX];
        assert_eq!(distribution(&values).range(), Range { low: -2.0, high: f32::MAX });
    }
}
