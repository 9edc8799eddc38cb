//! What listings are made of: a session's totals and one row per flow. Rows hold facts and what
//! the databases of the session said; a value that is not known is absent, never 0 or "".

use super::reviewed::Judged;
use crate::record::session::CloseWhy;
use flow::address::Host;
use flow::annotation::{Annotation, Flag};
use flow::claim::{Country, Statement};
use flow::distrust::DistrustClass;
use flow::event::Timings;
use flow::filter::TreatmentKind;
use flow::id::{ConnectionId, FlowId, SessionId};
use flow::phases::Phases;
use flow::time::WallNanos;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One session, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    pub directory: PathBuf,
    /// The directory's name.
    pub name: String,
    pub id: SessionId,
    pub state: SessionState,
    pub opened: WallNanos,
    /// `None` unless the state is [`SessionState::Closed`]; so is how it ended.
    pub closed: Option<WallNanos>,
    pub ending: Option<Ending>,
    pub case: Option<String>,
    /// The device's name, as given.
    pub device: Option<String>,
    /// Some address, name or database was simulated.
    pub simulated: bool,
    pub connections: u64,
    pub exchanges: u64,
    /// Bytes relayed from devices to upstreams; of running connections, those kept so far.
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Distinct hosts that were asked for.
    pub destinations: u64,
    /// Those among them with a flag.
    pub flagged: u64,
}

impl SessionSummary {
    /// The state for people, with what is not as it should be.
    pub fn state_text(&self) -> String {
        let ending = self.ending.as_ref().and_then(|ending| Some((ending.why, ending.note()?)));
        match (self.state, ending) {
            (SessionState::Interrupted, _) => "interrupted; the next run closes it".to_owned(),
            (state, Some((CloseWhy::DiskFloor, note))) => format!("{}: {note}", state.word()),
            (state, Some((_, note))) => format!("{} ({note})", state.word()),
            (state, None) => state.word().to_owned(),
        }
    }
}

/// How a session ended, as its closing record and that of its recovery have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub why: CloseWhy,
    /// Connections whose ends nobody saw.
    pub open_connections: u64,
    /// Bytes that a recovery cut off the ends of the log and of the stream store.
    pub cut_bytes: u64,
    /// Frames of the stream store that the log tells of and that are gone.
    pub missing_frames: u64,
}

impl Ending {
    /// What is out of order about it, as clauses; `None` when nothing is.
    pub fn note(&self) -> Option<String> {
        let mut clauses = match self.why {
            CloseWhy::Finished => Vec::new(),
            CloseWhy::DiskFloor => vec!["free disk space fell below the floor".to_owned()],
            CloseWhy::Recovered => vec!["recovered after an interruption".to_owned()],
        };
        match self.open_connections {
            0 => {}
            1 => clauses.push("1 connection was open".to_owned()),
            many => clauses.push(format!("{many} connections were open")),
        }
        if self.cut_bytes > 0 {
            clauses.push(format!("{} incomplete bytes were cut off", self.cut_bytes));
        }
        if self.missing_frames > 0 {
            clauses.push(format!("{} stored frames are missing", self.missing_frames));
        }
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }
}

/// Whether a session can still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// A process is recording it.
    Running,
    /// It ended with its closing record.
    Closed,
    /// The process that recorded it is gone and nothing has closed it since.
    Interrupted,
}

impl SessionState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Closed => "closed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One exchange, or one connection on which no exchange was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRow {
    pub id: FlowId,
    /// When the request's head was complete, or the connection accepted.
    pub time: WallNanos,
    /// The device's address, where it is not withheld.
    pub device: Option<IpAddr>,
    /// The user name that the client gave the proxy.
    pub app: Option<String>,
    /// Whom the client asked for; `None` when it ended before it asked.
    pub host: Option<Host>,
    pub port: Option<u16>,
    /// The address that was dialled last, or with success. It stands for the target also where a
    /// simulation dialled another one.
    pub address: Option<IpAddr>,
    /// `None` while it is undecided.
    pub treatment: Option<TreatmentKind>,
    /// Why it was treated so, as a clause.
    pub why: Option<String>,
    /// How the device refused our leaf, as far as it was known then.
    pub distrust: Option<DistrustClass>,
    /// `http/1.0`, `http/1.1`, `h2`; of a connection without an exchange also another ALPN name,
    /// `tls`, `http`, `tcp` or `udp`.
    pub protocol: Option<String>,
    pub method: Option<String>,
    /// Path and query. Bytes that are no text are replaced by U+FFFD; so are they in all texts.
    pub path: Option<String>,
    pub status: Option<u16>,
    /// Bytes of the body, framing removed; of a connection, all bytes that were relayed up.
    pub request_bytes: Option<u64>,
    /// The same from the upstream to the device.
    pub response_bytes: Option<u64>,
    /// Messages inside both bodies; `None` where they were not read as messages.
    pub messages: Option<u64>,
    /// The response's media type without parameters, lower case.
    pub media_type: Option<String>,
    /// From `time` to the end; `None` while it runs.
    pub duration: Option<Duration>,
    /// How it ended: the end of the bodies (`complete`, `truncated`, `reset`, `not-followed`),
    /// `no-response`, or the connection's outcome.
    pub outcome: Option<String>,
    /// How the connection of an exchange ended; `None` while it runs, and of a connection.
    pub connection_outcome: Option<String>,
    /// The steps that came before a connection's first exchange, known once it has closed; none
    /// of a later exchange.
    pub steps: Timings,
    /// How the exchange's `duration` divides; `None` while it runs, and of a connection.
    pub phases: Option<Phases>,
    /// JA4 of the device's ClientHello.
    pub ja4: Option<String>,
    /// A simulation stood for the address, or the whole session is simulated.
    pub simulated: bool,
    /// An answer of a look-up of this session holds the address.
    pub looked_up: bool,
    /// What the databases say of the address, flags at capture included.
    pub annotation: Option<Arc<Annotation>>,
    /// The flags by the policies of the query, where it has some.
    pub flags_now: Option<Vec<Flag>>,
    /// The verdict on the host, where the query has one.
    pub judged: Option<Arc<Judged>>,
}

impl FlowRow {
    pub fn connection(&self) -> ConnectionId {
        self.id.connection()
    }

    /// The exchange's number within its connection.
    pub fn exchange(&self) -> Option<u32> {
        match self.id {
            FlowId::Exchange(exchange) => Some(exchange.number),
            FlowId::Connection(_) => None,
        }
    }
}

/// What each location source answers, in the order asked. Registrations are no such answers.
pub fn located(annotation: &Annotation) -> impl Iterator<Item = (&str, Country)> + '_ {
    annotation.claims.iter().filter_map(|claim| match claim.statement {
        Statement::Located(country) => Some((claim.source.name.as_str(), country)),
        _ => None,
    })
}
