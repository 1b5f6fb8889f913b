//! `trainer fit --export model.bin`

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Arg;
use infer_core::Shape;
use trainer::dataset::held_out::SplitRule;
use trainer::network::{Architecture, Template};
use trainer::run::{RUNS, RunConfig, RunDirectory};
use trainer::support::text::wrapped;
use trainer::support::whole_file::{self, directory_of};
use trainer::train::Unfinished;
use trainer::train::recipe::{Augment, Monitor, Recipe};

use super::augmentation::{Augmentation, augmented, decide_flips};
use super::balance::BalanceFlags;
use super::budget::{BudgetFlags, Instead};
use super::calibration::CalibrationName;
use super::console::{Console, ConsoleFlags, console_line};
use super::data::{TrainingData, ValidationSplit};
use super::destination::{self, Content, Output};
use super::folds::FoldFlags;
use super::initial::Start;
use super::interrupt::Interrupt;
use super::named::{MODELS, RECIPES, is_path, named_or_file};
use super::output::{numbered, warn};
use super::reject::{self, RejectFlags};
use super::teacher::Teachers;
use super::training_run::{TrainingRun, warn_of_no_lock};
use super::values::{count, fraction, number, whole};
use crate::Usage;

/// The network where none is named.
const DEFAULT_MODEL: &str = "cnn";

/// The recipe for folders of images where none is named.
const FOLDERS: &str = "folders";

/// The networks of recipes for sets of any size: one for inputs up to a side, one for larger ones, on which the first would take an hour.
const SMALL_INPUTS: (&str, u16) = ("resnet8", 64);
const LARGE_INPUTS: &str = "mobilenet";

/// Columns for the numbers of a recipe, in a line of 80.
const COLUMNS: usize = 52;

/// The numbers that a network is trained with, after those for its name and for the size of the set.
fn numbers_of(recipe: &Recipe) -> Vec<String> {
    let Recipe { learning_rate, weight_decay, dropout, label_smoothing, batch_size, .. } = recipe;
    vec![
        format!("learning rate {learning_rate}"),
        format!("weight decay {weight_decay}"),
        format!("dropout {dropout}"),
        format!("label smoothing {label_smoothing}"),
        format!("batches of {batch_size}"),
    ]
}

/// The network where none is named, for inputs of that shape.
fn default_model(recipe: &Recipe, input: Shape) -> &'static str {
    let (small, side) = SMALL_INPUTS;
    match recipe.is_for_any_size() {
        true if input.height.max(input.width) <= side => small,
        true => LARGE_INPUTS,
        false => DEFAULT_MODEL,
    }
}

/// Train a network, quantize it and export it.
#[derive(clap::Args)]
#[command(mut_args = settled, after_help = "Examples:
  trainer fit --export model.bin
  trainer fit --model mlp --epochs 10 --out runs/quick
  trainer fit --data birds --model small --input 32x32x3 --resize crop --export birds.bin
  trainer fit --data birds --augment photographs,hue=0 --export birds.bin
  trainer fit --model ./mine.toml --chip nrf52840 --max-ram 32K --export model.bin
  trainer fit --data path/to/idx-files --export model.bin
  trainer fit --data birds --skip-unreadable --list-unreadable broken.txt --export birds.bin
  trainer fit --data birds --model small --folds 5 --balance logits --export birds.bin
  trainer fit --data birds --reject-at precision=0.99 --unknown other-things --export birds.bin
  trainer fit --resume runs/cnn-fashion-mnist-48-1")]
