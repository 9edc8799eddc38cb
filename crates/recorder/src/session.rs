//! Writing one session: each event becomes records and frames, and both are made durable in the
//! order that lets the log never point at what is not there. Threads and channels are the
//! business of [`crate::recording`].

use crate::body::BodySecret;
use crate::checkpoints::Checkpoints;
use crate::connection::{Connection, Room, bounded_chain};
use crate::directory::{SessionDir, private_file};
use crate::enrich::{Annotator, Answer, Assessed};
use crate::error::{Error, Failed};
use crate::index::Indexer;
use crate::log::RecordLog;
use crate::notice::{Moment, Notice};
use crate::record::Body;
use crate::record::connection::{
    ConnectionClose, ConnectionDial, ConnectionTarget, ConnectionTreatment, DatagramsDropped,
    StreamClose,
};
use crate::record::destination::{Assessment, Claims};
use crate::record::sealed::Sealed;
use crate::record::session::{CloseWhy, Gap, GapWhy, Marker, Phase, SessionClose};
use crate::record::tls::{TlsClient, TlsClientHello, TlsLeaf, TlsRelayed, TlsUpstream};
use crate::record::value::{Base64, Count, Spelled};
use crate::signer::Signer;
use crate::store::StreamStore;
use crate::summary::{Summary, Tally};
use flow::address::{DnsName, Host, Target};
use flow::dns::{Lookup, Sake};
use flow::event::{Closed, Dialled, Event, Opened, StreamClosed};
use flow::id::{ConnectionId, SessionId};
use flow::limits::Limits;
use flow::stream::Chunk;
use flow::time::{MonoNanos, SharedClock, Stamp};
use flow::tls::Secret;
use flow::treatment::Treatment;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// A session that is being recorded.
#[derive(Debug)]
pub(crate) struct SessionWriter {
    pub(crate) parts: Parts,
    open: HashMap<ConnectionId, Connection>,
    tally: Tally,
    key_log: Option<File>,
    /// Lines of the key log that are not written yet.
    secrets: Vec<u8>,
    /// When the first event was handled that is not durable yet.
    dirty_since: Option<MonoNanos>,
    /// When the log was signed last, or begun.
    signed_at: MonoNanos,
}

/// What a session is written with.
pub(crate) struct Parts {
    pub(crate) session: SessionId,
    pub(crate) directory: SessionDir,
    /// Held for as long as the session is written.
    pub(crate) lock: File,
    pub(crate) log: RecordLog,
    pub(crate) store: StreamStore,
    pub(crate) bodies: BodySecret,
    pub(crate) annotator: Annotator,
    pub(crate) signer: Signer,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) limits: Limits,
    pub(crate) clock: SharedClock,
    pub(crate) notices: broadcast::Sender<Notice>,
    /// Follows the log; what goes wrong with it is its own log line, as it can be made again.
    pub(crate) indexer: Option<Indexer>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("session", &self.session)
            .field("directory", &self.directory)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

