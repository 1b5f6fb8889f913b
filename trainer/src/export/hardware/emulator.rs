//! The machines that cores are emulated on.

use std::sync::LazyLock;

use serde::Deserialize;

use super::chip::Core;

/// A machine in QEMU that a core is emulated on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emulator {
    /// The core, one of `cores.toml`.
    pub core: String,
    /// The compiler's target for the core.
    pub target: String,
    /// The program, the machine and its processor.
    pub qemu: String,
    /// The core that is emulated, where it is another one, which runs the same code.
    pub emulated: Option<String>,
    /// Memory for the program.
    pub flash: Memory,
    /// Memory for its data.
    pub ram: Memory,
    /// Where the core looks for its first instruction, where that is not at the beginning of the program.
    pub vectors_at: Option<u32>,
    /// So many instructions are so many ticks of the counter.
    pub instructions_in_ticks: [u32; 2],
}

/// A piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Where it begins.
    pub at: u32,
    /// KiB.
    pub size: usize,
}

const EMULATORS: &str = include_str!("../../../hardware/emulators.toml");

fn emulators() -> &'static [Emulator] {
    /// The file as it is.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        emulators: Vec<Emulator>,
    }
    static FOUND: LazyLock<Vec<Emulator>> = LazyLock::new(|| {
        let File { emulators } = toml::from_str(EMULATORS).expect("emulators.toml is part of the program, and tested");
        emulators
    });
    &FOUND
}

impl Core {
    /// The machine that it is emulated on.
    ///
    /// # Panics
    /// Never for a core of [`cores`](super::cores), which a test sees to.
    #[must_use]
    pub fn emulator(&self) -> &'static Emulator {
        let found = emulators().iter().find(|emulator| emulator.core == self.name);
        found.expect("every core of cores.toml is one of emulators.toml, which is tested")
    }

    /// What runs its programs without a board: `M4F`, or `M3, which runs the code of an M0+`.
    #[must_use]
    pub fn emulated(&self) -> String {
        match &self.emulator().emulated {
            Some(other) => format!("{other}, which runs the code of an {}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{chips, cores};

    #[test]
    fn every_core_has_an_emulator() {
        for core in cores() {
            assert!(core.emulator().target.contains("-none-e"), "{core:?}");
        }
    }

    #[test]
    fn an_emulator_has_at_least_as_much_memory_as_every_chip_of_the_core() {
        for chip in chips() {
            let emulator = chip.core.emulator();
            let has = |memory: super::Memory| memory.size * 1024;
            assert!(has(emulator.flash) >= chip.flash && has(emulator.ram) >= chip.ram, "{}", chip.name);
        }
    }
}
