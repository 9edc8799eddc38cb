//! The file that values came from: for errors that name it, for relative paths, and for the bounds
//! of single values.

use super::credentials::User;
use super::text::Text;
use super::unit::{DurationText, SizeText};
use crate::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that values came from, for errors and for relative paths.
pub(super) struct Place<'a>(pub(super) Option<&'a Path>);

impl Place<'_> {
    pub(super) fn count(
        &self,
        key: &str,
        value: Option<usize>,
        default: usize,
    ) -> Result<usize, Error> {
        match value {
            Some(0) => Err(self.refuse(&format!("limits.{key}"), "must be at least 1")),
            value => Ok(value.unwrap_or(default)),
        }
    }

    pub(super) fn bytes(
        &self,
        key: &str,
        value: Option<Text<SizeText>>,
        default: usize,
    ) -> Result<usize, Error> {
        let Some(Text(SizeText(bytes))) = value else { return Ok(default) };
        if bytes == 0 {
            return Err(self.refuse(&format!("limits.{key}"), "must be at least 1B"));
        }
        usize::try_from(bytes)
            .map_err(|_wide| self.refuse(&format!("limits.{key}"), "is too large here"))
    }

    /// As [`Place::bytes`], of what becomes one record, whose line is bounded.
    pub(super) fn recorded_bytes(
        &self,
        key: &str,
        value: Option<Text<SizeText>>,
        default: usize,
    ) -> Result<usize, Error> {
        let bytes = self.bytes(key, value, default)?;
        if bytes as u64 > MOST_RECORDED_BYTES {
            let why = format!("must not be over {}", SizeText(MOST_RECORDED_BYTES));
            let error = self.refuse(&format!("limits.{key}"), &why);
            return Err(error.hint("what it bounds is written as one record, which has a limit"));
        }
        Ok(bytes)
    }

    pub(super) fn time(
        &self,
        key: &str,
        value: Option<Text<DurationText>>,
        default: Duration,
    ) -> Result<Duration, Error> {
        let Some(Text(DurationText(time))) = value else { return Ok(default) };
        if time.is_zero() {
            return Err(self.refuse(&format!("limits.{key}"), "must be at least 1ms"));
        }
        Ok(time)
    }

    pub(super) fn users(&self, users: Vec<User>) -> Result<Vec<User>, Error> {
        let checked = |user: User| {
            user.checked().map_err(|why| {
                self.refuse("proxy.credentials", &format!("has a user that is not taken: {why}"))
            })
        };
        users.into_iter().map(checked).collect()
    }

    /// As [`Place::time`], of what the system counts in whole seconds.
    pub(super) fn probed(
        &self,
        key: &str,
        value: Option<Text<DurationText>>,
        default: Duration,
    ) -> Result<Duration, Error> {
        let time = self.time(key, value, default)?;
        if !(SHORTEST_PROBED..=LONGEST_PROBED).contains(&time) {
            return Err(self.refuse(&format!("limits.{key}"), "must be 1s to 9h"));
        }
        Ok(time)
    }

    /// Paths in the file are relative to the file.
    pub(super) fn resolve(&self, path: PathBuf) -> PathBuf {
        match self.0.and_then(Path::parent) {
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
        match self.0 {
            Some(path) => error.at(path.display()),
            None => error,
        }
    }
}

/// What Linux takes for TCP_KEEPIDLE is 1 to 32,767 s.
const SHORTEST_PROBED: Duration = Duration::from_secs(1);
const LONGEST_PROBED: Duration = Duration::from_secs(9 * 60 * 60);
const LONGEST_NAME_BYTES: usize = 200;
/// The most that goes into one record of the log: a ClientHello, a head.
const MOST_RECORDED_BYTES: u64 = 2 << 20;
