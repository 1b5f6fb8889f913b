//! Names on the command line that are built in, and paths that may take their place.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, anyhow};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use trainer::export::hardware::chips;
use trainer::network::Template;
use trainer::search::Space;
use trainer::support::bounded_file::read_named_text;
use trainer::support::limits;
use trainer::train::recipe::Recipe;

use crate::Usage;

/// A value that is often one of some names, which shells complete, and may be any other text.
#[derive(Clone, Copy)]
pub struct Names(fn() -> Vec<&'static str>);

/// The built-in networks.
pub const MODELS: Names = Names(|| Template::built_in_files().iter().map(|(name, _)| *name).collect());

/// The built-in recipes.
pub const RECIPES: Names = Names(|| Recipe::built_in_files().iter().map(|(name, _)| *name).collect());

/// The ready spaces of a search.
pub const SPACES: Names = Names(|| Space::ready_files().iter().map(|(name, _)| *name).collect());

/// The chips with a name.
pub const CHIPS: Names = Names(|| chips().iter().map(|chip| &*chip.name).collect());

impl TypedValueParser for Names {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}

/// Whether a name looks like the path of a file.
pub fn is_path(name: &str) -> bool {
    name.contains(['.', '/', std::path::MAIN_SEPARATOR])
}

/// What is built in under a name, or, where it looks like the path of a file, the content of that file. `what` names whose value the
/// name is, such as `--model`.
pub fn named_or_file<T, E: std::error::Error + Send + Sync + 'static>(
    what: &str,
    name: &str,
    built_in: fn(&str) -> Result<T, E>,
    from_toml: fn(&str) -> Result<T, E>,
) -> Result<T> {
    if !is_path(name) {
        return built_in(name).map_err(Usage::error);
    }
    // It may be a pipe, as of `--recipe <(command)`.
    let text = read_named_text(Path::new(name), limits::TOML).map_err(|error| {
        let trained = if what == "--model" {
            "; a trained network is --init RUN, and trainer import makes a run of a TFLite file"
        } else {
            ""
        };
        Usage::error(match error.kind() {
            ErrorKind::InvalidData => anyhow!("{what} {name}: not a TOML file, as it is not text{trained}"),
            _ => anyhow!("{what} {name}: {error}"),
        })
    })?;
    from_toml(&text).map_err(|error| Usage::error(anyhow!("{name}: {error}")))
}
