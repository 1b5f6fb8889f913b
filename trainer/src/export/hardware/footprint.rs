//! What a network takes of a chip, known before it is trained: sizes depend on shapes alone.

use infer_core::Header;
use infer_core::format::{Input, Layout, Metadata};
use infer_core::packing;

use super::chip::{Core, Program, cores};
use crate::dataset::batch::PIXEL_CODES;
use crate::export::model_file::{self, ModelFileError};
use crate::network::Architecture;
use crate::network::chain::{Stage, quantized_stages, with_layouts};
use crate::network::record::{Numbers, Requantization, Rounding, WrongNumbers};
use crate::support::text::thousands;

/// Bytes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The model file: flash.
    pub model: usize,
    /// The arena: RAM.
    pub arena: usize,
    /// An image: RAM.
    pub image: usize,
    /// Operators of the network, as in the header of its model file.
    pub operators: u32,
}

/// What a network may take; what is `None` is not limited.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// Bytes of flash.
    pub flash: Option<usize>,
    /// Bytes of RAM.
    pub ram: Option<usize>,
    /// Where it is to run; otherwise the program around it is counted as the core counts it where it is the largest.
    pub core: Option<&'static Core>,
}

/// What is too large, and by how much.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// More flash than there is.
    #[error(
        "{} bytes of flash are needed, {} more than the {} there are: {} for the model, {} for the program that runs it",
        thousands(.model + .code), thousands(.model + .code - .available), thousands(*.available), thousands(*.model),
        thousands(*.code)
    )]
    Flash {
        /// Bytes of the model file.
        model: usize,
        /// Bytes of the program.
        code: usize,
        /// Bytes allowed.
        available: usize,
    },
    /// More RAM than there is.
    #[error(
        "{} bytes of RAM are needed, {} more than the {} there are: {} for the arena, {} for an image, {} of stack",
        thousands(.arena + .image + .stack), thousands(.arena + .image + .stack - .available),
        thousands(*.available), thousands(*.arena), thousands(*.image), thousands(*.stack)
    )]
    Ram {
        /// Bytes of the arena.
        arena: usize,
        /// Bytes of an image.
        image: usize,
        /// Bytes of stack.
        stack: usize,
        /// Bytes allowed.
        available: usize,
    },
    /// Both.
    #[error("{flash}; and {ram}")]
    Both {
        /// [`BudgetError::Flash`].
        flash: Box<BudgetError>,
        /// [`BudgetError::Ram`].
        ram: Box<BudgetError>,
    },
}

impl Footprint {
    /// What the model file of a network will take, to the byte, before it is trained, given the layout of each stage's weights
    /// and its metadata. Its
    /// accuracies are not known, and take as many bytes whatever they are.
    ///
    /// # Errors
    /// [`ModelFileError::Refused`] where infer-core could not run it.
    pub fn of(
        architecture: &Architecture,
        layouts: &[Layout],
        metadata: &Metadata<'_>,
    ) -> Result<Self, ModelFileError> {
        let metadata = Metadata { float_test_accuracy: Some(0.0), int8_test_accuracy: Some(0.0), ..*metadata };
        let input = Input::new(architecture.input, PIXEL_CODES);
        let stages = quantized_stages(&architecture.stages(), |stage| Ok::<_, WrongNumbers>(no_numbers(stage)))?;
        let stages = with_layouts(architecture, stages, layouts);
        let bytes = model_file::encode_stages(&metadata, &input, &stages)?;
        let header = Header::parse(&bytes).map_err(ModelFileError::Refused)?;
        Ok(Self {
            model: bytes.len(),
            arena: header.arena_len as usize,
            image: header.input_len as usize,
            operators: header.operators,
        })
    }

    /// Flash with the program that runs it.
    #[must_use]
    pub fn flash(&self, program: Program) -> usize {
        self.model + program.code
    }

    /// RAM with an image and the stack.
    #[must_use]
    pub fn ram(&self, program: Program) -> usize {
        self.arena + self.image + program.stack
    }
}

