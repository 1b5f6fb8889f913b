//! Frames of a camera: what `fit`, `eval` and `predict` make of dumped bytes is what the chip makes of them.

use std::fs;
use std::path::Path;

use image::Rgb;
use infer_core::camera::{Format, Frame};
use infer_core::{Network, arena_with_image_len};
use serde_json::Value;
use tempfile::TempDir;
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

use super::camera::{FrameBytes, input};
use super::{assert_contains, assert_fails, read_json, shapes, succeed, text, trainer};

/// Images of 20x16, and a model of these with a camera that is held askew: the model is in the directory.
fn model(more: &[&str]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    shapes::write(&home.path().join("mine"), 0..6, (16, 20), "png").unwrap();
    let fit = ["fit", "--data", "mine", "--model", "mlp", "--epochs", "1", "--out", "run", "--export", "model.bin"];
    succeed(home.path(), &[&fit[..], more].concat());
    home
}

fn random_frame(format: Format, (width, height): (u16, u16), padding: usize) -> FrameBytes {
    let stride = format.row_bytes(width) + padding;
    let mut bytes = vec![0; stride * usize::from(height)];
    ChaCha8Rng::seed_from_u64(48).fill(&mut bytes[..]);
    FrameBytes { format, width, height, stride, bytes }
}

/// The first answer of `predict --json`.
fn answer(home: &Path, arguments: &[&str]) -> (Value, String) {
    let (printed, warned) = succeed(home, &[&["predict", "model.bin", "--json", "--top", "9"], arguments].concat());
    (serde_json::from_str(printed.lines().next().unwrap()).unwrap(), warned)
}

#[test]
fn a_dumped_frame_of_every_format_has_the_input_of_the_oracle_and_the_logits_of_the_chip() {
    let home = model(&[
        "--input",
        "10x8x3",
        "--resize",
        "fit",
        "--background",
        "#102030",
        "--camera-rotation",
        "90",
        "--camera-mirror",
        "--camera-yuv",
        "limited",
    ]);
    let path = home.path();
    let (inspected, _) = succeed(path, &["inspect", "model.bin"]);
    let preprocessing =
        "10x8x3 rgb, resize fit, background #102030, camera rotation 90, camera mirror, camera yuv limited";
    assert_contains(&inspected, &[preprocessing]);
    let model = fs::read(path.join("model.bin")).unwrap();
    let mut arena = vec![0; arena_with_image_len(&model)];
    let mut network = Network::new(&model, &mut arena).unwrap();
    let of_input = network.input();
    for format in Format::ALL {
        for padding in [0, 3] {
            let frame = random_frame(format, (37, 22), padding);
            fs::write(path.join("dump"), &frame.bytes).unwrap();
            let mut layout = format!("{}:37x22", format.name());
            if padding > 0 {
                layout += &format!(":{}", frame.stride);
            }
            let (answer, warned) = answer(path, &["--raw", &layout, "dump", "--dump-input", "input"]);
            let expected = input(&frame, &of_input.preprocessing, of_input.shape).unwrap();
            assert_eq!(fs::read(path.join("input")).unwrap(), expected, "{layout}");
            let FrameBytes { format, width, height, stride, bytes } = &frame;
            let frame = Frame::with_stride(*format, *width, *height, *stride, bytes).unwrap();
            let output = network.classify_frame(&frame).unwrap();
            let logits = answer["top"]
                .as_array()
                .unwrap()
                .iter()
                .map(|place| (place["index"].as_u64().unwrap() as usize, place["logit"].as_i64().unwrap() as i32));
            logits.for_each(|(index, logit)| assert_eq!(logit, output.logits()[index], "{layout}"));
            assert_eq!(warned.contains("1 frame is gray"), *format == Format::Gray8, "{warned}");
            if padding == 0 {
                // The same bytes, and a name in place of the flag.
                let name = format!("dump.{}.37x22.raw", format.name());
                fs::rename(path.join("dump"), path.join(&name)).unwrap();
                let (named, _) = self::answer(path, &[&name]);
                assert_eq!(named["top"], answer["top"], "{layout}");
            }
        }
    }
}

