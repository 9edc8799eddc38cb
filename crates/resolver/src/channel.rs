//! One TLS connection to a DNS server, on which messages go back and forth: bare (RFC 7858) or as
//! bodies of HTTP requests (RFC 8484), over HTTP/2 or HTTP/1.1 as the server chooses. One message at a
//! time, and no deadline of its own. Knows nothing of what is in a message.

use crate::exchange::{Failure, Peer, connect, unreachable};
use crate::server::{Identity, Over, Path, Server};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How connections to one server are made.
pub(crate) struct Opener {
    peer: Peer,
    name: ServerName<'static>,
    tls: TlsConnector,
    /// `None`: bare messages.
    http: Option<Requests>,
}

/// What the requests of a DoH server have in common.
#[derive(Clone)]
struct Requests {
    /// The authority of the server's URL: its name, else its address.
    authority: String,
    path: Path,
}

impl Opener {
    /// `None` for a server that is asked in the clear.
    ///
    /// # Errors
    /// What the TLS library refuses to be set up with.
    pub(crate) fn new(
        server: &Server,
        peer: Peer,
        roots: &Arc<RootCertStore>,
    ) -> Result<Option<Self>, rustls::Error> {
        let (identity, path) = match &server.over {
            Over::Plain => return Ok(None),
            Over::Tls { identity } => (identity, None),
            Over::Https { identity, path } => (identity, Some(path.clone())),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        // A ticket would tell the server which connections are of one machine.
        config.resumption = Resumption::disabled();
        if path.is_some() {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        let name = match identity {
            Identity::Address => ServerName::IpAddress(peer.address.ip().into()),
            Identity::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|_never| rustls::Error::General("no server name".to_owned()))?,
        };
        let http = path.map(|path| Requests { authority: authority(server), path });
        Ok(Some(Self { peer, name, tls: TlsConnector::from(Arc::new(config)), http }))
    }

    /// Whether messages are bodies of HTTP.
    pub(crate) fn is_http(&self) -> bool {
        self.http.is_some()
    }

    /// Connects, shakes hands and verifies.
    pub(crate) async fn open(&self) -> Result<Channel, Failure> {
        let tcp = connect(self.peer).await?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let shaking = self.tls.connect(self.name.clone(), tcp);
        let stream = shaking.await.map_err(|error| not_secured(&error))?;
        match &self.http {
            None => Ok(Channel::Bare(Box::new(stream))),
            Some(requests) => Http::start(requests.clone(), stream).await.map(Channel::Http),
        }
    }
}

/// The host of the URL: RFC 8484 servers with several names behind one address tell them apart by it.
fn authority(server: &Server) -> String {
    match (server.name(), server.address.port()) {
        (Some(name), 443) => name.to_string(),
        (Some(name), port) => format!("{name}:{port}"),
        (None, _) => server.address.to_string(),
    }
}

/// An open connection. After a failure it is of no more use.
pub(crate) enum Channel {
    Bare(Box<TlsStream<TcpStream>>),
    Http(Http),
}

impl Channel {
    /// Sends a message and waits for the next one that comes.
    pub(crate) async fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bare(stream) => bare(stream, message).await,
            Self::Http(http) => http.exchange(message).await,
        }
    }
}

async fn bare(stream: &mut TlsStream<TcpStream>, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let length = u16::try_from(message.len()).map_err(|_overflow| Failure::Unreadable)?;
    // In one piece: RFC 7858 section 3.3.
    let framed = [length.to_be_bytes().as_slice(), message].concat();
    stream.write_all(&framed).await.map_err(|error| broken(&error))?;
    stream.flush().await.map_err(|error| broken(&error))?;
    let length = stream.read_u16().await.map_err(|error| broken(&error))?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.map_err(|error| broken(&error))?;
    Ok(bytes)
}

