//! `trainer import MODEL.tflite --export model.bin`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use infer_core::Shape;
use trainer::dataset::held_out::SplitRule;
use trainer::dataset::{DataError, Loaded, Request, Storage, class_list, holds_idx_files};
use trainer::export::decision::Decision;
use trainer::image::{Conversion, Preprocessing, Resize};
use trainer::import::{self, Edge, Imported, InputRange, Rounding, tflite};
use trainer::network::FloatModel;
use trainer::quantize::choose::{Chosen, choose};
use trainer::quantize::{Method, QuantizedModel};
use trainer::run::{Accuracies, ImportedNetwork, RunConfig, RunDirectory, UNKNOWN_IMAGES};
use trainer::support::shell::quote_path;
use trainer::support::text::thousands;
use trainer::support::whole_file::{directory_of, is_stream, write_whole};
use trainer::support::{bounded_file, limits};
use trainer::train::evaluate;
use trainer::train::recipe::Recipe;

use super::budget::{BudgetFlags, Instead};
use super::camera::CameraFlags;
use super::console::Console;
use super::data::{ResizeMode, describe, input};
use super::destination::{self, Content, Output};
use super::imported_images::ImportedImages;
use super::output::{numbered, print_line, print_message, warn};
use crate::Usage;

/// Import a network from a TFLite file: int8 as it is, float to calibrate or to train further.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer import person.tflite
  trainer import person.tflite --classes classes.txt --export model.bin
  trainer import person.tflite --data people --export model.bin
  trainer import float.tflite --out runs/imported
  trainer fit --init runs/imported --data birds --export birds.bin")]
pub struct Import {
    /// The TFLite file
    file: PathBuf,
    /// Write the model file here: an int8 network as it is, a float network calibrated on --data
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Write a run for export, inspect --quantization and fit --init here; the directory must be new or empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Text file with the names of the classes, one per line in the order of the network's outputs
    /// [default: those of --data, otherwise class 0, class 1, ...]
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Directory of images to test on, and to calibrate a float network on: a folder per class, or IDX files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How often requantization rounds in an int8 network: once is as fast on chips as a network trained here, twice gives the codes of
    /// TFLite's reference kernels bit for bit and is slower
    #[arg(long, value_enum, default_value = "once")]
    rounding: RoundingMode,
    #[command(flatten)]
    budget: BudgetFlags,
    /// Height, width and channels of an image, where the file has the input in other dimensions
    #[arg(long, value_name = "HxWxC", value_parser = input)]
    input: Option<Shape>,
    /// How images are resized to the input [default: stretch]
    #[arg(long, value_enum)]
    resize: Option<ResizeMode>,
    #[command(flatten)]
    camera: CameraFlags,
    /// Values of bytes 0 and 255 of an image for a float network: 0..1, -1..1, 0..255 [default: 0..1]
    #[arg(long, value_name = "LOW..HIGH", value_parser = input_range, allow_hyphen_values = true)]
    input_range: Option<InputRange>,
}

/// [`Rounding`] as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RoundingMode {
    /// The nearest code: one rounding
    Once,
    /// As TFLite's reference kernels: their codes
    Twice,
}

impl From<RoundingMode> for Rounding {
    fn from(mode: RoundingMode) -> Self {
        match mode {
            RoundingMode::Once => Self::Once,
            RoundingMode::Twice => Self::Twice,
        }
    }
}

fn input_range(text: &str) -> Result<InputRange, String> {
    /// More than any network takes; with it no sum overflows.
    const MOST: f64 = 1e6;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let ends = text.split_once("..").and_then(|(low, high)| number(low).zip(number(high)));
    match ends {
        Some((low, high)) if low.abs().max(high.abs()) > MOST => Err("numbers are -1000000 to 1000000".to_owned()),
        Some((low, high)) if low < high => Ok(InputRange { low, high }),
        _ => Err("it must be two numbers, the lower first, such as 0..1 or -1..1".to_owned()),
    }
}

/// What there is to test and to calibrate with, and what the classes are called.
struct Images {
    loaded: Option<Loaded>,
    class_names: Vec<String>,
}

