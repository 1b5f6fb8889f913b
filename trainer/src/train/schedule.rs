//! How the learning rate changes during training.

use serde::{Deserialize, Serialize};

/// A rise, and what follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Share of all steps over which the learning rate rises from nothing to the whole, 0 to 1.
    pub warmup: f64,
    /// What follows.
    pub decay: Decay,
}

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// It falls to nothing along half a cosine (Loshchilov and Hutter 2017, without restarts).
    Cosine,
}

impl Schedule {
    /// The share of the learning rate that `step` of `steps` takes, counted from 0: over 0, at most 1.
    #[must_use]
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let warmup = (self.warmup * steps as f64).round() as usize;
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let progress = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_schedule_every_step_is_whole() {
        assert!((0..10).all(|step| Schedule::default().factor(step, 10) == 1.0));
    }

    #[test]
    fn warmup_rises_in_a_line_and_the_cosine_falls_to_nothing() {
        let schedule = Schedule { warmup: 0.2, decay: Decay::Cosine };
        let factors: Vec<f64> = (0..100).map(|step| schedule.factor(step, 100)).collect();
        assert_eq!((factors[0], factors[19], factors[20]), (0.05, 1.0, 1.0));
        assert!((factors[60] - 0.5).abs() < 1e-12, "half way down at half of the way");
        assert!(factors[20..].is_sorted_by(|a, b| a >= b) && factors[99] > 0.0 && factors[99] < 0.001);
    }
}
