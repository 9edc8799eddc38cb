//! Why something could not be read back, with where it is and what helps.

use crate::frame::FrameError;
use crate::index::IndexError;
use flow::id::{ConnectionId, ExchangeId, FlowId};
use flow::stream::{Direction, Leg, StreamKey};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A failure to read a session. Reading never changes a log or a stream store.
#[derive(Debug)]
pub enum ReadError {
    /// No session is called so, or begins so.
    NoSession {
        wanted: Option<String>,
        below: PathBuf,
    },
    /// Several sessions begin so.
    Ambiguous {
        wanted: String,
        names: Vec<String>,
    },
    /// The directory holds no session: no log, or one without its first record.
    NotASession(PathBuf),
    File {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The index could not be made or read.
    Index(IndexError),
    /// A record has a number that is not what its kind demands, such as an unknown confidence.
    Record {
        seq: u64,
        what: &'static str,
    },
    NoFlow(FlowId),
    /// The exchange has no such body: it still runs, or no response came.
    NoBody(ExchangeId, Part),
    /// A condition on something that this version does not look for.
    NotLookedFor(&'static str),
    /// Bytes of a stream are not in the store: not kept, lost, or not indexed yet.
    Gap {
        stream: StreamKey,
        offset: u64,
    },
    /// A stored frame is damaged, or not the one that the log tells of.
    Frame {
        path: PathBuf,
        offset: u64,
        source: FrameError,
    },
    Misplaced {
        path: PathBuf,
        offset: u64,
        stream: StreamKey,
    },
    /// The body that was read is not as long as the one that was recorded.
    BodyLength {
        exchange: ExchangeId,
        part: Part,
        recorded: u64,
        found: u64,
    },
    /// The bytes could not be handed on.
    Output(io::Error),
}

/// Which of the two bodies of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Request,
    Response,
}

impl Part {
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    /// The stream that it is part of.
    pub(super) fn stream(self, connection: ConnectionId) -> StreamKey {
        let direction = match self {
            Self::Request => Direction::Up,
            Self::Response => Direction::Down,
        };
        StreamKey { connection, leg: Leg::Relay, direction }
    }
}

impl ReadError {
    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSession { wanted: None, .. } => {
                Some("record one with `landfall run`, or choose another directory with --data")
            }
            Self::NoSession { .. } => Some("`landfall session list` shows what there is"),
            Self::Ambiguous { .. } => Some("give more of the name"),
            Self::NotASession(_) => Some("give the directory that holds log/records.jsonl"),
            Self::File { .. } => Some("check that the session directory can be read"),
            Self::Index(source) => Some(source.hint()),
            Self::NoFlow(_) => Some("`landfall flow list` shows the ids"),
            Self::NoBody(..) => Some("`landfall flow show` tells how the exchange ended"),
            Self::NotLookedFor(_) => Some("leave the condition out"),
            Self::Gap { .. } => {
                Some("`landfall flow show` tells what was kept; a running session may be behind")
            }
            Self::Record { .. }
            | Self::Frame { .. }
            | Self::Misplaced { .. }
            | Self::BodyLength { .. } => Some("`landfall verify` tells what else is damaged"),
            Self::Output(_) => None,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession { wanted: None, below } => {
                write!(f, "there is no session below {}", below.display())
            }
            Self::NoSession { wanted: Some(wanted), below } => {
                write!(
                    f,
                    "no session below {} has a name or id that begins with {wanted:?}",
                    below.display()
                )
            }
            Self::Ambiguous { wanted, names } => {
                write!(f, "{wanted:?} may be {}", names.join(", "))
            }
            Self::NotASession(path) => write!(f, "{} holds no session", path.display()),
            Self::File { doing, path, .. } => write!(f, "cannot {doing} {}", path.display()),
            Self::Index(_) => f.write_str("the session's index cannot be used"),
            Self::Record { seq, what } => write!(f, "record {seq} holds no valid {what}"),
            Self::NoFlow(id) => write!(f, "the session has no flow {id}"),
            Self::NoBody(id, part) => write!(f, "{id} has no {} body that ended", part.word()),
            Self::NotLookedFor(what) => {
                write!(f, "this version of Landfall does not look for {what}")
            }
            Self::Gap { stream, offset } => {
                write!(f, "{}: byte {offset} is not in the stream store", stream_text(stream))
            }
            Self::Frame { path, offset, .. } => {
                write!(f, "{}, byte {offset}: no whole frame", path.display())
            }
            Self::Misplaced { path, offset, stream } => write!(
                f,
                "{}, byte {offset}: the frames of {} are not those that the log tells of",
                path.display(),
                stream_text(stream)
            ),
            Self::BodyLength { exchange, part, recorded, found } => write!(
                f,
                "the {} body of {exchange} has {found} bytes; {recorded} were recorded",
                part.word()
            ),
            Self::Output(_) => f.write_str("cannot write the output"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Output(source) => Some(source),
            Self::Index(source) => Some(source),
            Self::Frame { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<IndexError> for ReadError {
    fn from(source: IndexError) -> Self {
        Self::Index(source)
    }
}

fn stream_text(stream: &StreamKey) -> String {
    use flow::stream::{Direction, Leg};
    let leg = match stream.leg {
        Leg::Relay => "relay",
        Leg::Client => "client",
        Leg::Upstream => "upstream",
        Leg::ClientTls => "client-tls",
    };
    let direction = match stream.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    format!("stream {leg} {direction} of {}", stream.connection)
}
