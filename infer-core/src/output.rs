//! What a network returns for an image, and what follows from several in a row.

mod smoother;

use core::cmp::Reverse;

use heapless::Vec;
use micromath::F32Ext;

pub use smoother::{Smoother, Smoothing};

use crate::format::Thresholds;

/// The logits of one image and what follows from them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Output<'n> {
    logits: &'n [i32],
    scale: f32,
    threshold: f32,
    thresholds: Thresholds<'n>,
}

/// A class and how much speaks for it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ranked {
    /// Index of the class.
    pub class: usize,
    /// Its logit.
    pub logit: i32,
    /// Its softmax probability, 0 to 1.
    pub probability: f32,
}

impl<'n> Output<'n> {
    /// Of logits that a network gave, one for each class: to compute again what follows from them, or to test what a program makes of
    /// them. `scale` is the real value of one step; `threshold` is that of the model file's header, 0
    /// to 1, and `thresholds` those of classes.
    #[must_use]
    pub const fn new(logits: &'n [i32], scale: f32, threshold: f32, thresholds: Thresholds<'n>) -> Self {
        Self { logits, scale, threshold, thresholds }
    }

    /// The class with the highest logit; of equals the lowest index.
    #[must_use]
    pub fn class(&self) -> usize {
        self.best().0
    }

    /// The class, where its probability reaches its [threshold](Self::threshold); `None` means "none of these".
    ///
    /// Without a division: `exp(0) >= threshold * sum_j exp(scale * (l_j - max l))`, the exponentials and their sum as
    /// [`probabilities`](Self::probabilities) computes them and one multiplication in `f32`. Every target decides the same. With a
    /// threshold of 0 the answer is [`class`](Self::class), and no exponential is computed.
    ///
    /// ```
    /// # use infer_core::{Network, arena_len, include_model, input_len};
    /// # macro_rules! include_model { ($path:literal) => { infer_core::include_model!("../tests/fixtures/tiny.bin") } }
    /// # static MODEL: &[u8] = include_model!("model.bin");
    /// # let mut arena = [0; arena_len(MODEL)];
    /// # let mut network = Network::new(MODEL, &mut arena)?;
    /// # let pixels = [0; input_len(MODEL)];
    /// let metadata = network.metadata();
    /// let output = network.classify(&pixels)?;
    /// match output.decide() {
    ///     Some(class) => println!("{}", metadata.class_name(class).unwrap_or("?")),
    ///     None => println!("none of these"),
    /// }
    /// # Ok::<(), infer_core::Error>(())
    /// ```
    #[must_use]
    pub fn decide(&self) -> Option<usize> {
        let (class, logit) = self.best();
        let threshold = self.threshold(class);
        // A comparison of bits, as numbers that are not negative compare: no float where nothing is to be rejected.
        let is_sure =
            threshold.to_bits() == 0 || self.exponential(logit, logit) >= threshold * self.exponential_sum(logit);
        if is_sure { Some(class) } else { None }
    }

    /// The probability that an answer of this class has to reach, 0 to 1: that of the model file's header, or the class's own if that
    /// is higher.
    #[must_use]
    pub fn threshold(&self, class: usize) -> f32 {
        let own = self.thresholds.of(class);
        if own.to_bits() > self.threshold.to_bits() { own } else { self.threshold }
    }

    /// The class with the highest logit, and that logit.
    fn best(&self) -> (usize, i32) {
        let mut best = (0, i32::MIN);
        for (class, &logit) in self.logits.iter().enumerate() {
            if logit > best.1 {
                best = (class, logit);
            }
        }
        best
    }

    /// One `i32` per class; real value = [`scale`](Self::scale) times it.
    #[must_use]
    pub const fn logits(&self) -> &'n [i32] {
        self.logits
    }

    /// Real value of one step of a logit.
    #[must_use]
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// Softmax: writes the probability of each class to the entry of its index. Entries past the last class, and
    /// classes past the last entry, are left out.
    ///
    /// `p_i = exp(scale * (l_i - max l)) / sum_j exp(scale * (l_j - max l))` in `f32` with micromath's `exp`, in this
    /// order of operations, so that every target computes the same bits.
    pub fn probabilities(&self, probabilities: &mut [f32]) {
        let maximum = self.maximum();
        let sum = self.exponential_sum(maximum);
        for (probability, &logit) in probabilities.iter_mut().zip(self.logits) {
            *probability = self.exponential(logit, maximum) / sum;
        }
    }

    /// The `K` classes with the highest logits, highest first, of equals the lowest index first.
    #[must_use]
    pub fn top_k<const K: usize>(&self) -> Vec<Ranked, K> {
        let maximum = self.maximum();
        let sum = self.exponential_sum(maximum);
        let mut ranking = Vec::<Ranked, K>::new();
        let mut last = None;
        // The best of those after the last one, again and again: an insertion into a sorted list has a panic inside
        // that the linker cannot rule out.
        while !ranking.is_full() {
            let places = self.logits.iter().enumerate().map(|(class, &logit)| (logit, Reverse(class)));
            let Some(best) = places.filter(|&place| last.is_none_or(|last| place < last)).max() else { break };
            let (logit, Reverse(class)) = best;
            let _ = ranking.push(Ranked { class, logit, probability: self.exponential(logit, maximum) / sum });
            last = Some(best);
        }
        ranking
    }

    fn maximum(&self) -> i32 {
        self.logits.iter().copied().max().unwrap_or_default()
    }

    fn exponential_sum(&self, maximum: i32) -> f32 {
        self.logits.iter().fold(0.0, |sum, &logit| sum + self.exponential(logit, maximum))
    }

    /// `exp(scale * (logit - maximum))`, at most 1.
    ///
    /// Called as `F32Ext::exp`: where std is in reach, `x.exp()` would be the inherent method and other bits.
    fn exponential(&self, logit: i32, maximum: i32) -> f32 {
        let below = maximum.wrapping_sub(logit).cast_unsigned();
        F32Ext::exp(-(self.scale * below as f32))
    }
}
