//! The licence of every package, against the list of those that we accept. Expressions are those
//! of SPDX 2.3 annex D, and the older `A/B` for `A OR B`.

use super::metadata::{Metadata, Package};

pub(crate) fn problems(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata.packages.iter().filter(|package| !package.ours) {
        let expression = package.licence.as_deref().unwrap_or_default();
        if accepted(expression) != Some(true) {
            let Package { name, version, .. } = package;
            problems.push(format!("{name} {version}: licence `{expression}` is not accepted"));
        }
    }
    problems
}

/// Whether the expression can be met by accepted licences alone; `None` when it cannot be read.
fn accepted(expression: &str) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0 };
    let value = words.any_of()?;
    (words.at == words.words.len()).then_some(value)
}

/// The words of an expression and the place that the reader has come to.
struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl Words<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut value = self.all_of()?;
        while self.take("OR") {
            value |= self.all_of()?;
        }
        Some(value)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.any_of()?;
            return self.take(")").then_some(value);
        }
        let licence = *self.words.get(self.at)?;
        self.at += 1;
        if matches!(licence, "OR" | "AND" | "WITH" | ")") {
            return None;
        }
        if self.take("WITH") {
            // An exception only adds permissions.
            self.words.get(self.at)?;
            self.at += 1;
        }
        Some(ACCEPTED.contains(&licence))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

/// The same list as in `.deny.toml`.
const ACCEPTED: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: Option<bool>) {
        assert_eq!(accepted(expression), expected, "{expression}");
    }

    #[test]
    fn expressions() {
        check("MIT", Some(true));
        check("GPL-3.0-only", Some(false));
        check("MIT/Apache-2.0", Some(true));
        check("Unlicense OR MIT", Some(true));
        check("MIT OR GPL-3.0-only AND ISC", Some(true));
        check("MIT AND GPL-3.0-only", Some(false));
        check("(MIT OR GPL-3.0-only) AND ISC", Some(true));
        check("(MIT OR ISC) AND OpenSSL", Some(false));
        check("Apache-2.0 WITH LLVM-exception", Some(true));
        check("GPL-2.0-only WITH Classpath-exception-2.0", Some(false));
    }

    #[test]
    fn what_cannot_be_read_is_not_accepted() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "OR MIT", "MIT WITH"] {
            check(expression, None);
        }
    }
}
