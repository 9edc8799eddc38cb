//! Opens a session's review log to append to it.

use crate::clock::SystemClock;
use crate::context::Context;
use crate::error::Error;
use crate::run::tool;
use recorder::read::Session;
use recorder::review::ReviewWriter;
use std::sync::Arc;

/// The review log of a session, held until it is dropped.
pub(in crate::commands) fn writer(
    context: &Context,
    session: &Session,
) -> Result<ReviewWriter, Error> {
    let signer = context.signer()?;
    let clock = Arc::new(SystemClock::start());
    let (directory, id) = (session.directory(), session.id()?);
    Ok(ReviewWriter::open(directory, id, signer, clock, tool::facts())?)
}
