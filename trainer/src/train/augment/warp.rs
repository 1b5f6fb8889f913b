//! Rotated, enlarged, sheared, moved and cropped images: one affine map from the pixels of the result to those of the image, with
//! bilinear interpolation.
//!
//! Beyond an image's border are the pixels of its border. Black there would be a frame whose edges show the angle, and no
//! photograph has one; where an image has a black background, the two are the same.
//!
//! Integers throughout: coordinates have 16 bits after the point, weights 8, and of four neighbors come values that are rounded once.

use super::motion::Motion;
use super::options::Augment;
use crate::dataset::ImageShape;
use crate::support::rng::{ChaCha8Rng, RngExt};

/// What an image goes through, in this order: zoom, shear, rotation and shift about its center, then the crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Degrees clockwise.
    rotation: f64,
    /// Factor.
    zoom: f64,
    /// Degrees by which upright lines lean: what is below the center goes to the right where they are positive.
    shear: f64,
    /// Share of the height, down.
    down: f64,
    /// Share of the width, to the right.
    right: f64,
    /// What is scaled to the whole.
    crop: Crop,
}

/// A part of an image, in shares of its sides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Crop {
    height: f64,
    width: f64,
    top: f64,
    left: f64,
}

impl Crop {
    const WHOLE: Self = Self { height: 1.0, width: 1.0, top: 0.0, left: 0.0 };

    /// One that has at least so much of the area left.
    fn draw(most: f64, generator: &mut ChaCha8Rng) -> Self {
        if most == 0.0 {
            return Self::WHOLE;
        }
        let area: f64 = generator.random_range(1.0 - most..=1.0);
        // Aspects at which a part of that area is neither higher nor wider than the image.
        let farthest = (4.0f64 / 3.0).min(1.0 / area).ln();
        let aspect = generator.random_range(-farthest..=farthest).exp();
        let (height, width) = ((area / aspect).sqrt().min(1.0), (area * aspect).sqrt().min(1.0));
        let (top, left) = (generator.random_range(0.0..=1.0 - height), generator.random_range(0.0..=1.0 - width));
        Self { height, width, top, left }
    }
}

/// Bits after the point of a coordinate.
const FRACTION: u32 = 16;

/// Bits after the point of a neighbor's weight along one side.
const WEIGHT: u32 = 8;

/// Where in an image the pixel `[y, x]` of the result comes from: `origin + y * down + x * right`, each `[y, x]`, in pixels from the
/// center of the first.
#[derive(Clone, Copy)]
struct Map {
    origin: [f64; 2],
    down: [f64; 2],
    right: [f64; 2],
}

impl Warp {
    /// One of those that the numbers allow; `None` where they allow none.
    pub fn draw(augment: &Augment, generator: &mut ChaCha8Rng) -> Option<Self> {
        if !augment.is_warped() {
            return None;
        }
        let mut within = |most: f64| if most > 0.0 { generator.random_range(-most..=most) } else { 0.0 };
        Some(Self {
            rotation: within(augment.rotate),
            zoom: within(augment.zoom.ln_1p()).exp(),
            shear: within(augment.shear),
            down: within(augment.translate),
            right: within(augment.translate),
            crop: Crop::draw(augment.crop, generator),
        })
    }

    /// The way back from the result to the image: the inverse of each step, the last one first.
    fn map(&self, shape: ImageShape, motion: Motion) -> Map {
        let (height, width) = (shape.height as f64, shape.width as f64);
        let center = [(height - 1.0) / 2.0, (width - 1.0) / 2.0];
        let back = |[y, x]: [f64; 2]| {
            // The mirror image and whole pixels; then from the center.
            let (y, x) = (y - motion.down as f64 - center[0], x - motion.right as f64 - center[1]);
            let x = if motion.flip { -x } else { x };
            let Crop { height: crop_height, width: crop_width, top, left } = self.crop;
            let y = y * crop_height + (top + crop_height / 2.0 - 0.5) * height - self.down * height;
            let x = x * crop_width + (left + crop_width / 2.0 - 0.5) * width - self.right * width;
            let (sine, cosine) = self.rotation.to_radians().sin_cos();
            let (y, x) = (cosine * y - sine * x, cosine * x + sine * y);
            let x = x - self.shear.to_radians().tan() * y;
            [y / self.zoom + center[0], x / self.zoom + center[1]]
        };
        let origin = back([0.0, 0.0]);
        let step = |[y, x]: [f64; 2]| [y - origin[0], x - origin[1]];
        Map { origin, down: step(back([1.0, 0.0])), right: step(back([0.0, 1.0])) }
    }

