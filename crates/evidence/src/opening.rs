//! What a session's first record says of where its data came from. Exports take it from there and
//! not from the databases of today.

use crate::error::Error;
use recorder::read::Session;
use recorder::record::session::SessionOpen;
use recorder::record::{Body, MAX_LINE_BYTES, Record};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// The notices that the licences of the session's databases ask for wherever results are shown, each
/// once; none when the first record is lost.
///
/// # Errors
/// [`Error::Opening`] when the log cannot be read.
pub fn attributions(session: &Session) -> Result<Vec<String>, Error> {
    let open = opening(session)?;
    let notices = open.as_deref().map(notices).unwrap_or_default();
    Ok(notices.into_iter().map(str::to_owned).collect())
}

/// The session's first record; `None` where it is lost.
pub(crate) fn opening(session: &Session) -> Result<Option<Box<SessionOpen>>, Error> {
    let line = first_line(session).map_err(Error::Opening)?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(match Record::parse(line).map(|record| record.body) {
        Ok(Body::SessionOpen(open)) => Some(open),
        Ok(_) | Err(_) => None,
    })
}

pub(crate) fn notices(open: &SessionOpen) -> Vec<&str> {
    let mut notices = Vec::new();
    for notice in open.databases.iter().filter_map(|source| source.attribution.as_deref()) {
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    notices
}

fn first_line(session: &Session) -> io::Result<Vec<u8>> {
    let log = File::open(session.directory().log_file())?;
    let mut line = Vec::new();
    BufReader::new(log).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    Ok(line)
}
