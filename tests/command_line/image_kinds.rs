//! Image files as cameras, editors and canvases save them: turned, transparent, of 16 bits, of kinds that are not read.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::Value;
use tempfile::TempDir;

use super::image_files::{bmp_with_alpha, encoded, exif, png_chunk, png_with_chunk_after, png_with_chunk_before};
use super::{assert_fails, image_files, read_json, shapes, succeed, text, trainer};

fn save(image: &DynamicImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image_files::save(image.clone(), path);
}

/// Strokes of black on a transparent ground, as a canvas saves them: a bar of 2 rows or columns in 10 places.
fn strokes(home: &Path) {
    for (class, is_row) in [("bar", true), ("post", false)] {
        for at in 0..10 {
            let image = RgbaImage::from_fn(16, 16, |x, y| {
                let across = if is_row { y } else { x };
                Rgba([0, 0, 0, if (3 + at..5 + at).contains(&across) { 255 } else { 0 }])
            });
            save(&image.into(), &home.join(format!("strokes/{class}/{at}.png")));
        }
    }
}

/// A model of the input 8x8x3, trained a little on shapes.
fn model() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    shapes::write(&home.path().join("mine"), 0..6, (8, 8), "png").unwrap();
    let fit = ["fit", "--data", "mine", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    succeed(home.path(), &fit);
    home
}

/// Lines of standard error with their line breaks, none of them empty.
fn messages(home: &Path, arguments: &[&str]) -> Vec<String> {
    text(&trainer(home, arguments).stderr).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_png_is_turned_by_exif_before_or_after_its_pixels_in_a_training_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (folder, insert) in
        [("before", png_with_chunk_before as fn(&[u8], &[u8]) -> Vec<u8>), ("after", png_with_chunk_after)]
    {
        for (class, shade) in [("a", 0), ("b", 100)] {
            for index in 0..4 {
                let image = RgbImage::from_fn(12, 8, |x, y| Rgb([(x * 20) as u8, shade + y as u8, index]));
                let png = encoded(&image.into(), ImageFormat::Png);
                fs::create_dir_all(path.join(folder).join(class)).unwrap();
                let turned = insert(&png, &png_chunk(b"eXIf", &exif(6, 3)));
                fs::write(path.join(folder).join(class).join(format!("{index}.png")), turned).unwrap();
            }
        }
        let out = format!("run-{folder}");
        let (printed, warned) =
            succeed(path, &["fit", "--data", folder, "--model", "mlp", "--epochs", "1", "--out", &out]);
        assert!(printed.contains("12x8x3 rgb, as they are"), "{folder}: {printed}");
        assert!(!warned.contains("WARNING"), "{folder}: {warned}");
    }
}

#[test]
fn a_bmp_with_an_alpha_channel_that_nobody_filled_gets_the_answer_of_an_opaque_one() {
    let home = model();
    let path = home.path();
    let pixels = |alpha| (0..64).map(|at| [200 - at, 3 * at, 20, alpha]).collect::<Vec<_>>();
    for (name, alpha) in [("opaque.bmp", 255), ("unfilled.bmp", 0)] {
        fs::write(path.join(name), bmp_with_alpha((8, 8), &pixels(alpha))).unwrap();
    }
    let (printed, warned) = succeed(path, &["predict", "model.bin", "--json", "opaque.bmp", "unfilled.bmp"]);
    let answers: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["probabilities"], answers[1]["probabilities"]);
    assert_eq!(warned, "");
}

