//! The built-in data set: silhouettes of ten garments, drawn from a seed, so that everything works without a network.
//!
//! Each class is a union of simple shapes in a unit square; each image turns, scales, shifts and shades it by its own
//! stream of random numbers, and adds noise. The classes are those of Fashion-MNIST, so a model of one runs on
//! images of the other.

use rayon::prelude::*;

use super::{ImageShape, Images};
use crate::support::rng::{self, Purpose, RngExt};

/// Its name, as model files carry it.
pub const NAME: &str = "garments";

/// What the images are drawn from: always the same ones, whatever the seed of a run.
pub const SEED: u64 = 48;

/// Images to train and validate on.
pub const TRAIN_IMAGES: usize = 6000;

/// Images to test on.
pub const TEST_IMAGES: usize = 1000;

const SIDE: usize = 28;

/// Training and test images, classes in turn.
#[must_use]
pub fn draw(seed: u64) -> (Images, Images) {
    let part = |first: usize, count: usize| {
        let drawn: Vec<[u8; SIDE * SIDE]> =
            (first..first + count).into_par_iter().map(|index| draw_one(seed, index)).collect();
        let labels = (first..first + count).map(class).collect();
        Images::new(ImageShape { height: SIDE, width: SIDE, channels: 1 }, drawn.concat(), labels)
    };
    (part(0, TRAIN_IMAGES), part(TRAIN_IMAGES, TEST_IMAGES))
}

fn class(index: usize) -> u16 {
    (index % 10) as u16
}

/// A point of the unit square; y grows downwards, the center is (0, 0), the edges are at 1.
type Point = (f32, f32);

/// A shape by its signed distance: negative inside.
enum Part {
    /// A box with rounded corners: center, half width and half height, corner radius.
    Block(Point, Point, f32),
    /// A line of this half width.
    Stroke(Point, Point, f32),
    /// A trapezoid: center, half height, half width at the top and at the bottom.
    Taper(Point, f32, f32, f32),
    /// An ellipse: center and half axes.
    Oval(Point, Point),
}

impl Part {
    fn distance(&self, (x, y): Point) -> f32 {
        match *self {
            Self::Block((cx, cy), (w, h), radius) => {
                let (dx, dy) = ((x - cx).abs() - w + radius, (y - cy).abs() - h + radius);
                dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
            }
            Self::Stroke((ax, ay), (bx, by), width) => {
                let (vx, vy) = (bx - ax, by - ay);
                let along = (((x - ax) * vx + (y - ay) * vy) / (vx * vx + vy * vy)).clamp(0.0, 1.0);
                (x - ax - along * vx).hypot(y - ay - along * vy) - width
            }
            Self::Taper((cx, cy), half_height, top, bottom) => {
                let share = ((y - cy) / half_height * 0.5 + 0.5).clamp(0.0, 1.0);
                ((x - cx).abs() - (top + (bottom - top) * share)).max((y - cy).abs() - half_height)
            }
            Self::Oval((cx, cy), (w, h)) => (((x - cx) / w).hypot((y - cy) / h) - 1.0) * w.min(h),
        }
    }
}

