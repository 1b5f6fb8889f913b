//! What is linked into a program: the model, and images for it.

use infer_core::Network;

use crate::frames::{Frames, FramesError};

/// The first test image of each class of Fashion-MNIST and of the built-in garments, 28x28x1: `trainer/assets/frames/README.md`.
const BUNDLED: [(&str, &[u8]); 2] = [
    ("fashion-mnist", include_bytes!("../../trainer/assets/frames/fashion-mnist.frames")),
    ("garments", include_bytes!("../../trainer/assets/frames/garments.frames")),
];

/// The images that `build.rs` found next to the model or was given.
#[cfg(frames)]
const FOUND: Option<&[u8]> = {
    #[cfg_attr(external_memory, allow(unsafe_code, reason = "the section is one of memory/*.x"))]
    #[cfg_attr(external_memory, unsafe(link_section = ".external"))]
    static FRAMES: [u8; include_bytes!(env!("THIMBLE_FRAMES_PATH")).len()] =
        *include_bytes!(env!("THIMBLE_FRAMES_PATH"));
    Some(&FRAMES)
};

/// There are none.
#[cfg(not(frames))]
const FOUND: Option<&[u8]> = None;

/// The images for a model: those of its run, or, for a model of one of the two named data sets, those that are always here.
///
/// # Errors
/// [`FramesError`], where there are none that this model takes.
pub fn frames<const OPERATORS: u32>(network: &Network<'_, '_, OPERATORS>) -> Result<Frames<'static>, FramesError> {
    let model = network.input().shape;
    let bundled = || BUNDLED.iter().find(|(dataset, _)| *dataset == network.metadata().dataset).map(|&(_, file)| file);
    match (FOUND, bundled()) {
        (Some(file), _) => Frames::parse(file)?.for_input(model),
        // A model of a named data set may take its images at another size.
        (None, Some(file)) => Frames::parse(file)?.for_input(model).map_err(|_| FramesError::Missing { model }),
        (None, None) => Err(FramesError::Missing { model }),
    }
}

/// The model that `THIMBLE_RUN` or `THIMBLE_MODEL` names, `../model.bin` where neither names one: aligned, in flash.
///
/// Where there is no such file, compiling stops with a message that shows how to make one.
#[cfg(all(model, not(external_memory)))]
#[macro_export]
macro_rules! model {
    () => {
        infer_core::include_model!(env!("THIMBLE_MODEL_PATH"))
    };
}

/// The same, in the external memory of an emulated board, as the flash has no room for it.
#[cfg(all(model, external_memory))]
#[macro_export]
macro_rules! model {
    () => {{
        const LEN: usize = include_bytes!(env!("THIMBLE_MODEL_PATH")).len();
        #[allow(unsafe_code, reason = "the section is one of memory/*.x")]
        #[unsafe(link_section = ".external")]
        static FILE: infer_core::AlignedBytes<[u8; LEN]> =
            infer_core::AlignedBytes(*include_bytes!(env!("THIMBLE_MODEL_PATH")));
        &FILE.0
    }};
}

/// There is no model.
#[cfg(not(model))]
#[macro_export]
macro_rules! model {
    () => {
        compile_error!(concat!(
            "there is no model file ",
            env!("THIMBLE_MODEL_PATH"),
            "\nmake it, in the repository's root: cargo run --release -p thimble-trainer -- fit --export model.bin",
            "\nor name another: THIMBLE_RUN=path/to/run or THIMBLE_MODEL=path/to/model.bin (seen from firmware-example)",
        ))
    };
}
