//! The reliability diagram: how often answers of a probability are right, as SVG.

use std::fmt::Write;

use crate::train::confidence::reliability::{BINS, Reliability};

/// Width and height of the square that probabilities and shares of right answers span, in pixels.
const SIDE: f64 = 240.0;

/// Left of the square and below it, for labels.
const MARGIN: f64 = 36.0;

/// A diagram of answers before and after a temperature was applied: the share of right answers over their mean probability, a point a bin, its
/// area by the number of answers. On the diagonal probabilities are true. `colors` are those of before, of after, and of lines and words.
#[must_use]
pub fn diagram(before: &Reliability, after: &Reliability, colors: [&str; 3]) -> String {
    let [of_before, of_after, ink] = colors;
    let (width, height) = (MARGIN + SIDE + 8.0, SIDE + MARGIN + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\" \
         fill=\"{ink}\">"
    );
    let across = |probability: f64| MARGIN + SIDE * probability;
    let down = |share: f64| 8.0 + SIDE * (1.0 - share);
    let mut add = |text: String| {
        // Writing to a `String` cannot fail.
        let _ = svg.write_str(&text);
    };
    add(format!(
        "<rect x=\"{MARGIN}\" y=\"8\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"{ink}\"/><path d=\"M{} {}L{} {}\" \
         stroke=\"{ink}\" stroke-dasharray=\"3\"/>",
        across(0.0),
        down(0.0),
        across(1.0),
        down(1.0)
    ));
    for (reliability, color) in [(before, of_before), (after, of_after)] {
        let all: usize = reliability.bins.iter().map(|bin| bin.images).sum();
        for bin in reliability.bins.iter().filter(|bin| bin.images > 0) {
            let radius = 2.0 + 10.0 * (bin.images as f64 / all as f64).sqrt();
            add(format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{color}\" fill-opacity=\"0.6\"/>",
                across(bin.probability),
                down(bin.accuracy)
            ));
        }
    }
    for share in [0.0, 0.5, 1.0] {
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{share}</text>",
            across(share),
            down(0.0) + 14.0
        ));
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
            MARGIN - 4.0,
            down(share) + 3.0
        ));
    }
    add(format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">probability, in {BINS} bins; calibration error {:.4} before, {:.4} after</text>",
        MARGIN + SIDE / 2.0,
        height - 6.0,
        before.calibration_error,
        after.calibration_error
    ));
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::confidence::{Answer, Judged};

    #[test]
    fn a_bin_with_answers_is_a_point_where_probability_and_share_say() {
        let answers = |probability, right: &[bool]| {
            let judged = |&is_right: &bool| Judged { answer: Answer { class: 0, probability }, is_right };
            right.iter().map(judged).collect::<Vec<_>>()
        };
        let before = Reliability::of(&answers(1.0, &[true, false]));
        let after = Reliability::of(&[answers(0.5, &[true, false]), answers(0.25, &[false])].concat());
        let svg = diagram(&before, &after, ["red", "green", "black"]);
        assert_eq!(svg.matches("<circle").count(), 3);
        // Half of them right at a probability of 1: at the right edge, half way up.
        assert!(svg.contains("<circle cx=\"276.0\" cy=\"128.0\" r=\"12.0\" fill=\"red\""), "{svg}");
        assert!(svg.contains("error 0.5000 before, 0.0833 after") && svg.ends_with("</svg>"), "{svg}");
    }
}
