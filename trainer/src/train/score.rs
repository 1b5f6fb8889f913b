//! Loss and accuracy, over all images and over the classes, and how certain they are.

use serde::{Deserialize, Serialize};

use super::confusion::WorstClass;
use super::recipe::{Monitor, Recipe};
use crate::support::interval::Interval;

/// Loss and accuracy over a set of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross-entropy in nats; not finite where a network has diverged.
    #[serde(with = "crate::support::number")]
    pub loss: f64,
    /// Share of right answers, 0 to 1.
    #[serde(with = "crate::support::number")]
    pub accuracy: f64,
    /// The same where each class counts alike; not known of the running mean of an epoch.
    pub balanced: Option<Balanced>,
}

/// Means over the classes that have images, whatever their number in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Balanced {
    /// Mean over the classes of the mean cross-entropy in nats.
    #[serde(with = "crate::support::number")]
    pub loss: f64,
    /// Balanced accuracy: the mean over the classes of the share of right answers, 0 to 1.
    pub accuracy: f64,
}

/// A [`Score`] with the interval of its accuracy, as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean cross-entropy in nats; not finite where a network has diverged.
    #[serde(with = "crate::support::number")]
    pub loss: f64,
    /// Share of right answers, 0 to 1.
    #[serde(with = "crate::support::number")]
    pub accuracy: f64,
    /// Its 95% interval; not known of runs older than this.
    #[serde(default)]
    pub accuracy_interval: Option<Interval>,
    /// Mean recall of the classes, 0 to 1; not known of running means, and of runs older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// The class with the lowest recall; known of final results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_class: Option<WorstClass>,
}

impl Score {
    /// That of no images.
    pub const NONE: Self = Self { loss: f64::NAN, accuracy: f64::NAN, balanced: None };

    /// The number that a recipe watches; lower is better. It is none where the classes are to count alike and are not known.
    #[must_use]
    pub fn watched(self, recipe: &Recipe) -> f64 {
        let balanced = || self.balanced.unwrap_or(Balanced { loss: f64::NAN, accuracy: f64::NAN });
        match recipe.monitor {
            Monitor::Last => self.loss,
            Monitor::Loss if recipe.balance.is_none() => self.loss,
            // Else the large classes, which lose by the balance, would decide when it ends.
            Monitor::Loss => balanced().loss,
            Monitor::Accuracy => -self.accuracy,
            Monitor::BalancedAccuracy => -balanced().accuracy,
        }
    }

    /// With the interval of its accuracy over so many images.
    #[must_use]
    pub fn over(self, images: usize) -> Estimate {
        let Self { loss, accuracy, balanced } = self;
        Estimate {
            loss,
            accuracy,
            accuracy_interval: Interval::of(accuracy, images),
            balanced_accuracy: balanced.map(|balanced| balanced.accuracy),
            worst_class: None,
        }
    }
}

impl Recipe {
    /// Whether an epoch is to be kept whose [watched number](Score::watched) is this, after a best of that.
    #[must_use]
    pub fn is_improvement(&self, watched: f64, best: f64) -> bool {
        match self.monitor {
            Monitor::Loss | Monitor::Accuracy | Monitor::BalancedAccuracy => watched < best - self.min_delta,
            Monitor::Last => watched.is_finite(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::balance::Balance;

    #[test]
    fn json_has_an_interval_however_many_images_there_are_and_reads_a_score_without() {
        let estimate = Score { loss: 1.0, accuracy: 0.5, balanced: None }.over(14);
        let json = serde_json::to_string(&estimate).unwrap();
        assert!(json.starts_with(r#"{"loss":1.0,"accuracy":0.5,"accuracy_interval":[0.26"#), "{json}");
        assert_eq!(serde_json::from_str::<Estimate>(&json).unwrap(), estimate);
        let older: Estimate = serde_json::from_str(r#"{"loss":1.0,"accuracy":0.5}"#).unwrap();
        assert_eq!(older.accuracy_interval, None);
    }

    #[test]
    fn what_is_watched_is_what_the_recipe_monitors_and_balances() {
        let score = Score { loss: 1.0, accuracy: 0.5, balanced: Some(Balanced { loss: 2.0, accuracy: 0.25 }) };
        let watched =
            |monitor, balance| score.watched(&Recipe { monitor, balance, ..Recipe::built_in("tutorial").unwrap() });
        assert_eq!(watched(Monitor::Loss, Balance::None), 1.0);
        assert_eq!(watched(Monitor::Loss, Balance::Weights), 2.0);
        assert_eq!(watched(Monitor::Loss, Balance::Sampling), 2.0);
        assert_eq!(watched(Monitor::Loss, Balance::Logits), 2.0);
        assert_eq!(watched(Monitor::Accuracy, Balance::Weights), -0.5);
        assert_eq!(watched(Monitor::BalancedAccuracy, Balance::None), -0.25);
    }
}
