//! `--init RUN`: the network of an earlier run to start from.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use trainer::dataset::Dataset;
use trainer::dataset::content::ContentHash;
use trainer::dataset::download::sha256;
use trainer::dataset::held_out::Split;
use trainer::image::{Conversion, Preprocessing};
use trainer::network::{Architecture, FloatModel, Node, Template};
use trainer::run::{InitialRun, RunConfig, RunDirectory};
use trainer::support::printable::in_one_line;
use trainer::support::text::thousands;
use trainer::train::initial::Initial;

use super::console::{Console, console_line};
use super::output::warn;
use crate::Usage;

/// The run that is started from.
pub struct Start {
    /// Its network.
    pub model: FloatModel,
    path: PathBuf,
    config: RunConfig,
    weights_sha256: String,
}

impl Start {
    /// Opens the run.
    pub fn open(path: &Path) -> Result<Self> {
        let directory = RunDirectory::open(path);
        let (config, model) = directory.load()?;
        if !model.is_finite()? {
            bail!(
                "--init {}: {} has weights that are not finite numbers",
                path.display(),
                directory.weights().display()
            );
        }
        let weights_sha256 = sha256(&directory.weights())?;
        Ok(Self { model, path: path.to_owned(), config, weights_sha256 })
    }

    /// Opens the run that another one was started from, which must be as it was then.
    pub fn again(initial: &InitialRun, run: &Path) -> Result<Self> {
        if !RunDirectory::is_at(&initial.run) {
            bail!(
                "{} was started from the run {}, which no longer exists; put it back to resume",
                run.display(),
                initial.run.display()
            );
        }
        let start = Self::open(&initial.run)?;
        if start.weights_sha256 != initial.weights_sha256 {
            bail!(
                "the weights of {} have changed since the run was started from them; it cannot be resumed to the same bytes",
                initial.run.display()
            );
        }
        Ok(start)
    }

    /// Its network for any input and any classes; its batch normalization is part of its weights.
    pub fn template(&self) -> Result<Template> {
        Ok(Template::of(&self.model.architecture().folded())?)
    }

    /// How its images were brought to size, where they were.
    pub fn conversion(&self) -> Option<Conversion> {
        match self.config.preprocessing {
            Preprocessing::Converted { conversion, .. } => Some(conversion),
            Preprocessing::Bytes => None,
        }
    }

    /// What of it a network starts from, said in a line, and that network without batch normalization where it does.
    pub fn settle(
        &self,
        architecture: Architecture,
        freeze: Option<&str>,
        learning_rate: f64,
        class_names: &[String],
        console: &Console,
    ) -> Result<(Architecture, InitialRun)> {
        let taken = Initial::matching(&architecture, self.model.architecture());
        if taken.is_empty() {
            let (run, own, theirs) = (self.path.display(), &architecture.name, &self.config.model);
            return Err(Usage::error(match own == theirs {
                true => {
                    anyhow!("--init {run}: no layer has weights of the same dimensions in that run; leave --width out")
                }
                false => anyhow!(
                    "--init {run}: no layer of {own} has the weights of one of {theirs}; leave --model out to use its network"
                ),
            }));
        }
        let is_taken = |index: usize| taken.iter().any(|&(own, _)| own == index);
        let fold = |(index, node): (usize, Node)| if is_taken(index) { node.with(node.layer.folded()) } else { node };
        let nodes: Vec<Node> = architecture.nodes().into_iter().enumerate().map(fold).collect();
        let architecture = Architecture::new(architecture.name.clone(), architecture.input, &nodes)?;
        let weighted: Vec<usize> =
            (0..architecture.layers.len()).filter(|&index| architecture.layers[index].weights().is_some()).collect();
        let fresh: Vec<String> = weighted
            .iter()
            .filter(|&&index| !is_taken(index))
            .map(|&index| format!("layer {index} ({})", architecture.layers[index].layer))
            .collect();
        let frozen = match freeze {
            Some(text) => frozen(text, &architecture, &taken)?,
            None => Vec::new(),
        };
        console_line!(
            console,
            "init       {}: {} of {} layers with weights are taken{}{}",
            self.path.display(),
            taken.len(),
            weighted.len(),
            if fresh.is_empty() { String::new() } else { format!("; new: {}", fresh.join(", ")) },
            if frozen.is_empty() { String::new() } else { format!("; {} are not trained", frozen.len()) }
        );
        if learning_rate != 1.0 && taken.iter().all(|(own, _)| frozen.contains(own)) {
            warn("NOTE: --init-lr has no effect: all layers that are taken are frozen");
        }
        if is_taken(architecture.layers.len() - 1) {
            self.note_classes(class_names);
        }
        let initial = Initial { taken, frozen, learning_rate };
        let run = std::path::absolute(&self.path)?;
        Ok((architecture, InitialRun { run, weights_sha256: self.weights_sha256.clone(), initial }))
    }

