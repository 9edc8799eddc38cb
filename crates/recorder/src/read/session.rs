//! One session, open for reading: running, closed, or left behind by a process that is gone. The
//! log and the stream store are only read; the index is brought up to the log where nobody else
//! does it.

use super::annotations::Annotations;
use super::bytes as stored;
use super::destination::{DestinationKey, DestinationRow};
use super::detail::{ConnectionDetail, ExchangeDetail, FlowDetail, MOST_RECORDS, Recorded};
use super::error::{Part, ReadError};
use super::facts::{self, Questions};
use super::groups;
use super::history::{self, NameHistory};
use super::index_file::{self, Opened};
use super::listing;
use super::names::{self, NameCounts};
use super::order;
use super::query::{DestinationQuery, FlowQuery};
use super::records::{Records, whole};
use super::round_trips::{self, LeastTimes};
use super::rows::{FlowRow, SessionSummary};
use super::unfinished;
use crate::directory::SessionDir;
use crate::index::IndexError;
use crate::openings::Openings;
use crate::record::Body;
use crate::record::message::ExchangeMessage;
use crate::record::session::{SessionOpen, SourceShape};
use crate::record::tls::TlsUpstream;
use bytes::Bytes;
use flow::address::{DnsName, Host};
use flow::id::{ExchangeId, FlowId, SessionId};
use flow::stream::{Extent, StreamKey};
use flow::time::WallNanos;
use geoip::assess::Facts;
use observe::body::BodyReader;
use rusqlite::OptionalExtension;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A session to read from.
#[derive(Debug)]
pub struct Session {
    directory: SessionDir,
    opened: Opened,
    index: PathBuf,
    log: PathBuf,
    openings: RefCell<Openings>,
    annotations: Annotations,
}

impl Session {
    /// Opens the session in a directory.
    ///
    /// An index that is missing, damaged, of another version or behind is made or completed first,
    /// in place where the session is not running and the directory can be written, else in a
    /// temporary file.
    ///
    /// # Errors
    /// [`ReadError::NotASession`] when there is no log with a first record; others when neither
    /// place can be used.
    pub fn open(directory: &Path) -> Result<Self, ReadError> {
        let directory = SessionDir::new(directory);
        let opened = index_file::open(&directory)?;
        Ok(Self::of(directory, opened))
    }

    fn of(directory: SessionDir, opened: Opened) -> Self {
        let (index, log) = (directory.index_file(), directory.log_file());
        let openings = RefCell::new(Openings::of_records(&directory));
        Self { directory, opened, index, log, openings, annotations: Annotations::default() }
    }

    /// Opens the session with an index of its own, made of the log alone, in a temporary file: nothing
    /// beside the log is believed and nothing is written there.
    ///
    /// # Errors
    /// As of [`Session::open`].
    pub fn open_apart(directory: &Path) -> Result<Self, ReadError> {
        let directory = SessionDir::new(directory);
        let opened = index_file::apart(&directory)?;
        Ok(Self::of(directory, opened))
    }

    pub fn directory(&self) -> &SessionDir {
        &self.directory
    }

    /// Why the log could only be read up to a point. What comes after it is in no listing.
    pub fn damage(&self) -> Option<&IndexError> {
        self.opened.damage.as_ref()
    }

    /// The configuration that it was recorded with, TOML; `None` where the log lost its beginning or
    /// it is withheld.
    pub fn configuration(&self) -> Result<Option<String>, ReadError> {
        Ok(self.opening()?.and_then(|open| open.config.open().cloned()))
    }

    /// The first record; `None` where the log lost its beginning.
    pub fn opening(&self) -> Result<Option<Box<SessionOpen>>, ReadError> {
        Ok(match self.records().get(0)?.body {
            Body::SessionOpen(open) => Some(open),
            _ => None,
        })
    }

