//! `trainer demo`: one page that runs a model, by infer-core as WebAssembly. `.ci/demo-in-chromium` opens such pages.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use infer_core::{Crc32, Network, arena_len};
use serde_json::Value;

use super::{assert_contains, assert_fails, shapes, short_run, succeed, text, trainer};

/// What an element of the page holds.
fn element<'p>(page: &'p str, id: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!(" id=\"{id}\">")).unwrap_or_else(|| panic!("there is no {id}"));
    rest.split_once('<').unwrap().0
}

fn bytes(page: &str, id: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(element(page, id)).unwrap()
}

fn data(page: &str) -> Value {
    serde_json::from_str(element(page, "data")).unwrap()
}

/// CRC-32 of the logits of inputs that follow each other.
fn checksum(model: &[u8], images: &[u8]) -> u32 {
    let mut arena = vec![0; arena_len(model)];
    let mut network = Network::new(model, &mut arena).unwrap();
    let len = network.input().shape.len();
    let mut logits = Vec::new();
    for image in images.chunks(len) {
        logits.extend(network.classify(image).unwrap().logits().iter().flat_map(|logit| logit.to_le_bytes()));
    }
    Crc32::new().update(&logits).finish()
}

#[test]
fn a_page_holds_the_model_ten_images_of_its_run_and_the_checksum_of_the_answers_to_them() {
    let (home, _) = short_run();
    let path = home.path();
    let (printed, warned) = succeed(path, &["demo", "run/model.bin"]);
    assert_contains(
        &printed,
        &["wrote      run/demo.html, ", "with 10 test images of garments", "trainer report run links to it"],
    );
    assert_eq!(warned, "");
    let page = fs::read_to_string(path.join("run/demo.html")).unwrap();
    let model = fs::read(path.join("run/model.bin")).unwrap();
    assert!(bytes(&page, "model") == model);
    assert!(bytes(&page, "program").starts_with(b"\0asm"));
    let (data, images) = (data(&page), bytes(&page, "images"));
    assert_eq!(images.len(), 10 * 784);
    let classes: Vec<u64> =
        data["images"].as_array().unwrap().iter().map(|image| image["class"].as_u64().unwrap()).collect();
    assert_eq!(classes, (0..10).collect::<Vec<_>>());
    assert_eq!(data["checksum"], checksum(&model, &images));
    assert_eq!(data["layers"].as_array().unwrap().len(), 1, "{data}");
    assert_eq!((&data["resize"], &data["are_made_up"]), (&0.into(), &false.into()));

    // No address, and a policy that lets nothing in but the program and the script that is there.
    assert!(
        !page.contains("http://") || page.matches("http://").count() == page.matches("http://localhost:8000").count()
    );
    assert!(!page.contains("https://") && !page.contains("src="));
    assert_contains(
        &page,
        &[
            "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-",
            "' 'wasm-unsafe-eval'; img-src data:\"",
        ],
    );
    let (again, _) = succeed(path, &["demo", "run/model.bin", "--out", "again.html"]);
    assert_contains(&again, &["wrote      again.html"]);
    assert!(page == fs::read_to_string(path.join("again.html")).unwrap(), "the same page again");

    // The report shows how to make one, and then links to it.
    let report = || fs::read_to_string(path.join("run/report.html")).unwrap();
    assert!(report().contains("trainer demo ") && !report().contains("href=\"demo.html\""));
    succeed(path, &["report", "run"]);
    assert!(report().contains("<a href=\"demo.html\">Try the model in this browser</a>"));
}

