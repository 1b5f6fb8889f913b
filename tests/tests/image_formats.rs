//! What the formats hold beyond pixels: orientation wherever tools store it, alpha, first images of several, kinds that are refused.

use std::fs;

use image::codecs::gif::GifEncoder;
use image::metadata::Orientation;
use image::{Delay, DynamicImage, Frame, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use thimble_tests::image_files::{
    bmp_with_alpha, bmp_with_header, encoded, exif, jpeg_with_app1, png_chunk, png_with_chunk_after,
    png_with_chunk_before, riff_chunk, tiff, webp_with_chunk, xmp,
};
use trainer::image::{Background, Image, Transparency, decode};

/// Wider than high, and no two pixels alike.
fn small() -> GrayImage {
    GrayImage::from_fn(3, 2, |x, y| Luma([(10 + 40 * x + 100 * y) as u8]))
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// What ImageMagick makes of EXIF data that it does not write as a chunk of their own.
fn raw_profile(exif: &[u8]) -> Vec<u8> {
    let data = [b"Exif\0\0", exif].concat();
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> = digits.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("\nexif\n{:>8}\n{}\n", data.len(), lines.join("\n")).into_bytes()
}

/// A file of [`small`] for each place where a tool stores an orientation.
fn oriented(orientation: u8) -> Vec<(&'static str, Vec<u8>)> {
    let gray = DynamicImage::from(small());
    let png = encoded(&gray, ImageFormat::Png);
    let jpeg = encoded(&gray, ImageFormat::Jpeg);
    let webp = encoded(&DynamicImage::from(gray.to_rgb8()), ImageFormat::WebP);
    let short = exif(orientation, 3);
    let app1 = |data: &[u8]| jpeg_with_app1(&jpeg, data);
    let profile = raw_profile(&short);
    let text =
        |name, before: &[u8], text: &[u8]| png_with_chunk_after(&png, &png_chunk(name, &[before, text].concat()));
    let on_webp = |name, data: &[u8]| webp_with_chunk(&webp, (3, 2), &riff_chunk(name, data));
    vec![
        ("PNG, eXIf before", png_with_chunk_before(&png, &png_chunk(b"eXIf", &short))),
        ("PNG, eXIf after", png_with_chunk_after(&png, &png_chunk(b"eXIf", &short))),
        ("PNG, eXIf with a mark", png_with_chunk_after(&png, &png_chunk(b"eXIf", &[b"Exif\0\0", &short[..]].concat()))),
        ("PNG, LONG", png_with_chunk_after(&png, &png_chunk(b"eXIf", &exif(orientation, 4)))),
        ("PNG, BYTE", png_with_chunk_before(&png, &png_chunk(b"eXIf", &exif(orientation, 1)))),
        ("PNG, tEXt", text(b"tEXt", b"Raw profile type exif\0", &profile)),
        ("PNG, zTXt", text(b"zTXt", b"Raw profile type exif\0\0", &zlib(&profile))),
        ("PNG, zTXt, APP1", text(b"zTXt", b"Raw profile type APP1\0\0", &zlib(&profile))),
        ("PNG, iTXt", text(b"iTXt", b"Raw profile type exif\0\0\0\0\0", &profile)),
        ("PNG, iTXt, packed", text(b"iTXt", b"Raw profile type exif\0\x01\0en\0x\0", &zlib(&profile))),
        ("PNG, XMP", text(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0", &xmp(orientation, false))),
        ("JPEG, EXIF", app1(&[b"Exif\0\0", &short[..]].concat())),
        ("JPEG, LONG", app1(&[b"Exif\0\0", &exif(orientation, 4)[..]].concat())),
        ("JPEG, XMP", app1(&[b"http://ns.adobe.com/xap/1.0/\0", &xmp(orientation, false)[..]].concat())),
        ("JPEG, XMP element", app1(&[b"http://ns.adobe.com/xap/1.0/\0", &xmp(orientation, true)[..]].concat())),
        ("WebP, EXIF", on_webp(b"EXIF", &short)),
        ("WebP, EXIF with a mark", on_webp(b"EXIF", &[b"Exif\0\0", &short[..]].concat())),
        ("WebP, XMP", on_webp(b"XMP ", &xmp(orientation, true))),
        ("TIFF", tiff((3, 2), &[(258, &[8]), (262, &[1]), (274, &[orientation.into()])], small().as_raw())),
    ]
}

#[test]
fn an_image_is_turned_the_right_way_up_wherever_its_orientation_is_stored_and_header_and_pixels_agree() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    for orientation in 1..=8 {
        for (place, bytes) in oriented(orientation) {
            let mut expected = DynamicImage::from(small());
            expected.apply_orientation(Orientation::from_exif(orientation).unwrap());
            let expected = expected.into_luma8();
            let image = decode::decode(&bytes).unwrap_or_else(|error| panic!("{place}: {error}"));
            let Image::Gray(found) = &image else { panic!("{place} has color") };
            assert_eq!(found.dimensions(), expected.dimensions(), "{place}, {orientation}");
            let worst = found.iter().zip(expected.iter()).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            let most = if place.starts_with("JPEG") { 12 } else { 0 };
            assert!(worst <= most, "{place}, {orientation}: {worst} levels apart");
            fs::write(&path, &bytes).unwrap();
            let header = decode::header(&path).unwrap();
            assert_eq!((header.height, header.width), image.size(), "{place}, {orientation}");
        }
    }
}

#[test]
fn exif_goes_before_xmp_and_what_is_no_orientation_leaves_an_image_as_it_is() {
    let png = encoded(&small().into(), ImageFormat::Png);
    let with = |chunks: &[Vec<u8>]| png_with_chunk_before(&png, &chunks.concat());
    let xmp_chunk =
        |orientation| png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &xmp(orientation, false)[..]].concat());
    let mut wrong_checksum = png_chunk(b"eXIf", &exif(6, 3));
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let unpacks_to_much = zlib(&vec![b' '; 3 << 20]);
    let cases: [(&str, Vec<u8>, (u32, u32)); 8] = [
        ("both", with(&[xmp_chunk(1), png_chunk(b"eXIf", &exif(6, 3))]), (3, 2)),
        ("both, EXIF upright", with(&[xmp_chunk(6), png_chunk(b"eXIf", &exif(1, 3))]), (2, 3)),
        ("EXIF without a value, and XMP", with(&[png_chunk(b"eXIf", &exif(0, 3)), xmp_chunk(6)]), (3, 2)),
        ("9", with(&[png_chunk(b"eXIf", &exif(9, 3))]), (2, 3)),
        ("cut off", with(&[png_chunk(b"eXIf", &exif(6, 3)[..15])]), (2, 3)),
        ("nothing", with(&[png_chunk(b"eXIf", b"")]), (2, 3)),
        ("a wrong checksum", with(&[wrong_checksum]), (2, 3)),
        (
            "a chunk that unpacks to much",
            {
                let chunk = [b"Raw profile type exif\0\0", &unpacks_to_much[..]].concat();
                with(&[png_chunk(b"zTXt", &chunk), png_chunk(b"eXIf", &exif(6, 3))])
            },
            (3, 2),
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(decode::decode(&bytes).unwrap().size(), expected, "{name}");
    }
}

#[test]
fn no_damage_to_metadata_does_more_than_leave_an_image_as_it_is() {
    for (place, whole) in oriented(6) {
        for at in 0..whole.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if let Ok(image) = decode::decode(&damaged) {
                    assert!(image.size().0 <= 65_535, "{place}");
                }
            }
            let _ = decode::decode(&whole[..at]);
        }
    }
}

