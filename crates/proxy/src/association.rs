//! A SOCKS5 association (RFC 1928 section 7): a socket to which the client sends datagrams, each
//! with its destination, for as long as its TCP connection lasts. Sorts them by destination; what
//! becomes of each is [`crate::datagram_flow`]'s business.

use crate::broken;
use crate::client::{Client, Served};
use crate::datagram_flow::{self, Flow, MOST_DATAGRAM_BYTES, Queued};
use crate::ingress::ask::Associate;
use crate::journal::Journal;
use crate::reply;
use crate::wire::Wire;
use bytes::Bytes;
use feed::RecorderGone;
use flow::address::Target;
use flow::event::{DroppedDatagrams, Event, Ingress, Opened};
use flow::stream::{Direction, Leg};
use flow::time::Stamp;
use flow::treatment::{Cause, Failure, Outcome, PlaintextWhy, Side, Stage, Treatment};
use observe::socks5;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Serves an association until its TCP connection ends. However it ends, its record is closed, and
/// so are those of its destinations.
pub(crate) async fn run(
    asked: Associate,
    mut client: Client,
    accepted: Stamp,
    served: &Served,
) -> Result<(), RecorderGone> {
    let journal = served.journal();
    let opened = client.opened(journal.connection(), accepted, Ingress::Socks5);
    journal.tell(Event::Opened(opened.clone())).await?;
    journal.passed(Leg::Client, Direction::Up, asked.raw).await?;
    let outcome = match bind(client.listener.ip()).await {
        Ok((relay, bound)) => {
            journal.treated(Treatment::Plaintext(PlaintextWhy::Association)).await?;
            match reply::established(&mut client.wire, client.speaks, Some(bound)).await {
                Ok(()) => {
                    client.own.push(bound);
                    let mut sorting = Sorting::new(&client, asked.port, relay, opened, served);
                    let outcome = sorting.run(&mut client.wire).await;
                    sorting.end(&journal).await?;
                    outcome
                }
                Err(error) => broken::outcome(Side::Client, &error),
            }
        }
        Err(error) => {
            let cause = Cause::Io(error.to_string());
            let failure = Failure { stage: Stage::Connect, side: Side::Landfall, cause };
            let treatment = Treatment::Failed(failure);
            journal.treated(treatment.clone()).await?;
            let limits = &served.setup.limits;
            reply::refused(&mut client.wire, client.speaks, &treatment, limits).await;
            Outcome::NotRelayed
        }
    };
    journal.finish(outcome).await
}

/// A socket at the address that the client reached.
async fn bind(reached: IpAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let relay = UdpSocket::bind((reached, 0)).await?;
    let bound = relay.local_addr()?;
    Ok((relay, bound))
}

/// Sorts the client's datagrams by destination.
struct Sorting<'a> {
    served: &'a Served,
    relay: Arc<UdpSocket>,
    /// Whose datagrams are taken, and from which port.
    client: IpAddr,
    port: Option<u16>,
    own: Arc<[SocketAddr]>,
    opened: Opened,
    flows: HashMap<Target, mpsc::Sender<Queued>>,
    tasks: JoinSet<Result<datagram_flow::Ended, RecorderGone>>,
    /// Room for the bytes of datagrams that wait.
    room: Arc<Semaphore>,
    stop: CancellationToken,
    dropped: DroppedDatagrams,
}

/// Whose bound a datagram is past.
enum Full {
    Association,
    Run,
}

impl<'a> Sorting<'a> {
    fn new(
        client: &Client,
        port: Option<u16>,
        relay: UdpSocket,
        opened: Opened,
        served: &'a Served,
    ) -> Self {
        let room = served.setup.limits.association_bytes.min(Semaphore::MAX_PERMITS);
        // Datagrams come from the peer itself, whoever the connection was forwarded for.
        let peer = client.forwarded_by.unwrap_or(client.device.0).ip();
        Self {
            served,
            relay: Arc::new(relay),
            client: peer,
            port,
            own: client.own.as_slice().into(),
            opened,
            flows: HashMap::new(),
            tasks: JoinSet::new(),
            room: Arc::new(Semaphore::new(room)),
            stop: CancellationToken::new(),
            dropped: DroppedDatagrams::default(),
        }
    }

