//! The users of the proxy: written in the configuration, or in a file with a `user:password` per
//! line. Passwords leave here for the proxy alone: no error and no record holds one.

use crate::error::Error;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// A user name and its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) user: String,
    password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("user", &self.user).finish_non_exhaustive()
    }
}

/// These users and those of the files; none means that nobody is asked.
///
/// # Errors
/// Usage: a file that cannot be read, holds no user, or has a line that is none.
pub(crate) fn load(users: &[User], files: &[PathBuf]) -> Result<proxy::Credentials, Error> {
    let mut users = users.to_vec();
    for path in files {
        users.extend(read(path)?);
    }
    let logins = users.iter().map(|user| (user.user.as_str(), user.password.as_str()));
    Ok(proxy::Credentials::new(logins))
}

fn read(path: &Path) -> Result<Vec<User>, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage("the file of the proxy's users could not be read")
            .at(path.display())
            .because(&error)
            .hint("name a readable file with --credentials")
    })?;
    let mut users = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{}, line {}", path.display(), index + 1);
        let Some((user, password)) = line.split_once(':') else {
            return Err(refuse("a line is no user:password").at(place()));
        };
        let user = User { user: user.to_owned(), password: password.to_owned() };
        users.push(user.checked().map_err(|why| refuse(why).at(place()))?);
    }
    // An empty file that is meant to lock the proxy must not open it.
    if users.is_empty() {
        return Err(refuse("the file of the proxy's users holds none").at(path.display()));
    }
    Ok(users)
}

fn refuse(what: &str) -> Error {
    Error::usage(what).hint("write one user:password per line; lines that begin with # are remarks")
}

impl User {
    /// The user, if both ways to give a password can express it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn checked(self) -> Result<Self, &'static str> {
        let fits = |text: &str| (1..=LONGEST_BYTES).contains(&text.len());
        if !fits(&self.user) || !fits(&self.password) {
            return Err("user name and password must have 1 to 255 bytes");
        }
        if self.user.contains(':') || self.user.chars().any(char::is_control) {
            return Err("a user name must hold neither a colon nor control characters");
        }
        // A recorded configuration that is used again must not open the proxy to a known password.
        if self.password == REDACTED {
            return Err(
                "the password is [redacted], as recorded configurations have it: give the real one",
            );
        }
        Ok(self)
    }
}

/// What stands in a recorded configuration in the place of a password.
pub(super) const REDACTED: &str = "[redacted]";

/// SOCKS5 writes lengths as one byte (RFC 1929 section 2).
const LONGEST_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::fs::write(&path, text).unwrap();
        match (read(&path), expected) {
            (Ok(users), Ok(expected)) => {
                let got: Vec<_> =
                    users.iter().map(|user| (user.user.as_str(), user.password.as_str())).collect();
                assert_eq!(got, expected);
            }
            (Err(error), Err(says)) => {
                let shown = error.to_string();
                assert!(shown.contains(says) && shown.contains("hint: "), "{shown}");
                assert!(!shown.contains("secret"), "{shown}");
            }
            (got, _) => panic!("{text:?}: {got:?}"),
        }
    }

    #[test]
    fn files_of_users() {
        check("# remark\n\na:b\nc:d:e \n", Ok(&[("a", "b"), ("c", "d:e ")]));
        check("a:b\nsecret\n", Err("line 2"));
        check("a:\n", Err("1 to 255 bytes"));
        check(":secret\n", Err("1 to 255 bytes"));
        check("\u{7}:secret\n", Err("control"));
        check("a:[redacted]\n", Err("give the real one"));
        check("# nobody\n", Err("holds none"));
        let user = User { user: "a".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{user:?}").contains("secret"));
    }
}
