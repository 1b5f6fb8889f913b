//! `docs/reliability.md` lists what can go wrong with the test that sees it; this holds the names against the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the tables' folders are in the repository.
const FOLDERS: [(&str, &str); 3] =
    [("cli/", "tests/command_line/"), ("tests/", "tests/tests/"), ("src/", "trainer/src/")];

#[test]
fn every_test_that_the_census_names_is_there() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let page = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let last_cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let names: Vec<&str> = last_cells.flat_map(|cell| cell.split('`')).filter(|part| part.contains(".rs::")).collect();
    assert!(names.len() > 120, "{} names", names.len());
    for name in names {
        let (file, test) = name.split_once("::").unwrap();
        let folder = FOLDERS.iter().find_map(|(short, folder)| Some(Path::new(folder).join(file.strip_prefix(short)?)));
        let path = root.join(folder.unwrap_or_else(|| panic!("{name}: no such folder")));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{name}: there is no such test");
    }
}
