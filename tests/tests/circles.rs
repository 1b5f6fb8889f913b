//! No file of a crate uses one that uses it, directly or by way of others: data flow one way through the trainer and infer-core.
//!
//! Read from the sources: `use` declarations, and paths that begin with `crate`, `self`, `super`, a child or an imported module. A
//! name that a module passes on with `pub use` counts as use of the file that it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module from the root of its crate.
type Module = Vec<String>;

/// The modules of a crate, with the text of each that is neither comment nor test.
struct Sources {
    modules: BTreeMap<Module, Source>,
    /// What a module passes on, by its name there: the path that it comes from.
    passed_on: BTreeMap<(Module, String), Module>,
}

struct Source {
    text: String,
    /// Whether the file is the one of its folder, so that `self` is the folder.
    is_folder: bool,
}

fn segments(path: &str) -> Module {
    path.split("::").map(|segment| segment.trim().to_owned()).collect()
}

/// The single paths of a `use` declaration.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in rest.strip_suffix('}').unwrap_or(rest).chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(character),
        }
    }
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(&format!("{prefix}{}", part.trim()))).collect()
}

/// The `use` declarations of a text, each with whether it is public, and the text without them.
fn declarations(text: &str) -> (Vec<(bool, String)>, String) {
    let (mut declarations, mut rest, mut open) = (Vec::new(), String::new(), None::<(bool, String)>);
    for line in text.lines() {
        let code = line.trim();
        let (is_public, declared) = match code.strip_prefix("pub") {
            Some(public) => (true, public.trim_start_matches(|c| c != ' ' && c != ')').trim_start_matches([')', ' '])),
            None => (false, code),
        };
        let begun = open.take().or_else(|| declared.strip_prefix("use ").map(|_| (is_public, String::new())));
        let Some((is_public, mut declaration)) = begun else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        declaration.push_str(if declaration.is_empty() { declared.trim_start_matches("use ") } else { code });
        match declaration.strip_suffix(';') {
            Some(whole) => declarations.push((is_public, whole.to_owned())),
            None => open = Some((is_public, declaration)),
        }
    }
    (declarations, rest)
}

/// Paths in a text.
fn inline_paths(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    words.map(|word| word.trim_matches(':')).filter(|word| word.contains("::")).map(str::to_owned).collect()
}

impl Sources {
    fn read(folder: &Path) -> Self {
        let mut sources = Self { modules: BTreeMap::new(), passed_on: BTreeMap::new() };
        sources.read_folder(folder, &[]);
        for (module, source) in &sources.modules {
            for (_, declaration) in declarations(&source.text).0.iter().filter(|(is_public, _)| *is_public) {
                for path in expand(declaration) {
                    let Some(path) = sources.absolute(module, &path) else { continue };
                    if let Some(name) = path.last().cloned() {
                        sources.passed_on.insert((module.clone(), name), path);
                    }
                }
            }
        }
        sources
    }

    fn read_folder(&mut self, folder: &Path, module: &[String]) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let inside = |name: &str| [module, &[name.to_owned()]].concat();
            if path.is_dir() {
                // The command line is a crate of its own, above this one.
                if name != "cli" {
                    self.read_folder(&path, &inside(&name));
                }
                continue;
            }
            let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "main") else { continue };
            let is_folder = ["lib", "mod"].contains(&stem);
            let module = if is_folder { module.to_vec() } else { inside(stem) };
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            self.modules.insert(module, Source { text: code.join("\n"), is_folder });
        }
    }

    /// A path of `module` from the root of the crate; `None` where it leads out of the crate.
    fn absolute(&self, module: &[String], path: &str) -> Option<Module> {
        let path = segments(path);
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let path_inside = |base: &[String], rest: &[String]| {
            let rest = rest.iter().filter(|segment| *segment != "self");
            base.iter().chain(rest).cloned().collect::<Module>()
        };
        match path[0].as_str() {
            "crate" => Some(path_inside(&[], &path[1..])),
            "self" => Some(path_inside(module, &path[1..])),
            "super" => Some(path_inside(&module[..module.len().checked_sub(supers)?], &path[supers..])),
            _ => {
                let child = path_inside(module, &path[..1]);
                self.modules.contains_key(&child).then(|| path_inside(module, &path))
            }
        }
    }

    /// The module that an item is in.
    fn home(&self, path: &[String]) -> Option<Module> {
        let known = (0..=path.len()).rev().find(|&length| self.modules.contains_key(&path[..length]))?;
        let (module, rest) = path.split_at(known);
        let passed_on = rest.first().and_then(|name| self.passed_on.get(&(module.to_vec(), name.clone())));
        match passed_on {
            Some(origin) if origin.as_slice() != path => self.home(&[origin, &rest[1..]].concat()),
            _ => Some(module.to_vec()),
        }
    }

    /// The modules that each one uses.
    fn uses(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let uses = |(module, source): (&Module, &Source)| {
            let (declarations, rest) = declarations(&source.text);
            let declared = declarations.iter().filter(|(is_public, _)| !is_public || !source.is_folder);
            let declared = declared.flat_map(|(_, declaration)| expand(declaration));
            let declared: Vec<Module> = declared.filter_map(|path| self.absolute(module, &path)).collect();
            // Modules by the name that this one has for them.
            let imported: BTreeMap<&String, &Module> = declared
                .iter()
                .filter(|path| self.modules.contains_key(*path))
                .filter_map(|path| Some((path.last()?, path)))
                .collect();
            let inline = inline_paths(&rest).into_iter().filter_map(|path| match imported.get(&segments(&path)[0]) {
                Some(imported) => Some([&imported[..], &segments(&path)[1..]].concat()),
                None => self.absolute(module, &path),
            });
            let homes = declared.iter().cloned().chain(inline).filter_map(|path| self.home(&path));
            (module.clone(), homes.filter(|home| home != module).collect())
        };
        self.modules.iter().map(uses).collect()
    }
}

