//! Where images come from, and the messages about files that are no good.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use thimble_tests::idx_files::{self, NAMES};
use trainer::dataset::{DataError, DatasetChoice, Environment, Loaded, Origin, Request, Testing, download, idx, load};
use trainer::image::{Conversion, Preprocessing, Resize};

fn request(directory: &Path) -> Request {
    Request { data_dir: Some(directory.to_owned()), validation_fraction: 0.2, ..Request::default() }
}

fn whole_set() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    idx_files::write(directory.path(), 30, 5);
    directory
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn plain_and_gzip_files_hold_the_same_images() {
    let plain = whole_set();
    let packed = tempfile::tempdir().unwrap();
    for name in NAMES {
        let bytes = fs::read(plain.path().join(name)).unwrap();
        fs::write(packed.path().join(format!("{name}.gz")), gzip(&bytes)).unwrap();
    }
    let [plain, packed] = [plain.path(), packed.path()].map(|path| load(&request(path)).unwrap().dataset);
    assert_eq!((plain.train.len(), plain.validation.len(), plain.test.len()), (24, 6, 30));
    assert_eq!(plain.train, packed.train);
    assert_eq!(plain.validation, packed.validation);
    assert_eq!(plain.test, packed.test);
    assert_eq!(plain.class_names, ["0", "1", "2"]);
}

#[test]
fn images_have_the_hash_of_their_unpacked_files_however_they_were_packed() {
    let plain = whole_set();
    let [images_path, labels_path] = [NAMES[0], NAMES[1]].map(|name| plain.path().join(name));
    let expected = [&images_path, &labels_path].map(|path| download::sha256(path).unwrap());
    for path in [&images_path, &labels_path] {
        fs::write(path, gzip(&fs::read(path).unwrap())).unwrap();
    }
    let images = idx::read(&images_path, &labels_path).unwrap();
    assert_eq!([idx::images_sha256(&images).unwrap(), idx::labels_sha256(&images)], expected);
}

#[test]
fn classes_txt_names_the_classes() {
    let directory = whole_set();
    fs::write(directory.path().join("classes.txt"), "finch\n\n tit \nwren\n").unwrap();
    assert_eq!(load(&request(directory.path())).unwrap().dataset.class_names, ["finch", "tit", "wren"]);
}

#[test]
fn every_broken_file_is_named_with_what_is_wrong_with_it() {
    let pixels = [7u8; 30 * 25];
    let labels: Vec<u8> = (0..30).map(|index| index % 3).collect();
    let whole_images = idx_files::images(30, 5, &pixels);
    let truncated_gzip = gzip(&whole_images);
    let truncated_gzip = truncated_gzip[..truncated_gzip.len() - 9].to_vec();
    /// Which file, its content (nothing: it is removed), and what the message must contain.
    type Case = (usize, Option<Vec<u8>>, &'static [&'static str]);
    let cases: Vec<Case> = vec![
        (0, None, &["has no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz"]),
        (3, None, &["has no t10k-labels-idx1-ubyte"]),
        (0, Some(truncated_gzip), &["train-images-idx3-ubyte: damaged or truncated gzip file", "copy it again"]),
        (0, Some(idx_files::labels(&labels)), &["no IDX file of images", "begins with 0x00000801, not 0x00000803"]),
        (1, Some(whole_images.clone()), &["train-labels-idx1-ubyte: no IDX file of labels", "0x00000803"]),
        (0, Some(b"P5".to_vec()), &["truncated: its header announces 16 bytes, 2 are there"]),
        (0, Some(Vec::new()), &["truncated", "0 are there"]),
        (2, Some(whole_images[..400].to_vec()), &["t10k-images-idx3-ubyte: truncated", "766 bytes, 400 are there"]),
        (2, Some([&whole_images[..], &[0]].concat()), &["announces 766 bytes, but more follow"]),
        (0, Some(idx_files::images(u32::MAX, u32::MAX, &pixels)), &["more than 2147 million are not read"]),
        (0, Some(idx_files::images(0, 5, &[])), &["has no images (its header states 0 of 5x5)"]),
        (0, Some(idx_files::images(30, 0, &[])), &["has no images (its header states 30 of 0x0)"]),
        (
            1,
            Some(idx_files::labels(&labels[1..])),
            &["has 30 images", "train-labels-idx1-ubyte 29 labels", "do not belong"],
        ),
        (
            3,
            Some(idx_files::labels(&[vec![9], labels[1..].to_vec()].concat())),
            &["label number 0 is 9", "3 classes (0 to 2)"],
        ),
        (1, Some(idx_files::labels(&[0; 30])), &["all images are of one class"]),
        (
            2,
            Some(idx_files::images(30, 4, &pixels[..480])),
            &["t10k-images-idx3-ubyte has images of 4x4x1", "training images are 5x5x1"],
        ),
    ];
    for (file, content, expected) in cases {
        let directory = whole_set();
        let path = directory.path().join(NAMES[file]);
        match content {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let message = load(&request(directory.path())).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{message:?} does not contain {part:?}");
        }
        assert!(message.contains(&*directory.path().to_string_lossy()), "{message:?} does not name the place");
    }
}

