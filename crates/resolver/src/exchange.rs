//! One question to one server in the clear, over UDP or TCP, RFC 1035 section 4.2. No deadline of its own: the
//! caller has one. Only what belongs to the question is taken for an answer; what the answer means
//! is not judged here.
//!
//! Each question has a fresh random id and, over UDP, a socket with a fresh port that is connected to
//! the server: the kernel drops what others send, and a refusing server is noticed at once.

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Why a server gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered, and the answer is a failure; the RCODE's mnemonic or what is wrong.
    Server(String),
    /// It was silent.
    TimedOut,
    /// It could not be asked: the operating system's words, or what is wrong with its TLS or HTTP.
    Unreachable(String),
    /// It answered, and the answer was cut or cannot be read.
    Unreadable,
}

impl Failure {
    /// How much it says: an answer more than silence, silence more than our own trouble.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Server(_) => 3,
            Self::Unreadable => 2,
            Self::TimedOut => 1,
            Self::Unreachable(_) => 0,
        }
    }
}

/// Whom to ask, and how its socket is marked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) mark: Option<u32>,
}

/// What is asked beside the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// EDNS without options (RFC 6891): above all, no subnet of the asking machine (RFC 7871).
    Edns,
    None,
}

/// Asks over UDP, again every second until an answer comes.
pub(crate) async fn over_udp(
    peer: Peer,
    query: &Query,
    extension: Extension,
) -> Result<Message, Failure> {
    let question = Question::new(query, extension)?;
    let plain = spelled(question.id, query, Extension::None)?;
    let any = match peer.address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unreachable)?;
    set_mark(&SockRef::from(&socket), peer.mark).map_err(unreachable)?;
    socket.connect(peer.address).await.map_err(unreachable)?;
    let mut bytes = &question.bytes;
    loop {
        socket.send(bytes).await.map_err(unreachable)?;
        if let Ok(answer) = timeout(REPEAT, question.receive(&socket)).await {
            return answer;
        }
        // Something on the way may drop what it does not know.
        bytes = &plain;
    }
}

/// Asks over a TCP connection of its own.
pub(crate) async fn over_tcp(
    peer: Peer,
    query: &Query,
    extension: Extension,
) -> Result<Message, Failure> {
    let question = Question::new(query, extension)?;
    let mut stream = connect(peer).await?;
    let length = u16::try_from(question.bytes.len()).map_err(|_overflow| Failure::Unreadable)?;
    let framed = [length.to_be_bytes().as_slice(), &question.bytes].concat();
    stream.write_all(&framed).await.map_err(unreachable)?;
    let length = stream.read_u16().await.map_err(unreachable)?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.map_err(unreachable)?;
    question.answered_by(&bytes).unwrap_or(Err(Failure::Unreadable))
}

/// A TCP connection.
pub(crate) async fn connect(peer: Peer) -> Result<TcpStream, Failure> {
    let socket = match peer.address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(unreachable)?;
    set_mark(&SockRef::from(&socket), peer.mark).map_err(unreachable)?;
    socket.connect(peer.address).await.map_err(unreachable)
}

#[cfg(target_os = "linux")]
fn set_mark(socket: &SockRef<'_>, mark: Option<u32>) -> io::Result<()> {
    mark.map_or(Ok(()), |mark| socket.set_mark(mark))
}

/// On another system look-ups go without a mark; what is dialled afterwards is refused one.
#[cfg(not(target_os = "linux"))]
fn set_mark(_: &SockRef<'_>, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

/// A question as it is sent.
pub(crate) struct Question<'a> {
    query: &'a Query,
    id: u16,
    pub(crate) bytes: Vec<u8>,
}

impl<'a> Question<'a> {
    pub(crate) fn new(query: &'a Query, extension: Extension) -> Result<Self, Failure> {
        Self::with_id(Message::query().metadata.id, query, extension)
    }

    /// One with a given id, where the connection already tells answers apart.
    pub(crate) fn with_id(
        id: u16,
        query: &'a Query,
        extension: Extension,
    ) -> Result<Self, Failure> {
        Ok(Self { query, id, bytes: spelled(id, query, extension)? })
    }

    async fn receive(&self, socket: &UdpSocket) -> Result<Message, Failure> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(unreachable)?;
            if let Some(answer) = self.answered_by(buffer.get(..length).unwrap_or_default()) {
                return answer;
            }
        }
    }

    /// The message in `bytes`, or `None` when it does not answer this question.
    pub(crate) fn answered_by(&self, bytes: &[u8]) -> Option<Result<Message, Failure>> {
        if bytes.get(..2) != Some(self.id.to_be_bytes().as_slice()) {
            return None;
        }
        let Ok(message) = Message::from_vec(bytes) else { return Some(Err(Failure::Unreadable)) };
        // Some servers leave the question out when they refuse it.
        let asked = match message.queries.as_slice() {
            [query] => query == self.query,
            [] => message.metadata.response_code != ResponseCode::NoError,
            _ => false,
        };
        let is_answer = message.metadata.message_type == MessageType::Response
            && message.metadata.op_code == OpCode::Query;
        (asked && is_answer).then_some(Ok(message))
    }
}

/// A query as it is sent. The AD bit asks whether the server holds the answer for authentic, without
/// the signatures themselves (RFC 6840 section 5.7).
fn spelled(id: u16, query: &Query, extension: Extension) -> Result<Vec<u8>, Failure> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.metadata.authentic_data = true;
    message.add_query(query.clone());
    if extension == Extension::Edns {
        let mut edns = Edns::new();
        edns.set_max_payload(EDNS_PAYLOAD);
        message.set_edns(edns);
    }
    message.to_vec().map_err(|_never| Failure::Unreadable)
}

/// The error without our own context, which the record gives.
pub(crate) fn unreachable(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::TimedOut,
        _ => Failure::Unreachable(error.to_string()),
    }
}

/// Time after which an unanswered datagram is sent again.
const REPEAT: Duration = Duration::from_secs(1);

/// Bytes of a datagram that servers are told to send at most: what passes most paths in one piece.
const EDNS_PAYLOAD: u16 = 1_232;

/// Bytes of a datagram that are read.
const MAX_DATAGRAM: usize = 4096;
