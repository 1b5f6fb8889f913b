//! The name of a package after that of its directory.

use unicode_normalization::UnicodeNormalization;

/// What a name gets before it, or alone where nothing of the directory's name is left.
const FIRMWARE: &str = "firmware";

/// Names that cargo or the compiler has another use for: those of crates that the project depends on, of directories that cargo
/// makes among its outputs, and of devices of Windows. Words of Rust cargo takes as names of packages; the compiler does not as names of crates.
const TAKEN: [&str; 35] = [
    "build",
    "deps",
    "examples",
    "incremental", // cargo
    "alloc",
    "core",
    "proc-macro",
    "std",
    "test", // the compiler
    "cortex-m",
    "cortex-m-rt",
    "critical-section",
    "defmt",
    "defmt-rtt",
    "esp-hal",
    "infer-core",
    "thimble-infer-core",
    "riscv",
    "riscv-rt",
    "semihosting", // crates
    "static-cell",
    "portable-atomic",
    "rp2040-boot2",
    "heapless",
    "postcard",
    "serde",
    "bytemuck",
    "micromath",
    "aux",
    "con",
    "nul",
    "prn",
    "com1",
    "lpt1", // Windows
    "crate",
];

/// Characters of a name, at most.
const LONGEST: usize = 64;

/// The name of the package in a directory of this name: letters, digits and single hyphens, with a letter first.
#[must_use]
pub fn package_name(directory: &str) -> String {
    // `é` becomes `e` and an accent.
    let letters = directory.nfkd().filter(|letter| letter.is_ascii() || letter.is_alphanumeric());
    let plain: String =
        letters.map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if name.is_empty() {
        return FIRMWARE.to_owned();
    }
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        name = format!("{FIRMWARE}-{name}");
    }
    if TAKEN.contains(&&*name) || is_word_of_rust(&name) {
        name = format!("{name}-{FIRMWARE}");
    }
    name.truncate(LONGEST);
    name.trim_end_matches('-').to_owned()
}

fn is_word_of_rust(name: &str) -> bool {
    const WORDS: &str = "abstract as async await become box break const continue do dyn else enum extern false final fn for gen if impl in \
        let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe \
        unsized use virtual where while yield";
    WORDS.split_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_gives_the_name_of_a_package() {
        for (directory, expected) in [
            ("birds", "birds"),
            ("My Birds (2)", "my-birds-2"),
            ("bird_feeder", "bird-feeder"),
            ("Vögel", "vogel"),
            ("3birds", "firmware-3birds"),
            ("鳥", "firmware"),
            ("鳥 2", "firmware-2"),
            ("", "firmware"),
            ("--", "firmware"),
            ("test", "test-firmware"),
            ("infer-core", "infer-core-firmware"),
            ("infer_core", "infer-core-firmware"),
            ("Match", "match-firmware"),
            ("con", "con-firmware"),
            ("a.b\nc", "a-b-c"),
        ] {
            assert_eq!(package_name(directory), expected, "{directory:?}");
        }
        assert_eq!(package_name(&"a-".repeat(200)).len(), 63);
    }
}
