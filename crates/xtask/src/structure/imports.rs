//! Circles of imports between the files of one crate. A file imports another when it names a path
//! into it, in a `use` or in code. Declaring a module is no import, nor is publishing a name with
//! `pub use`; whoever imports that name imports the file that defines it.

use super::rust_paths::{NamedPath, named_paths};
use super::text;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Circles in every crate below `crates`, and in `tests`.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for directory in text::entries(&root.join("crates"))? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sources = directory.join("src");
        if !sources.is_dir() {
            continue;
        }
        let files = text::tree(&sources)?;
        let sources = files.iter().map(|file| (file.path.as_str(), file.text.as_str()));
        for circle in circles(&imports(sources)) {
            problems.push(format!("{name}: {}", circle.join(" -> ")));
        }
    }
    Ok(problems)
}

/// A file's path below `src` and those that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The files of a crate by their module paths.
type Modules = BTreeMap<Vec<String>, String>;

/// Every path into the crate that a file names, from the crate's root, and whether it is only
/// published there.
type Named<'a> = BTreeMap<&'a str, Vec<(Vec<String>, bool)>>;

fn imports<'a>(sources: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Imports {
    let modules: Modules =
        sources.clone().map(|(path, _)| (module_of(path), path.to_owned())).collect();
    let named: Named<'_> = sources
        .map(|(path, source)| {
            let here = module_of(path);
            let resolved = named_paths(source).into_iter().filter_map(|named| {
                Some((absolute(&here, &named, &modules)?, named.only_published))
            });
            (path, resolved.collect())
        })
        .collect();
    let targets = |file: &str, paths: &[(Vec<String>, bool)]| {
        let imported = paths.iter().filter(|(_, only_published)| !only_published);
        let defining = imported.map(|(path, _)| defining_file(path, &modules, &named));
        defining.filter(|target| target != file).collect()
    };
    named.iter().map(|(file, paths)| ((*file).to_owned(), targets(file, paths))).collect()
}

/// The file in which the path ends, re-exports followed.
fn defining_file(path: &[String], modules: &Modules, named: &Named<'_>) -> String {
    let mut path = path.to_vec();
    for _ in 0..MOST_REEXPORTS {
        let (file, rest) = file_of(&path, modules);
        let reexported = rest.first().and_then(|name| {
            let paths = named.get(file.as_str())?;
            let mut others = paths.iter().map(|(other, _)| other);
            others.find(|other| other.last() == Some(name) && **other != path)
        });
        match reexported {
            Some(other) => path = [other.as_slice(), rest.get(1..).unwrap_or_default()].concat(),
            None => return file,
        }
    }
    file_of(&path, modules).0
}

/// The module path of a file: `a/b.rs` and `a/b/mod.rs` are `[a, b]`, the root is empty.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    let last = parts.last().map(String::as_str);
    if last == Some("mod") || (parts.len() == 1 && matches!(last, Some("lib" | "main"))) {
        parts.pop();
    }
    parts
}

/// The path from the crate's root, when it leads into this crate.
fn absolute(here: &[String], named: &NamedPath, modules: &Modules) -> Option<Vec<String>> {
    let first = named.segments.first()?;
    match first.as_str() {
        "crate" => Some(named.segments.iter().skip(1).cloned().collect()),
        "self" if named.inline_modules == 0 => Some([here, named.segments.get(1..)?].concat()),
        "super" => {
            let ups = named.segments.iter().take_while(|segment| *segment == "super").count();
            // Within an inline module the first steps up stay in the same file.
            let ups_out = ups.saturating_sub(named.inline_modules);
            let base = here.get(..here.len().checked_sub(ups_out)?)?;
            Some([base, named.segments.get(ups..)?].concat())
        }
        child => {
            let below = [here, &[child.to_owned()]].concat();
            modules.contains_key(&below).then(|| [here, &named.segments].concat())
        }
    }
}

/// The file of the longest part of the path that is a module, and the rest of the path.
fn file_of<'a>(path: &'a [String], modules: &Modules) -> (String, &'a [String]) {
    for length in (0..=path.len()).rev() {
        let (module, rest) = path.split_at(length);
        if let Some(file) = modules.get(module) {
            return (file.clone(), rest);
        }
    }
    (String::new(), path)
}

/// Each circle once, as the files on it, the first one repeated at the end.
fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut on_some_circle = BTreeSet::new();
    for start in imports.keys() {
        if on_some_circle.contains(start) {
            continue;
        }
        if let Some(circle) = way_back(start, imports) {
            on_some_circle.extend(circle.iter().cloned());
            found.push(circle);
        }
    }
    found
}

/// The shortest way from a file back to itself.
fn way_back(start: &str, imports: &Imports) -> Option<Vec<String>> {
    let mut ways = std::collections::VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| imports.get(last)).into_iter().flatten() {
            let longer = [way.as_slice(), std::slice::from_ref(next)].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// More than anyone would chain; a bound in case names are re-exported in a circle.
const MOST_REEXPORTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sources: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> =
            circles(&imports(sources.iter().copied())).iter().map(|c| c.join(" > ")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn imports_that_point_down_are_fine() {
        check(
            &[
                ("lib.rs", "mod a; mod b; pub use a::A;"),
                ("a.rs", "use crate::b::B;"),
                ("b.rs", "mod c; use self::c::C; c::f()"),
                ("b/c.rs", "#[cfg(test)] mod tests { use super::super::B; }"),
            ],
            &[],
        );
    }

    #[test]
    fn circles_are_found_whatever_way_they_are_written() {
        check(
            &[("lib.rs", ""), ("a.rs", "use crate::b::B;"), ("b.rs", "fn f(x: crate::a::A) {}")],
            &["a.rs > b.rs > a.rs"],
        );
        check(
            &[("lib.rs", ""), ("b.rs", "mod c; use c::C;"), ("b/c.rs", "use super::B;")],
            &["b.rs > b/c.rs > b.rs"],
        );
        check(
            &[("lib.rs", "mod a; use a::A; pub struct B;"), ("a.rs", "use crate::B;")],
            &["a.rs > lib.rs > a.rs"],
        );
    }

    #[test]
    fn a_reexport_is_no_circle_by_itself() {
        check(
            &[
                ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                ("a.rs", "use crate::B; fn f() { B::new() }"),
                ("b.rs", ""),
            ],
            &[],
        );
        check(
            &[("lib.rs", "mod a; pub use a::A; pub const C: u8 = 0;"), ("a.rs", "use super::C;")],
            &[],
        );
        check(
            &[("lib.rs", "mod a; pub use a::A; pub fn f() -> A {}"), ("a.rs", "use super::f;")],
            &["a.rs > lib.rs > a.rs"],
        );
        check(
            &[
                ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                ("a.rs", "use crate::B;"),
                ("b.rs", "use crate::A;"),
            ],
            &["a.rs > b.rs > a.rs"],
        );
    }
}
