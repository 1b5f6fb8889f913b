//! What size and how many channels images become.

use std::fs;

use trainer::dataset::{Request, load};
use trainer::image::{Preprocessing, Resize};

use super::*;

#[test]
fn images_of_several_sizes_or_large_ones_need_a_size_and_with_one_they_fit() {
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
fn images_that_are_gray_and_stored_as_color_make_a_gray_input() {
    let directory = tempfile::tempdir().unwrap();
    for (index, bird) in BIRDS.iter().enumerate() {
        let path = directory.path().join(bird.to_lowercase()).with_extension(["png", "jpg", "bmp"][index % 3]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shade = 20 * index as u8;
        image_files::save(image::RgbImage::from_fn(16, 16, |x, _| image::Rgb([shade + 6 * x as u8; 3])), path);
    }
    assert_eq!(without_fingerprint(&loaded(&directory).dataset), "16x16x1 gray, as they are, test 0.15");
}

#[test]
fn one_image_with_color_makes_all_of_them_rgb() {
    let directory = folder(&BIRDS);
    image_files::save(image::RgbImage::from_pixel(3, 4, image::Rgb([9, 8, 7])), directory.path().join("crow/1.png"));
    let dataset = loaded(&directory).dataset;
    assert_eq!(without_fingerprint(&dataset), "4x3x3 rgb, as they are, test 0.15");
    let images = [&dataset.train, &dataset.validation, &dataset.test];
    let colored =
        images.iter().flat_map(|images| (0..images.len()).map(|index| images.image(index).unwrap()[..3].to_vec()));
    assert_eq!(colored.filter(|pixel| pixel[..] == [9, 8, 7]).count(), 1);
}

#[test]
fn preprocessing_of_a_set_without_files_is_what_it_always_was() {
    let request = Request { choice: trainer::dataset::DatasetChoice::Garments, ..Request::default() };
    let dataset = load(&request).unwrap().dataset;
    assert_eq!(dataset.preprocessing, Preprocessing::Bytes);
    let converted = Request { conversion: conversion([32, 32, 3], Resize::Stretch), ..request };
    let converted = load(&converted).unwrap().dataset;
    assert_eq!(converted.preprocessing.to_string(), "32x32x3 rgb, resize stretch");
    assert_eq!(converted.test.shape().to_string(), "32x32x3");
    assert_eq!(converted.test.labels(), dataset.test.labels());
}

#[test]
fn images_of_another_size_than_a_model_takes_are_not_called_unreadable() {
    let directory = folder(&BIRDS);
    let as_they_are = Request {
        conversion: conversion([8, 6, 1], Resize::AsTheyAre),
        testing: Some(testing(&["crow", "wren"])),
        ..request(directory.path())
    };
    let expected = "8 of 8 images do not have the size that the model takes: DIR/crow/1.png is 4 high and 3 wide, but the input is \
                    8x6x1 and takes images as they are; give a directory with images of that size, or a model that was trained \
                    with --input and --resize";
    assert_eq!(refused(&as_they_are), expected);
    // What cannot be read at all comes first.
    fs::write(directory.path().join("wren/d.png"), "no image").unwrap();
    assert!(refused(&as_they_are).starts_with("1 of 8 images cannot be read"), "{}", refused(&as_they_are));
}