impl Import {
    /// Reads the file, prints what is in it, and writes what is requested.
    pub fn run(self) -> Result<()> {
        self.check_outputs()?;
        let path = self.file.display().to_string();
        let bytes = bounded_file::read_named(&self.file, limits::TFLITE).with_context(|| path.clone())?;
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let graph = tflite::read(&bytes).with_context(|| format!("{path} cannot be imported"))?;
        let imported =
            import::layers(&name, &graph, self.input).with_context(|| format!("{path} cannot be imported"))?;
        let quantized =
            import::quantized(&imported, self.rounding.into()).with_context(|| format!("{path} cannot be imported"))?;
        let range = self.range(&imported)?;
        if self.rounding == RoundingMode::Twice && quantized.is_none() {
            return Err(Usage::error(anyhow!("--rounding is for int8 networks; {path} computes with floating point")));
        }
        if quantized.is_none() && self.export.is_some() && self.data.is_none() {
            return Err(Usage::error(anyhow!(
                "{path} computes with floating point: a model file needs images to calibrate on, --data DIR; or write a run, --out \
                 DIR, and train it further, trainer fit --init"
            )));
        }
        self.say(&format!("{path}: {}", kind(&imported, range)))?;
        for line in numbered(&imported.architecture) {
            self.say(&line)?;
        }
        let images = self.images(&imported)?;
        let mut config = self.config(&imported, &images)?;
        self.budget.check(&imported.architecture, &config, Instead::Import, &Console::quiet())?;
        let float = match (&quantized, &self.out) {
            (Some(_), None) => None,
            _ => Some(import::float(&imported, range).with_context(|| path.clone())?),
        };
        if float.is_some() {
            self.note_edges(&imported, range);
        }
        let file = self.model_file(&mut config, quantized, float.as_ref(), images.loaded.as_ref())?;
        if let (Some(out), Some(float)) = (&self.out, &float) {
            write_run(out, &name, &config, float, file.as_deref())?;
            self.say(&format!("run        {}", out.display()))?;
        }
        if let (Some(export), Some(file)) = (&self.export, &file) {
            let written = write_whole(export, file).map_err(anyhow::Error::from);
            written.map_err(|error| match &self.out {
                Some(out) => {
                    let run = quote_path(out);
                    anyhow!("{error:#}; the run {run} is complete: trainer export {run} --out FILE")
                }
                None => error,
            })?;
            let header = infer_core::Header::parse(file)?;
            self.say(&format!(
                "exported   {}: {} bytes of flash, {} bytes of arena",
                export.display(),
                thousands(file.len()),
                thousands(header.arena_len as usize)
            ))?;
        }
        match (self.export.is_some() || self.out.is_some(), imported.input) {
            (true, _) => Ok(()),
            (false, Some(_)) => self.say("it can be imported; --export writes a model file, --out a run"),
            (false, None) => self
                .say("it can be imported; --out writes a run, and --export, with --data to calibrate on, a model file"),
        }
    }

    /// Where sums at the edges of an image are others in a run than in the file.
    fn note_edges(&self, imported: &Imported, range: InputRange) {
        for Edge { layer, positions, most } in import::edges(imported, range) {
            let percent = |share: f64| format!("{:.1}%", 100.0 * share);
            warn(&format!(
                "NOTE: layer {layer} ({}) pads the image: the file pads with 0, and a run with byte 0, which means {}. At {} of its \
                 positions the kernel reaches over an edge, and sums differ by up to {} of what an image can change them by; training \
                 further makes up for it",
                imported.architecture.layers[layer].layer,
                precise(range.low),
                percent(positions),
                percent(most)
            ));
        }
    }

