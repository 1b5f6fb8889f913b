//! `trainer inspect model.bin`, `trainer inspect RUN --quantization`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use infer_core::format::Layout;
use trainer::export::decision::Decision;
use trainer::export::inspect::{
    Arena, ChipListing, LayerListing, Listing, MetadataListing, ScalesListing, Share, StageListing,
};
use trainer::export::model_file;
use trainer::network::architecture::shown;
use trainer::quantize::choose::{Chosen, choose};
use trainer::quantize::{Method, QuantizedModel, Report};
use trainer::run::{RunConfig, RunDirectory};
use trainer::support::text::{thousands, wrapped};

use super::output::{name_columns, print_json, print_line, significant};
use super::{quantization, run_data};
use crate::Usage;
use trainer::export::hardware::time;

/// Columns of the text, and so of the list of classes.
const COLUMNS: usize = 80;

/// Show the contents of a model file, or the cost of quantization in a run.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  trainer inspect model.bin
  trainer inspect runs/cnn-fashion-mnist-48-1 --quantization
  trainer inspect runs/cnn-birds-48-1 --quantization --data path/to/birds --json")]
pub struct Inspect {
    /// A model file, or the directory of a run
    path: PathBuf,
    /// Measure on the validation images what quantization costs in each layer; PATH is the directory of a run
    #[arg(long)]
    quantization: bool,
    /// Directory of the images or IDX files that the run was trained on; for an imported run, any images of its classes
    /// [default: found as fit finds it]
    #[arg(long, value_name = "DIR", requires = "quantization")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Prints a listing of a model file, or a report on a run.
    pub fn run(self) -> Result<()> {
        match (self.quantization, self.path.is_dir()) {
            (true, false) if self.path.exists() => Err(Usage::error(anyhow!(
                "{} is a file; --quantization needs the directory of a run, with the float weights in it",
                self.path.display()
            ))),
            (true, _) => self.report(),
            (false, true) => {
                let directory = RunDirectory::open(&self.path);
                self.list(&directory.model(), &directory.read_model()?)
            }
            (false, false) => {
                let bytes = model_file::read(&self.path).with_context(|| self.path.display().to_string())?;
                self.list(&self.path, &bytes)
            }
        }
    }

    fn list(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let path = path.display().to_string();
        let listing = Listing::new(bytes).with_context(|| path.clone())?;
        if self.json {
            return print_json(&listing);
        }
        print_file(&path, &listing)?;
        print_metadata(&listing.metadata)?;
        print_decision(&listing.decision, &listing.metadata.class_names)?;
        let widest = name_columns(listing.layers.iter().map(name), 32);
        print_layers(&listing, widest)?;
        print_scales(&listing, widest)?;
        print_arena(&listing, widest)?;
        print_chips(&listing.chips)?;
        let is_larger = |layer: &LayerListing| layer.layout.is_some_and(|layout| layout != Layout::Compact.name());
        if !listing.chips.iter().all(ChipListing::fits) && listing.layers.iter().any(is_larger) {
            print_line!(
                "Weights in another layout than compact take more flash: trainer export RUN\n\
                 --chip NAME writes the model as that chip has room for it."
            );
        }
        Ok(())
    }

    fn report(&self) -> Result<()> {
        let directory = RunDirectory::open(&self.path);
        let (config, model) = directory.load()?;
        let dataset = run_data::load(&self.path, &config, self.data.as_deref(), None, self.json)?.with_validation();
        // An imported network may not have been calibrated.
        let (config, file) = if config.imported.is_some() && config.calibration.is_empty() {
            let Chosen { calibration, quantized, choice, .. } =
                choose(&model, &dataset.train, &dataset.validation, config.seed, &Method::ALL)?;
            let file = config.encode(&quantized)?;
            (RunConfig { calibration, calibration_choice: Some(choice), ..config }, file)
        } else {
            // Temperature changes no answer, but would change the loss.
            let neutral = RunConfig { decision: Decision::default(), ..config.clone() };
            (config, neutral.encode(&QuantizedModel::new(&model, &neutral.calibration)?)?)
        };
        let report = Report::new(&model, &config.calibration, &file, &dataset.validation)?;
        if self.json {
            return print_json(&report);
        }
        print_line!("run        {} ({}, trained on {})", self.path.display(), config.model, config.dataset);
        if let Some(choice) = &config.calibration_choice {
            print_line!("{}", choice.on(config.judged_on()));
        }
        quantization::print(&report, config.judged_on())
    }
}

