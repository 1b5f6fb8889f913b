//! `search`: a space described, a candidate tried, a search that is killed and resumed, its results and its errors.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use infer_core::Header;
use serde_json::{Value, json};

use super::{assert_contains, assert_fails, birds, read_json, succeed, text, trainer, wait_for};

/// A space of small networks, whose trainings take milliseconds.
const SPACE: &str = "name = \"mine\"
[network]
stages = { from = 1, to = 2 }
head = [\"flatten\", \"mean\"]
[[stage]]
channels = { from = 2, to = 12, step = 2 }
downsample = [\"pool\", \"stride\"]
[[stage]]
block = [\"convolution\", \"separable\", \"residual\"]
channels = [4, 8]
[recipe]
learning_rate = { from = 1e-3, to = 1e-1, scale = \"log\" }
augment.flip = 0.0
";

/// A home with the space and a set of 40 images.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine.toml"), SPACE).unwrap();
    birds(home.path(), 12);
    home
}

fn candidate(channels: u32) -> Value {
    json!({
        "parameters": {
            "stages": 2, "head": "mean", "stage1.channels": channels, "stage1.downsample": "pool", "stage2.block": "residual",
            "stage2.channels": 8, "recipe.learning_rate": 0.01
        },
        "seed": 3,
        "epochs": 2
    })
}

/// The lines of JSON that a trial prints.
fn events(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn trial(home: &Path, candidate: &Value, more: &[&str]) -> Vec<Value> {
    fs::write(home.join("candidate.json"), candidate.to_string()).unwrap();
    let arguments = ["search", "./mine.toml", "--trial", "candidate.json", "--data", "birds", "--out", "run"];
    events(&succeed(home, &[&arguments[..], more].concat()).0)
}

/// The lines of a search's trials, without the time that they took.
fn lines(search: &Path) -> Vec<Value> {
    let text = fs::read_to_string(search.join("trials.jsonl")).unwrap();
    // What was cut off is no line.
    let mut lines = events(text.rsplit_once('\n').map_or("", |(whole, _)| whole));
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("seconds");
    }
    lines
}

fn count(lines: &[Value], event: &str) -> usize {
    lines.iter().filter(|line| line["event"] == event).count()
}

#[test]
fn a_space_is_described_whatever_its_comments_are() {
    let home = home();
    let described = |name: &str, more: &[&str]| -> Value {
        let (printed, _) = succeed(home.path(), &[&["search", name, "--describe"], more].concat());
        serde_json::from_str(&printed).unwrap()
    };
    let found = described("./mine.toml", &[]);
    assert_eq!(found["parameters"].as_array().unwrap().len(), 7);
    assert_eq!(found["parameters"][0], json!({"name": "stages", "kind": "integer", "low": 1, "high": 2, "step": 1}));
    let second = json!({"name": "stage2.channels", "kind": "categorical", "choices": [4, 8], "only_if": {"name": "stages", "at_least": 2}});
    assert!(found["parameters"].as_array().unwrap().contains(&second), "{found}");
    let rate = json!({"name": "recipe.learning_rate", "kind": "float", "low": 0.001, "high": 0.1, "log": true});
    assert!(found["parameters"].as_array().unwrap().contains(&rate), "{found}");
    assert!(found.get("data").is_none());
    fs::write(home.path().join("same.toml"), format!("# A comment.\n{}", SPACE.replace("[4, 8]", "[ 4,  8 ]")))
        .unwrap();
    fs::write(home.path().join("other.toml"), SPACE.replace("[4, 8]", "[4, 9]")).unwrap();
    assert_eq!(described("./same.toml", &[])["fingerprint"], found["fingerprint"]);
    assert_ne!(described("./other.toml", &[])["fingerprint"], found["fingerprint"]);
    let data = &described("./mine.toml", &["--data", "birds"])["data"];
    assert_eq!((&data["name"], &data["training_images"]), (&json!("birds"), &json!(38)));
    assert_eq!(data["validation_images"], 2);
    for name in ["conv", "separable", "residual"] {
        let (printed, _) = succeed(home.path(), &["search", name, "--print"]);
        fs::write(home.path().join("copy.toml"), printed).unwrap();
        assert_eq!(described("./copy.toml", &[])["fingerprint"], described(name, &[])["fingerprint"]);
    }
}

#[test]
fn a_trial_is_checked_before_it_is_trained_to_the_byte_and_is_a_run_like_any_other() {
    let home = home();
    let found = trial(home.path(), &candidate(4), &["--chip", "nrf52840"]);
    let names: Vec<&str> = found.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["checked", "epoch", "epoch", "finished"]);
    let (checked, finished) = (&found[0], &found[3]);
    let model = fs::read(home.path().join("run/model.bin")).unwrap();
    assert_eq!(checked["model"], json!(model.len()));
    let header = Header::parse(&model).unwrap();
    assert!(checked["ram"].as_u64().unwrap() > u64::from(header.arena_len + header.input_len));
    let violation = |name: &str| checked["violations"][name].as_f64().unwrap();
    assert_eq!(violation("flash"), checked["flash"].as_f64().unwrap() - f64::from(1 << 20));
    assert_eq!(violation("ram"), checked["ram"].as_f64().unwrap() - f64::from(1 << 18));
    assert!(finished["validation_accuracy"].is_number() && finished["flash"] == checked["flash"]);
    // The run: evaluated, compared with others, trained again.
    succeed(home.path(), &["eval", "run/model.bin", "--data", "birds"]);
    let fit =
        ["fit", "--model", "./run/network.toml", "--recipe", "./run/recipe.toml", "--data", "birds", "--seed", "3"];
    succeed(home.path(), &[&fit[..], &["--chip", "nrf52840", "--out", "again"]].concat());
    let metrics = |run: &str| read_json(&home.path().join(run).join("metrics.json"))["export"]["bytes"].clone();
    assert_eq!(metrics("again"), metrics("run"));
}

#[test]
fn of_a_candidate_that_does_not_fit_it_is_reported_by_how_much_and_nothing_is_left() {
    let home = home();
    let (described, _) = succeed(home.path(), &["search", "./mine.toml", "--describe", "--data", "birds"]);
    let described: Value = serde_json::from_str(&described).unwrap();
    let with_data = |data: &Value| {
        let mut candidate = candidate(12);
        candidate["data"] = data.clone();
        candidate
    };
    for candidate in [candidate(12), with_data(&described["data"])] {
        for limit in [["--max-ram", "2K"], ["--max-model", "1K"], ["--max-time", "0.001ms"], ["--max-flash", "2K"]] {
            let found = trial(home.path(), &candidate, &limit);
            let violations = found[0]["violations"].as_object().unwrap();
            assert_eq!((found.len(), violations.len()), (1, 1), "{limit:?}: {found:?}");
            assert!(violations.values().all(|violation| violation.as_f64().unwrap() > 0.0), "{violations:?}");
        }
    }
    assert!(!home.path().join("run").exists());
    // What was described is what is loaded, or nothing is trained.
    let mut other = described["data"].clone();
    other["sha256"] = json!("0");
    fs::write(home.path().join("candidate.json"), with_data(&other).to_string()).unwrap();
    let arguments = ["search", "./mine.toml", "--trial", "candidate.json", "--data", "birds", "--out", "run"];
    assert_fails(
        home.path(),
        &arguments,
        1,
        &["the images are not those that were described: birds, 2 classes, 38 training images, sha256 0..."],
    );
}

#[test]
fn what_is_wrong_is_said_with_where_and_what_to_do() {
    let home = home();
    let space = |from: &str, to: &str| fs::write(home.path().join("bad.toml"), SPACE.replace(from, to)).unwrap();
    for (from, to, expected) in [
        (
            "[4, 8]",
            "[4, 0]",
            "bad.toml: space file: [[stage]] 2, channels: 0 is not possible here; it must be a whole number from 1 to 4096",
        ),
        (
            "\"separable\"",
            "\"seperable\"",
            "[[stage]] 2, block: seperable is not possible here; it must be one of convolution, separable, residual",
        ),
        (
            "head =",
            "heads =",
            "[network], heads: there is no such key; there are stages, batch_norm, depthwise_relu, head, dense",
        ),
        ("to = 2 }", "to = 3 }", "[network], stages: stages = 3, but the file has 2; add a [[stage]]"),
        ("1e-1, scale", "-1.0, scale", "[recipe], learning_rate: the range from 0.001 to -1 is empty"),
        (
            "from = 1e-3, to = 1e-1, scale = \"log\"",
            "from = -0.5, to = 1.0",
            "[recipe], learning_rate: learning rate is -0.5; it must be positive",
        ),
        ("augment.flip", "augment.flap", "unknown field `flap`"),
        ("[recipe]", "[recipes]", "TOML parse error at line 11"),
        ("[recipe]", "[recipe]\nbase = \"strung\"", "unknown recipe \"strung\""),
        ("[recipe]", "[recipe]\nepochs = 3", "[recipe], epochs: a space does not decide this; --epochs"),
        ("[network]", "[input]\nside = 8\n[network]", "[input], color: it is missing"),
        ("name = \"mine\"", "name = \"../mine\"", "cannot name the directory of a run"),
    ] {
        space(from, to);
        assert_fails(home.path(), &["search", "./bad.toml", "--describe"], 2, &[expected]);
    }
    let mut files = vec![("no.json".to_owned(), "No such file")];
    for (index, (text, expected)) in [
        ("{}".to_owned(), "missing field `parameters`"),
        (
            candidate(4).to_string().replace("0.01", "7"),
            "parameter recipe.learning_rate is 7; it must be a number from 0.001 to 0.1",
        ),
        (
            candidate(4).to_string().replace("stage1.channels", "stage9.channels"),
            "space mine has no parameter stage9.channels",
        ),
        (
            candidate(4).to_string().replace("\"head\":\"mean\",", ""),
            "parameter head is missing; it is one of flatten, mean",
        ),
        (candidate(4).to_string().replace("\"epochs\":2", "\"epochs\":0"), "epochs is 0; it must be at least 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{index}.json");
        fs::write(home.path().join(&name), text).unwrap();
        files.push((name, expected));
    }
    for (file, expected) in files {
        let arguments = ["search", "./mine.toml", "--data", "birds", "--out", "run", "--trial", &file];
        assert_fails(home.path(), &arguments, 2, &[&format!("--trial {file}: "), expected]);
    }
    let cases: [(&[&str], i32, &str); 12] = [
        (&["search"], 2, "name a space: conv, separable, residual, or a TOML file"),
        (&["search", "convs"], 2, "unknown space \"convs\"; the built-in ones are conv, separable and residual"),
        (&["search", "conv", "--trial", "0.json"], 2, "--out"),
        (&["search", "conv", "--objectives", "flash"], 2, "accuracy must be one of them"),
        (&["search", "conv", "--objectives", "accuracy,ram,accuracy"], 2, "an objective is given twice"),
        (&["search", "conv", "--max-model", "0"], 2, "it must be a number of bytes over 0"),
        (&["search", "conv", "--max-time", "soon"], 2, "it must be a time over 0, such as 150ms or 2s"),
        (&["search", "conv", "--trials", "0"], 2, "at least 1"),
        (&["search", "--resume", "birds"], 1, "birds is not the directory of a search: it has no search.json"),
        (&["search", "--resume", "birds", "--seed", "3"], 2, "--seed"),
        (
            &["search", "./mine.toml", "--data", "birds", "--out", "birds"],
            2,
            "--out birds exists already and is not empty",
        ),
        (&["search", "./mine.toml", "--data", "birds", "--teacher", "none"], 1, "none"),
    ];
    for (arguments, code, expected) in cases {
        assert_fails(home.path(), arguments, code, &[expected]);
    }
}

#[test]
fn a_search_that_cannot_fit_says_what_the_smallest_network_needs_and_begins_nothing() {
    let home = home();
    let begin = ["search", "./mine.toml", "--data", "birds", "--out", "search", "--layout", "compact"];
    let output = trainer(home.path(), &[&begin[..], &["--max-ram", "1K"]].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_contains(
        &message,
        &[
            "no network of space mine fits: for inputs of 12x12x1 the smallest one needs ",
            "allowed are 1,024 bytes of RAM",
        ],
    );
    assert!(!home.path().join("search").exists());
    let needed = message.split("needs ").nth(1).unwrap().split(' ').next().unwrap().replace(',', "");
    let enough: u32 = needed.parse().unwrap();
    assert_fails(
        home.path(),
        &[&begin[..], &["--max-ram", &(enough - 1).to_string()]].concat(),
        1,
        &["no network of space mine"],
    );
    succeed(home.path(), &[&begin[..], &["--max-ram", &enough.to_string(), "--trials", "1", "--epochs", "1"]].concat());
}

#[test]
fn what_the_smallest_network_needs_is_known_before_all_images_are_read() {
    let home = home();
    for class in ["a", "b"] {
        let folder = home.path().join("folders").join(class);
        fs::create_dir_all(&folder).unwrap();
        image::GrayImage::from_pixel(9, 7, image::Luma([128])).save(folder.join("1.png")).unwrap();
        fs::write(folder.join("2.png"), "broken").unwrap();
    }
    let search = ["search", "./mine.toml", "--data", "folders", "--out", "search"];
    let expected = "no network of space mine fits: for inputs of 7x9x1 the smallest one needs ";
    assert_fails(home.path(), &[&search[..], &["--max-ram", "1K"]].concat(), 1, &[expected]);
    assert_fails(home.path(), &search, 1, &["2.png"]);
}

#[test]
fn a_search_whose_files_or_images_have_changed_is_not_resumed() {
    let home = home();
    let begin = ["search", "./mine.toml", "--data", "birds", "--trials", "2", "--epochs", "1", "--workers", "1"];
    let (printed, warned) = succeed(home.path(), &[&begin[..], &["--out", "search"]].concat());
    assert_contains(&printed, &["2 trials of 1 epoch: "]);
    assert_contains(&warned, &["NOTE: candidates are compared on only 2 validation images"]);
    let resume = ["search", "--resume", "search", "--trials", "3"];
    let path = |name: &str| home.path().join(name);
    let change = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, expected: &str| {
        let whole = fs::read(path(name)).unwrap();
        fs::write(path(name), change(whole.clone())).unwrap();
        assert_fails(home.path(), &resume, 1, &[expected]);
        fs::write(path(name), whole).unwrap();
    };
    let cut = |length: usize| move |bytes: Vec<u8>| bytes[..length].to_vec();
    change("search/search.json", &cut(40), "search/search.json: EOF while parsing");
    change(
        "search/space.toml",
        &cut(14),
        "search/space.toml: space file: TOML parse error at line 1, column 1: missing field `stage`\n",
    );
    let other = |bytes: Vec<u8>| text(&bytes).replace("[4, 8]", "[4, 9]").into_bytes();
    change("search/space.toml", &other, "search/space.toml is not the space that this search was begun with");
    let twice = |bytes: Vec<u8>| [&bytes[..], &bytes[..]].concat();
    change("search/trials.jsonl", &twice, ": trial 0 is over already; the search cannot be resumed, unless");
    let brighter = |mut bytes: Vec<u8>| {
        bytes[20] += 1;
        bytes
    };
    change(
        "birds/train-images-idx3-ubyte",
        &brighter,
        "search cannot be resumed: the images are not those that were described: birds, 2 classes, 38 training images, sha256 ",
    );
    let lock = fs::File::create(path("search/.thimble-lock")).unwrap();
    lock.try_lock().unwrap();
    assert_fails(home.path(), &resume, 1, &["search is in use"]);
    drop(lock);
    // A line that was cut off is removed.
    let trials = fs::read(path("search/trials.jsonl")).unwrap();
    fs::write(path("search/trials.jsonl"), &trials[..trials.len() - 9]).unwrap();
    succeed(home.path(), &resume);
    assert_eq!(ends(&lines(&path("search"))), 3);
    #[cfg(target_os = "linux")]
    {
        let mut show = Command::new(env!("CARGO_BIN_EXE_trainer"));
        show.args(["search", "--show", "search"])
            .current_dir(home.path())
            .stdout(fs::File::create("/dev/full").unwrap());
        assert_eq!(show.status().unwrap().code(), Some(1), "the table could not be printed");
    }
}

fn start(home: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(arguments)
        .current_dir(home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until a trial of this search, the one of that number or a later one, is in its first epochs.
fn wait_for_trial(search: &Path, number: u64) {
    let path = search.join("trials.jsonl");
    wait_for(&path);
    let is_there = || {
        let last = lines(search).pop();
        last.is_some_and(|line| line["event"] == "epoch" && line["trial"].as_u64().unwrap() >= number)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_there() {
        assert!(Instant::now() < deadline, "trial {number} does not come");
        sleep(Duration::from_millis(1));
    }
}

/// The ends of trials among lines.
fn ends(lines: &[Value]) -> usize {
    ["finished", "stopped", "failed"].map(|event| count(lines, event)).iter().sum()
}

#[test]
fn killed_in_the_middle_of_trials_a_search_loses_none_counts_none_twice_and_comes_to_the_same() {
    let home = home();
    let arguments = |out: &'static str| {
        let search = ["search", "./mine.toml", "--data", "birds", "--trials", "7", "--epochs", "90", "--workers", "1"];
        [&search[..], &["--max-model", "1500", "--out", out]].concat()
    };
    let (printed, _) = succeed(home.path(), &arguments("whole"));
    let expected = lines(&home.path().join("whole"));
    assert!(count(&expected, "refused") > 0 && count(&expected, "stopped") > 0, "{printed}");
    assert_eq!((count(&expected, "begun"), ends(&expected)), (7, 7));
    assert_contains(&printed, &["7 trials of 90 epochs: ", "the Pareto front", "search.html"]);

    let killed = home.path().join("killed");
    let mut child = start(home.path(), &arguments("killed"));
    let mut cut_off = 0;
    for number in [0, 3] {
        wait_for_trial(&killed, number);
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = lines(&killed);
        // Begun, and not begun again, and not ended.
        cut_off = count(&lines, "begun") - ends(&lines);
        child = start(home.path(), &["search", "--resume", "killed", "--trials", "7", "--workers", "1"]);
    }
    assert!(child.wait().unwrap().success());
    assert!((1..=2).contains(&cut_off), "no trial was cut off");
    let found = lines(&killed);
    assert_eq!((count(&found, "begun"), ends(&found)), (7 + cut_off, 7), "{found:?}");
    // Every trial has the values, the seed, the end and the accuracy that it has without kills.
    let without = |lines: &[Value], event: &str| -> Vec<Value> {
        let mut lines: Vec<Value> = lines.iter().filter(|line| line["event"] != event).cloned().collect();
        lines.sort_by_key(|line| (line["trial"].as_u64(), line["event"] != "begun"));
        lines.dedup();
        lines
    };
    assert_eq!(without(&found, "epoch"), without(&expected, "epoch"));
    // Only what finished has a run.
    let is_run = |entry: &Result<fs::DirEntry, _>| entry.as_ref().is_ok_and(|entry| entry.path().is_dir());
    assert_eq!(fs::read_dir(killed.join("trials")).unwrap().filter(is_run).count(), count(&found, "finished"));
}

#[test]
fn several_workers_share_a_search_whose_results_are_printed_again_and_trained_to_the_end() {
    let home = home();
    let search = home.path().join("search");
    let arguments = [
        "search",
        "./mine.toml",
        "--data",
        "birds",
        "--trials",
        "5",
        "--epochs",
        "3",
        "--workers",
        "3",
        "--objectives",
        "accuracy,flash",
    ];
    succeed(home.path(), &[&arguments[..], &["--no-halving", "--max-model", "64K", "--out", "search", "-q"]].concat());
    let found = lines(&search);
    assert_eq!((count(&found, "begun"), count(&found, "finished")), (5, 5));
    let page = fs::read_to_string(search.join("search.html")).unwrap();
    assert_contains(&page, &["<circle class=\"point", "<title>trial ", "class=\"curve"]);
    assert!(!page.contains("://"), "nothing is fetched");
    let (printed, _) = succeed(home.path(), &["search", "--show", "search"]);
    assert_contains(&printed, &["5 trials of 3 epochs: 5 finished, 0 ended early.", "the most accurate: stages "]);
    let final_training = ["search", "--resume", "search", "--trials", "5", "--final", "1", "--final-epochs", "2"];
    let (printed, _) = succeed(home.path(), &final_training);
    assert_contains(&printed, &["5 trials are over", "1 of 1: to the end", "int8 and float agree on"]);
    let run = fs::read_dir(search.join("final"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let number: usize = run.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let begun = found.iter().find(|line| line["event"] == "begun" && line["trial"] == number).unwrap();
    assert_eq!(begun["requirements"]["model"], json!(fs::metadata(run.join("model.bin")).unwrap().len()));
    let (printed, _) = succeed(home.path(), &final_training);
    assert_contains(&printed, &["it is finished already"]);
}

#[test]
fn a_trial_ends_with_the_process_that_began_it() {
    let home = home();
    let mut long = candidate(4);
    long["epochs"] = json!(1_000_000);
    fs::write(home.path().join("candidate.json"), long.to_string()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trainer"))
        .args(["search", "./mine.toml", "--trial", "candidate.json", "--data", "birds", "--out", "run", "--attached"])
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("checked"));
    assert!(lines.next().unwrap().unwrap().contains("epoch"));
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