impl SessionWriter {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            signed_at: parts.clock.now().mono,
            parts,
            open: HashMap::new(),
            tally: Tally::default(),
            key_log: None,
            secrets: Vec::new(),
            dirty_since: None,
        }
    }

    /// Takes an event in.
    pub(crate) fn handle(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Opened(opened) => self.opened(&opened),
            Event::Targeted { connection, at, target } => self.targeted(connection, at, target),
            Event::Looked(lookup) => self.looked(&lookup),
            Event::Dialled(dialled) => self.dialled(&dialled),
            Event::ClientHello { connection, at, hello } => {
                let hello = Box::new(TlsClientHello::new(connection, &hello));
                self.append(at, Body::TlsClientHello(hello));
            }
            Event::UpstreamTls { connection, at, tls } => {
                self.append(at, Body::TlsUpstream(TlsUpstream::new(connection, &tls)));
            }
            Event::Leaf { connection, at, certificate } => {
                let (certificate, connection) = (Base64(certificate), Spelled(connection));
                self.append(at, Body::TlsLeaf(TlsLeaf { certificate, connection }));
            }
            Event::RoundTrip(sample) => self.append(sample.at, Body::Rtt((&*sample).into())),
            Event::Network(epoch) => self.append(epoch.at, Body::Network((&*epoch).into())),
            Event::ClientTls { connection, at, agreed } => {
                let tls = TlsClient { agreed: (&agreed).into(), connection: Spelled(connection) };
                self.append(at, Body::TlsClient(tls));
            }
            Event::RelayedTls { connection, at, tls } => {
                self.append(at, Body::TlsRelayed(TlsRelayed::new(connection, tls)));
            }
            Event::Secret { secret, .. } => self.keep_secret(&secret),
            Event::Treated { connection, at, treatment } => {
                self.treated(connection, at, treatment);
            }
            Event::Chunk(chunk) => self.chunk(&chunk)?,
            Event::Request { exchange, ref head } => {
                self.tally.exchanges += 1;
                if let Some(connection) = self.open.get_mut(&exchange.connection) {
                    connection.requested(exchange, head);
                }
                self.append_derived(&event);
            }
            Event::Response { exchange, ref head } => {
                if let Some(connection) = self.open.get_mut(&exchange.connection) {
                    connection.responded(exchange, head);
                }
                self.append_derived(&event);
            }
            Event::Message { .. } => self.append_derived(&event),
            Event::ExchangeEnded { exchange, ref end } => {
                self.append_derived(&event);
                if let Some(connection) = self.open.get_mut(&exchange.connection) {
                    let notice = connection.exchanged(exchange, end);
                    self.notify(notice);
                }
            }
            Event::LostSync { .. } => self.append_derived(&event),
            Event::StreamEnded { stream, at } => {
                self.append(at, Body::StreamEnd(stream.into()));
            }
            Event::DatagramsDropped { connection, at, dropped } => {
                let dropped = DatagramsDropped::new(connection, &dropped);
                self.append(at, Body::DatagramsDropped(dropped));
            }
            Event::StreamClosed(closed) => self.stream_closed(&closed),
            Event::Closed(closed) => self.closed(&closed),
        }
        Ok(())
    }

    /// Records a person's remark and makes it durable.
    pub(crate) fn mark(&mut self, text: String) -> Result<(), Error> {
        self.append(self.parts.clock.now(), Body::Marker(Marker { text: Sealed::Open(text) }));
        self.commit()
    }

    /// Records that the session is in this phase from now on, and makes it durable.
    pub(crate) fn phase(&mut self, name: String) -> Result<(), Error> {
        self.append(self.parts.clock.now(), Body::Phase(Phase { name: Sealed::Open(name) }));
        self.commit()
    }

    /// Hands the bytes of streams to the operating system.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        self.write_secrets()?;
        self.parts.store.write()
    }

    /// How long until a commit is due, or a checkpoint, which comes with one; `None` when there is
    /// nothing to commit and nothing to sign.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let now = self.parts.clock.now().mono;
        let left = |after: Duration, since: MonoNanos| after.saturating_sub(now.since(since));
        let commit = self.dirty_since.map(|since| left(COMMIT_AFTER, since));
        let Parts { log, checkpoints, limits, .. } = &self.parts;
        let is_unsigned = log.tree().size() > checkpoints.signed();
        let sign = is_unsigned.then(|| left(limits.checkpoint_time, self.signed_at));
        commit.into_iter().chain(sign).min()
    }

    pub(crate) fn commit_if_due(&mut self) -> Result<(), Error> {
        if self.due_in() == Some(Duration::ZERO) { self.commit() } else { Ok(()) }
    }

    /// Commits when there is so much that it would take long.
    pub(crate) fn commit_if_large(&mut self) -> Result<(), Error> {
        let large =
            self.parts.store.wants_commit() || self.parts.log.pending_bytes() >= PENDING_BYTES;
        if large { self.commit() } else { Ok(()) }
    }

    /// Makes everything durable: first the frames, then the log that points at them.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.commit_parts()?;
        self.check_room()
    }

    /// Refuses when there is less room than the floor.
    pub(crate) fn check_room(&self) -> Result<(), Error> {
        check_free_space(self.parts.directory.path(), self.parts.limits.free_disk_bytes)
    }

    /// Ends the session: nothing can be appended to its log afterwards.
    pub(crate) fn close(mut self, why: CloseWhy) -> Result<Summary, Error> {
        self.commit_parts()?;
        let now = self.parts.clock.now();
        if why == CloseWhy::DiskFloor {
            let limit = Count(self.parts.limits.free_disk_bytes);
            let gap = Gap { connection: None, limit, record: None, why: GapWhy::DiskFloor };
            self.parts.log.append(now, Body::Gap(gap));
        }
        // Those without an end of their own: what the log tells of them may go on.
        let open: BTreeSet<_> = self.open.keys().copied().collect();
        let Parts { session, directory, log, signer, checkpoints, indexer, .. } = &mut self.parts;
        let close = SessionClose {
            counts: log.counts(),
            open_connections: (!open.is_empty()).then_some(Count(open.len() as u64)),
            open_listed: open.into_iter().take(SessionClose::OPEN_LISTED).map(Spelled).collect(),
            why,
        };
        log.append(now, Body::SessionClose(close));
        log.commit()?;
        if let Some(key_log) = &mut self.key_log {
            let path = directory.key_log_file();
            key_log.sync_data().failed("write", &path)?;
        }
        checkpoints.sign(*session, log.tree(), signer)?;
        let size = log.tree().size();
        if let Some(indexer) = indexer.take() {
            indexer.notify(log.committed_bytes(), log.hand_over());
            // The thread has logged what went wrong, and the index can be made again.
            drop(indexer.finish());
        }
        Ok(self.tally.summary(*session, directory.path().to_owned(), size))
    }

    fn commit_parts(&mut self) -> Result<(), Error> {
        self.write_secrets()?;
        let Parts { log, store, clock, indexer, .. } = &mut self.parts;
        if let Some(frames) = store.commit()? {
            log.append(clock.now(), Body::Frames(frames));
        }
        log.commit()?;
        let handed = log.hand_over();
        if let Some(indexer) = indexer {
            indexer.notify(log.committed_bytes(), handed);
        }
        self.dirty_since = None;
        self.sign_if_due()
    }

    /// Signs what is durable, if it is more than was signed and the time has come.
    fn sign_if_due(&mut self) -> Result<(), Error> {
        let Parts { session, log, signer, checkpoints, clock, limits, .. } = &mut self.parts;
        let now = clock.now().mono;
        if log.tree().size() > checkpoints.signed()
            && now.since(self.signed_at) >= limits.checkpoint_time
        {
            checkpoints.sign(*session, log.tree(), signer)?;
            self.signed_at = now;
        }
        Ok(())
    }

    fn append(&mut self, at: Stamp, body: Body) {
        self.parts.log.append(at, body);
        self.dirty();
    }

    /// Appends what an observer saw.
    fn append_derived(&mut self, event: &Event) {
        if let Some((at, body)) = Body::derived(event, Some(&self.parts.bodies)) {
            self.append(at, body);
        }
    }

    /// Something is no longer durable.
    fn dirty(&mut self) {
        if self.dirty_since.is_none() {
            self.dirty_since = Some(self.parts.clock.now().mono);
        }
    }

    fn notify(&self, notice: Notice) {
        // An error says that nobody listens, which is fine.
        drop(self.parts.notices.send(notice));
    }

    fn opened(&mut self, opened: &Opened) {
        self.tally.connections += 1;
        self.open.insert(opened.connection, Connection::new(opened));
        self.append(opened.at, Body::ConnectionOpen(opened.into()));
    }

    fn targeted(&mut self, connection: ConnectionId, at: Stamp, target: Target) {
        let assessed = match &target.host {
            Host::Ip(address) => Some(self.assess(at, *address, &[], target.port)),
            Host::Name(_) => None,
        };
        let flagged = assessed.as_ref().is_some_and(|known| !known.annotation.flags.is_empty());
        let most_hosts = self.parts.limits.counted_hosts;
        self.tally.contacted(&target.host, flagged, most_hosts);
        let record = ConnectionTarget {
            assessment: assessed.as_ref().map(|known| Count(known.number)),
            connection: Spelled(connection),
            host: Spelled(target.host.clone()),
            port: target.port,
        };
        self.append(at, Body::ConnectionTarget(record));
        if let Some(open) = self.open.get_mut(&connection) {
            open.target = Some(target);
            open.destination = assessed;
        }
    }

    /// Records a look-up, and what the databases say of what it answered: also of addresses that are
    /// then not dialled. The look-up of an upstream proxy is of no destination.
    fn looked(&mut self, lookup: &Lookup) {
        self.append(lookup.at, Body::Dns(lookup.into()));
        let (names, port) = match lookup.sake {
            Sake::Landfall => return,
            Sake::Watch { port } => (bounded_chain(lookup), port),
            Sake::Connection(id) => {
                let Some(open) = self.open.get_mut(&id) else { return };
                open.looked(lookup);
                let Some(port) = open.target.as_ref().map(|target| target.port) else { return };
                (open.names(), port)
            }
        };
        for address in lookup.addresses().take(ASSESSED_ANSWERS) {
            self.assess(lookup.at, address, &names, port);
        }
    }

    fn dialled(&mut self, dialled: &Dialled) {
        let names = self.open.get(&dialled.connection).map(Connection::names).unwrap_or_default();
        let address = dialled.upstream.map(|upstream| upstream.address);
        let assessed = address.map(|to| self.assess(dialled.at, to.ip(), &names, to.port()));
        let record = ConnectionDial::new(dialled, assessed.as_ref().map(|known| known.number));
        self.append(dialled.at, Body::ConnectionDial(record));
        let Some(assessed) = assessed else { return };
        let Some(open) = self.open.get_mut(&dialled.connection) else { return };
        if let Some(target) = &open.target {
            let flagged = !assessed.annotation.flags.is_empty();
            self.tally.contacted(&target.host, flagged, self.parts.limits.counted_hosts);
        }
        open.destination = Some(assessed);
    }

    /// What the databases say of an address; recorded where they were asked for it just now.
    fn assess(
        &mut self,
        at: Stamp,
        address: IpAddr,
        names: &[DnsName],
        port: u16,
    ) -> Arc<Assessed> {
        match self.parts.annotator.assess(address, names, port) {
            Answer::Known(assessed) => assessed,
            Answer::Fresh(assessed) => {
                let Assessed { number, names, port, annotation } = &*assessed;
                let claims = Claims::new(*number, names, annotation);
                self.append(at, Body::Claims(claims));
                let assessment = Box::new(Assessment::new(*number, names, *port, annotation));
                self.append(at, Body::Assessment(assessment));
                assessed
            }
        }
    }

    /// Secrets go to a file of their own. They are no records: the log holds nothing that decrypts.
    fn keep_secret(&mut self, secret: &Secret) {
        let line = secret.line.trim_end_matches(['\r', '\n']);
        self.secrets.extend_from_slice(line.as_bytes());
        self.secrets.push(b'\n');
    }

    fn write_secrets(&mut self) -> Result<(), Error> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let path = self.parts.directory.key_log_file();
        let file = match &mut self.key_log {
            Some(file) => file,
            none => {
                let mut options = private_file();
                none.insert(options.create(true).append(true).open(&path).failed("open", &path)?)
            }
        };
        file.write_all(&self.secrets).failed("write", &path)?;
        self.secrets.clear();
        Ok(())
    }

    fn treated(&mut self, connection: ConnectionId, at: Stamp, treatment: Treatment) {
        let record = ConnectionTreatment::new(connection, &treatment);
        self.append(at, Body::ConnectionTreatment(record));
        let Some(open) = self.open.get_mut(&connection) else { return };
        self.tally.treated(open.treatment.as_ref(), &treatment);
        open.treatment = Some(treatment);
        let notice = open.notice(at, Moment::Treated);
        self.notify(notice);
    }

    fn chunk(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let id = chunk.stream.connection;
        let limit = self.parts.limits.recorded_connection_bytes;
        let Some(open) = self.open.get_mut(&id) else {
            tracing::error!(connection = %id, "A chunk of a connection that is not open");
            return Ok(());
        };
        let room = open.make_room(chunk.bytes.len(), limit);
        let kept = match room {
            Room::Whole => &chunk.bytes[..],
            Room::Last(bytes) => chunk.bytes.get(..bytes).unwrap_or(&chunk.bytes),
            Room::None => return Ok(()),
        };
        self.parts.store.append(chunk.stream, chunk.at, kept)?;
        self.dirty();
        if matches!(room, Room::Last(_)) {
            let connection = Some(Spelled(id));
            let (limit, why) = (Count(limit), GapWhy::ConnectionLimit);
            self.append(chunk.at, Body::Gap(Gap { connection, limit, record: None, why }));
        }
        Ok(())
    }

    fn stream_closed(&mut self, closed: &StreamClosed) {
        let record = StreamClose {
            connection: Spelled(closed.stream.connection),
            direction: closed.stream.direction.into(),
            kept: Count(self.parts.store.kept(closed.stream)),
            leg: closed.stream.leg.into(),
            relayed: Count(closed.relayed),
        };
        self.append(closed.at, Body::StreamClose(record));
        if let Some(open) = self.open.get_mut(&closed.stream.connection) {
            open.relayed(closed.stream, closed.relayed);
        }
    }

    fn closed(&mut self, closed: &Closed) {
        let open = self.open.remove(&closed.connection);
        let counted = open.as_ref().map(|open| open.counted).unwrap_or_default();
        self.append(closed.at, Body::ConnectionClose(ConnectionClose::new(closed, counted)));
        self.parts.store.forget(closed.connection);
        self.tally.bytes_up += counted.relayed_up;
        self.tally.bytes_down += counted.relayed_down;
        if let Some(open) = open {
            self.notify(open.notice(closed.at, Moment::Closed));
        }
    }
}

/// Refuses when less than `floor_bytes` are free on the file system of `path`.
pub(crate) fn check_free_space(path: &std::path::Path, floor_bytes: u64) -> Result<(), Error> {
    if floor_bytes == 0 {
        return Ok(());
    }
    let free_bytes = fs4::available_space(path).failed("ask for the free space of", path)?;
    if free_bytes < floor_bytes {
        return Err(Error::DiskFloor { path: path.to_owned(), free_bytes, floor_bytes });
    }
    Ok(())
}

/// Age of the oldest event that is not durable at which a commit begins: half of the 200 ms that a
/// crash may lose, so that the commit itself fits into the other half.
const COMMIT_AFTER: Duration = Duration::from_millis(100);
/// Addresses of one answer of which the databases are asked before any is dialled. Honest answers have
/// a dozen at most.
const ASSESSED_ANSWERS: usize = 16;
/// Lines held back; a commit follows when there are more.
const PENDING_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests;
