//! The temperature of a model: what its logits are divided by so that probabilities are shares of right answers.
//!
//! C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: the one number that minimizes
//! the cross-entropy of held-out images. It changes no answer, as it keeps the order of the logits.

use super::{ChosenBy, Logits};

/// The lowest temperature that is searched; the highest is one over it.
const LOWEST: f64 = 0.05;

/// Halvings of the interval: more than an `f32` has bits.
const HALVINGS: usize = 60;

/// The least number of images, and of wrong answers among them, that a temperature is fitted on.
const FEWEST_IMAGES: usize = 100;

/// See [`FEWEST_IMAGES`]. Without wrong answers the best temperature is the lowest one there is.
const FEWEST_MISTAKES: usize = 5;

/// Twice the logarithm of the ratio of likelihoods has a chi-squared distribution with one degree of freedom where the temperature is
/// 1; it is above this once in twenty times (S. S. Wilks, 1938).
const CHANCE: f64 = 3.841;

/// A temperature, and what it does to the cross-entropy of the images that it was fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitted {
    /// The temperature.
    pub temperature: f32,
    /// Why it is 1, where it was not fitted.
    pub not_fitted: Option<NotFitted>,
    /// Cross-entropy in nats at 1.
    pub loss_before: f64,
    /// At the temperature.
    pub loss_after: f64,
}

/// Why a temperature stays at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFitted {
    /// Too few images.
    Images(usize),
    /// Too few wrong answers.
    Mistakes(usize),
    /// Another one would be no better than chance.
    Chance,
}

impl NotFitted {
    /// The reason, where the temperature was to be fitted on these images.
    #[must_use]
    pub fn on(self, by: ChosenBy) -> String {
        match self {
            Self::Images(images) => format!("{images} {by} are too few, at least {FEWEST_IMAGES} are needed"),
            Self::Mistakes(1) => format!("1 wrong answer to {by} is too few, at least {FEWEST_MISTAKES} are needed"),
            Self::Mistakes(mistakes) => {
                format!("{mistakes} wrong answers to {by} are too few, at least {FEWEST_MISTAKES} are needed")
            }
            Self::Chance => format!("no other temperature is significantly better on the {by}"),
        }
    }
}

impl Fitted {
    /// Fits a temperature on images with labels, by halving an interval in which the slope of the cross-entropy changes its sign.
    #[must_use]
    pub fn of(logits: &Logits, labels: &[u16]) -> Self {
        let rows = rows(logits, labels);
        let loss_before = loss(&rows, 1.0);
        let neutral =
            |reason| Self { temperature: 1.0, not_fitted: Some(reason), loss_before, loss_after: loss_before };
        if rows.len() < FEWEST_IMAGES {
            return neutral(NotFitted::Images(rows.len()));
        }
        let mistakes = logits.judged(1.0, labels).iter().filter(|judged| !judged.is_right).count();
        if mistakes < FEWEST_MISTAKES {
            return neutral(NotFitted::Mistakes(mistakes));
        }
        // The cross-entropy is convex in one over the temperature: its slope rises.
        let [mut low, mut high] = [LOWEST.ln(), -LOWEST.ln()];
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if slope(&rows, (-middle).exp()) < 0.0 {
                // It falls with one over the temperature, so that the temperature is lower.
                high = middle;
            } else {
                low = middle;
            }
        }
        let temperature = f64::midpoint(low, high).exp() as f32;
        let loss_after = loss(&rows, 1.0 / f64::from(temperature));
        if 2.0 * rows.len() as f64 * (loss_before - loss_after) > CHANCE {
            Self { temperature, not_fitted: None, loss_before, loss_after }
        } else {
            neutral(NotFitted::Chance)
        }
    }
}

/// The real logits of an image, one for each class, and its label.
type Row = (Vec<f64>, usize);

fn rows(logits: &Logits, labels: &[u16]) -> Vec<Row> {
    logits.real().zip(labels.iter().map(|&label| label.into())).collect()
}