    /// The session's id.
    ///
    /// # Errors
    /// [`ReadError::NotASession`] where the log begins with something else.
    pub fn id(&self) -> Result<SessionId, ReadError> {
        let session = match self.records().get(0)?.body {
            Body::SessionOpen(open) => Some(open.session.0),
            Body::Recovery(recovery) => recovery.session.map(|session| session.0),
            _ => None,
        };
        session.ok_or_else(|| ReadError::NotASession(self.directory.path().to_owned()))
    }

    /// The databases that are pinned for it; none where the log lost its beginning.
    pub fn databases(&self) -> Result<Vec<SourceShape>, ReadError> {
        Ok(self.opening()?.map(|open| open.databases).unwrap_or_default())
    }

    /// The session's totals as of now.
    pub fn summary(&self) -> Result<SessionSummary, ReadError> {
        let records = self.records();
        let sql = "SELECT id, case_name, device, simulated, opened, closed,
                (SELECT count(*) FROM connections),
                (SELECT coalesce(sum(exchanges), 0) FROM connections),
                (SELECT coalesce(sum(bytes_up), 0) FROM connections),
                (SELECT coalesce(sum(bytes_down), 0) FROM connections),
                (SELECT count(DISTINCT host) FROM connections WHERE ingress <> 'onboarding'),
                (SELECT count(DISTINCT host) FROM connections WHERE ingress <> 'onboarding'
                    AND assessment IN (SELECT assessment FROM flags))
            FROM session";
        let summary = records
            .db
            .query_row(sql, [], |row| {
                let id: String = row.get(0)?;
                let closed: Option<i64> = row.get(5)?;
                let closed = closed.and_then(|at| u64::try_from(at).ok()).map(WallNanos);
                let summary = SessionSummary {
                    directory: self.directory.path().to_owned(),
                    name: self.directory.name(),
                    id: SessionId([0; 16]),
                    state: self.opened.state(closed.is_some()),
                    opened: WallNanos(whole(row, 4)?),
                    closed,
                    ending: None,
                    case: row.get(1)?,
                    device: row.get(2)?,
                    simulated: row.get(3)?,
                    connections: whole(row, 6)?,
                    exchanges: whole(row, 7)?,
                    bytes_up: whole(row, 8)?,
                    bytes_down: whole(row, 9)?,
                    destinations: whole(row, 10)?,
                    flagged: whole(row, 11)?,
                };
                Ok((id, summary))
            })
            .optional()
            .map_err(|source| records.failed(source))?;
        let not_a_session = || ReadError::NotASession(self.directory.path().to_owned());
        let (id, mut summary) = summary.ok_or_else(not_a_session)?;
        summary.id = id.parse().map_err(|_no_id| not_a_session())?;
        if summary.closed.is_some() {
            summary.ending = records.ending()?;
        }
        Ok(summary)
    }

