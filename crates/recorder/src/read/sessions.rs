//! The sessions of a data directory.

use super::error::ReadError;
use super::rows::SessionSummary;
use super::session::Session;
use crate::directory::SessionDir;
use crate::index::log::LogLines;
use crate::record::session::Recovery;
use crate::record::{Body, Record};
use flow::id::SessionId;
use flow::time::WallNanos;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Finds sessions by their names and ids.
#[derive(Clone, Debug)]
pub struct Sessions {
    below: PathBuf,
}

/// One session of a list. A damaged one does not hide the others.
#[derive(Debug)]
pub struct Listed {
    pub directory: PathBuf,
    pub summary: Result<SessionSummary, ReadError>,
}

impl Sessions {
    /// The sessions of this data directory, which need not be there yet.
    pub fn at(data_dir: &Path) -> Self {
        Self { below: SessionDir::all_below(data_dir) }
    }

    /// All sessions, oldest first. Directories without a first record are none; those whose first
    /// record is damaged come last.
    pub fn list(&self) -> Result<Vec<Listed>, ReadError> {
        let heads = self.heads()?;
        let listed = |head: Head| {
            let summary = match head.first {
                Ok(_) => Session::open(&head.directory).and_then(|session| session.summary()),
                Err(error) => Err(error),
            };
            Listed { directory: head.directory, summary }
        };
        Ok(heads.into_iter().map(listed).collect())
    }

    /// The session that was opened last.
    ///
    /// # Errors
    /// [`ReadError::NoSession`] when there is none.
    pub fn newest(&self) -> Result<Session, ReadError> {
        let heads = self.heads()?;
        match heads.iter().rfind(|head| head.first.is_ok()) {
            Some(newest) => Session::open(&newest.directory),
            None => Err(ReadError::NoSession { wanted: None, below: self.below.clone() }),
        }
    }

    /// The session with this name or id, or the only one whose name or id begins so.
    ///
    /// # Errors
    /// [`ReadError::NoSession`], [`ReadError::Ambiguous`].
    pub fn find(&self, prefix: &str) -> Result<Session, ReadError> {
        let mut found: Vec<Head> = Vec::new();
        for head in self.heads()? {
            let (name, id) = (head.name(), head.id());
            if name == prefix || id.as_deref() == Some(prefix) {
                return Session::open(&head.directory);
            }
            if name.starts_with(prefix) || id.is_some_and(|id| id.starts_with(prefix)) {
                found.push(head);
            }
        }
        match found.as_slice() {
            [] => Err(ReadError::NoSession {
                wanted: Some(prefix.to_owned()),
                below: self.below.clone(),
            }),
            [only] => Session::open(&only.directory),
            several => Err(ReadError::Ambiguous {
                wanted: prefix.to_owned(),
                names: several.iter().map(Head::name).collect(),
            }),
        }
    }

    /// SHA-256, hex, of every file of databases that a session was recorded with, by the sessions' first
    /// records.
    ///
    /// # Errors
    /// A first record is damaged, so that nobody knows what the session names.
    pub fn databases(&self) -> Result<BTreeSet<String>, ReadError> {
        let mut all = BTreeSet::new();
        for head in self.heads()? {
            all.extend(head.first?.databases);
        }
        Ok(all)
    }

    /// Where each session lies, and its id; none of those whose first record is damaged.
    pub fn directories(&self) -> Result<Vec<(SessionDir, SessionId)>, ReadError> {
        let known = |head: Head| Some((SessionDir::new(&head.directory), head.first.ok()?.id));
        Ok(self.heads()?.into_iter().filter_map(known).collect())
    }

    /// The first records, in the order of their times.
    fn heads(&self) -> Result<Vec<Head>, ReadError> {
        let failed = |source| ReadError::File { doing: "list", path: self.below.clone(), source };
        let entries = match std::fs::read_dir(&self.below) {
            Ok(entries) => entries,
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut heads = Vec::new();
        for entry in entries {
            heads.extend(Head::read(entry.map_err(failed)?.path()));
        }
        heads.sort_by_key(|head| {
            (head.first.as_ref().map_or(WallNanos(u64::MAX), |first| first.at), head.name())
        });
        Ok(heads)
    }
}

/// A session as far as its first record tells.
struct Head {
    directory: PathBuf,
    first: Result<First, ReadError>,
}

/// What the first record says.
struct First {
    at: WallNanos,
    id: SessionId,
    /// SHA-256 of its databases' files.
    databases: Vec<String>,
}

impl Head {
    /// `None` when the directory holds no log with a whole line.
    fn read(directory: PathBuf) -> Option<Self> {
        let log = SessionDir::new(&directory).log_file();
        let committed = std::fs::metadata(&log).ok()?.len();
        let mut line = Vec::new();
        let read = LogLines::open(&log, 0).and_then(|mut lines| lines.next(committed, &mut line));
        let first = match read {
            Ok(None) => return None,
            Ok(Some(_)) => match Record::parse(&line) {
                Ok(Record { at, body: Body::SessionOpen(open), .. }) => {
                    let databases = open.databases.into_iter().filter_map(|file| file.sha256);
                    Ok(First { at: at.wall, id: open.session.0, databases: databases.collect() })
                }
                // The first record was lost; its recovery stands in its place.
                Ok(Record {
                    at, body: Body::Recovery(Recovery { session: Some(id), .. }), ..
                }) => Ok(First { at: at.wall, id: id.0, databases: Vec::new() }),
                Ok(_) => Err(ReadError::NotASession(directory.clone())),
                Err(source) => {
                    Err(crate::index::IndexError::Record { path: log, offset: 0, source }.into())
                }
            },
            Err(error) => Err(error.into()),
        };
        Some(Self { directory, first })
    }

    fn name(&self) -> String {
        SessionDir::new(&self.directory).name()
    }

    fn id(&self) -> Option<String> {
        self.first.as_ref().ok().map(|first| first.id.to_string())
    }
}
