//! A proxy on a loopback port, with a clock that counts, its own authority and a recorder that
//! keeps every event; and the TLS ends to talk through it with.

#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use flow::address::DnsName;
use flow::event::Event;
use flow::limits::Limits;
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use flow::treatment::{Outcome, Treatment};
use proxy::{
    ClientIdentity, Credentials, DialTable, Epochs, KeptWire, Listener, Memory, OnMalformed,
    OnUnverified, Origin, Outgoing, Rules, Setup, UpstreamTrust,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name of the origin, and the address that it resolves to.
pub(crate) const ORIGIN: &str = "origin.example";
pub(crate) const ORIGIN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

/// A generous upper bound for anything that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) proxy: SocketAddr,
    pub(crate) authority: CertificateDer<'static>,
    stop: CancellationToken,
    serving: JoinHandle<u64>,
    events: JoinHandle<Vec<Event>>,
    _data: tempfile::TempDir,
}

/// What a test changes about a run.
pub(crate) struct Options {
    pub(crate) origin: SocketAddr,
    /// Addresses of the origin and the sockets in their places; none: `ORIGIN_ADDRESS` alone.
    pub(crate) places: Vec<(IpAddr, SocketAddr)>,
    pub(crate) origin_root: Option<CertificateDer<'static>>,
    /// The platform trusts that root, too.
    pub(crate) origin_is_public: bool,
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
    pub(crate) on_unverified: OnUnverified,
    pub(crate) credentials: Credentials,
    pub(crate) identities: Vec<ClientIdentity>,
    /// Of every address.
    pub(crate) origin_of: Origin,
    pub(crate) outgoing: Outgoing,
    pub(crate) simulated_times: BTreeMap<IpAddr, Duration>,
    pub(crate) on_malformed: OnMalformed,
    pub(crate) wire: KeptWire,
    /// The name server.
    pub(crate) resolver: SocketAddr,
    /// In place of the clock that counts.
    pub(crate) clock: Option<flow::time::SharedClock>,
}

impl Options {
    pub(crate) fn with_origin(origin: SocketAddr) -> Self {
        Self {
            origin,
            places: Vec::new(),
            origin_root: None,
            origin_is_public: false,
            rules: Rules::default(),
            limits: Limits { shutdown_grace: Duration::from_millis(200), ..Limits::default() },
            on_unverified: OnUnverified::Refuse,
            credentials: Credentials::default(),
            identities: Vec::new(),
            origin_of: Origin::default(),
            outgoing: Outgoing::default(),
            simulated_times: BTreeMap::new(),
            on_malformed: OnMalformed::Relay,
            wire: KeptWire::default(),
            resolver: (Ipv4Addr::LOCALHOST, 9).into(),
            clock: None,
        }
    }
}

