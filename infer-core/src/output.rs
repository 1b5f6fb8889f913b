//! What a network returns for an image.

use core::cmp::Reverse;

use heapless::Vec;
use micromath::F32Ext;

/// The logits of one image and what follows from them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Output<'n> {
    logits: &'n [i32],
    scale: f32,
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
    pub(crate) const fn new(logits: &'n [i32], scale: f32) -> Self {
        Self { logits, scale }
    }

    /// The class with the highest logit; of equals the lowest index.
    #[must_use]
    pub fn class(&self) -> usize {
        let mut best = (0, i32::MIN);
        for (class, &logit) in self.logits.iter().enumerate() {
            if logit > best.1 {
                best = (class, logit);
            }
        }
        best.0
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
