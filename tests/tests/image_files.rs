//! Image files: every kind of pixel, damaged and hostile ones, and the bytes that scaling makes of images.

use std::fs;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use infer_core::Shape;
use infer_core::camera::{Format, Rotation};
use proptest::prelude::*;
use thimble_tests::camera::{FrameBytes, input as oracle};
use thimble_tests::image_files::encoded;
use trainer::image::{Background, CameraSetup, Conversion, Image, Resize, decode};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

/// An image with something to see: a slope of brightness, and color.
fn slope() -> DynamicImage {
    DynamicImage::ImageRgb8(image::RgbImage::from_fn(24, 16, |x, y| {
        image::Rgb([(x * 10) as u8, (y * 15) as u8, 128 + (x + y) as u8])
    }))
}

fn decoded(bytes: &[u8]) -> Image {
    decode::decode(bytes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_kind_of_pixel_becomes_the_same_8_bits() {
    let expected = Image::Rgb(slope().into_rgb8());
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
        assert_eq!(decoded(&encoded(&slope(), format)), expected, "{format:?}");
    }
    let deep = DynamicImage::ImageRgb16(slope().into_rgb16());
    assert_eq!(decoded(&encoded(&deep, ImageFormat::Png)), expected);
    let opaque = DynamicImage::ImageRgba8(slope().into_rgba8());
    assert_eq!(decoded(&encoded(&opaque, ImageFormat::Png)), expected);
    let (Image::Rgb(jpeg), Image::Rgb(exact)) = (decoded(&encoded(&slope(), ImageFormat::Jpeg)), &expected) else {
        panic!("gray");
    };
    let worst = jpeg.iter().zip(exact.iter()).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(worst <= Some(40), "{worst:?}");
    let gray = GrayImage::from_fn(5, 2, |x, y| Luma([(x * 50 + y) as u8]));
    let deep = DynamicImage::ImageLuma16(DynamicImage::from(gray.clone()).into_luma16());
    for image in [DynamicImage::from(gray.clone()), deep] {
        assert_eq!(decoded(&encoded(&image, ImageFormat::Png)), Image::Gray(gray.clone()));
    }
}

#[test]
fn what_is_transparent_is_blended_onto_black() {
    let half = image::RgbaImage::from_pixel(2, 1, image::Rgba([200, 101, 255, 128]));
    let Image::Rgb(rgb) = decoded(&encoded(&half.into(), ImageFormat::Png)) else { panic!("gray") };
    assert_eq!(rgb.as_raw()[..3], [100, 51, 128]);
    let clear = image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([255, 0]));
    assert_eq!(decoded(&encoded(&clear.into(), ImageFormat::Png)), Image::from_gray_bytes(1, 1, vec![0]),);
}

/// A JPEG with an EXIF segment with the orientation of the camera.
fn with_orientation(jpeg: &[u8], orientation: Orientation) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation.to_exif(), 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xFF, 0xE1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn a_photograph_is_turned_the_right_way_up() {
    let jpeg = encoded(&slope(), ImageFormat::Jpeg);
    let Image::Rgb(upright) = decoded(&jpeg) else { panic!("gray") };
    let turned = with_orientation(&jpeg, Orientation::Rotate90);
    assert_eq!(decoded(&turned), Image::Rgb(image::imageops::rotate90(&upright)));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("turned.jpg");
    fs::write(&path, turned).unwrap();
    let header = decode::header(&path).unwrap();
    assert_eq!((header.height, header.width, header.is_rgb), (24, 16, true));
}

#[test]
fn a_jpeg_that_breaks_off_is_refused_wherever_it_does() {
    let jpeg = with_orientation(&encoded(&slope(), ImageFormat::Jpeg), Orientation::NoTransforms);
    decoded(&jpeg);
    decoded(&[&jpeg[..], b"what a telephone puts after it"].concat());
    for len in 0..jpeg.len() - 1 {
        assert!(decode::decode(&jpeg[..len]).is_err(), "{len} of {} bytes", jpeg.len());
    }
}

#[test]
fn a_header_that_lies_about_the_size_costs_no_memory() {
    let png = encoded(&slope(), ImageFormat::Png);
    let mut huge = png.clone();
    // Width and height are after the signature, the length and the name of the first chunk; its checksum follows.
    huge[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let message = decode::decode(&huge).unwrap_err().to_string();
    assert_eq!(message, "its header claims 60000 x 60000 pixels; more than 67 million, or 65535 a side, are not read");
    let mut bmp = encoded(&slope(), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0, 0x20, 0, 0, 0, 0x21, 0, 0]);
    let message = decode::decode(&bmp).unwrap_err().to_string();
    assert_eq!(message, "its header claims 8448 x 8192 pixels; more than 67 million, or 65535 a side, are not read");
    bmp[18..26].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert!(decode::decode(&bmp).is_err());
}

