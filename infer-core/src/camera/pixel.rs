//! The pixels of each format as gray or RGB of 8 bits, several channels to a word.

use super::YuvRange;

/// Luma of RGB by ITU-R BT.601, `0.299 R + 0.587 G + 0.114 B`: `(19595 R + 38470 G + 7471 B + 32768) >> 16`.
#[must_use]
pub const fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((19_595 * red as u32 + 38_470 * green as u32 + 7_471 * blue as u32 + 0x8000) >> 16) as u8
}

/// The factors of YUV to RGB, in 256ths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yuv {
    black: i32,
    luma: i32,
    red_of_v: i32,
    green_of_u: i32,
    green_of_v: i32,
    blue_of_u: i32,
}

impl Yuv {
    pub const fn of(range: YuvRange) -> &'static Self {
        match range {
            YuvRange::Full => {
                &Self { black: 0, luma: 256, red_of_v: 359, green_of_u: 88, green_of_v: 183, blue_of_u: 454 }
            }
            YuvRange::Limited => {
                &Self { black: 16, luma: 298, red_of_v: 409, green_of_u: 100, green_of_v: 208, blue_of_u: 516 }
            }
        }
    }

    /// The luma in 256ths, and a half.
    fn scaled(&self, y: u8) -> i32 {
        self.luma * (i32::from(y) - self.black) + 128
    }
}

/// A value in 256ths as a byte.
fn byte(scaled: i32) -> u32 {
    (scaled >> 8).clamp(0, 255) as u32
}

/// The channels of a pixel, or sums of pixels, each in 16 bits at least.
pub(super) trait Lanes<const CHANNELS: usize>: Copy {
    /// Black.
    const ZERO: Self;
    fn of(pixel: impl Pixel, yuv: &Yuv) -> Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, weight: u32) -> Self;
    fn values(self) -> [u32; CHANNELS];
    /// Of values below 2^16.
    fn of_values(values: [u32; CHANNELS]) -> Self;
    /// What the line has of them.
    fn of_line(line: &mut Line) -> &mut [Self];
}

/// One channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gray(u32);

impl Lanes<1> for Gray {
    const ZERO: Self = Self(0);

    #[inline(always)]
    fn of(pixel: impl Pixel, yuv: &Yuv) -> Self {
        Self(pixel.gray(yuv))
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline(always)]
    fn times(self, weight: u32) -> Self {
        Self(self.0.wrapping_mul(weight))
    }

    #[inline(always)]
    fn values(self) -> [u32; 1] {
        [self.0]
    }

    #[inline(always)]
    fn of_values([gray]: [u32; 1]) -> Self {
        Self(gray)
    }

    #[inline(always)]
    fn of_line(line: &mut Line) -> &mut [Self] {
        match line {
            Line::Gray(line) => line,
            Line::Color(_) => &mut [],
        }
    }
}

/// Three channels in two words: red and blue share one, so that one multiplication does both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Color {
    /// Blue in the upper half.
    blue_red: u32,
    green: u32,
}

impl Color {
    #[inline(always)]
    fn new(red: u32, green: u32, blue: u32) -> Self {
        Self { blue_red: blue << 16 | red, green }
    }
}

impl Lanes<3> for Color {
    const ZERO: Self = Self { blue_red: 0, green: 0 };

    #[inline(always)]
    fn of(pixel: impl Pixel, yuv: &Yuv) -> Self {
        pixel.color(yuv)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self { blue_red: self.blue_red.wrapping_add(other.blue_red), green: self.green.wrapping_add(other.green) }
    }

    #[inline(always)]
    fn times(self, weight: u32) -> Self {
        Self { blue_red: self.blue_red.wrapping_mul(weight), green: self.green.wrapping_mul(weight) }
    }

    #[inline(always)]
    fn values(self) -> [u32; 3] {
        [self.blue_red & 0xFFFF, self.green, self.blue_red >> 16]
    }

    #[inline(always)]
    fn of_values([red, green, blue]: [u32; 3]) -> Self {
        Self::new(red, green, blue)
    }

    #[inline(always)]
    fn of_line(line: &mut Line) -> &mut [Self] {
        match line {
            Line::Gray(_) => &mut [],
            Line::Color(line) => line,
        }
    }
}

/// A pixel as its format has it.
pub(super) trait Pixel: Copy {
    fn gray(self, yuv: &Yuv) -> u32;
    fn color(self, yuv: &Yuv) -> Color;
}

/// A format: how the bytes of a row are pixels.
pub(super) trait PixelFormat {
    type Pixel: Pixel;

    /// The pixels of a row from the column `first` on.
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = Self::Pixel>;
}

fn chunks<const BYTES: usize>(row: &[u8], first: usize) -> impl Iterator<Item = [u8; BYTES]> {
    let (chunks, _) = row.as_chunks();
    chunks.get(first..).unwrap_or_default().iter().copied()
}

/// Pixels of the input that are scaled along the row before they are weighted: few, as they are on the stack.
pub(super) const CHUNK: usize = 32;

/// Memory for these pixels: it is cleared once a frame, as once a row takes long.
#[derive(Clone, Debug)]
pub(super) enum Line {
    Gray([Gray; CHUNK]),
    Color([Color; CHUNK]),
}

impl Line {
    /// For pixels of one channel or of three.
    pub fn new(channels: u16) -> Self {
        if channels == 1 { Self::Gray([Gray::ZERO; CHUNK]) } else { Self::Color([Color::ZERO; CHUNK]) }
    }
}

pub(super) struct Gray8;

impl Pixel for u8 {
    #[inline(always)]
    fn gray(self, _: &Yuv) -> u32 {
        self.into()
    }

    #[inline(always)]
    fn color(self, _: &Yuv) -> Color {
        Color::new(self.into(), self.into(), self.into())
    }
}