#[test]
fn a_bmp_whose_alpha_is_zero_everywhere_is_opaque() {
    let color = [[200, 10, 20], [30, 220, 40], [50, 60, 240], [70, 80, 90]];
    let with_alpha = |alpha: [u8; 4]| {
        let pixels: Vec<[u8; 4]> = color.iter().zip(alpha).map(|(&[r, g, b], alpha)| [r, g, b, alpha]).collect();
        bmp_with_alpha((2, 2), &pixels)
    };
    let decoded = |alpha| decode::decode_onto(&with_alpha(alpha), Background::BLACK).unwrap();
    let expected = Image::Rgb(RgbImage::from_raw(2, 2, color.concat()).unwrap());
    for alpha in [[0; 4], [255; 4]] {
        assert_eq!((decoded(alpha).image, decoded(alpha).transparency), (expected.clone(), Transparency::Opaque));
    }
    let partial = decoded([255, 0, 0, 255]);
    let seen = [color[0], [0; 3], [0; 3], color[3]].concat();
    assert_eq!(partial.image, Image::Rgb(RgbImage::from_raw(2, 2, seen).unwrap()));
    assert_eq!(partial.transparency, Transparency::Partial);
}

#[test]
fn what_is_transparent_shows_the_background_in_every_format_with_transparency() {
    let drawn = RgbaImage::from_fn(4, 3, |x, _| if x == 1 { Rgba([0, 0, 0, 255]) } else { Rgba([9, 9, 9, 0]) });
    let drawn = DynamicImage::from(drawn);
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff] {
        let bytes = encoded(&drawn, format);
        let on = |background: Background| decode::decode_onto(&bytes, background).unwrap();
        assert_eq!(on(Background::BLACK).image, Image::from_gray_bytes(3, 4, vec![0; 12]), "{format:?}");
        let white = [255, 0, 255, 255].repeat(3);
        assert_eq!(on(Background::WHITE).image, Image::from_gray_bytes(3, 4, white), "{format:?}");
        assert_eq!(on(Background::WHITE).transparency, Transparency::Partial, "{format:?}");
        let Image::Rgb(red) = on("red".parse().unwrap()).image else { panic!("{format:?}") };
        assert_eq!(red.as_raw()[..6], [255, 0, 0, 0, 0, 0], "{format:?}");
    }
}

