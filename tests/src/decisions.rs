//! What `Output::decide` and `Smoother` are to compute, once more: in `f64` and `i64`, no line shared with infer-core.

use micromath::F32Ext;

/// Decides whether answers are sure enough.
pub struct DecisionOracle {
    scale: f32,
    /// That of each class; the first one also of all classes past the last.
    thresholds: Vec<f64>,
    /// Of classes without their own.
    threshold: f64,
}

impl DecisionOracle {
    /// Of a model file's scale of logits, the threshold of its header and its table of thresholds: two bytes a class or none at all.
    #[must_use]
    pub fn new(scale: f32, threshold: f32, table: &[u8]) -> Self {
        let threshold = f64::from(threshold);
        let own = |bytes: &[u8]| f64::from(bytes[0]) / 65536.0 + f64::from(bytes[1]) / 256.0;
        Self { scale, threshold, thresholds: table.chunks(2).map(own).collect() }
    }

    /// The least probability of an answer of this class.
    #[must_use]
    pub fn threshold(&self, class: usize) -> f64 {
        self.thresholds.get(class).map_or(self.threshold, |own| own.max(self.threshold))
    }

    /// The class, or none of these: to the bit what infer-core decides.
    ///
    /// Sums and products of two `f32` are exact in `f64`, or rounded there so finely that rounding once more gives what `f32` gives.
    #[must_use]
    pub fn decide(&self, logits: &[i64]) -> Option<usize> {
        let class = best(logits);
        let exponential = |logit: i64| {
            let below = (logits[class] - logit) as f32;
            F32Ext::exp(-((f64::from(self.scale) * f64::from(below)) as f32))
        };
        let mut sum = 0f32;
        for &logit in logits {
            sum = (f64::from(sum) + f64::from(exponential(logit))) as f32;
        }
        let least = (self.threshold(class) * f64::from(sum)) as f32;
        (self.threshold(class) == 0.0 || f64::from(exponential(logits[class])) >= f64::from(least)).then_some(class)
    }

    /// The probability of the best class, as mathematics has it.
    #[must_use]
    pub fn probability(&self, logits: &[i64]) -> f64 {
        let most = logits[best(logits)];
        1.0 / logits.iter().map(|&logit| (f64::from(self.scale) * (logit - most) as f64).exp()).sum::<f64>()
    }
}

/// The class of the highest logit, of equals the first.
fn best(logits: &[i64]) -> usize {
    let highest = logits.iter().max().unwrap();
    logits.iter().position(|logit| logit == highest).unwrap()
}

/// Decides over frames: all of them are kept, and each share is computed from the first one on.
pub struct SmootherOracle {
    shift: u32,
    enter: i64,
    leave: i64,
    classes: usize,
    frames: Vec<Option<usize>>,
    answer: Option<usize>,
}

const ALL: i64 = 1 << 24;

impl SmootherOracle {
    /// One that has seen nothing; `enter` and `leave` are percent.
    #[must_use]
    pub fn new(classes: usize, shift: u8, enter: u8, leave: u8) -> Self {
        let percent = |percent: u8| i64::from(percent) * ALL / 100;
        let (enter, leave) = (percent(enter), percent(leave));
        Self { shift: shift.into(), enter, leave, classes, frames: Vec::new(), answer: None }
    }

    /// The decision of all frames, with one more.
    pub fn update(&mut self, decision: Option<usize>) -> Option<usize> {
        self.frames.push(decision);
        let shares: Vec<i64> = (0..self.classes).map(|class| self.share(class)).collect();
        let of_answer = self.answer.map(|class| shares[class]);
        let highest = shares.iter().copied().max().unwrap_or(0);
        let challenger = shares.iter().position(|&share| share == highest);
        if highest >= self.enter && of_answer.is_none_or(|share| highest > share) {
            self.answer = challenger;
        } else if of_answer.is_some_and(|share| share < self.leave) {
            self.answer = None;
        }
        self.answer
    }

    /// The share of a class, of 2^24.
    #[must_use]
    pub fn share(&self, class: usize) -> i64 {
        let length = 1 << self.shift;
        self.frames.iter().fold(0, |share: i64, &frame| {
            share - share.div_euclid(length) + if frame == Some(class) { ALL / length } else { 0 }
        })
    }

    /// The same as mathematics has it, 0 to 1.
    #[must_use]
    pub fn exact_share(&self, class: usize) -> f64 {
        let weight = 0.5f64.powi(self.shift.cast_signed());
        self.frames
            .iter()
            .fold(0.0, |share, &frame| share * (1.0 - weight) + if frame == Some(class) { weight } else { 0.0 })
    }
}
