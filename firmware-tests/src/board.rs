//! Boards: defmt over RTT, panics through it too, and the Pico's second boot stage.

use defmt_rtt as _;
use panic_probe as _;

/// Copies the first 256 bytes of flash's own program to RAM and sets up execution from QSPI flash.
#[cfg(feature = "pico")]
#[allow(unsafe_code, reason = "a named section")]
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2_FIRMWARE: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;
