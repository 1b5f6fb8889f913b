//! In which layout the weights of each stage are written.
//!
//! Every layout gives the same codes. One that is faster takes more flash.

use infer_core::format::{Layout, Metadata};
use serde::{Deserialize, Serialize};

use crate::export::hardware::{Budget, Core, Footprint, cores};
use crate::export::model_file::ModelFileError;
use crate::network::Architecture;
use crate::network::chain::Stage;

/// What decides about the layouts of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutChoice {
    /// As little flash as possible.
    #[default]
    Compact,
    /// As little time as possible.
    Fast,
    /// In vectors, for Cortex-M52, M55 and M85, whatever the target.
    Vector,
    /// As little time as the flash and the RAM of a target allow. Without a target, compact.
    Auto,
}

impl LayoutChoice {
    /// Whether it is [compact](Self::Compact).
    #[must_use]
    pub fn is_compact(&self) -> bool {
        *self == Self::Compact
    }

    /// The layout of each stage's weights. Times are those of the budget's core; of an M4F where it has none.
    ///
    /// # Errors
    /// Those of [`Footprint::of`].
    pub fn layouts(
        self,
        architecture: &Architecture,
        budget: &Budget,
        metadata: &Metadata<'_>,
    ) -> Result<Vec<Layout>, ModelFileError> {
        let stages = architecture.stages();
        let compact = vec![Layout::Compact; stages.len()];
        let core = budget.core.or_else(|| cores().iter().find(|core| core.name == YARDSTICK));
        let Some(core) = core else { return Ok(compact) };
        match self {
            Self::Compact => Ok(compact),
            Self::Fast => Ok(stages.iter().map(|stage| fastest(stage, core)).collect()),
            Self::Vector => Ok(stages.iter().map(in_vectors).collect()),
            Self::Auto if budget.is_empty() => Ok(compact),
            Self::Auto => within(architecture, &stages, core, budget, metadata, compact),
        }
    }
}

/// The core that decides what is fast where none is named.
const YARDSTICK: &str = "M4F";

/// The most that a layout which takes more flash may take of the time of the compact one. Estimates are for images without zeros: cores that multiply
/// one by one skip zeros in the compact layout alone, of which there are many after a ReLU.
const SHARE: f64 = 0.7;

fn in_vectors(stage: &Stage<'_>) -> Layout {
    if stage.has_layout(Layout::Vector) { Layout::Vector } else { Layout::Compact }
}

/// The layout in which a stage takes the least time.
fn fastest(stage: &Stage<'_>, core: &Core) -> Layout {
    let time = |&layout: &Layout| match layout {
        Layout::Compact | Layout::Vector => instructions(stage, layout, core),
        Layout::Winograd => instructions(stage, layout, core) / SHARE,
    };
    let layouts = Layout::ALL.into_iter().filter(|&layout| stage.has_layout(layout));
    layouts.min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or_default()
}

fn instructions(stage: &Stage<'_>, layout: Layout, core: &Core) -> f64 {
    let work = stage.work(layout);
    core.costs.of(work.kernel).of(&work)
}

/// Takes the fastest layouts, first those that save the most time for a byte of flash, as long as they fit the budget.
fn within(
    architecture: &Architecture,
    stages: &[Stage<'_>],
    core: &Core,
    budget: &Budget,
    metadata: &Metadata<'_>,
    mut layouts: Vec<Layout>,
) -> Result<Vec<Layout>, ModelFileError> {
    let flash = |layouts: &[Layout]| Ok::<_, ModelFileError>(Footprint::of(architecture, layouts, metadata)?.model);
    let least = flash(&layouts)?;
    let mut changes = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let layout = fastest(stage, core);
        if layout == Layout::Compact {
            continue;
        }
        let mut changed = layouts.clone();
        changed[index] = layout;
        let bytes = flash(&changed)?.saturating_sub(least).max(1);
        let saved = instructions(stage, Layout::Compact, core) - instructions(stage, layout, core);
        changes.push((index, layout, saved / bytes as f64));
    }
    changes.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
    for (index, layout, _) in changes {
        let before = std::mem::replace(&mut layouts[index], layout);
        if budget.check(&Footprint::of(architecture, &layouts, metadata)?).is_err() {
            layouts[index] = before;
        }
    }
    Ok(layouts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata<'static> {
        Metadata {
            trainer: "0",
            dataset: "",
            architecture: "",
            class_lines: "0\n1\n2\n3\n4\n5\n6\n7\n8\n9",
            images: "",
            float_test_accuracy: None,
            int8_test_accuracy: None,
        }
    }

    fn budget(flash: Option<usize>) -> Budget {
        Budget { flash, ram: None, core: cores().iter().find(|core| core.name == "M4F") }
    }

    fn transformed(architecture: &Architecture, choice: LayoutChoice, budget: &Budget) -> (usize, usize) {
        let layouts = choice.layouts(architecture, budget, &metadata()).unwrap();
        let footprint = Footprint::of(architecture, &layouts, &metadata()).unwrap();
        let count = layouts.iter().filter(|&&layout| layout == Layout::Winograd).count();
        (count, footprint.flash(budget.program(footprint.operators)))
    }

    #[test]
    fn a_core_with_vectors_has_all_weights_in_them_and_no_other_core_has_any() {
        for name in ["mlp", "small", "mobilenet", "resnet8"] {
            let architecture = Architecture::built_in(name).unwrap();
            for core in cores() {
                let budget = Budget { flash: None, ram: None, core: Some(core) };
                let layouts = LayoutChoice::Fast.layouts(&architecture, &budget, &metadata()).unwrap();
                let with_weights =
                    architecture.stages().iter().filter(|stage| stage.has_layout(Layout::Vector)).count();
                let vectors = layouts.iter().filter(|&&layout| layout == Layout::Vector).count();
                assert_eq!(vectors, if core.name == "M55" { with_weights } else { 0 }, "{name} on {}", core.name);
            }
            let layouts = LayoutChoice::Vector.layouts(&architecture, &Budget::default(), &metadata()).unwrap();
            assert!(layouts.contains(&Layout::Vector) && !layouts.contains(&Layout::Winograd), "{name}");
        }
    }

    #[test]
    fn layers_become_fast_as_far_as_the_flash_goes_and_never_beyond_it() {
        let small = Architecture::built_in("small").unwrap();
        let (none, least) = transformed(&small, LayoutChoice::Compact, &budget(None));
        let (all, most) = transformed(&small, LayoutChoice::Fast, &budget(None));
        assert_eq!(none, 0);
        assert!(all >= 2 && most > least, "{all} layers, {most} bytes");
        assert_eq!(transformed(&small, LayoutChoice::Auto, &budget(None)), (0, least), "there is no target");
        assert_eq!(transformed(&small, LayoutChoice::Auto, &budget(Some(most))), (all, most));
        let (some, taken) = transformed(&small, LayoutChoice::Auto, &budget(Some(most - 1)));
        assert!(some < all && taken < most, "{some} layers, {taken} bytes");
        assert_eq!(transformed(&small, LayoutChoice::Auto, &budget(Some(least))), (0, least));
    }
}
