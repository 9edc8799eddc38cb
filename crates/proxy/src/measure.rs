//! Round trips measured because somebody asked for them: handshakes with an address, nothing said in
//! them, nothing recorded. Obeys the rules that devices' connections obey.

use crate::dial;
use crate::policy::{Rules, Verdict};
use crate::rule::Destination;
use crate::setup::{DialTable, OriginOf};
use crate::upstream_trust::{UpstreamTrust, Witness};
use crate::wire::{Capture, Wire};
use flow::address::Host;
use flow::assessment::MIN_SAMPLES;
use flow::limits::Limits;
use flow::round_trip::ChainRoots;
use flow::stream::Direction;
use flow::time::SharedClock;
use flow::treatment::{BlockedWhy, Cause};
use rustls::ClientConfig;
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
    /// In the order in which they were made; never empty.
    pub handshakes: Vec<Handshaken>,
    /// The time was made up.
    pub simulated: bool,
}

/// What one handshake took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshaken {
    /// To the verified signature.
    pub signature: Duration,
    pub chain: ChainRoots,
    pub connect: Option<Duration>,
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

    /// Shakes hands with an address as often as conclusions take, one handshake after the other.
    ///
    /// # Errors
    /// [`NotMeasured`] of the first handshake that fails.
    pub async fn measure(&self, host: &Host, address: SocketAddr) -> Result<Measured, NotMeasured> {
        self.allowed(host, address)?;
        if let Some(time) = self.simulated_times.get(&address.ip().to_canonical()) {
            let handshake =
                Handshaken { signature: *time, chain: ChainRoots::Public, connect: None };
            let handshakes = (0..MIN_SAMPLES).map(|_| handshake).collect();
            return Ok(Measured { handshakes, simulated: true });
        }
        let name = match host {
            Host::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(|_syntax| NotMeasured::Name)?
            }
            Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
        };
        let mut handshakes = Vec::new();
        for _ in 0..MIN_SAMPLES {
            handshakes.push(self.handshake(name.clone(), address).await?);
        }
        Ok(Measured { handshakes, simulated: false })
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
        // In order, so that the server has no error to note; whether it answers is its affair.
        drop(timeout(self.limits.answer_time, stream.shutdown()).await);
        let (from, signed) = (capture.take().written_from, witness.signed());
        let (Some(from), Some(signed)) = (from, signed) else {
            return Err(failed("the server signed nothing".to_owned()));
        };
        let signature = signed.mono.since(from.mono);
        let chain = witness.roots();
        Ok(Handshaken { signature, chain, connect: Some(connect) })
    }

    fn config(&self, witness: &Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
        let verifier = Arc::<Witness>::clone(witness);
        let mut config = self.trust.base()?.client.clone();
        config.dangerous().set_certificate_verifier(verifier);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
