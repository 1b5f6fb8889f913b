//! Where a project has infer-core from: its source is part of this program, so that a project needs nothing but public crates.

use std::path::PathBuf;

include!(concat!(env!("OUT_DIR"), "/infer_core.rs"));

/// Where a project has infer-core from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InferCore {
    /// The source in this program, written beside the project's.
    Carried,
    /// A directory with the crate in it.
    Path(PathBuf),
    /// A version in a registry.
    Version(String),
}

impl InferCore {
    /// The value of the dependency in a `Cargo.toml`.
    #[must_use]
    pub fn dependency(&self) -> String {
        let path = |path: &str| format!("{{ path = {} }}", toml::Value::from(path));
        match self {
            Self::Carried => path("infer-core"),
            Self::Path(directory) => path(&directory.display().to_string()),
            Self::Version(version) => toml::Value::from(version.as_str()).to_string(),
        }
    }
}

/// The files of the crate, by their paths in its directory.
#[must_use]
pub fn carried() -> Vec<(&'static str, Vec<u8>)> {
    let content = |name, bytes: &[u8]| match name {
        "Cargo.toml" => manifest(&String::from_utf8_lossy(bytes)).into_bytes(),
        _ => bytes.to_vec(),
    };
    FILES.iter().map(|&(name, bytes)| (name, content(name, bytes))).collect()
}

/// What the manifest of those who use the crate has; the rest is for those who change it.
const SECTIONS: [&str; 5] = ["package", "lib", "features", "dependencies", "target"];

/// The crate's manifest for a place outside of its workspace: what it has from there is written out.
fn manifest(text: &str) -> String {
    let workspace: toml::Table = WORKSPACE.parse().expect("cargo has read it when it built this");
    let mut written = String::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        }
        if !section.is_empty() && !SECTIONS.contains(&section.split('.').next().unwrap_or(section)) {
            continue;
        }
        let inherited = line.strip_suffix(".workspace = true").and_then(|key| {
            let value = workspace.get("workspace")?.get(section)?.get(key)?;
            Some(format!("{key} = {value}"))
        });
        written.push_str(inherited.as_deref().unwrap_or(line));
        written.push('\n');
    }
    written.truncate(written.trim_end().len());
    written + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../infer-core")
    }

    #[test]
    fn the_carried_source_is_that_of_the_repository() {
        let carried = carried();
        for (name, bytes) in &carried {
            let there = fs::read(directory().join(name)).unwrap();
            assert!(*name == "Cargo.toml" || *bytes == there, "{name} is not what this program was built with");
        }
        let names: BTreeSet<_> = carried.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut directories = vec!["src".to_owned()];
        while let Some(below) = directories.pop() {
            for entry in fs::read_dir(directory().join(&below)).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{below}/{}", entry.file_name().into_string().unwrap());
                match entry.path().is_dir() {
                    true => directories.push(name),
                    false => assert!(names.contains(&name), "{name} is missing"),
                }
            }
        }
    }

    #[test]
    fn the_carried_manifest_stands_alone() {
        let (_, bytes) = carried().into_iter().find(|(name, _)| *name == "Cargo.toml").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("workspace"), "{text}");
        let manifest: toml::Table = text.parse().unwrap();
        let package = &manifest["package"];
        assert_eq!(package["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(package["rust-version"].as_str(), Some(env!("CARGO_PKG_RUST_VERSION")));
        for dependency in ["heapless", "postcard", "serde"] {
            assert_eq!(manifest["dependencies"][dependency]["default-features"].as_bool(), Some(false), "{text}");
        }
    }

    /// As cargo writes it into a package.
    #[test]
    fn a_manifest_from_a_registry_keeps_what_users_of_the_crate_need() {
        let text = "# by cargo\n\n[package]\nname = \"a\"\n\n[package.metadata.docs.rs]\nall-features = true\n\n[lib]\npath = \"src/lib.rs\"\n\n\
                    [[example]]\nname = \"e\"\npath = \"examples/e.rs\"\n\n[dependencies.serde]\nversion = \"1.0\"\n\n\
                    [dev-dependencies.rand]\nversion = \"1\"\n\n[target.'cfg(unix)'.dependencies.nix]\nversion = \"1\"\n\n[lints.rust]\nx = \"deny\"\n";
        let kept: toml::Table = manifest(text).parse().unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["dependencies", "lib", "package", "target"]);
        assert_eq!(kept["dependencies"]["serde"]["version"].as_str(), Some("1.0"));
    }

    #[test]
    fn a_dependency_is_a_value_of_toml_whatever_its_path() {
        let path = InferCore::Path(r#"C:\a "b"\infer-core"#.into());
        let table: toml::Table = format!("thimble-infer-core = {}", path.dependency()).parse().unwrap();
        assert_eq!(table["thimble-infer-core"]["path"].as_str(), Some(r#"C:\a "b"\infer-core"#));
        assert_eq!(InferCore::Version("0.1".to_owned()).dependency(), "\"0.1\"");
    }
}
