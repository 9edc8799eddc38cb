//! Opening a session: its name, its directory, its secrets and its first record.

use crate::body::BodySecret;
use crate::checkpoints::Checkpoints;
use crate::directory::{SessionDir, private_dir, replace_file};
use crate::draft::Draft;
use crate::enrich::{Annotator, Sources};
use crate::entropy::Entropy;
use crate::error::{Error, Failed};
use crate::frame::FrameSeed;
use crate::log::RecordLog;
use crate::notice::Notice;
use crate::record::sealed::Sealed;
use crate::record::session::{Previous, SessionOpen, Tool};
use crate::record::value::Spelled;
use crate::seal::FieldSeed;
use crate::session::{Parts, SessionWriter, check_free_space};
use crate::signer::Signer;
use crate::store::StreamStore;
use flow::address::Host;
use flow::assessment::Statement;
use flow::id::SessionId;
use flow::limits::Limits;
use flow::physics::Vantage;
use flow::time::SharedClock;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;
use tokio::sync::broadcast;

/// What a recording is made of.
pub struct Setup {
    /// The data directory; the session goes to `sessions/<name>` below it.
    pub data_dir: PathBuf,
    /// A person's own key of OpenSSH's, which signs in place of the installation's.
    pub key: Option<PathBuf>,
    /// The session's name; without one, the time.
    pub name: Option<String>,
    pub case: Option<String>,
    /// The device's label.
    pub device: Option<String>,
    /// The person at the machine.
    pub operator: Option<String>,
    pub tool: ToolFacts,
    /// The configuration in effect, as TOML.
    pub effective_config: String,
    /// Some address, name, time or database is simulated.
    pub simulated: bool,
    /// Where the machine stands, as its operator declares.
    pub vantage: Option<Vantage>,
    /// What is put to the test, with the host that it is about.
    pub statements: Vec<(Host, Statement)>,
    pub limits: Limits,
    pub clock: SharedClock,
    pub databases: Sources,
    pub entropy: Entropy,
}

/// The program that records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFacts {
    pub version: String,
    /// SHA-256 of the executable, hex, where it could be read.
    pub binary_sha256: Option<String>,
}

/// Creates the session's directory and writes its first record.
pub(crate) fn begin(
    mut setup: Setup,
    notices: broadcast::Sender<Notice>,
) -> Result<SessionWriter, Error> {
    let sessions = SessionDir::all_below(&setup.data_dir);
    private_dir().recursive(true).create(&sessions).failed("create", &sessions)?;
    check_free_space(&sessions, setup.limits.free_disk_bytes)?;
    let signer = Signer::load(&setup.data_dir, setup.key.as_deref())?;
    let now = setup.clock.now();
    let previous = previous(&sessions)?;
    let session = SessionId(setup.entropy.session);
    let name = setup.name.as_deref();
    let (directory, lock) = create_directory(&sessions, name, session, now.wall.0)?;
    replace_file(&directory.seed_file(), &setup.entropy.frame_seed)?;
    replace_file(&directory.field_seed_file(), &setup.entropy.field_seed)?;
    replace_file(&directory.body_seed_file(), &setup.entropy.body_secret)?;
    let field_seed = FieldSeed::new(setup.entropy.field_seed);
    let mut log = RecordLog::create(&directory, setup.entropy.nonces(), field_seed)?;
    let open = SessionOpen {
        boot_id: boot_id(),
        case: setup.case,
        config: Sealed::Open(setup.effective_config),
        databases: std::mem::take(&mut setup.databases.databases),
        device: setup.device.map(Sealed::Open),
        key: signer.public_key().into(),
        name: directory.name(),
        operator: setup.operator.map(Sealed::Open),
        previous,
        session: Spelled(session),
        simulated: setup.simulated,
        statements: setup.statements.iter().map(Into::into).collect(),
        vantage: setup.vantage.map(Into::into),
        tool: Tool { sha256: setup.tool.binary_sha256, version: setup.tool.version },
    };
    log.append_first(now, open)?;
    log.commit()?;
    let checkpoints = Checkpoints::open(&directory)?;
    let store = StreamStore::new(directory.clone(), FrameSeed::new(&setup.entropy.frame_seed));
    Ok(SessionWriter::new(Parts {
        session,
        directory,
        lock,
        log,
        store,
        bodies: BodySecret::new(setup.entropy.body_secret),
        annotator: Annotator::new(setup.databases, setup.limits.assessment_cache_entries),
        signer,
        checkpoints,
        limits: setup.limits,
        clock: setup.clock,
        notices,
        indexer: None,
    }))
}