    /// The bytes of the model file, and what is known of its accuracy; `None` of a float network without images to calibrate it on.
    fn model_file(
        &self,
        config: &mut RunConfig,
        quantized: Option<QuantizedModel>,
        float: Option<&FloatModel>,
        loaded: Option<&Loaded>,
    ) -> Result<Option<Vec<u8>>> {
        let dataset = loaded.map(|loaded| &loaded.dataset);
        let quantized = match (quantized, float, dataset) {
            (Some(quantized), _, _) => quantized,
            (None, Some(model), Some(dataset)) => {
                let Chosen { quantized, calibration, choice, .. } =
                    choose(model, &dataset.train, &dataset.validation, config.seed, &Method::ALL)?;
                self.say(&choice.on(config.judged_on()))?;
                config.calibration = calibration;
                config.calibration_choice = Some(choice);
                quantized
            }
            (None, _, _) => return Ok(None),
        };
        if let Some(test) = dataset.map(|dataset| &dataset.test).filter(|test| !test.is_empty()) {
            if let Some(model) = float {
                let score = evaluate::float(model, test)?.score;
                config.accuracies.float_test = Some(score.accuracy as f32);
                self.say(&format!("float      {:.4} of {} test images", score.accuracy, thousands(test.len())))?;
            }
            // The file states its own accuracy, so it is encoded once to be measured and once to be kept.
            let answers = evaluate::int8(&config.encode(&quantized)?, test)?;
            config.accuracies.set_int8(&answers, test, &config.class_names);
            let accuracy = answers.score.accuracy;
            self.say(&format!("int8       {accuracy:.4} of {} test images", thousands(test.len())))?;
        }
        Ok(Some(config.encode(&quantized)?))
    }

    /// That what is written has places of its own.
    fn check_outputs(&self) -> Result<()> {
        let export = self.export.as_deref();
        let export = export.map(|path| Output { flag: "--export", path, content: Content::Model, run: None });
        if let Some(output) = export {
            destination::check(output, self.data.as_deref())?;
            if destination::is_same_file(output.path, &self.file) {
                let path = output.path.display();
                return Err(Usage::error(anyhow!("--export {path} is the file that is imported; name another")));
            }
        }
        let Some(out) = &self.out else { return Ok(()) };
        if let Some(data) = self.data.as_deref().filter(|data| destination::is_among_images(out, data)) {
            return Err(Usage::error(anyhow!(
                "--out {} is inside --data {}, among the images; give it elsewhere",
                out.display(),
                data.display()
            )));
        }
        let named = format!("--out {}", out.display());
        destination::check_directory(&named, out)?;
        if let Some(output) = export {
            destination::check_beside_new_run(output, out, &named)?;
        }
        if out.exists() && !RunDirectory::is_free(out)? {
            return Err(Usage::error(anyhow!(
                "{named} exists already and is not empty, and a run never overwrites an older one; name another --out"
            )));
        }
        Ok(())
    }

    /// What the bytes of an image mean to the network.
    fn range(&self, imported: &Imported) -> Result<InputRange> {
        match (imported.input, self.input_range) {
            (Some(_), Some(_)) => Err(Usage::error(anyhow!(
                "--input-range is for float networks; {} states itself what its bytes mean",
                self.file.display()
            ))),
            (Some(codes), None) => Ok(InputRange::of(codes)),
            (None, Some(range)) => Ok(range),
            (None, None) => {
                warn(
                    "NOTE: bytes 0 to 255 of an image are read as 0 to 1; if the network was trained with others, give --input-range",
                );
                Ok(InputRange::UNIT)
            }
        }
    }

    /// The images of `--data`, and the names of the classes.
    fn images(&self, imported: &Imported) -> Result<Images> {
        let classes = imported.architecture.classes();
        let listed = match self.classes.as_deref().map(|path| (path, class_list::read(path))) {
            Some((path, Err(DataError::OneClass { .. }))) => bail!(
                "--classes {} has fewer than two names; one a line is expected, for {classes} outputs in their order",
                path.display()
            ),
            Some((_, names)) => Some(names?),
            None => None,
        };
        if let Some(names) = listed.as_ref().filter(|names| names.len() != classes) {
            let path = self.classes.as_deref().unwrap_or(Path::new("")).display();
            bail!("--classes {path} has {} names, and the network has {classes} outputs", names.len());
        }
        let Some(data) = &self.data else {
            let class_names = listed.unwrap_or_else(|| (0..classes).map(|class| format!("class {class}")).collect());
            return Ok(Images { loaded: None, class_names });
        };
        let shape = imported.architecture.input;
        let conversion = match holds_idx_files(data) {
            true => None,
            false => Some(self.conversion(shape)?),
        };
        let loaded = ImportedImages {
            data,
            conversion,
            class_names: listed.as_deref(),
            calibrates: imported.input.is_none(),
            storage: Storage {
                most_memory: None,
                directory: self.out.as_deref().map(|out| directory_of(out).to_owned()),
            },
            quiet: false,
        }
        .load()?;
        loaded.warnings.iter().for_each(|warning| warn(warning));
        let dataset = &loaded.dataset;
        if dataset.class_names.len() != classes {
            bail!(
                "--data {} has {} classes, and the network has {classes} outputs; name them in its order with --classes",
                data.display(),
                dataset.class_names.len()
            );
        }
        if dataset.test.shape() != shape.into() {
            bail!("the network takes images of {shape}, and those of {} are {}", data.display(), dataset.test.shape());
        }
        for line in describe(&loaded) {
            self.say(&line)?;
        }
        let class_names = dataset.class_names.clone();
        Ok(Images { loaded: Some(loaded), class_names })
    }

