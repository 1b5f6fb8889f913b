//! The pages: no link leads nowhere, the book has every page of `docs/`, and README is short enough for a front page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines that README has at most.
const FRONT_PAGE: usize = 130;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every page of the repository, those of templates left out: links in them are about other directories.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let is_ours = !["target", "templates", "runs"].contains(&&*name) && !name.starts_with('.');
            match path.is_dir() {
                // A directory with a manifest or pages; not what somebody has trained here.
                true if is_ours && (directory != root() || KNOWN.contains(&&*name)) => directories.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => pages.push(path),
                _ => {}
            }
        }
    }
    pages.sort();
    pages
}

/// The directories of the repository; others are somebody's own.
const KNOWN: [&str; 9] =
    ["benchmarks", "demo-page", "docs", "firmware-example", "firmware-tests", "fuzz", "infer-core", "tests", "trainer"];

/// The lines of a page that are not code.
fn prose(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    text.lines().filter(is_prose).collect()
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let plain = heading.replace('`', "");
    let kept = plain.trim().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let mut anchors = BTreeSet::new();
    for heading in headings {
        let name = anchor(heading.trim_start_matches('#'));
        let mut numbered = (1..).map(|number| format!("{name}-{number}"));
        let free = if anchors.contains(&name) { numbered.find(|other| !anchors.contains(other)) } else { Some(name) };
        anchors.extend(free);
    }
    anchors
}

/// What the links and images of a page lead to.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        // Parts between backticks, every second one, are code; a link's text may be one, its target not.
        let parts: Vec<&str> = line.split("](").collect();
        for target in parts.iter().skip(1) {
            let mut depth = 0;
            let end = target.find(|letter| {
                depth += match letter {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth < 0
            });
            links.extend(end.map(|end| target[..end].to_owned()));
        }
    }
    links
}

/// Why a link of a page leads nowhere.
fn broken(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    if !target.exists() {
        return Some(format!("{}: {link}: there is no such file", page.display()));
    }
    if fragment.is_empty() || target.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let has = anchors(&fs::read_to_string(&target).unwrap()).contains(fragment);
    (!has).then(|| format!("{}: {link}: there is no such heading", page.display()))
}

#[test]
fn no_link_of_a_page_leads_nowhere() {
    let pages = pages();
    assert!(pages.len() > 35, "{pages:?}");
    let mut count = 0;
    let mut wrong = Vec::new();
    for page in &pages {
        for link in links(&fs::read_to_string(page).unwrap()) {
            count += 1;
            wrong.extend(broken(page, &link));
        }
    }
    assert!(count > 250, "{count} links");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_and_headings_are_read_as_they_are_shown() {
    assert_eq!(anchor(" `small`, `tiny`: What it comes to?"), "small-tiny-what-it-comes-to");
    assert_eq!(links("a [b](c.md#d) ![e](f(1).png), `g`\n```\n[h](i)\n```\n"), ["c.md#d", "f(1).png"]);
    assert_eq!(anchors("# A\n## B b\n## B b\n```\n# c\n```\n").into_iter().collect::<Vec<_>>(), ["a", "b-b", "b-b-1"]);
    let page = root().join("docs/README.md");
    assert!(broken(&page, "no-such-page.md").is_some() && broken(&page, "kernels.md#no-such-heading").is_some());
    assert_eq!(broken(&page, "kernels.md#in-flash"), None);
}

#[test]
fn the_book_and_the_index_have_every_page() {
    let docs = root().join("docs");
    let named = |page: &str| -> BTreeSet<String> {
        let links = links(&fs::read_to_string(docs.join(page)).unwrap());
        links.into_iter().filter(|link| link.ends_with(".md") && !link.contains('/')).collect()
    };
    let names = fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: BTreeSet<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.remove("SUMMARY.md");
    assert_eq!(named("SUMMARY.md"), pages, "docs/SUMMARY.md is the table of contents of the book");
    pages.remove("README.md");
    assert_eq!(named("README.md"), pages, "docs/README.md is the index of pages");
}

#[test]
fn readme_is_a_front_page() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= FRONT_PAGE, "README has {lines} lines, {FRONT_PAGE} are allowed: put what is new into docs/");
}
