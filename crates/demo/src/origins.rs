//! The servers, each on a loopback port of its own. They answer what the demonstration's apps ask
//! for and know nothing of Landfall.

use crate::cast::{CAST, Place, Serves};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SET_COOKIE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The running servers; they stop when this is dropped.
pub struct Origins {
    sockets: BTreeMap<SocketAddr, SocketAddr>,
    root: CertificateDer<'static>,
    _tasks: JoinSet<()>,
}

impl Origins {
    /// Starts a server for every place of the cast.
    ///
    /// # Errors
    /// When a loopback port cannot be had or a certificate cannot be made.
    pub async fn start(provider: &Arc<CryptoProvider>) -> Result<Self, StartError> {
        let authority = authority().map_err(StartError::Certificate)?;
        let root = authority.der().clone();
        let mut sockets = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for place in CAST {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = SocketAddr::new(place.address, place.port);
            sockets.insert(address, listener.local_addr()?);
            let tls = match place.serves {
                // The port is free again once the listener is dropped, so nobody answers there.
                Serves::Nobody => continue,
                Serves::PlainHttp | Serves::Greeter => None,
                _ => Some(TlsAcceptor::from(Arc::new(tls(&place, &authority, provider)?))),
            };
            tasks.spawn(serve(listener, place, tls));
        }
        Ok(Self { sockets, root, _tasks: tasks })
    }

    /// The loopback socket that stands in for each real one.
    pub fn sockets(&self) -> &BTreeMap<SocketAddr, SocketAddr> {
        &self.sockets
    }

    /// The root that signs the servers' certificates.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }
}

/// The servers could not be started.
#[derive(Debug)]
pub enum StartError {
    Listen(io::Error),
    Certificate(rcgen::Error),
    Tls(rustls::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen(_) => "a server of the demonstration could not listen on loopback",
            Self::Certificate(_) => "a certificate of the demonstration could not be made",
            Self::Tls(_) => "a server of the demonstration could not set up TLS",
        })
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::Listen(error) => error,
            Self::Certificate(error) => error,
            Self::Tls(error) => error,
        })
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Listen(error)
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Landfall demonstration servers");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn tls(
    place: &Place,
    authority: &Authority,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, StartError> {
    let key = KeyPair::generate().map_err(StartError::Certificate)?;
    let params = CertificateParams::new(vec![place.host()]).map_err(StartError::Certificate)?;
    let certificate = match place.serves {
        Serves::SelfSigned => params.self_signed(&key),
        _ => params.signed_by(&key, authority),
    };
    let chain = vec![certificate.map_err(StartError::Certificate)?.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(StartError::Tls)?;
    if place.serves == Serves::Http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

async fn serve(listener: TcpListener, place: Place, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let tls = tls.clone();
        connections.spawn(async move {
            if let Err(error) = connection(tcp, place, tls).await {
                tracing::debug!(%error, host = place.host(), "Ended a demonstration connection");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(tcp: TcpStream, place: Place, tls: Option<TlsAcceptor>) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    match tls {
        Some(tls) => {
            let tls = tls.accept(tcp).await?;
            let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            http(tls, place, is_http2).await
        }
        None if place.serves == Serves::Greeter => greet(tcp).await,
        None => http(tcp, place, false).await,
    }
}

async fn http<S>(stream: S, place: Place, is_http2: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        service_fn(move |request| async move { Ok::<_, Infallible>(answer(place, request).await) });
    let io = TokioIo::new(stream);
    if is_http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, service).await.map_err(io::Error::other)
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        let connection = server.serve_connection(io, service).with_upgrades();
        connection.await.map_err(io::Error::other)
    }
}

/// A line-based push protocol: the server greets, the client subscribes, messages follow.
async fn greet(mut tcp: TcpStream) -> io::Result<()> {
    tcp.write_all(b"+OK courier 2.1 ready\r\n").await?;
    let mut line = [0; 256];
    if tcp.read(&mut line).await? > 0 {
        tcp.write_all(b"+MSG 1 You have a new postcard\r\n+BYE\r\n").await?;
    }
    tcp.shutdown().await
}

async fn answer(place: Place, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.headers().contains_key(UPGRADE) {
        return switch_to_websocket(request);
    }
    let path = request.uri().path().to_owned();
    // What the app uploads is read to its end, as any server would.
    drop(request.into_body().collect().await);
    let (media_type, body) = page(&place, &path);
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let cookie = HeaderValue::from_static("sid=d7f3a1; Path=/; HttpOnly");
    response.headers_mut().insert(SET_COOKIE, cookie);
    if path.starts_with("/gone") {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

fn page(place: &Place, path: &str) -> (&'static str, Bytes) {
    if path.ends_with(".gif") {
        return ("image/gif", Bytes::from_static(ONE_PIXEL));
    }
    if path.ends_with(".jpg") {
        return ("image/jpeg", Bytes::from(vec![0xd8; 48 * 1024]));
    }
    let text = format!("{{\"host\":\"{}\",\"path\":\"{path}\",\"ok\":true}}\n", place.host());
    ("application/json", Bytes::from(text))
}

/// Accepts the upgrade (RFC 6455 section 4.2.2), sends one text frame and a close frame.
fn switch_to_websocket(request: Request<Incoming>) -> Response<Full<Bytes>> {
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut io = TokioIo::new(upgraded);
        let sent = async {
            io.write_all(b"\x81\x10{\"players\": 412}").await?;
            io.write_all(b"\x88\x02\x03\xe8").await?;
            io.shutdown().await
        };
        if let Err(error) = sent.await {
            tracing::debug!(%error, "Ended a demonstration WebSocket");
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    headers.insert("sec-websocket-accept", accept);
    response
}

/// The smallest transparent GIF.
const ONE_PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
