//! The channel of [`Event`]s from the proxy to the recorder, bounded in bytes. It is the only thing
//! that these two siblings share. A sender waits while the events in flight weigh the bound or more,
//! so a slow recorder slows connections and nothing is dropped.
//!
//! One lock guards one queue, and several events pass under one locking of it: at the rates of small
//! exchanges a semaphore and a wake per event cost more than recording the event.

use flow::event::Event;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A channel that takes an event while those in flight weigh less than `limit_bytes`; so they weigh
/// at most as much and one event more.
pub fn channel(limit_bytes: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { senders: 1, ..State::default() }),
        limit: limit_bytes.max(1),
        filled: Notify::new(),
        room: Notify::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, taken: 0 })
}

struct Shared {
    state: Mutex<State>,
    limit: usize,
    /// The receiver waits for events, or for the last sender to go.
    filled: Notify,
    /// Senders wait for room, or for the receiver to go.
    room: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Event>,
    /// Of the events in the queue and of those that are being handled.
    weight: usize,
    senders: usize,
    receiver_gone: bool,
    receiver_waits: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between two consistent states of a queue and its weight can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, weight: usize) {
        if weight == 0 {
            return;
        }
        let was_full = {
            let mut state = self.lock();
            let was_full = state.weight >= self.limit;
            state.weight = state.weight.saturating_sub(weight);
            was_full
        };
        if was_full {
            self.room.notify_waiters();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The proxy's end. Clones share the bound; the channel ends when the last one is dropped.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Hands an event over, after waiting for room.
    ///
    /// # Errors
    /// [`RecorderGone`] when the receiver was dropped: nothing more can be recorded.
    pub async fn send(&self, event: Event) -> Result<(), RecorderGone> {
        let mut events = VecDeque::from([event]);
        loop {
            let room = self.room();
            if self.offer(&mut events)? {
                return Ok(());
            }
            room.await;
        }
    }

    /// Whether the recorder takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().receiver_gone
    }

    /// Returns once the recorder takes nothing any more.
    pub async fn closed(&self) {
        loop {
            let room = self.room();
            if self.is_closed() {
                return;
            }
            room.await;
        }
    }

    /// Hands over as many events as there is room for, from the front, without a wait; `true` when
    /// none is left. A caller that is cancelled while it waits still owns the others.
    ///
    /// # Errors
    /// [`RecorderGone`] as for [`Sender::send`].
    pub fn offer(&self, events: &mut VecDeque<Event>) -> Result<bool, RecorderGone> {
        let mut wakes = false;
        {
            let mut state = self.shared.lock();
            if state.receiver_gone {
                return Err(RecorderGone);
            }
            while state.weight < self.shared.limit
                && let Some(event) = events.pop_front()
            {
                state.weight += event.weight();
                state.queue.push_back(event);
                wakes = true;
            }
            // Whoever hands nothing over does not take note of the wait either.
            wakes = wakes && std::mem::take(&mut state.receiver_waits);
        }
        if wakes {
            self.shared.filled.notify_one();
        }
        Ok(events.is_empty())
    }

    /// Completes when there may be room again. Ask for it before the [`Sender::offer`] that it
    /// follows, so that no room is missed.
    pub fn room(&self) -> Notified<'_> {
        self.shared.room.notified()
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let last = {
            let mut state = self.shared.lock();
            state.senders -= 1;
            state.senders == 0
        };
        if last {
            self.shared.filled.notify_one();
        }
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    /// Of the events that were handed out last.
    taken: usize,
}

impl Receiver {
    /// Waits for events and moves up to `most` of them into `batch`, but no more than a part of the
    /// bound, so that room comes back while the rest is handled; 0 when nothing can come any more:
    /// all senders are gone, or this end was closed. With a call the events of the one before it
    /// count as handled.
    pub async fn recv_many(&mut self, batch: &mut Vec<Event>, most: usize) -> usize {
        self.handled();
        loop {
            let filled = {
                let mut state = self.shared.lock();
                let before = batch.len();
                while batch.len() - before < most
                    && self.taken <= self.shared.limit / PARTS
                    && let Some(event) = state.queue.pop_front()
                {
                    self.taken += event.weight();
                    batch.push(event);
                }
                if batch.len() > before {
                    return batch.len() - before;
                }
                if state.senders == 0 || state.receiver_gone {
                    return 0;
                }
                state.receiver_waits = true;
                self.shared.filled.notified()
            };
            filled.await;
        }
    }

