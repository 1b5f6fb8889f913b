//! The program of the page of `trainer demo` is kept in the repository: it is small, and made of the sources that are there.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes that the program may have.
const MOST: usize = 200 * 1024;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn sha256(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_program_of_the_demo_page_is_made_of_the_sources_that_are_there() {
    let listed = fs::read_to_string(repository().join("trainer/assets/demo.wasm.sources")).unwrap();
    let files: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once("  ")).collect();
    for file in [
        "trainer/assets/demo.wasm",
        "demo-page/src/lib.rs",
        "infer-core/src/network.rs",
        "infer-core/src/kernels/wasm.rs",
    ] {
        assert!(files.iter().any(|(_, listed)| *listed == file), "{file} is not listed");
    }
    for (hash, file) in files {
        assert_eq!(
            hash,
            sha256(&repository().join(file)),
            "{file} has changed: demo-page/build.sh makes trainer/assets/demo.wasm again"
        );
    }
}

#[test]
fn the_program_of_the_demo_page_is_small_and_needs_nothing_of_its_page() {
    let program = fs::read(repository().join("trainer/assets/demo.wasm")).unwrap();
    assert!(program.starts_with(b"\0asm") && program.len() < MOST, "{} bytes", program.len());
    // Sections: a number, and a length in LEB128. The one of imports has number 2.
    let mut at = 8;
    while at < program.len() {
        let (section, mut len, mut shift) = (program[at], 0, 0);
        loop {
            at += 1;
            len |= usize::from(program[at] & 0x7F) << shift;
            shift += 7;
            if program[at] < 0x80 {
                break;
            }
        }
        assert_ne!(section, 2, "the program imports something");
        at += 1 + len;
    }
}
