//! A network that does not fit the chip is refused before it is trained; one that does is as large as printed.

use std::fs;
use std::path::Path;

use infer_core::Header;

use super::{assert_contains, assert_fails, birds, short_run, text, trainer};

const TINY: [&str; 9] = ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1", "--out", "run"];

/// Bytes, in the notation of the messages, before `after` in `text`.
fn bytes_before(text: &str, after: &str) -> usize {
    let digits = text.split(after).next().unwrap().rsplit(' ').next().unwrap();
    digits.replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?} names no number before {after:?}"))
}

fn fit_tiny(home: &Path, budget: &[&str]) -> std::process::Output {
    trainer(home, &[&TINY[..], budget].concat())
}

#[test]
fn a_network_that_does_not_fit_is_refused_before_training_with_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "cnn", "--out", "run"];
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &["--chip", "nrf51822"],
            &[
                "cnn does not fit nrf51822 (M0+): ",
                " bytes of flash are needed, ",
                "more than the 262,144 there are: 543,488 for the model, ",
                " for the program that runs it. Of the built-in networks small, tiny, micro, nano would; a smaller --width or a smaller --input may fit too",
            ],
        ),
        (&["--max-flash", "64K"], &["cnn does not fit the budget: ", "more than the 65,536 there are: "]),
        (
            &["--max-ram", "7k"],
            &["bytes of RAM are needed, ", "than the 7,168 there are: 6,303 for the arena, 784 for an image, "],
        ),
        // What is given goes before what the chip has.
        (
            &["--chip", "rp2350", "--max-ram", "4000"],
            &["cnn does not fit rp2350 (M33): ", "more than the 4,000 there are"],
        ),
        (
            &["--max-flash", "1", "--max-ram", "1"],
            &[" more than the 1 there are: 543,488 for", "; and ", "bytes of RAM"],
        ),
    ];
    for (budget, expected) in cases {
        assert_fails(home.path(), &[&fit[..], budget].concat(), 1, expected);
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "no run is begun");
}

#[test]
fn a_network_that_is_named_in_a_refusal_fits() {
    let home = tempfile::tempdir().unwrap();
    let fit = |model: &str| {
        trainer(
            home.path(),
            &[
                "fit",
                "--dataset",
                "garments",
                "--width",
                "4",
                "--chip",
                "stm32l432kc",
                "--epochs",
                "1",
                "--model",
                model,
            ],
        )
    };
    let refusal = text(&fit("tiny").stderr);
    let list = refusal
        .split_once("Of the built-in networks, with this --width, ")
        .and_then(|(_, rest)| rest.split_once(" would;"));
    let named: Vec<&str> = list.unwrap_or_else(|| panic!("{refusal}")).0.split(", ").collect();
    for name in
        ["mlp", "cnn", "small", "tiny", "mini", "micro", "nano", "large", "resnet8", "sepnet10", "mobilenet", "dscnn"]
    {
        // Those that are named are begun, which is all that has to be seen of them.
        let is_refused = match named.contains(&name) {
            true if name != "nano" => continue,
            _ => text(&fit(name).stderr).contains(" does not fit stm32l432kc"),
        };
        assert_eq!(is_refused, !named.contains(&name), "{name}: {refusal}");
    }
}

