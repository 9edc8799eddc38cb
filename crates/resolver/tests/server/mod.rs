//! A DNS server on loopback that does what a test tells it, over UDP and TCP on one port.

use flow::dns::Transport;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// One question as it arrived.
pub(crate) struct Asked {
    pub(crate) transport: Transport,
    pub(crate) id: u16,
    pub(crate) kind: RecordType,
    pub(crate) message: Message,
    pub(crate) bytes: Vec<u8>,
}

/// What the server does about a question.
pub(crate) enum Does {
    Answer(Message),
    Bytes(Vec<u8>),
    Several(Vec<Vec<u8>>),
    Late(Duration, Box<Self>),
    Nothing,
}

impl Does {
    pub(crate) async fn messages(mut self) -> Vec<Vec<u8>> {
        while let Self::Late(time, then) = self {
            tokio::time::sleep(time).await;
            self = *then;
        }
        match self {
            Self::Answer(message) => vec![message.to_vec().unwrap()],
            Self::Bytes(bytes) => vec![bytes],
            Self::Several(messages) => messages,
            Self::Late(..) | Self::Nothing => Vec::new(),
        }
    }
}

/// A server that stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Transport>>>,
    _tasks: JoinSet<()>,
}

type Behaviour = Arc<dyn Fn(&Asked) -> Does + Send + Sync>;
type Log = Arc<Mutex<Vec<Transport>>>;

impl Server {
    pub(crate) async fn start(does: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Somebody else may have the port for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (log, does): (Log, Behaviour) = (Arc::default(), Arc::new(does));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(Arc::new(udp), Arc::clone(&does), Arc::clone(&log)));
        tasks.spawn(serve_tcp(tcp, does, Arc::clone(&log)));
        Self { address, log, _tasks: tasks }
    }

    /// How many questions came over `transport` so far.
    pub(crate) fn asked(&self, transport: Transport) -> usize {
        self.log.lock().unwrap().iter().filter(|one| **one == transport).count()
    }
}

fn asked(transport: Transport, bytes: &[u8], log: &Log) -> Asked {
    log.lock().unwrap().push(transport);
    let message = Message::from_vec(bytes).unwrap();
    let kind = message.queries.first().unwrap().query_type();
    Asked { transport, id: message.metadata.id, kind, message, bytes: bytes.to_vec() }
}

async fn serve_udp(socket: Arc<UdpSocket>, does: Behaviour, log: Log) {
    let mut answering = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        // A client that went away shows as an error of the next call.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let asked = asked(Transport::Udp, buffer.get(..length).unwrap(), &log);
        let (socket, does) = (Arc::clone(&socket), Arc::clone(&does));
        answering.spawn(async move {
            for message in does(&asked).messages().await {
                socket.send_to(&message, from).await.unwrap();
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, does: Behaviour, log: Log) {
    let mut answering = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        answering.spawn(serve_stream(stream, Arc::clone(&does), Arc::clone(&log)));
    }
}

async fn serve_stream(mut stream: TcpStream, does: Behaviour, log: Log) {
    while let Ok(length) = stream.read_u16().await {
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.unwrap();
        let asked = asked(Transport::Tcp, &bytes, &log);
        for message in does(&asked).messages().await {
            stream.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    }
}

/// The answer to `asked` with these records, such as `www.example 60 A 192.0.2.1`, and an SOA of
/// this minimum.
pub(crate) fn reply(
    asked: &Asked,
    code: ResponseCode,
    records: &[&str],
    negative_seconds: Option<u32>,
) -> Message {
    let mut message = Message::response(asked.id, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_queries(asked.message.queries.iter().cloned());
    for record in records {
        message.add_answer(parse(record));
    }
    if let Some(seconds) = negative_seconds {
        let root = || Name::from_ascii("example.").unwrap();
        let soa = SOA::new(root(), root(), 1, 2, 3, 4, seconds);
        message.add_authority(Record::from_rdata(root(), 86_400, RData::SOA(soa)));
    }
    message
}

fn parse(record: &str) -> Record {
    let mut fields = record.split(' ');
    let mut next = || fields.next().unwrap();
    let owner = Name::from_ascii(format!("{}.", next())).unwrap();
    let ttl = next().parse().unwrap();
    let data = match next() {
        "CNAME" => RData::CNAME(CNAME(Name::from_ascii(format!("{}.", next())).unwrap())),
        _ => RData::from(next().parse::<IpAddr>().unwrap()),
    };
    Record::from_rdata(owner, ttl, data)
}