/// The parts of a garment, and those that are cut out of the garment. `v` is this image's own cut, three numbers from -1 to 1.
fn silhouette(class: u16, v: [f32; 3]) -> (Vec<Part>, Vec<Part>) {
    use Part::{Block, Oval, Stroke, Taper};
    let body = |w: f32| Block((0.0, 0.1), (w, 0.72), 0.1);
    let sleeves = |to_x: f32, to_y: f32, width: f32| {
        [Stroke((0.34, -0.5), (to_x, to_y), width), Stroke((-0.34, -0.5), (-to_x, to_y), width)]
    };
    let neck = Oval((0.0, -0.66), (0.2 + 0.04 * v[1], 0.14 + 0.05 * v[2]));
    match class {
        // T-shirt: short, wide sleeves.
        0 => {
            let [left, right] = sleeves(0.72 + 0.06 * v[0], -0.22 + 0.1 * v[2], 0.17);
            (vec![body(0.44 + 0.05 * v[1]), left, right], vec![neck])
        }
        // Trouser: two legs.
        1 => {
            let spread = 0.24 + 0.06 * v[0];
            let leg = 0.13 + 0.03 * v[1];
            let waist = Block((0.0, -0.7), (0.32, 0.16), 0.04);
            let legs = [spread, -spread].map(|x| Stroke((x * 0.7, -0.65), (x, 0.8), leg));
            (Vec::from_iter([waist].into_iter().chain(legs)), vec![])
        }
        // Pullover: long sleeves, closed.
        2 => {
            let [left, right] = sleeves(0.74 + 0.08 * v[0], 0.58 + 0.12 * v[2], 0.14);
            (vec![body(0.42 + 0.05 * v[1]), left, right], vec![neck])
        }
        // Dress: narrow shoulders, wide hem.
        3 => {
            let top = Taper((0.0, -0.1), 0.75, 0.2 + 0.04 * v[1], 0.42 + 0.1 * v[0]);
            (vec![top, Taper((0.0, 0.45), 0.35, 0.24, 0.5 + 0.1 * v[0])], vec![Oval((0.0, -0.82), (0.11, 0.13))])
        }
        // Coat: long sleeves, longer, a front that opens.
        4 => {
            let [left, right] = sleeves(0.72 + 0.08 * v[0], 0.5 + 0.12 * v[2], 0.15);
            let opening = Taper((0.03 * v[1], 0.2), 0.72, 0.035, 0.05);
            let lapel = Taper((0.0, -0.5), 0.22, 0.2, 0.02);
            (vec![Block((0.0, 0.14), (0.44, 0.8), 0.06), left, right], vec![opening, lapel])
        }
        // Sandal: a sole and straps with air between.
        5 => {
            let sole = Stroke((-0.8, 0.4), (0.8, 0.46 + 0.05 * v[0]), 0.08);
            let heel = Stroke((-0.72, 0.3 - 0.15 * v[1].abs()), (-0.6, 0.4), 0.1);
            let straps = [(-0.62, -0.06), (-0.1, 0.3), (0.34, 0.62)];
            let straps = straps.map(|(from, to)| Stroke((from, 0.38), (to, -0.12 + 0.12 * v[2]), 0.05));
            (Vec::from_iter([sole, heel].into_iter().chain(straps)), vec![])
        }
        // Shirt: sleeves to the elbow, a collar, a row of buttons.
        6 => {
            let [left, right] = sleeves(0.74 + 0.06 * v[0], 0.14 + 0.16 * v[2], 0.14);
            let collar = Taper((0.0, -0.6), 0.14, 0.17, 0.01);
            let buttons = [-0.25, 0.05, 0.35, 0.65].map(|y| Oval((0.0, y), (0.05, 0.05)));
            (vec![body(0.42 + 0.05 * v[1]), left, right], Vec::from_iter([collar].into_iter().chain(buttons)))
        }
        // Sneaker: low, closed.
        7 => {
            let sole = Stroke((-0.78, 0.42), (0.8, 0.42), 0.09);
            let toe = Oval((0.42, 0.3), (0.44, 0.22 + 0.04 * v[0]));
            let back = Block((-0.42, 0.12), (0.4, 0.3 + 0.05 * v[1]), 0.14);
            let opening = Oval((-0.45, -0.24 - 0.05 * v[1]), (0.22, 0.14));
            (vec![sole, toe, back, Taper((0.1, 0.16), 0.24, 0.2, 0.5)], vec![opening])
        }
        // Bag: a block and a handle.
        8 => {
            let block = Block((0.0, 0.24), (0.68 + 0.1 * v[0], 0.42 + 0.08 * v[1]), 0.08);
            let lift = -0.62 + 0.12 * v[2];
            let handle = [((-0.4, -0.2), (-0.28, lift)), ((-0.28, lift), (0.28, lift)), ((0.28, lift), (0.4, -0.2))];
            let handle = handle.map(|(from, to)| Stroke(from, to, 0.055));
            (Vec::from_iter([block].into_iter().chain(handle)), vec![])
        }
        // Ankle boot: high shaft, heel.
        _ => {
            let shaft = Block((-0.34, -0.22), (0.32 + 0.05 * v[0], 0.66), 0.08);
            let foot = Oval((0.26, 0.42), (0.56, 0.24 + 0.04 * v[1]));
            let sole = Stroke((-0.58, 0.66), (0.76, 0.66), 0.06);
            let heel = Block((-0.5, 0.66), (0.16, 0.16 + 0.05 * v[2]), 0.03);
            (vec![shaft, foot, sole, heel], vec![])
        }
    }
}

