//! Samples of a component to one for each pixel: as libjpeg does by default, bit for bit. Factors of two are interpolated,
//! others repeated.

use super::frame::{Component, Frame};
use super::plane::Plane;

/// How a component becomes as large as the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is as large.
    Same,
    /// Twice as wide, interpolated.
    Wide,
    /// Twice as high, interpolated.
    High,
    /// Twice as wide and as high, interpolated.
    Both,
    /// So many times as wide and as high, repeated.
    Repeated(usize, usize),
}

/// Makes rows of pixels of a component.
pub(super) struct Upsampler {
    kind: Kind,
    /// Sums of two rows with weights 3 and 1.
    sums: Vec<u16>,
    /// A row of pixels, or up to three more.
    pixels: Vec<u8>,
}

impl Upsampler {
    pub(super) fn new(frame: &Frame, component: &Component, plane: &Plane) -> Self {
        let (h, v) = (frame.most.0 / component.h, frame.most.1 / component.v);
        let kind = match (h, v) {
            (1, 1) => Kind::Same,
            (1, 2) => Kind::High,
            (2, 1) if plane.width > 2 => Kind::Wide,
            (2, 2) if plane.width > 2 => Kind::Both,
            (_, _) => Kind::Repeated(h as usize, v as usize),
        };
        Self { kind, sums: vec![0; plane.width], pixels: vec![0; plane.width * h as usize] }
    }

    /// A row of pixels, or up to three more than the image is wide.
    pub(super) fn row<'a>(&'a mut self, plane: &'a Plane, y: usize) -> &'a [u8] {
        // The row that holds the pixels, and the nearest other one.
        let (near, far) = (y / 2, if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 });
        match self.kind {
            Kind::Same => return plane.row(y),
            Kind::Wide => {
                for (sum, &sample) in self.sums.iter_mut().zip(plane.row(y)) {
                    *sum = u16::from(sample);
                }
                widen::<2, 1, 2>(&self.sums, &mut self.pixels);
            }
            Kind::High => {
                let half = if y.is_multiple_of(2) { 1 } else { 2 };
                for (pixel, sum) in self.pixels.iter_mut().zip(weighted(plane, near, far)) {
                    *pixel = ((sum + half) / 4) as u8;
                }
            }
            Kind::Both => {
                for (sum, weighted) in self.sums.iter_mut().zip(weighted(plane, near, far)) {
                    *sum = weighted;
                }
                widen::<4, 8, 7>(&self.sums, &mut self.pixels);
            }
            Kind::Repeated(h, v) => {
                for (pixels, &sample) in self.pixels.chunks_exact_mut(h).zip(plane.row(y / v)) {
                    pixels.fill(sample);
                }
            }
        }
        &self.pixels
    }
}

/// Three times a row plus another.
fn weighted(plane: &Plane, near: usize, far: usize) -> impl Iterator<Item = u16> + '_ {
    plane.row(near).iter().zip(plane.row(far)).map(|(&near, &far)| 3 * u16::from(near) + u16::from(far))
}

/// Two pixels for each sum: three times it plus the sum to the left, and the same with the right; an edge counts for its
/// own neighbor. Rounds by adding `LEFT` or `RIGHT` before it drops `SHIFT` bits.
fn widen<const SHIFT: u32, const LEFT: u16, const RIGHT: u16>(sums: &[u16], pixels: &mut [u8]) {
    let pair = |left: u16, sum: u16, right: u16| {
        [((3 * sum + left + LEFT) >> SHIFT) as u8, ((3 * sum + right + RIGHT) >> SHIFT) as u8]
    };
    let (pixels, _) = pixels.as_chunks_mut::<2>();
    let ([start, .., end], [first, .., last]) = (&mut *pixels, sums) else { return };
    *start = pair(*first, *first, sums[1]);
    *end = pair(sums[sums.len() - 2], *last, *last);
    for (pixels, window) in pixels[1..].iter_mut().zip(sums.windows(3)) {
        *pixels = pair(window[0], window[1], window[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_between_two_samples_are_nearer_to_the_nearer_one() {
        let mut pixels = [0; 6];
        widen::<2, 1, 2>(&[0, 100, 20], &mut pixels);
        assert_eq!(pixels, [0, 25, 75, 80, 40, 20]);
    }
}