#[test]
fn thresholds_of_classes_are_counted_before_they_are_known() {
    let home = tempfile::tempdir().unwrap();
    let per_class = ["--reject-at", "precision=0.5", "--reject-per-class"];
    let of = |more: &[&str]| {
        let refusal = text(&fit_tiny(home.path(), &[&["--max-flash", "1"], more].concat()).stderr);
        (bytes_before(&refusal, " bytes of flash are needed"), bytes_before(&refusal, " for the model"))
    };
    let (flash, model) = of(&per_class);
    assert_eq!(of(&[]), (flash - 20, model - 20), "two bytes for each of ten classes");
    let flash = flash.to_string();
    let output = fit_tiny(home.path(), &[&["--max-flash", &flash], &per_class[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(fs::read(home.path().join("run/model.bin")).unwrap().len() <= model);
}

#[test]
fn what_was_reported_as_needed_is_what_the_model_takes_to_the_byte() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let refusal = text(&fit_tiny(path, &["--chip", "stm32f411ce", "--max-flash", "1", "--max-ram", "1"]).stderr);
    let flash = bytes_before(&refusal, " bytes of flash are needed");
    let ram = bytes_before(&refusal, " bytes of RAM are needed");
    let code = bytes_before(&refusal, " for the program that runs it");
    let (model, arena) = (bytes_before(&refusal, " for the model"), bytes_before(&refusal, " for the arena"));

    let least = [flash - 1, flash, ram - 1, ram].map(|bytes| bytes.to_string());
    let budget = |flash: usize, ram: usize| {
        ["--chip", "stm32f411ce", "--max-flash", &least[flash], "--max-ram", &least[ram]].map(str::to_owned)
    };
    for (flash, ram) in [(0, 3), (1, 2)] {
        let budget = budget(flash, ram);
        let output = fit_tiny(path, &budget.each_ref().map(String::as_str));
        assert_eq!(output.status.code(), Some(1), "a byte is missing: {budget:?}");
    }
    let budget = budget(1, 3);
    let output = fit_tiny(path, &budget.each_ref().map(String::as_str));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let file = fs::read(path.join("run/model.bin")).unwrap();
    assert_eq!((file.len(), flash - file.len()), (model, code));
    assert_eq!(Header::parse(&file).unwrap().arena_len as usize, arena);
    let printed = text(&output.stdout);
    assert!(printed.contains("fits stm32f411ce (M4F, 100 MHz)\n"), "{printed}");
    assert!(printed.contains(" estimated, "), "{printed}");
    let [flash, ram] = [flash, ram].map(trainer::support::text::thousands);
    for line in
        [format!("flash      {flash:>10} of {flash:>9} bytes"), format!("RAM        {ram:>10} of {ram:>9} bytes")]
    {
        assert!(printed.contains(&line), "the budget, not the chip: {printed}");
    }
    // The page of the run has the same.
    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    let cells = |bytes: &str| {
        format!("<td class=\"number\">{bytes}</td><td class=\"number\">{bytes}</td><td class=\"number\">100.0%</td>")
    };
    assert_contains(
        &page,
        &["Chip: stm32f411ce (M4F, 100 MHz)", &cells(&flash), &cells(&ram), "Estimated time of an inference: "],
    );
    assert_eq!(super::read_json(&path.join("run/run.json"))["target"]["chip"], "stm32f411ce");
}

#[test]
fn images_of_ones_own_are_counted_with_their_size_and_classes() {
    let home = tempfile::tempdir().unwrap();
    birds(home.path(), 6);
    let fit = ["fit", "--data", "birds", "--model", "mlp", "--max-ram", "100"];
    assert_fails(home.path(), &fit, 1, &[" 36 for an image, "]);
}

#[test]
fn what_no_chip_could_run_is_refused_before_training_too() {
    let home = tempfile::tempdir().unwrap();
    let layer = "[[layers]]\nconv = { channels = 1, kernel = 1, padding = \"same\" }\n".repeat(128);
    let deep = format!("name = \"deep\"\ninput = [28, 28, 1]\n{layer}[[layers]]\ndense = {{ outputs = 10 }}\n");
    fs::write(home.path().join("deep.toml"), deep).unwrap();
    let fit = ["fit", "--dataset", "garments", "--model", "deep.toml"];
    assert_fails(home.path(), &fit, 1, &["deep: the model cannot run on a chip: ", "129 stages"]);
}

#[test]
fn wrong_budgets_end_with_code_2() {
    let home = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &[&str]); 4] = [
        (&["--chip", "z80"], &["unknown chip \"z80\"; there are nrf51822, ", "give --max-flash and --max-ram"]),
        (&["--max-flash", "64KBB"], &["'64KBB'", "it must be a number of bytes, such as 65536, 64K or 1M"]),
        (&["--max-ram", "0"], &["it must be a number of bytes"]),
        (&["--resume", "run", "--chip", "rp2040"], &["cannot be used with"]),
    ];
    for (budget, expected) in cases {
        assert_fails(home.path(), &[&["fit"], budget].concat(), 2, expected);
    }
}

#[test]
fn chips_are_listed_and_inspect_prints_on_which_a_model_fits() {
    let (home, _) = short_run();
    let path = home.path();
    let listed = text(&trainer(path, &["chips"]).stdout);
    let inspected = text(&trainer(path, &["inspect", "model.bin"]).stdout);
    let listing: serde_json::Value =
        serde_json::from_slice(&trainer(path, &["inspect", "model.bin", "--json"]).stdout).unwrap();
    let chips = listing["chips"].as_array().unwrap();
    assert!(chips.len() >= 12);
    for chip in chips {
        let name = chip["chip"].as_str().unwrap();
        assert!(listed.lines().any(|line| line.split(' ').next() == Some(name)), "{listed}");
        let row = inspected.lines().find(|line| line.split(' ').next() == Some(name)).expect("a row for each chip");
        let bytes = |pointer: &str| chip.pointer(pointer).unwrap().as_u64().unwrap();
        let fits =
            bytes("/flash/needed") <= bytes("/flash/available") && bytes("/ram/needed") <= bytes("/ram/available");
        assert_eq!(row.ends_with("does not fit"), !fits, "{row}");
        assert_eq!(row.contains("too much"), !fits, "{row}");
        let seconds = |index: usize| chip["estimated_seconds"][index].as_f64().unwrap();
        // From as many cycles an instruction as the core's manual has, one where there is no model, to two.
        let cycles = match chip["core"].as_str().unwrap() {
            "M0+" => 1.3..1.6,
            "M3" => 1.5..1.8,
            "M4F" => 1.3..1.6,
            _ => 0.999..1.001,
        };
        assert!(cycles.contains(&(2.0 * seconds(0) / seconds(1))), "{chip}");
    }
    let of = |name: &str| chips.iter().find(|chip| chip["chip"] == name).unwrap();
    assert_eq!(of("nrf52840")["core"], "M4F");
    assert!(inspected.contains("Times are estimates"), "{inspected}");
}
