//! The channel of [`Event`]s from the proxy to the recorder, bounded in bytes. It is the only thing
//! that these two siblings share. A sender waits while the events in flight weigh more than the
//! bound, so a slow recorder slows connections and nothing is dropped.

use flow::event::Event;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A channel whose events in flight weigh at most `limit_bytes` (one heavier event passes alone).
pub fn channel(limit_bytes: usize) -> (Sender, Receiver) {
    let limit = u32::try_from(limit_bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    // The weight bounds the queue; the count only has to be large enough never to bind first.
    let (queue, events) = mpsc::channel(limit as usize / MINIMUM_WEIGHT_BYTES + 1);
    let room = Arc::new(Semaphore::new(limit as usize));
    (Sender { queue, room: Arc::clone(&room), limit }, Receiver { events, room })
}

/// The proxy's end. Clones share the bound; the channel ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::Sender<InFlight>,
    room: Arc<Semaphore>,
    limit: u32,
}

impl Sender {
    /// Hands an event over, after waiting for room.
    ///
    /// # Errors
    /// [`RecorderGone`] when the receiver was dropped: nothing more can be recorded.
    pub async fn send(&self, event: Event) -> Result<(), RecorderGone> {
        self.reserve(event.weight()).await?.send(event);
        Ok(())
    }

    /// Whether the recorder takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Returns once the recorder takes nothing any more.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Waits for room of `weight` bytes ([`Event::weight`]), so that an event can then be handed
    /// over without a wait and a caller that is cancelled while it waits still owns the event.
    ///
    /// # Errors
    /// [`RecorderGone`] as for [`Sender::send`].
    pub async fn reserve(&self, weight: usize) -> Result<Reserved<'_>, RecorderGone> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).clamp(1, self.limit);
        let slot = self.queue.reserve().await.map_err(|_closed| RecorderGone)?;
        let room = Arc::clone(&self.room)
            .acquire_many_owned(weight)
            .await
            .map_err(|_closed| RecorderGone)?;
        Ok(Reserved { slot, room })
    }
}

/// Room for one event.
#[derive(Debug)]
pub struct Reserved<'a> {
    slot: mpsc::Permit<'a, InFlight>,
    room: OwnedSemaphorePermit,
}

impl Reserved<'_> {
    /// Hands the event over.
    pub fn send(self, event: Event) {
        self.slot.send(InFlight { event, _room: self.room });
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct Receiver {
    events: mpsc::Receiver<InFlight>,
    room: Arc<Semaphore>,
}

impl Receiver {
    /// Waits for events and moves up to `most` of them into `batch`; 0 when all senders are gone.
    /// An event's room is given back when it is dropped, so drop it only once it is handled.
    pub async fn recv_many(&mut self, batch: &mut Vec<InFlight>, most: usize) -> usize {
        self.events.recv_many(batch, most).await
    }
}

impl Receiver {
    /// Takes nothing more in: senders get [`RecorderGone`] from here on. What was handed over
    /// before can still be received.
    pub fn close(&mut self) {
        self.room.close();
        self.events.close();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// An event together with the room that it takes up.
#[derive(Debug)]
pub struct InFlight {
    pub event: Event,
    _room: OwnedSemaphorePermit,
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

const MINIMUM_WEIGHT_BYTES: usize = 256;

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
        assert_eq!(receiver.recv_many(&mut batch, 10).await, 2);
        assert!(!third.is_finished(), "events that are received but not handled still count");
        batch.clear();
        tokio::time::timeout(Duration::from_secs(30), third).await.unwrap().unwrap().unwrap();
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
