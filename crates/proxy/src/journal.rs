//! What is told about one connection, in order. The journal owns the connection's observer and the
//! totals of its streams, so that whatever ends the connection, one call closes its record.
//!
//! It decides nothing about the traffic. Events wait in a queue until the recorder has room for
//! them: a task that is cancelled while it waits loses none.

use crate::ciphertext::Ciphertext;
use crate::setup::OnMalformed;
use bytes::Bytes;
use feed::RecorderGone;
use flow::address::{Host, Target};
use flow::event::{Closed, Dialled, Event, StreamClosed, Timings};
use flow::id::ConnectionId;
use flow::stream::{Chunk, Direction, Leg, StreamKey};
use flow::time::{SharedClock, Stamp};
use flow::tls::Secret;
use flow::treatment::{Cause, Failure, Outcome, Side, Stage, Treatment};
use observe::Observer;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// The record of one connection.
pub(crate) struct Journal {
    connection: ConnectionId,
    clock: SharedClock,
    recorder: feed::Sender,
    /// Monotonic time of the last bytes that passed.
    activity: AtomicU64,
    on_malformed: OnMalformed,
    /// The observer lost sync, and that ends the connection.
    refused: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Event>,
    observer: Option<Observer>,
    /// Where the observer puts its events; empty between two calls.
    observed: Vec<Event>,
    relayed: BTreeMap<StreamKey, u64>,
    /// The legs whose ciphertext is kept.
    ciphertexts: Vec<(Leg, Ciphertext)>,
    timings: Timings,
    treated: bool,
    /// The step that follows what was told last.
    stage: Option<Stage>,
    /// The attempt that reached an upstream last.
    reached: Option<Dialled>,
    /// Called with the first bytes that the client sends through the relay.
    client_speaks: Option<Box<dyn FnOnce() + Send>>,
}

impl Journal {
    pub(crate) fn new(
        connection: ConnectionId,
        clock: SharedClock,
        recorder: feed::Sender,
    ) -> Self {
        let activity = AtomicU64::new(clock.now().mono.0);
        let (on_malformed, refused) = (OnMalformed::default(), AtomicBool::new(false));
        let state = Mutex::default();
        Self { connection, clock, recorder, activity, on_malformed, refused, state }
    }

    /// What a loss of sync leads to.
    pub(crate) fn on_malformed(self, on_malformed: OnMalformed) -> Self {
        Self { on_malformed, ..self }
    }

