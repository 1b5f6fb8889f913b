//! Images to have a folder of one's own: five shapes in any two colors, at any place, size and angle, with noise.
//!
//! Color, place and size do not depend on the class, so that a network has to learn the shape.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use image::{Rgb, RgbImage};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};

/// The classes in natural order.
pub const CLASS_NAMES: [&str; 5] = ["cross", "disc", "ring", "square", "triangle"];

/// What images are drawn from.
pub const SEED: u64 = 48;

/// Draws image `index` of a class, an index of [`CLASS_NAMES`], `height` by `width` pixels.
///
/// The shape is within the middle square, so that cropping leaves it whole.
#[must_use]
pub fn draw(class: usize, index: usize, (height, width): (u32, u32)) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream((class as u64) << 32 | index as u64);
    let side = height.min(width) as f32;
    let radius = random.random_range(0.24..0.4f32);
    let mut place = || random.random_range(-(0.46 - radius)..0.46 - radius);
    let (center_x, center_y) = (place(), place());
    let (sine, cosine) = random.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let thickness = random.random_range(0.26..0.36f32);
    let (ground, figure) = colors(&mut random);
    let noise = random.random_range(4.0..28.0f32);
    let slope = [random.random_range(-30.0..30.0f32), random.random_range(-30.0..30.0f32)];
    RgbImage::from_fn(width, height, |column, row| {
        let x = (column as f32 + 0.5 - width as f32 / 2.0) / side;
        let y = (row as f32 + 0.5 - height as f32 / 2.0) / side;
        let shade = slope[0] * x + slope[1] * y;
        let (x, y) = ((x - center_x) / radius, (y - center_y) / radius);
        let distance = distance(class, (x * cosine + y * sine, y * cosine - x * sine), thickness) * radius * side;
        let cover = (0.5 - distance).clamp(0.0, 1.0);
        Rgb(std::array::from_fn(|channel| {
            let value = ground[channel] + (figure[channel] - ground[channel]) * cover;
            (value + shade + random.random_range(-noise..noise)).round() as u8
        }))
    })
}

/// Two colors that are far enough apart in luma for a gray image to show the shape.
fn colors(random: &mut ChaCha8Rng) -> ([f32; 3], [f32; 3]) {
    loop {
        let [ground, figure]: [[f32; 3]; 2] =
            std::array::from_fn(|_| std::array::from_fn(|_| random.random_range(20.0..235.0)));
        let luma = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
        if (luma(ground) - luma(figure)).abs() > 60.0 {
            return (ground, figure);
        }
    }
}

/// Signed distance from a shape inside the unit circle, negative inside.
fn distance(class: usize, (x, y): (f32, f32), thickness: f32) -> f32 {
    let block = |w: f32, h: f32| {
        let (dx, dy) = (x.abs() - w, y.abs() - h);
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0)
    };
    match CLASS_NAMES[class] {
        "cross" => block(0.95, thickness).min(block(thickness, 0.95)),
        "disc" => x.hypot(y) - 0.9,
        "ring" => (x.hypot(y) - 0.95 + thickness / 2.0).abs() - thickness / 2.0,
        "square" => block(0.72, 0.72),
        // The half-planes of three sides at 0.5 from the center.
        _ => {
            [90f32, 210.0, 330.0]
                .map(|angle| x * angle.to_radians().cos() + y * angle.to_radians().sin())
                .into_iter()
                .fold(f32::NEG_INFINITY, f32::max)
                - 0.5
        }
    }
}

/// Writes these images of each class, as `DIR/CLASS/INDEX.EXTENSION`, and returns their paths.
///
/// # Errors
/// Where a folder or image cannot be written.
pub fn write(directory: &Path, indices: Range<usize>, size: (u32, u32), extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (class, name) in CLASS_NAMES.iter().enumerate() {
        let folder = directory.join(name);
        fs::create_dir_all(&folder)?;
        for index in indices.clone() {
            let path = folder.join(format!("{index}.{extension}"));
            draw(class, index, size).save(&path).map_err(io::Error::other)?;
            files.push(path);
        }
    }
    Ok(files)
}
