//! Which files are images of a class, and the messages about directories and files that are no good.

use std::collections::BTreeSet;
use std::fs;

use trainer::dataset::{Loaded, Request, load};
use trainer::image::Resize;

use super::*;

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
            "DIR has neither a folder per class of images nor the four IDX files (train-images-idx3-ubyte, ...); it is empty",
        ),
        (
            &["1.png", "2.png"],
            "DIR has neither a folder per class of images nor the four IDX files (train-images-idx3-ubyte, ...), \
             but 2 images; put each image into a folder that is named after its class",
        ),
        (
            &["crow/1.png", "crow/2.png", "crow/3.png"],
            "DIR/crow is the only class; at least two are needed, each a folder of its own",
        ),
        (&many, "DIR has 4097 classes; at most 4096 are supported"),
        (
            &["crow/1.png", "wren/1.png", "wren/more/2.png"],
            "DIR/wren/more is a folder inside a class; put its images into DIR/wren itself, or move it next to DIR/wren",
        ),
        (
            &["crow/1.png", "crow/2.png", "crow/3.png", "wren/1.png", "wren/2.png"],
            "DIR/wren has 2 images, too few to have one in each of the parts train, validation and test; \
             add some: at least 3 are needed",
        ),
        (
            &["train/crow/1.png", "train/crow/2.png", "train/wren/1.png", "test/crow/1.png", "test/wren/1.png"],
            "DIR/train/wren has 1 images, too few to have one in each of the parts train and validation; add some: \
             at least 2 are needed",
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
            "DIR/owl is next to DIR/train; a directory has either parts (train, val, test) or classes",
        ),
        (
            &["train/1.png", "test/2.png"],
            "DIR/train has no folder per class, but 1 image; put each image into a folder that is named after its class",
        ),
        (
            &["a\nb/1.png", "wren/1.png"],
            "\"DIR/a\\nb\": the name of a class must be UTF-8, be visible, and have no line break or other control character; rename the folder",
        ),
        (
            &["a\u{1b}[31m/1.png", "wren/1.png"],
            "\"DIR/a\\u{1b}[31m\": the name of a class must be UTF-8, be visible, and have no line break or other control character; rename the folder",
        ),
        (
            &["crow/a\nb.png", "wren/1.png"],
            "\"DIR/crow/a\\nb.png\": the name of an image must have no line break or other control character; rename the file",
        ),
        (&["train/crow/1.png", "train/wren/1.png", "test/crow/a/1.png", "test/wren/1.png"], NESTED),
    ];
    const NESTED: &str = "DIR/test/crow/a is a folder inside a class; put its images into DIR/test/crow itself, or move it next to DIR/test/crow";
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
        "DIR/owl has no image that can be read, only 1 file (no image, named .txt); \
         put PNG, JPEG, BMP, GIF, WebP or TIFF images there, or remove the folder"
    );
    let missing = refused(&request(&empty.path().join("missing")));
    assert_eq!(missing, "there is no directory DIR; give the one that has a folder per class, or IDX files");
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

    /// Where the link is, where it leads, and the message.
    type Case = (&'static str, &'static str, &'static str);
    let cases: [Case; 4] = [
        (
            "crow/nowhere.png",
            "none.png",
            "1 of 10 images cannot be read; replace or remove them, or leave them out with \
            --skip-unreadable:\n  DIR/crow/nowhere.png: No such file or directory",
        ),
        (
            "crow/circle.png",
            "circle.png",
            "1 of 10 images cannot be read; replace or remove them, or leave them out with \
            --skip-unreadable:\n  DIR/crow/circle.png: Too many levels of symbolic links",
        ),
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
fn all_broken_images_of_all_parts_are_counted_and_the_first_five_named() {
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
        assert_eq!(
            lines[0],
            "6 of 10 images cannot be read; replace or remove them, or leave them out with --skip-unreadable:"
        );
        assert_eq!(lines[1], "  DIR/train/crow/1.png: damaged or truncated (the file is empty)");
        assert_eq!(lines[2], "  DIR/train/crow/2.png: by its content not a PNG, JPEG, BMP, GIF, WebP or TIFF image");
        let rest = &lines[3..];
        let named = |name: &str, why: &str| rest.iter().any(|line| line.contains(name) && line.contains(why));
        assert!(named("train/wren/a.png", "not supported: a HEIC image; convert it to JPEG or PNG"), "{message}");
        assert!(named("train/wren/b.bmp", "by its content not a PNG, JPEG, BMP"), "{message}");
        assert!(named("train/crow/10.png", "damaged or truncated ("), "{message}");
        assert!(message.ends_with("\n  and 1 more"), "{message}");
    }
}

#[test]
fn what_is_no_image_is_left_out_with_one_note_that_names_the_first_five() {
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
    // Where a class has none, the message names what it has.
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    fs::create_dir(path.join("owl")).unwrap();
    for name in ["1.heic", "2"] {
        fs::write(path.join("owl").join(name), heic).unwrap();
    }
    assert_eq!(
        refusal(&directory),
        "DIR/owl has no image that can be read, only 2 files (each a HEIC image); \
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
    let found = trainer::dataset::folder::unreadable(directory.path(), None, true).unwrap();
    let paths: BTreeSet<_> = found.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths, broken.map(|file| directory.path().join(file)).into_iter().collect());
    let listing = trainer::dataset::folder::unreadable_listing(&found);
    assert!(listing.lines().count() == 2 && listing.lines().all(|line| line.contains(".png\t")), "{listing}");
    let skipping = Request { skip: paths.clone(), ..request(directory.path()) };
    assert_eq!(all_shades(&load(&skipping).unwrap().dataset).len(), BIRDS.len() - 2);
    let all_crows = BIRDS[..4].iter().map(|file| directory.path().join(file));
    let message = refused(&Request { skip: paths.into_iter().chain(all_crows).collect(), ..request(directory.path()) });
    assert!(message.starts_with("DIR/crow has no image that can be read: all of its 4 are damaged"), "{message}");
}

#[test]
fn all_images_of_a_directory_are_those_in_it_and_in_its_folders_in_natural_order() {
    let directory = folder(&["10.png", "9.png", "wren/2.png", "crow/1.png", "crow/deeper/1.png"]);
    fs::write(directory.path().join("notes.txt"), "notes").unwrap();
    let (images, left_out) = trainer::dataset::folder::images_of(directory.path()).unwrap();
    let names: Vec<String> =
        images.iter().map(|path| path.strip_prefix(directory.path()).unwrap().display().to_string()).collect();
    assert_eq!(names, ["9.png", "10.png", "crow/1.png", "wren/2.png"]);
    let note = left_out.note(directory.path()).unwrap();
    assert!(
        note.contains("crow/deeper (a folder; give it by name)") && note.contains("notes.txt (no image)"),
        "{note}"
    );
}
