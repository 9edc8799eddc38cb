//! The epochs of the machine's network: when it changes, a new one begins and is told. Round trips
//! belong to the epoch in which they were measured. What a network is, is read elsewhere.

use feed::Sender;
use flow::event::Event;
use flow::time::SharedClock;
use flow::uplink::{Epoch, Uplink};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The network of the machine, watched while the proxy serves.
pub struct Epochs {
    read: Box<dyn Fn() -> Option<Uplink> + Send + Sync>,
    /// The number of the epoch; 0 before the first.
    current: AtomicU64,
    suspected: Notify,
}

impl fmt::Debug for Epochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epochs").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Epochs {
    /// Has the network read by `read`, again and again.
    pub fn new(read: impl Fn() -> Option<Uplink> + Send + Sync + 'static) -> Self {
        let (current, suspected) = (AtomicU64::new(0), Notify::new());
        Self { read: Box::new(read), current, suspected }
    }

    /// The epoch that lasts.
    pub(crate) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Something failed as it does when the network has changed: it is read at once.
    pub(crate) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Tells the first epoch, then every change. Never returns.
    pub(crate) async fn watch(
        &self,
        events: Sender,
        clock: &SharedClock,
        upstream_proxy: bool,
    ) -> Infallible {
        let mut known = None;
        loop {
            let uplink = (self.read)();
            if known.as_ref() != Some(&uplink) {
                let number = self.current() + 1;
                let at = clock.now();
                let epoch = Epoch { number, at, uplink: uplink.clone(), upstream_proxy };
                // What was measured meanwhile is of neither epoch.
                self.current.store(number, Ordering::Release);
                if events.send(Event::Network(Box::new(epoch))).await.is_err() {
                    drop(events);
                    return std::future::pending().await;
                }
                known = Some(uplink);
            }
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                () = self.suspected.notified() => tokio::time::sleep(LEAST_PAUSE).await,
            }
        }
    }
}

const READ_EVERY: Duration = Duration::from_secs(3);
/// Between two readings, however much fails.
const LEAST_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
    use flow::uplink::DefaultRoute;
    use std::sync::{Arc, Mutex};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Stamp {
            Stamp { wall: WallNanos(1), mono: MonoNanos(1) }
        }
    }

    #[tokio::test]
    async fn each_change_begins_an_epoch() {
        let network = Arc::new(Mutex::new(Some(Uplink::default())));
        let read = Arc::clone(&network);
        let epochs = Arc::new(Epochs::new(move || read.lock().unwrap().clone()));
        let (events, mut received) = feed::channel(1 << 16);
        let clock: SharedClock = Arc::new(Still);
        let watched = Arc::clone(&epochs);
        let watch = tokio::spawn(async move { watched.watch(events, &clock, true).await });
        let mut told = async || {
            let mut batch = Vec::new();
            received.recv_many(&mut batch, 8).await;
            let Some(Event::Network(epoch)) = batch.pop() else { panic!("no epoch") };
            assert!(batch.is_empty() && epoch.upstream_proxy);
            (epoch.number, epoch.uplink.map(|uplink| uplink.default_routes.len()))
        };
        assert_eq!(told().await, (1, Some(0)));
        epochs.suspect();
        tokio::time::sleep(LEAST_PAUSE * 2).await;
        let route = DefaultRoute { interface: "eth0".to_owned(), gateway: None };
        network.lock().unwrap().as_mut().unwrap().default_routes.push(route);
        epochs.suspect();
        assert_eq!(told().await, (2, Some(1)));
        *network.lock().unwrap() = None;
        epochs.suspect();
        assert_eq!(told().await, (3, None));
        assert_eq!(epochs.current(), 3);
        watch.abort();
    }
}
