//! `trainer firmware` writes a whole project or nothing. That it builds and runs is checked by `.ci/firmware-projects`.

use std::fs;
use std::path::Path;

use super::{assert_contains, assert_fails, read_json, succeed, text, trainer};

/// Exported models, of one epoch: `tiny` takes garments.
fn tiny() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let fit =
        ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    succeed(home.path(), &fit);
    home
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn package(project: &Path) -> toml::Table {
    read(&project.join("Cargo.toml")).parse().unwrap()
}

#[test]
fn a_project_has_all_that_a_build_needs() {
    let home = tiny();
    let path = home.path();
    let (printed, warned) =
        succeed(path, &["firmware", "bird feeder", "--model", "run/model.bin", "--chip", "nRF52840"]);
    assert_contains(
        &printed,
        &["project    bird feeder, package bird-feeder, for nrf52840 (M4F)", "next       cd 'bird feeder'"],
    );
    assert_eq!(warned, "", "the run has test images");
    let project = path.join("bird feeder");
    let expected = ".cargo .gitignore Cargo.toml README.md board build.rs emulator image.bin infer-core model.bin rust-toolchain.toml src";
    assert_eq!(names(&project).join(" "), expected);
    assert_eq!(names(&project.join("src")).join(" "), "board.rs camera.rs emulator.rs main.rs");
    assert_eq!(fs::read(project.join("model.bin")).unwrap(), fs::read(path.join("model.bin")).unwrap());
    assert_eq!(fs::read(project.join("image.bin")).unwrap().len(), 784);
    assert_eq!(package(&project)["dependencies"]["thimble-infer-core"]["path"].as_str(), Some("infer-core"));
    let carried = |name: &str| project.join("infer-core").join(name);
    assert!(carried("src/lib.rs").is_file() && carried("LICENSE-MIT").is_file() && carried("build.rs").is_file());
    let manifest: toml::Table = read(&carried("Cargo.toml")).parse().unwrap();
    assert!(manifest.get("workspace").is_none() && manifest["package"]["version"].is_str());
    let config: toml::Table = read(&project.join(".cargo/config.toml")).parse().unwrap();
    assert_eq!(config["build"]["target"].as_str(), Some("thumbv7em-none-eabihf"));
    let runner = config["target"]["thumbv7em-none-eabihf"]["runner"].as_str();
    assert_eq!(runner, Some("probe-rs run --chip nRF52840_xxAA"));
    assert_contains(
        &read(&project.join("board/memory.x")),
        &["FLASH : ORIGIN = 0x00000000, LENGTH = 1024K", "LENGTH = 256K"],
    );
    // What the chip will print is what predict prints.
    let answer =
        printed.lines().find_map(|line| line.strip_prefix("image      ")).unwrap().rsplit_once(": ").unwrap().1;
    let (class, percent) = answer.rsplit_once(' ').unwrap();
    let shown = format!("**{class}: {} %**", percent.trim_end_matches('%'));
    assert_contains(&read(&project.join("README.md")), &[&shown, "**nrf52840**"]);
}

#[test]
fn every_chip_gets_a_project_of_its_own() {
    let home = tiny();
    let path = home.path();
    let (listed, _) = succeed(path, &["chips"]);
    let chips: Vec<&str> =
        listed.lines().filter_map(|line| line.split("  ").next()).filter(|name| !name.is_empty()).collect();
    assert!(chips.len() >= 17, "{listed}");
    for chip in chips {
        let (printed, _) = succeed(path, &["firmware", chip, "--model", "model.bin", "--chip", chip]);
        // Beside the exported file there is no run; garments are always here.
        assert_contains(&printed, &["image      the first of garments: "]);
        let project = path.join(chip);
        let config = read(&project.join(".cargo/config.toml"));
        let target = config.parse::<toml::Table>().unwrap()["build"]["target"].as_str().unwrap().to_owned();
        assert_contains(&read(&project.join("rust-toolchain.toml")), &[&target]);
        assert_contains(&config, &["emulate = [", "runner='qemu-system-"]);
        assert_eq!(project.join("board/memory.x").exists(), chip != "esp32-c3", "esp-hal has its own");
        let texts = [
            "README.md",
            "Cargo.toml",
            "build.rs",
            "src/board.rs",
            "src/camera.rs",
            "src/emulator.rs",
            "emulator/memory.x",
        ];
        for name in texts {
            let text = read(&project.join(name));
            assert!(
                !text.contains("\n\n\n") && !text.contains(" \n") && !text.contains("{%"),
                "{chip}, {name}: {text}"
            );
        }
    }
}

