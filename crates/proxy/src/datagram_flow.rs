//! The datagrams between one association and one destination: a conversation with a record of its
//! own. Each datagram is one chunk, recorded before it is passed on; nothing is decoded.

use crate::client::Served;
use crate::datagram_upstream::{self, DatagramUpstream};
use crate::journal::Journal;
use crate::reply;
use bytes::{Bytes, BytesMut};
use feed::RecorderGone;
use flow::address::Target;
use flow::event::{Event, Opened};
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, PlaintextWhy, Side, Treatment};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// What the flow works with.
pub(crate) struct Flow {
    pub(crate) served: Served,
    /// How its connection opens, but for number and time.
    pub(crate) opened: Opened,
    pub(crate) target: Target,
    pub(crate) own: Arc<[SocketAddr]>,
    /// The association's socket.
    pub(crate) relay: Arc<UdpSocket>,
    pub(crate) received: mpsc::Receiver<Queued>,
    /// Cancelled when the association ends.
    pub(crate) stop: CancellationToken,
}

/// A datagram of the client that waits.
pub(crate) struct Queued {
    pub(crate) bytes: Bytes,
    /// Where it came from, and answers go.
    pub(crate) client: SocketAddr,
    pub(crate) room: OwnedSemaphorePermit,
}

/// A flow that ended.
pub(crate) struct Ended {
    pub(crate) target: Target,
    /// Datagrams that were not sent on, because the destination is blocked or out of reach, or was
    /// not reached before the end.
    pub(crate) refused: u64,
}

impl Flow {
    /// Relays until nothing has passed for the idle time, or the association ends.
    pub(crate) async fn run(mut self) -> Result<Ended, RecorderGone> {
        let journal = self.served.journal();
        let (connection, at) = (journal.connection(), journal.now());
        journal.tell(Event::Opened(Opened { connection, at, ..self.opened.clone() })).await?;
        journal.targeted(self.target.clone()).await?;
        let setup = &self.served.setup;
        let reached = tokio::select! {
            biased;
            reached = datagram_upstream::reach(setup, &journal, &self.target, &self.own) => reached?,
            () = self.stop.cancelled() => {
                journal.finish(self.outcome()).await?;
                let refused = self.left();
                return Ok(Ended { target: self.target, refused });
            }
        };
        let mut refused = 0;
        match reached {
            Ok(upstream) => {
                journal.treated(Treatment::Plaintext(PlaintextWhy::Datagrams)).await?;
                let outcome = self.relay(&journal, &upstream).await?;
                journal.finish(outcome).await?;
            }
            Err(treatment) => {
                journal.treated(treatment).await?;
                refused = self.swallow(&journal).await;
                journal.finish(Outcome::NotRelayed).await?;
            }
        }
        Ok(Ended { target: self.target, refused })
    }

    async fn relay(
        &mut self,
        journal: &Journal,
        upstream: &DatagramUpstream,
    ) -> Result<Outcome, RecorderGone> {
        let idle_time = self.served.setup.limits.datagram_idle_time;
        let mut client = None;
        let mut failure = None;
        let ended = loop {
            tokio::select! {
                Some(queued) = self.received.recv() => {
                    client = Some(queued.client);
                    send(journal, upstream, queued).await?;
                }
                readable = upstream.socket.readable() => match readable.and_then(|()| upstream.receive()) {
                    Ok(bytes) => {
                        failure = None;
                        let Some(client) = client else { continue };
                        journal.passed(Leg::Relay, Direction::Down, bytes.clone()).await?;
                        self.answer(upstream, client, &bytes).await;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Nobody listens there, so far: what comes later may still be answered.
                    Err(error) => failure = Some(error.to_string()),
                },
                () = journal.idle(idle_time) => break Outcome::IdleTimeout,
                () = self.stop.cancelled() => break self.outcome(),
            }
        };
        // What was taken before the end is sent.
        self.received.close();
        while let Ok(queued) = self.received.try_recv() {
            send(journal, upstream, queued).await?;
        }
        Ok(match failure {
            Some(reason) => Outcome::Io { side: Side::Upstream, reason },
            None => ended,
        })
    }

    /// Passes a datagram of the upstream on, with the header that says whose it is.
    async fn answer(&self, upstream: &DatagramUpstream, client: SocketAddr, bytes: &[u8]) {
        let mut datagram = vec![0; 3];
        reply::push_socks5_address(&mut datagram, upstream.address);
        datagram.extend_from_slice(bytes);
        // A datagram may be lost on its way: that it was sent on is all that is said.
        drop(self.relay.send_to(&datagram, client).await);
    }

    /// Counts what comes for a destination that gets nothing, so that it makes one record alone.
    async fn swallow(&mut self, journal: &Journal) -> u64 {
        let mut refused = 0;
        let idle = journal.idle(self.served.setup.limits.datagram_idle_time);
        tokio::pin!(idle);
        loop {
            tokio::select! {
                Some(_) = self.received.recv() => refused += 1,
                () = &mut idle => break,
                () = self.stop.cancelled() => break,
            }
        }
        refused + self.left()
    }

    /// Takes no more, and counts what waits.
    fn left(&mut self) -> u64 {
        self.received.close();
        let mut left = 0;
        while self.received.try_recv().is_ok() {
            left += 1;
        }
        left
    }

    /// How a flow ends with its association.
    fn outcome(&self) -> Outcome {
        if self.served.abort.is_cancelled() { Outcome::Shutdown } else { Outcome::Completed }
    }
}

async fn send(
    journal: &Journal,
    upstream: &DatagramUpstream,
    queued: Queued,
) -> Result<(), RecorderGone> {
    let Queued { bytes, room, .. } = queued;
    journal.passed(Leg::Relay, Direction::Up, bytes.clone()).await?;
    // The error of a datagram sent before may come back here; receiving tells of it as well.
    drop(upstream.socket.send(&bytes).await);
    drop(room);
    Ok(())
}

impl DatagramUpstream {
    /// The datagram that is there. Memory is taken for its time in here alone.
    fn receive(&self) -> io::Result<Bytes> {
        let mut buffer = BytesMut::with_capacity(MOST_DATAGRAM_BYTES);
        self.socket.try_recv_buf(&mut buffer)?;
        Ok(Bytes::copy_from_slice(&buffer))
    }
}

pub(crate) const MOST_DATAGRAM_BYTES: usize = u16::MAX as usize;
