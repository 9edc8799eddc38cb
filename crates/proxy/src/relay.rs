//! The tap: bytes pass unchanged in both directions, each read recorded before it is passed on.
//! close_notify, a bare FIN and a RST are mapped one to one, so that what was cut looks cut.
//!
//! Nothing here knows a protocol; the journal's observer reads along.

use crate::broken::Broken;
use crate::journal::Journal;
use crate::tls_failure;
use crate::wire::{Socket, Wire};
use bytes::BytesMut;
use feed::RecorderGone;
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, Side};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
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

/// Relays until both directions ended, one failed, or nothing passed for `idle_time`. Whatever
/// ends it early, a dropped future included, resets both sockets: a FIN would look like an end.
pub(crate) async fn run<C, U>(
    journal: &Journal,
    client: End<C>,
    upstream: End<U>,
    idle_time: Duration,
) -> Result<Outcome, RecorderGone>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let mut resets =
        ResetBoth { client: client.socket.clone(), upstream: upstream.socket.clone(), armed: true };
    let (client_reader, client_writer) = tokio::io::split(client.stream);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream.stream);
    let unwritable = Unwritable::default();
    let pump = |direction, from, to, to_socket| Pump {
        journal,
        direction,
        from,
        to,
        to_socket,
        unwritable: &unwritable,
    };
    let up = pump(Direction::Up, Side::Client, Side::Upstream, &upstream.socket);
    let down = pump(Direction::Down, Side::Upstream, Side::Client, &client.socket);
    let both = async {
        tokio::try_join!(
            up.run(client_reader, upstream_writer),
            down.run(upstream_reader, client_writer)
        )
    };
    let ended = tokio::select! {
        ended = both => ended,
        () = journal.idle(idle_time) => Err(Broken::Transport(Outcome::IdleTimeout)),
        outcome = unwritable.drained() => Err(Broken::Transport(outcome)),
    };
    match ended {
        Ok((up, down)) => {
            resets.armed = false;
            Ok(outcome(up, down))
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
fn outcome(up: Ended, down: Ended) -> Outcome {
    match (up, down) {
        (Ended::Cut, _) => Outcome::Truncated(Side::Client),
        (_, Ended::Cut) => Outcome::Truncated(Side::Upstream),
        // The client had said that it was done; what came after was for nobody.
        (Ended::InOrder, _) => Outcome::Completed,
        (Ended::Unwritable(outcome), _) => outcome,
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
    first: OnceLock<Outcome>,
    noticed: Notify,
}

impl Unwritable {
    fn note(&self, outcome: &Outcome) {
        self.first.get_or_init(|| outcome.clone());
        self.noticed.notify_one();
    }

    /// Returns when a side has been unwritable for so long that nothing more is expected of it.
    async fn drained(&self) -> Outcome {
        self.noticed.notified().await;
        tokio::time::sleep(DRAIN_TIME).await;
        self.first.get().cloned().unwrap_or(Outcome::IdleTimeout)
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
        let mut room = SMALLEST_READ_BYTES;
        let mut buffer = BytesMut::new();
        loop {
            if buffer.capacity() < room / 2 {
                buffer = BytesMut::with_capacity(room);
            }
            match reader.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(length) => room = next_room(room, length),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.to_socket.finish();
                    return Ok(Ended::Cut);
                }
                Err(error) => return Err(self.unreadable(&error)),
            }
            let bytes = buffer.split().freeze();
            self.journal.passed(Leg::Relay, self.direction, bytes.clone()).await?;
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            if let Err(error) = written.await {
                return self.unwritable(&error);
            }
        }
        self.journal.ended(self.direction).await?;
        match writer.shutdown().await {
            // The other side may have closed first, which its own direction reports.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => self.unwritable(&error),
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
    fn unwritable(&self, error: &io::Error) -> Result<Ended, Broken> {
        match Broken::transport(self.to, error) {
            Broken::Transport(outcome) => {
                self.unwritable.note(&outcome);
                Ok(Ended::Unwritable(outcome))
            }
            gone @ Broken::Recorder(_) => Err(gone),
        }
    }
}

/// Small while a connection idles, large while it streams.
fn next_room(room: usize, length: usize) -> usize {
    if length >= room / 2 {
        (room * 4).min(LARGEST_READ_BYTES)
    } else if length < room / 8 {
        (room / 4).max(SMALLEST_READ_BYTES)
    } else {
        room
    }
}

/// Time that the rest of one direction gets after the other can no longer be written.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Buffer of an idle direction.
const SMALLEST_READ_BYTES: usize = 2 * 1024;
/// Buffer of a busy direction: a few TLS records.
const LARGEST_READ_BYTES: usize = 64 * 1024;