#[test]
fn the_name_of_the_package_is_one_whatever_that_of_the_directory() {
    let home = tiny();
    let path = home.path();
    for (directory, name) in [("3 crows", "firmware-3-crows"), ("Zaunkönig", "zaunkonig"), ("test", "test-firmware")] {
        succeed(path, &["firmware", directory, "--model", "model.bin", "--chip", "rp2040"]);
        assert_eq!(package(&path.join(directory))["package"]["name"].as_str(), Some(name));
    }
    let empty = path.join("empty");
    fs::create_dir(&empty).unwrap();
    let output = trainer(&empty, &["firmware", ".", "--model", "../model.bin", "--chip", "rp2040"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(package(&empty)["package"]["name"].as_str(), Some("empty"));
}

#[test]
fn what_is_there_stays_and_nothing_is_written_where_something_is_wrong() {
    let home = tiny();
    let path = home.path();
    fs::create_dir(path.join("mine")).unwrap();
    fs::write(path.join("mine/notes.txt"), "precious").unwrap();
    fs::create_dir(path.join("other")).unwrap();
    fs::write(path.join("other/Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
    fs::write(path.join("text.png"), "no image and no model: ".repeat(4)).unwrap();
    let long = "b".repeat(300);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.png"), path.join("large.png")).unwrap();
    let before = names(path);
    let cases: [(&[&str], i32, &[&str]); 12] = [
        (&[&long, "--model", "model.bin", "--chip", "rp2040"], 1, &["cannot write bbb", "File name too long"]),
        (
            &["new", "--model", "model.bin", "--chip", "rp2040", "--image", "large.png"],
            1,
            &["large.png: ", "the input is 28x28x1", "give one of that size, or a model trained with --input"],
        ),
        (
            &["mine", "--model", "model.bin", "--chip", "rp2040"],
            2,
            &["mine exists already and is not an empty directory"],
        ),
        (&["text.png", "--model", "model.bin", "--chip", "rp2040"], 2, &["text.png is a file; name a directory"]),
        (&["new", "--model", "model.bin", "--chip", "nrf52"], 2, &["unknown chip \"nrf52\"; near it are nrf52832, "]),
        (&["new", "--model", "model.bin", "--chip", "z80"], 2, &["there are nrf51822, ", "take one with its core"]),
        (&["new", "--model", "missing.bin", "--chip", "rp2040"], 1, &["missing.bin", "No such file"]),
        (&["new", "--model", "text.png", "--chip", "rp2040"], 1, &["text.png: not a model file"]),
        (&["new", "--model", "model.bin", "--chip", "rp2040", "--image", "text.png"], 1, &["text.png"]),
        (
            &["new", "--model", "model.bin", "--chip", "rp2040", "--infer-core", "other"],
            2,
            &["--infer-core other: ", "is not thimble-infer-core"],
        ),
        (
            &["new", "--model", "model.bin", "--chip", "rp2040", "--infer-core", "none"],
            2,
            &["--infer-core none: ", "No such file", "give the directory of infer-core, or a version such as 0.1"],
        ),
        (
            &["new", "--model", "model.bin", "--chip", "rp2040", "--infer-core", "1..2"],
            2,
            &["--infer-core 1..2: ", "No such file"],
        ),
    ];
    for (arguments, code, expected) in cases {
        assert_fails(path, &[&["firmware"], arguments].concat(), code, expected);
    }
    assert_eq!(names(path), before);
    assert_eq!(names(&path.join("mine")), ["notes.txt"]);
}

#[test]
fn a_model_that_the_chip_has_no_room_for_is_refused_with_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let fit =
        ["fit", "--dataset", "garments", "--model", "cnn", "--epochs", "1", "--out", "run", "--export", "cnn.bin"];
    succeed(path, &fit);
    let firmware = |chip| ["firmware", "new", "--model", "cnn.bin", "--chip", chip];
    let flash =
        ["cnn.bin does not fit nrf51822 (M0+): ", " bytes of flash are needed, ", "--max-flash 242928 --max-ram "];
    assert_fails(path, &firmware("nrf51822"), 1, &flash);
    let expected = ["cnn.bin does not fit stm32f103c8 (M3): ", "bytes of flash"];
    assert_fails(path, &firmware("stm32f103c8"), 1, &expected);
    assert!(!path.join("new").exists());

    // A model with room for fast weights, and none for the rest of a project: its run has a smaller one.
    let fit = ["fit", "--dataset", "garments", "--model", "tiny", "--epochs", "1", "--layout", "fast", "--out", "fast"];
    succeed(path, &fit);
    let firmware = ["firmware", "new", "--model", "fast/model.bin", "--chip", "stm32f103c8"];
    let limits = ["--chip", "stm32f103c8", "--max-flash", "46320", "--max-ram", "18944"];
    let expected = format!("trainer export RUN {} --out FILE", limits.join(" "));
    assert_fails(path, &firmware, 1, &[&expected]);
    succeed(path, &[&["export", "fast", "--out", "fast/model-that-fits.bin"][..], &limits].concat());
    succeed(path, &["firmware", "new", "--model", "fast/model-that-fits.bin", "--chip", "stm32f103c8"]);
}

#[test]
fn infer_core_and_the_test_image_are_those_that_were_given() {
    let home = tiny();
    let path = home.path();
    let firmware = |directory: &str, more: &[&str]| {
        let arguments = ["firmware", directory, "--model", "model.bin", "--chip", "stm32f411ce"];
        succeed(path, &[&arguments[..], more].concat())
    };
    firmware("version", &["--infer-core", "0.1"]);
    assert_eq!(package(&path.join("version"))["dependencies"]["thimble-infer-core"].as_str(), Some("0.1"));
    assert!(!path.join("version/infer-core").exists());
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infer-core");
    firmware("path", &["--infer-core", core.to_str().unwrap()]);
    let written =
        package(&path.join("path"))["dependencies"]["thimble-infer-core"]["path"].as_str().unwrap().to_owned();
    assert_eq!(Path::new(&written), core.canonicalize().unwrap());

    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ankle-boot.png");
    let image = image.to_str().unwrap();
    let (printed, _) = firmware("image", &["--image", image]);
    let (predicted, _) = succeed(path, &["predict", "model.bin", "--top", "1", image]);
    let answer =
        |text: &str| text.lines().find(|line| line.contains(image)).unwrap().rsplit_once(": ").unwrap().1.to_owned();
    assert_eq!(answer(&printed), answer(&predicted));
}

#[test]
fn without_a_test_image_it_is_gray_and_a_note_says_so() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    super::birds(path, 6);
    succeed(
        path,
        &["fit", "--data", "birds", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"],
    );
    let firmware = |directory, model| ["firmware", directory, "--model", model, "--chip", "rp2350"];
    let (printed, warned) = succeed(path, &firmware("alone", "model.bin"));
    assert_contains(&printed, &["image      all gray: "]);
    assert_contains(&warned, &["NOTE: there is no test image next to the model", "give --image FILE"]);
    let (printed, warned) = succeed(path, &firmware("of-run", "run/model.bin"));
    assert!(!printed.contains("gray") && warned.is_empty(), "{printed}{warned}");
    assert_eq!(fs::read(path.join("alone/image.bin")).unwrap(), [128; 36]);
    // Images of another model, or of none.
    fs::write(path.join("frames.bin"), "no frames").unwrap();
    let (_, warned) = succeed(path, &firmware("damaged", "model.bin"));
    assert_contains(&warned, &["frames.bin has no image for this model", "trainer frames writes it"]);
    let metrics = read_json(&path.join("run/metrics.json"));
    assert_eq!(metrics["export"]["bytes"], fs::metadata(path.join("of-run/model.bin")).unwrap().len());
}

#[test]
fn a_project_describes_frames_that_its_model_takes() {
    let home = tiny();
    let path = home.path();
    super::birds(path, 6);
    let fit = ["fit", "--data", "birds", "--model", "mlp", "--epochs", "1", "--input", "8x6x3"];
    succeed(path, &[&fit[..], &["--out", "upright"]].concat());
    succeed(path, &[&fit[..], &["--camera-rotation", "90", "--out", "turned"]].concat());
    // Model; width, height and bytes of a frame; whether it can be taken row by row.
    let cases = [
        ("run/model.bin", 28, 28, "1,568", true),
        ("upright/model.bin", 160, 120, "38,400", true),
        ("turned/model.bin", 160, 120, "38,400", false),
    ];
    for (number, (model, width, height, bytes, takes_rows)) in cases.into_iter().enumerate() {
        let project = format!("project-{number}");
        succeed(path, &["firmware", &project, "--model", model, "--chip", "nrf52840"]);
        let readme = read(&path.join(&project).join("README.md"));
        let expected = [
            format!("{bytes} bytes for {width}x{height} in RGB565."),
            format!("`trainer predict model.bin --raw rgb565be:{width}x{height} FILE`"),
        ];
        assert_contains(&readme, &expected.each_ref().map(String::as_str));
        assert_eq!(readme.contains("Resampler"), takes_rows, "{model}: {readme}");
        let camera = read(&path.join(&project).join("src/camera.rs"));
        assert_contains(&camera, &[&format!("Frame::new(Format::Rgb565Be, {width}, {height}, buffer)")]);
    }
}