impl Budget {
    /// Whether there is anything to be kept to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flash.is_none() && self.ram.is_none()
    }

    /// What the program around a network of these operators takes, at most.
    #[must_use]
    pub fn program(&self, operators: u32) -> Program {
        match self.core {
            Some(core) => core.program(operators),
            None => cores().iter().map(|core| core.program(operators)).fold(Program::default(), |most, program| {
                Program { code: most.code.max(program.code), stack: most.stack.max(program.stack) }
            }),
        }
    }

    /// Compares what a network takes with what it may take.
    ///
    /// # Errors
    /// [`BudgetError`], with what is missing.
    pub fn check(&self, footprint: &Footprint) -> Result<(), BudgetError> {
        let program @ Program { code, stack } = self.program(footprint.operators);
        let Footprint { model, arena, image, .. } = *footprint;
        let flash = self.flash.filter(|&available| footprint.flash(program) > available);
        let flash = flash.map(|available| BudgetError::Flash { model, code, available });
        let ram = self.ram.filter(|&available| footprint.ram(program) > available);
        let ram = ram.map(|available| BudgetError::Ram { arena, image, stack, available });
        match (flash, ram) {
            (Some(flash), Some(ram)) => Err(BudgetError::Both { flash: Box::new(flash), ram: Box::new(ram) }),
            (Some(error), None) | (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }
}

/// As many zeros as a stage has numbers: the network with nothing learned in it.
fn no_numbers(stage: &Stage<'_>) -> Numbers {
    let codes = PIXEL_CODES;
    let Some(shape) = stage.layer.weights() else {
        let inputs = stage.reads.map(|_| codes);
        return Numbers::Codes { inputs, output: codes, rounding: Rounding::Once };
    };
    let (rows, inputs) = (shape.rows(), shape.fan_in());
    let packed = || packing::packed_len(rows as u32, inputs as u32).unwrap_or(0) as usize;
    let weights = vec![0; if stage.layer.arithmetic().packs_rows() { packed() } else { rows * inputs }];
    if stage.is_last {
        return Numbers::Logits { scale: 1.0, biases: vec![0; 4 * rows], weights };
    }
    // The least multiplier that is one.
    let channel = [0i32, 1].map(i32::to_le_bytes).concat();
    let requantize = Requantization { codes, shift: 0, channels: channel.repeat(rows) };
    Numbers::Requantized { requantize, weights }
}

#[cfg(test)]
mod tests {
    use infer_core::operators::{POOLED, UNPOOLED};

    use super::*;

    const NEEDED: Footprint =
        Footprint { model: 16_200, arena: 7_051, image: 784, operators: POOLED | UNPOOLED | 0b1111 };

    fn m4f() -> &'static Core {
        cores().iter().find(|core| core.name == "M4F").unwrap()
    }

    #[test]
    fn a_budget_is_kept_to_the_byte() {
        let core = m4f();
        let program = core.program(NEEDED.operators);
        let (flash, ram) = (NEEDED.flash(program), NEEDED.ram(program));
        assert_eq!(ram, 7_051 + 784 + program.stack);
        let check = |flash, ram| Budget { flash, ram, core: Some(core) }.check(&NEEDED);
        assert!(check(Some(flash), Some(ram)).is_ok());
        assert!(check(None, None).is_ok());
        assert!(matches!(check(Some(flash - 1), Some(ram)), Err(BudgetError::Flash { .. })));
        assert!(matches!(check(Some(flash), Some(ram - 1)), Err(BudgetError::Ram { .. })));
        assert!(matches!(check(Some(flash - 1), Some(ram - 1)), Err(BudgetError::Both { .. })));
    }

    #[test]
    fn without_a_core_the_largest_program_is_counted() {
        let most = cores().iter().map(|core| NEEDED.flash(core.program(NEEDED.operators))).max().unwrap();
        let check = |flash| Budget { flash: Some(flash), ..Budget::default() }.check(&NEEDED);
        assert!(check(most).is_ok());
        assert!(check(most - 1).is_err());
    }

    #[test]
    fn the_message_says_what_is_needed_and_what_is_missing() {
        let ram = BudgetError::Ram { arena: 7_051, image: 784, stack: 1_160, available: 8_192 };
        assert_eq!(
            ram.to_string(),
            "8,995 bytes of RAM are needed, 803 more than the 8,192 there are: 7,051 for the arena, 784 for an image, \
             1,160 of stack"
        );
        let flash = BudgetError::Flash { model: 543_444, code: 21_960, available: 262_144 };
        let both = BudgetError::Both { flash: Box::new(flash), ram: Box::new(ram) };
        assert_eq!(
            both.to_string().split("; and ").next(),
            Some(
                "565,404 bytes of flash are needed, 303,260 more than the 262,144 there are: 543,444 for the model, \
                 21,960 for the program that runs it"
            )
        );
    }
}