/// Mean cross-entropy of logits and labels at one over a temperature, in nats.
fn loss(rows: &[Row], inverse: f64) -> f64 {
    let of_row = |(logits, label): &Row| {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|logit| (inverse * (logit - most)).exp()).sum();
        sum.ln() - inverse * (logits.get(*label).copied().unwrap_or(most) - most)
    };
    rows.iter().map(of_row).sum::<f64>() / rows.len().max(1) as f64
}

/// The derivative of the summed cross-entropy by one over the temperature: of each image the mean of its logits, each weighed by its
/// probability, less the logit of the label.
fn slope(rows: &[Row], inverse: f64) -> f64 {
    let of_row = |(logits, label): &Row| {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut mean) = (0.0, 0.0);
        for logit in logits {
            let weight = (inverse * (logit - most)).exp();
            sum += weight;
            mean += weight * (logit - most);
        }
        mean / sum - (logits.get(*label).copied().unwrap_or(most) - most)
    };
    rows.iter().map(of_row).sum::<f64>()
}

/// The mean cross-entropy of images at a temperature.
#[must_use]
pub fn loss_at(logits: &Logits, labels: &[u16], temperature: f32) -> f64 {
    loss(&rows(logits, labels), 1.0 / f64::from(temperature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, RngExt, stream};

    /// Logits whose softmax, at a temperature, is the distribution that labels are drawn from.
    fn drawn(images: usize, temperature: f64) -> (Logits, Vec<u16>) {
        let mut random = stream(48, Purpose::Garments, 0);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..images {
            let row: Vec<i32> = (0..5).map(|_| random.random_range(-3000..3000)).collect();
            let weights: Vec<f64> = row.iter().map(|&logit| (f64::from(logit) * 0.001 / temperature).exp()).collect();
            let mut left = random.random_range(0.0..1.0) * weights.iter().sum::<f64>();
            let class = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            labels.push(class.unwrap_or(4) as u16);
            values.extend(row);
        }
        (Logits::new(5, 0.001, values), labels)
    }

    #[test]
    fn the_temperature_that_labels_were_drawn_at_is_found() {
        for temperature in [0.3, 0.7, 2.0, 4.0] {
            let (logits, labels) = drawn(20_000, temperature);
            let fitted = Fitted::of(&logits, &labels);
            assert!((f64::from(fitted.temperature) / temperature - 1.0).abs() < 0.06, "{fitted:?} {temperature}");
            assert!(fitted.not_fitted.is_none() && fitted.loss_after < fitted.loss_before);
            for factor in [0.98, 1.02] {
                assert!(loss_at(&logits, &labels, fitted.temperature * factor) > fitted.loss_after);
            }
            assert_eq!(Fitted::of(&logits, &labels), fitted, "the same each time");
        }
    }

    #[test]
    fn it_stays_at_1_where_nothing_speaks_for_another() {
        let (logits, labels) = drawn(20_000, 1.0);
        let fitted = Fitted::of(&logits, &labels);
        assert_eq!((fitted.temperature, fitted.not_fitted), (1.0, Some(NotFitted::Chance)));
        let (logits, labels) = drawn(99, 4.0);
        assert_eq!(Fitted::of(&logits, &labels).not_fitted, Some(NotFitted::Images(99)));
        let right = Logits::new(2, 1.0, [3, 0].repeat(500));
        let mut labels = vec![0; 500];
        assert_eq!(Fitted::of(&right, &labels).not_fitted, Some(NotFitted::Mistakes(0)));
        labels[..5].fill(1);
        let fitted = Fitted::of(&right, &labels);
        // 99% are right: the logits are 4.6 apart then, and not 3.
        assert!((fitted.temperature - 3.0 / 99f32.ln()).abs() < 1e-5, "{fitted:?}");
    }

    #[test]
    fn logits_of_any_size_have_a_finite_loss() {
        let logits = Logits::new(2, 1.0, [i32::MIN, i32::MAX].repeat(200));
        let fitted = Fitted::of(&logits, &[0; 200]);
        assert!(fitted.loss_before.is_finite() && fitted.loss_after < fitted.loss_before);
        assert!((fitted.temperature - 20.0).abs() < 1e-3, "{fitted:?}");
    }
}
