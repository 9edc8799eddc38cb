//! Records about the recording itself: how it began, what was marked, what is missing, how it
//! ended and what a restart had to repair.

use super::sealed::{EachSealed, Sealed};
use super::value::{Base64, Count, Spelled};
use flow::address::Host;
use flow::assessment::{Says, Statement};
use flow::claim::Source;
use flow::id::{ConnectionId, SessionId};
use flow::physics::{Kilometres, Position, Vantage};
use geoip::DatabaseStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// `session.open`: the first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpen {
    /// The machine's boot, so that monotonic times of several sessions can be related.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The effective configuration, TOML.
    pub config: Sealed<String>,
    /// The set of databases that is pinned for the session.
    pub databases: Vec<SourceShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Sealed<String>>,
    /// The installation's Ed25519 public key, 32 bytes.
    pub key: Base64,
    /// The directory's name at the start.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Sealed<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    pub session: Spelled<SessionId>,
    /// Some address, name, time or database was simulated.
    pub simulated: bool,
    /// The statements under test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementShape>,
    pub tool: Tool,
    /// Where the machine stands, as its operator declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<VantageShape>,
}

impl SessionOpen {
    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        each.value(&mut self.config);
        self.device.iter_mut().for_each(|device| each.value(device));
        self.operator.iter_mut().for_each(|operator| each.value(operator));
    }
}

/// What somebody says of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementShape {
    pub host: Spelled<Host>,
    /// In terms that can be tested, as in the configuration.
    pub says: Spelled<Says>,
    pub text: String,
}

impl From<&(Host, Statement)> for StatementShape {
    fn from((host, statement): &(Host, Statement)) -> Self {
        Self {
            host: Spelled(host.clone()),
            says: Spelled(statement.says.clone()),
            text: statement.text.clone(),
        }
    }
}

/// A place on the globe; degrees are texts, as they can be negative and are not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VantageShape {
    /// North.
    pub latitude: Spelled<Degrees>,
    /// East.
    pub longitude: Spelled<Degrees>,
    pub uncertainty_m: u32,
}

impl From<Vantage> for VantageShape {
    fn from(vantage: Vantage) -> Self {
        let (latitude, longitude) = vantage.position.millionths();
        Self {
            latitude: Spelled(Degrees(latitude)),
            longitude: Spelled(Degrees(longitude)),
            uncertainty_m: vantage.uncertainty.metres(),
        }
    }
}

impl VantageShape {
    /// `None` of numbers that are no place.
    pub fn declared(self) -> Option<Vantage> {
        let degrees = |Spelled(Degrees(millionths)): Spelled<Degrees>| f64::from(millionths) / 1e6;
        let position = Position::new(degrees(self.latitude), degrees(self.longitude)).ok()?;
        Some(Vantage { position, uncertainty: Kilometres::from_metres(self.uncertainty_m) })
    }
}

/// Millionths of a degree, spelled as degrees with six digits after the point, such as `-33.868800`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degrees(pub i32);

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, millionths) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
    }
}

impl FromStr for Degrees {
    type Err = NotDegrees;

    fn from_str(text: &str) -> Result<Self, NotDegrees> {
        let (whole, part) = text.split_once('.').ok_or(NotDegrees)?;
        let digits = part.len() == 6 && part.bytes().all(|byte| byte.is_ascii_digit());
        let millionths: i32 = format!("{whole}{part}").parse().map_err(|_no_number| NotDegrees)?;
        if digits && Self(millionths).to_string() == text {
            Ok(Self(millionths))
        } else {
            Err(NotDegrees)
        }
    }
}

/// A text that is not how [`Degrees`] are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDegrees;

/// The last checkpoint of the session before this one in the same data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// The whole signed note.
    pub checkpoint: String,
    /// Its directory's name.
    pub name: String,
}

/// The program that recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// SHA-256 of the executable, hex, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub version: String,
}

/// One file of claims, or another source of them. See [`Source`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceShape {
    /// The notice that the licence asks for wherever results are shown. Only in lists of databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<String>,
    pub licence: String,
    pub name: String,
    /// SHA-256 of the file as published, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl From<&Source> for SourceShape {
    fn from(source: &Source) -> Self {
        Self {
            attribution: None,
            built: source.built.clone(),
            licence: source.licence.clone(),
            name: source.name.clone(),
            sha256: source.sha256.clone(),
        }
    }
}

impl From<DatabaseStatus> for SourceShape {
    fn from(status: DatabaseStatus) -> Self {
        Self {
            attribution: status.attribution,
            built: status.built,
            licence: status.licence,
            name: status.name,
            sha256: Some(status.sha256),
        }
    }
}

/// `marker`: a person's remark at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    pub text: Sealed<String>,
}

/// `phase`: from here on the session is in this phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub name: Sealed<String>,
}

/// `gap`: something was not seen or not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The connection, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Spelled<ConnectionId>>,
    /// The bound that was met, in bytes.
    pub limit: Count,
    /// Of `record-too-long`: the kind of the record that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    pub why: GapWhy,
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapWhy {
    /// The connection's bytes passed `recorded_connection_bytes`: what follows was relayed and
    /// counted (`stream.close`), not kept.
    ConnectionLimit,
    /// Free space fell below `free_disk_bytes`: nothing was recorded from here on.
    DiskFloor,
    /// The record that belongs here would have been longer than
    /// [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES).
    RecordTooLong,
}

/// `session.close`: always the last record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClose {
    /// Records before this one, per kind; kinds without a record are absent.
    pub counts: BTreeMap<String, Count>,
    /// Connections without a `connection.close`, where there are any and no `recovery` record
    /// tells of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_connections: Option<Count>,
    /// The first [`Self::OPEN_LISTED`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_listed: Vec<Spelled<ConnectionId>>,
    pub why: CloseWhy,
}

impl SessionClose {
    /// A record is bounded: so many open connections are named, the rest are counted.
    pub const OPEN_LISTED: usize = 1_000;
}

/// Why the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseWhy {
    /// All connections had ended, or were ended.
    Finished,
    /// Free disk space was below the floor.
    DiskFloor,
    /// The process had stopped without closing it; a later one did.
    Recovered,
}

/// `recovery`: what a restart found and did to a session that was not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Whole frames that no `frames` record had committed to; one follows from here on.
    pub adopted_frames: Count,
    /// Bytes cut off the end of the log: a line that was not written completely, and what came
    /// after it. What is cut is kept in the directory `cut`.
    pub cut_log_bytes: Count,
    /// Bytes cut off the end of the openings: those of records that are not in the log.
    pub cut_opening_bytes: Count,
    /// Bytes cut off the end of the stream store: a frame that was not written completely, and
    /// what came after it.
    pub cut_store_bytes: Count,
    /// The Ed25519 public key that signs from here on, where it is not the one that the log named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Base64>,
    /// Frames that the log commits to and the store does not hold any more, by ranges of
    /// indexes; their bytes are lost.
    pub missing_frames: Vec<Missing>,
    /// Connections without a `connection.close`.
    pub open_connections: Count,
    /// The first [`SessionClose::OPEN_LISTED`] of them.
    pub open_listed: Vec<Spelled<ConnectionId>>,
    /// Only where the log had lost even its `session.open`: this record is then the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Spelled<SessionId>>,
    pub tool: Tool,
}

/// Frames that are committed to and gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub count: Count,
    /// Index of the first.
    pub first: Count,
}