pub(crate) async fn start(options: Options) -> Running {
    let data = tempfile::tempdir().unwrap();
    let (key, now) = (certs::KeyKind::P256, SystemTime::now());
    let authority = Arc::new(certs::Authority::load_or_create(data.path(), key, now).unwrap());
    let clock = options.clock.unwrap_or_else(|| Arc::new(RealClock(Instant::now())));
    let name: DnsName = ORIGIN.parse().unwrap();
    let places = match options.places.as_slice() {
        [] => vec![(ORIGIN_ADDRESS, options.origin)],
        places => places.to_vec(),
    };
    let addresses = places.iter().map(|(address, _)| *address).collect();
    let answer = resolver::Override { cnames: Vec::new(), addresses };
    let names = resolver::Config {
        servers: vec![resolver::Server::plain(options.resolver)],
        overrides: BTreeMap::from([(name, answer)]),
        mark: options.outgoing.mark,
    };
    let limits = options.limits;
    let names =
        resolver::NameResolver::new(names, RootCertStore::empty(), &limits, Arc::clone(&clock))
            .unwrap();
    let (mut public, mut roots) = (RootCertStore::empty(), RootCertStore::empty());
    if let (true, Some(root)) = (options.origin_is_public, &options.origin_root) {
        public.add(root.clone()).unwrap();
    }
    let unrelated = issuer();
    roots.add(options.origin_root.unwrap_or_else(|| unrelated.der().clone())).unwrap();
    let origin = options.origin_of;
    let setup = Arc::new(Setup {
        leaves: certs::LeafMinter::new(Arc::clone(&authority), 16).unwrap(),
        names,
        watch: None,
        trust: UpstreamTrust::new(public, roots, options.on_unverified).unwrap(),
        rules: options.rules,
        credentials: options.credentials,
        origin_of: Arc::new(move |_address| origin.clone()),
        identities: options.identities,
        memory: Arc::new(Memory::new(&limits)),
        machine: Vec::new(),
        dial: DialTable { by_address: places.into_iter().collect(), ..DialTable::default() },
        epochs: Epochs::new(|| Some(flow::uplink::Uplink::default())),
        simulated_times: options.simulated_times,
        outgoing: options.outgoing,
        limits,
        on_malformed: options.on_malformed,
        wire: options.wire,
        clock,
        authority: Arc::clone(&authority),
    });
    let (sender, mut receiver) = feed::channel(1 << 20);
    let listener = Listener::proxy((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(proxy::serve(vec![listener], setup, sender, stop.clone()));
    let events = tokio::spawn(async move {
        let (mut events, mut batch) = (Vec::new(), Vec::new());
        while receiver.recv_many(&mut batch, 64).await > 0 {
            events.append(&mut batch);
        }
        events
    });
    let authority = authority.certificate_der();
    Running { proxy, authority, stop, serving, events, _data: data }
}

impl Running {
    /// Stops the proxy and returns all that it told.
    pub(crate) async fn finish(self) -> Story {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.serving).await.unwrap().unwrap();
        Story(tokio::time::timeout(SOON, self.events).await.unwrap().unwrap())
    }

    /// Takes no more events: nothing can be recorded any more.
    pub(crate) async fn stop_recording(&mut self) {
        self.events.abort();
        assert!((&mut self.events).await.unwrap_err().is_cancelled());
    }

    /// Stops a proxy whose recording was stopped; how many connections it refused.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.serving).await.unwrap().unwrap()
    }

    /// Sends `request` as it is and returns all that comes back until the proxy closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut tcp = TcpStream::connect(self.proxy).await.unwrap();
        tcp.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(SOON, tcp.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A tunnel to `authority`.
    pub(crate) async fn tunnel(&self, authority: &str) -> TcpStream {
        let mut tcp = TcpStream::connect(self.proxy).await.unwrap();
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        tcp
    }

    /// TLS through a tunnel to the origin, trusting `root`.
    pub(crate) async fn tls(
        &self,
        root: &CertificateDer<'static>,
        alpn: &[&[u8]],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let tcp = self.tunnel(&format!("{ORIGIN}:443")).await;
        self.tls_over(tcp, root, alpn).await
    }

    /// TLS as the origin over a tunnel, trusting `root`.
    pub(crate) async fn tls_over(
        &self,
        tcp: TcpStream,
        root: &CertificateDer<'static>,
        alpn: &[&[u8]],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(ORIGIN).unwrap();
        tokio_rustls::TlsConnector::from(client_config(root, alpn)).connect(name, tcp).await
    }
}

fn client_config(root: &CertificateDer<'static>, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// The ClientHello of a client that asks for the origin, in its record.
pub(crate) fn client_hello() -> Vec<u8> {
    let config = client_config(issuer().der(), &[]);
    let name = ServerName::try_from(ORIGIN).unwrap();
    let mut connection = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

/// A listener for an origin, and its address.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// All events of a run.
pub(crate) struct Story(pub Vec<Event>);

impl Story {
    /// The last treatment told of the only connection.
    pub(crate) fn treatment(&self) -> &Treatment {
        let told = self.0.iter().rev().find_map(|event| match event {
            Event::Treated { treatment, .. } => Some(treatment),
            _ => None,
        });
        told.expect("a treatment")
    }

    pub(crate) fn outcomes(&self) -> Vec<&Outcome> {
        let closed = self.0.iter().filter_map(|event| match event {
            Event::Closed(closed) => Some(&closed.outcome),
            _ => None,
        });
        closed.collect()
    }

    /// The bytes told of one stream.
    pub(crate) fn stream(
        &self,
        leg: flow::stream::Leg,
        direction: flow::stream::Direction,
    ) -> Vec<u8> {
        let mut all = Vec::new();
        for event in &self.0 {
            if let Event::Chunk(chunk) = event
                && (chunk.stream.leg, chunk.stream.direction) == (leg, direction)
            {
                all.extend_from_slice(&chunk.bytes);
            }
        }
        all
    }
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A certificate authority for origins.
pub(crate) fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    let key = KeyPair::generate().unwrap();
    let name = format!("Test authority {:02x?}", &key.public_key_raw()[..8]);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    CertifiedIssuer::self_signed(params, key).unwrap()
}

/// The TLS configuration of an origin whose certificate the issuer signs.
pub(crate) fn origin_tls(issuer: &Issuer, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    origin_tls_with(rustls::crypto::aws_lc_rs::default_provider(), issuer, alpn)
}

/// The same with other cryptography.
pub(crate) fn origin_tls_with(
    provider: rustls::crypto::CryptoProvider,
    issuer: &Issuer,
    alpn: &[&[u8]],
) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![ORIGIN.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Stamp {
        let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        Stamp { wall: WallNanos(wall), mono: MonoNanos(self.0.elapsed().as_nanos() as u64) }
    }
}