    /// Writes one image `[height, width, channels]`, warped, then moved as [`Motion::apply`] moves it, in one pass.
    pub fn apply(&self, pixels: &[u8], shape: ImageShape, motion: Motion, warped: &mut [u8]) {
        let map = self.map(shape, motion);
        // With a number of channels that the compiler knows, their loop is none.
        match shape.channels {
            1 => interpolate(pixels, ImageShape { channels: 1, ..shape }, motion, &map, warped),
            3 => interpolate(pixels, ImageShape { channels: 3, ..shape }, motion, &map, warped),
            _ => interpolate(pixels, shape, motion, &map, warped),
        }
    }
}

#[inline(always)]
fn interpolate(pixels: &[u8], shape: ImageShape, motion: Motion, map: &Map, warped: &mut [u8]) {
    let ImageShape { height, width, channels } = shape;
    let fixed = |value: f64| (value * f64::from(1 << FRACTION)).round() as i32;
    let [down, right] = map.right.map(fixed);
    // Whether a pixel of the result lies inside the image that was moved.
    let is_inside = |at: usize, offset: isize, side: usize| at.checked_add_signed(-offset).is_some_and(|at| at < side);
    for (row, pixels_of_row) in warped.chunks_exact_mut(width * channels).enumerate() {
        if !is_inside(row, motion.down, height) {
            pixels_of_row.fill(0);
            continue;
        }
        // Half of a weight's last bit: weights are rounded, not cut off.
        let start =
            |axis: usize| fixed(map.origin[axis] + row as f64 * map.down[axis]) + (1 << (FRACTION - WEIGHT - 1));
        let (mut y, mut x) = (start(0), start(1));
        for (column, pixel) in pixels_of_row.chunks_exact_mut(channels).enumerate() {
            if is_inside(column, motion.right, width) {
                let ([above, below], [of_above, of_below]) = neighbors(y, height);
                let ([before, after], [of_before, of_after]) = neighbors(x, width);
                let corner = |row: usize, column: usize| &pixels[(row * width + column) * channels..][..channels];
                let corners =
                    [corner(above, before), corner(above, after), corner(below, before), corner(below, after)];
                let weights = [of_above * of_before, of_above * of_after, of_below * of_before, of_below * of_after];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let terms = corners.iter().zip(weights).map(|(corner, weight)| weight * u32::from(corner[channel]));
                    *value = ((terms.sum::<u32>() + (1 << (2 * WEIGHT - 1))) >> (2 * WEIGHT)) as u8;
                }
            } else {
                pixel.fill(0);
            }
            (y, x) = (y + down, x + right);
        }
    }
}

