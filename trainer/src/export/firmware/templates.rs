//! The files of a project, from `trainer/templates/firmware`.

use std::ops::Deref;

use askama::Template;
use infer_core::camera::{Format, Resize};

use super::{Answer, Facts, InferCore, Project, ProjectFile, StubFrame};
use crate::export::hardware::{Chip, Emulator, Memory, Start};
use crate::image::Preprocessing;
use crate::support::printable::in_one_line;
use crate::support::text::thousands;

/// What counts the cycles of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counter {
    /// The debug unit of a Cortex-M3 or larger.
    Dwt,
    /// The timer that nearly every Cortex-M has.
    SysTick,
    /// A timer of the nRF51.
    Timer0,
    /// A register of RISC-V.
    Mcycle,
    /// A timer of Espressif's.
    EspHal,
}

impl Counter {
    fn of(chip: &Chip) -> Self {
        match (chip.board.start, &*chip.core.name) {
            (Start::EspHal, _) => Self::EspHal,
            (_, "RV32IMC") => Self::Mcycle,
            (_, "M0+") if !chip.board.systick => Self::Timer0,
            (_, "M0+") => Self::SysTick,
            _ => Self::Dwt,
        }
    }
}

/// What the templates show.
struct Content {
    // The project.
    name: String,
    edition: &'static str,
    rust_version: &'static str,
    infer_core: String,
    infer_core_is_carried: bool,
    // The chip.
    chip: &'static str,
    core: &'static str,
    emulated: String,
    target: &'static str,
    cortex_m: bool,
    riscv: bool,
    helium: bool,
    set_vtor: bool,
    without_atomics: bool,
    boot2: bool,
    image_def: bool,
    esp_hal: bool,
    bootloader: bool,
    has_memory: bool,
    counter: Counter,
    /// MHz; 0 where it is not known.
    clock: u32,
    full_clock: u32,
    hal: Option<&'static str>,
    loader: Option<&'static str>,
    runner: String,
    // The emulator.
    emulator: &'static str,
    qemu: String,
    instructions_in_ticks: [u32; 2],
    // The model.
    input: String,
    pixels: &'static str,
    /// Whether frames become the input; otherwise the camera has to deliver its bytes.
    takes_frames: bool,
    /// Whether they may be of another size.
    scales: bool,
    /// Whether their rows can be taken one by one.
    takes_rows: bool,
    // A frame of a camera in RGB565 that the model takes.
    example_width: u16,
    example_height: u16,
    example_bytes: String,
    frame_format: String,
    frame_width: u16,
    frame_height: u16,
    preprocessing: String,
    model_bytes: String,
    arena_bytes: String,
    image_name: Option<String>,
    answer: String,
}

impl Content {
    fn new(project: &Project<'_>, facts: &Facts<'_>, answer: &Answer) -> Self {
        let chip = project.chip;
        let board = &chip.board;
        let Emulator { target, qemu, instructions_in_ticks, .. } = chip.core.emulator();
        let riscv = target.starts_with("riscv");
        let esp_hal = board.start == Start::EspHal;
        let preprocessing = Preprocessing::of_model(facts.metadata.images, &facts.input);
        let camera = &facts.input.preprocessing;
        let frame = StubFrame::of(&project.image.bytes, facts.input.shape, camera);
        let (frame_width, frame_height) = frame.as_ref().map_or((0, 0), |frame| (frame.width, frame.height));
        let scales = camera.resize != Resize::None;
        let (example_width, example_height) = if scales { (160, 120) } else { (frame_width, frame_height) };
        let mode = if board.loader.is_some() { "attach" } else { "run" };
        Self {
            name: project.name.clone(),
            edition: "2024",
            rust_version: env!("CARGO_PKG_RUST_VERSION"),
            infer_core: project.infer_core.dependency(),
            infer_core_is_carried: project.infer_core == InferCore::Carried,
            chip: &chip.name,
            core: &chip.core.name,
            emulated: chip.core.emulated(),
            target,
            cortex_m: !riscv,
            riscv,
            helium: chip.core.name == "M55",
            set_vtor: chip.core.emulator().vectors_at.is_some(),
            without_atomics: riscv || chip.core.name == "M0+",
            boot2: board.start == Start::Boot2,
            image_def: board.start == Start::ImageDef,
            esp_hal,
            bootloader: chip.name == "atsamd21g18",
            has_memory: !esp_hal,
            counter: Counter::of(chip),
            clock: board.clock.unwrap_or(0),
            full_clock: chip.clock,
            hal: board.hal.as_deref(),
            loader: board.loader.as_deref(),
            runner: format!("probe-rs {mode} --chip {}", board.probe_rs),
            emulator: if riscv { "qemu-system-riscv32" } else { "qemu-system-arm" },
            qemu: format!(
                "{qemu} -nographic -monitor none -serial none -semihosting-config enable=on,target=native -icount shift=0 -kernel"
            ),
            instructions_in_ticks: *instructions_in_ticks,
            input: facts.input.shape.to_string(),
            pixels: match facts.input.shape.channels {
                1 => "gray",
                3 => "red, green and blue",
                _ => "channel by channel",
            },
            takes_frames: frame.is_some(),
            scales,
            takes_rows: !camera.rotation.is_on_its_side(),
            example_width,
            example_height,
            example_bytes: thousands(Format::Rgb565Be.row_bytes(example_width) * usize::from(example_height)),
            frame_format: frame.as_ref().map(|frame| format!("{:?}", frame.format)).unwrap_or_default(),
            frame_width,
            frame_height,
            preprocessing: preprocessing
                .map_or_else(|_| in_one_line(facts.metadata.images).into_owned(), |known| known.to_string()),
            model_bytes: thousands(project.model.len()),
            arena_bytes: thousands(facts.arena_len()),
            image_name: project.image.name.clone(),
            answer: format!("{}: {:.1} %", in_one_line(&answer.class), 100.0 * answer.probability),
        }
    }

