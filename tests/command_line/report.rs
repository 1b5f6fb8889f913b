//! `trainer plot`, `trainer report`, and the report at the end of a fit.

use std::fs;

use super::{assert_fails, short_run, text, trainer};

/// The files that a command prints that it wrote.
fn written(printed: &str) -> Vec<&str> {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("wrote"));
    lines.map(|line| line.trim().split(',').next().unwrap_or_default()).collect()
}

#[test]
fn a_fit_ends_with_a_page_and_plot_and_report_work_without_the_data() {
    let (home, output) = short_run();
    let printed = text(&output.stdout);
    assert!(printed.ends_with("a page about it, for a browser: run/report.html\n"), "{printed}");
    let first = fs::read_to_string(home.path().join("run/report.html")).unwrap();
    assert!(first.contains("mlp on garments") && first.len() < 1_000_000);

    let output = trainer(home.path(), &["report", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(written(&text(&output.stdout)), ["run/report.html"]);
    assert!(first == fs::read_to_string(home.path().join("run/report.html")).unwrap(), "the same page again");

    for (format, magic) in [("svg", &b"<svg "[..]), ("png", b"\x89PNG")] {
        let output = trainer(home.path(), &["plot", "run", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let printed = text(&output.stdout);
        let files = written(&printed);
        // A run without doubtful labels has no figure of them.
        let nothing = printed.matches("nothing    mislabeled: there is nothing to draw").count();
        assert_eq!(files.len() + nothing, 15, "{printed}");
        for file in files {
            assert!(file.starts_with("run/figures/") && file.ends_with(format), "{file}");
            assert!(fs::read(home.path().join(file)).unwrap().starts_with(magic), "{file}");
        }
    }
}

#[test]
fn plot_writes_one_figure_to_a_given_file_and_curves_of_several_runs() {
    let (home, _) = short_run();
    let path = home.path();
    for arguments in [
        &["plot", "run", "--figure", "confusion", "--out", "matrix.png"][..],
        &["plot", "run", "run", "--out", "both.svg"],
        &["report", "run", "run", "--out", "both.html"],
        &["report", "run", "run"],
        &["plot", "run", "run"],
    ] {
        let output = trainer(path, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(fs::read(path.join("matrix.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(path.join("both.svg")).unwrap().contains("Training, run by run"));
    assert!(fs::read_to_string(path.join("both.html")).unwrap().contains("2 runs compared"));
    assert!(path.join("comparison.html").is_file() && path.join("curves.svg").is_file());
}

#[test]
fn runs_that_cannot_be_drawn_are_answered_with_what_to_do() {
    let (home, _) = short_run();
    let path = home.path();
    let usage: [(&[&str], &[&str]); 8] = [
        (&["plot"], &["<RUN>"]),
        (&["plot", "run", "--figure", "cake"], &["invalid value 'cake'", "samples", "quantization-error"]),
        (&["plot", "run", "--out", "x.png"], &["there are 15 figures", "--figure"]),
        (
            &["plot", "run", "--figure", "curves", "--out", "x.png", "--format", "svg"],
            &["ends in .png", "--format is svg"],
        ),
        (&["plot", "run", "run", "--figure", "samples"], &["of several runs there are curves only"]),
        (&["report", "run", "--out", "."], &["--out . is a directory; name a file"]),
        (&["report", "run", "--data", "."], &["--refresh"]),
        (&["report", "run", "run", "--against", "run"], &["--against compares one run with another, but 2 are named"]),
    ];
    for (arguments, expected) in usage {
        assert_fails(path, arguments, 2, expected);
    }
    for subcommand in ["plot", "report"] {
        assert_fails(
            path,
            &[subcommand, "nowhere"],
            1,
            &["nowhere is not the directory of a run: there is no such directory"],
        );
        assert_fails(path, &[&[subcommand][..], &["run"; 7]].concat(), 1, &["7 runs are too many", "at most 6"]);
    }
    fs::remove_file(path.join("run/answers.csv")).unwrap();
    let expected = ["run/answers.csv is missing", "`trainer report --refresh run` writes it"];
    assert_fails(path, &["report", "run"], 1, &expected);
    assert_fails(path, &["plot", "run"], 1, &expected);
    // Curves need no answers.
    assert_eq!(trainer(path, &["plot", "run", "--figure", "curves"]).status.code(), Some(0));
}

#[test]
fn a_page_against_another_run_states_what_changed() {
    let (home, _) = short_run();
    let path = home.path();
    let output = trainer(path, &["report", "run", "--against", "run", "--out", "same.html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = fs::read_to_string(path.join("same.html")).unwrap();
    assert!(page.contains(">What changed against run</h2>"));
    assert!(page.contains("p = 1.000. Both classify the same images correctly."));
    assert!(!fs::read_to_string(path.join("run/report.html")).unwrap().contains("What changed against"));
    assert_fails(
        path,
        &["report", "run", "--against", "nowhere"],
        1,
        &["--against", "nowhere", "is not the directory of a run"],
    );
    assert_fails(path, &["report", "run", "--against"], 2, &["--against <OTHER>"]);
}

#[test]
fn refresh_writes_again_what_an_older_trainer_did_not() {
    let (home, _) = short_run();
    let path = home.path();
    let read =
        || ["answers.csv", "report.json", "report.html"].map(|name| fs::read(path.join("run").join(name)).unwrap());
    let before = read();
    for name in ["answers.csv", "report.json", "report.html"] {
        fs::remove_file(path.join("run").join(name)).unwrap();
    }
    let output = trainer(path, &["report", "--refresh", "run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(before == read());
}

/// As on a disk with room for the model and none for the page.
#[cfg(unix)]
#[test]
fn a_report_that_cannot_be_written_costs_a_warning_and_not_the_model() {
    let home = tempfile::tempdir().unwrap();
    let fit = "trap '' XFSZ; ulimit -f 144; exec \"$0\" fit --model tiny --dataset garments --epochs 1 --out run";
    let output = std::process::Command::new("sh")
        .args(["-c", fit, env!("CARGO_BIN_EXE_trainer")])
        .current_dir(home.path())
        .output()
        .unwrap();
    let warning = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{warning}");
    assert!(warning.contains("there is no report: cannot write run/report.html"), "{warning}");
    assert!(warning.contains("`trainer report --refresh run` tries again"), "{warning}");
    assert!(home.path().join("run/model.bin").is_file() && home.path().join("run/metrics.json").is_file());
    assert!(!home.path().join("run/report.html").exists());
}
