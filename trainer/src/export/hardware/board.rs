//! What a project for a chip has to know besides sizes.

use serde::Deserialize;

/// What `trainer firmware` has to know of a chip.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Where flash begins.
    pub flash_at: u32,
    /// Where RAM begins.
    pub ram_at: u32,
    /// What probe-rs calls the chip.
    pub probe_rs: String,
    /// MHz of the core after a reset, where the data sheet gives it; with [`Start::EspHal`], as esp-hal sets it.
    pub clock: Option<u32>,
    /// Whether the core has the timer SysTick, as nearly every Cortex-M.
    #[serde(default = "yes")]
    pub systick: bool,
    /// A crate that sets the clock and has drivers.
    pub hal: Option<String>,
    /// What starts the chip.
    #[serde(default)]
    pub start: Start,
    /// What brings a program into the chip and starts it, where probe-rs cannot.
    pub loader: Option<String>,
}

fn yes() -> bool {
    true
}

/// What starts a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// What is at the beginning of flash, which cortex-m-rt or riscv-rt put there.
    #[default]
    Flash,
    /// The RP2040's second stage of the boot, before that.
    Boot2,
    /// The RP2350's description of the program.
    ImageDef,
    /// The boot loader of the ESP-IDF, for which esp-hal links the program.
    EspHal,
}
