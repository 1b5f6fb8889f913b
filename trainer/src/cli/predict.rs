//! `trainer predict model.bin IMAGE...`

use std::cmp::Reverse;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use infer_core::{Network, Output};
use rayon::prelude::*;
use serde::Serialize;
use trainer::dataset::folder::images_of;
use trainer::export::model_file;
use trainer::image::{
    Background, Conversion, FrameLayout, ImageError, Mismatches, Observed, Preprocessing, Resize, SixteenBit, decode,
};
use trainer::support::memory;
use trainer::support::printable::{in_one_line, path_text};
use trainer::support::whole_file::write_whole;

use super::data::ResizeMode;
use super::destination::{self, Content, Output as Written};
use super::output::{print_line, print_message, warn};
use super::values::{at_least_one, background, frame};
use crate::Usage;

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// Images that are decoded at once: enough for all cores, few enough that answers come soon.
const BATCH: usize = 64;

/// Classify images with a model file, as the chip would.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer predict model.bin crow.jpg wren.png
  trainer predict model.bin --json images/*.png
  trainer predict model.bin images
  camera | trainer predict model.bin -
  trainer predict model.bin --raw rgb565be:160x120 dump.bin --dump-input input.bin")]
pub struct Predict {
    /// The model file
    model: PathBuf,
    /// PNG, JPEG, BMP, GIF, WebP or TIFF images, of any size if the model was trained with --input, or frames of a
    /// camera, NAME.FORMAT.WIDTHxHEIGHT.raw; a directory means the images in it and in its folders, - means standard
    /// input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The files are frames as a camera delivers them, in this format and size: gray8, rgb888, bgr888, rgb565le, rgb565be,
    /// yuyv or uyvy; the stride is the number of bytes from one row to the next
    #[arg(long, value_name = "FORMAT:WxH[:STRIDE]", value_parser = frame)]
    raw: Option<FrameLayout>,
    /// Write the input that the image becomes, byte for byte, [height, width, channels]; for one image
    #[arg(long, value_name = "FILE")]
    dump_input: Option<PathBuf>,
    /// Number of classes to print, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = at_least_one)]
    top: usize,
    /// How to resize images, for a model that was trained on images as they are
    #[arg(long, value_enum)]
    resize: Option<ResizeMode>,
    /// Background of transparent images, for a model that was trained on images as they are: black, white, another name of
    /// a color, or #rrggbb [default: black]
    #[arg(long, value_name = "COLOR", value_parser = background)]
    background: Option<Background>,
    /// Exchange light and dark first, for a photograph on white and a model trained on Fashion-MNIST
    #[arg(long)]
    invert: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// How many of the next images are decoded at once; there is one at least. An image that takes much of the available memory is decoded
/// alone, after the answers to those before it are printed.
fn batch(images: &[PathBuf], raw: Option<FrameLayout>) -> usize {
    let most = memory::available() / (2 * rayon::current_num_threads() as u64).max(2);
    // A pipe gives its bytes once.
    let is_large = |image: &PathBuf| match raw {
        Some(frame) => frame.memory() > most,
        None => image.is_file() && decode::header(image).is_ok_and(|header| header.memory() > most),
    };
    let small = images.iter().take(BATCH).position(is_large);
    small.unwrap_or(images.len().min(BATCH)).max(1)
}

/// The answer to an image; a line of `--json`.
#[derive(Serialize)]
struct Prediction<'a> {
    image: String,
    class: &'a str,
    index: usize,
    probability: f32,
    /// Whether the probability reaches the model's threshold; `class` is the best guess where it does not.
    accepted: bool,
    top: Vec<Place<'a>>,
    /// Of each class, in the model's order.
    probabilities: &'a [f32],
}

#[derive(Serialize)]
struct Place<'a> {
    class: &'a str,
    index: usize,
    probability: f32,
    logit: i32,
}

impl Predict {
    /// Classifies each image that can be read; one that cannot is named on standard error and makes the exit code 1.
    pub fn run(self) -> Result<()> {
        let path = self.model.display().to_string();
        let bytes = model_file::read(&self.model).with_context(|| path.clone())?;
        let mut arena = model_file::arena(&bytes).with_context(|| path.clone())?;
        let mut network = Network::new(&bytes, &mut arena).with_context(|| path.clone())?;
        let metadata = network.metadata();
        let preprocessing = Preprocessing::of_model(metadata.images, &network.input()).with_context(|| path.clone())?;
        let conversion =
            self.conversion(preprocessing.conversion(network.input().shape).with_context(|| path.clone())?)?;
        let conversion = self.on_background(&preprocessing, conversion)?;
        let names: Vec<&str> = metadata.class_names().collect();
        let mut probabilities = vec![0.0; names.len()];
        let mut sixteen_bit = SixteenBit::default();
        let mut mismatches = Mismatches::default();
        let (files, mut unreadable) = self.files();
        let named = files.len() + unreadable;
        self.check_dump(named, &files, conversion.shape().len())?;
        let mut rest = &files[..];
        while !rest.is_empty() {
            let (images, after) = rest.split_at(batch(rest, self.raw));
            rest = after;
            let inputs: Vec<_> = images.par_iter().map(|image| self.read(image, &conversion)).collect();
            for (image, input) in images.iter().zip(inputs) {
                // Two files never share a name.
                let name = path_text(image);
                let shown = in_one_line(&name).into_owned();
                let (pixels, observed) = match input {
                    Ok(input) => input,
                    Err(error) => {
                        let advice = match error {
                            ImageError::OtherSize { .. } if self.raw.is_some() => {
                                "; the chip refuses it too: fit --input makes a model that scales frames; --resize does so on this host alone"
                            }
                            ImageError::OtherSize { .. } => "; give --resize",
                            ImageError::FrameName(_) => "; or give --raw",
                            _ => "",
                        };
                        print_message(&format!("error: {shown}: {error}{advice}"));
                        unreadable += 1;
                        continue;
                    }
                };
                if let Some(flat) = observed.flat {
                    let why = flat.cause.explain(&conversion, "its");
                    print_message(&format!("NOTE: {shown}: one flat color as input; {why}"));
                }
                observed.sixteen_bit.into_iter().for_each(|range| sixteen_bit.add(range));
                observed.frame.into_iter().for_each(|frame| mismatches.add(&conversion, frame));
                if let Some(path) = &self.dump_input {
                    write_whole(path, &pixels)?;
                }
                let output = network.classify(&pixels)?;
                output.probabilities(&mut probabilities);
                let prediction = self.prediction(name, &output, &probabilities, &names);
                match self.json {
                    true => print_line!("{}", serde_json::to_string(&prediction)?),
                    false => {
                        for line in prediction.lines() {
                            print_line!("{line}");
                        }
                    }
                }
            }
        }
        sixteen_bit.note().into_iter().for_each(|note| print_message(&note));
        mismatches.warnings(&conversion).iter().for_each(|warning| warn(warning));
        match unreadable {
            0 => Ok(()),
            count => bail!("{count} of {} images could not be classified", named),
        }
    }

    /// That there is one image whose input is to be written, and that the input has a place of its own.
    fn check_dump(&self, images: usize, files: &[PathBuf], bytes: usize) -> Result<()> {
        let Some(path) = &self.dump_input else { return Ok(()) };
        if images != 1 {
            return Err(Usage::error(anyhow!("--dump-input writes the input of one image, and {images} are given")));
        }
        if files.iter().chain([&self.model]).any(|file| destination::is_same_file(file, path)) {
            return Err(Usage::error(anyhow!(
                "--dump-input {} is one of the images; name another file",
                path.display()
            )));
        }
        destination::check(Written { flag: "--dump-input", path, content: Content::Input { bytes }, run: None }, None)
    }

    /// The files that are named, and for each directory the images in it and in the folders in it.
    /// A directory that holds none, or cannot be read, is named on standard error and counted.
    fn files(&self) -> (Vec<PathBuf>, usize) {
        let (mut files, mut refused) = (Vec::with_capacity(self.images.len()), 0);
        for path in &self.images {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let shown = path.display().to_string();
            let shown_in_one_line = in_one_line(&shown);
            let reason = match images_of(path) {
                _ if self.raw.is_some() => format!(
                    "{shown_in_one_line} is a directory; with --raw name its frames, or name these NAME.FORMAT.WIDTHxHEIGHT.raw and \
                     leave --raw out"
                ),
                Ok((images, left_out)) => {
                    left_out.note(path).iter().for_each(|note| warn(note));
                    if !images.is_empty() {
                        files.extend(images);
                        continue;
                    }
                    format!("{shown_in_one_line} has no images, nor do the folders in it")
                }
                Err(error) => error.to_string().replace(&shown, &shown_in_one_line),
            };
            print_message(&format!("error: {reason}"));
            refused += 1;
        }
        (files, refused)
    }

    /// The model's own, unless that leaves open what happens to images of another size.
    fn conversion(&self, own: Conversion) -> Result<Conversion> {
        match (self.resize, own.resize()) {
            (None, _) => Ok(own),
            (Some(mode), Resize::AsTheyAre) => Ok(own.with_resize(mode.into())),
            (Some(_), resize) => Err(Usage::error(anyhow!(
                "{} was trained with {resize}, and predicts with the same; leave --resize out",
                self.model.display()
            ))),
        }
    }

    /// Images of IDX files are opaque, so that a model of these leaves open what happens to others.
    fn on_background(&self, preprocessing: &Preprocessing, own: Conversion) -> Result<Conversion> {
        match (self.background, preprocessing) {
            (None, _) => Ok(own),
            (Some(background), Preprocessing::Bytes) => Ok(own.with_background(background)),
            (Some(_), Preprocessing::Converted { .. }) => Err(Usage::error(anyhow!(
                "{} was trained with background {}, and predicts with the same; leave --background out",
                self.model.display(),
                own.background()
            ))),
        }
    }

    fn read(&self, image: &Path, conversion: &Conversion) -> Result<(Vec<u8>, Observed), ImageError> {
        let background = conversion.background();
        let mut decoded = match (self.raw, image == Path::new("-")) {
            (Some(frame), true) => decode::read_frame(frame, std::io::stdin().lock())?,
            (Some(frame), false) => decode::read_frame(frame, File::open(image)?)?,
            (None, true) => decode::read_from(std::io::stdin().lock(), background)?,
            (None, false) => decode::read_onto(image, background)?,
        };
        if self.invert {
            decoded.image.invert();
        }
        conversion.input(&decoded)
    }

    fn prediction<'a>(
        &self,
        image: String,
        output: &Output<'_>,
        probabilities: &'a [f32],
        names: &[&'a str],
    ) -> Prediction<'a> {
        let mut ranking: Vec<(usize, i32)> = output.logits().iter().copied().enumerate().collect();
        // Stable: of equals the lowest class comes first, as everywhere.
        ranking.sort_by_key(|&(_, logit)| Reverse(logit));
        let place = |&(index, logit): &(usize, i32)| Place {
            class: names[index],
            index,
            probability: probabilities[index],
            logit,
        };
        let index = output.class();
        Prediction {
            image,
            class: names[index],
            index,
            probability: probabilities[index],
            accepted: output.decide().is_some(),
            top: ranking.iter().take(self.top).map(place).collect(),
            probabilities,
        }
    }
}

impl Prediction<'_> {
    /// A line; or a line for the image and one for each class, where that would be too long.
    fn lines(&self) -> Vec<String> {
        let places: Vec<String> =
            self.top.iter().map(|place| format!("{} {:.1}%", place.class, 100.0 * place.probability)).collect();
        if !self.accepted {
            let (guess, percent) = (self.class, 100.0 * self.probability);
            return vec![format!("{}: none of these (best guess {guess}, {percent:.1}%)", self.image)];
        }
        let line = format!("{}: {}", self.image, places.join(", "));
        if line.chars().count() <= COLUMNS {
            return vec![line];
        }
        let places = places.iter().map(|place| format!("  {place}"));
        std::iter::once(format!("{}:", self.image)).chain(places).collect()
    }
}
