//! The architectures that are part of the program.

/// The built-in files, by name.
pub const BUILT_IN: [(&str, &str); 12] = [
    ("mlp", include_str!("../../architectures/mlp.toml")),
    ("cnn", include_str!("../../architectures/cnn.toml")),
    ("small", include_str!("../../architectures/small.toml")),
    ("tiny", include_str!("../../architectures/tiny.toml")),
    ("mini", include_str!("../../architectures/mini.toml")),
    ("micro", include_str!("../../architectures/micro.toml")),
    ("nano", include_str!("../../architectures/nano.toml")),
    ("large", include_str!("../../architectures/large.toml")),
    ("resnet8", include_str!("../../architectures/resnet8.toml")),
    ("sepnet10", include_str!("../../architectures/sepnet10.toml")),
    ("mobilenet", include_str!("../../architectures/mobilenet.toml")),
    ("dscnn", include_str!("../../architectures/dscnn.toml")),
];
