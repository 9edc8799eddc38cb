//! The tap: bytes pass unchanged in both directions, each read recorded before it is passed on.
//! close_notify, a bare FIN and a RST are mapped one to one, so that what was cut looks cut.
//!
//! Nothing here knows a protocol; the journal's observer reads along.

use crate::journal::Journal;
use crate::tls_failure;
use crate::wire::{Socket, Wire};
use bytes::BytesMut;
use feed::RecorderGone;
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, Side};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

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

/// Relays until both directions ended, one failed, or nothing passed for `idle_time`.
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
    let (client_reader, client_writer) = tokio::io::split(client.stream);
    let (upstream_reader, upstream_writer) = tokio::io::split(upstream.stream);
    let activity = AtomicU64::new(journal.now().mono.0);
    let up = Pump {
        journal,
        direction: Direction::Up,
        activity: &activity,
        from: (Side::Client, &client.socket),
        to: (Side::Upstream, &upstream.socket),
    };
    let down = Pump {
        journal,
        direction: Direction::Down,
        activity: &activity,
        from: (Side::Upstream, &upstream.socket),
        to: (Side::Client, &client.socket),
    };
    let both = async {
        tokio::try_join!(
            up.run(client_reader, upstream_writer),
            down.run(upstream_reader, client_writer)
        )
    };
    let ended = tokio::select! {
        ended = both => ended,
        () = idle(journal, &activity, idle_time) => return Ok(Outcome::IdleTimeout),
    };
    match ended {
        Ok((up, down)) => Ok(match (up, down) {
            (Ended::Cut, _) => Outcome::Truncated(Side::Client),
            (_, Ended::Cut) => Outcome::Truncated(Side::Upstream),
            _ => Outcome::Completed,
        }),
        Err(Broken::Recorder(gone)) => Err(gone),
        Err(Broken::Transport(outcome)) => Ok(outcome),
    }
}

/// Returns once nothing has passed for `idle_time`.
async fn idle(journal: &Journal, activity: &AtomicU64, idle_time: Duration) {
    let idle_nanos = u64::try_from(idle_time.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let since = journal.now().mono.0.saturating_sub(activity.load(Ordering::Relaxed));
        match idle_nanos.checked_sub(since) {
            None | Some(0) => return,
            Some(left) => tokio::time::sleep(Duration::from_nanos(left)).await,
        }
    }
}

/// One direction.
struct Pump<'a> {
    journal: &'a Journal,
    direction: Direction,
    /// Monotonic time of the last byte in either direction.
    activity: &'a AtomicU64,
    from: (Side, &'a Socket),
    to: (Side, &'a Socket),
}

/// How a direction ended without failing.
enum Ended {
    /// By close_notify, or by FIN where there is no TLS.
    InOrder,
    /// By a bare FIN in the middle of TLS.
    Cut,
}

/// Why both directions stop at once.
enum Broken {
    Recorder(RecorderGone),
    Transport(Outcome),
}

impl From<RecorderGone> for Broken {
    fn from(gone: RecorderGone) -> Self {
        Self::Recorder(gone)
    }
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
        loop {
            let mut buffer = BytesMut::with_capacity(room);
            match reader.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(length) => room = next_room(room, length),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.to.1.finish();
                    return Ok(Ended::Cut);
                }
                Err(error) => return Err(self.broken(self.from.0, &error)),
            }
            let bytes = buffer.freeze();
            self.journal.passed(Leg::Relay, self.direction, bytes.clone()).await?;
            self.activity.store(self.journal.now().mono.0, Ordering::Relaxed);
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            written.await.map_err(|error| self.broken(self.to.0, &error))?;
        }
        self.journal.ended(self.direction).await?;
        match writer.shutdown().await {
            // The other side may have closed first, which its own direction reports.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Err(self.broken(self.to.0, &error))
            }
            _ => Ok(Ended::InOrder),
        }
    }

    /// What a failed read or write says about `side`; a reset is passed on as a reset.
    fn broken(&self, side: Side, error: &io::Error) -> Broken {
        if let Some(alert) = tls_failure::alert_received(error) {
            self.to.1.finish();
            return Broken::Transport(match side {
                Side::Client => Outcome::ClientAlert(alert),
                _ => Outcome::UpstreamAlert(alert),
            });
        }
        Broken::Transport(match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => {
                let other = if side == self.from.0 { self.to.1 } else { self.from.1 };
                other.reset_on_close();
                match side {
                    Side::Client => Outcome::ClientReset,
                    _ => Outcome::UpstreamReset,
                }
            }
            _ => Outcome::Io { side, reason: error.to_string() },
        })
    }
}

/// Small while a connection idles, large while it streams.
fn next_room(room: usize, length: usize) -> usize {
    if length >= room {
        (room * 4).min(LARGEST_READ_BYTES)
    } else if length < room / 4 {
        (room / 4).max(SMALLEST_READ_BYTES)
    } else {
        room
    }
}

/// Buffer of an idle direction.
const SMALLEST_READ_BYTES: usize = 2 * 1024;
/// Buffer of a busy direction: a few TLS records.
const LARGEST_READ_BYTES: usize = 64 * 1024;
