//! What the network may take of a chip: the flags, and the check before the training.

use anyhow::{Context, Result, anyhow};
use clap::builder::TypedValueParser;
use trainer::export::hardware::{Budget, Chip, time};
use trainer::export::layout::LayoutChoice;
use trainer::network::{Architecture, Template};
use trainer::run::{RunConfig, Target};
use trainer::support::text::thousands;

use super::console::{Console, console_line};
use super::named::CHIPS;
use super::values;

/// What the network may take.
#[derive(clap::Args)]
pub struct BudgetFlags {
    /// Chip that the network has to fit on, such as nrf52840 (see trainer chips); checked before training
    #[arg(long, value_name = "NAME", value_parser = CHIPS.try_map(chip), hide_possible_values = true)]
    chip: Option<&'static Chip>,
    /// Flash for the model and the program that runs it, such as 256K or 1M [default: the chip's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_flash: Option<usize>,
    /// RAM for the arena, an image and the stack, such as 16K [default: the chip's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_ram: Option<usize>,
    /// Layout of the weights in the model file; every layout gives the same answers [default: auto with --chip, --max-flash or
    /// --max-ram, otherwise compact]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    layout: Option<LayoutName>,
}

/// What decides about layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LayoutName {
    /// As little flash as possible
    Compact,
    /// As little time as possible: more flash for some layers
    Fast,
    /// For vectors of Cortex-M52, M55 and M85: fast there, and slow on any other core
    Vector,
    /// As little time as the flash and RAM of the chip or the budget allow
    Auto,
}

fn chip(name: String) -> Result<&'static Chip, String> {
    Chip::named(&name).map_err(|error| {
        format!("{error}; for others give --max-flash and --max-ram, and --chip of one with the same core for the time")
    })
}

/// What can take the place of a network that does not fit.
pub enum Instead {
    /// A built-in network, with the factor that `--width` gives.
    BuiltIn { width: Option<f64> },
    /// Another run to start from: networks with other layers take no weights of this one.
    Init,
    /// Another layout of a network that is trained.
    Layout,
    /// Another network to be imported.
    Import,
}

impl Instead {
    fn advice(&self, architecture: &Architecture, config: &RunConfig, budget: &Budget) -> String {
        match self {
            Self::BuiltIn { width } => {
                let built_in = match width {
                    None => "built-in networks",
                    Some(_) => "built-in networks, with this --width,",
                };
                match fitting(architecture, config, *width, budget).as_slice() {
                    [] => "A smaller --width, a smaller --input or a smaller network of your own (--model ./FILE.toml) may fit"
                        .to_owned(),
                    names => {
                        format!("Of the {built_in} {} would; a smaller --width or a smaller --input may fit too", names.join(", "))
                    }
                }
            }
            Self::Init => "A chip with more of it may fit (trainer chips), a smaller --input, or a smaller network without --init"
                .to_owned(),
            Self::Layout => "--layout compact takes the least flash; a chip with more of it may fit (trainer chips), or a new fit of a \
                             smaller network"
                .to_owned(),
            Self::Import => {
                "A chip with more of it may fit (trainer chips), or a smaller network to be imported".to_owned()
            }
        }
    }
}

/// The built-in networks that keep to a budget, for the same inputs and classes, trained in the same manner.
fn fitting(architecture: &Architecture, config: &RunConfig, width: Option<f64>, budget: &Budget) -> Vec<&'static str> {
    let fits = |name: &str| {
        let classes = u16::try_from(config.class_names.len()).ok()?;
        let template = Template::built_in(name).ok()?;
        let template = match width {
            Some(width) => template.with_width(width).ok()?,
            None => template,
        };
        let other = template.architecture(architecture.input, classes).ok()?;
        let config = RunConfig { model: other.name.clone(), ..config.clone() };
        let footprint = config.footprint(&other, &config.layouts(&other).ok()?).ok()?;
        budget.check(&footprint).ok()
    };
    Template::built_in_files().iter().map(|(name, _)| *name).filter(|name| fits(name).is_some()).collect()
}

/// A number of bytes over 0.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = values::bytes(text, "65536, 64K or 1M")?;
    if bytes > 0 { Ok(bytes) } else { Err("it must be a number of bytes over 0".to_owned()) }
}

impl BudgetFlags {
    /// What was requested; `None` where nothing was.
    pub fn target(&self) -> Option<Target> {
        let target = Target {
            chip: self.chip.map(|chip| chip.name.clone()),
            flash: self.max_flash.or(self.chip.map(|chip| chip.flash)),
            ram: self.max_ram.or(self.chip.map(|chip| chip.ram)),
        };
        (target.flash.is_some() || target.ram.is_some()).then_some(target)
    }

    /// What decides about the layouts of weights; `None` where nothing was requested.
    pub fn layout(&self) -> Option<LayoutChoice> {
        self.layout.map(|layout| match layout {
            LayoutName::Compact => LayoutChoice::Compact,
            LayoutName::Fast => LayoutChoice::Fast,
            LayoutName::Vector => LayoutChoice::Vector,
            LayoutName::Auto => LayoutChoice::Auto,
        })
    }

    /// The same for a new run, which is automatic where there is a target.
    pub fn layout_of_new_run(&self) -> LayoutChoice {
        match (self.layout(), self.target()) {
            (None | Some(LayoutChoice::Auto), None) => LayoutChoice::Compact,
            (None, Some(_)) => LayoutChoice::Auto,
            (Some(layout), _) => layout,
        }
    }

    /// Refuses a network that no chip could run, or not this one; prints how much of it is taken.
    pub fn check(
        &self,
        architecture: &Architecture,
        config: &RunConfig,
        instead: Instead,
        console: &Console,
    ) -> Result<()> {
        let layouts = config.layouts(architecture).context(architecture.name.clone())?;
        let footprint = config.footprint(architecture, &layouts).context(architecture.name.clone())?;
        let budget = self.target().map_or_else(Budget::default, |target| target.budget());
        budget.check(&footprint).map_err(|error| {
            let place = self.chip.map_or("the budget".to_owned(), |chip| format!("{} ({})", chip.name, chip.core.name));
            let advice = instead.advice(architecture, config, &budget);
            anyhow!("{} does not fit {place}: {error}. {advice}", architecture.name)
        })?;
        if budget.is_empty() {
            return Ok(());
        }
        let program = budget.program(footprint.operators);
        if let Some(chip) = self.chip {
            console_line!(console, "fits {} ({}, {} MHz)", chip.name, chip.core.name, chip.clock);
        }
        let lines = [("flash", footprint.flash(program), budget.flash), ("RAM", footprint.ram(program), budget.ram)];
        for (name, needed, available) in lines {
            let available = available.map_or(String::new(), |bytes| format!(" of {:>9}", thousands(bytes)));
            console_line!(console, "{name:<10} {:>10}{available} bytes", thousands(needed));
        }
        if let Some(chip) = self.chip {
            let [best, worst] = chip.estimate(architecture, &layouts).map(time);
            console_line!(console, "time       {best} to {worst}, estimated, for an image without zeros");
        }
        console_line!(console, "");
        Ok(())
    }
}