    fn slower_than_full(&self) -> bool {
        self.clock < self.full_clock
    }
}

/// A linker script with the memory of a board or of an emulated one.
#[derive(Template)]
#[template(path = "firmware/memory.x", escape = "none")]
struct MemoryLayout {
    title: String,
    flash: Memory,
    ram: Memory,
    vectors_at: Option<u32>,
    boot2: bool,
    image_def: bool,
    riscv: bool,
}

impl MemoryLayout {
    fn of_board(chip: &Chip, content: &Content) -> Self {
        Self {
            title: format!("{}: {} KiB of flash, {} KiB of RAM.", chip.name, chip.flash / 1024, chip.ram / 1024),
            flash: Memory { at: chip.board.flash_at, size: chip.flash / 1024 },
            ram: Memory { at: chip.board.ram_at, size: chip.ram / 1024 },
            vectors_at: None,
            boot2: content.boot2,
            image_def: content.image_def,
            riscv: content.riscv,
        }
    }

    fn of_emulator(emulator: &Emulator) -> Self {
        let machine = emulator.qemu.split(' ').skip_while(|word| *word != "-machine").nth(1).unwrap_or_default();
        Self {
            title: format!("QEMU's machine {machine}."),
            flash: emulator.flash,
            ram: emulator.ram,
            vectors_at: emulator.vectors_at,
            boot2: false,
            image_def: false,
            riscv: emulator.target.starts_with("riscv"),
        }
    }
}

mod filters {
    /// An address as linker scripts have it.
    #[askama::filter_fn]
    pub fn hex(address: &u32, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{address:#010X}").replacen("0X", "0x", 1))
    }
}

/// Templates that show a [`Content`].
macro_rules! templates {
    ($($name:ident = $path:literal),* $(,)?) => {$(
        #[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'c>(&'c Content);

        impl Deref for $name<'_> {
            type Target = Content;

            fn deref(&self) -> &Content {
                self.0
            }
        }
    )*};
}

templates! {
    Readme = "firmware/README.md",
    CargoToml = "firmware/Cargo.toml.askama",
    CargoConfig = "firmware/config.toml",
    Toolchain = "firmware/rust-toolchain.toml",
    BuildScript = "firmware/build.rs",
    Main = "firmware/main.rs",
    Camera = "firmware/camera.rs",
    Board = "firmware/board.rs",
    EmulatedBoard = "firmware/emulator.rs",
}

/// All files of a project that are text.
pub(super) fn render(project: &Project<'_>, facts: &Facts<'_>, answer: &Answer) -> Vec<ProjectFile> {
    const NEVER_FAILS: &str = "nothing in these templates can fail but writing to memory";
    let content = &Content::new(project, facts, answer);
    let emulated = MemoryLayout::of_emulator(project.chip.core.emulator()).render();
    let mut texts = vec![
        ("README.md", Readme(content).render()),
        ("Cargo.toml", CargoToml(content).render()),
        (".cargo/config.toml", CargoConfig(content).render()),
        ("rust-toolchain.toml", Toolchain(content).render()),
        ("build.rs", BuildScript(content).render()),
        ("src/main.rs", Main(content).render()),
        ("src/camera.rs", Camera(content).render()),
        ("src/board.rs", Board(content).render()),
        ("src/emulator.rs", EmulatedBoard(content).render()),
        ("emulator/memory.x", emulated),
        (".gitignore", Ok(include_str!("../../../templates/firmware/gitignore").to_owned())),
    ];
    if content.has_memory {
        texts.push(("board/memory.x", MemoryLayout::of_board(project.chip, content).render()));
    }
    let file = |(path, text): (&str, askama::Result<String>)| {
        let text = text.expect(NEVER_FAILS);
        (path.to_owned(), format!("{}\n", text.trim_end()).into_bytes())
    };
    texts.into_iter().map(file).collect()
}
