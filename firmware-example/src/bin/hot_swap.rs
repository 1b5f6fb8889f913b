//! Runs a model that is not linked in: it is data at an address, checked when the program begins.
//!
//! `THIMBLE_LOAD=../model.bin,addr=0x200000 cargo run --release --bin hot_swap [-- OFFSET [ARENA [MACS]]]`
//!
//! OFFSET is where the model begins, counted from the start of its region (any address will do, odd ones too); ARENA is
//! the bytes of working memory that it gets; MACS is how many multiply-accumulates there is time for.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware_example::drawing::Plain;
use firmware_example::host::{Failure, finish};
use firmware_example::linked;
use infer_core::Network;
use semihosting::experimental::env;
use semihosting::println;

/// As much as this program has to spare for models that it does not hold yet.
const ARENA: usize = 16 * 1024;

/// The work that this program has time for: about a second of an M4F at 64 MHz.
const MOST_MACS: u64 = 32_000_000;

/// Room for the command line.
const COMMAND_LINE: usize = 1024;

const USAGE: Failure = Failure::Usage("hot_swap [OFFSET [ARENA [MACS]]], all of them numbers");

#[entry]
fn main() -> ! {
    // `entry` lends this static to `main`, once.
    static mut MEMORY: [u8; ARENA] = [0; ARENA];
    finish(hot_swap(MEMORY))
}

fn hot_swap(arena: &mut [u8]) -> Result<(), Failure> {
    let arguments = env::args::<COMMAND_LINE>().map_err(|_| USAGE)?;
    let mut numbers = (&arguments).skip(1).map(|text| text.ok()?.parse().ok());
    let mut number = |default: u64| numbers.next().unwrap_or(Some(default)).ok_or(USAGE);
    let offset = number(0)? as usize;
    let arena_len = number(ARENA as u64)? as usize;
    let most_macs = number(MOST_MACS)?;
    let arena = arena.get_mut(..arena_len).ok_or(Failure::Usage("hot_swap: ARENA is 16384 at most"))?;

    let model = region(offset);
    let mut network = Network::new(model, arena)?;
    // An inference cannot be stopped half way, so that one that takes too long must not begin.
    if network.macs() > most_macs {
        return Err(Failure::TooMuchWork { macs: network.macs(), most: most_macs });
    }
    let metadata = network.metadata();
    let (architecture, dataset) = (Plain(metadata.architecture), Plain(metadata.dataset));
    println!("{architecture} trained on {dataset}, found at {:#x}", model.as_ptr().addr());
    let name = |class| Plain(metadata.class_name(class).unwrap_or("?"));
    let (mut right, mut count) = (0, 0);
    for frame in linked::frames(&network)? {
        let class = network.classify(frame.pixels)?.class();
        println!("  {:12} {}", name(frame.class), name(class));
        (right, count) = (right + usize::from(class == frame.class), count + 1);
    }
    println!("{right} of {count} right");
    Ok(())
}

/// The memory that `memory.x` sets apart for a model, from `offset` on to its end; nothing where that is outside.
#[allow(unsafe_code, reason = "the linker knows where the region begins and ends, Rust does not")]
fn region(offset: usize) -> &'static [u8] {
    unsafe extern "C" {
        static _model_start: u8;
        static _model_end: u8;
    }
    let start = &raw const _model_start;
    let len = &raw const _model_end as usize - start as usize;
    // SAFETY: the linker places nothing in this region and the program writes nothing to it: plain bytes, whatever
    // was put there before it began to run.
    let region = unsafe { core::slice::from_raw_parts(start, len) };
    region.get(offset..).unwrap_or_default()
}
