//! A DNS server on loopback, over UDP, TLS or HTTPS, whose answers the test changes while it serves.
//! It knows questions for A alone; every other type of a known name has no data.

use crate::device::read_head;
use crate::test_ca::TestCa;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The server; it ends when dropped.
pub struct NameServer {
    socket: SocketAddr,
    /// How a configuration names it.
    url: String,
    names: Names,
    task: JoinHandle<()>,
}

type Names = Arc<Mutex<HashMap<String, Answer>>>;

/// What a name has.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub ttl: u32,
    /// The names after the asked one.
    pub cnames: Vec<String>,
    pub addresses: Vec<Ipv4Addr>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let names = Names::default();
        let known = Arc::clone(&names);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let reply = answered(&buffer[..length], &known.lock().unwrap());
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        Self { socket: address, url: address.to_string(), names, task }
    }

    /// One that is asked over TLS (RFC 7858), as `dns.example`.
    pub async fn over_tls(ca: &TestCa) -> Self {
        Self::encrypted(ca, "tls", serve_messages).await
    }

    /// One that is asked over HTTPS (RFC 8484) with HTTP/1.1, as `dns.example`.
    pub async fn over_https(ca: &TestCa) -> Self {
        Self::encrypted(ca, "https", serve_requests).await
    }

    async fn encrypted<F: Future<Output = ()> + Send + 'static>(
        ca: &TestCa,
        scheme: &str,
        serve: fn(TlsStream<TcpStream>, Names) -> F,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(ca.server(&["dns.example"], &["http/1.1"]));
        let names = Names::default();
        let known = Arc::clone(&names);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, known) = (acceptor.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    // A client may refuse the certificate.
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        serve(stream, known).await;
                    }
                });
            }
        });
        Self { socket, url: format!("{scheme}://{socket}#dns.example"), names, task }
    }

    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// As a configuration names it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The setting by which Landfall asks this server alone.
    pub fn setting(&self) -> String {
        format!("resolver = {{ servers = [\"{}\"] }}", self.url)
    }

    /// From now on, `name` has these addresses with TTL 0, at the end of this chain.
    pub fn answer(&self, name: &str, cnames: &[&str], addresses: &[&str]) {
        let answer = Answer {
            ttl: 0,
            cnames: cnames.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        self.names.lock().unwrap().insert(name.to_owned(), answer);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve_messages(mut stream: TlsStream<TcpStream>, names: Names) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        let reply = answered(&query, &names.lock().unwrap());
        let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
        stream.write_all(&[length.as_slice(), &reply].concat()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

async fn serve_requests(mut stream: TlsStream<TcpStream>, names: Names) {
    loop {
        let head = read_head(&mut stream).await.to_ascii_lowercase();
        let Some((_, length)) = head.split_once("\r\ncontent-length: ") else { return };
        assert!(head.starts_with("post /dns-query http/1.1\r\n"), "{head}");
        let length = length.lines().next().unwrap().parse().unwrap();
        let mut query = vec![0; length];
        stream.read_exact(&mut query).await.unwrap();
        let reply = answered(&query, &names.lock().unwrap());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n\
             Content-Length: {}\r\n\r\n",
            reply.len()
        );
        stream.write_all(&[head.as_bytes(), &reply].concat()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// The reply to a query with one question (RFC 1035 section 4.1).
fn answered(query: &[u8], names: &HashMap<String, Answer>) -> Vec<u8> {
    let (name, end) = question(query);
    let is_a = query[end..end + 2] == [0, 1];
    let known = names.get(&name);
    let code = if known.is_some() { 0 } else { 3 };
    let mut records = Vec::new();
    let mut count: u16 = 0;
    if let Some(known) = known {
        let mut owner = name;
        for target in &known.cnames {
            record(&mut records, &owner, 5, known.ttl, &spelled(target));
            owner.clone_from(target);
            count += 1;
        }
        for address in known.addresses.iter().filter(|_| is_a) {
            record(&mut records, &owner, 1, known.ttl, &address.octets());
            count += 1;
        }
    }
    let mut reply = query[..2].to_vec();
    // A response, recursion desired and available, and the AD bit as it was asked for.
    reply.extend([0x81, 0x80 | (query[3] & 0x20) | code, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(&query[12..end + 4]);
    reply.extend(records);
    reply
}

/// The name that a query asks for, and where the question's type begins.
fn question(query: &[u8]) -> (String, usize) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}

fn record(message: &mut Vec<u8>, owner: &str, kind: u16, ttl: u32, data: &[u8]) {
    message.extend(spelled(owner));
    message.extend(kind.to_be_bytes());
    message.extend(1_u16.to_be_bytes());
    message.extend(ttl.to_be_bytes());
    message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    message.extend(data);
}

fn spelled(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}