/// A circle among the uses, if there is one: files that are used by nobody or use nobody are taken away until none is left or
/// all that are left are in circles, or between two circles.
fn circle(mut uses: BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    loop {
        let used: BTreeSet<Module> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        let left: BTreeSet<Module> = uses
            .iter()
            .filter(|(module, used_by_it)| !used_by_it.is_empty() && used.contains(*module))
            .map(|(module, _)| module.clone())
            .collect();
        uses.retain(|module, _| left.contains(module));
        uses.values_mut().for_each(|modules| modules.retain(|module| left.contains(module)));
        if uses.len() == before {
            let name = |module: &Module| module.join("::");
            return uses
                .iter()
                .map(|(module, used)| {
                    format!("{} uses {}", name(module), used.iter().map(name).collect::<Vec<_>>().join(", "))
                })
                .collect();
        }
    }
}

fn uses_of(folder: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)).uses()
}

#[test]
fn no_file_of_the_trainer_uses_one_that_uses_it() {
    let uses = uses_of("trainer/src");
    assert!(uses.len() > 150 && uses.values().map(BTreeSet::len).sum::<usize>() > 500, "too little was read");
    let uses_of = |module: &str| &uses[&segments(module)];
    assert!(uses_of("network::chain").contains(&segments("network::architecture")), "a use of a sibling is seen");
    assert!(uses_of("pipeline").contains(&segments("train::checkpoint")), "what is passed on is seen where it is from");
    assert!(uses_of("network::layers::conv").contains(&segments("network::autograd::conv2d")));
    assert!(uses_of("report::figures").contains(&segments("report::figures::samples")), "a child is seen");
    assert!(
        uses_of("network::layers::dense").contains(&segments("network::autograd::dense")),
        "what an import leads to is seen"
    );
    assert_eq!(circle(uses), Vec::<String>::new());
}

#[test]
fn no_file_of_infer_core_uses_one_that_uses_it() {
    let uses = uses_of("infer-core/src");
    assert!(uses.len() > 40 && uses.values().map(BTreeSet::len).sum::<usize>() > 130, "too little was read");
    assert_eq!(circle(uses), Vec::<String>::new());
}

#[test]
fn the_trainers_library_has_twelve_modules_at_most() {
    let names: BTreeSet<String> =
        uses_of("trainer/src").into_keys().filter_map(|module| module.into_iter().next()).collect();
    assert!(names.len() <= 12, "{names:?}");
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let used = |names: &[&str]| names.iter().map(|name| module(name)).collect::<BTreeSet<_>>();
    let mut uses = BTreeMap::from([
        (module("top"), used(&["left", "right"])),
        (module("left"), used(&["ground"])),
        (module("right"), used(&["left", "ground"])),
        (module("ground"), used(&[])),
    ]);
    assert!(circle(uses.clone()).is_empty());
    uses.insert(module("ground"), used(&["right"]));
    assert_eq!(circle(uses), ["ground uses right", "left uses ground", "right uses ground, left"]);
}
