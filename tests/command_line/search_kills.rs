//! `search`, killed at random moments and resumed each time: `.ci/long kills` kills more often.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{idx, succeed};

/// A space of small networks, of which some do not fit.
const SPACE: &str = "name = \"mine\"
[network]
stages = [1, 2]
[[stage]]
channels = { from = 2, to = 12, step = 2 }
downsample = [\"pool\", \"stride\"]
[[stage]]
channels = [4, 8]
[recipe]
learning_rate = { from = 1e-3, to = 1e-1, scale = \"log\" }
augment.flip = 0.0
";

/// Trials of a study.
const TRIALS: usize = 9;

/// Images of two classes, dark and bright ones with noise over it: some networks learn more of it than others.
fn images(home: &Path) {
    let mut random = 7_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    for part in ["train", "t10k"] {
        let labels: Vec<u8> = (0..80).map(|image| image % 2).collect();
        let pixels = labels.iter().flat_map(|label| vec![*label; 64]).map(|label| noise() / 2 + 40 * label).collect();
        idx(home, part, 8, pixels, labels);
    }
}

/// The arguments of a study, without the one that names its directory.
fn study(seed: &str, workers: &str) -> Vec<String> {
    let trials = TRIALS.to_string();
    let words =
        ["search", "./mine.toml", "--data", "birds", "--val-fraction", "0.5", "--epochs", "27", "--max-model", "1500"];
    let words = words.into_iter().chain(["--trials", &trials, "--seed", seed, "--workers", workers]);
    words.map(str::to_owned).collect()
}

/// What is known of a trial: what came of it, and the curve of its last training.
#[derive(Debug, Default, PartialEq)]
struct Trial {
    candidate: Value,
    curve: Vec<Value>,
    begun: usize,
    ends: Vec<Value>,
}

/// The trials in the file of a search. Each has one beginning more than it was cut off, and one end at most.
fn trials(search: &Path) -> BTreeMap<u64, Trial> {
    let text = fs::read_to_string(search.join("trials.jsonl")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut trials = BTreeMap::<u64, Trial>::new();
    for line in whole.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("seconds");
        let trial = trials.entry(line["trial"].as_u64().unwrap()).or_default();
        match line["event"].as_str().unwrap() {
            "begun" => {
                assert!(trial.begun == 0 || trial.candidate == line, "another candidate under its number: {line}");
                trial.candidate = line;
                trial.begun += 1;
                trial.curve.clear();
            }
            "epoch" => trial.curve.push(line),
            // Its process met that of the search that was killed.
            "crashed" => {}
            _ => trial.ends.push(line),
        }
        assert!(trial.ends.len() <= 1, "{trial:?}");
    }
    trials
}

/// Whether a process has this directory in its command line.
#[cfg(target_os = "linux")]
fn is_in_use(directory: &Path) -> bool {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    let directory = directory.to_str().unwrap();
    processes.into_iter().any(|line| String::from_utf8_lossy(&line).contains(directory))
}

/// Kills a study so many times, at moments up to a third of its length apart, and compares what it comes to with what it comes to undisturbed.
fn kill_and_resume(seed: u64, workers: usize, kills: usize) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine.toml"), SPACE).unwrap();
    images(home.path());
    let study = study(&seed.to_string(), &workers.to_string());
    let mut study: Vec<&str> = study.iter().map(String::as_str).collect();
    let start = Instant::now();
    succeed(home.path(), &[&study[..], &["--out", "whole"]].concat());
    let length = start.elapsed();
    let expected = trials(&home.path().join("whole"));
    assert!(
        expected.values().any(|trial| trial.curve.len() == 27) && expected.values().any(|trial| trial.curve.len() == 3)
    );

    study.extend(["--out", "killed"]);
    let search = home.path().join("killed");
    let (mut killed, mut before, mut random) = (0, BTreeMap::new(), seed);
    while killed < kills {
        let is_begun = search.join("search.json").is_file();
        let resume = ["search", "--resume", "killed", "--workers", study[study.len() - 3]];
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.args(if is_begun { &resume[..] } else { &study }).current_dir(home.path());
        let printed = home.path().join("printed");
        let mut child = command.stdout(Stdio::null()).stderr(fs::File::create(&printed).unwrap()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        sleep(length.mul_f64((random >> 40) as f64 / f64::from(1 << 24) / 3.0));
        child.kill().unwrap();
        let code = child.wait().unwrap().code();
        assert!(code.is_none() || code == Some(0), "{}", fs::read_to_string(printed).unwrap());
        let now = trials(&search);
        for (number, trial) in &before {
            let Trial { ends, .. } = trial;
            assert!(ends.is_empty() || now.get(number) == Some(trial), "{trial:?} is lost: {:?}", now.get(number));
        }
        let running = now.values().filter(|trial| trial.ends.is_empty()).count();
        assert!(running <= workers, "{running} trials run");
        let is_over = now.values().filter(|trial| trial.begun > 0 && !trial.ends.is_empty()).count() == TRIALS;
        before = now;
        killed += usize::from(code.is_none());
        if is_over {
            fs::remove_dir_all(&search).unwrap();
            before.clear();
        }
    }
    #[cfg(target_os = "linux")]
    {
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_in_use(home.path()) {
            assert!(Instant::now() < deadline, "trials outlive their search");
            sleep(Duration::from_millis(10));
        }
    }
    if search.join("search.json").is_file() {
        // As after a kill between the two files that a search begins with.
        let _ = fs::remove_file(search.join("space.toml"));
        succeed(home.path(), &["search", "--resume", "killed", "--workers", &workers.to_string()]);
    } else {
        succeed(home.path(), &study);
    }
    assert_eq!(fs::read_to_string(search.join("space.toml")).unwrap(), SPACE);
    let found = trials(&search);
    assert!(workers > 1 || found.len() == expected.len(), "{} candidates, and {}", found.len(), expected.len());
    let over = |trials: &BTreeMap<u64, Trial>| trials.values().filter(|trial| trial.begun > 0).count();
    assert_eq!((over(&found), over(&expected)), (TRIALS, TRIALS));
    assert!(found.values().all(|trial| trial.ends.len() == 1), "{found:?}");
    if workers == 1 {
        let same = |trials: BTreeMap<u64, Trial>| -> Vec<Trial> {
            trials.into_values().map(|trial| Trial { begun: 0, ..trial }).collect()
        };
        for (found, expected) in same(found).iter().zip(&same(expected)) {
            assert_eq!(found, expected);
        }
    }
    for directory in [search.clone(), search.join("trials")] {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| name.starts_with('.')).collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[test]
fn studies_killed_at_twenty_one_moments_lose_no_trial_and_count_none_twice() {
    let kills = std::env::var("THIMBLE_KILLS").map_or(7, |kills| kills.parse().unwrap());
    for (seed, workers) in [(1, 1), (2, 1), (3, 3)] {
        kill_and_resume(seed, workers, kills);
    }
}
