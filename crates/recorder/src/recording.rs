//! A running recording: one thread owns the session directory, takes the proxy's events and a
//! person's marks, and ends when the last sender of events is gone.

use crate::directory::SessionDir;
use crate::error::{Error, Failed};
use crate::index::Indexer;
use crate::notice::Notice;
use crate::opening::{Setup, begin};
use crate::record::session::CloseWhy;
use crate::session::SessionWriter;
use crate::summary::Summary;
use feed::Receiver;
use flow::event::Event;
use flow::id::SessionId;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};

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

/// Marks and phases of a running session. The format has records for them already; no command of
/// the program sends any yet.
#[derive(Clone, Debug)]
pub struct Control {
    commands: mpsc::Sender<Command>,
}

impl Control {
    /// Records a remark; it is durable when this returns.
    ///
    /// # Errors
    /// [`Error::TextTooLong`], and [`Error::Stopped`] when the recording has ended.
    pub async fn mark(&self, text: String) -> Result<(), Error> {
        check_text(&text)?;
        self.ask(|done| Command::Mark(text, done)).await
    }

    /// Records that the session is in this phase from now on; it is durable when this returns.
    ///
    /// # Errors
    /// As for [`Control::mark`].
    pub async fn phase(&self, name: String) -> Result<(), Error> {
        check_text(&name)?;
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
    /// A commit or a checkpoint is due.
    Due,
    /// Nothing has passed for a while.
    Idle,
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
            Woken::Events => {
                let taken = take(&mut writer, &mut batch);
                events.handled();
                if events.is_empty() {
                    // What comes meanwhile is taken at once: a wake per event costs more than it.
                    std::thread::sleep(GATHER_TIME);
                }
                taken
            }
            Woken::Command(command) => obey(&mut writer, command),
            Woken::Due => writer.commit(),
            // Others fill the disk meanwhile, and the next connection must find that told.
            Woken::Idle => writer.check_room(),
            Woken::End => return writer.close(CloseWhy::Finished),
        };
        match handled {
            Ok(()) => {}
            Err(floor @ Error::DiskFloor { .. }) => {
                // What was handed over has been passed on, so it belongs to the record; what is
                // missing from here on is said in the log.
                drain(runtime, &mut writer, &mut events, &mut batch)?;
                writer.close(CloseWhy::DiskFloor)?;
                return Err(floor);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Takes the last events in, as far as the room above the floor, and past it, lasts.
fn drain(
    runtime: &tokio::runtime::Runtime,
    writer: &mut SessionWriter,
    events: &mut Receiver,
    batch: &mut Vec<Event>,
) -> Result<(), Error> {
    events.close();
    loop {
        for event in batch.drain(..) {
            writer.handle(event)?;
        }
        writer.write()?;
        if runtime.block_on(events.recv_many(batch, BATCH_EVENTS)) == 0 {
            return Ok(());
        }
    }
}

async fn next(
    events: &mut Receiver,
    commands: &mut mpsc::Receiver<Command>,
    batch: &mut Vec<Event>,
    due_in: Option<Duration>,
) -> Woken {
    let due = async {
        let due_soon = due_in.filter(|due_in| *due_in < ROOM_CHECK_TIME);
        tokio::time::sleep(due_soon.unwrap_or(ROOM_CHECK_TIME)).await;
        due_soon.map_or(Woken::Idle, |_| Woken::Due)
    };
    tokio::select! {
        biased;
        Some(command) = commands.recv() => Woken::Command(command),
        count = events.recv_many(batch, BATCH_EVENTS) => {
            if count == 0 { Woken::End } else { Woken::Events }
        }
        woken = due => woken,
    }
}

/// Handles a batch of events.
fn take(writer: &mut SessionWriter, batch: &mut Vec<Event>) -> Result<(), Error> {
    // Not only with the next commit: until then a short connection may have been served.
    let mut room = Ok(());
    if batch.iter().any(|event| matches!(event, Event::Opened(_))) {
        put_off(writer.check_room(), &mut room)?;
    }
    for event in batch.drain(..) {
        writer.handle(event)?;
        let committed = writer.commit_if_large();
        put_off(committed, &mut room)?;
    }
    let committed = writer.commit_if_due();
    put_off(committed, &mut room)?;
    writer.write()?;
    room
}

/// Keeps word of a full disk for the end of a batch: the rest of the batch belongs to the record too.
fn put_off(committed: Result<(), Error>, room: &mut Result<(), Error>) -> Result<(), Error> {
    match committed {
        Err(floor @ Error::DiskFloor { .. }) => {
            *room = Err(floor);
            Ok(())
        }
        committed => committed,
    }
}

fn obey(writer: &mut SessionWriter, command: Command) -> Result<(), Error> {
    let done = match command {
        Command::Mark(text, done) => writer.mark(text).map(|()| done),
        Command::Phase(name, done) => writer.phase(name).map(|()| done),
    }?;
    // An error says that whoever asked has stopped waiting.
    done.send(()).or(Ok(()))
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

fn check_text(text: &str) -> Result<(), Error> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::TextTooLong { bytes: text.len(), limit: MAX_TEXT_BYTES });
    }
    Ok(())
}

/// Notices that a slow reader can lag behind.
const NOTICES: usize = 1_024;
/// Marks in flight.
const COMMANDS: usize = 16;
/// Events handled before their bytes are handed to the operating system.
const BATCH_EVENTS: usize = 256;
/// Time in which events gather before the next batch: far below the 100 ms after which a commit
/// begins, and so short that the events in flight do not fill their room.
const GATHER_TIME: Duration = Duration::from_millis(2);
/// Between two looks at the free space while nothing passes.
const ROOM_CHECK_TIME: Duration = Duration::from_secs(1);
/// A record is bounded, and a mark is a remark.
const MAX_TEXT_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests;
