//! What the kernel measured of a TCP connection: the round-trip times of its `tcp_info`, asked for over
//! netlink (sock_diag(7)), which takes no unsafe code as the socket option would. Linux alone; where
//! the kernel does not answer at once there is nothing, and nobody waits.

use flow::round_trip::KernelTimes;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// The times of a connection of this machine, as they are now.
pub(crate) fn of(tcp: &TcpStream) -> Option<KernelTimes> {
    let question = question(tcp.local_addr().ok()?, tcp.peer_addr().ok()?)?;
    let answer = ask(&question).ok()?;
    times(&answer)
}

/// The kernel answers about one socket while it is asked.
fn ask(question: &[u8]) -> io::Result<Vec<u8>> {
    let kind = Type::DGRAM.cloexec().nonblocking();
    let socket = Socket::new(Domain::from(AF_NETLINK), kind, Some(Protocol::from(SOCK_DIAG)))?;
    socket.send(question)?;
    let mut answer = vec![0; MOST_ANSWER];
    let length = (&socket).read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// `nlmsghdr`, then `inet_diag_req_v2` (linux/inet_diag.h); integers are the machine's, ports and
/// addresses the network's.
fn question(local: SocketAddr, remote: SocketAddr) -> Option<Vec<u8>> {
    let family = match (local, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => AF_INET,
        (SocketAddr::V6(_), SocketAddr::V6(_)) => AF_INET6,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(QUESTION_BYTES as usize);
    bytes.extend(QUESTION_BYTES.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence number and port: the socket has one question.
    bytes.extend([0; 8]);
    bytes.extend([family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    // Every state.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    bytes.extend(padded(local.ip()));
    bytes.extend(padded(remote.ip()));
    // Any interface, and no cookie (INET_DIAG_NOCOOKIE).
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    Some(bytes)
}

fn padded(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            let (first, _) = bytes.split_at_mut(4);
            first.copy_from_slice(&v4.octets());
            bytes
        }
    }
}

/// Reads `nlmsghdr`, `inet_diag_msg` and its attributes.
fn times(answer: &[u8]) -> Option<KernelTimes> {
    if u16_at(answer, 4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let length = usize::try_from(u32_at(answer, 0)?).ok()?;
    let mut attributes = answer.get(HEADER_BYTES + DIAG_BYTES..length)?;
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        let value = attributes.get(4..length)?;
        if kind == u16::from(INET_DIAG_INFO) {
            return of_info(value);
        }
        attributes = attributes.get(length.checked_next_multiple_of(4)?..)?;
    }
}

/// `tcp_info` (linux/tcp.h), in microseconds. Kernels append to it; an old one may end before the least.
fn of_info(info: &[u8]) -> Option<KernelTimes> {
    let micros = |at| Some(Duration::from_micros(u64::from(u32_at(info, at)?)));
    // Zero and all ones are what is there before anything was measured.
    let measured =
        |time: &Duration| !time.is_zero() && *time < Duration::from_micros(u64::from(u32::MAX));
    let smoothed = micros(TCPI_RTT).filter(measured)?;
    Some(KernelTimes { smoothed, least: micros(TCPI_MIN_RTT).filter(measured) })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_NETLINK: i32 = 16;
/// NETLINK_SOCK_DIAG.
const SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u8 = 2;
const QUESTION_BYTES: u32 = 72;
const HEADER_BYTES: usize = 16;
const DIAG_BYTES: usize = 72;
const TCPI_RTT: usize = 68;
const TCPI_MIN_RTT: usize = 148;
const MOST_ANSWER: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn info(rtt: u32, min_rtt: u32) -> Vec<u8> {
        let mut info = vec![0; 232];
        info[TCPI_RTT..][..4].copy_from_slice(&rtt.to_ne_bytes());
        info[TCPI_MIN_RTT..][..4].copy_from_slice(&min_rtt.to_ne_bytes());
        info
    }

    /// An answer with another attribute of five bytes before the times.
    fn answer(info: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + DIAG_BYTES];
        bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        for (kind, value) in [(9_u16, [7_u8; 5].as_slice()), (INET_DIAG_INFO.into(), info)] {
            let length = u16::try_from(value.len() + 4).unwrap();
            bytes.extend([length.to_ne_bytes(), kind.to_ne_bytes()].concat());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[track_caller]
    fn check(info: &[u8], expected: Option<(u64, Option<u64>)>) {
        let micros = Duration::from_micros;
        let expected = expected
            .map(|(rtt, least)| KernelTimes { smoothed: micros(rtt), least: least.map(micros) });
        assert_eq!(times(&answer(info)), expected);
    }

    #[test]
    fn the_times_are_found_among_the_attributes() {
        check(&info(1_500, 900), Some((1_500, Some(900))));
        check(&info(1_500, u32::MAX), Some((1_500, None)));
        check(&info(0, u32::MAX), None);
        check(&info(1_500, 900)[..104], Some((1_500, None)));
        check(&[], None);
    }

    #[test]
    fn any_damage_to_an_answer_is_read_without_a_panic() {
        let whole = answer(&info(1_500, 900));
        for at in 0..whole.len() {
            assert_eq!(times(&whole[..at]), None, "{at}");
            for value in [0, 1, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                times(&damaged);
            }
        }
    }

    /// Where the kernel has no sock_diag there is nothing, which is no error.
    #[tokio::test]
    async fn the_kernel_tells_the_times_of_a_connection_or_nothing() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut [0]).await.unwrap();
            if let Some(times) = of(&client) {
                let within = Duration::from_secs(60);
                assert!(times.smoothed < within && times.least.is_none_or(|least| least < within));
            }
        }
    }
}