#[test]
fn no_damage_to_a_file_does_more_than_refuse_it_or_change_the_image() {
    let small = slope().crop_imm(0, 0, 6, 5);
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff];
    for format in formats {
        let whole = encoded(&small, format);
        let decode_anyway = |bytes: &[u8]| {
            if let Ok(image) = decode::decode(bytes) {
                let (height, width) = image.size();
                assert!(u64::from(height) * u64::from(width) <= trainer::image::MOST_PIXELS);
            }
        };
        for at in 0..whole.len() {
            decode_anyway(&whole[..at]);
            for value in [0, 1, 0x7F, 0x80, 0xFF, whole[at] ^ 0x10] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                decode_anyway(&damaged);
            }
        }
    }
}

#[test]
fn the_same_bytes_come_out_of_scaling_everywhere() {
    let image = Image::Rgb(slope().into_rgb8());
    let input = Shape { height: 3, width: 3, channels: 3 };
    let found = [Resize::Stretch, Resize::Fit, Resize::Crop]
        .map(|resize| Conversion::new(input, resize).unwrap().apply(&image).unwrap());
    // Written down once: a version of the filter that changes them changes what models see.
    #[rustfmt::skip]
    let expected = [
        [
            35, 33, 134, 115, 33, 142, 195, 33, 150,
            35, 113, 139, 115, 113, 147, 195, 113, 155,
            35, 192, 144, 115, 192, 152, 195, 192, 160,
        ],
        [
            35, 53, 135, 115, 53, 143, 195, 53, 151,
            35, 173, 143, 115, 173, 151, 195, 173, 159,
            0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        [
            62, 33, 136, 115, 33, 142, 168, 33, 147,
            62, 113, 142, 115, 113, 147, 168, 113, 152,
            62, 192, 147, 115, 192, 152, 168, 192, 158,
        ],
    ];
    assert_eq!(found, expected);
}

proptest! {
    #[test]
    fn an_image_becomes_what_the_oracle_of_the_camera_makes_of_its_pixels(
        size in (1..70_u32, 1..70_u32),
        is_rgb: bool,
        input in (1..40_u16, 1..40_u16, prop::sample::select(vec![1_u16, 3])),
        resize in prop::sample::select(vec![Resize::Stretch, Resize::Fit, Resize::Crop]),
        background: [u8; 3],
        is_turned: bool,
        seed: u64,
    ) {
        let (width, height) = size;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = vec![0; (width * height * if is_rgb { 3 } else { 1 }) as usize];
        random.fill(&mut bytes[..]);
        let image = if is_rgb {
            Image::Rgb(image::RgbImage::from_raw(width, height, bytes.clone()).unwrap())
        } else {
            Image::from_gray_bytes(height, width, bytes.clone())
        };
        let (height, width, channels) = input;
        let shape = Shape { height, width, channels };
        // An image is upright, however the camera is held.
        let rotation = if is_turned { Rotation::Quarter } else { Rotation::None };
        let camera = CameraSetup { rotation, mirror: is_turned, ..CameraSetup::default() };
        let conversion = Conversion::new(shape, resize).unwrap().with_background(Background::of_rgb(background));
        let frame = FrameBytes {
            format: if is_rgb { Format::Rgb888 } else { Format::Gray8 },
            width: size.0 as u16,
            height: size.1 as u16,
            stride: bytes.len() / size.1 as usize,
            bytes,
        };
        let expected = oracle(&frame, &conversion.of_frames(), shape).unwrap();
        prop_assert_eq!(conversion.with_camera(camera).apply(&image).unwrap(), expected);
    }
}

#[test]
fn a_jpeg_and_a_png_of_its_pixels_become_the_same_input() {
    let jpeg = decoded(&encoded(&slope(), ImageFormat::Jpeg));
    let Image::Rgb(pixels) = jpeg.clone() else { panic!("gray") };
    let png = decoded(&encoded(&pixels.into(), ImageFormat::Png));
    for (channels, resize) in [(1, Resize::Fit), (3, Resize::Stretch), (3, Resize::Crop)] {
        let conversion = Conversion::new(Shape { height: 7, width: 9, channels }, resize).unwrap();
        assert_eq!(conversion.apply(&png).unwrap(), conversion.apply(&jpeg).unwrap());
    }
}