#[test]
fn a_frame_of_another_length_format_or_name_is_answered_with_what_was_expected() {
    let home = model(&["--input", "10x8x3"]);
    let path = home.path();
    for (name, bytes) in [("dump", 38_399), ("crow.yuyv.160x120.raw", 100), ("crow.raw", 38_400)] {
        fs::write(path.join(name), vec![7; bytes]).unwrap();
    }
    let formats =
        "\"rgb555\" is not a format of frames; the formats are gray8, rgb888, bgr888, rgb565le, rgb565be, yuyv, uyvy";
    let cases: [(&[&str], i32, &[&str]); 10] = [
        (&["--raw", "rgb565le:160x120", "dump"], 1, &["dump: 38399 bytes, but a frame rgb565le:160x120 has 38400"]),
        (
            &["--raw", "gray8:160x120:320", "dump"],
            1,
            &["38399 bytes, but a frame gray8:160x120:320 has 38400, or 38240 without"],
        ),
        (&["crow.yuyv.160x120.raw"], 1, &["crow.yuyv.160x120.raw: 100 bytes, but a frame yuyv:160x120 has 38400"]),
        (
            &["crow.raw"],
            1,
            &["crow.raw: its name does not show format and size; name it NAME.FORMAT", "; or give --raw"],
        ),
        (&["--raw", "rgb555:160x120", "dump"], 2, &[formats]),
        (&["--raw", "rgb565le:160", "dump"], 2, &["write FORMAT:WIDTHxHEIGHT or FORMAT:WIDTHxHEIGHT:STRIDE"]),
        (
            &["--raw", "rgb565le:160x120:300", "dump"],
            2,
            &["every 300 bytes are too short: 160 pixels of rgb565le have 320 bytes"],
        ),
        (&["--raw", "rgb565le:160x120", "mine"], 1, &["mine is a directory; with --raw name its frames"]),
        (&["--dump-input", "input", "dump", "crow.raw"], 2, &["writes the input of one image, and 2 are given"]),
        (&["--dump-input", "dump", "crow.raw"], 2, &["--dump-input dump exists and is not an input of this model"]),
    ];
    for (arguments, code, expected) in cases {
        assert_fails(path, &[&["predict", "model.bin"], arguments].concat(), code, expected);
    }
    assert_fails(
        path,
        &["predict", "model.bin", "dump", "--dump-input", "dump"],
        2,
        &["--dump-input dump is one of the images; name another file"],
    );
    assert_fails(path, &["fit", "--camera-rotation", "45"], 2, &["possible values: 0, 90, 180, 270"]);
    assert_fails(path, &["fit", "--data", "mine", "--camera-mirror"], 2, &["--camera-... needs --input"]);
}

#[test]
fn a_folder_of_frames_and_images_is_the_same_data_as_one_of_images() {
    let home = model(&["--input", "10x8x3", "--resize", "crop"]);
    let path = home.path();
    shapes::write(&path.join("mixed"), 0..6, (16, 20), "png").unwrap();
    let mut frames = 0;
    for class in fs::read_dir(path.join("mixed")).unwrap() {
        for index in [2, 4] {
            let file = class.as_ref().unwrap().path().join(format!("{index}.png"));
            let image = image::open(&file).unwrap().into_rgb8();
            let bgr: Vec<u8> = image.pixels().flat_map(|&Rgb([red, green, blue])| [blue, green, red]).collect();
            let name = format!("{index}.bgr888.{}x{}.raw", image.width(), image.height());
            fs::write(file.with_file_name(name), bgr).unwrap();
            fs::remove_file(file).unwrap();
            frames += 1;
        }
    }
    assert_eq!(frames, 10);
    let fit = ["fit", "--data", "mixed", "--input", "10x8x3", "--resize", "crop", "--model", "mlp", "--epochs", "1"];
    succeed(path, &[&fit[..], &["--out", "mixed-run"]].concat());
    let sha256 = |run: &str| read_json(&path.join(run).join("run.json"))["data_sha256"].clone();
    assert!(sha256("run").is_string());
    assert_eq!(sha256("mixed-run"), sha256("run"));
    let (evaluated, _) = succeed(path, &["eval", "model.bin", "--data", "mixed", "--run", "run"]);
    assert_contains(&evaluated, &["accuracy"]);

    // Without a size they have one of their own, and color where the format has.
    let own = ["fit", "--data", "mixed", "--model", "mlp", "--epochs", "1", "--out", "own"];
    let (printed, _) = succeed(path, &own);
    assert_contains(&printed, &["images     16x20x3 rgb, as they are"]);
    fs::write(path.join("mixed/ring/9.raw"), [0; 9]).unwrap();
    fs::write(path.join("mixed/ring/8.gray8.4x4.raw"), [0; 9]).unwrap();
    let broken = [&fit[..], &["--out", "other"]].concat();
    assert_fails(path, &broken, 1, &["8.gray8.4x4.raw", "9 bytes, but a frame gray8:4x4 has 16"]);
    fs::write(path.join("mixed/ring/8.gray8.4x4.raw"), (0..16).collect::<Vec<u8>>()).unwrap();
    let warned = text(&trainer(path, &broken).stderr);
    let nameless = "9.raw (a frame whose name has no format and size of frames; name it as 1.rgb565le.160x120.raw)";
    assert_contains(
        &warned,
        &[
            nameless,
            "WARNING: 1 frame is gray, and the input 10x8x3 has colors",
            "WARNING: 1 frame is smaller than the input 10x8x3, such as gray8:4x4",
        ],
    );
}
