//! Round trips measured because somebody asked for them: handshakes with an address, nothing said in
//! them, nothing recorded. Obeys the rules that devices' connections obey.

use crate::dial;
use crate::policy::{Rules, Verdict};
use crate::rule::Destination;
use crate::setup::{DialTable, OriginOf};
use crate::upstream_trust::{UpstreamTrust, Witness};
use crate::wire::{Capture, Wire};
use bytes::Bytes;
use flow::address::Host;
use flow::limits::Limits;
use flow::round_trip::{ChainRoots, KernelTimes};
use flow::stream::Direction;
use flow::time::{SharedClock, Stamp};
use flow::treatment::{BlockedWhy, Cause};
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What measuring takes.
pub struct Measuring {
    pub trust: UpstreamTrust,
    pub rules: Rules,
    /// Asked about an address only where a rule needs it.
    pub origin_of: OriginOf,
    pub dial: DialTable,
    pub simulated_times: BTreeMap<IpAddr, Duration>,
    pub limits: Limits,
    pub mark: Option<u32>,
    pub clock: SharedClock,
}

/// What some handshakes with an address took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// In the order in which they were made.
    pub handshakes: Vec<Handshaken>,
    /// Why there are none, or no more of them.
    pub failed: Option<NotMeasured>,
    /// The time was made up.
    pub simulated: bool,
}

/// What one handshake took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshaken {
    /// When the signature had verified.
    pub at: Stamp,
    /// To the verified signature.
    pub signature: Duration,
    pub chain: ChainRoots,
    /// The server asked for a second ClientHello, so that two round trips are in the time.
    pub retried: bool,
    pub connect: Option<Duration>,
    /// The certificate of the key that signed, DER.
    pub leaf: Option<Bytes>,
    pub kernel: Option<KernelTimes>,
}

/// Why nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMeasured {
    Blocked(BlockedWhy),
    /// `[dial]` has another socket in its place.
    StoodFor(SocketAddr),
    /// The host is no name that can be asked for.
    Name,
    Connect(Cause),
    Handshake(String),
}

impl fmt::Display for NotMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(why) => why.fmt(f),
            Self::StoodFor(socket) => {
                write!(f, "the configuration dials {socket} in its place, and gives no time")
            }
            Self::Name => f.write_str("the host is no name that a server can be asked for"),
            Self::Connect(cause) => write!(f, "it could not be reached: {cause}"),
            Self::Handshake(why) => write!(f, "the TLS handshake failed: {why}"),
        }
    }
}

impl std::error::Error for NotMeasured {}

impl Measuring {
    /// Whether the rules let the address of a host be dialled, or a time is made up for it.
    ///
    /// # Errors
    /// [`NotMeasured`]; nothing was contacted.
    pub fn allowed(&self, host: &Host, address: SocketAddr) -> Result<(), NotMeasured> {
        let ip = address.ip().to_canonical();
        if self.simulated_times.contains_key(&ip) {
            return Ok(());
        }
        if let Some(socket) = self.dial.in_place_of(SocketAddr::new(ip, address.port())) {
            return Err(NotMeasured::StoodFor(socket));
        }
        self.rules
            .host(host)
            .and_then(|()| self.rules.destination(address, &[]))
            .map_err(NotMeasured::Blocked)?;
        let name = host.to_string();
        let origin = self.rules.needs_origin().then(|| (self.origin_of)(ip));
        let destination = Destination {
            names: &[&name],
            address: Some(ip),
            port: Some(address.port()),
            origin: origin.as_ref(),
        };
        match self.rules.verdict(&destination) {
            Some(Verdict::Block(rule)) => {
                Err(NotMeasured::Blocked(BlockedWhy::Rule(rule.to_string())))
            }
            _ => Ok(()),
        }
    }

    /// Shakes hands with an address so many times, one handshake after the other, up to the first that
    /// fails.
    pub async fn measure(&self, host: &Host, address: SocketAddr, samples: u64) -> Measured {
        let mut measured = Measured { handshakes: Vec::new(), failed: None, simulated: false };
        let name = match self.allowed(host, address).and_then(|()| server_name(host)) {
            Ok(name) => name,
            Err(why) => return Measured { failed: Some(why), ..measured },
        };
        if let Some(time) = self.simulated_times.get(&address.ip().to_canonical()) {
            let handshake = Handshaken {
                at: self.clock.now(),
                signature: *time,
                chain: ChainRoots::Public,
                retried: false,
                connect: None,
                leaf: None,
                kernel: None,
            };
            let handshakes = (0..samples).map(|_| handshake.clone()).collect();
            return Measured { handshakes, simulated: true, ..measured };
        }
        for _ in 0..samples {
            match self.handshake(name.clone(), address).await {
                Ok(handshake) => measured.handshakes.push(handshake),
                Err(why) => return Measured { failed: Some(why), ..measured },
            }
        }
        measured
    }

    async fn handshake(
        &self,
        name: ServerName<'static>,
        address: SocketAddr,
    ) -> Result<Handshaken, NotMeasured> {
        let began = self.clock.now();
        let tcp = dial::connect(address, self.mark, self.limits.connect_time)
            .await
            .map_err(NotMeasured::Connect)?;
        let connect = self.clock.now().mono.since(began.mono);
        let mut wire = Wire::new(tcp, self.limits.keepalive_time);
        let capture = Capture::new(Arc::clone(&self.clock), Direction::Down, 0);
        wire.capture(capture.clone());
        let witness = Arc::new(Witness::new(self.trust.clone(), Arc::clone(&self.clock)));
        let config = self.config(&witness).map_err(|e| NotMeasured::Handshake(e.to_string()))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, wire.under_tls());
        let failed = |why: String| NotMeasured::Handshake(why);
        let mut stream = timeout(self.limits.tls_time, connecting)
            .await
            .map_err(|_elapsed| failed(Cause::TimedOut.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        let kernel = stream.get_ref().0.socket().kernel_times();
        // In order, so that the server has no error to note; whether it answers is its affair.
        drop(timeout(self.limits.answer_time, stream.shutdown()).await);
        let (from, signed) = (capture.take().written_from, witness.signed());
        let (Some(from), Some(signed)) = (from, signed) else {
            return Err(failed("the server signed nothing".to_owned()));
        };
        let kind = stream.get_ref().1.handshake_kind();
        let chain = witness.roots();
        Ok(Handshaken {
            at: signed,
            signature: signed.mono.since(from.mono),
            chain,
            retried: kind == Some(HandshakeKind::FullWithHelloRetryRequest),
            connect: Some(connect),
            leaf: witness.take().chain.into_iter().next(),
            kernel,
        })
    }

    fn config(&self, witness: &Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
        let verifier = Arc::<Witness>::clone(witness);
        let mut config = self.trust.base()?.client.clone();
        config.dangerous().set_certificate_verifier(verifier);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, NotMeasured> {
    match host {
        Host::Name(name) => {
            ServerName::try_from(name.to_string()).map_err(|_syntax| NotMeasured::Name)
        }
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
    }
}
