//! `trainer import MODEL.tflite --export model.bin`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use infer_core::Shape;
use trainer::dataset::held_out::SplitRule;
use trainer::dataset::{Dataset, Environment, Loaded, Request, class_list, holds_idx_files};
use trainer::image::{Conversion, Preprocessing, Resize};
use trainer::import::{self, Imported, InputRange, tflite};
use trainer::network::FloatModel;
use trainer::quantize::choose::{Chosen, choose};
use trainer::quantize::{Method, QuantizedModel};
use trainer::run::{Accuracies, RunConfig, RunDirectory};
use trainer::support::text::thousands;
use trainer::support::whole_file::{is_stream, write_whole};
use trainer::support::{bounded_file, limits};
use trainer::train::evaluate;
use trainer::train::recipe::Recipe;

use super::budget::BudgetFlags;
use super::camera::CameraFlags;
use super::console::Console;
use super::data::{ResizeMode, describe, input};
use super::destination::{self, Content, Output};
use super::output::{print_line, print_message, warn};
use crate::Usage;

/// Bring a network from a TFLite file: an int8 one as it is, a float one to be trained further.
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
    /// Write the model file here: of int8 networks their own numbers, of float ones those of a calibration on --data
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Make a run of it here, which export, inspect --quantization and fit --init take; the directory must be new or empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The names of the classes, a text file with one a line in the order of the network's outputs
    /// [default: those of --data, else class 0, class 1, ...]
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Directory of images to test it on, and of a float network to calibrate it on: a folder per class, or IDX files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    budget: BudgetFlags,
    /// Height, width and channels of an image, where the file has the input in other dimensions
    #[arg(long, value_name = "HxWxC", value_parser = input)]
    input: Option<Shape>,
    /// How images are brought to the size of the input [default: stretch]
    #[arg(long, value_enum)]
    resize: Option<ResizeMode>,
    #[command(flatten)]
    camera: CameraFlags,
    /// What the bytes 0 and 255 of an image are in the input of a float network: 0..1, -1..1, 0..255 [default: 0..1]
    #[arg(long, value_name = "LOW..HIGH", value_parser = input_range, allow_hyphen_values = true)]
    input_range: Option<InputRange>,
}

