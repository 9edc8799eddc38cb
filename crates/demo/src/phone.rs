//! The phone: its apps, one after the other, each through the proxy that it was told to use. Apps
//! react as real ones do: one refuses our certificate, one talks without TLS, one carries on.

use crate::cast::{self, Place};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, UPGRADE, USER_AGENT};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A phone that uses `proxy` and whose user has installed a certificate.
pub struct Phone {
    proxy: SocketAddr,
    trusted: CertificateDer<'static>,
    built_in: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

/// How an app's part went.
#[derive(Debug)]
pub struct Played {
    pub place: Place,
    /// What the app would have said: the status it got, or why it gave up.
    pub result: Result<String, String>,
}

impl Phone {
    /// Most apps trust `trusted`, which the user installed; those that pin trust `built_in` alone.
    pub fn new(
        proxy: SocketAddr,
        trusted: CertificateDer<'static>,
        built_in: CertificateDer<'static>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { proxy, trusted, built_in, provider }
    }

    /// Plays every app once. An app that fails is a result, not an error.
    pub async fn play(&self) -> Vec<Played> {
        let mut played = Vec::new();
        for place in cast::CAST {
            let result = match timeout(APP_TIME, self.app(&place)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_elapsed) => Err("gave up waiting".to_owned()),
            };
            played.push(Played { place, result });
        }
        played
    }

