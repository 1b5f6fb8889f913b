//! What a linked program weighs.

use std::fs;

use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSymbol};

use crate::Outcome;

/// The sum of the loaded segments: what a programmer would write to flash.
pub fn flash(elf: &str) -> Outcome<u32> {
    let bytes = fs::read(elf)?;
    let file = ElfFile32::<LittleEndian>::parse(&*bytes)?;
    let segments = file.elf_header().program_headers(LittleEndian, &*bytes)?;
    Ok(segments.iter().filter(|s| s.p_type(LittleEndian) == PT_LOAD).map(|s| s.p_filesz(LittleEndian)).sum())
}

/// The sum of the functions in `infer_core::kernels`.
pub fn kernels(elf: &str) -> Outcome<u64> {
    let bytes = fs::read(elf)?;
    let file = ElfFile32::<LittleEndian>::parse(&*bytes)?;
    let kernels = |name: &str| name.contains("10infer_core7kernels");
    let sizes: Vec<u64> =
        file.symbols().filter(|symbol| symbol.name().is_ok_and(kernels)).map(|symbol| symbol.size()).collect();
    if sizes.is_empty() {
        Err("no symbol of infer-core's kernels: is it stripped?".into())
    } else {
        Ok(sizes.iter().sum())
    }
}