#[test]
fn test_images_are_those_of_the_data_that_is_named_or_built_in_or_noise() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    shapes::write(&path.join("mine"), 0..20, (16, 20), "png").unwrap();
    let fit = [
        "fit",
        "--data",
        "mine",
        "--model",
        "mlp",
        "--epochs",
        "1",
        "--input",
        "10x8x3",
        "--resize",
        "fit",
        "--background",
        "#102030",
    ];
    succeed(path, &[&fit[..], &["--out", "run", "--export", "model.bin"]].concat());
    let made = |arguments: &[&str]| {
        let (printed, warned) = succeed(path, &[&["demo", "model.bin", "--out", "demo.html"], arguments].concat());
        let page = fs::read_to_string(path.join("demo.html")).unwrap();
        (data(&page), bytes(&page, "images"), printed + &warned)
    };
    // No frames are beside it.
    let (noise, images, printed) = made(&[]);
    assert_contains(
        &printed,
        &["with 10 images of noise", "NOTE: there are no test images next to the model", "give --data DIR"],
    );
    assert_eq!((&noise["are_made_up"], images.len()), (&true.into(), 10 * 240));
    assert_eq!((&noise["resize"], noise["background"].as_str()), (&2.into(), Some("16,32,48")));
    let model = fs::read(path.join("model.bin")).unwrap();
    assert_eq!(noise["checksum"], checksum(&model, &images));

    let (named, images, printed) = made(&["--data", "mine", "--all"]);
    assert_contains(&printed, &["test images of mine"]);
    assert_eq!(images.len(), named["images"].as_array().unwrap().len() * 240);
    assert_eq!(named["checksum"], checksum(&model, &images));
    // They become inputs as those of `predict` do.
    let first = named["images"][0]["name"].as_str().unwrap();
    let file = Path::new("mine").join(first);
    succeed(path, &["predict", "model.bin", file.to_str().unwrap(), "--dump-input", "input"]);
    assert!(fs::read(path.join("input")).unwrap() == images[..240]);

    // Frames of a model with another input are not taken.
    fs::write(path.join("frames.bin"), include_bytes!("../../trainer/assets/frames/garments.frames")).unwrap();
    assert_contains(&made(&[]).2, &["frames.bin has no image for this model", "with 10 images of noise"]);
    fs::remove_file(path.join("frames.bin")).unwrap();
    fs::create_dir(path.join("frames.bin")).unwrap();
    assert_contains(&made(&[]).2, &["frames.bin cannot be read: ", "with 10 images of noise"]);
}

#[test]
fn models_and_places_that_a_page_cannot_be_made_of_are_answered_with_what_to_do() {
    let (home, _) = short_run();
    let path = home.path();
    fs::create_dir(path.join("directory")).unwrap();
    fs::write(path.join("notes.html"), "<!doctype html><p>mine").unwrap();
    fs::write(path.join("zip.bin"), [b'P'; 64]).unwrap();
    let usage: [(&[&str], &[&str]); 7] = [
        (&["demo"], &["<MODEL>"]),
        (&["demo", "model.bin", "--out", "directory"], &["--out directory is a directory; name a file"]),
        (&["demo", "model.bin", "--out", "nowhere/demo.html"], &["there is no directory nowhere"]),
        (
            &["demo", "model.bin", "--out", "notes.html"],
            &["--out notes.html exists and is not a page of trainer demo; name another"],
        ),
        (&["demo", "model.bin", "--out", "model.bin"], &["exists and is not a page of trainer demo"]),
        (&["demo", "model.bin", "--out", "run/report.html"], &["is a file that the run there writes itself"]),
        (&["demo", "model.bin", "--out", "-"], &["name a file; - means nothing here"]),
    ];
    for (arguments, expected) in usage {
        assert_fails(path, arguments, 2, expected);
    }
    assert_fails(path, &["demo", "missing.bin"], 1, &["missing.bin", "No such file"]);
    assert_fails(path, &["demo", "zip.bin"], 1, &["zip.bin: not a model file"]);
    assert_fails(path, &["demo", "run"], 1, &["run: a directory; give a model file"]);
    assert_fails(path, &["demo", "model.bin", "--data", "nowhere"], 1, &["nowhere"]);
    assert_eq!(fs::read_to_string(path.join("notes.html")).unwrap(), "<!doctype html><p>mine");
    assert!(!path.join("demo.html").exists(), "nothing is written");

    // A page of its own is written again, and a device takes it whole.
    succeed(path, &["demo", "model.bin"]);
    succeed(path, &["demo", "model.bin"]);
    let output = trainer(path, &["demo", "model.bin", "--out", "/dev/stdout"]);
    assert!(text(&output.stdout) == fs::read_to_string(path.join("demo.html")).unwrap());
    assert_contains(&text(&output.stderr), &["wrote      /dev/stdout"]);
}
