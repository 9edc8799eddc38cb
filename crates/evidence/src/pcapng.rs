//! A session as a packet capture (PCAPNG): the bytes that passed, in packets that are made around them, with
//! the TLS secrets that open them. Of connections whose TLS is not kept it has what was inside, as exported
//! PDUs. One pass over log and stream store; memory is that of one commit's ends and, for each open connection,
//! of the plaintext of two packets.
//!
//! Nothing here was seen on a wire: Landfall has sockets, not packets. Headers, handshakes, acknowledgements
//! and ends of TCP are made up, and say so.

mod block;
mod connection;
mod conversation;
mod exported;
mod packet;
mod plaintext;

use crate::error::Error;
use block::Blocks;
use connection::Connection;
use conversation::Cited;
use flow::id::ConnectionId;
use flow::stream::StreamKey;
use flow::time::Stamp;
use recorder::read::Session;
use recorder::record::store::Frames;
use recorder::record::{Body, Record};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};

/// Writes the capture.
///
/// # Errors
/// [`Error`] of the session or the output.
pub fn write(session: &Session, out: &mut dyn Write) -> Result<(), Error> {
    let mut blocks = Blocks::new(out);
    let simulated = if session.summary()?.simulated { SIMULATED } else { "" };
    let application = concat!("Landfall ", env!("CARGO_PKG_VERSION"));
    blocks.begin(application, &format!("{simulated}Session {}. {ABOUT}", session.id()?))?;
    secrets(session, &mut blocks)?;
    let mut pass = Pass {
        tls_is_kept: keeps_tls(&session.configuration()?.unwrap_or_default()),
        session,
        blocks,
        open: BTreeMap::new(),
        ends: VecDeque::new(),
    };
    let mut passage = session.passage()?;
    while let Some(record) = passage.next_record()? {
        pass.record(record)?;
    }
    pass.finish()
}

/// Writes the session's key log, some lines at a time.
fn secrets(session: &Session, blocks: &mut Blocks<'_>) -> Result<(), Error> {
    let mut file = match File::open(session.directory().path().join(KEY_LOG)) {
        Ok(file) => BufReader::new(file),
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::File(error)),
    };
    let mut lines = Vec::new();
    loop {
        let read = (&mut file).take(MOST_LINE_BYTES).read_until(b'\n', &mut lines);
        let read = read.map_err(Error::File)?;
        if !lines.is_empty() && (read == 0 || lines.len() >= SECRETS_BYTES) {
            blocks.secrets(&lines)?;
            lines.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Whether the run kept all TLS bytes of the connections that it opened: `wire` among the first keys of its
/// configuration, which come before any table.
fn keeps_tls(configuration: &str) -> bool {
    let mut keys = configuration.lines().take_while(|line| !line.starts_with('['));
    keys.any(|line| line.trim() == "wire = \"full\"")
}

/// The pass over a session.
struct Pass<'a> {
    session: &'a Session,
    tls_is_kept: bool,
    blocks: Blocks<'a>,
    open: BTreeMap<ConnectionId, Connection>,
    /// Ends whose bytes may still be to come with the next commit, in the order of the log.
    ends: VecDeque<End>,
}

/// Something ended.
struct End {
    at: Stamp,
    record: u64,
    what: Ended,
}

enum Ended {
    Stream(StreamKey),
    Connection(ConnectionId, String),
}

/// How many bytes of each stream are still to come of a commit.
type Awaited = BTreeMap<StreamKey, u64>;

impl Pass<'_> {
    fn record(&mut self, record: Record) -> Result<(), Error> {
        let (at, seq) = (record.at, record.seq);
        let what = match &record.body {
            Body::Frames(frames) => return self.frames(seq, frames),
            Body::ConnectionOpen(open) => {
                self.open.insert(open.connection.0, Connection::new(open.clone()));
                return Ok(());
            }
            Body::StreamEnd(end) => Ended::Stream(StreamKey {
                connection: end.connection.0,
                leg: end.leg.into(),
                direction: end.direction.into(),
            }),
            Body::ConnectionClose(close) => {
                Ended::Connection(close.connection.0, close.outcome.clone())
            }
            _ => return self.of_connection(record),
        };
        self.ends.push_back(End { at, record: seq, what });
        Ok(())
    }

    fn of_connection(&mut self, record: Record) -> Result<(), Error> {
        let Some(id) = subject(&record.body) else { return Ok(()) };
        let Some(connection) = self.open.get_mut(&id) else { return Ok(()) };
        connection.recorded(record, self.tls_is_kept);
        connection.export_whole(&mut self.blocks)
    }

    /// What one commit appended, with the ends that came between.
    fn frames(&mut self, record: u64, frames: &Frames) -> Result<(), Error> {
        let mut awaited = Awaited::new();
        for run in &frames.streams {
            let (leg, direction) = (run.leg.into(), run.direction.into());
            let stream = StreamKey { connection: run.connection.0, leg, direction };
            awaited.insert(stream, run.end.0.saturating_sub(run.start.0));
            if let Some(connection) = self.open.get_mut(&stream.connection) {
                connection.seek(stream, run.start.0, &mut self.blocks)?;
            }
        }
        // Bytes that are not there any more, or damaged, leave a gap.
        if let Ok(mut committed) = self.session.committed(frames) {
            while let Ok(Some(frame)) = committed.next_frame() {
                let (stream, at) = (frame.header.stream, frame.header.at);
                self.end_before(at, &awaited)?;
                let cited = Cited { connection: stream.connection, record, at: at.wall };
                if let Some(connection) = self.open.get_mut(&stream.connection) {
                    connection.passed(stream, frame.payload, cited, &mut self.blocks)?;
                }
                if let Some(left) = awaited.get_mut(&stream) {
                    *left = left.saturating_sub(frame.payload.len() as u64);
                }
            }
        }
        self.end_all()
    }

    /// Writes the ends of what ended before this time and is all there.
    fn end_before(&mut self, at: Stamp, awaited: &Awaited) -> Result<(), Error> {
        while let Some(end) =
            self.ends.pop_front_if(|end| end.at.mono < at.mono && end.is_all_there(awaited))
        {
            self.end(end)?;
        }
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), Error> {
        while let Some(end) = self.ends.pop_front() {
            self.end(end)?;
        }
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), Error> {
        let cited = |connection| Cited { connection, record: end.record, at: end.at.wall };
        match end.what {
            Ended::Stream(stream) => match self.open.get_mut(&stream.connection) {
                Some(connection) => {
                    connection.ended(stream.direction, cited(stream.connection), &mut self.blocks)
                }
                None => Ok(()),
            },
            Ended::Connection(id, outcome) => match self.open.remove(&id) {
                Some(connection) => connection.closed(&outcome, cited(id), &mut self.blocks),
                None => Ok(()),
            },
        }
    }

    fn finish(mut self) -> Result<(), Error> {
        self.end_all()?;
        for (_, mut connection) in std::mem::take(&mut self.open) {
            connection.left(&mut self.blocks)?;
        }
        Ok(())
    }
}

