//! Samples of all components of a pixel to gray or RGB, exact to the bit as libjpeg.

use super::segments::Segments;

/// What the components of a JPEG are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColorSpace {
    /// One component.
    Gray,
    /// Three as they are.
    Rgb,
    /// Brightness and two differences.
    YCbCr,
    /// Four of inks, inverted, as all writers do.
    Cmyk,
    /// The first three of those as brightness and two differences.
    Ycck,
}

impl ColorSpace {
    /// As libjpeg decides: by the segment of JFIF, by that of Adobe, by the numbers of the components.
    pub(super) fn of(segments: &Segments, ids: &[u8]) -> Self {
        match (ids, segments.adobe) {
            ([_], _) => Self::Gray,
            ([_, _, _], _) if segments.has_jfif => Self::YCbCr,
            ([_, _, _], Some(transform)) => {
                if transform == 0 {
                    Self::Rgb
                } else {
                    Self::YCbCr
                }
            }
            (b"RGB", None) => Self::Rgb,
            ([_, _, _], None) => Self::YCbCr,
            (_, Some(0) | None) => Self::Cmyk,
            (_, Some(_)) => Self::Ycck,
        }
    }
}

/// Red, green and blue of brightness and two differences.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const fn fixed(value: f64) -> i32 {
        (value * 65536.0 + 0.5) as i32
    }
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = (const { fixed(1.402) } * cr + HALF) >> 16;
    let green = (HALF - const { fixed(0.344_14) } * cb - const { fixed(0.714_14) } * cr) >> 16;
    let blue = (const { fixed(1.772) } * cb + HALF) >> 16;
    [red, green, blue].map(|difference| (y + difference).clamp(0, 255) as u8)
}

/// A row of pixels from the rows of the components.
pub(super) fn convert(space: ColorSpace, rows: &[&[u8]], pixels: &mut [u8]) {
    let with_key =
        |colors: [u8; 3], key: u8| colors.map(|color| ((u32::from(color) * u32::from(key) + 127) / 255) as u8);
    let (triples, _) = pixels.as_chunks_mut::<3>();
    match (space, rows) {
        (ColorSpace::Gray, rows) => {
            for (pixel, &sample) in pixels.iter_mut().zip(rows.iter().copied().flatten()) {
                *pixel = sample;
            }
        }
        (ColorSpace::Rgb, &[r, g, b, ..]) => {
            for (((pixel, &r), &g), &b) in triples.iter_mut().zip(r).zip(g).zip(b) {
                *pixel = [r, g, b];
            }
        }
        (ColorSpace::YCbCr, &[y, cb, cr, ..]) => {
            for (((pixel, &y), &cb), &cr) in triples.iter_mut().zip(y).zip(cb).zip(cr) {
                *pixel = rgb(y, cb, cr);
            }
        }
        (ColorSpace::Cmyk, &[c, m, y, k]) => {
            for ((((pixel, &c), &m), &y), &k) in triples.iter_mut().zip(c).zip(m).zip(y).zip(k) {
                *pixel = with_key([c, m, y], k);
            }
        }
        (ColorSpace::Ycck, &[y, cb, cr, k]) => {
            for ((((pixel, &y), &cb), &cr), &k) in triples.iter_mut().zip(y).zip(cb).zip(cr).zip(k) {
                *pixel = with_key(rgb(y, cb, cr).map(|color| 255 - color), k);
            }
        }
        (ColorSpace::Rgb | ColorSpace::YCbCr | ColorSpace::Cmyk | ColorSpace::Ycck, _) => {
            unreachable!("a color space has the number of components that it was chosen by")
        }
    }
}
