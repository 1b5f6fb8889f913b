//! Any text as an architecture file: refused with a message, or a network whose table can be printed.

use trainer::network::Template;

/// Reads an architecture, computes what there is to compute, and writes its table.
///
/// # Panics
/// Where the trainer does, or returns what is not so.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Template::from_toml(text).and_then(|template| Ok((template.example()?, template))) {
        Ok((architecture, template)) => {
            let table = architecture.to_string();
            assert_eq!(table.lines().count(), architecture.layers.len() + 3 + architecture.name.matches('\n').count());
            assert!(architecture.classes() > 0);
            assert!(architecture.macs() >= architecture.layers.last().map_or(0, |last| last.macs()));
            let classes = u16::try_from(architecture.classes()).expect("outputs have 16 bits");
            let same = template.architecture(architecture.input, classes).expect("its own input fits");
            assert_eq!(same, architecture);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