    async fn app(&self, place: &Place) -> io::Result<String> {
        match place.host().as_str() {
            host if host == cast::FEED.host() => self.many_at_once(place, &FEED_PATHS).await,
            host if host == cast::CHAT.host() => self.many_at_once(place, &CHAT_PATHS).await,
            host if host == cast::CLIPS.host() => self.many_at_once(place, &CLIP_PATHS).await,
            host if host == cast::NOTES.host() => self.upload(place).await,
            host if host == cast::GAME.host() => self.websocket(place).await,
            host if host == cast::TRACKER.host() => self.tracker(place).await,
            host if host == cast::BANK.host() => self.pinned(place).await,
            host if host == cast::WALLET.host() => self.many_at_once(place, &BANK_PATHS).await,
            host if host == cast::PUSH.host() => self.push(place).await,
            _ => self.upload(place).await,
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let tcp = TcpStream::connect(self.proxy).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// Opens a tunnel to the place.
    async fn tunnel(&self, place: &Place) -> io::Result<TcpStream> {
        let mut tcp = self.connect().await?;
        let authority = place.authority();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        tcp.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
            head.push(tcp.read_u8().await?);
        }
        if head.starts_with(b"HTTP/1.1 200") {
            return Ok(tcp);
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(io::Error::other(String::from_utf8_lossy(line).into_owned()))
    }

    /// TLS to the place, with the one root that the app trusts.
    async fn tls(&self, place: &Place, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let pins = [cast::BANK.host(), cast::WALLET.host()].contains(&place.host());
        let root = if pins { &self.built_in } else { &self.trusted };
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(place.host()).map_err(io::Error::other)?;
        let tcp = self.tunnel(place).await?;
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// An app with an HTTP/2 API: several requests on one connection.
    async fn many_at_once(&self, place: &Place, paths: &[&str]) -> io::Result<String> {
        let tls = self.tls(place, &[b"h2", b"http/1.1"]).await?;
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let mut requests = JoinSet::new();
        for path in paths {
            let uri = format!("https://{}{path}", place.host());
            let request = Request::get(uri)
                .header(USER_AGENT, AGENT)
                .header("x-device-id", DEVICE_ID)
                .body(Full::<Bytes>::default())
                .map_err(io::Error::other)?;
            let mut sender = sender.clone();
            requests.spawn(async move {
                let response = sender.send_request(request).await?;
                response.into_body().collect().await
            });
        }
        let mut answered = 0;
        while let Some(request) = requests.join_next().await {
            request.map_err(io::Error::other)?.map_err(io::Error::other)?;
            answered += 1;
        }
        drop(sender);
        drop(driver.await);
        Ok(format!("HTTP/2, responses: {answered}"))
    }

    /// An app that pins its certificate, and tries again when it is shown another one.
    async fn pinned(&self, place: &Place) -> io::Result<String> {
        match self.many_at_once(place, &BANK_PATHS).await {
            Ok(said) => Ok(said),
            Err(refused) => {
                let said = self.many_at_once(place, &BANK_PATHS).await?;
                Ok(format!("gave up ({refused}), tried again: {said}"))
            }
        }
    }

    /// An app that uploads a JSON document over HTTP/1.1.
    async fn upload(&self, place: &Place) -> io::Result<String> {
        let tls = self.tls(place, &[b"http/1.1"]).await?;
        let body = format!(
            "{{\"device\":\"{DEVICE_ID}\",\"contacts\":214,\"clipboard\":\"Meet at six\"}}"
        );
        let request = Request::post("/v2/sync?app=3.1.4")
            .header(HOST, place.host())
            .header(USER_AGENT, AGENT)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        self.http1(tls, request).await
    }

    /// A game that opens a WebSocket.
    async fn websocket(&self, place: &Place) -> io::Result<String> {
        let tls = self.tls(place, &[b"http/1.1"]).await?;
        let request = Request::get("/lobby")
            .header(HOST, place.host())
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(HeaderName::from_static("sec-websocket-version"), "13")
            .header(HeaderName::from_static("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Full::<Bytes>::default())
            .map_err(io::Error::other)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(tls));
        let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(io::Error::other)?;
        let mut frames = Vec::new();
        TokioIo::new(upgraded).read_to_end(&mut frames).await?;
        drop(driver.await);
        Ok(format!("101, {} bytes of WebSocket frames", frames.len()))
    }

    /// A tracker that an app calls without TLS: a request in absolute form.
    async fn tracker(&self, place: &Place) -> io::Result<String> {
        let tcp = self.connect().await?;
        let uri = format!("http://{}/p.gif?id={DEVICE_ID}&app=postcards&bat=71", place.host());
        let request = Request::get(uri)
            .header(HOST, place.host())
            .header(USER_AGENT, AGENT)
            .body(Full::<Bytes>::default())
            .map_err(io::Error::other)?;
        self.http1(tcp, request).await
    }

    /// An app with a protocol of its own.
    async fn push(&self, place: &Place) -> io::Result<String> {
        let mut tcp = self.tunnel(place).await?;
        let mut greeting = [0; 256];
        let length = tcp.read(&mut greeting).await?;
        tcp.write_all(b"SUBSCRIBE postcards\r\n").await?;
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).await?;
        Ok(format!("{} bytes of its own protocol", length + rest.len()))
    }

    async fn http1<S>(&self, stream: S, request: Request<Full<Bytes>>) -> io::Result<String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        response.into_body().collect().await.map_err(io::Error::other)?;
        drop(sender);
        drop(driver.await);
        Ok(status.to_string())
    }
}

/// Time that one app gets.
const APP_TIME: Duration = Duration::from_secs(20);
const AGENT: &str = "Postcards/3.1.4 (Android 14; Pixel 7)";
/// The advertising identifier that the phone's apps share.
const DEVICE_ID: &str = "6b1d3a52-0c4e-4f0e-9a77-2f5b8c1e9d40";
const FEED_PATHS: [&str; 5] = [
    "/v1/feed?page=1",
    "/v1/me",
    "/img/postcard-1.jpg",
    "/img/postcard-2.jpg",
    "/gone/old-endpoint",
];
const CLIP_PATHS: [&str; 2] = ["/v1/clips?cursor=0", "/v1/clips?cursor=20"];
const BANK_PATHS: [&str; 1] = ["/v3/accounts"];
const CHAT_PATHS: [&str; 2] = ["/session/open?imei=490154203237518", "/poll?since=0"];
