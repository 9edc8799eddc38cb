//! Questions to one server over TLS or HTTPS, on connections that are kept for the next ones. Never
//! in the clear. No deadline of its own: the caller has one, and who gives up takes his connection
//! with him, so that no late answer is left on it.

use crate::channel::{Channel, Opener};
use crate::exchange::{Extension, Failure, Question};
use flow::limits::Limits;
use hickory_resolver::proto::op::{Message, Query};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// The connections to one server.
pub(crate) struct Encrypted {
    opener: Opener,
    /// Those without a question, the one that was used last at the end.
    idle: Mutex<Vec<Kept>>,
    /// One permit for each connection that may be in use.
    room: Semaphore,
    idle_time: Duration,
}

struct Kept {
    channel: Channel,
    since: Instant,
}

impl Encrypted {
    pub(crate) fn new(opener: Opener, limits: &Limits) -> Self {
        let most = limits.resolver_connections.min(Semaphore::MAX_PERMITS);
        Self {
            opener,
            idle: Mutex::default(),
            room: Semaphore::new(most),
            idle_time: limits.resolver_idle_time,
        }
    }

    /// Asks, on a kept connection if there is one. A server may close those at any time, so what goes
    /// wrong there says nothing, and is tried once more on a new one.
    pub(crate) async fn ask(
        &self,
        query: &Query,
        extension: Extension,
    ) -> Result<Message, Failure> {
        let question = match self.opener.is_http() {
            // RFC 8484 section 4.1.
            true => Question::with_id(0, query, extension)?,
            false => Question::new(query, extension)?,
        };
        let closed = |_never| Failure::Unreachable("no connection may be made".to_owned());
        let _permit = self.room.acquire().await.map_err(closed)?;
        if let Some(channel) = self.take() {
            match timeout(KEPT_PATIENCE, self.ask_on(channel, &question)).await {
                Ok(Ok(message)) => return Ok(message),
                Ok(Err(failure @ Failure::Server(_))) => return Err(failure),
                // What one of them suffered, the others did too.
                Ok(Err(_)) | Err(_) => self.idle().clear(),
            }
        }
        self.ask_on(self.opener.open().await?, &question).await
    }

    async fn ask_on(
        &self,
        mut channel: Channel,
        question: &Question<'_>,
    ) -> Result<Message, Failure> {
        let bytes = channel.exchange(&question.bytes).await?;
        let message = question.answered_by(&bytes).unwrap_or(Err(Failure::Unreadable))?;
        self.idle().push(Kept { channel, since: Instant::now() });
        Ok(message)
    }

    fn take(&self) -> Option<Channel> {
        let mut idle = self.idle();
        idle.retain(|kept| kept.since.elapsed() < self.idle_time);
        idle.pop().map(|kept| kept.channel)
    }

    /// A panic elsewhere leaves the list usable, so poison carries no news.
    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time after which a kept connection that does not answer is taken for dead.
const KEPT_PATIENCE: Duration = Duration::from_secs(1);
