//! How accurate the most confident answers are: the accuracy of the answers that are kept where those of less confidence are
//! rejected.
//!
//! R. El-Yaniv and Y. Wiener, "On the Foundations of Noise-free Selective Classification", Journal of Machine Learning Research 11
//! (2010), 1605-1641; the risk there is 1 minus the accuracy here.

/// The answers of at least some confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The lowest confidence among these answers, 0 to 1.
    pub confidence: f32,
    /// How many they are.
    pub answers: usize,
    /// How many of them are right.
    pub right: usize,
}

impl Kept {
    /// Share of right answers, 0 to 1.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.answers.max(1) as f64
    }
}

/// Of answers' confidences and whether each answer is right: one entry for each confidence that occurs, the highest first. Answers of
/// equal confidence are kept or rejected together; the last entry has all answers.
#[must_use]
pub fn curve(answers: impl IntoIterator<Item = (f32, bool)>) -> Vec<Kept> {
    let mut sorted: Vec<(f32, bool)> = answers.into_iter().collect();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut curve: Vec<Kept> = Vec::new();
    let mut right = 0;
    for (index, &(confidence, is_right)) in sorted.iter().enumerate() {
        right += usize::from(is_right);
        let kept = Kept { confidence, answers: index + 1, right };
        match curve.last_mut().filter(|last| last.confidence == confidence) {
            Some(last) => *last = kept,
            None => curve.push(kept),
        }
    }
    curve
}

/// The most answers that are as accurate as `wanted`, 0 to 1; `None` where no confidence gives as much.
#[must_use]
pub fn most_at(curve: &[Kept], wanted: f64) -> Option<Kept> {
    curve.iter().rev().find(|kept| kept.accuracy() >= wanted).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_by_confidence_and_equals_together() {
        let curve = curve([(0.5, true), (0.9, true), (0.7, false), (0.7, true), (0.8, true), (0.5, false)]);
        let kept = |confidence, answers, right| Kept { confidence, answers, right };
        assert_eq!(curve, [kept(0.9, 1, 1), kept(0.8, 2, 2), kept(0.7, 4, 3), kept(0.5, 6, 4)]);
        assert_eq!(curve[2].accuracy(), 0.75);
        assert_eq!(most_at(&curve, 1.0), Some(curve[1]));
        assert_eq!(most_at(&curve, 0.75), Some(curve[2]));
        assert_eq!(most_at(&curve, 0.6), Some(curve[3]));
    }

    #[test]
    fn the_most_answers_are_taken_where_the_accuracy_rises_again() {
        // Wrong at first, right after it: 0 of 1, 1 of 2, 2 of 3.
        let curve = curve([(0.9, false), (0.8, true), (0.7, true)]);
        assert_eq!(most_at(&curve, 0.5).map(|kept| kept.answers), Some(3));
        assert_eq!(most_at(&curve, 0.7), None);
    }

    #[test]
    fn one_answer_is_a_curve_of_one_and_no_answer_of_none() {
        assert_eq!(curve([(0.3, false)]), [Kept { confidence: 0.3, answers: 1, right: 0 }]);
        assert!(curve([]).is_empty());
        assert_eq!(most_at(&[], 0.0), None);
    }
}
