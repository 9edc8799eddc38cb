//! TCP connections to addresses of an upstream: the first that answers is taken, and the next is
//! tried when the one before has failed or been silent for a while (RFC 8305 section 5). Knows
//! neither names nor rules; every attempt is told, those that were given up before the one that
//! won.

use flow::limits::Limits;
use flow::time::{SharedClock, Stamp};
use flow::treatment::Cause;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// What dialling takes.
pub(crate) struct Dialling<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) clock: &'a SharedClock,
    /// `SO_MARK` of the sockets.
    pub(crate) mark: Option<u32>,
}

/// One attempt that came to its end.
pub(crate) struct Attempt {
    /// Which of the addresses.
    pub(crate) index: usize,
    pub(crate) began: Stamp,
    pub(crate) took: Duration,
    /// Why it failed; `None` of the one that connected.
    pub(crate) failure: Option<Cause>,
}

impl Dialling<'_> {
    /// Connects to the first address that answers. Returns all attempts in the order in which they
    /// ended, the one that connected last.
    pub(crate) async fn first(
        &self,
        addresses: &[SocketAddr],
    ) -> (Option<TcpStream>, Vec<Attempt>) {
        let total = self.limits.connect_time.saturating_mul(ALL_ADDRESSES_FACTOR);
        let deadline = Instant::now() + total;
        let mut ended = Vec::new();
        let mut begun = BTreeMap::new();
        let mut running = JoinSet::new();
        let mut left = addresses.iter().copied().enumerate();
        let mut next = left.next();
        let mut next_at = Instant::now();
        loop {
            if next.is_none() && running.is_empty() {
                return (None, ended);
            }
            tokio::select! {
                biased;
                Some(result) = running.join_next() => {
                    let Ok((index, connected)) = result else { continue };
                    let began = begun.remove(&index).unwrap_or_else(|| self.clock.now());
                    let attempt = self.attempt(index, began, None);
                    match connected {
                        Ok(tcp) => {
                            ended.extend(self.given_up(begun, false));
                            ended.push(attempt);
                            return (Some(tcp), ended);
                        }
                        Err(cause) => ended.push(Attempt { failure: Some(cause), ..attempt }),
                    }
                    next_at = Instant::now();
                }
                () = sleep_until(next_at), if next.is_some() => {
                    if let Some((index, address)) = next {
                        begun.insert(index, self.clock.now());
                        let (mark, time) = (self.mark, self.limits.connect_time);
                        running.spawn(async move { (index, connect(address, mark, time).await) });
                    }
                    next = left.next();
                    next_at = Instant::now() + self.limits.dial_stagger;
                }
                () = sleep_until(deadline) => {
                    ended.extend(self.given_up(begun, true));
                    return (None, ended);
                }
            }
        }
    }

    fn attempt(&self, index: usize, began: Stamp, failure: Option<Cause>) -> Attempt {
        Attempt { index, began, took: self.clock.now().mono.since(began.mono), failure }
    }

    /// Attempts that ran when it was over: for lack of time, or because another address answered.
    fn given_up(&self, begun: BTreeMap<usize, Stamp>, is_late: bool) -> Vec<Attempt> {
        let cause = || match is_late {
            true => Cause::TimedOut,
            false => Cause::Io("given up when another address answered".to_owned()),
        };
        begun.into_iter().map(|(index, at)| self.attempt(index, at, Some(cause()))).collect()
    }
}

/// Connects to one address, from a socket with this mark.
///
/// # Errors
/// Why it failed; [`Cause::Io`] where the socket could not be marked.
pub async fn connect(
    address: SocketAddr,
    mark: Option<u32>,
    time: Duration,
) -> Result<TcpStream, Cause> {
    let connecting = async {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(mark) = mark {
            set_mark(&SockRef::from(&socket), mark)?;
        }
        socket.connect(address).await
    };
    match timeout(time, connecting).await {
        Ok(connected) => connected.map_err(|error| unconnected(&error)),
        Err(_elapsed) => Err(Cause::TimedOut),
    }
}

/// Marks a socket that is used for nothing else.
pub(crate) fn try_mark(mark: u32) -> io::Result<()> {
    set_mark(&SockRef::from(&TcpSocket::new_v4()?), mark)
}

/// The families take turns, beginning with that of the first address (RFC 8305 section 4).
pub(crate) fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first_is_v4) = addresses.first().map(SocketAddr::is_ipv4) else { return addresses };
    let (mine, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut mine, mut others) = (mine.into_iter(), others.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = [mine.next(), others.next()];
        if pair == [None, None] {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn set_mark(socket: &SockRef<'_>, mark: u32) -> io::Result<()> {
    let told = |error: io::Error| {
        io::Error::new(error.kind(), format!("the socket could not be marked: {error}"))
    };
    socket.set_mark(mark).map_err(told)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn set_mark(_: &SockRef<'_>, _: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "sockets can be marked on Linux alone"))
}

fn unconnected(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::ConnectionReset => Cause::Reset,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Cause::Unreachable(error.to_string())
        }
        _ => Cause::Io(error.to_string()),
    }
}

/// All addresses of a target together get this many times the time of one.
const ALL_ADDRESSES_FACTOR: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], expected: &[&str]) {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(interleaved(parse(addresses)), parse(expected));
    }

    #[test]
    fn families_take_turns() {
        check(&[], &[]);
        let (a, b, c, d, e) = ("1.1.1.1:1", "2.2.2.2:1", "[::1]:1", "[::2]:1", "[::3]:1");
        check(&[c, d, e, a, b], &[c, a, d, b, e]);
        check(&[a, b, c], &[a, c, b]);
        check(&[a, b], &[a, b]);
    }
}
