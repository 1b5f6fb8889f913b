//! The chips and cores that are known by name.

use std::sync::LazyLock;
use std::time::Duration;

use infer_core::format::Layout;
use serde::Deserialize;

use super::board::Board;
use super::instructions::Costs;
use crate::network::Architecture;

/// A microcontroller.
#[derive(Clone, Debug, PartialEq)]
pub struct Chip {
    /// What it is called, in small letters.
    pub name: String,
    /// What computes in it.
    pub core: &'static Core,
    /// Clock in MHz.
    pub clock: u32,
    /// Bytes of flash.
    pub flash: usize,
    /// Bytes of RAM in one piece.
    pub ram: usize,
    /// Where these numbers are.
    pub source: String,
    /// What a project for it has to know besides.
    pub board: Board,
}

/// A processor core, with what was measured of infer-core on it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// What it is called here: `M4F` is a Cortex-M4F.
    pub name: String,
    /// Cycles that an instruction takes where memory never waits: a model, by the core's manual, if there is one.
    pub cycles: Option<f64>,
    /// Programs that load a model and classify.
    pub code: Vec<Code>,
    /// Instructions.
    pub costs: Costs,
}

/// What a program takes that was built for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The operators that it holds, as in the header of a model file.
    pub operators: u32,
    /// Bytes of flash, the model left out.
    pub bytes: usize,
    /// Bytes of stack, at most.
    pub stack: usize,
}

/// What a program takes that loads a model and classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Bytes of flash, the model left out.
    pub code: usize,
    /// Bytes of stack.
    pub stack: usize,
}

/// Why there is no such chip.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ChipError {
    /// None of that name.
    #[error("unknown chip {name:?}; {}", names_near(name))]
    Unknown {
        /// What was requested.
        name: String,
    },
}

/// The chips whose names begin most like `name`, where any does; else those of a board of that name; else all.
fn names_near(name: &str) -> String {
    /// Letters and digits alike that are more than chance: `nrf5`, `stm3`, `rp20`.
    const ALIKE: usize = 4;
    let letters = |name: &str| -> Vec<char> {
        name.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let wanted = letters(name);
    let alike = |chip: &Chip| letters(&chip.name).iter().zip(&wanted).take_while(|(one, other)| one == other).count();
    let most = chips().iter().map(alike).max().unwrap_or_default();
    let has_board = |chip: &&Chip| {
        wanted.len() >= ALIKE && String::from_iter(letters(&chip.source)).contains(&String::from_iter(&wanted))
    };
    let names = |is_named: &dyn Fn(&&Chip) -> bool| {
        chips().iter().filter(is_named).map(|chip| &*chip.name).collect::<Vec<_>>().join(", ")
    };
    if Chip::is_xtensa(name) {
        return "its core is an Xtensa, for which there are no kernels; esp32-c3, with RISC-V, is supported".to_owned();
    }
    if most >= ALIKE {
        return format!("near it are {} (trainer chips lists all)", names(&|chip| alike(chip) == most));
    }
    match names(&has_board) {
        of_board if of_board.is_empty() => format!("there are {}", names(&|_| true)),
        of_board => format!("boards of that name have {of_board} (trainer chips lists all)"),
    }
}

/// Cycles that an instruction takes at most, most of them waiting for flash: how many it is on a chip cannot be counted in an
/// emulator.
const MOST_CYCLES: f64 = 2.0;

const CHIPS: &str = include_str!("../../../hardware/chips.toml");
const CORES: &str = include_str!("../../../hardware/cores.toml");

/// Every chip that is known by name.
#[must_use]
pub fn chips() -> &'static [Chip] {
    /// The file as it is.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        chips: Vec<Entry>,
    }
    /// Sizes in KiB.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        name: String,
        core: String,
        clock: u32,
        flash: usize,
        ram: usize,
        source: String,
        board: Board,
    }
    static FOUND: LazyLock<Vec<Chip>> = LazyLock::new(|| {
        let File { chips } = toml::from_str(CHIPS).expect("chips.toml is part of the program, and tested");
        let known = chips.into_iter().filter_map(|Entry { name, core, clock, flash, ram, source, board }| {
            let core = cores().iter().find(|known| known.name == core)?;
            Some(Chip { name, core, clock, flash: flash * 1024, ram: ram * 1024, source, board })
        });
        known.collect()
    });
    &FOUND
}

/// Every core that infer-core was measured on.
#[must_use]
pub fn cores() -> &'static [Core] {
    /// The file as it is.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        cores: Vec<Core>,
    }
    static FOUND: LazyLock<Vec<Core>> = LazyLock::new(|| {
        let File { cores } = toml::from_str(CORES).expect("cores.toml is part of the program, and tested");
        cores
    });
    &FOUND
}

impl Core {
    /// What the program around a network of these operators takes on this core, at most: as much as the smallest one that
    /// was measured and holds them all.
    #[must_use]
    pub fn program(&self, operators: u32) -> Program {
        let holding = self.code.iter().filter(|code| operators & !code.operators == 0).min_by_key(|code| code.bytes);
        // One holds all that there are, which a test sees to.
        let largest = || self.code.iter().max_by_key(|code| code.bytes);
        let found = holding.or_else(largest).map(|&Code { bytes: code, stack, .. }| Program { code, stack });
        found.unwrap_or_default()
    }
}

