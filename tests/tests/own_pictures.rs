//! Folders of pictures: which are found, what becomes of them, and what is said about those that are no good.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use infer_core::Shape;
use tempfile::TempDir;
use trainer::data::held_out::SplitRule;
use trainer::data::split::stratified;
use trainer::data::{Dataset, Images, Loaded, Origin, Request, Testing, load};
use trainer::preprocess::{Conversion, HeldOut, Preprocessing, Resize};

/// Gray pictures of these names, 4 high and 3 wide, each in one shade that no other has.
fn folder(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    add(directory.path(), files, 1);
    directory
}

fn add(directory: &Path, files: &[&str], first_shade: usize) {
    for (index, file) in files.iter().enumerate() {
        save(&directory.join(file), (4, 3), (first_shade + index) as u8);
    }
}

fn save(path: &Path, (height, width): (u32, u32), shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(width, height, Luma([shade])).save(path).unwrap();
}

/// Two classes of four.
const BIRDS: [&str; 8] =
    ["crow/1.png", "crow/2.png", "crow/10.png", "crow/11.png", "wren/a.png", "wren/b.bmp", "wren/c.PNG", "wren/d.png"];

fn request(directory: &Path) -> Request {
    Request { data_dir: Some(directory.to_owned()), validation_fraction: 0.25, ..Request::default() }
}

fn loaded(directory: &TempDir) -> Loaded {
    load(&request(directory.path())).unwrap_or_else(|error| panic!("{error}"))
}

/// What is said about a directory that is called `DIR`.
fn refusal(directory: &TempDir) -> String {
    refused(&request(directory.path()))
}

fn refused(request: &Request) -> String {
    let directory = request.data_dir.as_ref().unwrap().display().to_string();
    load(request).unwrap_err().to_string().replace(&directory, "DIR")
}

/// Shade and label of each picture.
fn shades(images: &Images) -> BTreeSet<(u8, u16)> {
    (0..images.len()).map(|index| (images.image(index).unwrap()[0], images.label(index))).collect()
}

fn all_shades(Dataset { train, validation, test, .. }: &Dataset) -> BTreeSet<(u8, u16)> {
    [train, validation, test].into_iter().flat_map(shades).collect()
}

fn lens(Dataset { train, validation, test, .. }: &Dataset) -> [usize; 3] {
    [train.len(), validation.len(), test.len()]
}

/// A test by a model of these classes, whose training held nothing out of a folder.
fn testing(class_names: &[impl ToString]) -> Testing {
    let class_names = class_names.iter().map(ToString::to_string).collect();
    Testing { class_names, held_out: None, all: false, manifest: None }
}

/// What was done to images, without which of them there were.
fn without_fingerprint(dataset: &Dataset) -> String {
    let text = dataset.preprocessing.to_string();
    text.split_once(" of ").map_or(text.clone(), |(text, _)| text.to_owned())
}

fn conversion([height, width, channels]: [u16; 3], resize: Resize) -> Option<Conversion> {
    Some(Conversion::new(Shape { height, width, channels }, resize).unwrap())
}

