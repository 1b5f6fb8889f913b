//! Which images are trained on, validated on and tested on.

use std::collections::BTreeSet;
use std::fs;

use trainer::dataset::held_out::SplitRule;
use trainer::dataset::split::stratified;
use trainer::dataset::{Loaded, Origin, Request, Testing, load};
use trainer::image::{HeldOut, Resize};

use super::*;

#[test]
fn a_folder_per_class_is_split_into_three_parts_with_every_class_in_each() {
    let directory = folder(&BIRDS);
    let Loaded { dataset, origin, warnings, tested, draws_validation } = loaded(&directory);
    assert_eq!((tested, draws_validation), (None, true));
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
    // A test of the model finds the very same images again, and all of them only where that is requested.
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
        let Loaded { dataset, draws_validation, .. } = loaded(&in_parts(parts));
        assert_eq!(draws_validation, parts.len() < 3 && !parts.contains(&"valid"), "{parts:?}");
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
fn the_same_image_in_two_parts_or_two_classes_is_named_with_both_files() {
    let names = ["train", "test"].map(|part| BIRDS.map(|bird| format!("{part}/{bird}"))).concat();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let path = |file: &str| directory.path().join(file);
    fs::create_dir(path("val")).unwrap();
    add(&path("val"), &["crow/1.png", "wren/1.png"], 100);
    fs::copy(path("train/crow/1.png"), path("test/crow/2.png")).unwrap();
    // Another file format, the same pixels.
    image_files::save(image_files::open(&path("val/wren/1.png")), path("test/wren/b.bmp"));
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
  Accuracy on images that were trained on means little; keep each image in one part.",
        "\
WARNING: 1 image in two classes, the same at 4x3x1:
  DIR/train/crow/2.png = DIR/train/wren/d.png
  No network can distinguish these; keep each image in one class.",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn a_test_image_a_shade_from_a_training_image_is_named_with_both_files() {
    let names = ["train", "test"].map(|part| BIRDS.map(|bird| format!("{part}/{bird}"))).concat();
    let directory = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let path = |file: &str| directory.path().join(file);
    let picture =
        |brighter: u8| image::GrayImage::from_fn(3, 4, |x, y| image::Luma([50 * x as u8 + 30 * y as u8 + brighter]));
    image_files::save(picture(0), path("train/crow/one.png"));
    image_files::save(picture(2), path("test/crow/next.png"));
    let warnings = loaded(&directory).warnings;
    let note = warnings.iter().find(|warning| warning.starts_with("NOTE: 1 of ")).unwrap();
    let note = note.replace(&directory.path().display().to_string(), "DIR");
    assert!(note.contains("\n  DIR/test/crow/next.png ~ DIR/train/crow/one.png\n  keep images of one burst"), "{note}");
}

#[test]
fn a_test_takes_the_models_classes_in_its_order_and_refuses_others() {
    let directory = folder(&BIRDS);
    let test = |classes: &[&str]| Request { testing: Some(testing(classes)), ..request(directory.path()) };
    let Loaded { dataset, warnings, .. } = load(&test(&["wren", "owl", "crow"])).unwrap();
    assert_eq!(shades(&dataset.test), (1..=8).map(|shade| (shade, if shade > 4 { 0 } else { 2 })).collect());
    assert_eq!(dataset.class_names, ["wren", "owl", "crow"]);
    assert_eq!(warnings, [format!("NOTE: {} has no images of owl", directory.path().display())]);
    assert_eq!(refused(&test(&["wren", "owl"])), "DIR/crow: the model has no class \"crow\", only wren, owl");
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
                    run, shows which were";
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
        let image = image_files::open(&path);
        match index % 3 {
            0 => image_files::save(image, path.with_extension("bmp")),
            1 => image_files::save(image.to_rgb8(), path.with_file_name(format!("rgb-{index}.png"))),
            _ => save(&path.with_file_name(format!("large-{index}.png")), (8, 6), 1 + index as u8),
        }
    }
    let conversion = conversion([4, 3, 1], Resize::Stretch);
    let Loaded { dataset, warnings, .. } = load(&Request { conversion, ..request(directory.path()) }).unwrap();
    let in_two_parts = warnings.iter().any(|warning| warning.contains("in two parts"));
    assert!(!in_two_parts, "there is no advice to move what the trainer put on one side: {warnings:?}");
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
        "DIR/wren has 2 images, too few to have one in each of the parts train, validation and test; add some";
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
WARNING: copies of one image are both trained and tested on, because a class has too few different images:
  DIR/wren, 4 images, 2 different
  The accuracy of such a class says nothing about other images; add different ones.";
    let path = directory.path().display().to_string();
    assert!(warnings.iter().any(|warning| warning.replace(&path, "DIR") == expected), "{warnings:?}");
    assert!(
        !warnings.iter().any(|warning| warning.contains("keep each image in one part")),
        "nobody can: {warnings:?}"
    );
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
    assert!(warnings.iter().any(|warning| warning.contains("No network can distinguish these")), "{warnings:?}");
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
