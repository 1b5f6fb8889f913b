//! Trainings whose numbers stay finite and mean nothing: the cause is named, and the flag that mends it.

use super::{assert_contains, assert_fails, succeed};

const FIT: [&str; 10] = ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "2", "--out", "run", "--lr"];

#[test]
fn weights_that_no_file_holds_are_those_of_a_training_that_diverged() {
    for rate in ["1e5", "1e30"] {
        let home = tempfile::tempdir().unwrap();
        let advice = format!("try a smaller --lr (it is {})", rate.parse::<f64>().unwrap());
        let expected = ["error: training has diverged: the loss is ", " where guessing gives 2.30, ", &advice];
        assert_fails(home.path(), &[&FIT[..], &[rate]].concat(), 1, &expected);
    }
}

#[test]
fn a_model_that_is_no_better_than_a_guess_is_exported_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let (printed, warned) = succeed(home.path(), &[&FIT[..], &["100"]].concat());
    assert_contains(
        &warned,
        &[
            "WARNING: the model is no better than a guess: its validation loss is ",
            " where equal probabilities give 2.3026; its accuracy is ",
            " where the most frequent class as the answer to all gives 0.1000. ",
            "try a smaller --lr (it is 100), or more epochs",
        ],
    );
    let rows = printed.lines().filter(|line| line.ends_with("  best") || line.starts_with("    2    "));
    for row in rows {
        assert_eq!(row.get(17..19), Some("0."), "columns keep their places: {row:?}");
    }
    let (_, warned) = succeed(home.path(), &["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1"]);
    assert!(!warned.contains("a guess"), "{warned}");
}