#[test]
fn of_an_animation_the_first_image_is_read() {
    let shades: Vec<RgbaImage> =
        [60, 200].map(|shade| RgbaImage::from_pixel(5, 4, Rgba([shade, shade, shade, 255]))).into();
    let mut gif = Vec::new();
    let frames = shades.iter().map(|image| Frame::from_parts(image.clone(), 0, 0, Delay::from_numer_denom_ms(100, 1)));
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    // An animated WebP: a canvas, and frames with an image each.
    let frame = |image: &RgbaImage| {
        let still = encoded(&DynamicImage::from(image.clone()).into_rgb8().into(), ImageFormat::WebP);
        let place = [&[0; 6][..], &[4, 0, 0, 3, 0, 0, 100, 0, 0, 0]].concat();
        riff_chunk(b"ANMF", &[&place[..], &still[12..]].concat())
    };
    let canvas = riff_chunk(b"VP8X", &[0b10, 0, 0, 0, 4, 0, 0, 3, 0, 0]);
    let body = [b"WEBP", &canvas[..], &riff_chunk(b"ANIM", &[0; 6]), &frame(&shades[0]), &frame(&shades[1])].concat();
    let mut apng = Vec::new();
    {
        let mut encoder = png::Encoder::new(&mut apng, 5, 4);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        for image in &shades {
            writer.write_image_data(image.as_raw()).unwrap();
        }
        writer.finish().unwrap();
    }
    for (name, bytes) in [("GIF", gif), ("WebP", riff_chunk(b"RIFF", &body)), ("PNG", apng)] {
        let Image::Gray(image) = decode::decode(&bytes).unwrap() else { panic!("{name} has color") };
        assert_eq!(image.dimensions(), (5, 4), "{name}");
        // The decoder of WebP blends frames onto their canvas with a rounding of its own.
        assert!(image.iter().all(|shade| shade.abs_diff(60) <= 1), "{name}: {image:?}");
    }
}

