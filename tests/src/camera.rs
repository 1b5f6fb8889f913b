//! From frames to inputs once more, pixel by pixel in `i64`, from the formulas of `docs/camera.md`: the oracle of `infer_core::camera`.

use infer_core::Shape;
use infer_core::camera::{Format, Preprocessing, Resize, Rotation, YuvRange};

/// Bytes that are a frame.
#[derive(Clone, Debug)]
pub struct FrameBytes {
    /// How the bytes are pixels.
    pub format: Format,
    /// Pixels of a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Bytes from row to row.
    pub stride: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The input that a frame becomes; `None` where the model takes no frame of that size.
#[must_use]
pub fn input(frame: &FrameBytes, preprocessing: &Preprocessing, shape: Shape) -> Option<Vec<u8>> {
    let channels = usize::from(shape.channels);
    let (height, width) = (i64::from(shape.height), i64::from(shape.width));
    // The input before it is turned.
    let on_its_side = matches!(preprocessing.rotation, Rotation::Quarter | Rotation::ThreeQuarters);
    let (rows, columns) = if on_its_side { (width, height) } else { (height, width) };
    let (frame_rows, frame_columns) = (i64::from(frame.height), i64::from(frame.width));

    let (mut from, mut to) = ((frame_rows, frame_columns), (rows, columns));
    match preprocessing.resize {
        Resize::None if from != to => return None,
        Resize::None | Resize::Stretch => {}
        Resize::Fit => to = inside(from, to),
        Resize::Crop => from = inside(to, from),
    }
    let (first_row, first_column) = ((frame_rows - from.0) / 2, (frame_columns - from.1) / 2);
    let (margin_above, margin_left) = ((rows - to.0) / 2, (columns - to.1) / 2);

    let ground = preprocessing.background.map(i64::from);
    let ground = if channels == 1 { vec![luma(ground)] } else { ground.to_vec() };
    let mut flat: Vec<i64> = (0..rows * columns).flat_map(|_| ground.clone()).collect();
    for channel in 0..channels {
        let pixel = |row: i64, column: i64| {
            let Pixel { gray, rgb } = pixel(frame, preprocessing.yuv_range, row as usize, column as usize);
            if channels == 1 { gray } else { rgb[channel] }
        };
        // Along the rows first, to 256ths.
        let along: Vec<Vec<i64>> = (0..from.0)
            .map(|row| {
                let line: Vec<i64> = (0..from.1).map(|column| pixel(first_row + row, first_column + column)).collect();
                scaled_along(&line, to.1)
            })
            .collect();
        for column in 0..to.1 {
            let line: Vec<i64> = along.iter().map(|row| row[column as usize]).collect();
            for (row, value) in scaled_down(&line, to.0).into_iter().enumerate() {
                let at = (margin_above + row as i64) * columns + margin_left + column;
                flat[at as usize * channels + channel] = value;
            }
        }
    }
    let mut turned = vec![0; (height * width) as usize * channels];
    for row in 0..rows {
        for column in 0..columns {
            let (y, x) = match preprocessing.rotation {
                Rotation::None => (row, column),
                Rotation::Quarter => (column, rows - 1 - row),
                Rotation::Half => (rows - 1 - row, columns - 1 - column),
                Rotation::ThreeQuarters => (columns - 1 - column, row),
            };
            let x = if preprocessing.mirror { width - 1 - x } else { x };
            for channel in 0..channels {
                turned[(y * width + x) as usize * channels + channel] =
                    u8::try_from(flat[(row * columns + column) as usize * channels + channel]).expect("a byte");
            }
        }
    }
    Some(turned)
}

/// The largest size of this aspect ratio inside of another, rows and columns.
fn inside(shape: (i64, i64), frame: (i64, i64)) -> (i64, i64) {
    let scaled = |side: i64, by: i64, of: i64, most: i64| ((2 * side * by + of) / (2 * of)).clamp(1, most);
    if shape.1 * frame.0 > shape.0 * frame.1 {
        (scaled(shape.0, frame.1, shape.1, frame.0), frame.1)
    } else {
        (frame.0, scaled(shape.1, frame.0, shape.0, frame.1))
    }
}

/// A row of a frame as so many values, in 256ths.
fn scaled_along(line: &[i64], to: i64) -> Vec<i64> {
    let from = line.len() as i64;
    if from < to {
        return (0..to)
            .map(|output| {
                let (index, fraction) = between(output, from, to);
                line[index] * (256 - fraction) + line[(index + 1).min(line.len() - 1)] * fraction
            })
            .collect();
    }
    // Weights of a unit, and of so many bits; a pixel has `to` units and a cell has `from`.
    let bits = if from <= 2 * to { 8 } else { 24 };
    let unit = (1 << 24) / from;
    let weight = |units: i64| (units * unit) >> (24 - bits);
    (0..to)
        .map(|cell| {
            let (begin, end) = (cell * from, (cell + 1) * from);
            let (first, last) = (begin / to, (end - 1) / to);
            let mut sum = 0;
            let mut rest = 1 << bits;
            for pixel in first..last {
                let units = (pixel + 1) * to - begin.max(pixel * to);
                sum += line[pixel as usize] * weight(units);
                rest -= weight(units);
            }
            assert!((0..=1 << bits).contains(&rest), "the weight of the last pixel");
            sum += line[last as usize] * rest;
            if bits == 8 { sum } else { (sum + (1 << 15)) >> 16 }
        })
        .collect()
}

/// A column of values in 256ths as so many bytes.
fn scaled_down(line: &[i64], to: i64) -> Vec<i64> {
    let from = line.len() as i64;
    let sum = |output: i64| -> i64 {
        if from < to {
            let (index, fraction) = between(output, from, to);
            let next = line[(index + 1).min(line.len() - 1)];
            return line[index] * (65_536 - 256 * fraction) + next * 256 * fraction;
        }
        // In units of the cell, from its beginning.
        let weight_up_to = |units: i64| units.clamp(0, from) * 65_536 / from;
        (0..from)
            .map(|row| {
                let begin = row * to - output * from;
                line[row as usize] * (weight_up_to(begin + to) - weight_up_to(begin))
            })
            .sum()
    };
    (0..to).map(|output| (sum(output) + (1 << 23)) >> 24).collect()
}

/// The pixel before the center of an output, and 256ths of the way to the next one.
fn between(output: i64, from: i64, to: i64) -> (usize, i64) {
    let position = (256 * ((2 * output + 1) * from - to) + to).div_euclid(2 * to).clamp(0, 256 * (from - 1));
    ((position / 256) as usize, position % 256)
}

/// What a pixel is: of YUV, the luma is what gray inputs get.
struct Pixel {
    gray: i64,
    rgb: [i64; 3],
}

fn luma([red, green, blue]: [i64; 3]) -> i64 {
    (19_595 * red + 38_470 * green + 7_471 * blue + 32_768) / 65_536
}

fn pixel(frame: &FrameBytes, range: YuvRange, row: usize, column: usize) -> Pixel {
    let byte = |index: usize| i64::from(frame.bytes[row * frame.stride + index]);
    let of_rgb = |rgb: [i64; 3]| Pixel { gray: luma(rgb), rgb };
    let five_six_five = |packed: i64| {
        let (red, green, blue) = (packed >> 11, packed >> 5 & 63, packed & 31);
        of_rgb([red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2])
    };
    let pair = column / 2 * 4;
    let (y, u, v) = match frame.format {
        Format::Gray8 => return of_rgb([byte(column); 3]),
        Format::Rgb888 => return of_rgb([0, 1, 2].map(|channel| byte(3 * column + channel))),
        Format::Bgr888 => return of_rgb([2, 1, 0].map(|channel| byte(3 * column + channel))),
        Format::Rgb565Le => return five_six_five(byte(2 * column) + 256 * byte(2 * column + 1)),
        Format::Rgb565Be => return five_six_five(256 * byte(2 * column) + byte(2 * column + 1)),
        Format::Yuyv => (byte(pair + column % 2 * 2), byte(pair + 1), byte(pair + 3)),
        Format::Uyvy => (byte(pair + 1 + column % 2 * 2), byte(pair), byte(pair + 2)),
    };
    let (black, [of_y, red_v, green_u, green_v, blue_u]) = match range {
        YuvRange::Full => (0, [256, 359, 88, 183, 454]),
        YuvRange::Limited => (16, [298, 409, 100, 208, 516]),
    };
    let scaled = |chroma: i64| (of_y * (y - black) + chroma + 128).div_euclid(256).clamp(0, 255);
    let (u, v) = (u - 128, v - 128);
    Pixel { gray: scaled(0), rgb: [scaled(red_v * v), scaled(-green_u * u - green_v * v), scaled(blue_u * u)] }
}