#[test]
fn a_classes_txt_that_names_no_classes_is_refused() {
    let many: String = (0..4097).map(|class| format!("{class}\n")).collect();
    let long = format!("b\n{}\n", "a".repeat(256));
    let cases: [(&[u8], &str); 10] = [
        (b"", "DIR/classes.txt: all images are of one class; at least two are needed"),
        (b"only\n\n", "DIR/classes.txt: all images are of one class; at least two are needed"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\n\x80", "DIR/classes.txt: it is not UTF-8 text; one name per line is expected"),
        (b"\xff\xfea\0\n\0b\0\n\0", "DIR/classes.txt: it is in UTF-16; save it as UTF-8"),
        (
            b"finch\ntit\nfinch\n",
            "DIR/classes.txt: classes 0 and 2 have the same name, or names that look the same (\"finch\" and \"finch\"); rename one",
        ),
        (
            "m\u{f6}we\nmo\u{308}we\ntit\n".as_bytes(),
            "DIR/classes.txt: classes 0 and 1 have the same name, or names that look the same \
             (\"m\\u{f6}we\" and \"mo\\u{308}we\"); rename one",
        ),
        (
            long.as_bytes(),
            "DIR/classes.txt, class 1: the name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u{2026}\" is longer than 255 bytes; shorten it",
        ),
        (
            b"red\x1b[31m\nb\nc\n",
            "DIR/classes.txt, class 0: the name \"red\\u{1b}[31m\" has a control character; leave it out",
        ),
        (b"a\nb\0\nc\n", "DIR/classes.txt, class 1: the name \"b\\0\" has a control character; leave it out"),
        (many.as_bytes(), "DIR/classes.txt has 4097 classes; at most 4096 are supported"),
    ];
    for (content, expected) in cases {
        let directory = whole_set();
        fs::write(directory.path().join("classes.txt"), content).unwrap();
        let message = load(&request(directory.path())).unwrap_err().to_string();
        assert_eq!(message.replace(&*directory.path().to_string_lossy(), "DIR"), expected);
    }
}

#[test]
fn a_fraction_of_0_or_1_is_refused() {
    let directory = whole_set();
    for fraction in [0.0, 1.0, f64::NAN] {
        let error = load(&Request { validation_fraction: fraction, ..request(directory.path()) }).unwrap_err();
        assert!(matches!(error, DataError::Fraction { .. }), "{error}");
    }
}

#[test]
fn a_split_that_leaves_a_class_without_a_side_is_refused_by_class() {
    let directory = whole_set();
    let labels: Vec<u8> = (0..30).map(|index| if index == 4 { 2 } else { index % 2 }).collect();
    fs::write(directory.path().join(NAMES[1]), idx_files::labels(&labels)).unwrap();
    let message = load(&request(directory.path())).unwrap_err().to_string();
    assert!(message.starts_with("class 2 has 1 images, too few"), "{message}");
    // A test needs no training image.
    let class_names = ["0", "1", "2"].map(str::to_owned).to_vec();
    let testing = Some(Testing { class_names, held_out: None, all: false, manifest: None });
    let dataset = load(&Request { testing, ..request(directory.path()) }).unwrap().dataset;
    assert_eq!((dataset.train.len(), dataset.validation.len(), dataset.test.len()), (0, 0, 30));
}

/// There is no server on port 9 of the loopback interface: a network that is down, at once.
fn offline(cache: &Path) -> Environment {
    Environment {
        fashion_mnist_dir: None,
        cache_dir: Some(cache.to_owned()),
        url: Some("http://127.0.0.1:9".to_owned()),
    }
}

#[test]
fn without_fashion_mnist_garments_take_its_place_with_a_warning_unless_it_was_named() {
    let cache = tempfile::tempdir().unwrap();
    let request = |choice| load(&Request { choice, environment: offline(cache.path()), ..Request::default() });
    let Loaded { dataset, origin, warnings, .. } = request(DatasetChoice::Auto).unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!((dataset.name.as_str(), origin), ("garments", Origin::BuiltIn));
    for part in
        ["NOT on Fashion-MNIST", "FASHION_MNIST_DIR is not set", "cannot fetch http://127.0.0.1:9", "What to do"]
    {
        assert!(warning.contains(part), "{warning}");
    }
    assert_eq!(request(DatasetChoice::Garments).unwrap().warnings, [""; 0]);
    let message = request(DatasetChoice::FashionMnist).unwrap_err().to_string();
    assert!(
        message.starts_with("Fashion-MNIST is not available") && message.contains("--dataset garments"),
        "{message}"
    );
    assert_eq!(fs::read_dir(cache.path().join("fashion-mnist")).unwrap().count(), 0, "nothing half-fetched is left");
    assert_eq!(offline(cache.path()).fashion_mnist_in_cache(), None, "the directory alone is no data set");
}

#[test]
fn a_broken_fashion_mnist_dir_is_an_error_and_never_replaced() {
    let empty = tempfile::tempdir().unwrap();
    for (directory, expected) in [
        (
            empty.path().to_owned(),
            "it has no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz; name a directory",
        ),
        (empty.path().join("nowhere"), "there is no such directory; name a directory with the four files"),
    ] {
        let environment = Environment { fashion_mnist_dir: Some(directory.clone()), ..offline(empty.path()) };
        let error = load(&Request { environment, ..Request::default() }).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, DataError::FashionMnistDir { .. }), "{message}");
        assert!(message.starts_with(&format!("FASHION_MNIST_DIR {}: {expected}", directory.display())), "{message}");
    }
}