#[test]
fn an_image_that_cannot_be_read_takes_one_line_of_standard_error() {
    let home = model();
    let path = home.path();
    let image = DynamicImage::from(RgbImage::from_fn(32, 32, |x, y| Rgb([(x * 8) as u8, (y * 8) as u8, 100])));
    for name in ["whole.jpg", "whole.png", "whole.webp", "whole.tif", "whole.bmp"] {
        save(&image, &path.join(name));
        let whole = fs::read(path.join(name)).unwrap();
        fs::write(path.join("cut"), &whole[..whole.len() / 2]).unwrap();
        let lines = messages(path, &["predict", "model.bin", "cut"]);
        assert_eq!(lines.len(), 2, "{name}: {lines:?}");
        assert!(lines[0].starts_with("error: cut: damaged or truncated (") && lines[0].ends_with(')'), "{lines:?}");
    }
    // A telephone's HEIC that was renamed, and not converted.
    fs::write(path.join("telephone.jpg"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    let expected = "error: telephone.jpg: not supported: a HEIC image; convert it to JPEG or PNG\n";
    assert_fails(path, &["predict", "model.bin", "telephone.jpg"], 1, &[expected]);
}

#[test]
fn inputs_of_one_flat_color_are_warned_of_with_the_cause_and_a_background_mends_them() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    strokes(path);
    let fit = ["fit", "--data", "strokes", "--model", "mlp", "--epochs", "1"];
    let (_, warned) = succeed(path, &[&fit[..], &["--out", "black", "--export", "black.bin"]].concat());
    let warning = "WARNING: 20 of 20 images are one flat color at 16x16x1; their transparent background became black, \
                   like the drawing: --background white:\n  strokes/bar/";
    assert!(warned.contains(warning) && warned.contains("\n  and 15 more\n"), "{warned}");
    assert!(!warned.contains("\\u000a"), "its own line breaks stay: {warned}");
    let copies = "WARNING: copies of one image are both trained and tested on, because a class has too few different images:\n  \
                  strokes/bar, 10 images, 1 different\n";
    assert!(warned.contains(copies), "{warned}");
    // A model of opaque images has a black background too.
    for (class, step) in [("even", 2), ("odd", 3)] {
        for at in 0..10 {
            let image = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([(step * x * y + at) as u8]));
            save(&image.into(), &path.join(format!("opaque/{class}/{at}.png")));
        }
    }
    let fit_opaque = ["fit", "--data", "opaque", "--model", "mlp", "--epochs", "1"];
    succeed(path, &[&fit_opaque[..], &["--out", "opaque-run", "--export", "black.bin"]].concat());
    let one = "strokes/bar/0.png";
    assert_eq!(
        messages(path, &["predict", "black.bin", one]),
        ["NOTE: strokes/bar/0.png: one flat color as input; its transparent background became black, \
          like the drawing: --background white"]
    );

    let white = [&fit[..], &["--out", "white", "--export", "white.bin", "--background", "white"]].concat();
    let (printed, warned) = succeed(path, &white);
    assert!(printed.contains("16x16x1 gray, as they are, background white"), "{printed}");
    assert!(!warned.contains("WARNING"), "{warned}");
    let preprocessing = "16x16x1 gray, as they are, background white, test 0.15 of ";
    assert!(read_json(&path.join("white/run.json"))["preprocessing"].as_str().unwrap().starts_with(preprocessing));
    let (inspected, _) = succeed(path, &["inspect", "white.bin"]);
    assert!(inspected.contains(preprocessing), "{inspected}");

    // The model holds it: nobody has to repeat it, and nobody can contradict it.
    let (by_model, warned) = succeed(path, &["predict", "white.bin", "--json", one]);
    assert_eq!(warned, "");
    let opaque = RgbImage::from_fn(16, 16, |_, y| if (3..5).contains(&y) { Rgb([0; 3]) } else { Rgb([255; 3]) });
    save(&opaque.into(), &path.join("opaque.png"));
    let (on_white, _) = succeed(path, &["predict", "white.bin", "--json", "opaque.png"]);
    let probabilities = |line: &str| serde_json::from_str::<Value>(line).unwrap()["probabilities"].clone();
    assert_eq!(probabilities(&by_model), probabilities(&on_white));
    let evaluated: Value =
        serde_json::from_str(&succeed(path, &["eval", "white.bin", "--data", "strokes", "--json"]).0).unwrap();
    assert_eq!(evaluated["accuracy"], read_json(&path.join("white/metrics.json"))["int8"]["test"]["accuracy"]);
    assert_fails(
        path,
        &["predict", "white.bin", one, "--background", "black"],
        2,
        &["white.bin was trained with background white, and predicts with the same; leave --background out"],
    );
    assert_fails(
        path,
        &[&fit[..], &["--background", "whitish"]].concat(),
        2,
        &["\"whitish\" is not a color; write black, white"],
    );
}

#[test]
fn a_model_of_opaque_images_takes_a_background_for_those_that_it_classifies() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    let fit =
        ["fit", "--dataset", "garments", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    let (_, warned) = succeed(path, &[&fit[..], &["--background", "white"]].concat());
    assert!(warned.contains("NOTE: --background has no effect: the images of garments are opaque"), "{warned}");
    let bag = RgbaImage::from_fn(28, 28, |x, y| Rgba([255, 255, 255, if x > 4 && y > 9 { 255 } else { 0 }]));
    save(&bag.into(), &path.join("bag.png"));
    let (_, on_black) = succeed(path, &["predict", "model.bin", "bag.png"]);
    assert_eq!(on_black, "");
    let (_, on_white) = succeed(path, &["predict", "model.bin", "bag.png", "--background", "white"]);
    assert!(
        on_white.contains("its transparent background became white") && on_white.contains("--background black"),
        "{on_white}"
    );
}

#[test]
fn images_of_16_bits_that_use_few_values_get_one_note_with_the_range() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path();
    for (class, warm) in [("cold", 0), ("hot", 300)] {
        for index in 0..10u16 {
            let image = ImageBuffer::<Luma<u16>, _>::from_fn(12, 12, |x, y| {
                let inside = (4..9).contains(&x) && (3..9).contains(&y);
                Luma([7_500 + index * 7 + 40 * (x + y) as u16 + if inside { warm } else { 0 }])
            });
            save(&image.into(), &path.join(format!("thermal/{class}/{index}.png")));
        }
    }
    let note = "NOTE: 20 images have 16 bits a channel, and values from 7500 to ";
    let fit = ["fit", "--data", "thermal", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    let (_, warned) = succeed(path, &fit);
    assert!(warned.contains(note) && warned.contains(" of 256 levels are left in 8 bits"), "{warned}");
    let lines = messages(path, &["predict", "model.bin", "thermal/hot/0.png", "thermal/cold/0.png"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("NOTE: 2 images have 16 bits a channel, and values from 7500 to "), "{lines:?}");
}