pub struct Fit {
    /// Network: mlp, cnn, small, tiny, mini, micro, nano, large, resnet8, sepnet10, mobilenet, dscnn, or a TOML file (see trainer models)
    /// [default: the network of --init; with a recipe for sets of any size, such as folders, resnet8, or mobilenet over 64 pixels; otherwise cnn]
    #[arg(long, value_name = "NAME", value_parser = MODELS, hide_possible_values = true)]
    model: Option<String>,
    /// Start from the weights of an earlier or imported run: layers take the weights of layers with the same name, or index,
    /// and the same dimensions
    #[arg(long, value_name = "RUN")]
    init: Option<PathBuf>,
    /// Layers that are not trained: numbers as listed by fit --init, such as 0-5, names, or taken for all layers taken from
    /// --init
    #[arg(long, value_name = "LAYERS", requires = "init")]
    freeze: Option<String>,
    /// Factor for the learning rate of the layers taken from --init [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = number, requires = "init")]
    init_lr: Option<f64>,
    /// Factor for the channels of convolutions and the outputs of hidden dense layers [default: that of the network: 0.25
    /// for mobilenet, otherwise 1]
    #[arg(long, value_name = "FACTOR", value_parser = number)]
    width: Option<f64>,
    #[command(flatten)]
    data: TrainingData,
    #[command(flatten)]
    budget: BudgetFlags,
    /// Training recipe: tutorial, strong, folders, or a TOML file (see trainer recipes); the flags below override its numbers
    /// [default: folders if --data is a folder of images, without --init; otherwise tutorial]
    #[arg(long, value_name = "NAME", value_parser = RECIPES, hide_possible_values = true)]
    recipe: Option<String>,
    /// Maximum number of passes over the training images [recipe tutorial: 100]
    #[arg(long, value_name = "N", value_parser = count)]
    epochs: Option<usize>,
    /// Images per training step [recipe tutorial: 32]
    #[arg(long, value_name = "N", value_parser = count)]
    batch_size: Option<usize>,
    /// Learning rate of the optimizer [recipe tutorial: 0.001]
    #[arg(long, value_name = "RATE", value_parser = number)]
    lr: Option<f64>,
    /// Epochs without improvement after which training stops [recipe tutorial: 5]
    #[arg(long, value_name = "N", value_parser = count)]
    patience: Option<usize>,
    /// How much lower the validation loss must be to count as improvement [recipe tutorial: 0]
    #[arg(long, value_name = "LOSS", value_parser = number)]
    min_delta: Option<f64>,
    #[command(flatten)]
    balance: BalanceFlags,
    /// Mirror half of the training images, left for right, in each epoch; use it where a mirrored image is of the same class
    #[arg(long, conflicts_with = "no_flip")]
    flip: bool,
    /// Mirror no images: for letters, digits, arrows, and other things with a left and a right. By default recipe strong
    /// mirrors half of the images (for all built-in networks but mlp and dscnn, and for mlp with --teacher)
    #[arg(long)]
    no_flip: bool,
    /// Change the augmentation of the recipe: photographs (other views and light, noise), none, or options such as
    /// rotate=10,crop=0.3 (docs/augmentation.md lists all)
    #[arg(long, value_name = "OPTIONS", value_delimiter = ',')]
    augment: Vec<Augmentation>,
    /// Share of the training images held out for validation, between 0 and 1 [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = fraction, conflicts_with = "teacher")]
    val_fraction: Option<f64>,
    /// Seed by which the validation images are drawn, so that runs with different seeds hold out the same, as several teachers
    /// must [default: that of --seed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>, conflicts_with_all = ["teacher", "folds"])]
    split_seed: Option<u64>,
    #[command(flatten)]
    folds: FoldFlags,
    /// Seed of all random numbers; --split-seed can draw the validation images apart from it
    #[arg(long, default_value_t = 48, value_name = "N", value_parser = whole::<u64>)]
    seed: u64,
    /// Also learn from the larger network of an earlier run, and hold out the same validation images. May be repeated:
    /// the mean of all teachers is used
    #[arg(long, value_name = "RUN")]
    teacher: Vec<PathBuf>,
    /// How the ranges of the 8-bit activations are found; auto: the method that does best on the validation images
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    calibration: CalibrationName,
    #[command(flatten)]
    reject: RejectFlags,
    /// Directory for the results; it must be new or empty [default: runs/MODEL-DATASET-SEED-N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume an interrupted run, to the same bytes; it keeps its settings
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Also write the quantized model to this file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    #[command(flatten)]
    console: ConsoleFlags,
}

