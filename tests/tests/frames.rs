//! Test images on their way to firmware: what the trainer writes is what the firmware reads and draws.

#[allow(dead_code, reason = "some of it only programs for chips use")]
#[path = "../../firmware-example/src/drawing.rs"]
mod drawing;
#[allow(dead_code, reason = "some of it only programs for chips use")]
#[path = "../../firmware-example/src/frames.rs"]
mod frames;

use drawing::{Drawing, Plain};
use frames::{Frame, Frames, FramesError};
use infer_core::Shape;
use trainer::dataset::{ImageShape, Images};
use trainer::export::frames::{choose, encode};

/// Three images of 2x3x3 in two classes.
fn file() -> Vec<u8> {
    let shape = ImageShape { height: 2, width: 3, channels: 3 };
    let pixels = (0..54).collect();
    let images =
        Images::new(shape, pixels, vec![1, 0, 1]).with_names(["b/1.png", "a/1.png", "b/2.png"].map(str::to_owned));
    encode(&images, &choose(&images, 10)).unwrap()
}

#[test]
fn firmware_reads_what_the_trainer_writes() {
    let file = file();
    let frames = Frames::parse(&file).unwrap();
    let shape = Shape { height: 2, width: 3, channels: 3 };
    assert_eq!(frames.shape(), shape);
    let pixels: Vec<u8> = (0..54).collect();
    let frame = |class, name, index: usize| Frame { class, name, pixels: &pixels[index * 18..][..18] };
    let expected = [frame(0, "a/1.png", 1), frame(1, "b/1.png", 0), frame(1, "b/2.png", 2)];
    assert_eq!(frames.clone().collect::<Vec<_>>(), expected);
    assert_eq!(frames.clone().for_input(shape).unwrap().count(), 3);
    let model = Shape { height: 4, ..shape };
    let refusal = frames.for_input(model).unwrap_err();
    assert_eq!(refusal, FramesError::OtherShape { frames: shape, model });
    let message = refusal.to_string();
    assert!(message.starts_with("the frames are images of 2x3x3, and the model takes 4x3x3; "), "{message}");
}

#[test]
fn files_that_hold_no_frames_are_refused_at_any_length_and_with_any_byte_changed() {
    let file = file();
    for len in 0..file.len() {
        let refusal = Frames::parse(&file[..len]).unwrap_err();
        let expected = if len < 8 { FramesError::NotFrames } else { FramesError::Damaged };
        assert_eq!(refusal, expected, "cut at {len}");
    }
    assert_eq!(Frames::parse(&[&file[..], &[0]].concat()).unwrap_err(), FramesError::Damaged);
    for at in 0..file.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut changed = file.clone();
            changed[at] = value;
            // Whatever is read is whole.
            if let Ok(frames) = Frames::parse(&changed) {
                let len = frames.shape().len();
                assert!(frames.count() == 3 && len == 18, "byte {at} as {value}");
            }
        }
    }
    let mut newer = file;
    newer[8] = 2;
    assert_eq!(Frames::parse(&newer).unwrap_err(), FramesError::Version { found: 2 });
}

fn lines(shape: [u16; 3], pixels: &[u8]) -> Vec<String> {
    let [height, width, channels] = shape;
    let drawing = Drawing::new(Shape { height, width, channels }, pixels);
    (0..drawing.rows()).map(|row| drawing.line(row).to_string()).collect()
}

#[test]
fn images_of_any_size_and_in_color_are_drawn_within_32_columns() {
    // Two rows of pixels are one of characters, at their mean brightness.
    assert_eq!(lines([2, 3, 1], &[0, 255, 0, 0, 255, 255]), [" @="]);
    // White, green, red, blue: brightness as the eye sees it.
    assert_eq!(lines([1, 4, 3], &[255, 255, 255, 0, 255, 0, 255, 0, 0, 0, 0, 255]), ["@+:."]);
    for shape in
        [[1, 1, 1], [28, 28, 1], [48, 48, 1], [96, 96, 3], [1024, 1024, 3], [1, 1024, 1], [1024, 1, 3], [33, 31, 1]]
    {
        let drawn = lines(shape, &vec![255; shape.map(usize::from).iter().product()]);
        let width = drawn[0].len();
        assert!((1..=16).contains(&drawn.len()) && (1..=32).contains(&width), "{shape:?}: {drawn:?}");
        assert!(drawn.iter().all(|line| line.len() == width && line.bytes().all(|shade| shade == b'@')), "{drawn:?}");
    }
    assert_eq!((lines([28, 28, 1], &[0; 784]).len(), lines([96, 96, 3], &[0; 27648]).len()), (14, 16));
    // Half dark, half light, at a quarter of its size.
    let half: Vec<u8> = (0..128 * 128).map(|pixel| if pixel % 128 < 64 { 0 } else { 255 }).collect();
    assert_eq!(lines([128, 128, 1], &half)[0], format!("{}{}", " ".repeat(16), "@".repeat(16)));
    // Below the last row a line is as wide as the others.
    let drawing = Drawing::new(Shape { height: 2, width: 3, channels: 1 }, &[255; 6]);
    assert_eq!((drawing.rows(), drawing.line(5).to_string()), (1, "   ".to_owned()));
}

#[test]
fn names_are_drawn_without_what_a_terminal_obeys() {
    let name = "cr\u{1b}[31mow\n\u{202e}wren\u{7f} Wärbler";
    assert_eq!(Plain(name).to_string(), "cr?[31mow??wren? Wärbler");
}