impl Chip {
    /// The chip of that name, in small letters or large.
    ///
    /// # Errors
    /// [`ChipError::Unknown`].
    pub fn named(name: &str) -> Result<&'static Self, ChipError> {
        let found = chips().iter().find(|chip| chip.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| ChipError::Unknown { name: name.to_owned() })
    }

    /// Whether this is the name of a chip of Espressif with an Xtensa core, for which infer-core has no kernels.
    #[must_use]
    pub fn is_xtensa(name: &str) -> bool {
        let name: String = name.chars().filter(|letter| letter.is_alphanumeric()).collect();
        ["esp8266", "esp32", "esp32s2", "esp32s3"].iter().any(|chip| name.eq_ignore_ascii_case(chip))
    }

    /// About how long an inference takes with each stage's weights in such a layout, at best and at worst: instructions without zeros to
    /// skip, at as many cycles as the core takes without waiting for memory (one where no model is known), and at two.
    #[must_use]
    pub fn estimate(&self, architecture: &Architecture, layouts: &[Layout]) -> [Duration; 2] {
        let instructions = self.core.costs.estimate(architecture, layouts);
        let seconds = |cycles| Duration::from_secs_f64(instructions * cycles / (f64::from(self.clock) * 1e6));
        [self.core.cycles.unwrap_or(1.0), MOST_CYCLES].map(seconds)
    }
}

/// A time in two or three digits, which is as much as an estimate supports.
#[must_use]
pub fn time(time: Duration) -> String {
    let milliseconds = 1e3 * time.as_secs_f64();
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.1} ms"),
        10.0..1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use infer_core::operators::{ALL, BRANCHES, POOLED, ROUNDED_ONCE, UNPOOLED};

    use super::*;

    #[test]
    fn a_chip_with_an_xtensa_is_told_from_its_relatives() {
        for name in ["esp32", "ESP32-S3", "esp32s2", "ESP8266"] {
            assert!(Chip::is_xtensa(name), "{name}");
            assert!(Chip::named(name).unwrap_err().to_string().contains("its core is an Xtensa"), "{name}");
        }
        assert!(!Chip::is_xtensa("esp32-c3") && !Chip::is_xtensa("esp32-c6"));
    }

    #[test]
    fn a_time_is_said_as_precisely_as_an_estimate_can_be() {
        let cases = [(0.000_42, "0.4 ms"), (0.0099, "9.9 ms"), (0.0426, "43 ms"), (1.26, "1.3 s")];
        for (seconds, expected) in cases {
            assert_eq!(time(Duration::from_secs_f64(seconds)), expected);
        }
    }

    #[test]
    fn every_chip_has_a_core_that_was_measured_and_a_source() {
        let entries = CHIPS.matches("[[chips]]").count();
        assert_eq!(chips().len(), entries, "a chip names a core that is not in cores.toml");
        assert!(entries >= 12);
        for chip in chips() {
            assert!(chip.flash >= chip.ram && chip.ram >= 16 * 1024 && chip.clock >= 16, "{chip:?}");
            assert!(chip.source.len() > 20, "{chip:?}");
        }
    }

    #[test]
    fn a_program_of_all_operators_and_smaller_ones_of_fewer_were_measured() {
        for core in cores() {
            let bytes = |operators| core.program(operators).code;
            let (pooled, both) = (POOLED | 0b1011, POOLED | UNPOOLED | 0b1111);
            assert!(bytes(0b1001) < bytes(pooled) && bytes(pooled) < bytes(both), "{core:?}");
            assert!(bytes(BRANCHES) < bytes(BRANCHES | both) && bytes(BRANCHES | both) < bytes(ALL), "{core:?}");
            // One holds whatever a model of one rounding has.
            assert!(core.code.iter().any(|code| ROUNDED_ONCE & !code.operators == 0), "{core:?}");
            let stacks = [0b1001, pooled, both, ALL].map(|operators| core.program(operators).stack);
            assert!(stacks.is_sorted() && stacks[0] > 0, "{core:?}");
        }
    }

    #[test]
    fn a_chip_is_found_by_its_name_and_others_are_answered_with_all_names() {
        assert_eq!(Chip::named("nRF52840").unwrap().flash, 1024 * 1024);
        let message = Chip::named("z80").unwrap_err().to_string();
        assert!(message.starts_with("unknown chip \"z80\"; there are nrf51822, nrf52832,"), "{message}");
        assert!(message.ends_with(", gd32vf103cb"), "{message}");
        for (name, near) in [
            ("nrf52", "nrf52832, nrf52833, nrf52840"),
            ("nRF52840-DK", "nrf52840"),
            ("esp32c3", "esp32-c3"),
            ("stm32f4", "stm32f411ce, stm32f407vg"),
        ] {
            let message = Chip::named(name).unwrap_err().to_string();
            let expected = format!("unknown chip {name:?}; near it are {near} (trainer chips lists all)");
            assert_eq!(message, expected);
        }
        for (board, chips) in
            [("microbit", "nrf51822, nrf52833"), ("Pico", "rp2040, rp2350"), ("blue-pill", "stm32f103c8")]
        {
            let message = Chip::named(board).unwrap_err().to_string();
            assert!(
                message.ends_with(&format!("boards of that name have {chips} (trainer chips lists all)")),
                "{message}"
            );
        }
    }
}
