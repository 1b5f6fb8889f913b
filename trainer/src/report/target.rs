//! What a network takes of the chip, or of the budget, that its run was given.

use infer_core::operators::ALL;

use super::RunRecord;
use crate::export::hardware::{Footprint, time};
use crate::support::text::thousands;

/// A section of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// The chip with its core and clock, or that there is a budget.
    pub heading: String,
    /// Flash and RAM.
    pub rows: Vec<TargetRow>,
    /// The estimated time of an inference, where the chip is known.
    pub time: Option<String>,
}

/// A kind of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Flash or RAM.
    pub memory: &'static str,
    /// What it is made of.
    pub parts: String,
    /// Bytes that are needed.
    pub needed: String,
    /// Bytes that there are; empty where none were given.
    pub available: String,
    /// Their quotient.
    pub share: String,
}

/// The section about a run; `None` where it was given neither chip nor budget.
#[must_use]
pub fn view(run: &RunRecord) -> Option<TargetView> {
    let target = run.config.target.as_ref()?;
    let (budget, export) = (target.budget(), &run.metrics.export);
    let planned = run.config.layouts(&run.architecture).and_then(|layouts| {
        let footprint = run.config.footprint(&run.architecture, &layouts)?;
        Ok((layouts, footprint))
    });
    let (layouts, operators) = planned.map_or((Vec::new(), ALL), |(layouts, planned)| (layouts, planned.operators));
    let footprint = Footprint {
        model: export.flash_bytes,
        arena: export.arena_bytes as usize,
        image: run.architecture.input.len(),
        operators,
    };
    let program = budget.program(footprint.operators);
    let row = |memory, parts: String, needed: usize, available: Option<usize>| TargetRow {
        memory,
        parts,
        needed: thousands(needed),
        available: available.map_or_else(String::new, thousands),
        share: available
            .map_or_else(String::new, |available| format!("{:.1}%", 100.0 * needed as f64 / available.max(1) as f64)),
    };
    let chip = target.chip();
    let heading = match (chip, &target.chip) {
        (Some(chip), _) => format!("Chip: {} ({}, {} MHz)", chip.name, chip.core.name, chip.clock),
        // A chip of another version of the trainer.
        (None, Some(name)) => format!("Chip: {name}"),
        (None, None) => "Budget".to_owned(),
    };
    Some(TargetView {
        heading,
        rows: vec![
            row(
                "flash",
                format!("{} for the model, {} for the program", thousands(footprint.model), thousands(program.code)),
                footprint.flash(program),
                target.flash,
            ),
            row(
                "RAM",
                format!(
                    "{} for the arena, {} for an image, {} of stack",
                    thousands(footprint.arena),
                    thousands(footprint.image),
                    thousands(program.stack)
                ),
                footprint.ram(program),
                target.ram,
            ),
        ],
        time: chip.map(|chip| {
            let [best, worst] = chip.estimate(&run.architecture, &layouts).map(time);
            format!("{best} to {worst}")
        }),
    })
}
