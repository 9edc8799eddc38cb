//! Rules about files: which there may be, how long, how named, and what they must not hold.

use super::text::{self, TextFile};
use std::path::Path;

/// Entries of the top level beside those that are allowed; dot-files are.
pub(crate) fn top_level(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for entry in text::entries(root)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !(name.starts_with('.') || TOP_LEVEL.contains(&name.as_str())) {
            problems.push(format!("{name}: has no place at the top level"));
        }
    }
    Ok(problems)
}

/// Sources that are too long, or whose name says nothing.
pub(crate) fn sizes_and_names(files: &[TextFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        let lines = file.text.lines().count();
        if lines > LONGEST_FILE_LINES {
            problems.push(format!("{}: {lines} lines, split it", file.path));
        }
        let says_nothing = |part: &str| NAMES_THAT_SAY_NOTHING.contains(&part);
        if file.path.trim_end_matches(".rs").split('/').any(says_nothing) {
            problems.push(format!("{}: name it after what it is", file.path));
        }
    }
    problems
}

/// Paths that exist on one machine only.
pub(crate) fn machine_paths(files: &[TextFile]) -> Vec<String> {
    // Put together here, so that this file does not hold them.
    let homes = ["work", "root", "home", "Users"].map(|name| format!("/{name}/"));
    let mut problems = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(file.text.lines()) {
            if homes.iter().any(|home| holds_path(line, home)) {
                problems.push(format!("{}:{number}: a path of one machine", file.path));
            }
        }
    }
    problems
}

/// Whether `home` stands in the line as the beginning of a path, not within a longer one.
fn holds_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/}>".contains(c))
    })
}

/// Relative links in documents that lead nowhere.
pub(crate) fn broken_links(root: &Path, files: &[TextFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        let directory = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let external = target.contains("://") || target.starts_with("mailto:");
            if !(target.is_empty() || external || directory.join(target).exists()) {
                problems.push(format!("{}: the link to {link} leads nowhere", file.path));
            }
        }
    }
    problems
}

const LONGEST_FILE_LINES: usize = 800;

const NAMES_THAT_SAY_NOTHING: &[&str] = &["utils", "util", "common", "helpers", "types", "misc"];

const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "certs",
    "crates",
    "docs",
    "geoip",
    "target",
    "tests",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_told_from_paths_of_a_host() {
        let home = ["/", "home/"].concat();
        assert!(holds_path(&format!("see {home}me/file"), &home));
        assert!(holds_path(&format!("\"{home}me\""), &home));
        assert!(!holds_path(&format!("https://example.org{home}page"), &home));
        assert!(!holds_path(&format!("{{origin}}{home}page"), &home));
    }

    #[test]
    fn a_file_beyond_the_longest_is_a_problem() {
        let file =
            |lines: usize| TextFile { path: "crates/a/src/b.rs".into(), text: "\n".repeat(lines) };
        assert!(sizes_and_names(&[file(LONGEST_FILE_LINES)]).is_empty());
        assert_eq!(sizes_and_names(&[file(LONGEST_FILE_LINES + 1)]).len(), 1);
    }
}