    /// Nothing waits to be received.
    pub fn is_empty(&self) -> bool {
        self.shared.lock().queue.is_empty()
    }

    /// Gives the room of the events that were handed out last back.
    pub fn handled(&mut self) {
        self.shared.give_back(std::mem::take(&mut self.taken));
    }

    /// Takes nothing more in: senders get [`RecorderGone`] from here on. What was handed over
    /// before can still be received.
    pub fn close(&mut self) {
        self.shared.lock().receiver_gone = true;
        self.shared.room.notify_waiters();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

/// The recorder has stopped: it failed, or it was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderGone;

impl fmt::Display for RecorderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the recorder has stopped")
    }
}

impl std::error::Error for RecorderGone {}

/// Into so many parts the bound is divided for [`Receiver::recv_many`].
const PARTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::event::{Closed, Timings};
    use flow::id::ConnectionId;
    use flow::time::{MonoNanos, Stamp, WallNanos};
    use flow::treatment::Outcome;
    use std::time::Duration;

    fn event(number: u64) -> Event {
        Event::Closed(Closed {
            connection: ConnectionId(number),
            at: Stamp { wall: WallNanos(0), mono: MonoNanos(0) },
            outcome: Outcome::Completed,
            timings: Timings::default(),
        })
    }

    #[tokio::test]
    async fn a_full_channel_makes_the_sender_wait_until_an_event_is_handled() {
        let weight = event(0).weight();
        let (sender, mut receiver) = channel(2 * weight);
        sender.send(event(1)).await.unwrap();
        sender.send(event(2)).await.unwrap();
        let third = tokio::spawn({
            let sender = sender.clone();
            async move { sender.send(event(3)).await }
        });
        tokio::task::yield_now().await;
        let mut batch = Vec::new();
        assert_eq!(receiver.recv_many(&mut batch, 10).await, 1);
        assert!(!third.is_finished(), "events that are received but not handled still count");
        receiver.handled();
        tokio::time::timeout(Duration::from_secs(30), third).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_empty_offer_does_not_lose_the_wake_of_the_next() {
        let (sender, mut receiver) = channel(1 << 20);
        let received = tokio::spawn(async move {
            let mut batch = Vec::new();
            receiver.recv_many(&mut batch, 10).await
        });
        tokio::task::yield_now().await;
        assert_eq!(sender.offer(&mut VecDeque::new()), Ok(true));
        sender.send(event(1)).await.unwrap();
        let received = tokio::time::timeout(Duration::from_secs(30), received).await;
        assert_eq!(received.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_stopped_recorder_is_an_error_not_a_wait() {
        let (sender, receiver) = channel(1);
        drop(receiver);
        assert_eq!(sender.send(event(1)).await, Err(RecorderGone));
    }

    #[tokio::test]
    async fn what_was_handed_over_before_the_end_is_still_received() {
        let (sender, mut receiver) = channel(1 << 20);
        sender.send(event(1)).await.unwrap();
        assert!(!sender.is_closed());
        receiver.close();
        assert_eq!(sender.send(event(2)).await, Err(RecorderGone));
        sender.closed().await;
        let mut batch = Vec::new();
        assert_eq!(receiver.recv_many(&mut batch, 10).await, 1);
        assert_eq!(receiver.recv_many(&mut batch, 10).await, 0);
    }

    #[tokio::test]
    async fn an_event_heavier_than_the_bound_passes_alone() {
        let (sender, mut receiver) = channel(10);
        sender.send(event(1)).await.unwrap();
        let mut batch = Vec::new();
        assert_eq!(receiver.recv_many(&mut batch, 10).await, 1);
    }
}
