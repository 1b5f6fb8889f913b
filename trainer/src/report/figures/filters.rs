//! Weights of the first layer as images.

use super::figure::{Figure, Kind};
use crate::network::ShapedLayer;
use crate::report::drawing::{Anchor, Drawing, Rectangle, SMALL, Style, WIDTH};
use crate::report::palette::{Color, diverging};
use crate::report::thumbnail::Thumbnail;
use crate::report::{ReportError, RunRecord};

/// Most kernels of a convolution, and images of a row.
const KERNELS: (usize, usize) = (64, 8);
/// Most units of a dense layer, and images of a row.
const UNITS: (usize, usize) = (30, 6);
/// Between two images.
const GAP: f64 = 8.0;
/// Height of the legend.
const LEGEND: f64 = 40.0;

/// Draws the weights of the first layer that has any.
///
/// # Errors
/// [`ReportError::Run`], [`ReportError::Candle`], [`ReportError::Thumbnail`].
pub fn draw(run: &RunRecord) -> Result<Option<Figure>, ReportError> {
    let model = run.model()?;
    let layers = run.architecture.layers.iter().zip(model.parameters());
    let Some((layer, parameters)) =
        layers.into_iter().find_map(|(layer, parameters)| parameters.as_ref().map(|parameters| (layer, parameters)))
    else {
        return Ok(None);
    };
    let rows = parameters.weight.reshape((layer.output_channels(), layer.fan_in()))?.to_vec2::<f32>()?;
    let (most, columns) = if kernel_width(layer).is_some() { KERNELS } else { UNITS };
    let chosen = strongest(&rows, most);
    let thumbnails = chosen.iter().map(|&unit| Ok((unit, thumbnail(&rows[unit], layer)?)));
    let thumbnails: Vec<(usize, Thumbnail)> = thumbnails.collect::<Result<_, png::EncodingError>>()?;
    let colored = kernel_channels(layer) == 3;
    Ok(Some(Figure::new(
        Kind::Filters,
        "Weights of the first layer",
        caption(layer, chosen.len(), rows.len(), colored),
        grid(&thumbnails, columns, colored),
    )))
}

/// Channels that a row of weights has at each position: one where each channel has kernels of its own.
fn kernel_channels(layer: &ShapedLayer) -> usize {
    match layer.weights().map(|weights| weights.dimensions).as_deref() {
        Some(&[_, _, _, channels]) => channels,
        _ => layer.input.channels.max(1).into(),
    }
}

/// The width of a layer's kernels; `None` where each row of weights is about the whole input.
fn kernel_width(layer: &ShapedLayer) -> Option<usize> {
    match layer.weights()?.dimensions[..] {
        [_, _, width, _] => Some(width),
        _ => None,
    }
}

/// The rows with the largest sums of squares, in the order of the units.
fn strongest(rows: &[Vec<f32>], most: usize) -> Vec<usize> {
    let strength: Vec<f64> = rows.iter().map(|row| row.iter().map(|&w| f64::from(w).powi(2)).sum()).collect();
    let mut chosen: Vec<usize> = (0..rows.len()).collect();
    chosen.sort_by(|&a, &b| strength[b].total_cmp(&strength[a]).then(a.cmp(&b)));
    chosen.truncate(most);
    chosen.sort_unstable();
    chosen
}

/// Weights `[height, width, channels]`, the largest of them in full color. Three channels are red, green and blue, gray
/// where the weight is zero; the mean of any other number is shown by sign.
fn thumbnail(weights: &[f32], layer: &ShapedLayer) -> Result<Thumbnail, png::EncodingError> {
    let width = kernel_width(layer).unwrap_or_else(|| layer.input.width.into());
    let channels = kernel_channels(layer);
    let largest = |values: &[f32]| values.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    if channels == 3 {
        let most = largest(weights);
        let byte = |weight: f32| (127.5 + 127.5 * weight / most).round().clamp(0.0, 255.0) as u8;
        let colors: Vec<[u8; 3]> = weights.chunks_exact(3).map(|pixel| [0, 1, 2].map(|c| byte(pixel[c]))).collect();
        return Thumbnail::rgb(&colors, width);
    }
    let means: Vec<f32> =
        weights.chunks_exact(channels).map(|pixel| pixel.iter().sum::<f32>() / channels as f32).collect();
    let most = largest(&means);
    let colors: Vec<[u8; 3]> = means.iter().map(|&weight| diverging(weight / most)).collect();
    Thumbnail::rgb(&colors, width)
}

fn caption(layer: &ShapedLayer, shown: usize, all: usize, colored: bool) -> String {
    let what = if kernel_width(layer).is_some() { "kernels" } else { "units" };
    let which = if shown < all {
        format!("{shown} of {all} {what}, those with the largest weights")
    } else {
        format!("All {all} {what}")
    };
    let reading =
        if colored { "channels are red, green and blue, and gray is zero" } else { "blue takes away, vermillion adds" };
    format!("{which} of {}: {reading}. Each is scaled to its own largest weight.", layer.layer)
}

fn grid(thumbnails: &[(usize, Thumbnail)], columns: usize, colored: bool) -> Drawing {
    let side = (WIDTH - (columns - 1) as f64 * GAP) / columns as f64;
    let rows = thumbnails.len().div_ceil(columns) as f64;
    let legend = if colored { 0.0 } else { LEGEND };
    let mut drawing = Drawing::new(WIDTH, rows * (side + GAP) - GAP + legend);
    for (index, (unit, thumbnail)) in thumbnails.iter().enumerate() {
        let (row, column) = ((index / columns) as f64, (index % columns) as f64);
        let place = Rectangle(column * (side + GAP), row * (side + GAP), side, side);
        drawing.thumbnail(place, thumbnail, &format!("number {}", unit + 1));
    }
    if !colored {
        draw_legend(&mut drawing, rows * (side + GAP) + 6.0);
    }
    drawing
}

/// From the most negative weight through zero to the most positive.
fn draw_legend(drawing: &mut Drawing, top: f64) {
    const BAR: f64 = 180.0;
    let colors: Vec<[u8; 3]> = (0..=20).map(|step| diverging(step as f32 / 10.0 - 1.0)).collect();
    if let Ok(bar) = Thumbnail::rgb(&colors, colors.len()) {
        let about = "from the most negative weight to the most positive";
        drawing.stretched(Rectangle(0.0, top, BAR, 10.0), &bar, about);
    }
    for (x, text, anchor) in [(0.0, "−", Anchor::Start), (BAR / 2.0, "0", Anchor::Middle), (BAR, "+", Anchor::End)] {
        drawing.text((x, top + 19.0), text, Style { anchor, size: SMALL, color: Color::Muted, upward: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    #[test]
    fn kernels_of_a_depthwise_layer_have_one_channel_whatever_the_input_has() {
        let text = "name = \"mine\"\ninput = [12, 12, 3]\n\
                    layers = [{ depthwise_conv = { kernel = [4, 2], padding = \"same\" } }, { dense = {} }]";
        let architecture = Architecture::from_toml(text).unwrap();
        let drawn = thumbnail(&[1.0; 8], &architecture.layers[0]).unwrap();
        assert_eq!((drawn.height, drawn.width), (4, 2));
    }
}