fn draw_one(seed: u64, index: usize) -> [u8; SIDE * SIDE] {
    let mut random = rng::stream(seed, Purpose::Garments, index as u64);
    let mut around_zero = |spread: f32| random.random_range(-spread..spread);
    let cut = [around_zero(1.0), around_zero(1.0), around_zero(1.0)];
    let (sine, cosine) = around_zero(0.22).sin_cos();
    let (scale_x, scale_y) = (0.86 + around_zero(0.14), 0.86 + around_zero(0.14));
    let (shift_x, shift_y) = (around_zero(0.12), around_zero(0.12));
    let (bright, slope_x, slope_y) = (0.62 + around_zero(0.3), around_zero(0.25), around_zero(0.25));
    let (stripes, phase, depth) = (6.0 + around_zero(5.0), around_zero(3.0), 0.12 + around_zero(0.12));
    let slant = around_zero(1.5);
    let (parts, holes) = silhouette(class(index), cut);
    let distance = |x: f32, y: f32| {
        let inside = parts.iter().map(|part| part.distance((x, y))).fold(f32::INFINITY, f32::min);
        holes.iter().map(|hole| -hole.distance((x, y))).fold(inside, f32::max)
    };
    let mut pixels = [0; SIDE * SIDE];
    let pixel_width = 2.0 / SIDE as f32;
    for (position, pixel) in pixels.iter_mut().enumerate() {
        let column = (position % SIDE) as f32 + 0.5;
        let row = (position / SIDE) as f32 + 0.5;
        let (x, y) = (column * pixel_width - 1.0 - shift_x, row * pixel_width - 1.0 - shift_y);
        let (x, y) = ((x * cosine + y * sine) / scale_x, (y * cosine - x * sine) / scale_y);
        let cover = (0.5 - distance(x, y) / pixel_width).clamp(0.0, 1.0);
        if cover > 0.0 {
            let texture = ((x * slant + y) * stripes + phase).sin() * depth;
            let shade = bright + slope_x * x + slope_y * y + texture + around_zero(0.12);
            *pixel = (cover * shade.clamp(0.08, 1.0) * 255.0) as u8;
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_balanced_and_the_same_each_time() {
        let (train, test) = draw(SEED);
        assert_eq!((train.len(), test.len()), (TRAIN_IMAGES, TEST_IMAGES));
        for class in 0..10 {
            assert_eq!(test.labels().iter().filter(|&&label| label == class).count(), TEST_IMAGES / 10);
        }
        assert_eq!(draw(SEED).1, test);
        assert_ne!(draw(SEED + 1).1, test);
    }

    #[test]
    fn every_image_shows_something_on_an_empty_background() {
        let (_, test) = draw(SEED);
        for index in 0..test.len() {
            let lit = test.image(index).unwrap().iter().filter(|&&pixel| pixel > 0).count();
            assert!((60..650).contains(&lit), "image {index} of class {} has {lit} lit pixels", test.label(index));
        }
    }
}
