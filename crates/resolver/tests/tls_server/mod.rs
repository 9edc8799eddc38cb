//! A DNS server on loopback that is asked over TLS or HTTPS, and does what a test tells it.

use crate::server::{Asked, Does};
use flow::dns::Transport;
use hickory_resolver::proto::op::Message;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivatePkcs8KeyDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Vouches for servers.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let name = format!("Test authority {:02x?}", &key.public_key_raw()[..8]);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    fn server(&self, name: &str, alpn: &[&str]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        config
    }
}

/// What a server is, but for its answers.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// The name or address of its certificate.
    pub(crate) name: &'static str,
    /// None: bare messages.
    pub(crate) alpn: &'static [&'static str],
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Questions of one connection after which it is closed.
    pub(crate) patience: usize,
}

pub(crate) const DOT: Manner = Manner {
    name: "dns.example",
    alpn: &[],
    status: 200,
    content_type: "application/dns-message",
    patience: usize::MAX,
};

pub(crate) const DOH: Manner = Manner { alpn: &["h2", "http/1.1"], ..DOT };

/// A server that stops when it is dropped.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    _task: JoinSet<()>,
}

/// What came.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    questions: AtomicUsize,
    /// Methods, targets and hosts of requests.
    requests: Mutex<Vec<String>>,
}

type Behaviour = Arc<dyn Fn(&Asked) -> Does + Send + Sync>;

impl TlsServer {
    pub(crate) async fn start(
        authority: &Authority,
        manner: Manner,
        does: impl Fn(&Asked) -> Does + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(manner.name, manner.alpn)));
        let (seen, does): (Arc<Seen>, Behaviour) = (Arc::default(), Arc::new(does));
        let mut task = JoinSet::new();
        let counted = Arc::clone(&seen);
        task.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, does) = (acceptor.clone(), Arc::clone(&does));
                let seen = Arc::clone(&counted);
                serving.spawn(async move {
                    // A client may refuse the certificate.
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    match manner.alpn {
                        [] => bare(stream, manner, &does, &seen).await,
                        _ => http(stream, manner, does, seen).await,
                    }
                });
            }
        });
        Self { address, seen, _task: task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn questions(&self) -> usize {
        self.seen.questions.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

fn asked(transport: Transport, bytes: &[u8], seen: &Seen) -> Asked {
    seen.questions.fetch_add(1, Ordering::SeqCst);
    let message = Message::from_vec(bytes).unwrap();
    let kind = message.queries.first().unwrap().query_type();
    Asked { transport, id: message.metadata.id, kind, message, bytes: bytes.to_vec() }
}

async fn bare(mut stream: TlsStream<TcpStream>, manner: Manner, does: &Behaviour, seen: &Seen) {
    for _ in 0..manner.patience {
        let Ok(length) = stream.read_u16().await else { return };
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.unwrap();
        let asked = asked(Transport::Tls, &bytes, seen);
        for message in does(&asked).messages().await {
            let length = u16::try_from(message.len()).unwrap();
            // The client may be gone.
            stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).await.ok();
            stream.flush().await.ok();
        }
    }
    stream.shutdown().await.ok();
}

async fn http(stream: TlsStream<TcpStream>, manner: Manner, does: Behaviour, seen: Arc<Seen>) {
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
    let left = Arc::new(AtomicUsize::new(manner.patience));
    let service = service_fn(move |request: Request<Incoming>| {
        let (does, seen, left) = (Arc::clone(&does), Arc::clone(&seen), Arc::clone(&left));
        async move {
            let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            let line = format!(
                "{} {} {}",
                request.method(),
                request.uri(),
                host.as_deref().unwrap_or_default()
            );
            seen.requests.lock().unwrap().push(line);
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let asked = asked(Transport::Https, &body, &seen);
            let answer = does(&asked).messages().await.concat();
            let mut response =
                Response::builder().status(manner.status).header(CONTENT_TYPE, manner.content_type);
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                response = response.header("connection", "close");
            }
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer))).unwrap())
        }
    });
    let io = TokioIo::new(stream);
    // However it ends, the client sees it.
    if two {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, service).await.ok();
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(io, service).await.ok();
    }
}