/// The flags that a resumed run takes. All others were settled when it began.
const WITH_RESUME: [&str; 6] = ["resume", "data", "memory", "export", "quiet", "json"];

/// The same flag, excluded by `--resume` unless a resumed run takes it.
fn settled(flag: Arg) -> Arg {
    if WITH_RESUME.contains(&flag.get_id().as_str()) { flag } else { flag.conflicts_with("resume") }
}

impl Fit {
    /// From images to a model file.
    pub fn run(self) -> Result<()> {
        self.check_paths()?;
        self.check_outputs()?;
        let run = match &self.resume {
            Some(path) => {
                let (data, export) = (self.data.data.as_deref(), self.export.clone());
                TrainingRun::resume(path, data, self.data.memory, export, self.console.console())?
            }
            None => self.begin()?,
        };
        // Before this there is nothing to be kept: an interrupt ends the program as it ends any other.
        run.train(&Interrupt::install()?)
    }

    /// That all that will be written has a place of its own.
    fn check_outputs(&self) -> Result<()> {
        let export =
            self.export.as_deref().map(|path| Output { flag: "--export", path, content: Content::Model, run: None });
        let outputs: Vec<Output<'_>> = export.into_iter().chain(self.data.unreadable.output()).collect();
        for &output in &outputs {
            destination::check(output, self.data.data.as_deref())?;
        }
        destination::check_apart(&outputs)?;
        if self.resume.is_none() { self.check_out(&outputs) } else { Ok(()) }
    }

