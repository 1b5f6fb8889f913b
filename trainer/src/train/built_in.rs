//! The recipes that are part of the program.

/// The built-in files, by name.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("tutorial", include_str!("../../recipes/tutorial.toml")),
    ("strong", include_str!("../../recipes/strong.toml")),
    ("folders", include_str!("../../recipes/folders.toml")),
];
