//! JPEG files: the pixels of libjpeg for every geometry, and a refusal with the place for every loss of data.

use std::io::Read;

use flate2::read::GzDecoder;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use thimble_tests::jpeg::{Color, Drawing, File, LIBJPEG_PIXELS, Layout, SIZE, all_factors, cases, divide_each_other};
use trainer::image::{Image, ImageError, decode};

/// Pixels, three channels if it has color in a single pixel.
fn pixels(jpeg: &[u8]) -> Result<Vec<u8>, ImageError> {
    Ok(match decode::decode(jpeg)? {
        Image::Gray(image) => image.into_raw(),
        Image::Rgb(image) => image.into_raw(),
        Image::Raw(_) => unreachable!("no JPEG is one"),
    })
}

/// The message of a file that is damaged.
fn damage(jpeg: &[u8], what: &str) -> String {
    match decode::decode(jpeg) {
        Err(error @ ImageError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: it was decoded"),
    }
}

fn unsupported(jpeg: &[u8], what: &str) -> String {
    match decode::decode(jpeg) {
        Err(error @ ImageError::Unsupported { .. }) => error.to_string(),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: it was decoded"),
    }
}

/// One of color with a few MCUs, in some layouts.
fn drawing() -> Drawing {
    Drawing::new((35, 41), vec![(2, 2), (1, 1), (1, 1)], Color::Jfif, 48)
}

fn some_layouts() -> [Layout; 5] {
    let plain = Layout::default();
    [
        plain,
        Layout { is_split: true, ..plain },
        Layout { restart_interval: 2, ..plain },
        Layout { is_progressive: true, ..plain },
        Layout { is_progressive: true, is_split: true, restart_interval: 5, ..plain },
    ]
}

#[test]
fn all_sampling_factors_in_all_layouts_have_the_pixels_of_libjpeg() {
    let mut expected = Vec::new();
    GzDecoder::new(LIBJPEG_PIXELS).read_to_end(&mut expected).unwrap();
    let mut rest = &expected[..];
    let (mut files, mut largest) = (0, 0);
    for case in cases() {
        let len = (SIZE.0 * SIZE.1) as usize * if case.factors.len() == 1 { 1 } else { 3 };
        let (of_case, after) = rest.split_at(len);
        for layout in case.layouts() {
            let what = format!("{:?}, {:?}, {layout:?}", case.factors, case.color);
            let found = pixels(&case.file(&layout).bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(found.len(), len, "{what}");
            let difference = found.iter().zip(of_case).map(|(one, other)| one.abs_diff(*other)).max();
            assert!(difference <= Some(5), "{what}: {difference:?}");
            largest = difference.unwrap_or(0).max(largest);
            files += 1;
        }
        rest = after;
    }
    assert!(rest.is_empty());
    println!("{files} files, largest difference {largest}, none refused");
    assert_eq!((files, largest), (1854, 0));
}

#[test]
fn factors_that_do_not_divide_each_other_are_refused_by_name() {
    let mut refused = 0;
    for luma in all_factors() {
        for chroma in all_factors().filter(|&chroma| !divide_each_other(&[luma, chroma])) {
            let drawing = Drawing::new(SIZE, vec![luma, chroma, chroma], Color::Jfif, 48);
            for layout in drawing.layouts() {
                let message = unsupported(&drawing.file(&layout).bytes, &format!("{luma:?}, {chroma:?}"));
                let ((h, v), (x, y)) = (luma, chroma);
                assert_eq!(
                    message,
                    format!(
                        "not supported: a JPEG of sampling factors {h}x{v},{x}x{y},{x}x{y}, of which one is not a multiple of \
                         another; save it as a baseline or progressive JPEG in gray or color"
                    )
                );
                refused += 1;
            }
        }
    }
    println!("{refused} files refused");
    assert_eq!(refused, 732);
}

#[test]
fn data_that_end_anywhere_in_a_scan_are_damaged_whatever_follows() {
    let next = drawing().file(&Layout::default()).bytes;
    let mut files = 0;
    for layout in some_layouts() {
        let File { bytes, scans } = drawing().file(&layout);
        pixels(&bytes).unwrap();
        for (scan, data) in scans.iter().enumerate() {
            for at in data.clone() {
                for (end, follows) in [(&[][..], "nothing"), (&[0xFF, 0xD9], "the end marker"), (&next, "an image")] {
                    let what = format!("{layout:?}, scan {scan}, byte {at}, {follows}");
                    damage(&[&bytes[..at], end].concat(), &what);
                    files += 1;
                }
            }
        }
        // Whole scans that are missing before the end marker.
        for data in &scans[..scans.len() - 1] {
            damage(&[&bytes[..data.end], &[0xFF, 0xD9]].concat(), &format!("{layout:?} up to byte {}", data.end));
        }
    }
    println!("{files} files");
    assert!(files > 5_000);
}

#[test]
fn the_message_names_which_scan_ends_after_how_many_blocks() {
    let drawing = Drawing::new((16, 64), vec![(1, 1)], Color::Jfif, 48);
    let layout = Layout { restart_interval: 1, ..Layout::default() };
    let File { bytes, scans } = drawing.file(&layout);
    assert_eq!(drawing.blocks_of_first_scan(&layout), 16);
    let marker =
        |number| scans[0].start + bytes[scans[0].clone()].windows(2).position(|two| two == [0xFF, number]).unwrap();
    // After the third block; after the fourth of the second eight, and the middle lost; the marker of another block.
    let cut = [&bytes[..marker(0xD2)], &[0xFF, 0xD9]].concat();
    let message = damage(&cut, "cut");
    assert_eq!(message, "damaged or truncated (the data of scan 1 end after 3 of 16 blocks)");
    let lost = [&bytes[..marker(0xD1)], &bytes[marker(0xD4)..]].concat();
    let message = damage(&lost, "lost");
    assert_eq!(message, "damaged or truncated (scan 1 lacks restart marker 1 after 2 of 16 blocks)");
    let mut renumbered = bytes.clone();
    renumbered[marker(0xD5) + 1] = 0xD6;
    let message = damage(&renumbered, "renumbered");
    assert_eq!(message, "damaged or truncated (scan 1 lacks restart marker 5 after 6 of 16 blocks)");
    let long = [&bytes[..scans[0].end], &[1, 2, 3, 0xFF, 0xD9]].concat();
    let message = damage(&long, "too long");
    assert_eq!(message, "damaged or truncated (scan 1 has 3 bytes too many after 16 of 16 blocks)");
    let endless = &bytes[..scans[0].end];
    assert_eq!(damage(endless, "no end"), "damaged or truncated (the end of the JPEG is missing)");
}

#[test]
fn eight_intervals_that_are_lost_between_two_equal_restart_markers_are_missed() {
    let layout = Layout { restart_interval: 1, ..Layout::default() };
    let File { bytes, scans } = Drawing::new((32, 64), vec![(1, 1)], Color::Jfif, 48).file(&layout);
    let places: Vec<_> = scans[0].clone().filter(|&at| bytes[at..].starts_with(&[0xFF, 0xD3])).collect();
    assert_eq!(places.len(), 4);
    let lost = [&bytes[..places[1]], &bytes[places[2]..]].concat();
    assert_eq!(damage(&lost, "lost"), "damaged or truncated (the data of scan 1 end after 24 of 32 blocks)");
}

#[test]
fn a_part_that_is_lost_within_the_data_is_noticed() {
    let (mut noticed, mut files) = (0, 0);
    for layout in some_layouts() {
        let File { bytes, scans } = drawing().file(&layout);
        for data in scans.iter().filter(|data| data.len() > 40) {
            for len in [1, 2, 7, 30] {
                for at in (data.start..data.end - len).step_by(5) {
                    let lost = [&bytes[..at], &bytes[at + len..]].concat();
                    files += 1;
                    noticed += usize::from(matches!(decode::decode(&lost), Err(ImageError::Damaged { .. })));
                }
            }
        }
    }
    println!("{noticed} of {files} noticed");
    // Bits whose codes happen to make up as many blocks cannot be detected; intervals of two blocks help them.
    assert!(noticed * 10 >= files * 9, "{noticed} of {files} noticed");
}

#[test]
fn what_is_harmless_between_and_after_the_data_changes_nothing() {
    for layout in some_layouts() {
        let File { bytes, scans } = drawing().file(&layout);
        let expected = pixels(&bytes).unwrap();
        let thumbnail = drawing().file(&Layout::default()).bytes;
        assert_eq!(pixels(&[&bytes[..], &[0; 512]].concat()).unwrap(), expected, "filled up");
        assert_eq!(pixels(&[&bytes[..], &thumbnail].concat()).unwrap(), expected, "a second image after the first");
        let comment = [0xFF, 0xFE, 0, 6, 0xFF, 0xD9, 0xFF, 0xDA];
        let in_metadata = [&bytes[..2], &comment, &[0, 0, 0], &bytes[2..]].concat();
        assert_eq!(pixels(&in_metadata).unwrap(), expected, "markers in metadata, and zeros after it");
        let mut filled = bytes.clone();
        for data in scans.iter().rev() {
            let markers = data.clone().filter(|&at| bytes[at] == 0xFF && bytes[at + 1] != 0);
            for at in markers.chain([data.end]).collect::<Vec<_>>().into_iter().rev() {
                filled.splice(at..at, [0xFF, 0xFF]);
            }
        }
        assert_eq!(pixels(&filled).unwrap(), expected, "fill bytes before all markers");
    }
    let layout = Layout { restart_interval: 3, ..Layout::default() };
    let File { bytes, scans } = drawing().file(&layout);
    let one_more = [&bytes[..scans[0].end], &[0xFF, 0xD2], &bytes[scans[0].end..]].concat();
    assert_eq!(pixels(&one_more).unwrap(), pixels(&bytes).unwrap(), "a restart marker after the last full interval");
    let two_more = [&bytes[..scans[0].end], &[0xFF, 0xD2, 0xFF, 0xD3], &bytes[scans[0].end..]].concat();
    damage(&two_more, "two more restart markers");
    let wrong = [&bytes[..scans[0].end], &[0xFF, 0xD3], &bytes[scans[0].end..]].concat();
    damage(&wrong, "a restart marker of another number");
}

#[test]
fn a_height_that_comes_after_the_first_scan_is_the_height() {
    for layout in some_layouts() {
        let late = Layout { has_late_height: true, ..layout };
        let (whole, File { mut bytes, scans }) = (drawing().file(&layout), drawing().file(&late));
        assert_eq!(pixels(&bytes).unwrap(), pixels(&whole.bytes).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("late.jpg");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(decode::header(&path).unwrap().height, 35);
        bytes[scans[0].end + 5] += 16;
        damage(&bytes, "more lines than data");
    }
    let frame = drawing().file(&Layout::default()).bytes;
    let at = frame.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap() + 5;
    let without = [&frame[..at], &[0, 0], &frame[at + 2..]].concat();
    let message = damage(&without, "no height");
    assert_eq!(
        message,
        "damaged or truncated (neither its frame header nor its first scan states how many lines it has)"
    );
}

#[test]
fn a_file_without_huffman_tables_means_those_of_the_standard() {
    let rgb: Vec<u8> = (0..3 * 40 * 30u32).map(|at| (at * at % 251) as u8).collect();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode(&rgb, 40, 30, ExtendedColorType::Rgb8).unwrap();
    let expected = pixels(&bytes).unwrap();
    let (mut without, mut at) = (bytes[..2].to_vec(), 2);
    while bytes[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != 0xC4 {
            without.extend(&bytes[at..end]);
        }
        at = end;
    }
    without.extend(&bytes[at..]);
    assert!(without.len() < bytes.len() - 400);
    assert_eq!(pixels(&without).unwrap(), expected);
}

#[test]
fn a_sound_file_of_a_kind_that_is_not_read_is_not_called_damaged() {
    let bytes = drawing().file(&Layout::default()).bytes;
    let frame = bytes.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap() + 1;
    let of_kind = |marker: u8| [&bytes[..frame], &[marker], &bytes[frame + 1..]].concat();
    let advice = "; save it as a baseline or progressive JPEG in gray or color";
    let directory = tempfile::tempdir().unwrap();
    for (marker, kind) in [
        (0xC3, "a lossless JPEG"),
        (0xC5, "a hierarchical JPEG"),
        (0xC9, "an arithmetic-coded JPEG"),
        (0xCA, "an arithmetic-coded JPEG"),
        (0xCB, "a lossless JPEG"),
        (0xCF, "a hierarchical JPEG"),
        (0xDE, "a hierarchical JPEG"),
        (0xF7, "a JPEG-LS image"),
    ] {
        let expected = format!("not supported: {kind}{advice}");
        assert_eq!(unsupported(&of_kind(marker), kind), expected);
        let path = directory.path().join("kind.jpg");
        std::fs::write(&path, of_kind(marker)).unwrap();
        assert_eq!(decode::header(&path).unwrap_err().to_string(), expected);
    }
    let mut deep = bytes.clone();
    deep[frame + 3] = 12;
    assert_eq!(unsupported(&deep, "12 bits"), format!("not supported: a JPEG of 12 bits a sample{advice}"));
    // Extended sequential coding of 8 bits is as baseline coding.
    assert_eq!(pixels(&of_kind(0xC1)).unwrap(), pixels(&bytes).unwrap());
}

#[test]
fn headers_that_are_broken_are_refused() {
    for layout in some_layouts() {
        let File { bytes, scans } = drawing().file(&layout);
        for at in 0..scans[0].start {
            damage(&bytes[..at.max(3)], "cut within the headers");
            for value in [0, 1, 0x10, 0x7F, 0xFF, bytes[at] ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = value;
                // Some change the colors or the tables, and so the pixels; none may do worse.
                let _ = decode::decode(&changed);
            }
        }
    }
    let bytes = drawing().file(&Layout::default()).bytes;
    let quantization = bytes.windows(2).position(|two| two == [0xFF, 0xDB]).unwrap();
    let mut zero = bytes.clone();
    zero[quantization + 9] = 0;
    assert_eq!(damage(&zero, "zero"), "damaged or truncated (quantization table 0 has a zero)");
    assert_eq!(image::guess_format(&bytes).unwrap(), ImageFormat::Jpeg);
}

#[test]
fn a_small_file_of_many_scans_of_a_large_image_costs_no_more_than_its_pixels() {
    let drawing = Drawing::new((8, 8), vec![(1, 1)], Color::Plain, 48);
    let layout = Layout { is_progressive: true, ..Layout::default() };
    let File { mut bytes, scans } = drawing.file(&layout);
    let frame = bytes.windows(2).position(|two| two == [0xFF, 0xC2]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    assert_eq!(damage(&bytes, "large"), "damaged or truncated (the data of scan 1 end after 1 of 1048576 blocks)");
    // The same scan once more.
    let header = bytes[..scans[0].start].windows(2).rposition(|two| two == [0xFF, 0xDA]).unwrap();
    let again = bytes[header..scans[0].end].to_vec();
    let File { mut bytes, .. } = drawing.file(&layout);
    bytes.splice(header..header, again);
    assert_eq!(damage(&bytes, "again"), "damaged or truncated (scan 2 gives bits of coefficient 0 out of order)");
}
