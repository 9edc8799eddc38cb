//! The arrows between our crates: those of `docs/ARCHITECTURE.md` and no others, development and
//! build dependencies included.

use super::metadata::Metadata;

pub(crate) fn problems(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.ours) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            problems.push(format!("{}: a crate without a place in the graph", package.name));
            continue;
        };
        for used in &package.uses_ours {
            if !allowed.contains(&used.as_str()) {
                problems.push(format!("{} -> {used}: no such arrow", package.name));
            }
        }
    }
    problems
}

/// Each crate and those that it may use, ground floor first.
const ARROWS: &[(&str, &[&str])] = &[
    ("flow", &[]),
    // A format, as unrelated to the product as a library.
    ("archive", &[]),
    ("feed", &["flow"]),
    ("certs", &["archive", "flow"]),
    ("resolver", &["flow"]),
    ("geoip", &["flow"]),
    ("observe", &["flow"]),
    ("proxy", &["certs", "feed", "flow", "observe", "resolver"]),
    ("recorder", &["feed", "flow", "geoip", "observe"]),
    // The feed for its tests alone, which record a session.
    ("evidence", &["archive", "feed", "flow", "geoip", "observe", "recorder"]),
    // A phone and servers, as unrelated to the product as real ones.
    ("demo", &[]),
    (
        "landfall",
        &[
            "archive", "certs", "demo", "evidence", "feed", "flow", "geoip", "observe", "proxy",
            "recorder", "resolver",
        ],
    ),
    // Measures the program from outside, and its parts from inside.
    ("bench", &["feed", "flow", "geoip", "observe", "recorder"]),
    // The chores and the tests see the product from outside.
    ("tests", &[]),
    ("xtask", &[]),
];

#[cfg(test)]
mod tests {
    use super::super::metadata::Package;
    use super::*;

    #[track_caller]
    fn check(name: &str, uses: &[&str], expected: &[&str]) {
        let package = Package {
            name: name.to_owned(),
            version: String::new(),
            licence: None,
            ours: true,
            uses_ours: uses.iter().map(|&used| used.to_owned()).collect(),
        };
        assert_eq!(problems(&Metadata { packages: vec![package] }), expected);
    }

    #[test]
    fn arrows_that_are_not_listed_are_refused() {
        check("proxy", &["flow", "certs"], &[]);
        check("proxy", &["recorder"], &["proxy -> recorder: no such arrow"]);
        check("flow", &["feed"], &["flow -> feed: no such arrow"]);
        check("new", &["flow"], &["new: a crate without a place in the graph"]);
    }
}