    /// That the new run has a directory of its own, which is not among the images: there it would be taken for a class, by the next
    /// training and by `eval`.
    fn check_out(&self, outputs: &[Output<'_>]) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new(RUNS));
        if let Some(data) = self.data.data.as_deref().filter(|data| destination::is_among_images(out, data)) {
            let (data, out) = (data.display(), out.display());
            return Err(Usage::error(anyhow!(
                "the run would be written to {out}, inside --data {data}, and be read as images; give --out elsewhere"
            )));
        }
        let default = if self.out.is_none() { " (the default)" } else { "" };
        let named = format!("--out {}{default}", out.display());
        destination::check_directory(&named, out)?;
        for &output in outputs {
            match &self.out {
                Some(out) => destination::check_beside_new_run(output, out, &named)?,
                None => self.check_beside_numbered_runs(output, &named)?,
            }
        }
        match &self.out {
            Some(out) if out.exists() && !RunDirectory::is_free(out)? => Err(Usage::error(anyhow!(
                "{named} exists already and is not empty, and a run never overwrites an older one; name another --out"
            ))),
            _ => Ok(()),
        }
    }

    /// The same where the run will have the first free number.
    fn check_beside_numbered_runs(&self, output: Output<'_>, named: &str) -> Result<()> {
        let (path, seed) = (output.path, self.seed);
        let is_numbered = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            let rest = name.rsplit_once('-').filter(|(_, number)| number.bytes().all(|digit| digit.is_ascii_digit()));
            rest.is_some_and(|(name, _)| name.ends_with(&format!("-{seed}")))
        });
        let is_in_runs = whole_file::resolved(path)?.parent() == Some(&whole_file::resolved(Path::new(RUNS))?);
        let run = Path::new(RUNS).join(path.file_name().unwrap_or_default());
        let out = if is_numbered && is_in_runs { &run } else { Path::new(RUNS) };
        destination::check_not_above(output, out, named)
    }

    /// A run that has not taken a step.
    fn begin(&self) -> Result<TrainingRun> {
        let console = self.console.console();
        let rejection = self.reject.rejection()?;
        let start = self.init.as_deref().map(Start::open).transpose()?;
        let template = self.template(start.as_ref())?;
        let recipe = named_or_file("--recipe", self.recipe_name(), Recipe::built_in, Recipe::from_toml)?;
        // Before images are read, which may take long: what is wrong with the numbers.
        recipe.check_all().map_err(|error| Usage::error(anyhow!("--recipe {}: {error}", self.recipe_name())))?;
        let name = template.as_ref().map_or(DEFAULT_MODEL, |template| &template.name);
        self.note_flips(&self.overridden(recipe.clone().for_network(name, !self.teacher.is_empty()))?);
        let default_model = |input| default_model(&recipe, input);
        let template = |input: Shape| {
            let template = match template {
                Some(template) => template,
                None => Template::built_in(default_model(input))?,
            };
            match self.width {
                Some(width) => template.with_width(width).map_err(|error| Usage::error(anyhow!("--width: {error}"))),
                None => Ok(template),
            }
        };
        let teachers = Teachers::open(&self.teacher)?;
        let split = teachers.as_ref().map_or_else(|| self.own_split(), Teachers::split);
        let runs = self.out.as_deref().map_or(Path::new(RUNS), directory_of);
        let skipped = self.data.unreadable.look(self.data.data.as_deref(), None, !console.is_text())?;
        let (dataset, architecture) = self.data.load(template, start.as_ref(), &split, runs, &skipped, &console)?;
        let recipe = self.recipe(recipe, &architecture, dataset.train.len(), &console)?;
        if let Some(teachers) = &teachers {
            teachers.check(&dataset)?;
            for path in teachers.paths()? {
                console_line!(console, "teacher    {}", path.display());
            }
        }
        let conversion = dataset.preprocessing.conversion(architecture.input);
        let unknown = match &rejection {
            Some(_) => reject::unknown_of(rejection.as_ref(), &conversion?, &dataset)?,
            None => None,
        };
        let (architecture, init) = match &start {
            Some(start) => {
                let (architecture, init) = start.settle(
                    architecture,
                    self.freeze.as_deref(),
                    self.init_rate()?,
                    &dataset.class_names,
                    &console,
                )?;
                start.note_seen(&dataset, self.folds.folds)?;
                (architecture, Some(init))
            }
            None => (architecture, None),
        };
        recipe.check_batch(&architecture, dataset.train.len()).map_err(Usage::error)?;
        if dataset.train.shape().channels != 3 && recipe.augment.is_for_color() {
            warn(
                "NOTE: saturation and hue have no effect: the network's input is not in color (--input HxWx3 makes it so)",
            );
        }
        self.balance.print(recipe.balance, &dataset, &console);
        self.folds.check(&dataset, &recipe, self.seed)?;
        print_layers(&architecture, start.is_some(), &console);

        let config = RunConfig {
            data_dir: self.data.directory()?,
            skip_unreadable: self.data.unreadable.skip_unreadable,
            validation_fraction: split.fraction,
            split_seed: split.seed,
            split_rule: split.rule,
            folds: self.folds.folds,
            teachers: teachers.as_ref().map_or(Ok(Vec::new()), Teachers::paths)?,
            teachers_sha256: teachers.as_ref().map_or(Vec::new(), |teachers| teachers.weights_sha256.clone()),
            init,
            export: self.export.as_deref().map(std::path::absolute).transpose()?,
            calibration_methods: self.calibration.methods().to_vec(),
            rejection,
            target: self.budget.target(),
            layout: self.budget.layout_of_new_run(),
            ..RunConfig::new(&architecture, recipe, &dataset, self.seed)?
        };
        let instead = match config.init {
            None => Instead::BuiltIn { width: self.width },
            Some(_) => Instead::Init,
        };
        self.budget.check(&architecture, &config, instead, &console)?;
        let name = format!("{}-{}-{}", architecture.name, dataset.name, self.seed);
        let directory = RunDirectory::create(self.out.as_deref(), &name)?;
        warn_of_no_lock(&directory);
        directory.write_config(&config)?;
        skipped.write(&directory)?;
        directory.write_manifest(&dataset)?;
        let unfinished = Unfinished::default();
        Ok(TrainingRun { directory, config, dataset, teachers, start, unknown, unfinished, console })
    }

    /// The network that is named, or that of `--init`; `None` where the images decide.
    fn template(&self, start: Option<&Start>) -> Result<Option<Template>> {
        match (&self.model, start) {
            (Some(name), _) => Ok(Some(named_or_file("--model", name, Template::built_in, Template::from_toml)?)),
            (None, Some(start)) => Ok(Some(start.template()?)),
            (None, None) => Ok(None),
        }
    }

    /// The validation images where no teacher decides which they are.
    fn own_split(&self) -> ValidationSplit {
        ValidationSplit {
            fraction: self.val_fraction.unwrap_or(0.05),
            stated_by: [self.val_fraction.map(|_| "--val-fraction"), self.split_seed.map(|_| "--split-seed")]
                .into_iter()
                .flatten()
                .collect(),
            seed: self.split_seed.unwrap_or(self.seed),
            rule: SplitRule::ByContent,
            is_by_folds: self.folds.folds.is_some(),
        }
    }

    /// The recipe that is named, or the default.
    fn recipe_name(&self) -> &str {
        match &self.recipe {
            Some(name) => name,
            None if self.data.folder().is_some() && self.init.is_none() => FOLDERS,
            None => "tutorial",
        }
    }

    /// The recipe for this network and so many training images, with the numbers that the command line overrides.
    fn recipe(&self, recipe: Recipe, network: &Architecture, images: usize, console: &Console) -> Result<Recipe> {
        let (is_for_any_size, description) = (recipe.is_for_any_size(), recipe.description.clone());
        let recipe = recipe.for_images(images).for_network(&network.name, !self.teacher.is_empty());
        let recipe = self.overridden(recipe)?.with_enough_epochs(images);
        recipe.check().map_err(Usage::error)?;
        if self.data.folder().is_some() && !is_for_any_size && self.model.is_none() && self.init.is_none() {
            console_line!(console, "recipe     {}, network {} (--model names another)", recipe.name, network.name);
            console_line!(console, "           recipe folders, with its networks, is made for folders of images");
        }
        if is_for_any_size {
            self.print_choices(&recipe, &description, &network.name, console);
        }
        Ok(recipe)
    }

    /// What a recipe for sets of any size, of that description, chose for these images.
    fn print_choices(&self, recipe: &Recipe, description: &str, network: &str, console: &Console) {
        console_line!(console, "recipe     {}, for sets of any size", recipe.name);
        for choice in recipe.choices_since(description) {
            console_line!(console, "           {choice}");
        }
        for (name, numbers) in [("numbers", numbers_of(recipe)), ("augmentation", recipe.augment.listed())] {
            for (index, line) in wrapped(&numbers, COLUMNS).iter().enumerate() {
                let name = if index == 0 { format!("{name}: ") } else { " ".repeat(name.len() + 2) };
                console_line!(console, "           {name}{line}");
            }
        }
        if recipe.augment.flip == 0.0 {
            console_line!(console, "           nothing is mirrored (--flip mirrors half of the images)");
        }
        if self.model.is_none() && self.init.is_none() {
            console_line!(console, "           network {network}, by the size of the input (--model names another)");
        }
    }

    /// The recipe with the numbers that the command line overrides.
    fn overridden(&self, recipe: Recipe) -> Result<Recipe> {
        let augment = augmented(recipe.augment, &self.augment).map_err(Usage::error)?;
        let recipe = Recipe {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            least_steps: if self.epochs.is_some() { 0 } else { recipe.least_steps },
            batch_size: self.batch_size.unwrap_or(recipe.batch_size),
            learning_rate: self.lr.unwrap_or(recipe.learning_rate),
            patience: self.patience.unwrap_or(recipe.patience),
            min_delta: self.min_delta.unwrap_or(recipe.min_delta),
            balance: self.balance.or(recipe.balance),
            // Who wants training to stop early has it choose an epoch.
            monitor: match recipe.monitor {
                Monitor::Last if self.patience.is_some() || self.min_delta.is_some() => Monitor::Loss,
                monitor => monitor,
            },
            augment: Augment { flip: self.share_to_flip(augment.flip), ..augment },
            ..recipe
        };
        recipe.check().map_err(Usage::error)?;
        Ok(recipe)
    }

    /// What the learning rate of layers that are taken is multiplied with.
    fn init_rate(&self) -> Result<f64> {
        match self.init_lr {
            Some(rate) if !(rate > 0.0 && rate <= 100.0) => Err(Usage::error(anyhow!(
                "--init-lr {rate}: it must be over 0 and at most 100; --freeze taken keeps these layers as they are"
            ))),
            rate => Ok(rate.unwrap_or(1.0)),
        }
    }

    /// The share of training images that are mirrored, where the recipe has `share`.
    fn share_to_flip(&self, share: f64) -> f64 {
        match (self.flip, self.no_flip) {
            (true, _) if share > 0.0 => share,
            (true, _) => 0.5,
            (false, true) => 0.0,
            (false, false) => share,
        }
    }

    /// Of unknown images it is the user who has to decide whether they may be mirrored: a built-in recipe that does
    /// so by default prints a note.
    fn note_flips(&self, recipe: &Recipe) {
        let is_explicit = self.flip || self.no_flip || decide_flips(&self.augment) || is_path(self.recipe_name());
        if self.data.data.is_some() && recipe.augment.flip > 0.0 && !is_explicit {
            warn(&format!(
                "NOTE: recipe {} mirrors images left for right, which harms classes that have a left and a right (letters, digits, \
                 arrows): --no-flip leaves that out, --flip does it without this note",
                recipe.name
            ));
        }
    }

    /// What a run's files hold about others is in JSON, which has no way to name some.
    fn check_paths(&self) -> Result<()> {
        let paths = [&self.out, &self.export, &self.data.data, &self.resume, &self.init, &self.reject.unknown]
            .into_iter()
            .flatten()
            .chain(&self.teacher);
        for path in paths {
            if std::path::absolute(path)?.to_str().is_none() {
                return Err(Usage::error(anyhow!(
                    "{path:?}: the files of a run can name only paths in UTF-8; rename it"
                )));
            }
        }
        Ok(())
    }
}