impl PixelFormat for Gray8 {
    type Pixel = u8;

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = u8> {
        row.get(first..).unwrap_or_default().iter().copied()
    }
}

pub(super) struct Rgb888;
pub(super) struct Bgr888;

/// Red, green and blue.
impl Pixel for [u8; 3] {
    #[inline(always)]
    fn gray(self, _: &Yuv) -> u32 {
        luma(self).into()
    }

    #[inline(always)]
    fn color(self, _: &Yuv) -> Color {
        let [red, green, blue] = self;
        Color::new(red.into(), green.into(), blue.into())
    }
}

impl PixelFormat for Rgb888 {
    type Pixel = [u8; 3];

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = [u8; 3]> {
        chunks(row, first)
    }
}

impl PixelFormat for Bgr888 {
    type Pixel = [u8; 3];

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = [u8; 3]> {
        chunks(row, first).map(|[blue, green, red]| [red, green, blue])
    }
}

pub(super) struct Rgb565Le;
pub(super) struct Rgb565Be;

/// Five bits of red, six of green, five of blue; each becomes eight by repeating its highest bits below.
#[derive(Clone, Copy)]
pub(super) struct Packed565(u16);

/// The same with its bytes exchanged: `GGGBBBBB RRRRRGGG`, of which the lower three bits are the upper ones of green.
#[derive(Clone, Copy)]
pub(super) struct Exchanged565(u16);

/// Eight bits of six.
#[inline(always)]
fn eight_of_six(six: u32) -> u32 {
    (six * 65) >> 4
}

#[inline(always)]
fn luma_of(color: Color) -> u32 {
    luma(color.values().map(|value| value as u8)).into()
}

impl Pixel for Packed565 {
    #[inline(always)]
    fn gray(self, yuv: &Yuv) -> u32 {
        luma_of(self.color(yuv))
    }

    #[inline(always)]
    fn color(self, _: &Yuv) -> Color {
        let packed = u32::from(self.0);
        // In the upper byte of each half.
        let fives = (packed << 27 | packed) & 0xF800_F800;
        Color { blue_red: (fives >> 5 | fives) >> 8 & 0x00FF_00FF, green: eight_of_six(packed >> 5 & 0x3F) }
    }
}

impl Pixel for Exchanged565 {
    #[inline(always)]
    fn gray(self, yuv: &Yuv) -> u32 {
        luma_of(self.color(yuv))
    }

    #[inline(always)]
    fn color(self, _: &Yuv) -> Color {
        let packed = u32::from(self.0);
        // In the lower byte of each half.
        let fives = (packed << 11 | packed) & 0x00F8_00F8;
        // Twice in a row, the pixel has all six bits of green side by side.
        let twice = packed << 16 | packed;
        Color { blue_red: (fives >> 5 | fives) & 0x00FF_00FF, green: eight_of_six(twice >> 13 & 0x3F) }
    }
}

impl PixelFormat for Rgb565Le {
    type Pixel = Packed565;

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = Packed565> {
        chunks(row, first).map(|bytes| Packed565(u16::from_le_bytes(bytes)))
    }
}

impl PixelFormat for Rgb565Be {
    type Pixel = Exchanged565;

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = Exchanged565> {
        chunks(row, first).map(|bytes| Exchanged565(u16::from_le_bytes(bytes)))
    }
}

pub(super) struct Yuyv;
pub(super) struct Uyvy;

/// Luma and both chromas.
#[derive(Clone, Copy)]
pub(super) struct YuvPixel {
    y: u8,
    u: u8,
    v: u8,
}

impl Pixel for YuvPixel {
    #[inline(always)]
    fn gray(self, yuv: &Yuv) -> u32 {
        byte(yuv.scaled(self.y))
    }

    #[inline(always)]
    fn color(self, yuv: &Yuv) -> Color {
        let y = yuv.scaled(self.y);
        let (u, v) = (i32::from(self.u) - 128, i32::from(self.v) - 128);
        let green = y - yuv.green_of_u * u - yuv.green_of_v * v;
        Color::new(byte(y + yuv.red_of_v * v), byte(green), byte(y + yuv.blue_of_u * u))
    }
}

/// Pixels of which two neighbors share their chroma; a pair is four bytes, in the order `Y U Y V`.
struct Pairs<I> {
    pairs: I,
    pair: [u8; 4],
    is_second_next: bool,
}

impl<I: Iterator<Item = [u8; 4]>> Pairs<I> {
    #[inline(always)]
    fn new(pairs: I, first: usize) -> Self {
        let mut pixels = Self { pairs, pair: [0; 4], is_second_next: false };
        if first % 2 == 1 {
            pixels.next();
        }
        pixels
    }
}

impl<I: Iterator<Item = [u8; 4]>> Iterator for Pairs<I> {
    type Item = YuvPixel;

    #[inline(always)]
    fn next(&mut self) -> Option<YuvPixel> {
        if !self.is_second_next {
            self.pair = self.pairs.next()?;
        }
        let [y, u, second_y, v] = self.pair;
        let y = if self.is_second_next { second_y } else { y };
        self.is_second_next = !self.is_second_next;
        Some(YuvPixel { y, u, v })
    }
}

impl PixelFormat for Yuyv {
    type Pixel = YuvPixel;

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = YuvPixel> {
        Pairs::new(chunks(row, first / 2), first)
    }
}

impl PixelFormat for Uyvy {
    type Pixel = YuvPixel;

    #[inline(always)]
    fn pixels(row: &[u8], first: usize) -> impl Iterator<Item = YuvPixel> {
        Pairs::new(chunks(row, first / 2).map(|[u, y, v, second_y]| [y, u, second_y, v]), first)
    }
}
