//! What a session's first record says of where its data came from. Exports take it from there and
//! not from the databases of today.

use crate::error::Error;
use recorder::read::Session;
use recorder::record::session::SessionOpen;

/// The notices that the licences of the session's databases ask for wherever results are shown, each
/// once; none when the first record is lost.
///
/// # Errors
/// [`Error::Read`] when the log cannot be read.
pub fn attributions(session: &Session) -> Result<Vec<String>, Error> {
    let open = session.opening()?;
    let notices = open.as_deref().map(notices).unwrap_or_default();
    Ok(notices.into_iter().map(str::to_owned).collect())
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
