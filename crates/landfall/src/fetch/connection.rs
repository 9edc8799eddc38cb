//! The connection to a publisher: its name looked up by the configured resolver, its addresses
//! dialled in turn, its certificate verified. `[resolve]` and `[dial]` hold here too, so that tests
//! reach no network.

use super::limits::Limits;
use super::url::Location;
use crate::error::Error;
use flow::address::Host;
use flow::dns::{LookupOutcome, Sake};
use proxy::DialTable;
use resolver::NameResolver;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Makes connections.
pub(super) struct Connector {
    names: NameResolver,
    dial: DialTable,
    /// `SO_MARK` of the sockets, as of those of the look-ups.
    mark: Option<u32>,
    tls: TlsConnector,
}

/// A connection on which HTTP is spoken.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connector {
    pub(super) fn new(
        names: NameResolver,
        dial: DialTable,
        mark: Option<u32>,
        roots: RootCertStore,
    ) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::runtime("TLS cannot be used").because(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { names, dial, mark, tls: TlsConnector::from(Arc::new(config)) })
    }

    pub(super) async fn connect(
        &self,
        to: &Location,
        limits: &Limits,
    ) -> Result<Box<dyn Stream>, Error> {
        let mut last = None;
        for address in self.addresses(to).await?.into_iter().take(limits.addresses) {
            let address = SocketAddr::new(address, to.port());
            let dialled = self.dial.in_place_of(address).unwrap_or(address);
            match proxy::connect(dialled, self.mark, limits.connect_time).await {
                Ok(stream) if to.is_tls() => return self.secured(to, stream, limits).await,
                Ok(stream) => return Ok(Box::new(stream)),
                Err(cause) => last = Some(format!("{address} {cause}")),
            }
        }
        let error = Error::runtime("no address of the publisher can be reached").at(to);
        Err(error.showing(last).hint("check the network, or give another URL below [geo.update]"))
    }

    async fn addresses(&self, to: &Location) -> Result<Vec<IpAddr>, Error> {
        let host = to.host().parse().map_err(|error: flow::address::HostError| {
            Error::runtime("this is no host").at(to).because(&error)
        })?;
        let name = match host {
            Host::Ip(address) => return Ok(vec![address]),
            Host::Name(name) => name,
        };
        let lookup = self.names.look_up(&name, Sake::Landfall).await;
        match lookup.outcome {
            LookupOutcome::Found => Ok(lookup.addresses().collect()),
            outcome => Err(Error::runtime("the publisher's name could not be looked up")
                .at(to)
                .showing([format!("{outcome:?}")])
                .hint("`landfall doctor` checks the resolver")),
        }
    }

    async fn secured(
        &self,
        to: &Location,
        stream: TcpStream,
        limits: &Limits,
    ) -> Result<Box<dyn Stream>, Error> {
        let name = ServerName::try_from(to.host().to_owned())
            .map_err(|error| Error::runtime("this is no host").at(to).because(&error))?;
        match timeout(limits.connect_time, self.tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(Error::runtime("the publisher's server is not to be trusted")
                .at(to)
                .because(&error)
                .hint(
                    "find out who answers in its place; roots of your own are named with upstream-ca",
                )),
            Err(_) => Err(late(to, "the server does not answer the TLS handshake")),
        }
    }
}

pub(super) fn late(at: &Location, what: &str) -> Error {
    Error::runtime(what).at(at).hint("try again later, or give another URL below [geo.update]")
}