impl End {
    fn is_all_there(&self, awaited: &Awaited) -> bool {
        match &self.what {
            Ended::Stream(stream) => awaited.get(stream).is_none_or(|left| *left == 0),
            Ended::Connection(id, _) => {
                awaited.iter().all(|(stream, left)| stream.connection != *id || *left == 0)
            }
        }
    }
}

/// The connection that a record tells something of that matters here.
fn subject(body: &Body) -> Option<ConnectionId> {
    Some(match body {
        Body::ConnectionTarget(target) => target.connection.0,
        Body::ConnectionDial(dial) => dial.connection.0,
        Body::ConnectionTreatment(treatment) => treatment.connection.0,
        Body::TlsUpstream(tls) => tls.connection.0,
        Body::LostSync(lost) => lost.connection.0,
        Body::ExchangeRequest(request) => request.exchange.0.connection,
        Body::ExchangeResponse(response) => response.exchange.0.connection,
        Body::ExchangeMessage(message) => message.exchange.0.connection,
        Body::ExchangeClose(close) => close.exchange.0.connection,
        _ => return None,
    })
}

const KEY_LOG: &str = "secrets/keylog.txt";
/// Secrets are written once there are so many bytes of them.
const SECRETS_BYTES: usize = 64 << 10;
/// Longer lines are none of a key log.
const MOST_LINE_BYTES: u64 = 4 << 10;

const SIMULATED: &str =
    "SIMULATED: addresses or names were simulated, so that this shows no real traffic. ";
/// What a reader has to know before anything else.
const ABOUT: &str = "Derived from a Landfall session; the session is the evidence, not this file. Landfall \
    records what its sockets read and wrote. The payloads here are those bytes, at the times of their reads; IP, \
    TCP and UDP headers, handshakes, acknowledgements and ends of TCP were made up around them. A handshake has \
    the time of the first bytes after it. The device's leg has the device's own socket and the address that was \
    dialled for the target, though its connection ended at Landfall; the upstream's leg has in place of \
    Landfall's own socket, which is not recorded, an address of 192.0.2.0/24 and a port made of the number of \
    the connection. 198.51.100.1 stands for a target of which no address is known. What a device said to the \
    proxy itself, such as CONNECT, is not here. Packets of the interface `plaintext` are what was inside TLS \
    whose own bytes were not kept, exported by Landfall. A comment names the connection and the record of the \
    log that commits to the frame with the bytes (of the last bytes, for plaintext); of a packet without bytes \
    the record that tells of it, or for a handshake that of the first bytes.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_kept_is_told_by_its_configuration() {
        assert!(keeps_tls("listen = [\"a\"]\nwire = \"full\"\n[limits]\nx = 1\n"));
        assert!(!keeps_tls("wire = \"handshake\"\n[limits]\nwire = \"full\"\n"));
        assert!(!keeps_tls(""));
    }
}
