//! The name look-ups of a session as lines: `dns.jsonl`, one object for each `dns` record in the order of the
//! log, with what came of its answer. One look-up at a time is in memory.

use crate::error::Error;
use crate::shape::SCHEMA;
use flow::id::{ConnectionId, FlowId};
use recorder::read::{ReadError, Session};
use recorder::record::Body;
use recorder::record::dns::Dns;
use recorder::record::value::{Count, Spelled, Wall};
use serde::Serialize;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// What the record says, with the keys that it has in the log, and these.
#[derive(Debug, Serialize)]
struct LookupShape<'a> {
    schema: u32,
    /// The number of the record.
    record: Count,
    time: Wall,
    #[serde(flatten)]
    dns: &'a Dns,
    /// The addresses of the answer that were dialled for the connection, in the order of dialling.
    dialled: Vec<Spelled<SocketAddr>>,
    /// That of them which was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<Spelled<SocketAddr>>,
}

/// One JSON object per look-up.
///
/// # Errors
/// [`Error`] of the session or the writer.
pub fn write_jsonl(session: &Session, out: &mut dyn Write) -> Result<(), Error> {
    let mut passage = session.passage()?;
    while let Some(record) = passage.next_record()? {
        let Body::Dns(dns) = &record.body else { continue };
        let answered: Vec<IpAddr> =
            dns.answers.iter().filter_map(|answer| Some(answer.address?.0)).collect();
        let mut line = LookupShape {
            schema: SCHEMA,
            record: Count(record.seq),
            time: Wall(record.at.wall),
            dns,
            dialled: Vec::new(),
            reached: None,
        };
        if let Some(connection) = dns.connection {
            line.follow(session, connection.0, &answered)?;
        }
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

impl LookupShape<'_> {
    /// What the connection did with the answer, after it had it.
    fn follow(
        &mut self,
        session: &Session,
        connection: ConnectionId,
        answered: &[IpAddr],
    ) -> Result<(), Error> {
        let detail = match session.flow(FlowId::Connection(connection)) {
            // Its beginning is lost.
            Err(ReadError::NoFlow(_)) => return Ok(()),
            detail => detail?,
        };
        for dial in detail.connection.dials.iter().filter(|dial| dial.seq > self.record.0) {
            let Some(address) = dial.body.address.filter(|at| answered.contains(&at.0.ip())) else {
                continue;
            };
            self.dialled.push(address);
            if dial.body.error.is_none() {
                self.reached = Some(address);
            }
        }
        Ok(())
    }
}
