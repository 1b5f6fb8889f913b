//! infer-core for the page of `trainer demo`: what runs on the chip, as WebAssembly with vectors of 128 bits.
//!
//! The page writes a model and images into places that it is given here, calls, and reads answers from others. There is one model, and no
//! allocator: memory grows by what the model and the largest image need. `build.sh` makes `trainer/assets/demo.wasm` of this.
//!
//! | export | what it does |
//! |---|---|
//! | `model_place(len)` | where the bytes of the model go; 0 where there is no memory |
//! | `load()` | checks the model; 1 where it can run |
//! | `image_place(len)` | where an image goes, or several inputs; overwritten by `scale` |
//! | `scale(width, height, resize, is_inverted)` | makes an input of the image; 1 where that worked |
//! | `input_place()`, `input_len()` | the input, which the page may also write |
//! | `classify()` | the class of the input, -1 for "none of these", -2 where there is no model |
//! | `logits_place()`, `probabilities_place()`, `codes_place()`, `threshold()` | what came of that: `i32`, `f32`, bytes of layers |
//! | `repeat(times)` | classifies the input so many times |
//! | `checksum(len)` | CRC-32 of the logits of the inputs in the image's place |

#![no_std]
#![allow(unsafe_code, reason = "exports have names that the linker keeps")]

mod demo;
mod memory;

use core::panic::PanicInfo;

use infer_core::camera::Resize;

use demo::{Demo, Failure};
use memory::{Single, take};

static MODEL: Single<&'static mut [u8]> = Single::new(&mut []);
static IMAGE: Single<&'static mut [u8]> = Single::new(&mut []);
static DEMO: Single<Option<Demo>> = Single::new(None);

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// What a function of the model returns; `otherwise` where there is none, or it fails.
fn of_demo<R>(otherwise: R, call: impl FnOnce(&mut Demo) -> Result<R, Failure>) -> R {
    DEMO.with(|demo| demo.as_mut().and_then(|demo| call(demo).ok())).unwrap_or(otherwise)
}

/// Begins a place of so many bytes, if there is memory for it.
fn begin(place: &mut &'static mut [u8], len: usize) -> *mut u8 {
    if place.len() < len {
        let Some(larger) = take(len.next_power_of_two()) else { return core::ptr::null_mut() };
        *place = larger;
    }
    place.as_mut_ptr()
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn model_place(len: usize) -> *mut u8 {
    MODEL.with(|model| begin(model, len))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn load() -> u32 {
    let model = MODEL.with(core::mem::take);
    let loaded = Demo::load(model).ok();
    DEMO.with(|demo| {
        *demo = loaded;
        demo.is_some().into()
    })
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn image_place(len: usize) -> *mut u8 {
    IMAGE.with(|image| begin(image, len))
}

/// See the [table](self). `resize` is 1 to stretch, 2 to fit, 3 to crop.
#[unsafe(no_mangle)]
pub extern "C" fn scale(width: u16, height: u16, resize: u32, is_inverted: u32) -> u32 {
    let resize = match resize {
        1 => Resize::Stretch,
        2 => Resize::Fit,
        3 => Resize::Crop,
        _ => Resize::None,
    };
    let len = 4 * usize::from(width) * usize::from(height);
    IMAGE.with(|image| {
        of_demo(0, |demo| {
            let image = image.get_mut(..len).ok_or(Failure)?;
            demo.scale(image, [width, height], resize, is_inverted > 0).map(|()| 1)
        })
    })
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn input_place() -> *mut u8 {
    of_demo(core::ptr::null_mut(), |demo| Ok(demo.input.as_mut_ptr()))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn input_len() -> usize {
    of_demo(0, |demo| Ok(demo.input.len()))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn classify() -> i32 {
    of_demo(-2, |demo| Ok(demo.classify()?.map_or(-1, |class| class as i32)))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn logits_place() -> *const i32 {
    of_demo(core::ptr::null(), |demo| Ok(demo.logits.as_ptr()))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn probabilities_place() -> *const f32 {
    of_demo(core::ptr::null(), |demo| Ok(demo.probabilities.as_ptr()))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn codes_place() -> *const u8 {
    of_demo(core::ptr::null(), |demo| Ok(demo.codes.as_ptr()))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn threshold() -> f32 {
    of_demo(0.0, |demo| Ok(demo.threshold))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn repeat(times: u32) -> u32 {
    of_demo(0, |demo| demo.repeat(times).map(|()| 1))
}

/// See the [table](self).
#[unsafe(no_mangle)]
pub extern "C" fn checksum(len: usize) -> u32 {
    IMAGE.with(|image| of_demo(0, |demo| demo.checksum(image.get(..len).ok_or(Failure)?)))
}
