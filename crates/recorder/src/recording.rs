//! A running recording: one thread owns the session directory, takes the proxy's events and a
//! person's marks, and ends when the last sender of events is gone.

use crate::directory::{SessionDir, private_dir, replace_file, sync_dir};
use crate::enrich::{Annotator, Sources};
use crate::entropy::Entropy;
use crate::error::{Error, Failed};
use crate::frame::FrameSeed;
use crate::index::Indexer;
use crate::log::RecordLog;
use crate::notice::Notice;
use crate::record::Body;
use crate::record::session::{CloseWhy, Previous, SessionOpen, Tool};
use crate::record::value::Spelled;
use crate::session::{Parts, SessionWriter, check_free_space};
use crate::signer::Signer;
use crate::store::StreamStore;
use crate::summary::Summary;
use feed::{InFlight, Receiver};
use flow::id::SessionId;
use flow::limits::Limits;
use flow::time::SharedClock;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot};

/// What a recording is made of.
pub struct Setup {
    /// The data directory; the session goes to `sessions/<name>` below it.
    pub data_dir: PathBuf,
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
    /// Some address, name or database is simulated.
    pub simulated: bool,
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

/// Starts a session: its directory is there and its first record durable when this returns. The
/// recording ends when the last sender of `events` is dropped, or with the first error.
///
/// # Errors
/// [`Error`] when the session cannot be created, or disk space is below the floor already.
pub fn start(setup: Setup, events: Receiver) -> Result<Recording, Error> {
    let (notices, listener) = broadcast::channel(NOTICES);
    let mut writer = begin(setup, notices)?;
    writer.parts.indexer = follow(&writer.parts.directory);
    let session = writer.parts.session;
    let directory = writer.parts.directory.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .failed("start the recorder's thread for", directory.path())?;
    let (commands, commanded) = mpsc::channel(COMMANDS);
    let (result, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || {
            // Nobody waits for the result when the recording itself was dropped.
            drop(result.send(run(&runtime, writer, events, commanded)));
        })
        .failed("start the recorder's thread for", directory.path())?;
    let control = Control { commands };
    Ok(Recording { session, directory, control, notices: listener, ended })
}

/// A session that is being recorded.
#[derive(Debug)]
pub struct Recording {
    session: SessionId,
    directory: SessionDir,
    control: Control,
    notices: broadcast::Receiver<Notice>,
    ended: oneshot::Receiver<Result<Summary, Error>>,
}

impl Recording {
    pub fn session(&self) -> SessionId {
        self.session
    }

    pub fn directory(&self) -> &SessionDir {
        &self.directory
    }

    /// What happens from now on, for display; a slow reader misses some. It ends with the session.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.resubscribe()
    }

    /// A handle for marks and phases that may outlive this value.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits for the end of the recording. It does not cause it: the senders of events must go.
    ///
    /// # Errors
    /// The [`Error`] that ended the recording early.
    pub async fn finish(self) -> Result<Summary, Error> {
        self.ended.await.unwrap_or(Err(Error::Stopped))
    }
}

/// Marks and phases of a running session.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
}

impl Control {
    /// Records a remark; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the recording has ended.
    pub async fn mark(&self, text: String) -> Result<(), Error> {
        self.ask(|done| Command::Mark(text, done)).await
    }

    /// Records that the session is in this phase from now on; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the recording has ended.
    pub async fn phase(&self, name: String) -> Result<(), Error> {
        self.ask(|done| Command::Phase(name, done)).await
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<(), Error> {
        let (done, recorded) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_gone| Error::Stopped)?;
        recorded.await.map_err(|_gone| Error::Stopped)
    }
}

#[derive(Debug)]
enum Command {
    Mark(String, oneshot::Sender<()>),
    Phase(String, oneshot::Sender<()>),
}

/// Why the recorder's thread woke up.
enum Woken {
    /// The batch holds events.
    Events,
    Command(Command),
    /// A commit is due.
    Due,
    /// All senders are gone.
    End,
}

