//! `trainer demo model.bin`

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use infer_core::Network;
use trainer::dataset::Dataset;
use trainer::export::test_image::TestImage;
use trainer::export::{frames, model_file};
use trainer::report::demo::{self, DemoImages};
use trainer::run::RunDirectory;
use trainer::support::bounded_file::read_regular;
use trainer::support::limits;
use trainer::support::printable::in_one_line;
use trainer::support::shell::quote_path;
use trainer::support::text::thousands;
use trainer::support::whole_file::{directory_of, is_stream, replace_whole, write_whole};

use super::data::TestData;
use super::destination::{Content, Output};
use super::output::{print_line, print_message, warn};

/// Write a page that runs a model in a browser: one file that works offline, with the arithmetic of the chip.
#[derive(clap::Args)]
#[command(
    after_help = "The page has up to ten test images. It computes a checksum of their logits, and compares it with the checksum computed \
on this machine. The images are from --data or --dataset; otherwise from frames.bin next to the model, as in a run; otherwise, \
for a model of Fashion-MNIST or garments, built in. Without test images the page uses noise.

Examples:
  trainer demo model.bin --out demo.html
  trainer demo runs/birds-1/model.bin
  trainer demo birds.bin --data birds --out birds.html"
)]
pub struct Demo {
    /// The model file
    model: PathBuf,
    #[command(flatten)]
    data: TestData,
    /// File for the page [default: demo.html in the directory of the model]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Demo {
    /// Writes the page and prints where it is.
    pub fn run(self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| self.model.with_file_name(demo::FILE));
        let flag = if self.out.is_some() { "--out" } else { "" };
        let output = Output { flag, path: &out, content: Content::Demo, run: None };
        // Beside the model, a link is replaced, and not what it points to.
        let is_replaced = self.out.is_none() && out.is_symlink();
        self.data.check_outputs(&self.model, Some(output).filter(|_| !is_replaced))?;
        let path = self.model.display().to_string();
        let bytes = model_file::read(&self.model).with_context(|| path.clone())?;
        let mut arena = model_file::arena(&bytes).with_context(|| path.clone())?;
        let network = Network::new(&bytes, &mut arena).with_context(|| path.clone())?;
        let images = self.images(&network)?;
        let page = demo::html(&bytes, &images).with_context(|| path.clone())?;
        let write = if self.out.is_some() { write_whole } else { replace_whole };
        write(&out, page.as_bytes())?;
        let line = format!("wrote      {}, {} bytes, with {}", out.display(), thousands(page.len()), images.about);
        // Not into the pipe that the page may go into.
        if is_stream(&out) {
            print_message(&line);
        } else {
            print_line!("{line}");
        }
        let run = directory_of(&self.model);
        if self.out.is_none() && RunDirectory::is_at(run) {
            print_line!("report     trainer report {} links to it", quote_path(run));
        }
        Ok(())
    }

    /// Those of the data set that is named, of the run that the model is from, or of its data set; else noise.
    fn images(&self, network: &Network<'_, '_>) -> Result<DemoImages> {
        let (metadata, input) = (network.metadata(), network.input());
        if self.data.is_given() {
            let dataset = self.data.load(&self.model, &metadata, &input)?.loaded.dataset;
            return test_images(&dataset);
        }
        let beside = self.model.with_file_name(frames::FILE);
        let shown = in_one_line(&beside.display().to_string()).into_owned();
        match read_regular(&beside, limits::FRAMES) {
            Ok(file) => match TestImage::of_frames(&file, input.shape) {
                Some(mut images) => {
                    images.truncate(demo::IMAGES);
                    let about = format!("{} test images of {}", images.len(), in_one_line(metadata.dataset));
                    return Ok(DemoImages { images, about, are_made_up: false });
                }
                None => warn(&format!(
                    "NOTE: {shown} has no image for this model: it is damaged, or of a model with another input; trainer frames writes it"
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => warn(&format!("NOTE: {shown} cannot be read: {error}")),
        }
        if let Some((set, images)) = TestImage::bundled(&metadata, input.shape) {
            let about = format!("{} test images of {set}", images.len());
            return Ok(DemoImages { images, about, are_made_up: false });
        }
        warn("NOTE: there are no test images next to the model, so the page uses noise; give --data DIR");
        Ok(DemoImages::made_up(input.shape))
    }
}

/// The first test images of a data set, its classes in turn.
fn test_images(dataset: &Dataset) -> Result<DemoImages> {
    let test = &dataset.test;
    if test.is_empty() {
        bail!("{} has no test images; add some, or give --all", dataset.name);
    }
    let image = |&index: &usize| {
        let number = format!("image {index}");
        let name = in_one_line(test.name(index).unwrap_or(&number)).into_owned();
        let bytes = test.image(index)?.to_vec();
        Ok(TestImage { bytes, name: Some(name), class: Some(test.label(index).into()) })
    };
    let chosen = frames::choose(test, frames::at_most(demo::IMAGES, test.shape()));
    let images = chosen.iter().map(image).collect::<std::io::Result<Vec<_>>>()?;
    let about = format!("{} test images of {}", images.len(), in_one_line(&dataset.name));
    Ok(DemoImages { images, about, are_made_up: false })
}
