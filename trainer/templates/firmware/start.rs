{%- if boot2 %}
/// The second stage of the boot, for the flash of the Raspberry Pi Pico; the crate has others.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT2_FIRMWARE: [u8; 256] = rp2040_boot2::BOOT_LOADER_W25Q080;
{% endif %}
{%- if image_def %}
/// What tells the boot ROM that this is a program for the Arm cores, in secure mode: data sheet of the RP2350, 5.9.5.1.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE_DEF: [u32; 5] = [0xFFFF_DED3, 0x1021_0142, 0x0000_01FF, 0, 0xAB12_3579];
{% endif %}
{%- if esp_hal %}
// What the boot loader looks for.
esp_bootloader_esp_idf::esp_app_desc!();
{% endif %}