    /// The bytes that passed last must not be passed on: the connection ends with
    /// [`Outcome::Malformed`].
    pub(crate) fn refuses(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    pub(crate) async fn targeted(&self, target: Target) -> Result<(), RecorderGone> {
        self.tell(Event::Targeted { connection: self.connection, at: self.now(), target }).await
    }

    /// Says how the connection is treated; a later call replaces an earlier one.
    pub(crate) async fn treated(&self, treatment: Treatment) -> Result<(), RecorderGone> {
        let event = Event::Treated { connection: self.connection, at: self.now(), treatment };
        {
            let mut state = self.state();
            state.treated = true;
            state.queue.push_back(event);
        }
        self.drain().await
    }

    /// The same of a connection of which nothing is relayed.
    pub(crate) async fn not_relayed(&self, treatment: Treatment) -> Result<Outcome, RecorderGone> {
        self.treated(treatment).await?;
        Ok(Outcome::NotRelayed)
    }

    pub(crate) async fn secrets(&self, secrets: Vec<Secret>) -> Result<(), RecorderGone> {
        let event = |secret| Event::Secret { connection: self.connection, secret };
        self.state().queue.extend(secrets.into_iter().map(event));
        self.drain().await
    }

    pub(crate) async fn tell(&self, event: Event) -> Result<(), RecorderGone> {
        {
            let mut state = self.state();
            if let Event::Dialled(dialled @ Dialled { result: Ok(_), .. }) = &event {
                state.reached = Some(dialled.clone());
            }
            state.stage = stage_after(&event).or(state.stage);
            state.queue.push_back(event);
        }
        self.drain().await
    }

    /// The address of the upstream that was reached last.
    pub(crate) async fn reached(&self) -> Option<SocketAddr> {
        self.dialled()?.upstream.map(|upstream| upstream.address)
    }

    /// The attempt that reached an upstream last.
    pub(crate) fn dialled(&self) -> Option<Dialled> {
        self.state().reached.clone()
    }

    /// Calls `then` once the client has sent something through the relay. The journal is locked
    /// while it runs, so it must not call the journal.
    pub(crate) async fn when_client_speaks(&self, then: impl FnOnce() + Send + 'static) {
        self.state().client_speaks = Some(Box::new(then));
    }

    /// Notes how long a step took.
    pub(crate) async fn timed(&self, note: impl FnOnce(&mut Timings)) {
        note(&mut self.state().timings);
    }

    /// From here on the relayed bytes are read as this protocol.
    pub(crate) async fn observe(&self, observer: Observer) {
        self.state().observer = Some(observer);
    }

    /// Bytes that passed. Recorded before they are passed on, and observed when they are relayed.
    pub(crate) async fn passed(
        &self,
        leg: Leg,
        direction: Direction,
        bytes: Bytes,
    ) -> Result<(), RecorderGone> {
        if bytes.is_empty() {
            return Ok(());
        }
        let all_told = {
            let mut state = self.state();
            // Plaintext comes after the records that it was in.
            self.take_ciphertext(&mut state);
            let at = self.now();
            self.pass(&mut state, leg, direction, at, bytes);
            self.recorder.offer(&mut state.queue)?
        };
        if all_told { Ok(()) } else { self.drain().await }
    }

    /// The same for bytes that passed at known times, such as a handshake's.
    pub(crate) async fn passed_at(
        &self,
        leg: Leg,
        captured: Vec<(Direction, Stamp, Bytes)>,
    ) -> Result<(), RecorderGone> {
        {
            let mut state = self.state();
            for (direction, at, bytes) in captured {
                self.pass(&mut state, leg, direction, at, bytes);
            }
        }
        self.drain().await
    }

    /// Where a wire is to copy what passes it, to be recorded as this leg. It needs
    /// [`Journal::recording`], or the wire waits for ever.
    pub(crate) fn keep(&self, leg: Leg, read_is: Direction, most_bytes: usize) -> Ciphertext {
        let ciphertext = Ciphertext::new(Arc::clone(&self.clock), read_is, most_bytes);
        self.state().ciphertexts.push((leg, ciphertext.clone()));
        ciphertext
    }

    /// Does `work`, and records meanwhile the ciphertext that it leaves.
    pub(crate) async fn recording<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, RecorderGone> {
        let ciphertexts: Vec<_> =
            self.state().ciphertexts.iter().map(|(_, ciphertext)| ciphertext.clone()).collect();
        let keeping = async {
            loop {
                poll_fn(|cx| {
                    // Each is asked, so that each wakes this task.
                    let ready = ciphertexts.iter().filter(|one| one.poll_waiting(cx).is_ready());
                    if ready.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                self.take_ciphertext(&mut self.state());
                if let Err(gone) = self.drain().await {
                    return gone;
                }
            }
        };
        tokio::select! {
            gone = keeping => Err(gone),
            done = work => Ok(done),
        }
    }

    /// One direction of the relay ended in order. One of which this is not said by the end of the
    /// record was cut.
    pub(crate) async fn ended(&self, direction: Direction) -> Result<(), RecorderGone> {
        {
            let mut guard = self.state();
            let state = &mut *guard;
            let at = self.now();
            let stream = self.key(Leg::Relay, direction);
            state.queue.push_back(Event::StreamEnded { stream, at });
            if let Some(observer) = &mut state.observer {
                observer.end(direction, at, &mut state.observed);
            }
            state.take();
        }
        self.drain().await
    }

    /// Returns once nothing has passed for `idle_time`.
    pub(crate) async fn idle(&self, idle_time: Duration) {
        let idle_nanos = u64::try_from(idle_time.as_nanos()).unwrap_or(u64::MAX);
        // The wait before the relay began does not count.
        self.activity.fetch_max(self.now().mono.0, Ordering::Relaxed);
        loop {
            let since = self.now().mono.0.saturating_sub(self.activity.load(Ordering::Relaxed));
            match idle_nanos.checked_sub(since) {
                None | Some(0) => return,
                Some(left) => tokio::time::sleep(Duration::from_nanos(left)).await,
            }
        }
    }

    /// Bytes relayed so far in this direction.
    pub(crate) async fn relayed(&self, direction: Direction) -> u64 {
        let key = self.key(Leg::Relay, direction);
        self.state().relayed.get(&key).copied().unwrap_or(0)
    }

    /// Closes the record: open exchanges, streams, then the connection.
    pub(crate) async fn finish(self, outcome: Outcome) -> Result<(), RecorderGone> {
        self.close(outcome);
        self.drain().await
    }

    fn close(&self, outcome: Outcome) {
        let at = self.now();
        let mut guard = self.state();
        let state = &mut *guard;
        self.take_ciphertext(state);
        if let Some(observer) = &mut state.observer {
            observer.cut(Direction::Up, at, &mut state.observed);
            observer.cut(Direction::Down, at, &mut state.observed);
        }
        state.take();
        if !state.treated {
            let cause = match outcome {
                Outcome::Shutdown => Cause::RunEnded,
                _ => Cause::Closed,
            };
            let failure = Failure {
                stage: state.stage.unwrap_or(Stage::Request),
                side: Side::Landfall,
                cause,
            };
            let (connection, treatment) = (self.connection, Treatment::Failed(failure));
            state.queue.push_back(Event::Treated { connection, at, treatment });
        }
        for (&stream, &relayed) in &state.relayed {
            let closed = StreamClosed { stream, at, relayed };
            state.queue.push_back(Event::StreamClosed(closed));
        }
        state.queue.push_back(Event::Closed(Closed {
            connection: self.connection,
            at,
            outcome,
            timings: state.timings,
        }));
    }

    fn pass(&self, state: &mut State, leg: Leg, direction: Direction, at: Stamp, bytes: Bytes) {
        self.activity.store(at.mono.0, Ordering::Relaxed);
        let stream = self.key(leg, direction);
        *state.relayed.entry(stream).or_default() += bytes.len() as u64;
        if (leg, direction) == (Leg::Relay, Direction::Up)
            && let Some(then) = state.client_speaks.take()
        {
            then();
        }
        if let (Leg::Relay, Some(observer)) = (leg, &mut state.observer) {
            observer.feed(direction, at, &bytes, &mut state.observed);
            // What cannot be read inside one exchange ends that exchange's messages alone.
            let lost = |event: &Event| matches!(event, Event::LostSync { lost, .. } if lost.exchange.is_none());
            if self.on_malformed == OnMalformed::Close && state.observed.iter().any(lost) {
                self.refused.store(true, Ordering::Relaxed);
            }
        }
        // The chunk comes before what points into it.
        state.queue.push_back(Event::Chunk(Chunk { stream, at, bytes }));
        state.take();
    }

    /// Puts the ciphertext that waits into the queue.
    fn take_ciphertext(&self, state: &mut State) {
        let State { ciphertexts, relayed, queue, .. } = state;
        for (leg, ciphertext) in ciphertexts {
            for (direction, at, bytes) in ciphertext.take() {
                let stream = self.key(*leg, direction);
                *relayed.entry(stream).or_default() += bytes.len() as u64;
                queue.push_back(Event::Chunk(Chunk { stream, at, bytes }));
            }
        }
    }

    fn key(&self, leg: Leg, direction: Direction) -> StreamKey {
        StreamKey { connection: self.connection, leg, direction }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The record of a connection whose task panicked is closed with what there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the recorder has taken all that waits. Events go under the lock of their queue
    /// alone, so that two directions that wait both keep their order.
    async fn drain(&self) -> Result<(), RecorderGone> {
        loop {
            let room = self.recorder.room();
            if self.recorder.offer(&mut self.state().queue)? {
                return Ok(());
            }
            room.await;
        }
    }
}

impl State {
    /// Puts what was observed into the queue.
    fn take(&mut self) {
        self.queue.extend(self.observed.drain(..));
    }
}

/// The step that begins when this has been told.
fn stage_after(event: &Event) -> Option<Stage> {
    match event {
        Event::Targeted { target, .. } => Some(match target.host {
            Host::Name(_) => Stage::Resolve,
            Host::Ip(_) => Stage::Connect,
        }),
        Event::Looked(_) => Some(Stage::Connect),
        Event::Dialled(Dialled { result: Ok(_), .. }) => Some(Stage::ClientHello),
        Event::ClientHello { .. } => Some(Stage::UpstreamTls),
        Event::UpstreamTls { .. } => Some(Stage::ClientTls),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