fn run(
    runtime: &tokio::runtime::Runtime,
    mut writer: SessionWriter,
    mut events: Receiver,
    mut commands: mpsc::Receiver<Command>,
) -> Result<Summary, Error> {
    let mut batch = Vec::with_capacity(BATCH_EVENTS);
    loop {
        let due_in = writer.due_in();
        let woken = runtime.block_on(next(&mut events, &mut commands, &mut batch, due_in));
        let handled = match woken {
            Woken::Events => take(&mut writer, &mut batch),
            Woken::Command(command) => obey(&mut writer, command),
            Woken::Due => writer.commit(),
            Woken::End => return writer.close(CloseWhy::Finished),
        };
        match handled {
            Ok(()) => {}
            Err(floor @ Error::DiskFloor { .. }) => {
                // What is missing from here on is said in the log, as long as there is room.
                writer.close(CloseWhy::DiskFloor)?;
                return Err(floor);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn next(
    events: &mut Receiver,
    commands: &mut mpsc::Receiver<Command>,
    batch: &mut Vec<InFlight>,
    due_in: Option<Duration>,
) -> Woken {
    let due = async {
        match due_in {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        Some(command) = commands.recv() => Woken::Command(command),
        count = events.recv_many(batch, BATCH_EVENTS) => {
            if count == 0 { Woken::End } else { Woken::Events }
        }
        () = due => Woken::Due,
    }
}

/// Handles a batch of events. Each gives its room in the channel back once it is handled.
fn take(writer: &mut SessionWriter, batch: &mut Vec<InFlight>) -> Result<(), Error> {
    for in_flight in batch.drain(..) {
        writer.handle(in_flight.event)?;
        writer.commit_if_due()?;
    }
    writer.write()
}

fn obey(writer: &mut SessionWriter, command: Command) -> Result<(), Error> {
    let done = match command {
        Command::Mark(text, done) => writer.mark(text).map(|()| done),
        Command::Phase(name, done) => writer.phase(name).map(|()| done),
    }?;
    // An error says that whoever asked has stopped waiting.
    done.send(()).or(Ok(()))
}

/// Creates the session's directory and writes its first record.
pub(crate) fn begin(
    setup: Setup,
    notices: broadcast::Sender<Notice>,
) -> Result<SessionWriter, Error> {
    let sessions = SessionDir::all_below(&setup.data_dir);
    private_dir().recursive(true).create(&sessions).failed("create", &sessions)?;
    check_free_space(&sessions, setup.limits.free_disk_bytes)?;
    let signer = Signer::load_or_create(&setup.data_dir)?;
    let now = setup.clock.now();
    let previous = previous(&sessions)?;
    let directory = create_directory(&sessions, setup.name.as_deref(), now.wall.0)?;
    let session = SessionId(setup.entropy.session);
    let Some(mut lock) = directory.lock()? else {
        return Err(Error::Busy(directory.path().to_owned()));
    };
    let lock_path = directory.lock_file();
    lock.write_all(format!("{session}\n").as_bytes())
        .and_then(|()| lock.sync_all())
        .failed("write", &lock_path)?;
    replace_file(&directory.seed_file(), &setup.entropy.frame_seed)?;
    let mut log = RecordLog::create(&directory, setup.entropy.nonces())?;
    let open = SessionOpen {
        boot_id: boot_id(),
        case: setup.case,
        config: setup.effective_config,
        databases: setup.databases.databases,
        device: setup.device,
        key: signer.public_key().into(),
        name: directory.name(),
        operator: setup.operator,
        previous,
        session: Spelled(session),
        simulated: setup.simulated,
        tool: Tool { sha256: setup.tool.binary_sha256, version: setup.tool.version },
    };
    log.append(now, Body::SessionOpen(Box::new(open)));
    log.commit()?;
    let store = StreamStore::new(directory.clone(), FrameSeed::new(&setup.entropy.frame_seed));
    Ok(SessionWriter::new(Parts {
        session,
        directory,
        lock,
        log,
        store,
        annotator: Annotator::new(setup.databases.ask),
        signer,
        limits: setup.limits,
        clock: setup.clock,
        notices,
        indexer: None,
    }))
}

/// Starts to keep up the index. Recording goes on without one: it can be made at any time.
fn follow(directory: &SessionDir) -> Option<Indexer> {
    match Indexer::start(directory) {
        Ok(indexer) => Some(indexer),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "The index is not kept up; nothing recorded is lost");
            None
        }
    }
}

fn create_directory(
    sessions: &Path,
    name: Option<&str>,
    wall_ns: u64,
) -> Result<SessionDir, Error> {
    if let Some(name) = name {
        check_name(name)?;
        let directory = SessionDir::new(sessions.join(name));
        return match directory.create() {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {
                Err(Error::NameTaken(directory.path().to_owned()))
            }
            created => {
                created.failed("create", directory.path())?;
                sync_dir(sessions).failed("write", sessions).map(|()| directory)
            }
        };
    }
    let base = name_of_time(wall_ns);
    for attempt in 1..=MAX_ATTEMPTS {
        let name = if attempt == 1 { base.clone() } else { format!("{base}-{attempt}") };
        let directory = SessionDir::new(sessions.join(name));
        match directory.create() {
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {}
            created => {
                created.failed("create", directory.path())?;
                return sync_dir(sessions).failed("write", sessions).map(|()| directory);
            }
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

/// Notices that a slow reader can lag behind.
const NOTICES: usize = 1_024;
/// Marks in flight.
const COMMANDS: usize = 16;
/// Events handled before their bytes are handed to the operating system.
const BATCH_EVENTS: usize = 256;
const MAX_NAME_BYTES: usize = 100;
/// Sessions that start in the same second.
const MAX_ATTEMPTS: u32 = 1_000;

#[cfg(test)]
mod tests;
