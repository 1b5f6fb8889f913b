//! `trainer search --trial`: one candidate, trained by a process of its own, which whoever began it may end at any time.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use trainer::network::Template;
use trainer::run::{RunConfig, RunDirectory};
use trainer::search::budget::AssessError;
use trainer::search::{
    Candidate, CandidateError, DataFacts, Limits, Requirements, Space, Trial, TrialEvent, TrialRequest,
};
use trainer::support::bounded_file::read_named_text;
use trainer::support::limits;
use trainer::support::whole_file::directory_of;

use super::destination;
use super::search_input::{SearchInput, other_images};
use super::teacher::Teachers;
use super::training_run::warn_of_no_lock;
use crate::Usage;

/// What is over before an image is read where the data set is described, and else after that.
enum Checked {
    Fits(Requirements),
    /// It was reported why it does not.
    Refused,
}

/// Trains the candidate in the file at `path`, in the directory `out`. Where it `is_attached`, it ends when standard input closes.
pub fn run(search: &SearchInput, space: &Space, path: &Path, out: &Path, is_attached: bool) -> Result<()> {
    let request = read(path)?;
    if is_attached {
        end_with_parent();
    }
    let named = |error: CandidateError| Usage::error(anyhow!("--trial {}: {error}", path.display()));
    let candidate = Candidate::new(space, &request.parameters).map_err(named)?;
    let flag = format!("--out {}", out.display());
    destination::check_directory(&flag, out)?;
    if out.exists() && !RunDirectory::is_free(out)? {
        return Err(Usage::error(anyhow!("{flag} exists already and is not empty; name another")));
    }
    let limits = search.limits.limits();
    let early = match &request.data {
        Some(facts) => Some(check(&limits, &candidate, facts)?),
        None => None,
    };
    if let Some(Checked::Refused) = early {
        return Ok(());
    }
    let teachers = Teachers::open(&search.teacher)?;
    let data = match candidate.conversion()? {
        Some(conversion) => search.data.clone().with_conversion(&conversion),
        None => search.data.clone(),
    };
    let template = |input| Ok(Template::from_toml(&candidate.network(input))?);
    let dataset = search.load(&data, template, teachers.as_ref(), directory_of(out))?;
    if let Some(teachers) = &teachers {
        teachers.check(&dataset)?;
    }
    let facts = DataFacts::of(&dataset)?;
    let requirements = match early {
        Some(Checked::Fits(requirements)) => {
            same(request.data.as_ref(), &facts, space).with_context(|| format!("--trial {}", path.display()))?;
            requirements
        }
        _ => match check(&limits, &candidate, &facts)? {
            Checked::Fits(requirements) => requirements,
            Checked::Refused => return Ok(()),
        },
    };
    let architecture = candidate.architecture(facts.input, u16::try_from(facts.classes.len())?)?;
    let recipe = candidate.recipe(request.epochs, dataset.train.len()).map_err(named)?;
    recipe.check_batch(&architecture, dataset.train.len()).map_err(Usage::error)?;
    let split = search.split(teachers.as_ref());
    let config = RunConfig {
        data_dir: data.directory()?,
        skip_unreadable: data.unreadable.skip_unreadable,
        validation_fraction: split.fraction,
        split_seed: split.seed,
        split_rule: split.rule,
        teachers: teachers.as_ref().map_or(Ok(Vec::new()), Teachers::paths)?,
        teachers_sha256: teachers.as_ref().map_or(Vec::new(), |teachers| teachers.weights_sha256.clone()),
        calibration_methods: candidate.calibration().to_vec(),
        target: limits.target.clone(),
        layout: limits.layout(&candidate),
        ..RunConfig::new(&architecture, recipe, &dataset, request.seed)?
    };
    let directory = RunDirectory::create(Some(out), "")?;
    warn_of_no_lock(&directory);
    directory.write_config(&config)?;
    directory.write_manifest(&dataset)?;
    // What `fit` takes to train the candidate again.
    directory.write("network.toml", candidate.network(facts.input).as_bytes())?;
    directory.write("recipe.toml", toml::to_string(&config.recipe)?.as_bytes())?;
    let teacher = teachers.as_ref().map(|teachers| &teachers.teacher);
    let trial = Trial { directory: &directory, config: &config, dataset: &dataset, teacher, requirements };
    trial.run(&mut |event| print(&event))?;
    Ok(())
}

fn read(path: &Path) -> Result<TrialRequest> {
    let named = |what: String| Usage::error(anyhow!("--trial {}: {what}", path.display()));
    let text = read_named_text(path, limits::TOML).map_err(|error| named(error.to_string()))?;
    let request: TrialRequest = serde_json::from_str(&text).map_err(|error| {
        named(format!("{error}; it must be {{\"parameters\": {{...}}, \"seed\": 1, \"epochs\": 10}}"))
    })?;
    Ok(request)
}

/// Reports what a candidate takes, or why it cannot be trained, and whether that is all.
fn check(limits: &Limits, candidate: &Candidate<'_>, facts: &DataFacts) -> Result<Checked> {
    match limits.assess(candidate, facts) {
        Ok(requirements) => {
            let violations = limits.violations(&requirements);
            let fits = violations.values().all(|&violation| violation <= 0.0);
            print(&TrialEvent::Checked { requirements, violations })?;
            Ok(if fits { Checked::Fits(requirements) } else { Checked::Refused })
        }
        Err(AssessError::Candidate(CandidateError::Architecture(error))) => {
            print(&TrialEvent::Failed { reason: error.to_string() })?;
            Ok(Checked::Refused)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses images that are not those which the search is about.
fn same(described: Option<&DataFacts>, loaded: &DataFacts, space: &Space) -> Result<()> {
    let Some(described) = described else { return Ok(()) };
    let is_same = described.name == loaded.name && described.classes == loaded.classes;
    // Inputs of another size have another hash.
    if !is_same || (space.least_input().is_none() && described != loaded) {
        return Err(other_images(described, loaded));
    }
    Ok(())
}

/// Prints an event, at once: whoever reads along decides by it.
fn print(event: &TrialEvent) -> io::Result<()> {
    let line = serde_json::to_string(event)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Ends the process when standard input closes. A trial that is cut off there leaves a run without results, which nobody reads.
fn end_with_parent() {
    let wait = || {
        let mut byte = [0];
        while io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        std::process::exit(1);
    };
    // Without a thread it ends by itself, later: when the next line cannot be printed.
    let _ = std::thread::Builder::new().name("parent".to_owned()).spawn(wait);
}
