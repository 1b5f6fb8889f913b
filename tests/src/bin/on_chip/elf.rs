//! What a linked program weighs.

use std::fs;

use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};

use crate::Outcome;

/// The sum of the loaded segments: what a programmer would write to flash.
pub fn flash(elf: &str) -> Outcome<u32> {
    let bytes = fs::read(elf)?;
    let file = ElfFile32::<LittleEndian>::parse(&*bytes)?;
    let segments = file.elf_header().program_headers(LittleEndian, &*bytes)?;
    Ok(segments.iter().filter(|s| s.p_type(LittleEndian) == PT_LOAD).map(|s| s.p_filesz(LittleEndian)).sum())
}

/// Checks that a program of a Cortex-M could start: where it is loaded first, there is a vector table whose stack pointer is
/// in RAM and whose reset handler is code of the program. Prints its bytes of flash.
pub fn starts(elf: &str) -> Outcome<()> {
    let bytes = fs::read(elf)?;
    let file = ElfFile32::<LittleEndian>::parse(&*bytes)?;
    let table = file.section_by_name(".vector_table").ok_or("no vector table: was it linked by link.x?")?;
    let words = table.data()?.as_chunks::<4>().0;
    let [stack, reset] = [words.first(), words.get(1)].map(|word| word.map_or(0, |word| u32::from_le_bytes(*word)));
    let text = file.section_by_name(".text").ok_or("no code")?;
    let code = text.address()..text.address() + text.size();
    if stack < 0x2000_0000 || stack % 8 != 0 || reset % 2 == 0 || !code.contains(&u64::from(reset - 1)) {
        return Err(format!("the stack begins at {stack:#x} and the program at {reset:#x}").into());
    }
    println!("{} bytes of flash", flash(elf)?);
    Ok(())
}

/// The sum of the functions in `infer_core::kernels`.
pub fn kernels(elf: &str) -> Outcome<u64> {
    let bytes = fs::read(elf)?;
    let file = ElfFile32::<LittleEndian>::parse(&*bytes)?;
    // A function of the module, or a method of a type in it.
    let kernels = |name: &str| name.contains("10infer_core7kernels") || name.contains("infer_core..kernels");
    let sizes: Vec<u64> =
        file.symbols().filter(|symbol| symbol.name().is_ok_and(kernels)).map(|symbol| symbol.size()).collect();
    if sizes.is_empty() {
        Err("no symbol of infer-core's kernels: is it stripped?".into())
    } else {
        Ok(sizes.iter().sum())
    }
}