/// Makes the directory and takes its lock, in one: no other process finds it without.
fn create_directory(
    sessions: &Path,
    name: Option<&str>,
    session: SessionId,
    wall_ns: u64,
) -> Result<(SessionDir, File), Error> {
    name.map_or(Ok(()), check_name)?;
    let mut draft = Draft::create(sessions, session)?;
    let base = name.map_or_else(|| name_of_time(wall_ns), str::to_owned);
    let attempts = if name.is_some() { 1 } else { MAX_ATTEMPTS };
    for attempt in 1..=attempts {
        let name = if attempt == 1 { base.clone() } else { format!("{base}-{attempt}") };
        let directory = SessionDir::new(sessions.join(name));
        match draft.publish(&directory)? {
            Ok(lock) => return Ok((directory, lock)),
            Err(same) => draft = same,
        }
    }
    Err(Error::NameTaken(sessions.join(base)))
}

/// `2026-11-20_111305`, in UTC.
fn name_of_time(wall_ns: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall_ns))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}_{:02}{:02}{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(['.', '-']);
    if good { Ok(()) } else { Err(Error::BadName(name.to_owned())) }
}

/// The checkpoint that was written last among the sessions.
fn previous(sessions: &Path) -> Result<Option<Previous>, Error> {
    let mut newest: Option<(SystemTime, SessionDir)> = None;
    for entry in std::fs::read_dir(sessions).failed("list", sessions)? {
        let directory = SessionDir::new(entry.failed("list", sessions)?.path());
        let written = std::fs::metadata(directory.checkpoint_file()).and_then(|at| at.modified());
        // A session without a checkpoint has nothing to cite.
        let Ok(written) = written else { continue };
        let newer = |(at, other): &(SystemTime, SessionDir)| {
            (written, directory.path()) > (*at, other.path())
        };
        if newest.as_ref().is_none_or(newer) {
            newest = Some((written, directory));
        }
    }
    let Some((_, directory)) = newest else { return Ok(None) };
    let path = directory.checkpoint_file();
    let checkpoint = std::fs::read_to_string(&path).failed("read", &path)?;
    Ok(Some(Previous { checkpoint, name: directory.name() }))
}

/// The identity of the machine's current boot, where the system has one.
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

const MAX_NAME_BYTES: usize = 100;
/// Sessions that start in the same second.
const MAX_ATTEMPTS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::setup;

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "-x", "caf\u{e9}", "a b", &"x".repeat(101)] {
            assert!(matches!(check_name(name), Err(Error::BadName(_))), "{name}");
        }
        // What the hint does not tell of would be refused without a reason.
        let hint = Error::BadName(String::new()).hint().unwrap();
        for part in ["1 to 100", "a to z or A to Z", "first of them no dot and no dash"] {
            assert!(hint.contains(part), "{hint}");
        }
        for name in ["a", "2026-11-20_111305", "Case.7", &"x".repeat(100)] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn a_taken_name_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let start = || {
            let setup = Setup { name: Some("case-7".to_owned()), ..setup(temp.path()) };
            begin(setup, broadcast::channel(1).0)
        };
        start().unwrap();
        assert!(matches!(start(), Err(Error::NameTaken(_))));
    }

    #[test]
    fn a_session_whose_first_record_would_be_too_long_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let long = "x".repeat(crate::record::MAX_LINE_BYTES as usize);
        let setup = Setup { effective_config: long, ..setup(temp.path()) };
        let error = begin(setup, broadcast::channel(1).0).unwrap_err();
        assert!(matches!(error, Error::TextTooLong { .. }), "{error}");
    }

    #[test]
    fn no_session_is_begun_below_the_floor() {
        let temp = tempfile::tempdir().unwrap();
        let mut setup = setup(temp.path());
        setup.limits.free_disk_bytes = u64::MAX;
        let error = begin(setup, broadcast::channel(1).0).unwrap_err();
        assert!(error.hint().unwrap().contains("free-disk-bytes"), "{error}");
        assert!(error.to_string().contains("B are free for"), "{error}");
        let floor =
            Error::DiskFloor { path: "/d".into(), free_bytes: 999, floor_bytes: 1_073_741_824 };
        assert!(
            floor.to_string().ends_with("999 B are free for /d, the floor is 1.0 GB"),
            "{floor}"
        );
        assert_eq!(std::fs::read_dir(temp.path().join("sessions")).unwrap().count(), 0);
    }
}
