//! The tap: bytes pass unchanged in both directions, each read recorded before it is passed on.
//! close_notify, a bare FIN and a RST are mapped one to one, so that what was cut looks cut.
//!
//! Nothing here knows a protocol; the journal's observer reads along.

use crate::broken::{self, Broken};
use crate::journal::Journal;
use crate::tls_failure;
use crate::wire::{Socket, Wire};
use bytes::BytesMut;
use feed::RecorderGone;
use flow::limits::Limits;
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, Side};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::Notify;

/// One side of a relay: a plain stream and the socket below it.
pub(crate) struct End<S> {
    pub(crate) stream: S,
    pub(crate) socket: Socket,
}

impl End<Wire> {
    /// A side without TLS.
    pub(crate) fn plain(wire: Wire) -> Self {
        let socket = wire.socket().clone();
        Self { stream: wire, socket }
    }
}

/// Relays until both directions ended, one failed, or nothing passed for the idle time. Whatever
/// ends it early, a dropped future included, resets both sockets: a FIN would look like an end.
pub(crate) fn run<C, U>(
    journal: &Journal,
    client: End<C>,
    upstream: End<U>,
    limits: &Limits,
) -> impl Future<Output = Result<Outcome, RecorderGone>>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let resets =
        ResetBoth { client: client.socket.clone(), upstream: upstream.socket.clone(), armed: true };
    // Moved to where they stay before there is a future, which would keep their old places.
    let client = Split::of(client);
    let upstream = Split::of(upstream);
    relay(journal, client, upstream, resets, limits)
}

/// An [`End`] whose directions have parted.
struct Split<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    socket: Socket,
}

impl<S: AsyncRead + AsyncWrite> Split<S> {
    fn of(end: End<S>) -> Self {
        let (reader, writer) = tokio::io::split(end.stream);
        Self { reader, writer, socket: end.socket }
    }
}

async fn relay<C, U>(
    journal: &Journal,
    client: Split<C>,
    upstream: Split<U>,
    mut resets: ResetBoth,
    limits: &Limits,
) -> Result<Outcome, RecorderGone>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let unwritable = Unwritable::default();
    let half_close = HalfClose::default();
    let pump = |direction, from, to, to_socket| Pump {
        journal,
        direction,
        from,
        to,
        to_socket,
        unwritable: &unwritable,
        half_close: &half_close,
    };
    let up = pump(Direction::Up, Side::Client, Side::Upstream, &upstream.socket);
    let down = pump(Direction::Down, Side::Upstream, Side::Client, &client.socket);
    let both = async {
        tokio::try_join!(
            up.run(client.reader, upstream.writer),
            down.run(upstream.reader, client.writer)
        )
    };
    let ended = tokio::select! {
        ended = both => ended,
        () = journal.idle(limits.idle_time) => Err(Broken::Transport(Outcome::IdleTimeout)),
        outcome = unwritable.drained(limits.drain_time) => Err(Broken::Transport(outcome)),
    };
    match ended {
        Ok((up, down)) => {
            resets.armed = false;
            Ok(outcome(up, down, &half_close))
        }
        Err(Broken::Recorder(gone)) => Err(gone),
        Err(Broken::Transport(outcome)) => {
            // An alert is the end that its sender chose; the other side got a bare FIN for it.
            resets.armed = !matches!(outcome, Outcome::ClientAlert(_) | Outcome::UpstreamAlert(_));
            Ok(outcome)
        }
    }
}

/// What two directions that ended without an abort come to.
fn outcome(up: Ended, down: Ended, half_close: &HalfClose) -> Outcome {
    match (up, down) {
        (Ended::Cut, _) => Outcome::Truncated(Side::Client),
        (_, Ended::Cut) => Outcome::Truncated(Side::Upstream),
        (Ended::InOrder, Ended::InOrder) => match half_close.by() {
            Some(side) => Outcome::HalfClosed(side),
            None => Outcome::Completed,
        },
        // The side had said that it was done; what came after was for nobody.
        (Ended::InOrder, Ended::Unwritable(_)) => Outcome::ClosedEarly(Side::Client),
        (Ended::Unwritable(_), Ended::InOrder) => Outcome::ClosedEarly(Side::Upstream),
        (Ended::Unwritable(outcome), Ended::Unwritable(_)) => outcome,
    }
}