fn input_range(text: &str) -> Result<InputRange, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.abs() <= 1e6);
    let ends = text.split_once("..").and_then(|(low, high)| number(low).zip(number(high)));
    match ends {
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
    /// Reads the file, says what is in it, and writes what was asked for.
    pub fn run(self) -> Result<()> {
        self.check_outputs()?;
        let path = self.file.display().to_string();
        let bytes = bounded_file::read_named(&self.file, limits::TFLITE).with_context(|| path.clone())?;
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let graph = tflite::read(&bytes).with_context(|| format!("{path} cannot be imported"))?;
        let imported =
            import::layers(&name, &graph, self.input).with_context(|| format!("{path} cannot be imported"))?;
        let quantized = import::quantized(&imported).with_context(|| format!("{path} cannot be imported"))?;
        let range = self.range(&imported)?;
        if quantized.is_none() && self.export.is_some() && self.data.is_none() {
            return Err(Usage::error(anyhow!(
                "{path} computes with floating point: a model file of it needs images to calibrate on, --data DIR; or make a run of it, --out \
                 DIR, and train it further, trainer fit --init"
            )));
        }
        self.say(&format!("{path}: {}", kind(&imported, range)))?;
        for line in imported.architecture.to_string().lines() {
            self.say(line)?;
        }
        let images = self.images(&imported)?;
        let mut config = self.config(&imported, &images)?;
        self.budget.check(&imported.architecture, &config, &Console::quiet())?;
        if self.export.is_none() && self.out.is_none() {
            return self.say("it can be imported; --export writes a model file, --out makes a run of it");
        }
        let float = match (&quantized, &self.out) {
            (Some(_), None) => None,
            _ => Some(import::float(&imported, range).with_context(|| path.clone())?),
        };
        let file = self.model_file(&mut config, quantized, float.as_ref(), images.loaded.as_ref())?;
        if let (Some(out), Some(float)) = (&self.out, &float) {
            let directory = RunDirectory::create(Some(out), &name)?;
            directory.write_config(&config)?;
            if let Some(loaded) = &images.loaded {
                directory.write_manifest(&loaded.dataset)?;
            }
            directory.write_weights(float)?;
            if let Some(file) = &file {
                directory.write_model(file)?;
            }
            self.say(&format!("run        {}", out.display()))?;
        }
        if let (Some(export), Some(file)) = (&self.export, &file) {
            write_whole(export, file)?;
            let header = infer_core::Header::parse(file)?;
            self.say(&format!(
                "exported   {}: {} bytes of flash, {} bytes of arena",
                export.display(),
                thousands(file.len()),
                thousands(header.arena_len as usize)
            ))?;
        }
        Ok(())
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
                self.say(&choice.to_string())?;
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
            let score = evaluate::int8(&config.encode(&quantized)?, test)?.score;
            config.accuracies.int8_test = Some(score.accuracy as f32);
            self.say(&format!("int8       {:.4} of {} test images", score.accuracy, thousands(test.len())))?;
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
                    "NOTE: bytes 0 to 255 of an image are taken for 0 to 1; where the network was trained with others, give --input-range",
                );
                Ok(InputRange::UNIT)
            }
        }
    }

    /// The images of `--data`, and the names of the classes.
    fn images(&self, imported: &Imported) -> Result<Images> {
        let classes = imported.architecture.classes();
        let listed = self.classes.as_deref().map(class_list::read).transpose()?;
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
        let loaded = trainer::dataset::load(&Request {
            data_dir: Some(data.clone()),
            conversion,
            environment: Environment::from_process(),
            ..Request::default()
        })?;
        loaded.warnings.iter().for_each(|warning| warn(warning));
        let dataset = &loaded.dataset;
        if dataset.class_names.len() != classes {
            bail!(
                "--data {} has {} classes, and the network has {classes} outputs; name them in its order with --classes, and test it with \
                 trainer eval",
                data.display(),
                dataset.class_names.len()
            );
        }
        if let Some(names) = listed.filter(|names| *names != dataset.class_names) {
            bail!(
                "--classes and --data name different classes, or in another order: {}, and {}; leave --data out, and test the model file \
                 with trainer eval",
                names.join(", "),
                dataset.class_names.join(", ")
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
        let share = |dataset: &Dataset| {
            let held_out = dataset.validation.len() as f64;
            held_out / (held_out + dataset.train.len() as f64).max(1.0)
        };
        Ok(RunConfig {
            trainer: env!("CARGO_PKG_VERSION").to_owned(),
            model: architecture.name.clone(),
            input: architecture.input,
            layers: architecture.nodes(),
            recipe: Recipe::built_in("tutorial")?,
            dataset: dataset.map_or_else(|| architecture.name.clone(), |dataset| dataset.name.clone()),
            class_names: images.class_names.clone(),
            preprocessing,
            data_dir: self.data.as_deref().map(std::path::absolute).transpose()?,
            skip_unreadable: false,
            data_sha256: dataset.map(Dataset::sha256).transpose()?,
            validation_fraction: dataset.map_or(defaults.validation_fraction, share),
            seed: defaults.seed,
            split_seed: defaults.seed,
            split_rule: SplitRule::ByContent,
            teachers: Vec::new(),
            teachers_sha256: Vec::new(),
            init: None,
            target: self.budget.target(),
            layout: self.budget.layout_of_new_run(),
            export: None,
            calibration_methods: Method::ALL.to_vec(),
            calibration: Vec::new(),
            calibration_choice: None,
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

/// What a network computes with, in a few words.
fn kind(imported: &Imported, range: InputRange) -> String {
    let InputRange { low, high } = range;
    let precise = |number: f64| {
        let text = format!("{number:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".to_owned() } else { text.to_owned() }
    };
    let arithmetic = if imported.input.is_some() { "int8" } else { "float" };
    format!("an {arithmetic} network, bytes 0 to 255 of an image are {} to {}", precise(low), precise(high))
        .replace("an float", "a float")
}