    /// What the outputs of the last layer, which is taken, were for, where that is something else than here.
    /// Warns where this run is to be judged by images that the other one was trained on: on these, its accuracies, a temperature and a
    /// threshold come out too high.
    pub fn note_seen(&self, dataset: &Dataset, folds: Option<usize>) -> Result<()> {
        let Some(manifest) = RunDirectory::open(&self.path).read_manifest(self.config.class_names.len())? else {
            return Ok(());
        };
        let splits = manifest.splits();
        let judged = [if folds.is_some() { &dataset.train } else { &dataset.validation }, &dataset.test];
        let mut seen = 0;
        for images in judged {
            let hashes = ContentHash::of_each(images)?;
            seen += hashes.iter().filter(|&hash| splits.get(hash) == Some(&Split::Train)).count();
        }
        if seen > 0 {
            let RunConfig { split_seed, validation_fraction, .. } = &self.config;
            let what_to_do = match (self.config.folds, folds) {
                (Some(_), _) => "start from a run without --folds, which holds images out".to_owned(),
                (None, Some(_)) => {
                    "leave --folds out, because the folds are other images than that run held out".to_owned()
                }
                (None, None) => {
                    format!(
                        "--split-seed {split_seed} --val-fraction {validation_fraction} holds out what that run held out, \
                         unless one of the two has a folder val/ or a teacher"
                    )
                }
            };
            warn(&format!(
                "WARNING: {} of the {} images that this run is validated and tested on were trained on by {}, whose weights it starts from: \
                 accuracies on these images are too high; {what_to_do}",
                thousands(seen),
                thousands(judged.iter().map(|images| images.len()).sum()),
                self.path.display()
            ));
        }
        Ok(())
    }

    fn note_classes(&self, class_names: &[String]) {
        let known = &self.config.class_names;
        let is_nameless = self.config.imported.as_ref().is_some_and(|imported| !imported.names_classes);
        if known != class_names && !is_nameless {
            /// Names that are listed.
            const LISTED: usize = 3;
            let listed = |names: &[String]| {
                let first: Vec<_> = names.iter().take(LISTED).map(|name| in_one_line(name)).collect();
                format!("{}{}", first.join(", "), if names.len() > LISTED { ", ..." } else { "" })
            };
            warn(&format!(
                "NOTE: the last layer is taken too, but its outputs have other classes in {}: {}; here {}",
                self.path.display(),
                listed(known),
                listed(class_names)
            ));
        }
    }
}

/// The layers that `--freeze` names: numbers as in the listing of layers, ranges of them, names, or `taken`.
fn frozen(text: &str, architecture: &Architecture, taken: &[(usize, usize)]) -> Result<Vec<usize>> {
    let count = architecture.layers.len();
    let mut frozen = Vec::new();
    for part in text.split(',').map(str::trim) {
        let named = architecture.layers.iter().position(|layer| layer.name.as_deref() == Some(part));
        let range = part.split_once('-').map_or((part, part), |ends| ends);
        match (part, named, range.0.parse::<usize>(), range.1.parse::<usize>()) {
            ("taken", ..) => frozen.extend(taken.iter().map(|&(own, _)| own)),
            (_, Some(layer), ..) => frozen.push(layer),
            (_, None, Ok(first), Ok(last)) if first <= last && last < count => frozen.extend(first..=last),
            _ => {
                return Err(Usage::error(anyhow!(
                    "--freeze {text:?}: {part:?} is neither one of the layers 0 to {} nor the name of one; give numbers, ranges such as 0-5, names, or \
                     taken",
                    count - 1
                )));
            }
        }
    }
    frozen.sort_unstable();
    frozen.dedup();
    frozen.retain(|&layer| architecture.layers[layer].weights().is_some());
    if (0..count).filter(|&layer| architecture.layers[layer].weights().is_some()).all(|layer| frozen.contains(&layer)) {
        return Err(Usage::error(anyhow!(
            "--freeze {text:?}: all layers would be frozen, and nothing would be trained; leave the last one out, such as with \
             --freeze 0-{}",
            count.saturating_sub(2)
        )));
    }
    Ok(frozen)
}
