//! The ciphertext of one leg on its way to the recorder: a copy of what passes a wire waits here until
//! the journal takes it. What waits is bounded: past the bound the wire waits too, so that a slow
//! recorder slows the peers and nothing is lost. Records nothing itself.

use bytes::Bytes;
use flow::stream::Direction;
use flow::time::{SharedClock, Stamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes that passed a wire, with their times. Clones share what waits.
#[derive(Clone)]
pub(crate) struct Ciphertext {
    clock: SharedClock,
    /// What a read from the wire counts as.
    read_is: Direction,
    most_bytes: usize,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    passed: Vec<(Direction, Stamp, Bytes)>,
    bytes: usize,
    /// Who reads the wire, who writes it, and who takes what waits.
    reader: Option<Waker>,
    writer: Option<Waker>,
    taker: Option<Waker>,
}

impl Ciphertext {
    pub(crate) fn new(clock: SharedClock, read_is: Direction, most_bytes: usize) -> Self {
        Self { clock, read_is, most_bytes, waiting: Arc::default() }
    }

    /// What a read from the wire counts as.
    pub(crate) fn read_is(&self) -> Direction {
        self.read_is
    }

    /// Ready while more may pass in this direction; else when what waits was taken.
    pub(crate) fn poll_room(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if waiting.bytes < self.most_bytes {
            return Poll::Ready(());
        }
        let waits =
            if direction == self.read_is { &mut waiting.reader } else { &mut waiting.writer };
        *waits = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Copies what passed. Room was asked for before: one read or write may go past the bound.
    pub(crate) fn push(&self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut waiting = self.waiting();
        waiting.passed.push((direction, self.clock.now(), Bytes::copy_from_slice(bytes)));
        waiting.bytes += bytes.len();
        if let Some(taker) = waiting.taker.take() {
            taker.wake();
        }
    }

    /// Takes what waits, in the order in which it passed.
    pub(crate) fn take(&self) -> Vec<(Direction, Stamp, Bytes)> {
        let mut waiting = self.waiting();
        waiting.bytes = 0;
        for waker in [waiting.reader.take(), waiting.writer.take()].into_iter().flatten() {
            waker.wake();
        }
        std::mem::take(&mut waiting.passed)
    }

    /// Ready when something waits.
    pub(crate) fn poll_waiting(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if !waiting.passed.is_empty() {
            return Poll::Ready(());
        }
        waiting.taker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::time::{Clock, MonoNanos, WallNanos};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Stamp {
            Stamp { wall: WallNanos(0), mono: MonoNanos(0) }
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wire_waits_past_the_bound_until_what_waits_was_taken() {
        let ciphertext = Ciphertext::new(Arc::new(Still), Direction::Down, 4);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(ciphertext.poll_waiting(&mut cx).is_pending());
        ciphertext.push(Direction::Down, b"abc");
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "whoever takes is told");
        assert!(ciphertext.poll_waiting(&mut cx).is_ready());
        assert!(ciphertext.poll_room(Direction::Up, &mut cx).is_ready());
        ciphertext.push(Direction::Up, b"de");
        for direction in [Direction::Up, Direction::Down] {
            assert!(ciphertext.poll_room(direction, &mut cx).is_pending());
        }
        let taken: Vec<_> =
            ciphertext.take().into_iter().map(|(side, _, bytes)| (side, bytes)).collect();
        let expected = [(Direction::Down, Bytes::from("abc")), (Direction::Up, Bytes::from("de"))];
        assert_eq!(taken, expected);
        assert_eq!(woken.0.load(Ordering::Relaxed), 3, "both sides of the wire go on");
        assert!(ciphertext.poll_room(Direction::Down, &mut cx).is_ready());
    }
}
