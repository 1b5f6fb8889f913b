//! `trainer firmware DIR --model model.bin --chip NAME`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::builder::TypedValueParser;
use infer_core::Header;
use infer_core::format::Layout;
use infer_core::header::HEADER_LEN;
use trainer::export::firmware::{DirectoryError, Facts, InferCore, Project, directory, package_name, room};
use trainer::export::hardware::Chip;
use trainer::export::inspect::{LayerListing, Listing};
use trainer::export::test_image::TestImage;
use trainer::export::{frames, model_file};
use trainer::image::{ImageError, Preprocessing, decode};
use trainer::support::bounded_file::read_regular;
use trainer::support::limits;
use trainer::support::printable::{in_one_line, path_text};
use trainer::support::shell::quote_path;
use trainer::support::text::thousands;
use trainer::support::whole_file;

use super::destination;
use super::named::CHIPS;
use super::output::{print_line, warn};
use crate::Usage;

/// Write a project that runs a model on a chip, ready to build
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer firmware bird-feeder --model birds.bin --chip nrf52840
  trainer firmware bird-feeder --model runs/birds/model.bin --chip rp2040 --image crow.jpg

Then, in the directory:
  cargo emulate            runs it on an emulated core, without a board
  cargo run --release      flashes the board and shows its log")]
pub struct Firmware {
    /// The directory of the project; it must be new or empty
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The model file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The chip, such as nrf52840 (see trainer chips)
    #[arg(long, value_name = "NAME", value_parser = CHIPS.try_map(chip), hide_possible_values = true)]
    chip: &'static Chip,
    /// Image to classify until there is a camera [default: the first in frames.bin next to the model]
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Source of infer-core for the project: a directory or a version [default: a copy in the project]
    #[arg(long, value_name = "PATH|VERSION")]
    infer_core: Option<String>,
}

fn chip(name: String) -> Result<&'static Chip, String> {
    Chip::named(&name).map_err(|error| match Chip::is_xtensa(&name) {
        true => error.to_string(),
        false => format!("{error}; for another take one with its core (M0+ for a Cortex-M0 too), and change board/memory.x and src/board.rs"),
    })
}

impl Firmware {
    /// Writes the project, and prints what it will answer to the test image.
    pub fn run(self) -> Result<()> {
        destination::check_directory(&self.directory.display().to_string(), &self.directory)?;
        directory::check(&self.directory).map_err(|error| match error {
            DirectoryError::Taken { .. } => Usage::error(error),
            DirectoryError::Io { .. } => error.into(),
        })?;
        let infer_core = self.infer_core()?;
        let path = self.model.display().to_string();
        let bytes = model_file::read(&self.model).with_context(|| path.clone())?;
        // What a file has after the model does not go into flash.
        let header = Header::parse(&bytes).with_context(|| path.clone())?;
        let model = bytes.get(..HEADER_LEN + header.payload_len as usize).unwrap_or(&bytes);
        let full = whole_file::resolved(&self.directory)?;
        let name = package_name(&full.file_name().unwrap_or_default().to_string_lossy());
        let gray = TestImage { bytes: Vec::new(), name: None, class: None };
        let mut project = Project { name, chip: self.chip, model, image: gray, infer_core };
        let facts = project.facts().with_context(|| path.clone())?;
        room::check(&project, &facts).map_err(|error| {
            let Chip { name, core, .. } = self.chip;
            let limits = room::limits(&project, &facts);
            // `fit --chip` fills the flash that the chip has with such weights, where they save time.
            let relaid = if error.is_of_flash_alone() && has_larger_layouts(model) {
                format!("Some of its weights take more flash to save time: trainer export RUN --chip {name} {limits} --out FILE, with its run, writes what there is room for. ")
            } else {
                String::new()
            };
            anyhow!(
                "{path} does not fit {name} ({}): {error}. {relaid}A smaller network may fit: trainer fit --chip {name} {limits} checks that before it trains",
                core.name
            )
        })?;
        project.image = self.test_image(&facts)?;
        let answer = project.answer().with_context(|| path.clone())?;
        directory::write(&self.directory, &project.files()?)?;
        self.print(&project, &facts, &format!("{} {:.1}%", in_one_line(&answer.class), 100.0 * answer.probability))
    }

    fn print(&self, project: &Project<'_>, facts: &Facts<'_>, answer: &str) -> Result<()> {
        let Chip { name: chip, core, .. } = self.chip;
        let directory = self.directory.display();
        print_line!("project    {directory}, package {}, for {chip} ({})", project.name, core.name);
        print_line!(
            "model      {}: {} bytes of flash, {} bytes of arena",
            self.model.display(),
            thousands(project.model.len()),
            thousands(facts.arena_len())
        );
        match &project.image.name {
            Some(name) => print_line!("image      {name}: {answer}"),
            None => {
                print_line!("image      all gray: {answer}");
                warn(
                    "NOTE: there is no test image next to the model, so the project classifies a gray one; give --image FILE",
                );
            }
        }
        print_line!("next       cd {}", quote_path(&self.directory));
        print_line!("           cargo emulate          on an emulated {}, without a board", core.emulated());
        print_line!("           cargo run --release    on the board; README.md describes the rest");
        Ok(())
    }