/// The pixels before and after a coordinate, of those that a side has, and the weight of each.
#[inline(always)]
fn neighbors(coordinate: i32, side: usize) -> ([usize; 2], [u32; 2]) {
    let before = coordinate >> FRACTION;
    let after = ((coordinate >> (FRACTION - WEIGHT)) & ((1 << WEIGHT) - 1)) as u32;
    let inside = |at: i32| at.clamp(0, side as i32 - 1) as usize;
    ([inside(before), inside(before + 1)], [(1 << WEIGHT) - after, after])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::{Purpose, stream};

    const NONE: Warp = Warp { rotation: 0.0, zoom: 1.0, shear: 0.0, down: 0.0, right: 0.0, crop: Crop::WHOLE };
    const STILL: Motion = Motion { flip: false, down: 0, right: 0 };

    fn warped(warp: Warp, motion: Motion, pixels: &[u8], [height, width, channels]: [usize; 3]) -> Vec<u8> {
        let mut warped = vec![99; pixels.len()];
        warp.apply(pixels, ImageShape { height, width, channels }, motion, &mut warped);
        warped
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut generator = stream(48, Purpose::Garments, 0);
        (0..length).map(|_| generator.random()).collect()
    }

    #[test]
    fn no_warp_leaves_every_pixel_and_moves_as_a_motion_does() {
        for (channels, down, right) in [(1, 0, 0), (3, 0, 0), (2, 1, -2), (3, -2, 3), (1, 5, 0), (1, 0, -90)] {
            for flip in [false, true] {
                let (motion, shape) = (Motion { flip, down, right }, ImageShape { height: 5, width: 7, channels });
                let image = noise(shape.len());
                let mut moved = vec![99; shape.len()];
                motion.apply(&image, shape, &mut moved);
                assert_eq!(warped(NONE, motion, &image, [5, 7, channels]), moved, "{motion:?}");
            }
        }
    }

    #[test]
    fn a_quarter_turn_is_exact_and_clockwise() {
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let turned = |rotation| warped(Warp { rotation, ..NONE }, STILL, &image, [3, 3, 1]);
        assert_eq!(turned(90.0), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        assert_eq!(turned(-90.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(turned(180.0), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        // Of an image that is wider than high, pixels stay square, and beyond the border is the border.
        let wide = warped(Warp { rotation: 90.0, ..NONE }, STILL, &[1, 2, 3, 4, 5], [1, 5, 1]);
        assert_eq!(wide, [3, 3, 3, 3, 3]);
    }

    #[test]
    fn half_a_pixel_to_the_right_is_the_mean_of_two_and_the_border_is_continued() {
        let right = Warp { right: 0.5 / 4.0, ..NONE };
        assert_eq!(warped(right, STILL, &[10, 20, 30, 50], [1, 4, 1]), [10, 15, 25, 40]);
        let up = Warp { down: -0.25 / 2.0, ..NONE };
        assert_eq!(warped(up, STILL, &[0, 100, 200, 40, 20, 8], [2, 1, 3]), [10, 80, 152, 40, 20, 8]);
        let far = Warp { right: 0.5, ..NONE };
        assert_eq!(warped(far, STILL, &[10, 20, 30, 50], [1, 4, 1]), [10, 10, 10, 20]);
    }

    #[test]
    fn a_zoom_of_two_shows_the_middle_and_one_of_a_half_the_whole_in_it() {
        let ramp: Vec<u8> = (0..8).map(|x| x * 16).collect();
        // From the center at 3.5, in steps of half a pixel.
        assert_eq!(warped(Warp { zoom: 2.0, ..NONE }, STILL, &ramp, [1, 8, 1]), [28, 36, 44, 52, 60, 68, 76, 84]);
        assert_eq!(warped(Warp { zoom: 0.5, ..NONE }, STILL, &ramp, [1, 8, 1]), [0, 0, 8, 40, 72, 104, 112, 112]);
    }

    #[test]
    fn a_shear_leans_upright_lines() {
        let line = [0, 0, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0, 0];
        let leaning = warped(Warp { shear: 45.0, ..NONE }, STILL, &line, [3, 5, 1]);
        assert_eq!(leaning, [0, 9, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 9, 0]);
    }

    #[test]
    fn a_crop_is_scaled_to_the_whole() {
        let ramp: Vec<u8> = (0..8).map(|x| x * 16).collect();
        let right_half = Crop { width: 0.5, left: 0.5, ..Crop::WHOLE };
        // The centers of the result's pixels lie at 3.75, 4.25 and so on of the image's.
        assert_eq!(
            warped(Warp { crop: right_half, ..NONE }, STILL, &ramp, [1, 8, 1]),
            [60, 68, 76, 84, 92, 100, 108, 112]
        );
    }

    #[test]
    fn crops_have_their_share_of_the_area_lie_inside_and_reach_every_border() {
        let crops: Vec<Crop> =
            (0..2000).map(|index| Crop::draw(0.6, &mut stream(48, Purpose::Augment, index))).collect();
        for crop in &crops {
            let (area, aspect) = (crop.height * crop.width, crop.width / crop.height);
            assert!((0.4 - 1e-9..=1.0).contains(&area), "{crop:?}");
            assert!((0.749..1.334).contains(&aspect), "{crop:?}");
            assert!(crop.top >= 0.0 && crop.top + crop.height <= 1.0 + 1e-9, "{crop:?}");
            assert!(crop.left >= 0.0 && crop.left + crop.width <= 1.0 + 1e-9, "{crop:?}");
        }
        let mean = crops.iter().map(|crop| crop.height * crop.width).sum::<f64>() / 2000.0;
        assert!((mean - 0.7).abs() < 0.02, "{mean}");
        let ends = |end: fn(&Crop) -> f64| {
            crops.iter().map(end).fold((1.0f64, 0.0f64), |(low, high), at| (low.min(at), high.max(at)))
        };
        for (low, high) in [ends(|crop| crop.top + crop.height), ends(|crop| crop.left + crop.width)] {
            assert!(low < 0.75 && high > 0.99, "{low} to {high}");
        }
        let tallest = crops.iter().map(|crop| crop.height / crop.width).fold(0.0, f64::max);
        assert!(tallest > 1.3, "{tallest}");
    }

    /// All at once against the steps one by one, in floats: where a point of the image goes, the result has its value.
    #[test]
    fn all_together_are_zoom_shear_rotation_shift_crop_and_motion_in_this_order() {
        // A plane, which bilinear interpolation gives back.
        let plane = |y: f64, x: f64| 20.0 + 2.0 * y + 1.5 * x;
        let image: Vec<u8> = (0..40 * 60).map(|at| plane((at / 60) as f64, (at % 60) as f64).round() as u8).collect();
        let crop = Crop { height: 0.8, width: 0.7, top: 0.15, left: 0.05 };
        let warp = Warp { rotation: 25.0, zoom: 1.2, shear: 10.0, down: 0.1, right: -0.05, crop };
        let motion = Motion { flip: true, down: 2, right: -1 };
        let result = warped(warp, motion, &image, [40, 60, 1]);
        let mut compared = 0;
        for at in 0..40 * 60 {
            let (from_y, from_x) = ((at / 60) as f64, (at % 60) as f64);
            let (mut y, mut x) = ((from_y - 19.5) * 1.2, (from_x - 29.5) * 1.2);
            x += 10f64.to_radians().tan() * y;
            let angle = 25f64.to_radians();
            (y, x) = (angle.sin() * x + angle.cos() * y, angle.cos() * x - angle.sin() * y);
            (y, x) = (y + 0.1 * 40.0, x - 0.05 * 60.0);
            // Edges of the crop from the image's first edge, which is half a pixel before its first center.
            y = (y + 20.0 - 0.15 * 40.0) / 0.8 - 0.5;
            x = (x + 30.0 - 0.05 * 60.0) / 0.7 - 0.5;
            x = 59.0 - x;
            (y, x) = (y + 2.0, x - 1.0);
            let inside = (0.0..39.0).contains(&y) && (0.0..59.0).contains(&x);
            let (row, column) = (y.floor() as usize, x.floor() as usize);
            if inside && row >= 2 && column + 1 < 59 {
                let value = |row: usize, column: usize| f64::from(result[row * 60 + column]);
                let (dy, dx) = (y - row as f64, x - column as f64);
                let mean = (1.0 - dy) * ((1.0 - dx) * value(row, column) + dx * value(row, column + 1))
                    + dy * ((1.0 - dx) * value(row + 1, column) + dx * value(row + 1, column + 1));
                let is_within = (2.0..37.0).contains(&from_y) && (2.0..57.0).contains(&from_x);
                if is_within {
                    assert!((mean - plane(from_y, from_x)).abs() < 1.5, "{from_y} {from_x}: {mean}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 300, "{compared}");
    }

    #[test]
    fn what_is_drawn_is_within_what_is_allowed_and_nothing_is_drawn_for_nothing() {
        let augment = Augment { rotate: 10.0, zoom: 0.25, shear: 5.0, translate: 0.1, ..Augment::default() };
        let draw = |augment: &Augment, index| Warp::draw(augment, &mut stream(48, Purpose::Augment, index));
        let warps: Vec<Warp> = (0..1000).filter_map(|index| draw(&augment, index)).collect();
        let range = |value: fn(&Warp) -> f64| {
            warps.iter().map(value).fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
        };
        let expected = [(-10.0, 10.0), (0.8, 1.25), (-5.0, 5.0), (-0.1, 0.1), (-0.1, 0.1)];
        let drawn = [
            range(|warp| warp.rotation),
            range(|warp| warp.zoom),
            range(|warp| warp.shear),
            range(|warp| warp.down),
            range(|warp| warp.right),
        ];
        for ((low, high), (least, most)) in drawn.into_iter().zip(expected) {
            let near = (most - least) * 0.02;
            assert!((least..=least + near).contains(&low) && (most - near..=most).contains(&high), "{low} to {high}");
        }
        let larger = warps.iter().filter(|warp| warp.zoom > 1.0).count();
        assert!((430..570).contains(&larger), "as many larger as smaller: {larger}");
        assert!(warps.iter().all(|warp| warp.crop == Crop::WHOLE));
        assert_eq!(draw(&Augment { flip: 1.0, shift: 3, erase: 1.0, ..Augment::default() }, 0), None);
    }
}
