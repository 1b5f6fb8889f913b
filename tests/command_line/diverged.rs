//! Trainings whose numbers stay finite and mean nothing: the cause is named, and the flag that mends it.

use std::fs;

use super::{assert_contains, assert_fails, succeed};

const FIT: [&str; 10] = ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "2", "--out", "run", "--lr"];

#[test]
fn weights_that_no_file_holds_are_those_of_a_training_that_diverged() {
    for rate in ["1e5", "1e30"] {
        let home = tempfile::tempdir().unwrap();
        let advice = format!("try a smaller --lr (it is {})", rate.parse::<f64>().unwrap());
        let expected = ["error: training has diverged: the loss is ", " but guessing gives 2.30, ", &advice];
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
            " and always answering with the most frequent class gives 0.1000. ",
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

#[test]
fn a_run_that_diverged_is_said_to_have_and_of_several_it_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for out in ["runs/a", "runs/b"] {
        let fit = ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", out];
        succeed(path, &fit);
    }
    let diverged = "training has diverged";
    let fit = ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1", "--out", "runs/bad", "--lr", "1e30"];
    assert_fails(path, &fit, 1, &[diverged]);
    let failed = "runs/bad has no results: its training failed, and would fail again: ";
    for arguments in [
        &["report", "runs/bad"][..],
        &["plot", "runs/bad"],
        &["export", "runs/bad", "--out", "x.bin"],
        &["report", "runs/bad", "runs/bad"],
    ] {
        assert_fails(path, arguments, 1, &[&format!("error: {failed}"), diverged]);
    }
    assert_fails(path, &["fit", "--resume", "runs/bad"], 1, &[diverged]);

    // As `runs/*` names them.
    for command in ["report", "plot"] {
        let (printed, warned) = succeed(path, &[command, "runs/a", "runs/bad", "runs/b"]);
        assert!(printed.starts_with("wrote "), "{printed}");
        assert_contains(&warned, &["WARNING: this run is left out: ", failed]);
    }
    let page = fs::read_to_string(path.join("comparison.html")).unwrap();
    assert!(page.contains("2 runs compared"));

    // Without that file it is as any other that is not over; what is no run at all is not left out.
    fs::remove_file(path.join("runs/bad/failed.txt")).unwrap();
    assert_fails(path, &["report", "runs/bad"], 1, &["has no results yet; trainer fit --resume runs/bad resumes it"]);
    assert_fails(path, &["report", "runs/a", "runs/none"], 1, &["runs/none is not the directory of a run"]);
}