#[test]
fn data_goes_before_fashion_mnist_dir_and_that_before_the_cache() {
    let (data, named, cache) = (whole_set(), whole_set(), tempfile::tempdir().unwrap());
    let cached = cache.path().join("fashion-mnist");
    fs::create_dir(&cached).unwrap();
    idx_files::write(&cached, 30, 5);
    for name in NAMES {
        fs::rename(cached.join(name), cached.join(format!("{name}.gz"))).unwrap();
    }
    let environment = Environment { fashion_mnist_dir: Some(named.path().to_owned()), ..offline(cache.path()) };
    let origin = |data_dir: Option<&TempDir>, environment: &Environment| {
        let data_dir = data_dir.map(|directory| directory.path().to_owned());
        let validation_fraction = 0.2;
        load(&Request { data_dir, environment: environment.clone(), validation_fraction, ..Request::default() })
            .unwrap()
            .origin
    };
    assert_eq!(origin(Some(&data), &environment), Origin::Data(data.path().to_owned()));
    assert_eq!(origin(None, &environment), Origin::Environment(named.path().to_owned()));
    assert_eq!(offline(cache.path()).fashion_mnist_in_cache().as_ref(), Some(&cached));
    let error = load(&Request { environment: offline(cache.path()), ..Request::default() }).unwrap_err();
    assert!(matches!(&error, DataError::Cache { directory, .. } if *directory == cached), "{error}");
}

#[test]
fn a_cache_of_something_else_than_was_fetched_is_refused_with_what_to_remove() {
    let cache = tempfile::tempdir().unwrap();
    let cached = cache.path().join("fashion-mnist");
    fs::create_dir(&cached).unwrap();
    idx_files::write(&cached, 30, 5);
    for name in NAMES {
        fs::write(cached.join(format!("{name}.gz")), gzip(&fs::read(cached.join(name)).unwrap())).unwrap();
    }
    let refusals = |expected: &str| {
        for choice in [DatasetChoice::Auto, DatasetChoice::FashionMnist] {
            let environment = offline(cache.path());
            let message = load(&Request { choice, environment, ..Request::default() }).unwrap_err().to_string();
            assert_eq!(message.replace(&*cache.path().to_string_lossy(), "CACHE"), expected);
        }
    };
    let remove = ". Remove CACHE/fashion-mnist to fetch it again";
    let beginning = "the cache does not have Fashion-MNIST as it was fetched: ";
    refusals(&format!("{beginning}it has other images{remove}"));
    fs::write(cached.join(format!("{}.gz", NAMES[0])), "half of it").unwrap();
    refusals(&format!(
        "{beginning}CACHE/fashion-mnist/{}.gz: no IDX file of images: it begins with 0x68616c66, not 0x00000803{remove}",
        NAMES[0]
    ));
}

