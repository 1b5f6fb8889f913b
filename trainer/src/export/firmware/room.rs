//! Whether a project fits on its chip, known before it is linked.

use super::project::{Facts, Project};
use crate::export::hardware::{Budget, BudgetError, Footprint};
use crate::support::text::thousands;

/// Flash that log, counter, start and the code for frames take besides the program of [`Budget`], at most: `.ci/firmware-projects` checks it.
const LOG_FLASH: usize = 18 << 10;

/// RAM of the log: a buffer of 1,024 bytes that the probe reads, and where it is.
const LOG_RAM: usize = 1536;

/// Why a project does not fit.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The model does not, whatever the project.
    #[error(transparent)]
    Model(#[from] BudgetError),
    /// The model does, but not with what a project has besides.
    #[error(
        "the model fits, but the project also has a log, a test image and a scaled frame: {} bytes of {memory} are needed with them, {} more than the {} \
         there are",
        thousands(*.needed), thousands(.needed - .available), thousands(*.available)
    )]
    Project {
        /// Flash or RAM.
        memory: &'static str,
        /// Bytes.
        needed: usize,
        /// Bytes.
        available: usize,
    },
}

impl RoomError {
    /// Whether flash is all that is missing, which weights in another layout take less of.
    #[must_use]
    pub fn is_of_flash_alone(&self) -> bool {
        match self {
            Self::Model(error) => matches!(error, BudgetError::Flash { .. }),
            Self::Project { memory, .. } => *memory == "flash",
        }
    }
}

/// The flags of `fit` and `export` that leave room on the chip for what a project of this model's input has besides the model.
#[must_use]
pub fn limits(project: &Project<'_>, facts: &Facts<'_>) -> String {
    let chip = project.chip;
    // Besides the input, which `fit` counts too.
    let scaled = facts.arena_len().saturating_sub((facts.header.arena_len + facts.header.input_len) as usize);
    let flash = chip.flash.saturating_sub(facts.header.input_len as usize + LOG_FLASH);
    format!("--max-flash {flash} --max-ram {}", chip.ram.saturating_sub(scaled + LOG_RAM))
}

/// Refuses a project that its chip has no room for.
///
/// # Errors
/// [`RoomError`], with what is missing.
pub fn check(project: &Project<'_>, facts: &Facts<'_>) -> Result<(), RoomError> {
    let chip = project.chip;
    let footprint = Footprint {
        model: project.model.len(),
        arena: facts.header.arena_len as usize,
        image: facts.header.input_len as usize,
        operators: facts.header.operators,
    };
    let budget = Budget { flash: Some(chip.flash), ram: Some(chip.ram), core: Some(chip.core) };
    budget.check(&footprint)?;
    let program = budget.program(footprint.operators);
    let flash = footprint.flash(program) + footprint.image + LOG_FLASH;
    // The test image is in flash; a scaled frame is in the arena.
    let ram = facts.arena_len() + program.stack + LOG_RAM;
    for (memory, needed, available) in [("flash", flash, chip.flash), ("RAM", ram, chip.ram)] {
        if needed > available {
            return Err(RoomError::Project { memory, needed, available });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::InferCore;
    use super::*;
    use crate::export::hardware::Chip;
    use crate::export::test_image::TestImage;

    /// Bytes of the model's input, and so of its test image.
    const INPUT: usize = 6 * 7 * 2;

    /// What a place for a scaled frame takes here; the model's own input is no image.
    const PLACE: u32 = 4096;

    /// What is said of a model on an nRF51822 that has as much flash and RAM.
    fn refusal(flash: usize, ram: usize) -> Option<String> {
        let model = include_bytes!("../../../../infer-core/tests/fixtures/tiny.bin");
        let chip = Chip { flash, ram, ..Chip::named("nrf51822").unwrap().clone() };
        let project = Project {
            name: "room".to_owned(),
            chip: Box::leak(Box::new(chip)),
            model,
            image: TestImage { bytes: Vec::new(), name: None, class: None },
            infer_core: InferCore::Carried,
        };
        let mut facts = project.facts().unwrap();
        facts.input.shape.channels = 1;
        facts.header.arena_with_image_len = facts.header.arena_len + PLACE;
        check(&project, &facts).err().map(|error| error.to_string())
    }

    #[test]
    fn a_project_is_counted_with_its_log_and_its_test_image() {
        const PLENTY: usize = 1 << 20;
        assert_eq!(refusal(PLENTY, PLENTY), None);
        let needed = |message: String| message.split(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap();
        let flash = needed(refusal(1, PLENTY).unwrap());
        let ram = needed(refusal(PLENTY, 1).unwrap());
        for (flash, ram, expected) in
            [(flash, PLENTY, "bytes of flash are needed with"), (PLENTY, ram, "bytes of RAM are needed with")]
        {
            let message = refusal(flash, ram).unwrap();
            assert!(
                message.starts_with("the model fits, but the project also has a log") && message.contains(expected),
                "{message}"
            );
        }
        assert_eq!(refusal(flash + LOG_FLASH + 1024, PLENTY), None);
        assert_eq!(refusal(flash + LOG_FLASH + INPUT, PLENTY), None);
        assert!(
            refusal(flash + LOG_FLASH + INPUT - 1, PLENTY).unwrap().contains("flash are needed with them, 1 more than")
        );

        // The arena in use: the one with a place for a scaled frame.
        let model = include_bytes!("../../../../infer-core/tests/fixtures/tiny.bin");
        let core = Chip::named("nrf51822").unwrap().core;
        let header = infer_core::Header::parse(model).unwrap();
        let budget = Budget { flash: None, ram: None, core: Some(core) };
        let exactly = (header.arena_len + PLACE) as usize + budget.program(header.operators).stack + LOG_RAM;
        assert_eq!(refusal(PLENTY, exactly), None);
        assert!(refusal(PLENTY, exactly - 1).unwrap().contains("RAM are needed with them, 1 more than"));
    }
}
