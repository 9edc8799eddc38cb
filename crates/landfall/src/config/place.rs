//! The file that values came from: for errors that name it and for relative paths.

use super::credentials::User;
use super::keys;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// The file that values came from, for errors and for relative paths.
#[derive(Default)]
pub(super) struct Place<'a> {
    pub(super) path: Option<&'a Path>,
    pub(super) text: &'a str,
}

impl Place<'_> {
    pub(super) fn users(&self, users: Vec<User>) -> Result<Vec<User>, Error> {
        let checked = |user: User| {
            user.checked().map_err(|why| {
                self.refuse("proxy.credentials", &format!("has a user that is not taken: {why}"))
            })
        };
        users.into_iter().map(checked).collect()
    }

    /// Paths in the file are relative to the file.
    pub(super) fn resolve(&self, path: PathBuf) -> PathBuf {
        match self.path.and_then(Path::parent) {
            Some(directory) => directory.join(path),
            None => path,
        }
    }

    /// A label that people will see in lists: no line breaks, not empty, not endless.
    pub(super) fn name(&self, key: &str, value: Option<String>) -> Result<Option<String>, Error> {
        match &value {
            Some(name) if name.trim().is_empty() => Err(self.refuse(key, "must not be empty")),
            Some(name) if name.len() > LONGEST_NAME_BYTES => {
                Err(self
                    .refuse(key, &format!("must not be longer than {LONGEST_NAME_BYTES} bytes")))
            }
            Some(name) if name.chars().any(char::is_control) => {
                Err(self.refuse(key, "must not hold control characters"))
            }
            _ => Ok(value),
        }
    }

    pub(super) fn refuse(&self, key: &str, why: &str) -> Error {
        let error = Error::usage(format!("{key:?} {why}"))
            .hint(format!("give {key:?} another value, or leave it out"));
        match (self.path, keys::lines_of(self.text, key).as_slice()) {
            (Some(path), [line]) => error.at(format!("{}, line {line}", path.display())),
            (Some(path), [_, ..]) => error.at(path.display()),
            // What the file does not say, the command line does.
            (_, []) | (None, _) => error.at(option(key)),
        }
    }
}

/// The option that gives this key its value.
fn option(key: &str) -> String {
    let key = key.strip_suffix(".url").unwrap_or(key);
    format!("--{}", key.replace('.', "-"))
}

const LONGEST_NAME_BYTES: usize = 200;