#[test]
fn images_of_any_height_and_width_and_any_number_of_classes_are_read() {
    for (height, width, classes) in [(40, 30, 3), (1, 7, 2), (3, 200, 200)] {
        let directory = tempfile::tempdir().unwrap();
        let count = 2 * classes;
        let labels: Vec<u8> = (0..count).map(|index| (index % classes) as u8).collect();
        let pixels: Vec<u8> = (0..count * height * width).map(|index| (index * 37 % 251) as u8).collect();
        for name in NAMES {
            let file = match name.contains("images") {
                true => idx_files::images_of([count, height, width], &pixels),
                false => idx_files::labels(&labels),
            };
            fs::write(directory.path().join(name), file).unwrap();
        }
        let dataset = load(&Request { validation_fraction: 0.5, ..request(directory.path()) }).unwrap().dataset;
        assert_eq!(dataset.test.shape().to_string(), format!("{height}x{width}x1"));
        assert_eq!(dataset.class_names.len(), classes as usize);
        assert_eq!(dataset.class_names.last().unwrap(), &(classes - 1).to_string());
        assert_eq!(
            (dataset.train.len(), dataset.test.image(1).unwrap()[0]),
            (classes as usize, pixels[(height * width) as usize])
        );
    }
}

#[test]
fn images_of_idx_files_are_brought_to_the_size_that_is_requested() {
    let directory = whole_set();
    let input = infer_core::Shape { height: 8, width: 10, channels: 1 };
    let conversion = Some(Conversion::new(input, Resize::Fit).unwrap());
    let dataset = load(&Request { conversion, ..request(directory.path()) }).unwrap().dataset;
    assert_eq!(dataset.preprocessing.to_string(), "8x10x1 gray, resize fit");
    let first = dataset.test.image(0).unwrap();
    assert_eq!((first.len(), first[0], first[9]), (80, 0, 0), "black to the left and to the right");
    assert_eq!(load(&request(directory.path())).unwrap().dataset.preprocessing, Preprocessing::Bytes);
}

#[test]
fn images_that_idx_files_hold_twice_are_named_by_number() {
    let directory = whole_set();
    let warnings = load(&request(directory.path())).unwrap().warnings;
    // The test images of this set are its training images.
    assert!(
        warnings[0].starts_with("WARNING: 30 images in two parts of the data, the same at 5x5x1:\n"),
        "{warnings:?}"
    );
    let pair = format!(
        "\n  image 3 of {0}/train-images-idx3-ubyte = image 3 of {0}/t10k-images-idx3-ubyte\n",
        directory.path().display()
    );
    assert!(warnings[0].contains(&pair) && warnings[0].contains("\n  and 25 more\n"), "{warnings:?}");
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_gzip_file_that_unpacks_to_more_than_its_header_states_is_left_after_the_first_byte_too_many() {
    let directory = whole_set();
    let images = fs::read(directory.path().join(NAMES[0])).unwrap();
    // A quarter of a gigabyte of zeros in a quarter of a megabyte, and damage after them that is never met.
    let mut bomb = gzip(&[&images[..], &vec![0; 256 << 20]].concat());
    bomb.truncate(bomb.len() - 64);
    fs::write(directory.path().join(NAMES[0]), bomb).unwrap();
    let message = load(&request(directory.path())).unwrap_err().to_string();
    assert!(message.contains("its header announces 766 bytes, but more follow"), "{message}");
}

/// The three classes in turn, the first of them under this label.
fn labels_from(first: u8) -> Vec<u8> {
    idx_files::labels(&(0..30).map(|index| first + index % 3).collect::<Vec<_>>())
}

#[test]
fn labels_that_begin_at_1_are_numbered_from_0_with_a_note_and_keep_their_names() {
    let cases: [(Option<&str>, [&str; 3], &str); 3] = [
        (None, ["1", "2", "3"], "begin at 1, not at 0: the first class is named \"1\""),
        (Some("a\nb\nc\n"), ["a", "b", "c"], "label 1 is the first class, \"a\""),
        (Some("N/A\na\nb\nc\n"), ["a", "b", "c"], "the first, \"N/A\", is left out; label 1 is \"a\""),
    ];
    for (list, expected, note) in cases {
        let directory = whole_set();
        for name in [NAMES[1], NAMES[3]] {
            fs::write(directory.path().join(name), labels_from(1)).unwrap();
        }
        list.into_iter().for_each(|list| fs::write(directory.path().join("classes.txt"), list).unwrap());
        let Loaded { dataset, warnings, .. } = load(&request(directory.path())).unwrap();
        assert_eq!(dataset.class_names, expected);
        assert_eq!((dataset.test.label(0), dataset.test.label(2)), (0, 2));
        assert!(warnings.iter().any(|warning| warning.contains(note)), "{warnings:?}");
        // A model that has the names, in an order of its own, is tested by name.
        let class_names: Vec<String> = ["x"].into_iter().chain(expected).map(str::to_owned).collect();
        let testing = Some(Testing { class_names, held_out: None, all: false, manifest: None });
        let test = load(&Request { testing, ..request(directory.path()) }).unwrap().dataset.test;
        assert_eq!((test.label(0), test.label(2)), (1, 3));
    }
}

#[test]
fn a_class_without_training_images_is_refused_with_what_may_be_wrong_with_the_list_of_names() {
    let cases: [(&str, u8, &str); 4] = [
        (
            "class_name\na\nb\nc\n",
            0,
            "label 3 (\"c\"); DIR/classes.txt has one name too many: its first line, \"class_name\", looks like a heading",
        ),
        (
            "a\nb\nc\nd\n",
            0,
            "label 3 (\"d\"); DIR/classes.txt has one name too many: if its first line, \"a\", is a heading, remove it",
        ),
        (
            "a\nb\nc\nd\ne\n",
            0,
            "label 3 (\"d\"), 4 (\"e\"); DIR/classes.txt must have the names of the classes in the order of labels, without a gap",
        ),
        ("", 5, "label 1, 2, 3, 4; number the classes from 0 (or 1) without a gap"),
    ];
    for (list, first, expected) in cases {
        let directory = whole_set();
        for name in [NAMES[1], NAMES[3]] {
            fs::write(directory.path().join(name), labels_from(first)).unwrap();
        }
        if !list.is_empty() {
            fs::write(directory.path().join("classes.txt"), list).unwrap();
        }
        let message = load(&request(directory.path())).unwrap_err().to_string();
        let message = message.replace(&*directory.path().to_string_lossy(), "DIR");
        assert!(message.contains("no training image has ") && message.contains(expected), "{message}");
    }
}

#[test]
fn a_class_without_test_images_is_noted() {
    let directory = whole_set();
    fs::write(directory.path().join(NAMES[3]), idx_files::labels(&[0, 1].repeat(15))).unwrap();
    let warnings = load(&request(directory.path())).unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("t10k-labels-idx1-ubyte has no images of label 2")),
        "{warnings:?}"
    );
}

