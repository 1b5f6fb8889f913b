//! Classes, probabilities and rankings, through a network whose logits are its biases.

use infer_core::Network;
use thimble_tests::constant::constant;

/// Calls `check` with the output of a network that gives these logits whatever the image.
fn with_output(logits: &[i32], scale: f32, check: impl FnOnce(infer_core::Output<'_>)) {
    let file = constant(logits, scale);
    let mut arena = vec![0; infer_core::arena_len(&file)];
    let mut network = Network::new(&file, &mut arena).unwrap();
    check(network.classify(&[0]).unwrap());
}

#[test]
fn the_highest_logit_wins_and_of_equals_the_lowest_class() {
    for (logits, class) in [
        (&[3, 9, 9, 1][..], 1),
        (&[-5, -5][..], 0),
        (&[i32::MIN, i32::MIN, i32::MIN + 1][..], 2),
        (&[i32::MIN; 3][..], 0),
        (&[0, i32::MAX][..], 1),
    ] {
        with_output(logits, 1.0, |output| {
            assert_eq!(output.class(), class);
            assert_eq!(output.logits(), logits);
        });
    }
}

#[test]
fn probabilities_are_the_softmax_to_three_digits_and_sum_to_one() {
    let logits = [120, -40, 0, 310, 305];
    let scale = 0.02;
    with_output(&logits, scale, |output| {
        let mut probabilities = [0.0; 5];
        output.probabilities(&mut probabilities);
        let exponentials = logits.map(|logit| (f64::from(logit) * f64::from(scale)).exp());
        let sum: f64 = exponentials.iter().sum();
        for (probability, exponential) in probabilities.iter().zip(exponentials) {
            assert!((f64::from(*probability) - exponential / sum).abs() < 1e-3, "{probabilities:?}");
        }
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    });
}

#[test]
fn logits_at_the_ends_of_their_range_still_give_probabilities() {
    with_output(&[i32::MIN, i32::MAX, 0], 1.0, |output| {
        let mut probabilities = [9.0; 4];
        output.probabilities(&mut probabilities);
        assert_eq!(probabilities, [0.0, 1.0, 0.0, 9.0], "the entry past the last class stays as it is");
    });
}

#[test]
fn the_top_k_are_in_order_and_equals_by_class() {
    with_output(&[5, 9, 5, 7, 9], 0.1, |output| {
        let classes = |ranked: &[infer_core::Ranked]| ranked.iter().map(|ranked| ranked.class).collect::<Vec<_>>();
        assert_eq!(classes(&output.top_k::<3>()), [1, 4, 3]);
        assert_eq!(classes(&output.top_k::<8>()), [1, 4, 3, 0, 2]);
        assert!(output.top_k::<0>().is_empty());
        let mut probabilities = [0.0; 5];
        output.probabilities(&mut probabilities);
        for ranked in output.top_k::<5>() {
            assert_eq!(ranked.probability, probabilities[ranked.class]);
            assert_eq!(ranked.logit, output.logits()[ranked.class]);
        }
    });
}

/// micromath's `exp`, not the host's: these bits must come out on every target.
#[test]
fn probabilities_are_the_same_bits_everywhere() {
    with_output(&[1000, 900, 0, -250], 0.01, |output| {
        let mut probabilities = [0.0; 4];
        output.probabilities(&mut probabilities);
        assert_eq!(probabilities.map(f32::to_bits), EXPECTED_BITS);
    });
}

const EXPECTED_BITS: [u32; 4] = [0x3F3B_24F0, 0x3E89_B16D, 0x380B_3516, 0x3636_D334];