/// TIFF files by their tags, each with its result: pixels, or the reason of the refusal.
#[test]
fn tiff_files_come_out_right_or_are_refused_by_name() {
    let rgb: &[u16] = &[8, 8, 8];
    let rgba: &[u16] = &[8, 8, 8, 8];
    let deflated = zlib(&[1, 2, 3, 4]);
    let pixel = |pixel: [u8; 3]| Ok(pixel);
    /// What it is, the file, and its pixel or a part of its refusal.
    type Case = (&'static str, Vec<u8>, Result<[u8; 3], &'static str>);
    let cases: Vec<Case> = vec![
        ("gray", tiff((2, 2), &[(258, &[8]), (262, &[1])], &[1, 2, 3, 4]), pixel([1; 3])),
        ("gray, white is zero", tiff((2, 2), &[(258, &[8]), (262, &[0])], &[1, 2, 3, 4]), pixel([254; 3])),
        ("bilevel", tiff((2, 2), &[(258, &[1]), (262, &[1])], &[0b1000_0000, 0]), pixel([255; 3])),
        ("Deflate", tiff((2, 2), &[(258, &[8]), (259, &[8]), (262, &[1])], &deflated), pixel([1; 3])),
        ("PackBits", tiff((2, 2), &[(258, &[8]), (259, &[32_773]), (262, &[1])], &[3, 7, 2, 3, 4]), pixel([7; 3])),
        ("RGB", tiff((1, 1), &[(258, rgb), (262, &[2]), (277, &[3])], &[10, 20, 30]), pixel([10, 20, 30])),
        (
            "RGB, planes apart",
            tiff((1, 1), &[(258, rgb), (262, &[2]), (277, &[3]), (284, &[2])], &[10, 20, 30]),
            // One strip for three planes is damaged; see below for three.
            Err("damaged or truncated"),
        ),
        (
            "straight alpha",
            tiff((1, 1), &[(258, rgba), (262, &[2]), (277, &[4]), (338, &[2])], &[100, 200, 50, 51]),
            pixel([20, 40, 10]),
        ),
        (
            "associated alpha",
            tiff((1, 1), &[(258, rgba), (262, &[2]), (277, &[4]), (338, &[1])], &[20, 40, 10, 51]),
            pixel([20, 40, 10]),
        ),
        (
            "a fourth channel of something else",
            tiff((1, 1), &[(258, rgba), (262, &[2]), (277, &[4]), (338, &[0])], &[20, 40, 10, 0]),
            pixel([20, 40, 10]),
        ),
        ("CMYK", tiff((1, 1), &[(258, rgba), (262, &[5]), (277, &[4])], &[0, 128, 255, 0]), pixel([255, 127, 0])),
        ("16 bits", tiff((1, 1), &[(258, &[16]), (262, &[1])], &[0, 128]), pixel([128; 3])),
        (
            "floats",
            tiff((1, 1), &[(258, &[32]), (262, &[1]), (339, &[3])], &[0; 4]),
            Err("a TIFF of 32 bits a channel"),
        ),
        (
            "RGB floats",
            tiff((1, 1), &[(258, &[32; 3]), (262, &[2]), (277, &[3]), (339, &[3; 3])], &[0; 12]),
            Err("not supported: an image of 32 bits a channel; convert it to JPEG or PNG"),
        ),
        (
            "RGB of 32-bit integers",
            tiff((1, 1), &[(258, &[32; 3]), (262, &[2]), (277, &[3])], &[0; 12]),
            Err("not supported: an image of 32 bits a channel"),
        ),
        ("signed", tiff((1, 1), &[(258, &[8]), (262, &[1]), (339, &[2])], &[0]), Err("not supported: ")),
        ("4 bits", tiff((2, 1), &[(258, &[4]), (262, &[1])], &[0x12]), Err("not supported: ")),
        ("palette", tiff((1, 1), &[(258, &[8]), (262, &[3]), (320, &[0; 768])], &[0]), Err("a TIFF with a palette")),
        (
            "JPEG inside",
            tiff((8, 8), &[(258, &[8]), (259, &[7]), (262, &[1])], &[0]),
            Err("a TIFF with JPEG compression"),
        ),
        ("fax", tiff((8, 8), &[(258, &[1]), (259, &[4]), (262, &[0])], &[0]), Err("a TIFF with fax compression")),
        ("a preview first", tiff((1, 1), &[(254, &[1]), (258, &[8]), (262, &[1])], &[0]), Err("begins with a preview")),
        ("DNG", tiff((1, 1), &[(258, &[8]), (262, &[1]), (50_706, &[1])], &[0]), Err("a camera raw (DNG) image")),
        (
            "a strip that is cut off",
            tiff((2, 2), &[(258, &[8]), (262, &[1])], &[1, 2, 3]),
            Err("damaged or truncated ("),
        ),
    ];
    for (name, bytes, expected) in cases {
        match (decode::decode(&bytes), expected) {
            (Ok(Image::Gray(image)), Ok(expected)) => assert_eq!([image.as_raw()[0]; 3], expected, "{name}"),
            (Ok(Image::Rgb(image)), Ok(expected)) => assert_eq!(image.get_pixel(0, 0), &Rgb(expected), "{name}"),
            (Err(error), Err(expected)) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{name}: {message}");
            }
            (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn sound_files_of_kinds_that_are_not_read_are_not_supported_and_not_damaged() {
    let pixels = [[10, 20, 30], [40, 50, 60]];
    let expected = Image::Rgb(RgbImage::from_raw(2, 1, pixels.concat()).unwrap());
    for header_len in [12, 40] {
        assert_eq!(decode::decode(&bmp_with_header(header_len, (2, 1), &pixels)).unwrap(), expected, "{header_len}");
    }
    let with_compression = |compression: u8| {
        let mut bmp = bmp_with_header(40, (2, 1), &pixels);
        bmp[30] = compression;
        bmp
    };
    let os2 = "an OS/2 2.x bitmap";
    let cases: [(Vec<u8>, &str); 9] = [
        (bmp_with_header(16, (2, 1), &pixels), os2),
        (bmp_with_header(64, (2, 1), &pixels), os2),
        (with_compression(4), "a BMP with a JPEG inside"),
        (with_compression(5), "a BMP with a PNG inside"),
        (with_compression(11), "a BMP in CMYK"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), "a HEIC image"),
        (b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1miaf".to_vec(), "an AVIF image"),
        (b"8BPS\0\x01\0\0\0\0\0\0".to_vec(), "a Photoshop (PSD) image"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), "an SVG drawing"),
    ];
    for (bytes, expected) in cases {
        let message = decode::decode(&bytes).unwrap_err().to_string();
        assert_eq!(message, format!("not supported: {expected}; convert it to JPEG or PNG"));
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_in_its_pixels_is_refused() {
    let slope = RgbImage::from_fn(24, 16, |x, y| Rgb([(x / 2 * 20) as u8, (y / 2 * 30) as u8, 128]));
    for format in [ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff, ImageFormat::Bmp] {
        let whole = encoded(&slope.clone().into(), format);
        let expected = decode::decode(&whole).unwrap();
        for len in 0..whole.len() {
            // What is missing may be none of the pixels.
            if let Ok(image) = decode::decode(&whole[..len]) {
                assert_eq!(image, expected, "{format:?}, {len} of {} bytes", whole.len());
                assert!(len + 4 > whole.len() || format == ImageFormat::Tiff, "{format:?}, {len} of {}", whole.len());
            }
        }
    }
}

#[test]
fn every_message_of_a_damaged_file_stays_on_one_line_without_control_characters() {
    let slope = DynamicImage::from(RgbImage::from_fn(24, 16, |x, y| Rgb([(x * 10) as u8, (y * 15) as u8, 128])));
    let mut messages = 0;
    let formats =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff];
    for format in formats {
        let whole = encoded(&slope, format);
        let damaged = (0..whole.len()).flat_map(|at| {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            [whole[..at].to_vec(), changed]
        });
        for bytes in damaged {
            let Err(error) = decode::decode(&bytes) else { continue };
            let message = error.to_string();
            assert!(!message.contains(char::is_control) && message.trim() == message, "{format:?}: {message:?}");
            assert!(message.chars().count() < 300, "{format:?}: {message:?}");
            messages += 1;
        }
    }
    assert!(messages > 1000, "{messages}");
}