/// Which side ended in order first, and whether bytes of the other passed after that.
#[derive(Default)]
struct HalfClose {
    first: OnceLock<Side>,
    went_on: AtomicBool,
}

impl HalfClose {
    fn ended(&self, side: Side) {
        self.first.get_or_init(|| side);
    }

    fn passed(&self, side: Side) {
        if self.first.get().is_some_and(|first| *first != side) {
            self.went_on.store(true, Ordering::Relaxed);
        }
    }

    /// The side that was done first while the other was not.
    fn by(&self) -> Option<Side> {
        self.first.get().copied().filter(|_| self.went_on.load(Ordering::Relaxed))
    }
}

/// Resets both sides when it is dropped armed.
struct ResetBoth {
    client: Socket,
    upstream: Socket,
    armed: bool,
}

impl Drop for ResetBoth {
    fn drop(&mut self) {
        if self.armed {
            self.client.reset_on_close();
            self.upstream.reset_on_close();
        }
    }
}

/// A side that takes no more bytes. What it sent before it stopped reading is still passed on.
#[derive(Default)]
struct Unwritable {
    first: OnceLock<(Side, Outcome)>,
    noticed: Notify,
}

impl Unwritable {
    fn note(&self, side: Side, outcome: &Outcome) {
        self.first.get_or_init(|| (side, outcome.clone()));
        self.noticed.notify_one();
    }

    /// How writing to this side failed.
    fn of(&self, side: Side) -> Option<Outcome> {
        let (_, outcome) = self.first.get().filter(|(first, _)| *first == side)?;
        Some(outcome.clone())
    }

    /// Returns when a side has been unwritable for so long that nothing more is expected of it.
    async fn drained(&self, drain_time: Duration) -> Outcome {
        self.noticed.notified().await;
        tokio::time::sleep(drain_time).await;
        self.first.get().map_or(Outcome::IdleTimeout, |(_, outcome)| outcome.clone())
    }
}

/// One direction.
struct Pump<'a> {
    journal: &'a Journal,
    direction: Direction,
    from: Side,
    to: Side,
    to_socket: &'a Socket,
    unwritable: &'a Unwritable,
    half_close: &'a HalfClose,
}

/// How a direction ended without ending the other.
enum Ended {
    /// By close_notify, or by FIN where there is no TLS.
    InOrder,
    /// By a bare FIN in the middle of TLS.
    Cut,
    /// The side that it goes to takes no more.
    Unwritable(Outcome),
}