fn print_file(name: &str, listing: &Listing) -> Result<()> {
    print_line!("model           {name}");
    print_line!("format          version {}, CRC-32 {:08x}", listing.format_version, listing.crc32);
    if listing.bytes_after > 0 {
        print_line!("trailing        {} bytes after the model", thousands(listing.bytes_after));
    }
    Ok(())
}

fn print_metadata(metadata: &MetadataListing) -> Result<()> {
    let accuracy = |accuracy: Option<f32>| {
        accuracy.map_or("not known".to_owned(), |accuracy| format!("{accuracy:.4} of the test images"))
    };
    print_line!("trainer         {}", metadata.trainer);
    print_line!("architecture    {}", metadata.architecture);
    print_line!("trained on      {}", metadata.dataset);
    print_line!("preprocessing   {}", metadata.preprocessing);
    print_line!("accuracy        {} in float", accuracy(metadata.float_test_accuracy));
    print_line!("                {} in 8 bits", accuracy(metadata.int8_test_accuracy));
    for (index, line) in wrapped(&metadata.class_names, COLUMNS - 16).iter().enumerate() {
        print_line!("{:<16}{line}", if index == 0 { "classes" } else { "" });
    }
    Ok(())
}

/// Temperature and thresholds, where there are any.
fn print_decision(decision: &Decision, class_names: &[String]) -> Result<()> {
    if decision.temperature.to_bits() != 1f32.to_bits() {
        print_line!("temperature     {:.4}; the scale of the logits was divided by it", decision.temperature);
    }
    if decision.class_thresholds.is_empty() {
        if decision.threshold > 0.0 {
            print_line!("threshold       {:.4}; less probable answers are none of these", decision.threshold);
        }
        return Ok(());
    }
    let of_class = |(class, name): (usize, &String)| format!("{name} {:.4}", decision.threshold_of(class));
    let listed: Vec<String> = class_names.iter().enumerate().map(of_class).collect();
    for (index, line) in wrapped(&listed, COLUMNS - 16).iter().enumerate() {
        print_line!("{:<16}{line}", if index == 0 { "thresholds" } else { "" });
    }
    Ok(())
}

/// A layer's number and what it does.
fn name(layer: &LayerListing) -> String {
    format!("{} {}", layer.layer, layer.name)
}

fn print_layers(listing: &Listing, widest: usize) -> Result<()> {
    print_line!("\n{:<widest$}{:>12}{:>12}{:>13}{:>11}", "layer", "output", "parameters", "MACs", "flash");
    print_line!(
        "{:<widest$}{:>12}{:>36}",
        "header, names, input",
        listing.input.shape,
        thousands(listing.preamble_bytes)
    );
    for layer in &listing.layers {
        let LayerListing { output, parameters, macs, flash_bytes, .. } = layer;
        let output = shown(*output);
        let [parameters, macs, flash] = [*parameters, *macs, *flash_bytes].map(thousands);
        print_line!("{:<widest$}{output:>12}{parameters:>12}{macs:>13}{flash:>11}", name(layer));
    }
    let [parameters, macs, flash] = [listing.parameters, listing.macs, listing.flash_bytes].map(thousands);
    print_line!("{:<widest$}{:>12}{parameters:>12}{macs:>13}{flash:>11}", "total", "");
    print_layouts(&listing.layers)?;
    let is_twice = |layer: &&LayerListing| layer.scales.is_some_and(|scales| scales.roundings == 2);
    print_numbers("rounded twice", listing.layers.iter().filter(is_twice))
}

/// Which layers have their weights in another layout than the compact one, if any has.
fn print_layouts(layers: &[LayerListing]) -> Result<()> {
    for layout in Layout::ALL.into_iter().filter(|&layout| layout != Layout::Compact) {
        let of_layout = layers.iter().filter(|layer| layer.layout == Some(layout.name()));
        print_numbers(&format!("layout {}", layout.name()), of_layout)?;
    }
    Ok(())
}