    fn conversion(&self, shape: Shape) -> Result<Conversion> {
        let resize = self.resize.map_or(Resize::default(), Into::into);
        let conversion = Conversion::new(shape, resize).with_context(|| {
            format!("images cannot be made for the input {shape} of {}; leave --data out", self.file.display())
        })?;
        Ok(self.camera.on(conversion))
    }

    /// The settings of the run that was not one here.
    fn config(&self, imported: &Imported, images: &Images) -> Result<RunConfig> {
        let architecture = &imported.architecture;
        let dataset = images.loaded.as_ref().map(|loaded| &loaded.dataset);
        let preprocessing = match dataset {
            Some(dataset) => dataset.preprocessing,
            // What is no image of one or three colors is given as bytes.
            None => self
                .conversion(architecture.input)
                .map_or(Preprocessing::Bytes, |conversion| Preprocessing::Converted { conversion, held_out: None }),
        };
        let defaults = Request::default();
        let file = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(RunConfig {
            trainer: env!("CARGO_PKG_VERSION").to_owned(),
            model: architecture.name.clone(),
            input: architecture.input,
            layers: architecture.nodes(),
            recipe: Recipe::built_in("tutorial")?,
            dataset: UNKNOWN_IMAGES.to_owned(),
            class_names: images.class_names.clone(),
            preprocessing,
            data_dir: self.data.as_deref().map(std::path::absolute).transpose()?,
            skip_unreadable: false,
            data_sha256: None,
            validation_fraction: defaults.validation_fraction,
            seed: defaults.seed,
            split_seed: defaults.seed,
            split_rule: SplitRule::ByContent,
            folds: None,
            teachers: Vec::new(),
            teachers_sha256: Vec::new(),
            init: None,
            imported: Some(ImportedNetwork { file, names_classes: self.classes.is_some() || self.data.is_some() }),
            target: self.budget.target(),
            layout: self.budget.layout_of_new_run(),
            export: None,
            calibration_methods: Method::ALL.to_vec(),
            calibration: Vec::new(),
            calibration_choice: None,
            rejection: None,
            decision: Decision::default(),
            accuracies: Accuracies::default(),
        })
    }

    /// Prints a line, but not into the pipe that the model may go into.
    fn say(&self, line: &str) -> Result<()> {
        if self.export.as_deref().is_some_and(is_stream) {
            print_message(line);
        } else {
            print_line!("{line}");
        }
        Ok(())
    }
}

/// Writes a run, whole or not at all.
fn write_run(out: &Path, name: &str, config: &RunConfig, float: &FloatModel, file: Option<&[u8]>) -> Result<()> {
    let directory = RunDirectory::create(Some(out), name)?;
    let written = directory
        .write_weights(float)
        .and_then(|()| file.map_or(Ok(()), |file| directory.write_model(file)))
        .and_then(|()| directory.write_config(config));
    if written.is_err() {
        directory.discard();
    }
    Ok(written?)
}

/// A number with as many digits as it needs, four at most after the point.
fn precise(number: f64) -> String {
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// What a network computes with, in a few words.
fn kind(imported: &Imported, range: InputRange) -> String {
    let InputRange { low, high } = range;
    let arithmetic = if imported.input.is_some() { "int8" } else { "float" };
    format!("an {arithmetic} network, bytes 0 to 255 of an image are {} to {}", precise(low), precise(high))
        .replace("an float", "a float")
}