    /// The flows that a query asks for, all at once: give it a limit where they may be many.
    pub fn flows(&self, query: &FlowQuery) -> Result<Vec<FlowRow>, ReadError> {
        let mut rows = Vec::new();
        self.for_each_flow(query, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Hands over the flows one by one, until `each` breaks; memory does not grow with them.
    pub fn for_each_flow(
        &self,
        query: &FlowQuery,
        mut each: impl FnMut(FlowRow) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        listing::for_each(&self.records(), &self.annotations, query, &mut each)
    }

    /// Everything that was recorded of a flow. A connection can be asked for also where listings
    /// show its exchanges in its place.
    ///
    /// # Errors
    /// [`ReadError::NoFlow`] when the session has no such flow.
    pub fn flow(&self, id: FlowId) -> Result<FlowDetail, ReadError> {
        let records = self.records();
        let not_there = || ReadError::NoFlow(id);
        let connection = i64::try_from(id.connection().0).map_err(|_too_large| not_there())?;
        let of_connection = records.of_flow(connection, 0, MOST_RECORDS)?;
        let mut cut = of_connection.len() == MOST_RECORDS;
        let exchange = match id {
            FlowId::Connection(_) => None,
            FlowId::Exchange(exchange) => {
                let of_exchange = records.of_flow(connection, exchange.number, MOST_RECORDS)?;
                cut |= of_exchange.len() == MOST_RECORDS;
                Some(ExchangeDetail::collect(of_exchange))
            }
        };
        let row = listing::one(&records, &self.annotations, id)?.ok_or_else(not_there)?;
        let connection = ConnectionDetail::collect(of_connection);
        Ok(FlowDetail { row, connection, exchange, cut })
    }

    /// The messages that were recorded of an exchange, in the order of their ends. The observer's
    /// bound on recorded messages bounds them.
    ///
    /// # Errors
    /// [`ReadError::NoFlow`] when the session has no such exchange.
    pub fn messages(
        &self,
        exchange: ExchangeId,
    ) -> Result<Vec<Recorded<ExchangeMessage>>, ReadError> {
        self.exchange(exchange)?;
        let connection = i64::try_from(exchange.connection.0).unwrap_or(i64::MAX);
        let records = self.records().of_messages(connection, exchange.number)?;
        let messages = records.into_iter().filter_map(|record| match record.body {
            Body::ExchangeMessage(body) => {
                Some(Recorded { seq: record.seq, at: record.at, body: *body })
            }
            _ => None,
        });
        Ok(messages.collect())
    }

    /// The facts about a destination, with the records that each is from; `None` when the row is no
    /// host.
    pub fn facts(
        &self,
        row: &DestinationRow,
        questions: &Questions,
    ) -> Result<Option<Facts>, ReadError> {
        let history = match &row.key {
            DestinationKey::Host(Some(Host::Name(name))) => self.name_history(name)?,
            _ => None,
        };
        facts::of(&self.records(), row, history.as_ref(), questions)
    }

    /// The ports at which the session asked for a host.
    pub fn ports(&self, host: &Host) -> Result<BTreeSet<u16>, ReadError> {
        let records = self.records();
        let sql = "SELECT DISTINCT port FROM connections WHERE host = ?1 AND port IS NOT NULL";
        let failed = |source| records.failed(source);
        let mut query = records.db.prepare_cached(sql).map_err(failed)?;
        let ports = query.query_map([host.to_string()], |row| row.get(0)).map_err(failed)?;
        ports.collect::<Result<_, _>>().map_err(failed)
    }

    /// The least times of handshakes with the addresses of a host.
    pub fn least_times(&self, host: &Host) -> Result<Vec<LeastTimes>, ReadError> {
        round_trips::least(&self.records(), host)
    }

    /// What look-ups of a name answered in the course of the session; `None` when there was none.
    pub fn name_history(&self, name: &DnsName) -> Result<Option<NameHistory>, ReadError> {
        history::of(&self.records(), &self.annotations, name)
    }

    /// The destinations that a query asks for.
    pub fn destinations(&self, query: &DestinationQuery) -> Result<Vec<DestinationRow>, ReadError> {
        let mut rows = groups::collect(&self.records(), &self.annotations, query)?;
        order::sort(&mut rows, &query.sort);
        let skipped = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let most =
            query.limit.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        Ok(rows.into_iter().skip(skipped).take(most).collect())
    }

    /// Writes a body to `output` as it was transferred: framing removed, content encodings kept. Of
    /// an exchange without an end, which still runs or was interrupted, what there is of it.
    /// Memory does not grow with it.
    ///
    /// # Errors
    /// [`ReadError::NoBody`] before anything is written. [`ReadError::Gap`] and
    /// [`ReadError::BodyLength`] after what is there was written: the rest was not kept.
    pub fn body(
        &self,
        exchange: ExchangeId,
        part: Part,
        output: &mut dyn Write,
    ) -> Result<(), ReadError> {
        let detail = self.exchange(exchange)?;
        let stream = part.stream(exchange.connection);
        let ended = match (&detail.close, part) {
            (Some(close), Part::Request) => Some(Some(&close.body.request_body)),
            (Some(close), Part::Response) => Some(close.body.response_body.as_ref()),
            (None, _) => None,
        };
        let (framing, extent, recorded) = match ended {
            Some(body) => {
                let body = body.ok_or(ReadError::NoBody(exchange, part))?;
                (body.framing(), body.extent.into(), Some(body.bytes.0))
            }
            None => {
                let mut read = |extent: Extent| {
                    let mut head = Vec::new();
                    self.range(stream, extent, &mut head).map(|()| Bytes::from(head))
                };
                let (framing, extent) = unfinished::body(&detail, part, &mut read)?
                    .ok_or(ReadError::NoBody(exchange, part))?;
                (framing, extent, None)
            }
        };
        let mut reader = BodyReader::new(framing);
        let mut payload = Vec::new();
        let mut found: u64 = 0;
        let copied = self.copy(stream, extent, &mut |piece| {
            payload.clear();
            reader.feed(piece, &mut payload);
            found += payload.len() as u64;
            output.write_all(&payload).map_err(ReadError::Output)
        });
        match (copied, recorded) {
            // The rest of it has not come, or never will.
            (Err(ReadError::Gap { .. }), None) => Ok(()),
            (Ok(()), Some(recorded)) if recorded != found => {
                Err(ReadError::BodyLength { exchange, part, recorded, found })
            }
            (copied, _) => copied,
        }
    }

    /// Hands over what was recorded of each handshake with an upstream, in order. Memory does not grow
    /// with them, but for eight bytes each.
    pub fn for_each_upstream(
        &self,
        each: &mut dyn FnMut(Recorded<TlsUpstream>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let records = self.records();
        let sql = "SELECT seq FROM records WHERE kind = 'tls.upstream' ORDER BY seq";
        for seq in records.seqs(sql, [])? {
            let record = records.get(seq)?;
            if let Body::TlsUpstream(body) = record.body {
                each(Recorded { seq: record.seq, at: record.at, body })?;
            }
        }
        Ok(())
    }

    /// Writes the kept bytes of a stream to `output`, from its start. A stream of which nothing was
    /// kept writes nothing.
    pub fn raw(&self, stream: StreamKey, output: &mut dyn Write) -> Result<(), ReadError> {
        let all = Extent { start: 0, end: u64::MAX };
        self.copy(stream, all, &mut |piece| output.write_all(piece).map_err(ReadError::Output))
    }

    /// Bytes kept of a stream so far.
    pub fn kept(&self, stream: StreamKey) -> Result<u64, ReadError> {
        stored::kept(&self.records(), stream)
    }

    /// What became of the names that were looked up.
    pub fn name_counts(&self) -> Result<NameCounts, ReadError> {
        names::count(&self.records())
    }

    /// TLS bytes that are kept of all connections, handshakes included.
    pub fn tls_bytes_kept(&self) -> Result<u64, ReadError> {
        stored::tls_bytes_kept(&self.records())
    }

    /// Writes a range of a stream to `output`, such as a head as it was on the wire.
    ///
    /// # Errors
    /// [`ReadError::Gap`] when part of it was not kept.
    pub fn range(
        &self,
        stream: StreamKey,
        extent: Extent,
        output: &mut dyn Write,
    ) -> Result<(), ReadError> {
        self.copy(stream, extent, &mut |piece| output.write_all(piece).map_err(ReadError::Output))
    }

    fn copy(
        &self,
        stream: StreamKey,
        extent: Extent,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        stored::copy(&self.records(), &self.directory, stream, extent, sink)
    }

    fn exchange(&self, exchange: ExchangeId) -> Result<ExchangeDetail, ReadError> {
        let not_there = || ReadError::NoFlow(FlowId::Exchange(exchange));
        let connection = i64::try_from(exchange.connection.0).map_err(|_large| not_there())?;
        let of_exchange = self.records().of_flow(connection, exchange.number, MOST_RECORDS)?;
        if of_exchange.is_empty() {
            return Err(not_there());
        }
        Ok(ExchangeDetail::collect(of_exchange))
    }

    fn records(&self) -> Records<'_> {
        Records {
            db: &self.opened.db,
            index: &self.index,
            log: &self.log,
            openings: &self.openings,
        }
    }
}