/// Prints a network's layers, with the numbers that `--freeze` takes where there are weights to start from.
fn print_layers(architecture: &Architecture, has_start: bool, console: &Console) {
    let lines = match has_start {
        true => numbered(architecture),
        false => architecture.to_string().lines().map(str::to_owned).collect(),
    };
    console_line!(console, "");
    for line in lines {
        console_line!(console, "{line}");
    }
    console_line!(console, "");
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::*;

    #[test]
    fn a_resumed_run_takes_the_flags_that_are_named_and_no_other() {
        let all = Fit::augment_args(Command::new("fit"));
        let flags: Vec<&str> = all.get_arguments().map(|flag| flag.get_id().as_str()).collect();
        assert!(WITH_RESUME.iter().all(|name| flags.contains(name)), "{flags:?}");
        for flag in all.get_arguments() {
            let name = flag.get_long().unwrap();
            let value = match name {
                "dataset" => "garments",
                "resize" => "fit",
                "background" => "black",
                "calibration" => "auto",
                "augment" => "none",
                "balance" => "none",
                "input" => "28x28x1",
                "chip" => "nrf52840",
                "layout" => "fast",
                "camera-rotation" => "90",
                "camera-yuv" => "full",
                "val-fraction" | "test-fraction" => "0.2",
                "reject-at" => "precision=0.9",
                _ => "1",
            };
            let mut words = vec!["fit".to_owned(), "--resume".to_owned(), "run".to_owned(), format!("--{name}")];
            words.extend(flag.get_action().takes_values().then(|| value.to_owned()));
            if let "skip-unreadable" | "list-unreadable" = name {
                words.extend(["--data".to_owned(), "images".to_owned()]);
            }
            if let "reject-per-class" | "unknown" = name {
                words.extend(["--reject-at".to_owned(), "precision=0.9".to_owned()]);
            }
            if name == "resume" {
                words.truncate(3);
            }
            let parsed = Fit::augment_args(Command::new("fit")).try_get_matches_from(words);
            let is_taken = WITH_RESUME.contains(&flag.get_id().as_str());
            assert_eq!(parsed.is_ok(), is_taken, "--{name}: {parsed:?}");
            if let Err(error) = parsed {
                assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict, "--{name}");
            }
        }
    }
}