/// The numbers of some layers after what they have in common, if there are any.
fn print_numbers<'l>(title: &str, layers: impl Iterator<Item = &'l LayerListing>) -> Result<()> {
    let numbers: Vec<String> = layers.map(|layer| layer.layer.to_string()).collect();
    for (index, line) in wrapped(&numbers, COLUMNS - 26).iter().enumerate() {
        print_line!("{:<16}layers {line}", if index == 0 { title } else { "" });
    }
    Ok(())
}

fn print_scales(listing: &Listing, widest: usize) -> Result<()> {
    print_line!("\n{:<widest$}{:>10}{:>11}{:>6}{:>21}", "scales", "output", "zero point", "shift", "weights");
    let input = &listing.input;
    print_line!("{:<widest$}{:>10}{:>11}", "input", significant(input.scale.into()), input.zero_point);
    for layer in &listing.layers {
        let Some(scales) = &layer.scales else { continue };
        let ScalesListing { output, zero_point, shift, smallest_weight, largest_weight, .. } = *scales;
        let or_none = |number: Option<u8>| number.map_or("-".to_owned(), |number| number.to_string());
        let weights = match (smallest_weight, largest_weight) {
            (Some(smallest), Some(largest)) if smallest < largest => {
                format!("{} to {}", significant(smallest), significant(largest))
            }
            (_, largest) => largest.map_or("-".to_owned(), significant),
        };
        print_line!(
            "{:<widest$}{:>10}{:>11}{:>6}{weights:>21}",
            name(layer),
            significant(output.into()),
            or_none(zero_point),
            or_none(shift)
        );
    }
    Ok(())
}

/// What the arena is for, and where in it each stage works.
fn print_arena(listing: &Listing, widest: usize) -> Result<()> {
    let Arena { bytes, bytes_with_image: _, activations, scratch, logits } = listing.arena;
    let [bytes, image, activations, scratch] = [bytes, listing.input.shape.len(), activations, scratch].map(thousands);
    print_line!("\narena           {bytes} bytes, without the {image} of an image; a stage takes at most");
    print_line!("{:<16}{activations} of activations, where outputs may overlap inputs,", "");
    print_line!("{:<16}and {scratch} of scratch; {logits} of logits", "");
    print_line!("\n{:<widest$}{:>16}{:>16}{:>16}", "places in the arena", "input", "output", "scratch");
    let range = |[first, end]: [usize; 2]| format!("{first}..{end}");
    for StageListing { last_layer, sources, inputs, output, scratch } in &listing.stages {
        let name = name(&listing.layers[*last_layer]);
        for (index, (source, input)) in sources.iter().zip(inputs).enumerate() {
            let input = if *source == 0 { "image".to_owned() } else { range(*input) };
            if index > 0 {
                print_line!("{:<widest$}{input:>16}", "");
                continue;
            }
            let scratch = scratch.map_or("-".to_owned(), range);
            print_line!("{name:<widest$}{input:>16}{:>16}{scratch:>16}", range(*output));
        }
    }
    Ok(())
}

/// Which chips the model fits on; how much is missing where it does not.
fn print_chips(chips: &[ChipListing]) -> Result<()> {
    print_line!("\n{:<12} {:<7} {:>8} {:>14} {:>14}  {}", "chip", "core", "clock", "flash", "RAM", "estimated time");
    for listing in chips {
        let share = |Share { needed, available }: Share| match needed.checked_sub(available) {
            Some(missing) if missing > 0 => format!("{}K too much", missing.div_ceil(1024)),
            _ => format!("{:.0}K ({:.0}%)", needed as f64 / 1024.0, 100.0 * needed as f64 / available as f64),
        };
        let [best, worst] = listing.estimated_seconds.map(|seconds| time(Duration::from_secs_f64(seconds)));
        let estimate = if listing.fits() { format!("{best} to {worst}") } else { "does not fit".to_owned() };
        print_line!(
            "{:<12} {:<7} {:>4} MHz {:>14} {:>14}  {estimate}",
            listing.chip,
            listing.core,
            listing.clock,
            share(listing.flash),
            share(listing.ram)
        );
    }
    print_line!(
        "Flash: the model and a program that runs it. RAM: arena, image and stack.\n\
         Times are estimates, from instructions counted of single layers: for an image\n\
         without zeros, at the cycles of the core's manual (one an instruction where that\n\
         gives none) and at two an instruction. Others take less."
    );
    Ok(())
}
