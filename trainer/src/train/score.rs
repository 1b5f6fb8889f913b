//! Loss and accuracy, and how certain they are.

use serde::{Deserialize, Serialize};

use super::recipe::Monitor;
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
}

/// A [`Score`] with the interval of its accuracy, as JSON has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl Score {
    /// The number that is watched; lower is better.
    #[must_use]
    pub fn watched(self, monitor: Monitor) -> f64 {
        match monitor {
            Monitor::Loss | Monitor::Last => self.loss,
            Monitor::Accuracy => -self.accuracy,
        }
    }

    /// With the interval of its accuracy over so many images.
    #[must_use]
    pub fn over(self, images: usize) -> Estimate {
        let Self { loss, accuracy } = self;
        Estimate { loss, accuracy, accuracy_interval: Interval::of(accuracy, images) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_an_interval_however_many_images_there_are_and_reads_a_score_without() {
        let estimate = Score { loss: 1.0, accuracy: 0.5 }.over(14);
        let json = serde_json::to_string(&estimate).unwrap();
        assert!(json.starts_with(r#"{"loss":1.0,"accuracy":0.5,"accuracy_interval":[0.26"#), "{json}");
        assert_eq!(serde_json::from_str::<Estimate>(&json).unwrap(), estimate);
        let older: Estimate = serde_json::from_str(r#"{"loss":1.0,"accuracy":0.5}"#).unwrap();
        assert_eq!(older.accuracy_interval, None);
    }
}