    /// Relays until the TCP connection ends, or nothing has passed for the idle time.
    async fn run(&mut self, control: &mut Wire) -> Outcome {
        let mut buffer = vec![0; MOST_DATAGRAM_BYTES];
        let mut ignored = [0; 512];
        let idle_time = self.served.setup.limits.idle_time;
        let mut deadline = Instant::now() + idle_time;
        loop {
            tokio::select! {
                read = control.read(&mut ignored) => match read {
                    Ok(0) => return Outcome::Completed,
                    // The protocol has nothing to say here.
                    Ok(_) => {}
                    // TLS that ends without saying so.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Outcome::Completed;
                    }
                    Err(error) => return broken::outcome(Side::Client, &error),
                },
                received = self.relay.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => {
                        deadline = Instant::now() + idle_time;
                        self.take(buffer.get(..length).unwrap_or_default(), from);
                    }
                    Err(error) => {
                        return Outcome::Io { side: Side::Landfall, reason: error.to_string() };
                    }
                },
                Some(ended) = self.tasks.join_next() => self.ended(ended),
                () = sleep_until(deadline) => {
                    if self.flows.is_empty() {
                        return Outcome::IdleTimeout;
                    }
                    // The upstreams may still be talking.
                    deadline = Instant::now() + idle_time.min(LOOK_AGAIN_TIME);
                }
                () = self.served.abort.cancelled() => return Outcome::Shutdown,
            }
        }
    }

    /// Queues a datagram for its destination, or counts why not.
    fn take(&mut self, bytes: &[u8], from: SocketAddr) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if from.ip() != self.client || self.port.is_some_and(|port| port != from.port()) {
            self.dropped.foreign += 1;
            return;
        }
        let Ok(Some((header, length))) = socks5::datagram(bytes) else {
            self.dropped.malformed += 1;
            return;
        };
        if header.fragment != 0 {
            self.dropped.fragmented += 1;
            return;
        }
        if header.target.port == 0 {
            self.dropped.malformed += 1;
            return;
        }
        let payload = bytes.get(length..).unwrap_or_default();
        let weight = u32::try_from(payload.len() + DATAGRAM_COST_BYTES).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(weight) else {
            self.dropped.overflowed += 1;
            return;
        };
        let queued = Queued { bytes: Bytes::copy_from_slice(payload), client: from, room };
        match self.queue(header.target, queued) {
            Ok(()) => {}
            Err(Full::Association) => self.dropped.overflowed += 1,
            Err(Full::Run) => self.dropped.over_flow_limit += 1,
        }
    }

    fn queue(&mut self, target: Target, queued: Queued) -> Result<(), Full> {
        let queued = match self.flows.get(&target) {
            None => queued,
            Some(flow) => match flow.try_send(queued) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(Full::Association),
                // It has just ended: this begins another one.
                Err(mpsc::error::TrySendError::Closed(queued)) => queued,
            },
        };
        let bound = self.served.setup.limits.association_destinations;
        if self.flows.len() >= bound && !self.flows.contains_key(&target) {
            return Err(Full::Association);
        }
        let places = Arc::clone(&self.served.datagram_flows);
        let place = places.try_acquire_owned().map_err(|_none| Full::Run)?;
        let (sender, receiver) = mpsc::channel(QUEUED_DATAGRAMS);
        let flow = Flow {
            served: self.served.clone(),
            opened: Opened { ingress: Ingress::SocksUdp, ..self.opened.clone() },
            target: target.clone(),
            own: Arc::clone(&self.own),
            relay: Arc::clone(&self.relay),
            received: receiver,
            stop: self.stop.clone(),
        };
        let sent = sender.try_send(queued).map_err(|_never| Full::Association);
        self.flows.insert(target, sender);
        self.tasks.spawn(async move {
            let ended = flow.run().await;
            drop(place);
            ended
        });
        sent
    }

    fn ended(
        &mut self,
        ended: Result<Result<datagram_flow::Ended, RecorderGone>, tokio::task::JoinError>,
    ) {
        match ended {
            Ok(Ok(ended)) => {
                self.dropped.refused += ended.refused;
                // Unless another one has taken its place.
                if self.flows.get(&ended.target).is_some_and(mpsc::Sender::is_closed) {
                    self.flows.remove(&ended.target);
                }
            }
            Ok(Err(gone)) => tracing::debug!(error = %gone, "Nothing more can be recorded"),
            Err(error) => {
                tracing::error!(%error, "A flow ended abnormally, its record is incomplete");
            }
        }
    }

    /// Ends what runs, and tells what was not relayed.
    async fn end(mut self, journal: &Journal) -> Result<(), RecorderGone> {
        self.stop.cancel();
        self.flows.clear();
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended);
        }
        if self.dropped.total() == 0 {
            return Ok(());
        }
        let (connection, at) = (journal.connection(), journal.now());
        let dropped = self.dropped;
        journal.tell(Event::DatagramsDropped { connection, at, dropped }).await
    }
}

/// What a datagram that waits counts for beside its payload.
const DATAGRAM_COST_BYTES: usize = 128;
/// Datagrams that wait for one destination.
const QUEUED_DATAGRAMS: usize = 256;
/// Time after which an association whose client is silent is looked at again.
const LOOK_AGAIN_TIME: Duration = Duration::from_secs(60);