#[test]
fn a_folder_per_class_is_split_into_three_parts_with_every_class_in_each() {
    let directory = folder(&BIRDS);
    let Loaded { dataset, origin, warnings, tested } = loaded(&directory);
    assert_eq!(tested, None);
    let expected = "\
NOTE: the test share 0.15 falls on no image of 1 class, by their content; the next one is tested on instead:
  DIR/wren/a.png, of 4 different images
  --test-fraction 0.31, or more images would give each class a test image that no added image replaces.";
    let warnings: Vec<String> =
        warnings.iter().map(|warning| warning.replace(&directory.path().display().to_string(), "DIR")).collect();
    assert_eq!(warnings, [expected]);
    let larger = load(&Request { test_fraction: 0.31, ..request(directory.path()) }).unwrap();
    assert_eq!(larger.warnings, [""; 0], "the advice holds");
    assert!(shades(&larger.dataset.test).is_superset(&shades(&dataset.test)));
    assert_eq!(origin, Origin::Data(directory.path().to_owned()));
    assert_eq!(dataset.name, directory.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(dataset.class_names, ["crow", "wren"]);
    assert_eq!(dataset.preprocessing.to_string(), "4x3x1 gray, as they are, test 0.15 of VowpXbAQgodZ");
    assert_eq!(lens(&dataset), [3, 3, 2]);
    // Shades follow the order of the names that were given, labels that of the folders.
    assert_eq!(all_shades(&dataset), (1..=8).map(|shade| (shade, u16::from(shade > 4))).collect());
    for part in [&dataset.train, &dataset.validation, &dataset.test] {
        assert_eq!(part.labels().iter().collect::<BTreeSet<_>>().len(), 2);
    }
    let again = loaded(&directory).dataset;
    assert_eq!((again.train, again.validation, again.test), (dataset.train, dataset.validation, dataset.test));
}

#[test]
fn the_seed_changes_what_is_validated_on_and_never_what_is_tested_on() {
    let names: Vec<String> = (0..60).map(|index| format!("{}/{index}.png", ["crow", "wren"][index % 2])).collect();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let [one, other] = [48, 49].map(|seed| load(&Request { seed, ..request(directory.path()) }).unwrap().dataset);
    assert_eq!(one.test, other.test);
    assert_ne!(one.validation, other.validation);
    let half = load(&Request { test_fraction: 0.5, ..request(directory.path()) }).unwrap().dataset;
    assert_eq!((one.test.len(), half.test.len()), (11, 30));
    assert!(shades(&half.test).is_superset(&shades(&one.test)), "a larger share holds out more and releases none");
    assert_eq!(half.preprocessing.test_share(), Some(0.5));
    // A test of the model finds the very same pictures again, and all of them only where it is told to.
    let test = |all| {
        let held_out = one.preprocessing.held_out();
        let testing = Some(Testing { held_out, all, ..testing(&one.class_names) });
        load(&Request { testing, ..request(directory.path()) }).unwrap().dataset
    };
    assert_eq!(test(false).test, one.test);
    assert_eq!(lens(&test(true)), [0, 0, 60]);
}

#[test]
fn parts_stay_what_they_are_and_only_missing_ones_are_split_off() {
    let in_parts = |parts: &[&str]| {
        let names = parts.iter().flat_map(|part| BIRDS.map(|bird| format!("{part}/{bird}")));
        let names: Vec<String> = names.collect();
        folder(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let cases: [(&[&str], [usize; 3], Option<f64>); 5] = [
        (&["train", "val", "test"], [8, 8, 8], None),
        (&["Training", "Validation", "Testing"], [8, 8, 8], None),
        (&["train", "test"], [5, 3, 8], None),
        (&["train", "valid"], [6, 8, 2], Some(0.15)),
        (&["train"], [3, 3, 2], Some(0.15)),
    ];
    for (parts, expected, test_share) in cases {
        let dataset = loaded(&in_parts(parts)).dataset;
        assert_eq!((lens(&dataset), dataset.preprocessing.test_share()), (expected, test_share), "{parts:?}");
        assert_eq!(dataset.class_names, ["crow", "wren"], "{parts:?}");
    }
    let parted = in_parts(&["train", "test"]);
    let testing = Some(testing(&["crow", "wren"]));
    let only_test = load(&Request { testing, ..request(parted.path()) }).unwrap().dataset;
    assert_eq!(lens(&only_test), [0, 0, 8]);
    assert_eq!(only_test.test, loaded(&parted).dataset.test);
}

#[test]
fn a_class_may_be_called_train_and_classes_come_in_natural_order() {
    let names = ["train/1.png", "train/2.png", "train/3.png", "bus/1.png", "bus/2.png", "bus/3.png"];
    assert_eq!(loaded(&folder(&names)).dataset.class_names, ["bus", "train"]);
    let names: Vec<String> =
        ["10", "9", "b", "A", "1"].iter().flat_map(|class| (0..3).map(move |n| format!("{class}/{n}.png"))).collect();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(loaded(&directory).dataset.class_names, ["1", "9", "10", "A", "b"]);
}

#[test]
fn every_unusable_folder_is_refused_with_what_where_and_what_to_do() {
    let many: Vec<String> = (0..4097).map(|class| format!("{class}/1.png")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: [(&[&str], &str); 17] = [
        (
            &[],
            "DIR holds neither a folder per class of images nor the four IDX files (train-images-idx3-ubyte, ...); it is empty",
        ),
        (
            &["1.png", "2.png"],
            "DIR holds neither a folder per class of images nor the four IDX files (train-images-idx3-ubyte, ...), \
             but 2 images; put each image into a folder that is named after its class",
        ),
        (
            &["crow/1.png", "crow/2.png", "crow/3.png"],
            "DIR/crow is the only class; at least two are needed, each a folder of its own",
        ),
        (&many, "DIR holds 4097 classes; 4096 are the most"),
        (
            &["crow/1.png", "wren/1.png", "wren/more/2.png"],
            "DIR/wren/more is a folder inside a class; put its images into DIR/wren itself, or move it beside",
        ),
        (
            &["crow/1.png", "crow/2.png", "crow/3.png", "wren/1.png", "wren/2.png"],
            "DIR/wren holds 2 pictures, too few to have one in each of the parts train, validation and test; add some",
        ),
        (
            &["train/crow/1.png", "train/crow/2.png", "train/wren/1.png", "test/crow/1.png", "test/wren/1.png"],
            "DIR/train/wren holds 1 pictures, too few to have one in each of the parts train and validation; add some",
        ),
        (
            &["train/crow/1.png", "train/wren/1.png", "test/crow/1.png"],
            "DIR/test has no folder \"wren\", but DIR/train has; all parts must have the same classes",
        ),
        (
            &["train/crow/1.png", "train/wren/1.png", "val/crow/1.png", "val/owl/1.png", "val/wren/1.png"],
            "DIR/train has no folder \"owl\", but DIR/val has; all parts must have the same classes",
        ),
        (&["test/crow/1.png", "test/wren/1.png"], "DIR has no part to train on: there is no folder DIR/train"),
        (
            &["train/crow/1.png", "train/wren/1.png", "val/crow/1.png", "valid/crow/1.png"],
            "DIR/val and DIR/valid are both the same part of the data; keep one",
        ),
        (
            &["train/crow/1.png", "train/wren/1.png", "owl/1.png"],
            "DIR/owl stands beside DIR/train; a directory holds either parts (train, val, test) or classes",
        ),
        (
            &["train/1.png", "test/2.png"],
            "DIR/train holds no folder per class, but 1 image; put each image into a folder that is named after its class",
        ),
        (
            &["a\nb/1.png", "wren/1.png"],
            "\"DIR/a\\nb\": the name of a class must be UTF-8, show something, and be without a line break or another control character; rename the folder",
        ),
        (
            &["a\u{1b}[31m/1.png", "wren/1.png"],
            "\"DIR/a\\u{1b}[31m\": the name of a class must be UTF-8, show something, and be without a line break or another control character; rename the folder",
        ),
        (
            &["crow/a\nb.png", "wren/1.png"],
            "\"DIR/crow/a\\nb.png\": the name of a picture must be without a line break or another control character; rename the file",
        ),
        (&["train/crow/1.png", "train/wren/1.png", "test/crow/a/1.png", "test/wren/1.png"], NESTED),
    ];
    const NESTED: &str =
        "DIR/test/crow/a is a folder inside a class; put its images into DIR/test/crow itself, or move it beside";
    for (files, expected) in cases {
        let message = refusal(&folder(files));
        // What else is in the directory for temporary files may make it look like the folder of all classes.
        assert_eq!(message.split("; or give --data ").next(), Some(expected));
    }
    let empty = folder(&BIRDS);
    fs::create_dir(empty.path().join("owl")).unwrap();
    fs::write(empty.path().join("owl/notes.txt"), "none yet").unwrap();
    assert_eq!(
        refusal(&empty),
        "DIR/owl holds no image that can be read, only 1 file (no image, named .txt); \
         put PNG, JPEG, BMP, GIF, WebP or TIFF images there, or remove the folder"
    );
    let missing = refused(&request(&empty.path().join("missing")));
    assert!(missing.starts_with("DIR: ") && missing.contains("No such file"), "{missing}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_those_that_lead_nowhere_or_in_circles_are_named() {
    use std::os::unix::fs::symlink;

    let directory = folder(&BIRDS);
    let path = directory.path();
    add(path, &["elsewhere/9.png"], 100);
    fs::rename(path.join("elsewhere"), path.join(".elsewhere")).unwrap();
    symlink("../.elsewhere/9.png", path.join("crow/9.png")).unwrap();
    assert!(all_shades(&loaded(&directory).dataset).contains(&(100, 0)));

    /// Where the link stands, where it leads, and what is said.
    type Case = (&'static str, &'static str, &'static str);
    let cases: [Case; 4] = [
        ("crow/nowhere.png", "none.png", "DIR/crow/nowhere.png: No such file or directory"),
        ("crow/circle.png", "circle.png", "DIR/crow/circle.png: Too many levels of symbolic links"),
        ("owl", "owl", "DIR/owl: Too many levels of symbolic links"),
        ("crow/up", "..", "DIR/crow/up is a folder inside a class"),
    ];
    for (link, target, expected) in cases {
        symlink(target, path.join(link)).unwrap();
        let message = refusal(&directory);
        assert!(message.starts_with(expected), "{message}");
        fs::remove_file(path.join(link)).unwrap();
    }
}

#[test]
fn all_broken_pictures_of_all_parts_are_counted_and_the_first_five_named() {
    let names = BIRDS.map(|bird| format!("train/{bird}"));
    let directory = folder(&names.each_ref().map(String::as_str));
    add(directory.path(), &["test/crow/1.png", "test/wren/1.png"], 100);
    let whole = fs::read(directory.path().join("test/crow/1.png")).unwrap();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let broken: [(&str, &[u8]); 6] = [
        ("train/crow/1.png", b""),
        ("train/crow/2.png", b"hello"),
        ("train/crow/10.png", &whole[..whole.len() - 20]),
        ("train/wren/a.png", heic),
        ("train/wren/b.bmp", b"BM plus something that is no header at all, whatever it may be"),
        ("test/wren/1.png", &whole[..20]),
    ];
    for (file, content) in broken {
        fs::write(directory.path().join(file), content).unwrap();
    }
    for request in [
        request(directory.path()),
        Request { conversion: conversion([4, 4, 1], Resize::Fit), ..request(directory.path()) },
    ] {
        let message = refused(&request);
        let lines: Vec<&str> = message.lines().collect();
        let truncated_inside = request.conversion.is_some();
        let expected_count = if truncated_inside { 6 } else { 5 };
        assert_eq!(
            lines[0],
            format!(
                "{expected_count} of 10 pictures cannot be read; replace or remove them, or leave them out with --skip-unreadable:"
            ),
            "without --input, headers tell the size before pixels are looked at"
        );
        assert_eq!(lines[1], "  DIR/train/crow/1.png: damaged or truncated (the file is empty)");
        assert_eq!(lines[2], "  DIR/train/crow/2.png: by its content no PNG, JPEG, BMP, GIF, WebP or TIFF image");
        let rest = &lines[3..];
        let named = |name: &str, why: &str| rest.iter().any(|line| line.contains(name) && line.contains(why));
        assert!(named("train/wren/a.png", "not supported: a HEIC image; convert it to JPEG or PNG"), "{message}");
        assert!(named("train/wren/b.bmp", "by its content no PNG, JPEG, BMP"), "{message}");
        assert_eq!(named("train/crow/10.png", "damaged or truncated ("), truncated_inside, "{message}");
        assert_eq!(message.ends_with("\n  and 1 more"), truncated_inside, "{message}");
        assert_eq!(named("test/wren/1.png", "damaged or truncated ("), !truncated_inside, "{message}");
    }
}

#[test]
fn pictures_of_several_sizes_or_large_ones_need_a_size_and_with_one_they_fit() {
    let directory = folder(&BIRDS);
    save(&directory.path().join("wren/large.png"), (40, 30), 99);
    assert_eq!(
        refusal(&directory).replace("crow/10.png", "crow/1.png").replace("crow/11.png", "crow/1.png"),
        "DIR/crow/1.png is 4 high and 3 wide, DIR/wren/large.png 40 high and 30 wide; \
         give the input's size, such as --input 32x32x3 --resize crop"
    );
    let request = Request { conversion: conversion([5, 6, 3], Resize::Fit), ..request(directory.path()) };
    let dataset = load(&request).unwrap().dataset;
    assert_eq!(dataset.train.shape().to_string(), "5x6x3");
    assert_eq!(without_fingerprint(&dataset), "5x6x3 rgb, resize fit, test 0.15");
    let large = folder(&[]);
    for (index, bird) in BIRDS.iter().enumerate() {
        save(&large.path().join(bird), (257, 20), index as u8);
    }
    let message = refusal(&large);
    assert!(
        message.contains(" and all others are 257 high and 20 wide; sides over 256 are scaled down")
            && message.contains("give the input's size, such as --input 32x32x3"),
        "{message}"
    );
}

#[test]
fn pictures_that_are_gray_and_stored_as_color_make_a_gray_input() {
    let directory = tempfile::tempdir().unwrap();
    for (index, bird) in BIRDS.iter().enumerate() {
        let path = directory.path().join(bird.to_lowercase()).with_extension(["png", "jpg", "bmp"][index % 3]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shade = 20 * index as u8;
        image::RgbImage::from_fn(16, 16, |x, _| image::Rgb([shade + 6 * x as u8; 3])).save(path).unwrap();
    }
    assert_eq!(without_fingerprint(&loaded(&directory).dataset), "16x16x1 gray, as they are, test 0.15");
}

#[test]
fn one_picture_with_color_makes_all_of_them_rgb() {
    let directory = folder(&BIRDS);
    image::RgbImage::from_pixel(3, 4, image::Rgb([9, 8, 7])).save(directory.path().join("crow/1.png")).unwrap();
    let dataset = loaded(&directory).dataset;
    assert_eq!(without_fingerprint(&dataset), "4x3x3 rgb, as they are, test 0.15");
    let pictures = [&dataset.train, &dataset.validation, &dataset.test];
    let colored =
        pictures.iter().flat_map(|images| (0..images.len()).map(|index| images.image(index).unwrap()[..3].to_vec()));
    assert_eq!(colored.filter(|pixel| pixel[..] == [9, 8, 7]).count(), 1);
}

#[test]
fn what_is_no_picture_is_left_out_with_one_note_that_names_the_first_five() {
    let directory = folder(&BIRDS);
    for file in ["readme.txt", ".hidden", "crow/.DS_Store", "crow/notes.txt", "wren/bird.psd", "wren/Thumbs.db"] {
        fs::write(directory.path().join(file), "").unwrap();
    }
    fs::create_dir(directory.path().join(".git")).unwrap();
    let Loaded { dataset, warnings, .. } = loaded(&directory);
    assert_eq!(all_shades(&dataset).len(), BIRDS.len());
    let expected = "\
NOTE: 7 files or folders of DIR left out:
  DIR/.git (hidden)
  DIR/.hidden (hidden)
  DIR/crow/.DS_Store (hidden)
  DIR/crow/notes.txt (empty)
  DIR/readme.txt (in no class)
  and 2 more";
    assert_eq!(warnings.len(), 2, "the other is about a class that the test share misses");
    assert_eq!(warnings[0].replace(&directory.path().display().to_string(), "DIR"), expected);
}

#[test]
fn the_same_picture_in_two_parts_or_two_classes_is_named_with_both_files() {
    let names = ["train", "test"].map(|part| BIRDS.map(|bird| format!("{part}/{bird}"))).concat();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let path = |file: &str| directory.path().join(file);
    fs::create_dir(path("val")).unwrap();
    add(&path("val"), &["crow/1.png", "wren/1.png"], 100);
    fs::copy(path("train/crow/1.png"), path("test/crow/2.png")).unwrap();
    // Another file format, the same pixels.
    image::open(path("val/wren/1.png")).unwrap().save(path("test/wren/b.bmp")).unwrap();
    fs::copy(path("train/crow/2.png"), path("train/wren/d.png")).unwrap();
    let warnings: Vec<String> = loaded(&directory)
        .warnings
        .iter()
        // The copies are of one color each, which is another warning.
        .filter(|warning| !warning.contains("one flat color"))
        .map(|warning| warning.replace(&directory.path().display().to_string(), "DIR"))
        .collect();
    let expected = [
        "\
WARNING: 2 images in two parts of the data, the same at 4x3x1:
  DIR/train/crow/1.png = DIR/test/crow/2.png
  DIR/val/wren/1.png = DIR/test/wren/b.bmp
  What is measured on an image that was trained on says little; keep each on one side.",
        "\
WARNING: 1 image in two classes, the same at 4x3x1:
  DIR/train/crow/2.png = DIR/train/wren/d.png
  No network can tell these apart; keep each under one class.",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn a_test_takes_the_models_classes_in_its_order_and_refuses_others() {
    let directory = folder(&BIRDS);
    let test = |classes: &[&str]| Request { testing: Some(testing(classes)), ..request(directory.path()) };
    let Loaded { dataset, warnings, .. } = load(&test(&["wren", "owl", "crow"])).unwrap();
    assert_eq!(shades(&dataset.test), (1..=8).map(|shade| (shade, if shade > 4 { 0 } else { 2 })).collect());
    assert_eq!(dataset.class_names, ["wren", "owl", "crow"]);
    assert_eq!(warnings, [format!("NOTE: {} holds no pictures of owl", directory.path().display())]);
    assert_eq!(refused(&test(&["wren", "owl"])), "DIR/crow: the model knows no class \"crow\", only wren, owl");
}

#[test]
fn a_test_of_which_nothing_is_held_out_is_pointed_to_the_run_and_to_all() {
    // The share falls on neither shade: 2 at 0.24, 3 at 0.69.
    let directory = tempfile::tempdir().unwrap();
    add(directory.path(), &["crow/2.png", "wren/3.png"], 2);
    let fingerprint = "AAAAAAAAAAAA".parse().ok();
    let test = |fingerprint, all| {
        let held_out = Some(HeldOut { share: 0.15, fingerprint });
        Request { testing: Some(Testing { held_out, all, ..testing(&["crow", "wren"]) }), ..request(directory.path()) }
    };
    for fingerprint in [fingerprint, None] {
        assert_eq!(
            refused(&test(fingerprint, false)),
            "none of the 2 images of DIR is known to be held out: by their content, the test share 0.15 of the model falls on \
             none; give --run with the directory of the model's run, or, for images that it was not trained on, --all"
        );
        assert_eq!(lens(&load(&test(fingerprint, true)).unwrap().dataset), [0, 0, 2]);
    }
    // Of crow there is one, of wren none.
    add(directory.path(), &["crow/1.png"], 1);
    let Loaded { dataset, warnings, .. } = load(&test(fingerprint, false)).unwrap();
    assert_eq!((lens(&dataset), shades(&dataset.test).into_iter().collect::<Vec<_>>()), ([0, 0, 1], vec![(1, 0)]));
    let expected = "NOTE: no image of wren is tested on: none is known to be held out; --run, with the directory of the model's \
                    run, tells which were";
    assert_eq!(warnings, [expected]);
}

#[test]
fn equal_images_are_on_one_side_whatever_they_are_called_and_stored_as() {
    let names: Vec<String> = (0..40).map(|index| format!("{}/{index}.png", ["crow", "wren"][index % 2])).collect();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let before = loaded(&directory).dataset;
    // Each once more: as a BMP, in RGB, and larger, so that it is the same only as an input.
    for (index, name) in names.iter().enumerate() {
        let path = directory.path().join(name);
        let image = image::open(&path).unwrap();
        match index % 3 {
            0 => image.save(path.with_extension("bmp")).unwrap(),
            1 => image.to_rgb8().save(path.with_file_name(format!("rgb-{index}.png"))).unwrap(),
            _ => save(&path.with_file_name(format!("large-{index}.png")), (8, 6), 1 + index as u8),
        }
    }
    let conversion = conversion([4, 3, 1], Resize::Stretch);
    let Loaded { dataset, warnings, .. } = load(&Request { conversion, ..request(directory.path()) }).unwrap();
    let in_two_parts = warnings.iter().any(|warning| warning.contains("in two parts"));
    assert!(!in_two_parts, "nobody is asked to move what the trainer put on one side: {warnings:?}");
    assert_eq!(lens(&dataset), lens(&before).map(|images| 2 * images));
    for (after, before) in
        [(&dataset.train, &before.train), (&dataset.validation, &before.validation), (&dataset.test, &before.test)]
    {
        assert_eq!(shades(after), shades(before));
    }
}

#[test]
fn a_class_of_copies_is_on_all_sides_and_named_and_one_of_two_images_is_refused() {
    let directory = folder(&["crow/1.png", "crow/2.png", "crow/3.png", "wren/1.png", "wren/2.png"]);
    let message = refusal(&directory);
    let expected =
        "DIR/wren holds 2 pictures, too few to have one in each of the parts train, validation and test; add some";
    assert!(message.starts_with(expected), "{message}");
    for copy in ["wren/3.png", "wren/4.png"] {
        fs::copy(directory.path().join("wren/1.png"), directory.path().join(copy)).unwrap();
    }
    let Loaded { dataset, warnings, .. } = loaded(&directory);
    assert_eq!(lens(&dataset), [3, 2, 2]);
    for part in [&dataset.train, &dataset.validation, &dataset.test] {
        assert_eq!(part.labels().iter().collect::<BTreeSet<_>>().len(), 2);
    }
    let expected = "\
WARNING: copies of one image are both trained and tested on, as a class has too few different images:
  DIR/wren, 4 images, 2 different
  The accuracy of such a class says nothing about other images; add different ones.";
    let path = directory.path().display().to_string();
    assert!(warnings.iter().any(|warning| warning.replace(&path, "DIR") == expected), "{warnings:?}");
    assert!(!warnings.iter().any(|warning| warning.contains("keep each on one side")), "nobody can: {warnings:?}");
    // A test by the model's file alone does not take the copies for images that were held out.
    let held_out = dataset.preprocessing.held_out();
    let testing = Some(Testing { held_out, ..testing(&dataset.class_names) });
    let Loaded { dataset, tested, .. } = load(&Request { testing, ..request(directory.path()) }).unwrap();
    assert_eq!(dataset.test.labels(), [0]);
    assert_eq!(tested.unwrap().untouched, 1);
}

#[test]
fn one_image_in_all_files_of_all_classes_is_trained_on_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for class in ["crow", "wren"] {
        (0..4).for_each(|index| save(&directory.path().join(format!("{class}/{index}.png")), (8, 12), 7));
    }
    let Loaded { dataset, warnings, .. } = loaded(&directory);
    assert_eq!(lens(&dataset), [4, 2, 2]);
    assert!(warnings.iter().any(|warning| warning.contains("No network can tell these apart")), "{warnings:?}");
}

#[test]
fn a_test_share_that_leaves_nothing_to_train_on_is_answered_with_one_that_does() {
    let directory = folder(&BIRDS);
    let with = |test_fraction| Request { test_fraction, ..request(directory.path()) };
    let message = refused(&with(0.9));
    assert_eq!(
        message,
        "by their content, the test share 0.9 falls on 4 of the 4 different images of DIR/crow, which leaves too few to train and \
         validate on; add images, or use --test-fraction 0.48"
    );
    load(&with(0.48)).unwrap_or_else(|error| panic!("the advice holds: {error}"));
}

#[test]
fn runs_of_earlier_trainers_find_the_split_by_name_again() {
    let names: Vec<String> = (0..60).map(|index| format!("{}/{index}.png", ["crow", "wren"][index % 2])).collect();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let by_name = Request { split_rule: SplitRule::ByName, ..request(directory.path()) };
    let dataset = load(&by_name).unwrap().dataset;
    assert_eq!(
        (lens(&dataset), &*dataset.preprocessing.to_string()),
        ([38, 13, 9], "4x3x1 gray, as they are, test 0.15")
    );
    // In the order of the names, class by class, by a seed that never changes.
    let in_order: Vec<u8> =
        [0, 1].into_iter().flat_map(|class| (class..60).step_by(2).map(|index| 1 + index)).collect();
    let labels: Vec<_> = (0..60).map(|index| (index / 30) as _).collect();
    let (_, expected) = stratified(&labels, 2, 0.15, 0x7E57).unwrap();
    let expected: BTreeSet<u8> = expected.into_iter().map(|index| in_order[index]).collect();
    assert_eq!(shades(&dataset.test).into_iter().map(|(shade, _)| shade).collect::<BTreeSet<_>>(), expected);
    let held_out = dataset.preprocessing.held_out();
    let testing = Some(Testing { held_out, ..testing(&["crow", "wren"]) });
    assert_eq!(load(&Request { testing, ..request(directory.path()) }).unwrap().dataset.test, dataset.test);
}

#[test]
fn preprocessing_of_a_set_without_files_is_what_it_always_was() {
    let request = Request { choice: trainer::data::DatasetChoice::Garments, ..Request::default() };
    let dataset = load(&request).unwrap().dataset;
    assert_eq!(dataset.preprocessing, Preprocessing::Bytes);
    let converted = Request { conversion: conversion([32, 32, 3], Resize::Stretch), ..request };
    let converted = load(&converted).unwrap().dataset;
    assert_eq!(converted.preprocessing.to_string(), "32x32x3 rgb, resize stretch");
    assert_eq!(converted.test.shape().to_string(), "32x32x3");
    assert_eq!(converted.test.labels(), dataset.test.labels());
}

#[test]
fn what_a_system_puts_between_the_classes_is_skipped_at_every_level_with_a_note() {
    let directory = folder(&BIRDS);
    for junk in [
        "__MACOSX/crow",
        "crow/@eaDir",
        "lost+found",
        "$RECYCLE.BIN",
        ".ipynb_checkpoints",
        "wren/System Volume Information",
    ] {
        fs::create_dir_all(directory.path().join(junk)).unwrap();
    }
    for junk in ["__MACOSX/crow/._1.png", "wren/Thumbs.db", "wren/desktop.ini", "crow/@eaDir/1.png"] {
        fs::write(directory.path().join(junk), "").unwrap();
    }
    let Loaded { dataset, warnings, .. } = loaded(&directory);
    assert_eq!((dataset.class_names.len(), all_shades(&dataset).len()), (2, BIRDS.len()));
    let warnings: Vec<String> = warnings.into_iter().filter(|warning| warning.contains("left out")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in [
        "NOTE: 8 files or folders of ",
        "/__MACOSX (put there by a system or a program)",
        "/crow/@eaDir (put there by a system or a program)",
        "and 3 more",
    ] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
}

#[test]
fn images_are_known_by_their_content_where_their_names_do_not_say() {
    let directory = folder(&BIRDS);
    let path = directory.path();
    for (from, to) in [("crow/1.png", "crow/1"), ("crow/2.png", "crow/2.txt"), ("wren/b.bmp", "wren/b.jpe")] {
        fs::rename(path.join(from), path.join(to)).unwrap();
    }
    let Loaded { dataset, warnings, .. } = loaded(&directory);
    assert_eq!(all_shades(&dataset).len(), BIRDS.len());
    assert!(!warnings.iter().any(|warning| warning.contains("left out")), "{warnings:?}");
    // Where a class has none, the message says what it has.
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    fs::create_dir(path.join("owl")).unwrap();
    for name in ["1.heic", "2"] {
        fs::write(path.join("owl").join(name), heic).unwrap();
    }
    assert_eq!(
        refusal(&directory),
        "DIR/owl holds no image that can be read, only 2 files (each a HEIC image); \
         put PNG, JPEG, BMP, GIF, WebP or TIFF images there, or remove the folder"
    );
}

#[test]
fn classes_that_look_the_same_are_refused_within_a_part_across_parts_and_against_a_model() {
    let look = "look the same but differ in their characters";
    let nfc = "M\u{f6}we";
    let nfd = "Mo\u{308}we";
    let within = folder(&[&format!("{nfc}/1.png"), &format!("{nfd}/1.png"), "wren/1.png"]);
    let message = refusal(&within);
    assert!(
        message.contains(look) && message.contains("\"M\\u{f6}we\"") && message.contains("\"Mo\\u{308}we\""),
        "{message}"
    );
    let parts =
        folder(&[&format!("train/{nfc}/1.png"), "train/wren/1.png", &format!("test/{nfd}/1.png"), "test/wren/1.png"]);
    assert!(refusal(&parts).contains(look), "{}", refusal(&parts));
    let invisible = folder(&["wren/1.png", "wren\u{200b}/1.png", "wren /1.png"]);
    assert!(refusal(&invisible).contains("wren\\u{200b}\": the name of a class must"), "{}", refusal(&invisible));
    let blank = folder(&["wren/1.png", "wren /1.png"]);
    assert!(refusal(&blank).contains(look), "{}", refusal(&blank));
}

#[test]
fn a_directory_one_level_too_high_or_too_low_is_answered_with_the_one_to_give() {
    let names: Vec<String> = BIRDS.iter().map(|bird| format!("a/b/{bird}")).collect();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let advice = "the data seem to be in DIR/a/b: give --data DIR/a/b";
    assert!(refusal(&directory).ends_with(advice), "{}", refusal(&directory));
    let low = directory.path().join("a/b/crow");
    let message = load(&request(&low)).unwrap_err().to_string().replace(&directory.path().display().to_string(), "DIR");
    assert!(
        message.contains("but 4 images") && message.ends_with("or give --data DIR/a/b, of which it is one class"),
        "{message}"
    );
    let file = directory.path().join("birds.zip");
    fs::write(&file, b"PK\x03\x04").unwrap();
    let message = load(&request(&file)).unwrap_err().to_string();
    assert!(
        message.contains("birds.zip is a file, not a directory (a ZIP archive; unpack it); give the directory"),
        "{message}"
    );
}

#[test]
fn images_have_the_names_of_their_files() {
    let dataset = loaded(&folder(&BIRDS)).dataset;
    let parts = [&dataset.train, &dataset.validation, &dataset.test];
    let names: BTreeSet<&str> =
        parts.iter().flat_map(|part| (0..part.len()).map(|index| part.name(index).unwrap())).collect();
    assert_eq!(names, BIRDS.into_iter().collect());
}

#[test]
fn files_that_cannot_be_read_are_found_all_at_once_and_left_out_where_a_class_has_others() {
    let directory = folder(&BIRDS);
    let broken = ["crow/1.png", "wren/a.png"];
    for file in broken {
        fs::write(directory.path().join(file), "none").unwrap();
    }
    let found = trainer::data::pictures::unreadable(directory.path(), None, true).unwrap();
    let paths: BTreeSet<_> = found.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths, broken.map(|file| directory.path().join(file)).into_iter().collect());
    let listing = trainer::data::pictures::listing(&found);
    assert!(listing.lines().count() == 2 && listing.lines().all(|line| line.contains(".png\t")), "{listing}");
    let skipping = Request { skip: paths.clone(), ..request(directory.path()) };
    assert_eq!(all_shades(&load(&skipping).unwrap().dataset).len(), BIRDS.len() - 2);
    let all_crows = BIRDS[..4].iter().map(|file| directory.path().join(file));
    let message = refused(&Request { skip: paths.into_iter().chain(all_crows).collect(), ..request(directory.path()) });
    assert!(message.starts_with("DIR/crow holds no image that can be read: all of its 4 are damaged"), "{message}");
}

#[test]
fn all_images_of_a_directory_are_those_in_it_and_in_its_folders_in_natural_order() {
    let directory = folder(&["10.png", "9.png", "wren/2.png", "crow/1.png", "crow/deeper/1.png"]);
    fs::write(directory.path().join("notes.txt"), "notes").unwrap();
    let (images, left_out) = trainer::data::pictures::images_of(directory.path()).unwrap();
    let names: Vec<String> =
        images.iter().map(|path| path.strip_prefix(directory.path()).unwrap().display().to_string()).collect();
    assert_eq!(names, ["9.png", "10.png", "crow/1.png", "wren/2.png"]);
    let note = left_out.note(directory.path()).unwrap();
    assert!(
        note.contains("crow/deeper (a folder; give it by name)") && note.contains("notes.txt (no image)"),
        "{note}"
    );
}