#[test]
fn a_byte_order_mark_and_any_line_ends_are_no_part_of_a_name() {
    for list in ["\u{feff}finch\r\ntit\r\nwren\r\n", "finch\rtit\rwren"] {
        let directory = whole_set();
        fs::write(directory.path().join("classes.txt"), list).unwrap();
        assert_eq!(load(&request(directory.path())).unwrap().dataset.class_names, ["finch", "tit", "wren"]);
    }
}

#[test]
fn idx_files_are_found_under_all_the_names_that_they_are_published_with() {
    let expected = load(&request(whole_set().path())).unwrap().dataset.test;
    let layouts: [fn(&str) -> String; 3] = [
        |name| name.replace("-idx", ".idx"),
        |name| format!("{name}/{name}"),
        |name| format!("emnist-letters-{}", name.replace("t10k", "test")),
    ];
    for layout in layouts {
        let (whole, directory) = (whole_set(), tempfile::tempdir().unwrap());
        for name in NAMES {
            let path = directory.path().join(layout(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(whole.path().join(name), path).unwrap();
        }
        // Kaggle's packs have an empty file beside each folder.
        if layout(NAMES[0]).contains('/') {
            NAMES.iter().for_each(|name| fs::write(directory.path().join(name.replace("-idx", ".idx")), "").unwrap());
        }
        let Loaded { dataset, warnings, .. } = load(&request(directory.path())).unwrap();
        let is_emnist = layout(NAMES[0]).starts_with("emnist");
        assert_eq!(
            warnings.iter().any(|warning| warning.contains("rows and columns exchanged")),
            is_emnist,
            "{warnings:?}"
        );
        for row in 0..5 {
            for column in 0..5 {
                let from = if is_emnist { column * 5 + row } else { row * 5 + column };
                assert_eq!(dataset.test.image(1).unwrap()[row * 5 + column], expected.image(1).unwrap()[from]);
            }
        }
        let file = if is_emnist { "emnist-letters-test-images-idx3-ubyte" } else { "t10k-images" };
        assert!(dataset.test.name(7).unwrap().starts_with(&format!("image 7 of {file}")), "{:?}", dataset.test.name(7));
    }
    let directory = whole_set();
    fs::write(directory.path().join("emnist-digits-train-images-idx3-ubyte"), "x").unwrap();
    let message = load(&request(directory.path())).unwrap_err().to_string();
    assert!(
        message.contains("has the files of several sets, train-images-idx3-ubyte and emnist-digits-train-images"),
        "{message}"
    );
}