/// A connection on which HTTP is spoken.
pub(crate) struct Http {
    requests: Requests,
    sender: Sender,
    /// Moves the bytes; it ends with this.
    _connection: JoinSet<()>,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Http {
    async fn start(requests: Requests, stream: TlsStream<TcpStream>) -> Result<Self, Failure> {
        let two = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        let io = TokioIo::new(stream);
        let mut connection = JoinSet::new();
        let sender = if two {
            let handshake = http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(MOST_HEAD)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .handshake(io);
            let (sender, moving) = handshake.await.map_err(|error| no_http(&error))?;
            connection.spawn(async move { drop(moving.await) });
            Sender::Two(sender)
        } else {
            let mut builder = http1::Builder::new();
            let handshake = builder.max_buf_size(MOST_HEAD as usize).handshake(io);
            let (sender, moving) = handshake.await.map_err(|error| no_http(&error))?;
            connection.spawn(async move { drop(moving.await) });
            Sender::One(sender)
        };
        Ok(Self { requests, sender, _connection: connection })
    }

    async fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let body = Full::new(Bytes::copy_from_slice(message));
        let response = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await.map_err(|error| no_http(&error))?;
                sender.send_request(self.requests.one(body)?).await
            }
            Sender::Two(sender) => {
                sender.ready().await.map_err(|error| no_http(&error))?;
                sender.send_request(self.requests.two(body)?).await
            }
        };
        message_in(response.map_err(|error| no_http(&error))?).await
    }
}

impl Requests {
    fn one(&self, body: Full<Bytes>) -> Result<Request<Full<Bytes>>, Failure> {
        let request = Request::post(self.path.as_str()).header(HOST, &self.authority);
        finished(request, body)
    }

    fn two(&self, body: Full<Bytes>) -> Result<Request<Full<Bytes>>, Failure> {
        let url = format!("https://{}{}", self.authority, self.path.as_str());
        finished(Request::post(url).version(Version::HTTP_2), body)
    }
}

/// With nothing in it that tells one client from another (RFC 8484 section 8.1).
fn finished(
    request: hyper::http::request::Builder,
    body: Full<Bytes>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let request = request.header(CONTENT_TYPE, MESSAGE).header(ACCEPT, MESSAGE).body(body);
    request.map_err(|error| Failure::Unreachable(error.to_string()))
}

/// The DNS message that is the body of an answer.
async fn message_in(response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
    let (status, kind) = (response.status(), response.headers().get(CONTENT_TYPE));
    if status != StatusCode::OK {
        return Err(Failure::Server(format!("HTTP {}", status.as_u16())));
    }
    if kind != Some(&MESSAGE) {
        return Err(Failure::Server("HTTP without a DNS message".to_owned()));
    }
    match Limited::new(response.into_body(), MOST_MESSAGE).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::Unreadable),
        Err(error) => Err(no_http(&error)),
    }
}

/// Why there is no TLS session, and whose doing it is.
fn not_secured(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    Failure::Unreachable(match tls {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            format!("the server's certificate is refused: {reason}")
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the server refused the TLS handshake: {alert:?}")
        }
        Some(other) => format!("the server's TLS handshake is wrong: {other}"),
        None if error.kind() == io::ErrorKind::TimedOut => return Failure::TimedOut,
        None if is_close(error) => "the server closed the TLS handshake".to_owned(),
        None => error.to_string(),
    })
}

/// Why an exchange over a session came to nothing.
fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::TimedOut,
        _ if is_close(error) => {
            Failure::Unreachable("the server closed the connection without an answer".to_owned())
        }
        _ => Failure::Unreachable(error.to_string()),
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn no_http(error: &(impl Display + ?Sized)) -> Failure {
    Failure::Unreachable(format!("the server's HTTP failed: {error}"))
}

/// RFC 8484 section 6.
const MESSAGE: HeaderValue = HeaderValue::from_static("application/dns-message");
/// Bytes of a DNS message, whose length has 16 bits wherever else it goes.
const MOST_MESSAGE: usize = 65_535;
/// Bytes of an answer's head.
const MOST_HEAD: u32 = 16 * 1024;
/// Bytes that a server may send ahead: one message.
const WINDOW: u32 = 65_535;
