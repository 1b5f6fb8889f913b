//! `demo.html`: one page that runs a model in a browser, by infer-core as WebAssembly. Everything is in it, and nothing is fetched.
//!
//! `demo-page/` makes the program, `trainer/assets/demo.wasm`. The page's own policy allows that program and the page's one script, by
//! its hash, and no connection.

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use infer_core::camera::Resize;
use infer_core::{Crc32, Network, Shape};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::palette::{Color, declarations};
use crate::export::inspect::{InspectError, Listing};
use crate::export::model_file;
use crate::export::test_image::TestImage;
use crate::image::{PreprocessError, Preprocessing};
use crate::support::rng::{Purpose, RngExt, stream};
use crate::support::text::thousands;

/// What every such page begins with.
pub const BEGINNING: &str = "<!doctype html>\n<!-- trainer demo -->";

/// Name of the page in the directory of its model.
pub const FILE: &str = "demo.html";

/// Test images in a page, at most.
pub const IMAGES: usize = 10;

/// The program: infer-core, with vectors of 128 bits.
const PROGRAM: &[u8] = include_bytes!("../../assets/demo.wasm");

/// The script of the page.
const SCRIPT: &str = include_str!("../../templates/demo.js");

/// Why there is no page.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The model cannot be listed.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// infer-core refuses the model, or an image of another length.
    #[error(transparent)]
    Refused(#[from] infer_core::Error),
    /// The input of the model is no image.
    #[error("a page can only run a model of images: {0}")]
    Input(#[from] PreprocessError),
    /// The page could not be put together.
    #[error("the page cannot be put together: {0}")]
    Page(#[from] askama::Error),
    /// The data of the page could not be encoded.
    #[error("the data of the page cannot be encoded: {0}")]
    Data(#[from] serde_json::Error),
}

/// The test images of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoImages {
    /// One at least.
    pub images: Vec<TestImage>,
    /// Where they are from, for a reader: `10 test images of birds`.
    pub about: String,
    /// Whether they are noise, in place of images that are not available.
    pub are_made_up: bool,
}

impl DemoImages {
    /// Noise, always the same: by it the page can still be compared with the host.
    #[must_use]
    pub fn made_up(input: Shape) -> Self {
        let image = |number: usize| {
            let mut bytes = vec![0; input.len()];
            stream(0, Purpose::Noise, number as u64).fill(&mut bytes[..]);
            TestImage { bytes, name: Some(format!("noise {number}")), class: None }
        };
        let images: Vec<TestImage> = (1..=IMAGES).map(image).collect();
        Self { about: format!("{} images of noise", images.len()), images, are_made_up: true }
    }
}

#[derive(Template)]
#[template(path = "demo.html")]
struct Page {
    beginning: &'static str,
    title: String,
    light: String,
    dark: String,
    is_drawable: bool,
    asks_resize: bool,
    input: String,
    images_title: &'static str,
    images_about: String,
    checksum: String,
    key_figures: Vec<KeyFigure>,
    data: String,
    program: String,
    model: String,
    images: String,
    script: &'static str,
    script_sha256: String,
}

struct KeyFigure {
    name: &'static str,
    value: String,
    note: &'static str,
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    classes: &'a [String],
    input: Shape,
    /// 1 to stretch, 2 to fit, 3 to crop; 0 where the model takes images of its own size only.
    resize: u8,
    background: String,
    layers: Vec<LayerData>,
    images: Vec<ImageData<'a>>,
    images_about: &'a str,
    are_made_up: bool,
    checksum: u32,
}

/// What comes out of a stage.
#[derive(Serialize)]
struct LayerData {
    /// Of its layers, each with its number.
    name: String,
    shape: Shape,
    /// The code that means 0.
    zero_point: u8,
}

#[derive(Serialize)]
struct ImageData<'a> {
    name: &'a str,
    class: Option<usize>,
}

/// The page that runs `model` and has these test images.
///
/// # Errors
/// [`DemoError`].
pub fn html(model: &[u8], images: &DemoImages) -> Result<String, DemoError> {
    let listing = Listing::new(model)?;
    // What follows a model in its file stays out of the page.
    let model = model.get(..listing.flash_bytes).unwrap_or(model);
    let mut arena = model_file::arena(model)?;
    let mut network = Network::new(model, &mut arena)?;
    let input = network.input();
    let metadata = network.metadata();
    let conversion = Preprocessing::of_model(metadata.images, &input)?.conversion(input.shape)?;
    let classes = &listing.metadata.class_names;
    let resize = match conversion.of_images().resize {
        Resize::None => 0,
        Resize::Stretch => 1,
        Resize::Fit => 2,
        Resize::Crop => 3,
    };
    let data = Data {
        classes,
        input: input.shape,
        resize,
        background: conversion.background().rgb().map(|value| value.to_string()).join(","),
        layers: layers(&network, &listing),
        images: images.images.iter().map(|image| image_data(image, classes.len())).collect(),
        images_about: &images.about,
        are_made_up: images.are_made_up,
        checksum: checksum(&mut network, images)?,
    };
    let color = if input.shape.channels == 1 { "gray" } else { "color" };
    let page = Page {
        beginning: BEGINNING,
        title: format!("{} on {}", metadata.architecture, metadata.dataset),
        light: declarations(Color::light),
        dark: declarations(Color::dark),
        is_drawable: input.shape.channels == 1,
        asks_resize: resize == 0,
        input: format!("{}x{} pixels in {color}", input.shape.height, input.shape.width),
        images_title: if images.are_made_up { "Noise" } else { "Test images" },
        images_about: images.about.clone(),
        checksum: format!("{:#010x}", data.checksum),
        key_figures: key_figures(&listing),
        // A name of a class could end the element that holds it.
        data: serde_json::to_string(&data)?.replace('<', "\\u003c"),
        program: BASE64_STANDARD.encode(PROGRAM),
        model: BASE64_STANDARD.encode(model),
        images: BASE64_STANDARD
            .encode(images.images.iter().flat_map(|image| &image.bytes).copied().collect::<Vec<_>>()),
        script: SCRIPT,
        script_sha256: BASE64_STANDARD.encode(Sha256::digest(SCRIPT)),
    };
    Ok(page.render()?)
}

/// CRC-32 of the logits of all images, in little-endian bytes: what the page computes too.
fn checksum(network: &mut Network<'_, '_>, images: &DemoImages) -> Result<u32, infer_core::Error> {
    let mut crc = Crc32::new();
    for image in &images.images {
        crc = network.classify(&image.bytes)?.logits().iter().fold(crc, |crc, logit| crc.update(&logit.to_le_bytes()));
    }
    Ok(crc.finish())
}

/// The output of each stage, without the logits: in the order in which [`Network::classify_traced`] shows it.
fn layers(network: &Network<'_, '_>, listing: &Listing) -> Vec<LayerData> {
    let places: Vec<_> = network.plan().places().collect();
    let mut first = 0;
    let stages = places.iter().enumerate().filter_map(|(stage, place)| {
        // A convolution and the pool after it are one stage.
        let of_stage = listing.layers.get(first..=place.layer.into())?;
        first += of_stage.len();
        let names: Vec<String> = of_stage.iter().map(|layer| format!("{} {}", layer.layer, layer.name)).collect();
        let mut reads = places.iter().flat_map(|place| place.ports.inputs());
        let read = reads.find(|read| usize::from(read.source) == stage + 1);
        // What no stage reads is shown from code 0 on.
        let (shape, zero_point) = read.map_or((of_stage.last()?.output, 0), |read| (read.shape, read.zero_point));
        Some(LayerData { name: names.join(", "), shape, zero_point })
    });
    stages.take(places.len().saturating_sub(1)).collect()
}

/// A class that the model does not have is none.
fn image_data(image: &TestImage, classes: usize) -> ImageData<'_> {
    ImageData { name: image.name.as_deref().unwrap_or("image"), class: image.class.filter(|&class| class < classes) }
}

fn key_figures(listing: &Listing) -> Vec<KeyFigure> {
    let key = |name, value, note| KeyFigure { name, value, note };
    let mut figures = vec![
        key("flash", thousands(listing.flash_bytes), "bytes of the model file"),
        key("arena", thousands(listing.arena.bytes), "bytes of RAM, without the stack"),
        key("multiply-accumulates", thousands(listing.macs), "of one inference"),
    ];
    let accuracy = listing.metadata.int8_test_accuracy;
    figures.extend(accuracy.map(|accuracy| key("accuracy", format!("{accuracy:.4}"), "on the test images, 8 bits")));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_always_the_same_and_of_the_models_shape() {
        let input = Shape { height: 2, width: 3, channels: 3 };
        let images = DemoImages::made_up(input);
        assert_eq!(images.images.len(), IMAGES);
        assert!(images.images.iter().all(|image| image.bytes.len() == 18 && image.class.is_none()));
        assert_eq!(images, DemoImages::made_up(input));
        assert_ne!(images.images[0].bytes, images.images[1].bytes);
    }

    #[test]
    fn the_script_cannot_end_its_element() {
        assert!(!SCRIPT.to_ascii_lowercase().contains("</script") && !SCRIPT.contains("<!--"));
    }
}
