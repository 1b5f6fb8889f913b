//! Networks and recipes of one's own, and what helps to write them.

use std::fs;

use super::{assert_contains, assert_fails, birds, read_json, succeed};

/// A network whose last layer is `last`.
fn network(last: &str) -> String {
    let conv = "conv = { channels = 4, kernel = 5, padding = \"valid\", relu = true }";
    format!("name = \"mine\"\ninput = [4, 4, 1]\n[[layers]]\n{conv}\n[[layers]]\ndense = {last}\n")
}

#[test]
fn outputs_of_the_last_layer_are_the_classes_or_an_error_with_both_numbers() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    birds(path, 12);
    let fit = |out| ["fit", "--data", "birds", "--model", "./mine.toml", "--epochs", "1", "--out", out];
    fs::write(path.join("mine.toml"), network("{ outputs = 10 }")).unwrap();
    let message = "error: architecture \"mine\": its last layer has 10 outputs, but there are 2 classes; \
                set outputs = 2 there, or leave outputs out, which gives one per class";
    assert_fails(path, &fit("run"), 1, &[message]);
    assert!(!path.join("run").exists(), "no run is begun");
    for (out, last) in [("given", "{ outputs = 2 }"), ("left-out", "{}")] {
        fs::write(path.join("mine.toml"), network(last)).unwrap();
        // The file's own input, 4x4x1, would not fit the kernel; that of the data does.
        assert!(succeed(path, &fit(out)).0.contains("dense 2 "));
        assert_eq!(read_json(&path.join(out).join("run.json"))["layers"][1]["dense"]["outputs"], 2);
    }
}

#[test]
fn a_layer_that_does_not_fit_is_refused_with_the_input_in_force() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    birds(path, 3);
    let large = network("{}").replace("[4, 4, 1]", "[28, 28, 1]");
    fs::write(path.join("mine.toml"), large).unwrap();
    let fit = ["fit", "--data", "birds", "--model", "./mine.toml", "--epochs", "1"];
    let expected =
        [" of 3x3x1; give another --input or --model", "its input is 3x3x1; a kernel of 5x5 does not fit into it"];
    assert_fails(path, &fit, 1, &expected);
    let smaller = [&fit[..], &["--input", "4x3x1", "--resize", "fit"]].concat();
    assert_fails(path, &smaller, 1, &["its input is 4x3x1; a kernel of 5x5"]);
}

#[test]
fn models_and_recipes_print_what_is_built_in_and_check_files_of_ones_own() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (command, name, parts) in [
        ("models", "small", ["conv = { channels = 24", "dense = {}"]),
        ("recipes", "strong", ["decay = \"cosine\"", "[augment]"]),
    ] {
        let (file, _) = succeed(path, &[command, name]);
        for part in parts {
            assert!(file.contains(part), "{file}");
        }
        // What is printed is a file that the command, and so fit, takes.
        fs::write(path.join("mine.toml"), &file).unwrap();
        for own in ["mine.toml", "./mine.toml"] {
            assert!(!succeed(path, &[command, own]).0.is_empty());
        }
        assert_fails(
            path,
            &[command, "cake"],
            2,
            &["\"cake\"; the built-in ones are", "a dot or a slash is a TOML file"],
        );
        assert_fails(path, &[command, "./cake.toml"], 2, &["./cake.toml: No such file"]);
        fs::write(path.join("broken.toml"), "name = 3").unwrap();
        assert_fails(path, &[command, "./broken.toml"], 2, &["./broken.toml: "]);
    }
    let (list, _) = succeed(path, &["recipes"]);
    assert!(list.contains("tutorial") && list.contains("strong") && list.contains("at most 25 epochs"), "{list}");
    assert!(list.contains("folders") && list.contains("at least 20 epochs and 2000 steps"), "{list}");
    fs::write(path.join("mine.toml"), network("{}").replace("[4, 4, 1]", "[9, 9, 1]")).unwrap();
    let (table, _) = succeed(path, &["models", "./mine.toml"]);
    assert_contains(&table, &["conv 5x5x4 valid + relu", "5x5x4", "for images of 9x9x1 and 10 classes"]);
    assert!(table.lines().count() > 5 && !table.contains("\\u"), "a line for each layer: {table}");
}

#[test]
fn a_recipe_may_leave_out_min_delta_and_adam() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let recipe = "name = \"mine\"\nepochs = 1\nbatch_size = 32\nlearning_rate = 0.001\npatience = 5\n";
    fs::write(path.join("mine.toml"), recipe).unwrap();
    succeed(path, &["fit", "--dataset", "garments", "--model", "mlp", "--recipe", "./mine.toml", "--out", "run"]);
    let config = read_json(&path.join("run/run.json"));
    assert_eq!((&config["recipe"]["min_delta"], &config["recipe"]["adam"]["beta1"]), (&0.0.into(), &0.9.into()));
    assert!(succeed(path, &["recipes", "./mine.toml"]).0.contains("beta2 = 0.999"));

    // What fit would refuse is refused here too, and what a terminal would obey is escaped as TOML has it.
    let with = |more: &str| fs::write(path.join("mine.toml"), format!("{recipe}{more}")).unwrap();
    with("[override.cnn]\ndropout = 2.0\n");
    assert_fails(path, &["recipes", "./mine.toml"], 2, &["[override.cnn]: ", "dropout is 2"]);
    with("[[size]]\nat_most = 100\nnumbers = { dropout = 2.0 }\n");
    assert_fails(path, &["recipes", "./mine.toml"], 2, &["[[size]] of 100: ", "dropout is 2"]);
    with("description = \"a\\u009b31mb\"\n");
    let (printed, _) = succeed(path, &["recipes", "./mine.toml"]);
    assert!(!printed.contains('\u{9b}') && printed.contains("009b31mb"), "{printed}");
}

#[test]
fn completions_list_networks_recipes_chips_and_data_sets() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, _) = succeed(home.path(), &["completions", shell]);
        if matches!(shell, "bash" | "zsh" | "fish") {
            for name in ["mlp", "tutorial", "strong", "nrf52840", "fashion-mnist"] {
                assert!(script.contains(name), "{shell} lacks {name}");
            }
        }
    }
}