impl Pump<'_> {
    async fn run<R, W>(
        &self,
        mut reader: ReadHalf<R>,
        mut writer: WriteHalf<W>,
    ) -> Result<Ended, Broken>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        let mut room = SMALLEST_ROOM_BYTES;
        let mut buffer = BytesMut::new();
        let mut next = None;
        loop {
            let read = match next.take() {
                Some(ended) => ended,
                None => {
                    let read = first(&mut reader, &mut buffer, room).await;
                    if buffer.len() == FIRST_READ_BYTES {
                        next = gather(&mut reader, &mut buffer).await;
                        room = next_room(room, buffer.len());
                    }
                    read
                }
            };
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.to_socket.finish();
                    return Ok(Ended::Cut);
                }
                Err(error) => return Err(self.unreadable(&error)),
            }
            self.half_close.passed(self.from);
            let bytes = std::mem::take(&mut buffer).freeze();
            self.journal.passed(Leg::Relay, self.direction, bytes.clone()).await?;
            if self.journal.refuses() {
                return Err(Broken::Transport(Outcome::Malformed));
            }
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            if let Err(error) = written.await {
                return Ok(self.unwritable(&error));
            }
        }
        // A reset that a write has been told of already reads like an end. What an upstream sent
        // before it is still delivered; an upload must not look whole.
        match (self.unwritable.of(self.from), self.from) {
            (None, _) => {}
            (Some(outcome), Side::Client) => return Err(Broken::Transport(outcome)),
            (Some(outcome), _) => {
                drop(writer.shutdown().await);
                return Ok(Ended::Unwritable(outcome));
            }
        }
        self.half_close.ended(self.from);
        self.journal.ended(self.direction).await?;
        match writer.shutdown().await {
            // The other side may have closed first, which its own direction reports.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Ok(self.unwritable(&error))
            }
            _ => Ok(Ended::InOrder),
        }
    }

    /// What a failed read says of the side that it comes from.
    fn unreadable(&self, error: &io::Error) -> Broken {
        let Some(alert) = tls_failure::alert_received(error) else {
            return Broken::transport(self.from, error);
        };
        self.to_socket.finish();
        Broken::Transport(match self.from {
            Side::Client => Outcome::ClientAlert(alert),
            _ => Outcome::UpstreamAlert(alert),
        })
    }

    /// What a failed write says of the side that it goes to.
    fn unwritable(&self, error: &io::Error) -> Ended {
        let outcome = broken::outcome(self.to, error);
        self.unwritable.note(self.to, &outcome);
        Ended::Unwritable(outcome)
    }
}

/// Waits for bytes without a buffer to hold while it waits, as most connections do most of the time.
/// Bytes that fill the first read are given `room` for what is behind them.
async fn first<R: AsyncRead>(
    reader: &mut ReadHalf<R>,
    buffer: &mut BytesMut,
    room: usize,
) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        let mut bytes = [const { MaybeUninit::uninit() }; FIRST_READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut *reader).poll_read(cx, &mut read))?;
        let read = read.filled();
        buffer.reserve(if read.len() == FIRST_READ_BYTES { room } else { read.len() });
        buffer.extend_from_slice(read);
        Poll::Ready(Ok(read.len()))
    })
    .await
}

/// Adds what can be read at once, while there is room: TLS gives one record at a time. Returns the end
/// or the failure that this met, which comes after the bytes before it.
///
/// Each read is polled once and given up. That loses nothing: a pending `poll_read` has put nothing
/// into the buffer, and what TLS took from its socket for an unfinished record stays in its session.
async fn gather<R: AsyncRead>(
    reader: &mut ReadHalf<R>,
    buffer: &mut BytesMut,
) -> Option<io::Result<usize>> {
    while buffer.capacity() - buffer.len() >= LEAST_ROOM_BYTES {
        let mut reading = std::pin::pin!(reader.read_buf(buffer));
        let read = std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
        match read {
            Poll::Pending => return None,
            Poll::Ready(Ok(length)) if length > 0 => {}
            Poll::Ready(ended) => return Some(ended),
        }
    }
    None
}

/// A record's while a direction sends now and then, more while it streams.
fn next_room(room: usize, length: usize) -> usize {
    if length >= room / 2 {
        (room * 4).min(LARGEST_ROOM_BYTES)
    } else if length < room / 8 {
        (room / 4).max(SMALLEST_ROOM_BYTES)
    } else {
        room
    }
}

/// Read without a buffer; when so much is there, more is likely to be.
const FIRST_READ_BYTES: usize = 4 * 1024;
/// Less room is not worth another read.
const LEAST_ROOM_BYTES: usize = 8 * 1024;
/// Room for what is likely to be there: a TLS record's plaintext.
const SMALLEST_ROOM_BYTES: usize = 16 * 1024;
/// Room in a busy direction: a few TLS records.
const LARGEST_ROOM_BYTES: usize = 64 * 1024;