    /// The image that was given; else one of the run that the model is from, or of its data set.
    fn test_image(&self, facts: &Facts<'_>) -> Result<TestImage> {
        let input = facts.input.shape;
        if let Some(file) = &self.image {
            let shown = in_one_line(&file.display().to_string()).into_owned();
            let preprocessing = Preprocessing::of_model(facts.metadata.images, &facts.input)
                .and_then(|preprocessing| preprocessing.conversion(input))
                .with_context(|| self.model.display().to_string())?;
            let read = || {
                let decoded = decode::read_onto(file, preprocessing.background())?;
                preprocessing.input(&decoded)
            };
            let (bytes, _) = read().map_err(|error| match error {
                ImageError::OtherSize { .. } => {
                    anyhow!("{shown}: {error}; give one of that size, or a model trained with --input, which resizes")
                }
                error => anyhow!("{shown}: {error}"),
            })?;
            return Ok(TestImage { bytes, name: Some(shown), class: None });
        }
        let beside = self.model.with_file_name(frames::FILE);
        let of_run = read_regular(&beside, limits::FRAMES).ok().and_then(|file| {
            let first = TestImage::of_frames(&file, input).and_then(|images| images.into_iter().next());
            if first.is_none() {
                warn(&format!(
                    "NOTE: {} has no image for this model: it is damaged, or of a model with another input; trainer frames writes it",
                    in_one_line(&beside.display().to_string())
                ));
            }
            first
        });
        let bundled = || {
            let (set, images) = TestImage::bundled(&facts.metadata, input)?;
            let first = images.into_iter().next()?;
            Some(TestImage { name: Some(format!("the first of {set}")), ..first })
        };
        Ok(of_run.or_else(bundled).unwrap_or_else(|| TestImage::gray(input)))
    }

    /// A directory with the crate in it goes before a version of that name.
    fn infer_core(&self) -> Result<InferCore> {
        let Some(given) = &self.infer_core else { return Ok(InferCore::Carried) };
        let directory = Path::new(given);
        if !directory.exists() && is_version(given) {
            return Ok(InferCore::Version(given.clone()));
        }
        let manifest = directory.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|error| {
            Usage::error(anyhow!("--infer-core {given}: {}: {error}; {INFER_CORE}", manifest.display()))
        })?;
        let table: Option<toml::Table> = text.parse().ok();
        let name = table.as_ref().and_then(|table| table.get("package")?.get("name")?.as_str());
        if name != Some("thimble-infer-core") {
            return Err(Usage::error(anyhow!(
                "--infer-core {given}: the crate in there is not thimble-infer-core; {INFER_CORE}"
            )));
        }
        // In full, as the project is in another directory.
        let full = directory.canonicalize()?;
        if full.to_str().is_none() {
            let shown = path_text(&full);
            return Err(Usage::error(anyhow!(
                "--infer-core {given}: {shown} is not UTF-8, as a Cargo.toml is; move it"
            )));
        }
        Ok(InferCore::Path(full))
    }
}

/// Whether weights of a model lie in another layout than the one that takes the least flash.
fn has_larger_layouts(model: &[u8]) -> bool {
    let is_larger = |layer: &LayerListing| layer.layout.is_some_and(|layout| layout != Layout::Compact.name());
    Listing::new(model).is_ok_and(|listing| listing.layers.iter().any(is_larger))
}

/// What `--infer-core` takes.
const INFER_CORE: &str = "give the directory of infer-core, or a version such as 0.1";

/// Whether this is what cargo takes for a version: one to three numbers, after all three maybe a pre-release or a build.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix(['=', '^', '~']).unwrap_or(text);
    let (numbers, name) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let numbers: Vec<&str> = numbers.split('.').collect();
    let is_number = |text: &&str| text.parse::<u64>().is_ok_and(|number| number.to_string() == *text);
    let is_name = |name: &str| {
        name.len() > 1 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-+".contains(letter))
    };
    numbers.len() <= 3 && numbers.iter().all(is_number) && (name.is_empty() || numbers.len() == 3 && is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_that_cargo_takes() {
        for version in ["0", "0.1", "1.2.3", "=0.1.0", "^0.1", "~1", "1.0.0-rc.1", "1.0.0+a", "10.20.30"] {
            assert!(is_version(version), "{version}");
        }
        for other in [
            "",
            "=",
            "1..2",
            "1.2.3.4",
            "01",
            "0xyz",
            "1.",
            ".1",
            "1.0-rc",
            "1.0.0-",
            "==1",
            "+1",
            "*",
            "infer-core",
            "1\"",
            "1 2",
        ] {
            assert!(!is_version(other), "{other}");
        }
    }
}
